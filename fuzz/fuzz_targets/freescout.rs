#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("freescout"), |bytes: &[u8]| foxferry_fuzz::run("freescout", bytes));
