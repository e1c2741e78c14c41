#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("html"), |bytes: &[u8]| foxferry_fuzz::run("html", bytes));
