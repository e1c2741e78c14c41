#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("zammad"), |bytes: &[u8]| foxferry_fuzz::run("zammad", bytes));
