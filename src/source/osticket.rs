//! The `osticket` source: an SQL dump of osTicket's database, read without a database.
//!
//! What mysqldump, MariaDB's dump or phpMyAdmin write, of any version from 1.6 on and with any prefix of tables; several
//! files, too. Attachments that osTicket keeps outside its database are found in files named by their key, as its
//! file-system plugin stores them.
//!
//! Promises:
//!
//! - Memory is bounded by the largest row and the largest ticket, whatever the size of the dump.
//! - `ticket_id` is the id; the number that people see, which is not always unique, is the field `number`.
//! - A row that is broken is an error with its place if it may be a ticket or a text, and an oddity else.
//! - Tables with passwords and keys are never read, and no row is ever shown.
//!
//! `samples/README.md` names the oddities that the sample shows.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::finding::codes;
use crate::input::{Head, HeadFile, Input};
use crate::record::{Oddity, Origin};
use crate::source::contacts::Contacts;
use crate::source::csv::Dates;
use crate::source::{Facts, Reader, Reading, Source, SourceError};
use build::Tickets;
use tables::{Layout, kind};

mod build;
mod desk;
mod files;
mod pass;
mod people;
mod scan;
mod tables;
pub(crate) mod values;

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 1;

/// The `osticket` source.
pub struct OsTicket;

impl Source for OsTicket {
    fn name(&self) -> &'static str {
        "osticket"
    }

    fn recognises(&self, head: &Head) -> bool {
        head.files.iter().any(|file| is_sql(file) && is_osticket(file.text()))
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let dates = Dates::of(None, reading)?;
        let (catalog, notes) = indexed(&input, &dates, reading)?;
        let facts = facts(&catalog, &input, &notes, reading)?;
        let groups = catalog.into_groups(reading.order);
        let passing = groups.passing();
        Ok(Reader::new(facts, Tickets::new(groups, input, dates, layouts(&notes))).passing(passing))
    }

    fn people(&self, input: Input, reading: &Reading<'_>) -> Result<Option<Contacts>, SourceError> {
        let dates = Dates::of(None, reading)?;
        let (catalog, notes) = indexed(&input, &dates, reading)?;
        Ok(Some(Box::new(people::People::new(catalog, input, dates, layouts(&notes)))))
    }
}

/// Whether a file begins as an SQL dump does.
fn is_sql(file: &HeadFile) -> bool {
    let text = file.text().trim_ascii_start();
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    let words: &[&[u8]] = &[
        b"/*!",
        b"/*M!",
        b"CREATE ",
        b"INSERT ",
        b"REPLACE ",
        b"DROP ",
        b"SET ",
        b"LOCK ",
        b"USE ",
        b"BEGIN;",
        b"START ",
    ];
    words.iter().any(|word| begins(word))
        // Comments come first in most dumps, and in some other files.
        || ((text.starts_with(b"--") || text.starts_with(b"/*") || text.starts_with(b"#"))
            && [&b"CREATE TABLE"[..], b"INSERT INTO", b"DROP TABLE", b"-- Dump", b"-- MySQL dump", b"-- MariaDB dump"]
                .iter()
                .any(|word| memchr::memmem::find(text, word).is_some()))
}

/// Columns that no other program's tables have.
const COLUMNS: &[&[u8]] = &[b"`can_create_tickets`", b"`isanswered`", b"`thread_entry_id`", b"`ticket_auto_response`"];

/// Tables that osTicket has. One of the first few tells it; of the others two of one prefix do.
const TABLES: &[&str] = &[
    "thread_entry",
    "ticket__cdata",
    "thread_entry_email",
    "ticket_thread",
    "ticket_response",
    "help_topic",
    "api_key",
    "canned_response",
    "email_template_group",
    "form_entry_values",
    "ticket_priority",
    "ticket_message",
    "department",
    "attachment",
    "_search",
    "faq_category",
    "ticket",
];

/// How many of them tell it alone.
const TELLING: usize = 5;

/// Whether the beginning of a dump names osTicket's tables.
fn is_osticket(text: &[u8]) -> bool {
    if COLUMNS.iter().any(|column| memchr::memmem::find(text, column).is_some()) {
        return true;
    }
    let mut found: Vec<(usize, String)> = Vec::new();
    for word in [&b"CREATE TABLE "[..], b"INSERT INTO ", b"DROP TABLE IF EXISTS "] {
        for at in memchr::memmem::find_iter(text, word) {
            let name = text[at + word.len()..].strip_prefix(b"IF NOT EXISTS ").unwrap_or(&text[at + word.len()..]);
            let name = name.strip_prefix(b"`").unwrap_or(name);
            let end = name.iter().take(80).position(|it| !it.is_ascii_alphanumeric() && *it != b'_').unwrap_or(0);
            let name = String::from_utf8_lossy(&name[..end]).to_ascii_lowercase();
            let known = TABLES.iter().position(|base| {
                name.strip_suffix(base).is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('_'))
            });
            let Some(known) = known else { continue };
            let prefix = name[..name.len() - TABLES[known].len()].to_owned();
            if known < TELLING || found.iter().any(|(other, of)| *other != known && *of == prefix) {
                return true;
            }
            found.push((known, prefix));
        }
    }
    false
}

