//! Whether a file's beginning is Zendesk's.

use std::io::Cursor;

use super::shape::{collection, is_page};
use crate::input::HeadFile;
use crate::json::{Members, Scanner};

/// How many objects of a file are looked at.
const OBJECTS: usize = 20;

/// Whether a file is, beyond doubt, part of a Zendesk dump.
///
/// Keys decide: a `requester_id` alone is Freshdesk's too, a list called `tickets` Zammad's.
pub(super) fn is_zendesk(file: &HeadFile) -> bool {
    let text = file.text();
    let start = text.trim_ascii_start();
    if start.starts_with(b"{") || start.starts_with(b"[") { find(text, 0) } else { false }
}

/// Looks through the objects of a text, page by page, as far as it goes.
fn find(text: &[u8], nesting: u32) -> bool {
    let Ok(mut scanner) = Scanner::new(Cursor::new(text)) else { return false };
    for _ in 0..OBJECTS {
        let Ok(Some(first)) = scanner.peek() else { return false };
        let rest = &text[scanner.offset() as usize..];
        let found = match first {
            b'{' if is_page(rest, false).unwrap_or(false) => in_page(rest, nesting),
            b'{' => is_element(rest),
            b'[' => in_list(rest, nesting),
            _ => false,
        };
        if found {
            return true;
        }
        // In JSON lines one damaged line says nothing about the next.
        if scanner.value(u64::MAX).is_err() && scanner.skip_line().is_err() {
            return false;
        }
    }
    false
}

fn in_page(text: &[u8], nesting: u32) -> bool {
    let mut members = Members::new(text);
    while let Some(key) = members.next() {
        let value = members.value();
        let found = match value.first() {
            Some(b'[') if collection(&key).is_some() => in_list(value, nesting + 1),
            Some(b'{') if collection(&key).is_some() => is_element(value),
            _ => false,
        };
        if found {
            return true;
        }
    }
    false
}

fn in_list(text: &[u8], nesting: u32) -> bool {
    if nesting > 3 {
        return false;
    }
    let Ok(mut scanner) = Scanner::new(Cursor::new(text)) else { return false };
    scanner.enter();
    for _ in 0..OBJECTS {
        let Ok(Some(b'{')) = scanner.element() else { return false };
        let rest = &text[scanner.offset() as usize..];
        let is_found = match is_page(rest, false) {
            Some(true) => in_page(rest, nesting + 1),
            _ => is_element(rest),
        };
        if is_found {
            return true;
        }
        if scanner.value(u64::MAX).is_err() {
            return false;
        }
    }
    false
}

/// Whether an object's keys are those of a Zendesk ticket, comment, audit or user.
fn is_element(text: &[u8]) -> bool {
    let mut is_from_zendesk = false;
    let mut keys = Vec::new();
    let mut members = Members::new(text);
    while let Some(key) = members.next() {
        if key == "url" {
            let value = members.value();
            let value = &value[..value.len().min(200)];
            let end = memchr::memchr2(b',', b'}', value).unwrap_or(value.len());
            is_from_zendesk |= memchr::memmem::find(&value[..end], b".zendesk.com/").is_some();
        }
        keys.push(key);
    }
    let has = |key: &str| keys.iter().any(|it| it == key);
    let some = |all: &[&str]| all.iter().filter(|key| has(key)).count();
    // Keys that no other help desk uses in these combinations.
    let own = some(&[
        "submitter_id",
        "raw_subject",
        "brand_id",
        "ticket_form_id",
        "collaborator_ids",
        "custom_status_id",
        "followup_ids",
        "allow_channelback",
        "has_incidents",
        "problem_id",
    ]);
    let has_people = has("requester_id") || has("requester");
    // `entries`: a record as JSON, which may have been made of a Zendesk ticket.
    if has("entries") || has("responder_id") || has("conversation_parts") || has("_embedded") {
        return false;
    }
    (has_people && own >= 1)
        || (has_people && has("via") && has("status"))
        || (has("submitter") && has_people && (has("subject") || has("comments")))
        || (has("author_id") && has("public") && some(&["html_body", "plain_body", "audit_id"]) >= 1)
        || (has("ticket_id") && has("events") && has("author_id"))
        || (has("ticket_id") && has("child_events"))
        || (has("cause") && has("author") && has("content"))
        || (has_people && has("assignee_id") && has("description") && has("status"))
        || (is_from_zendesk && (has_people || has("role") || has("ticket_id")))
}
