#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("freshdesk"), |bytes: &[u8]| foxferry_fuzz::run("freshdesk", bytes));