/// The archive's index, made by a pass over it unless it is there already, and what is noted beside it.
fn indexed(input: &Input, dates: &Dates, reading: &Reading<'_>) -> Result<(Catalog, Value), SourceError> {
    let stamp = input.stamp().map_err(|cause| {
        let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
        SourceError::Io { path, cause }
    })?;
    let key = format!("osticket {INDEX_VERSION} {stamp} {:?}", reading.shape.zone);
    let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
    if !catalog.is_sealed() {
        let mut pass = pass::Pass::new(input, dates, &mut catalog, reading.watch);
        pass.run()?;
        let notes = notes(&pass);
        catalog.note("pass", &notes)?;
        catalog.seal()?;
    }
    let notes = catalog.noted("pass")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok((catalog, notes))
}

/// What the pass found out and the catalog cannot count, as text to keep beside the index.
fn notes(pass: &pass::Pass<'_>) -> String {
    let oddities = super::joined::noted(&pass.oddities);
    json!({
        "counts": pass.counts, "variants": pass.variants, "oddities": oddities, "layouts": pass.layouts,
        "example": pass.example,
    })
    .to_string()
}

fn layouts(notes: &Value) -> Vec<Arc<Layout>> {
    let list = notes["layouts"].as_array().map(Vec::as_slice).unwrap_or_default();
    // One that cannot be read would shift the numbers of the others.
    list.iter().map_while(|it| serde_json::from_value(it.clone()).ok()).map(Arc::new).collect()
}

fn facts(catalog: &Catalog, input: &Input, notes: &Value, reading: &Reading<'_>) -> Result<Facts, SourceError> {
    let number = |key: &str| notes["counts"][key].as_u64().unwrap_or(0);
    let texts = |key: &str| notes[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut variants: Vec<String> = texts("variants").iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    if number("old_messages") > 0 {
        variants.push("tables of 1.9 or older".to_owned());
    }
    let mut oddities: Vec<Oddity> = texts("oddities").iter().filter_map(super::joined::oddity_of).collect();
    let records = catalog.group_count()?;
    let tickets = records - number("unreadable").min(records);
    let dump = input.files().iter().find(|file| file.shown.to_ascii_lowercase().contains(".sql"));
    let whole =
        Origin::whole(&dump.or(input.files().first()).map_or_else(|| Arc::from("."), |it| Arc::clone(&it.shown)));
    let place = |piece: Option<crate::catalog::Piece>| match piece {
        Some(piece) => Origin::line(&input.files()[piece.file as usize].shown, piece.line),
        None => whole.clone(),
    };
    let mut note = |code, origin, message| oddities.push(Oddity { code, origin, message });
    let nowhere = u8::MAX;
    let (without_thread, first) = catalog.orphans(kind::ENTRY, kind::KNOWN)?;
    let mut lost = without_thread;
    if without_thread > 0 {
        let message = format!("{without_thread} messages belong to no thread that the dump holds; they are left out");
        note(codes::READ_MISSING_PART, place(first), message);
    }
    let (threads, first) = catalog.orphans(kind::THREAD, nowhere)?;
    if threads > 0 {
        let message = format!("{threads} threads belong to tickets that the dump does not hold; they are left out");
        note(codes::READ_MISSING_PART, place(first), message);
    }
    for kind in [kind::OLD_ENTRY, kind::OLD_MESSAGE, kind::OLD_RESPONSE, kind::OLD_NOTE] {
        let (count, first) = catalog.orphans(kind, nowhere)?;
        lost += count;
        if count > 0 {
            let message = format!("{count} messages belong to tickets that the dump does not hold; they are left out");
            note(codes::READ_MISSING_PART, place(first), message);
        }
    }
    let task_messages = catalog.orphans(kind::ENTRY, kind::ANCHOR)?.0.saturating_sub(without_thread);
    if number("task_threads") > 0 {
        let message = format!(
            "{} tasks with {task_messages} messages are left out: FreeScout has no tasks",
            number("task_threads")
        );
        note(codes::READ_IGNORED, whole.clone(), message);
    }
    if let (Some([number, opened]), None) = (notes["example"].as_array().map(Vec::as_slice), &reading.shape.zone) {
        let message = format!(
            "dates name no time zone and were read as UTC (ticket {} was opened {}); `zone` in the mapping's `[shape]` says otherwise",
            number.as_str().unwrap_or_default(),
            opened.as_str().unwrap_or_default()
        );
        note(codes::READ_DATE, whole.clone(), message);
    }
    let counts = vec![
        ("tickets", tickets),
        ("messages", number("messages")),
        ("lost_messages", lost),
        ("lost_threads", threads),
        ("task_messages", task_messages),
        ("persons", catalog.name_count(kind::USER)? + catalog.name_count(kind::STAFF)?),
        ("files", catalog.name_count(kind::FILE)?),
        ("stored_files", number("stored_files")),
        ("duplicates", number("tickets").saturating_sub(tickets)),
        ("unreadable", number("unreadable")),
    ];
    Ok(Facts { records, counts, variants, oddities })
}

#[cfg(test)]
mod tests;
