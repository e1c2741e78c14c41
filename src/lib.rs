//! foxferry carries a help desk's history into FreeScout, and back out.
//!
//! Data goes one way:
//!
//! ```text
//! archive → Record → Conversation → (channel) → steps → FreeScout
//!           plain synchronous code  │            async code
//! ```
//!
//! - [`input`], [`source`] and [`catalog`] cut an archive into [`record`]s.
//! - [`mapping`] turns a record into a [`conversation`]; [`check`] says what FreeScout would do to it.
//! - [`doctor`] asks a target what it is and can do, before anything is sent.
//! - [`upload`] sends it through [`freescout`], and [`journal`] remembers what has happened.
//! - [`verify`] reads back what was carried and compares it.
//! - [`holdings`] counts what an archive holds, before any mapping.
//! - [`anonymise`] makes a record nobody's, so that it can be shown to others.
//! - [`backup`] copies a FreeScout into a folder, and reads it back.
//! - [`mod@export`] writes what a FreeScout holds into files for people and other programs.
//! - [`fetch`] gets the files that an archive only links to.
//! - [`sandbox`] imitates a FreeScout for rehearsals and tests.
//! - [`window`] says in which hours, and [`report`] is how all of them tell what they do.
//!
//! # One import, in code
//!
//! A [`source`] opens an archive and gives a [`source::Reader`], an iterator of records. [`pipeline::spawn`] reads and converts them
//! on OS threads, and gives a channel of [`mapping::Converted`]. [`upload::run`] takes that channel, a
//! [`freescout::Client`], and a [`journal::Journal`], and returns sums. Nothing prints, nothing exits, and nothing reads the
//! environment: all that happens is told to a [`report::Reporter`]. `examples/import.rs` is all of it in sixty lines,
//! `examples/client.rs` talks to FreeScout alone, `examples/own_source.rs` reads a format of its own.
//!
//! # What stays as it is
//!
//! Versions follow semantic versioning; before 1.0 a minor version may change anything that the changelog names. From 1.0 on:
//!
//! - Public items keep name, shape and meaning within a major version. Enums and errors that are `#[non_exhaustive]` may get
//!   variants; structs of options may get fields, so fill them with `..Default::default()`.
//! - A journal or backup that any released version wrote is read by all later ones. An older program refuses a newer journal, and says so.
//! - A mapping file of version 1 means the same in all later versions.
//! - Commands, options, exit codes and the fields of JSON events are added to, never changed.
//! - Texts of messages and findings may change at any time; codes of findings do not.
//! - The oldest compiler is the `rust-version` of `Cargo.toml`; raising it is a minor version.

pub mod anonymise;
pub mod backup;
pub mod catalog;
pub mod cell;
pub mod check;
pub mod content;
pub mod conversation;
pub mod demo;
pub mod distinct;
pub mod doctor;
pub mod export;
pub mod fetch;
pub mod finding;
pub mod freescout;
pub mod holdings;
pub mod html;
pub mod init;
pub mod input;
pub mod journal;
pub mod json;
pub mod mail;
pub mod mapping;
pub mod pipeline;
pub mod record;
pub mod report;
pub mod roster;
pub mod sandbox;
pub mod source;
pub mod upload;
pub mod verify;
pub mod window;
