#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("gz"), |bytes: &[u8]| foxferry_fuzz::run("gz", bytes));
