//! Findings: what somebody should know about an archive, a mapping or a transfer.
//!
//! A finding never stops a record by itself; what stops one is a rejection, a
//! refusal or a dead letter, and those carry findings too.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::LazyLock;

use serde::Serialize;

use crate::record::{Origin, RecordId};

/// One thing noticed, with its place.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// A stable word for the kind, from [`codes`].
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Which record, if it is about one.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
    /// Where in the archive.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Which field or part (`threads[2].attachments[0]`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// One sentence without a full stop: what was found and what was done about it.
    pub message: String,
}

fn as_text<T: fmt::Display, S: serde::Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something changes on the way.
    Warning,
    /// Something is lost; `check` exits 3.
    Error,
}

impl Finding {
    /// A finding of this kind, with the kind's own severity.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, severity: severity_of(code), record: None, origin: None, field: None, message: message.into() }
    }

    /// Says which record it is about and where that stands.
    #[must_use]
    pub fn about(mut self, record: &RecordId, origin: &Origin) -> Self {
        self.record = Some(record.clone());
        self.origin = Some(origin.clone());
        self
    }

    /// Says which field or part it is about.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

/// The severity that a kind of finding has by default.
pub fn severity_of(code: &str) -> Severity {
    codes::ALL.iter().find(|(known, ..)| *known == code).map_or(Severity::Warning, |(_, severity, _)| *severity)
}

/// What `docs/findings.md` says about a kind of finding: what it means, and what to do. Literals are in backticks.
///
/// The page is part of the program, so that it, the report and the code cannot say different things.
pub fn explained(code: &str) -> Option<(&'static str, &'static str)> {
    EXPLAINED.get(code).copied()
}

static EXPLAINED: LazyLock<HashMap<&'static str, (&'static str, &'static str)>> = LazyLock::new(|| {
    let page = include_str!("../docs/findings.md");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.strip_suffix('|')?.split(" | ").map(str::trim);
        let code = cells.next()?.trim_end_matches('`');
        let _severity = cells.next()?;
        Some((code, (cells.next()?, cells.next()?)))
    });
    rows.collect()
});

/// How kinds of finding are to be taken, where not as usual.
///
/// ```
/// use foxferry::finding::{Finding, Levels, Severity, codes};
///
/// let mut levels = Levels::default();
/// levels.set("read-date", "ignore")?;
/// levels.set("subject-cut", "error")?;
/// assert!(levels.judged(Finding::new(codes::READ_DATE, "no date")).is_none());
/// assert_eq!(levels.judged(Finding::new(codes::SUBJECT_CUT, "cut")).map(|it| it.severity), Some(Severity::Error));
/// # Ok::<(), foxferry::finding::LevelError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Levels(BTreeMap<&'static str, Option<Severity>>);

/// The words for [`Levels::set`].
pub const LEVELS: &[&str] = &["error", "warning", "info", "ignore"];

/// A kind of finding or a level that does not exist.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// No such kind.
    #[error("`{0}` is not a kind of finding; docs/findings.md lists them")]
    Code(String),
    /// No such level.
    #[error("`{0}` is not a level: expected `error`, `warning`, `info` or `ignore`")]
    Level(String),
}

impl Levels {
    /// Takes findings of this kind as `error`, `warning` or `info`, or not at all (`ignore`).
    pub fn set(&mut self, code: &str, level: &str) -> Result<(), LevelError> {
        let known = codes::ALL.iter().find(|(known, ..)| *known == code);
        let (code, ..) = known.ok_or_else(|| LevelError::Code(code.to_owned()))?;
        let severity = match level {
            "error" => Some(Severity::Error),
            "warning" => Some(Severity::Warning),
            "info" => Some(Severity::Info),
            "ignore" => None,
            _ => return Err(LevelError::Level(level.to_owned())),
        };
        self.0.insert(code, severity);
        Ok(())
    }

    /// Adds what another says, which holds where both say something.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    /// Whether anything is said about this kind.
    pub fn concern(&self, code: &str) -> bool {
        self.0.contains_key(code)
    }

    /// The finding as it is to be taken; `None`: not at all.
    pub fn judged(&self, mut finding: Finding) -> Option<Finding> {
        match self.0.get(finding.code) {
            None => {}
            Some(Some(severity)) => finding.severity = *severity,
            Some(None) => return None,
        }
        Some(finding)
    }

    /// The same for several.
    pub fn judge(&self, findings: &mut Vec<Finding>) {
        if !self.0.is_empty() {
            *findings = std::mem::take(findings).into_iter().filter_map(|finding| self.judged(finding)).collect();
        }
    }
}

/// The kinds of finding.
pub mod codes {
    use super::Severity::{self, Error, Info, Warning};

