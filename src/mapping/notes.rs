//! Notes made of a record's own fields: ratings, time entries, merges, and whatever else was no message.

use std::sync::Arc;

use jiff::Timestamp;

use super::convert::{Notes, quoted};
use super::expression::Context;
use super::rules::Rules;
use super::threads;
use super::view::Found;
use crate::finding::codes;
use crate::record::Record;

/// A note before it has its place among the threads.
pub(super) struct Written {
    pub at: Timestamp,
    /// `notes.rating`: the thread's id.
    pub name: Arc<str>,
    /// HTML that is still to be cleaned.
    pub html: String,
}

/// The notes that the rules make of this record. Those without a time of their own come after `last`, a second apart.
pub(super) fn write(rules: &Rules, record: &Arc<Record>, mut last: Timestamp, notes: &mut Notes) -> Vec<Written> {
    if rules.notes.is_empty() {
        return Vec::new();
    }
    let context = Context::new(record, None);
    let mut written = Vec::new();
    for rule in &rules.notes {
        let holds = rule.when.as_ref().is_none_or(|when| notes.value(&rule.name, when.holds(&context)) == Some(true));
        if !holds {
            continue;
        }
        let Some(html) = notes.value(&rule.name, rule.text.render(&rules.engine, &context)).flatten() else { continue };
        notes.fired(&rule.name);
        notes.used.push(rule.mark);
        let found = rule.at.as_ref().and_then(|at| notes.value(&rule.name, at.find(&context)));
        let at = match found.map(Found::joined) {
            Some(Some(text)) => time(&text).or_else(|| {
                let message = format!("{} is not a time; the note stands at the end", quoted(&text));
                notes.note_in(codes::READ_DATE, &*rule.name, message);
                None
            }),
            _ => None,
        };
        let at = at.unwrap_or_else(|| {
            last += jiff::SignedDuration::from_secs(1);
            last
        });
        written.push(Written { at: threads::clamp(at).0, name: Arc::clone(&rule.name), html });
    }
    written
}

/// A time as archives write them; one without a zone is taken for UTC.
fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let civil = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    let seconds = || text.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    text.parse().ok().or_else(|| civil().map(|zoned| zoned.timestamp())).or_else(seconds)
}
