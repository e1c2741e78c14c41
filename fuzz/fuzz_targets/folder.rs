#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("folder"), |bytes: &[u8]| foxferry_fuzz::run("folder", bytes));
