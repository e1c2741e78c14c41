#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("date"), |bytes: &[u8]| foxferry_fuzz::run("date", bytes));
