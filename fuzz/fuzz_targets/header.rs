#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("header"), |bytes: &[u8]| foxferry_fuzz::run("header", bytes));
