#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("json"), |bytes: &[u8]| foxferry_fuzz::run("json", bytes));
