#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("records"), |bytes: &[u8]| foxferry_fuzz::run("records", bytes));
