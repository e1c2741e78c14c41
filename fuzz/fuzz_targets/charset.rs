#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("charset"), |bytes: &[u8]| foxferry_fuzz::run("charset", bytes));
