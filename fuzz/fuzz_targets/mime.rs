#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("mime"), |bytes: &[u8]| foxferry_fuzz::run("mime", bytes));
