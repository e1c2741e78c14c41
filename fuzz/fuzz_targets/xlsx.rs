#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("xlsx"), |bytes: &[u8]| foxferry_fuzz::run("xlsx", bytes));
