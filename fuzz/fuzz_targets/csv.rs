#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("csv"), |bytes: &[u8]| foxferry_fuzz::run("csv", bytes));
