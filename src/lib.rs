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
