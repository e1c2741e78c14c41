#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("zst"), |bytes: &[u8]| foxferry_fuzz::run("zst", bytes));
