#![no_main]

libfuzzer_sys::fuzz_target!(init: foxferry_fuzz::prepare("jira"), |bytes: &[u8]| foxferry_fuzz::run("jira", bytes));
