#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("osticket"), |bytes: &[u8]| foxferry_fuzz::run("osticket", bytes));
