#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("xml"), |bytes: &[u8]| foxferry_fuzz::run("xml", bytes));
