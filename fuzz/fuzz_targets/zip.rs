#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("zip"), |bytes: &[u8]| foxferry_fuzz::run("zip", bytes));
