#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("zendesk"), |bytes: &[u8]| foxferry_fuzz::run("zendesk", bytes));
