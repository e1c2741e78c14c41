#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("intercom"), |bytes: &[u8]| foxferry_fuzz::run("intercom", bytes));
