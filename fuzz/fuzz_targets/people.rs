#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("people"), |bytes: &[u8]| foxferry_fuzz::run("people", bytes));