    macro_rules! codes {
        ($($constant:ident = $code:literal $severity:ident $meaning:literal;)+) => {
            $(#[doc = $meaning] pub const $constant: &str = $code;)+
            /// Every kind: code, severity, meaning.
            pub const ALL: &[(&str, Severity, &str)] = &[$(($code, $severity, $meaning),)+];
        };
    }

    codes! {
        // Reading.
        READ_DUPLICATE = "read-duplicate" Info "The archive holds something twice; one copy counts";
        READ_DELETED = "read-deleted" Info "The archive marks it as deleted";
        READ_DATE = "read-date" Warning "A date is missing, unreadable or impossible; another was used";
        READ_CHARSET = "read-charset" Warning "Text was not in the charset it claims; another was used";
        READ_BROKEN_MIME = "read-broken-mime" Warning "A message is not well formed; what could be read was";
        READ_UNOPENED = "read-unopened" Warning "A part of a mail is encrypted, damaged or of a kind that cannot be opened; it was kept as a file";
        READ_DELIVERY_REPORT = "read-delivery-report" Info "A mail reports on another; its status and that mail are attachments";
        READ_NO_MAIL = "read-no-mail" Warning "A file among mails is none";
        READ_CHAT = "read-chat" Info "Chats among mails were left out";
        READ_MISSING_PERSON = "read-missing-person" Warning "The archive refers to a person that it does not hold";
        READ_MISSING_PART = "read-missing-part" Warning "The archive refers to something that it does not hold";
        READ_NO_ENTRIES = "read-no-entries" Warning "A record has no messages; its description was used";
        READ_RAGGED_ROW = "read-ragged-row" Warning "A row has more or fewer cells than the header";
        READ_SKIPPED_ROW = "read-skipped-row" Info "A row of totals is no record and was left out";
        READ_SPREADSHEET = "read-spreadsheet" Warning "A spreadsheet program has changed a value, and the original is gone";
        READ_TRUNCATED = "read-truncated" Error "The archive ends in the middle of something";
        READ_AMBIGUOUS_DATES = "read-ambiguous-dates" Warning "Day and month cannot be told apart";
        READ_IGNORED = "read-ignored" Info "The archive holds something that is not read";
        READ_UNKNOWN_KEY = "read-unknown-key" Warning "A record has a key that records do not have; it was kept among its fields";
        READ_BROKEN_PART = "read-broken-part" Error "Something in the archive that is no record of its own cannot be read";
        READ_SPLIT_THREAD = "read-split-thread" Info "Messages were joined by subject and people only";
        // Mapping.
        MAP_DEFAULT_MAILBOX = "map-default-mailbox" Info "No rule names a mailbox; the target's only one was used";
        MAP_DEFAULT_USER = "map-default-user" Warning "No rule names a user; the target's first administrator was used";
        MAP_UNMAPPED_VALUE = "map-unmapped-value" Error "A value is in no table and the default was used";
        MAP_UNKNOWN_AGENT = "map-unknown-agent" Warning "An agent of the old system is not mapped; the default user was used and the name put into the text";
        MAP_DEPARTED_AGENT = "map-departed-agent" Info "A departed agent is named in the text";
        MAP_LOST_FIELD = "map-lost-field" Error "A field is neither mapped nor ignored";
        MAP_EMPTY_BODY = "map-empty-body" Info "A message without text got a visible placeholder";
        MAP_NO_SUBJECT = "map-no-subject" Info "A record without subject got one";
        MAP_DROPPED_PART = "map-dropped-part" Info "A quoted mail, a signature or an image was left out by rule";
        MAP_DROPPED_ENTRY = "map-dropped-entry" Info "An entry was left out by rule";
        MAP_EXPRESSION = "map-expression" Error "An expression failed for this record";
        // People.
        PERSON_STAND_IN = "person-stand-in" Warning "A person without an address got a stand-in";
        PERSON_BAD_ADDRESS = "person-bad-address" Warning "An address is not one that FreeScout keeps; it was left out";
        PERSON_IS_STAFF = "person-is-staff" Warning "A record's people are all staff, or a customer has a user's address; a stand-in was used";
        PERSON_SEVERAL = "person-several" Warning "FreeScout has several customers for one person; they were not merged";
        // What FreeScout would refuse, alter or lose.
        TIME_SHIFTED = "time-shifted" Info "Equal times were made distinct by whole seconds";
        TIME_CLAMPED = "time-clamped" Warning "A date outside 1970-01-02 to 2038-01-18 was clamped";
        TIME_MISSING = "time-missing" Warning "A missing date was taken from elsewhere";
        SUBJECT_CUT = "subject-cut" Warning "A subject over 998 characters was cut";
        NAME_CUT = "name-cut" Warning "A name or other profile field was cut to FreeScout's limit";
        HTML_CLEANED = "html-cleaned" Info "Active or unknown HTML was removed";
        TEXT_TOO_LONG = "text-too-long" Warning "A text is longer than FreeScout is known to store";
        ATTACHMENT_MISSING = "attachment-missing" Error "An attachment has no bytes in the archive; a visible line names it";
        ATTACHMENT_UNFETCHED = "attachment-unfetched" Info "A linked file was asked for and could not be had; a visible line names it";
        ATTACHMENT_EMPTY = "attachment-empty" Warning "An empty file cannot be stored; a visible line names it";
        ATTACHMENT_RENAMED = "attachment-renamed" Info "FreeScout will store the file under another name";
        ATTACHMENT_REWRITTEN = "attachment-rewritten" Info "FreeScout rewrites SVG files; bytes and size change";
        ATTACHMENT_UNREADABLE = "attachment-unreadable" Error "An attachment's bytes could not be read; a visible line names it";
        CHAT_REPLIES = "chat-replies" Info "Replies to an imported chat never reach the customer";
        PROFILE_FLATTENED = "profile-flattened" Warning "FreeScout strips tags and line ends from a customer's profile";
        THREAD_ORDER = "thread-order" Warning "Threads have equal times or are out of order; FreeScout shows them in no fixed order";
        CLOSED_EARLY = "closed-early" Warning "The closing date is missing or earlier than the last thread";
        REQUEST_TOO_BIG = "request-too-big" Warning "A conversation is too big for one request and is sent in parts";
        // Sending.
        SEND_REFUSED = "send-refused" Error "FreeScout refused it";
        SEND_DIFFERS = "send-differs" Error "FreeScout's answer differs from what was sent";
        SEND_ALTERED = "send-altered" Warning "FreeScout has altered something in a way it is known for";
        SEND_ADOPTED = "send-adopted" Info "An unanswered request had taken effect and was adopted";
        SEND_REPLACED = "send-replaced" Warning "A half-made conversation was deleted and sent again";
        SEND_AS_NOTES = "send-as-notes" Warning "Somebody had written in a conversation before it was complete; the rest went as notes";
        SEND_SURPLUS = "send-surplus" Error "A second copy was found";
        TARGET_UNKNOWN_USER = "target-unknown-user" Warning "The target has no such user; the default was used";
        TARGET_UNKNOWN_FIELD = "target-unknown-field" Warning "The target's mailbox has no such custom field or option";
        TARGET_SHARED = "target-shared" Warning "Another import on this machine is writing to the same FreeScout with another journal";
        BACKUP_LINE_ITEM = "backup-line-item" Info "Line items cannot be created through the API; they stay in the backup";
        TARGET_NEW_USER = "target-new-user" Info "A missing agent was created; access to mailboxes is given by hand";
        BACKUP_TIME_LOG = "backup-time-log" Info "Time logs cannot be created through the API; they stay in the backup";
        BACKUP_STATE = "backup-state" Warning "A deleted conversation was restored as a closed one";
        BACKUP_IMAGE = "backup-image" Warning "An image or link in a text could not be put back where it was";
        TARGET_NO_TAGS = "target-no-tags" Warning "The target has no Tags module";
        TARGET_CUSTOM_NUMBERS = "target-custom-numbers" Info "FreeScout counts conversation numbers by itself; creates go one at a time";
        TARGET_AUTOMATION = "target-automation" Info "Webhooks and workflows of the target run for imported conversations too";
        DELTA_UNSENT = "delta-unsent" Warning "A conversation that is done lacks entries of the archive that could not be appended";
        DELTA_APPENDED = "delta-appended" Info "New entries of the archive were appended to a conversation that was done";
        DELTA_UPDATED = "delta-updated" Info "Tags, fields or status of a conversation that was done were brought up to date";
        DELTA_CHANGED = "delta-changed" Warning "The archive has something of a conversation that is done otherwise than it was sent; FreeScout's stays as it is";
        DELTA_JOINED = "delta-joined" Warning "The archive now joins conversations that were sent apart; nothing of them is sent again";
        // Exporting.
        EXPORT_FILE_MISSING = "export-file-missing" Error "An attachment could not be fetched; its name stands without bytes";
        EXPORT_CELL_CUT = "export-cell-cut" Warning "A text does not fit into a spreadsheet's cell; it was cut, and a file beside the tables or a sheet of its own has all of it";
        EXPORT_CELL_GUARDED = "export-cell-guarded" Info "A cell that a spreadsheet would take for a formula begins with an apostrophe";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_finding_is_on_its_page_with_its_severity() {
        let page = include_str!("../docs/findings.md");
        for (code, severity, _) in codes::ALL {
            let row = format!("| `{code}` | {} |", format!("{severity:?}").to_lowercase());
            assert!(page.contains(&row), "docs/findings.md lacks {row}");
            let (meaning, advice) = explained(code).unwrap_or_default();
            assert!(!meaning.is_empty() && !advice.is_empty(), "docs/findings.md does not explain {code}");
        }
    }
}
