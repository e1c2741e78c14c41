#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("address"), |bytes: &[u8]| foxferry_fuzz::run("address", bytes));
