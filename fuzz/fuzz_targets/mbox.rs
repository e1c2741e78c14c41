#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("mbox"), |bytes: &[u8]| foxferry_fuzz::run("mbox", bytes));
