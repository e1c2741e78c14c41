#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("helpscout"), |bytes: &[u8]| foxferry_fuzz::run("helpscout", bytes));
