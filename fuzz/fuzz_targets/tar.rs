#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("tar"), |bytes: &[u8]| foxferry_fuzz::run("tar", bytes));
