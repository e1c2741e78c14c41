//! What a person sees: the built program, run in folders of its own.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says why it is skipped")]

mod archives;
mod backup;
mod backup_soak;
mod cases;
mod check;
mod containers;
mod delta;
mod described;
mod doctor;
mod encrypted;
mod exit_codes;
mod expected;
mod export;
mod export_contract;
mod fetch;
mod first_steps;
mod follow;
mod fuzzing;
mod handbook;
mod imports;
mod init;
mod inspect;
mod kill;
mod letters;
mod library;
mod licences;
mod mail_content;
mod people;
mod place;
mod records;
mod refusals;
mod rehearsal;
mod report;
mod restore;
mod resume;
mod rollback;
mod sandbox;
#[path = "../../fuzz/src/targets.rs"]
mod targets;
mod verify;
