#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("maildir"), |bytes: &[u8]| foxferry_fuzz::run("maildir", bytes));
