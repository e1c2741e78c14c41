#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("body"), |bytes: &[u8]| foxferry_fuzz::run("body", bytes));
