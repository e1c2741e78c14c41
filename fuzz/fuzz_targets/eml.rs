#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("eml"), |bytes: &[u8]| foxferry_fuzz::run("eml", bytes));
