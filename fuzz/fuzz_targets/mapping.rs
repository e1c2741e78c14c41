#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("mapping"), |bytes: &[u8]| foxferry_fuzz::run("mapping", bytes));
