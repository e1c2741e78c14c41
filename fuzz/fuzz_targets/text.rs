#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("text"), |bytes: &[u8]| foxferry_fuzz::run("text", bytes));
