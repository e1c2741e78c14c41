//! What the objects of a Zendesk dump are, told by their keys.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::json::Members;

/// What an object of a dump is; also the kind of its piece in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Kind {
    /// A ticket.
    Ticket = 1,
    /// A ticket whose status is `deleted`; apart, so that they can be counted.
    Deleted = 2,
    /// A mail that Zendesk held back as spam; it has a list and a shape of its own.
    Suspended = 3,
    /// What was written in a ticket.
    Comment = 4,
    /// One change of a ticket, with comments among its events.
    Audit = 5,
    /// The same, as the incremental event export has it.
    Event = 6,
    /// Times of a ticket: solved, assigned, …
    Metric = 7,
    /// A person.
    User = 8,
    /// A further address or number of a person.
    Identity = 9,
    /// A group of agents.
    Group = 10,
    /// A company.
    Organization = 11,
    /// A brand.
    Brand = 12,
    /// A ticket form.
    Form = 13,
    /// A custom field's title.
    Field = 14,
    /// A custom status's label.
    CustomStatus = 15,
    /// A file whose path names an attachment.
    File = 16,
    /// The number of an audit, so that a comment that names it can be found.
    AuditNumber = 17,
    /// A comment that says nothing about its ticket.
    Unlinked = 18,
    /// A ticket that came by mail, under the requester's number: it knows an address.
    Sender = 19,
    /// A comment that names an audit but no ticket, under the audit's number.
    OfAudit = 20,
    /// What an agent discussed with others beside the ticket.
    Side = 21,
    /// What was written there, under the side conversation's id.
    SideEvent = 22,
    /// A customer's opinion of how a ticket was dealt with.
    Rating = 23,
}

/// The kind of the elements under this key of a page; `Some(None)` when each must be looked at.
pub(super) fn collection(key: &str) -> Option<Option<Kind>> {
    Some(Some(match key {
        "tickets" | "ticket" | "requests" | "request" => Kind::Ticket,
        "suspended_tickets" | "suspended_ticket" => Kind::Suspended,
        "comments" | "comment" | "ticket_comments" => Kind::Comment,
        "audits" | "audit" | "ticket_audits" => Kind::Audit,
        "ticket_events" => Kind::Event,
        "metric_sets" | "metric_set" | "ticket_metrics" | "ticket_metric" => Kind::Metric,
        "users" | "user" => Kind::User,
        "identities" | "identity" => Kind::Identity,
        "groups" | "group" => Kind::Group,
        "organizations" | "organization" => Kind::Organization,
        "brands" | "brand" => Kind::Brand,
        "ticket_forms" | "ticket_form" => Kind::Form,
        "ticket_fields" | "ticket_field" => Kind::Field,
        "custom_statuses" | "custom_status" => Kind::CustomStatus,
        "side_conversations" | "side_conversation" => Kind::Side,
        "side_conversation_events" => Kind::SideEvent,
        "satisfaction_ratings" => Kind::Rating,
        "results" => return Some(None),
        _ => return None,
    }))
}

/// The kind of the elements under this key of what is a page beyond doubt: audits have `events`, too.
pub(super) fn collection_of_page(key: &str) -> Option<Option<Kind>> {
    if key == "events" { Some(Some(Kind::SideEvent)) } else { collection(key) }
}

/// Keys that stand beside a page's elements and say nothing about them.
pub(super) fn is_paging(key: &str) -> bool {
    matches!(
        key,
        "count"
            | "next_page"
            | "previous_page"
            | "end_of_stream"
            | "end_time"
            | "after_cursor"
            | "before_cursor"
            | "after_url"
            | "before_url"
            | "meta"
            | "links"
            | "facets"
    )
}

/// Whether the object that this text begins is a page, not an element; `None` when the text is too short to say.
///
/// A ticket has `comments` too, so keys are looked at until one decides.
pub(super) fn is_page(text: &[u8], is_whole: bool) -> Option<bool> {
    let mut members = Members::new(text);
    while let Some(key) = members.next() {
        let opens_much = matches!(members.value().first(), Some(b'[' | b'{'));
        match &*key {
            // What an element may have too. An object under `user` or `group` is an export's resolved id.
            "comments" | "audits" | "metric_set" | "group" | "organization" | "brand" | "user" | "ticket_form"
            | "custom_status" | "comment" | "audit" | "identities" | "ticket_id" | "groups" | "organizations" => {}
            key if opens_much && collection(key).is_some() => return Some(true),
            key if is_paging(key) => {}
            _ if !opens_much => return Some(false),
            _ => {}
        }
    }
    (members.is_closed() || is_whole).then_some(true)
}

/// The parts of an element that the indexing pass needs.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub id: Option<String>,
    pub ticket_id: Option<String>,
    pub audit_id: Option<String>,
    pub user_id: Option<String>,
    pub side_conversation_id: Option<String>,
    pub requester_id: Option<String>,
    pub submitter_id: Option<String>,
    pub status: Option<String>,
    pub result_type: Option<String>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub generated_at: Option<i64>,
    /// How many comments lie inside.
    pub comments: u64,
    has_person: bool,
    has_text: bool,
    has_responder: bool,
    has_author: bool,
    has_body: bool,
    has_events: bool,
    has_child_events: bool,
    has_solved_at: bool,
    has_cause: bool,
    has_email: bool,
    has_role: bool,
    has_name: bool,
    has_value: bool,
    has_type: bool,
}

impl Head {
    /// Which of two copies is newer: seconds since 1970.
    pub fn version(&self) -> i64 {
        self.updated_at.max(self.generated_at).or(self.created_at).unwrap_or(i64::MIN)
    }

    /// What the object is, by its keys alone.
    pub fn kind(&self) -> Option<Kind> {
        match self.result_type.as_deref() {
            Some("ticket") => return Some(Kind::Ticket),
            Some("user") => return Some(Kind::User),
            Some("group") => return Some(Kind::Group),
            Some("organization") => return Some(Kind::Organization),
            Some(_) => return None,
            None => {}
        }
        if self.has_cause && self.has_text && self.has_author {
            Some(Kind::Suspended)
        } else if self.is_ticket() {
            Some(Kind::Ticket)
        } else if self.has_child_events && self.ticket_id.is_some() {
            Some(Kind::Event)
        } else if self.has_events && (self.ticket_id.is_some() || self.has_author) {
            Some(Kind::Audit)
        } else if self.has_author && self.has_body {
            Some(Kind::Comment)
        } else if self.ticket_id.is_some() && self.has_solved_at {
            Some(Kind::Metric)
        } else if self.user_id.is_some() && self.has_value && self.has_type {
            Some(Kind::Identity)
        } else if self.has_name && self.has_role && self.has_email {
            Some(Kind::User)
        } else {
            None
        }
    }

    /// Whether it can be a Zendesk ticket: Freshdesk's has a `responder_id`, and a side-loaded list of numbers nothing.
    pub fn is_ticket(&self) -> bool {
        self.has_person && !self.has_responder && (self.has_text || self.status.is_some())
    }
}

impl<'de> Deserialize<'de> for Head {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(HeadVisitor)
    }
}

struct HeadVisitor;

impl<'de> Visitor<'de> for HeadVisitor {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let mut head = Head::default();
        while let Some(key) = map.next_key::<Word<'de>>()? {
            match &*key.0 {
                "id" => head.id = map.next_value::<Id>()?.0,
                "ticket_id" => head.ticket_id = map.next_value::<Id>()?.0,
                "audit_id" => head.audit_id = map.next_value::<Id>()?.0,
                "user_id" => head.user_id = map.next_value::<Id>()?.0,
                "side_conversation_id" => head.side_conversation_id = map.next_value::<Id>()?.0,
                "requester_id" => {
                    head.requester_id = map.next_value::<Id>()?.0;
                    head.has_person = true;
                }
                "submitter_id" => {
                    head.submitter_id = map.next_value::<Id>()?.0;
                    head.has_person = true;
                }
                "status" => head.status = map.next_value::<Id>()?.0,
                "result_type" => head.result_type = map.next_value::<Id>()?.0,
                "created_at" => head.created_at = map.next_value::<Seconds>()?.0,
                "updated_at" => head.updated_at = map.next_value::<Seconds>()?.0,
                "generated_timestamp" => head.generated_at = map.next_value::<Seconds>()?.0,
                "timestamp" => head.generated_at = head.generated_at.max(map.next_value::<Seconds>()?.0),
                "comments" => head.comments = map.next_value::<Count>()?.0,
                other => {
                    match other {
                        "requester" | "submitter" => head.has_person = true,
                        "subject" | "raw_subject" | "description" => head.has_text = true,
                        "responder_id" => head.has_responder = true,
                        "author_id" | "author" => head.has_author = true,
                        "body" | "html_body" | "plain_body" => head.has_body = true,
                        "events" => head.has_events = true,
                        "child_events" => head.has_child_events = true,
                        "solved_at" => head.has_solved_at = true,
                        "cause" => head.has_cause = true,
                        "email" => head.has_email = true,
                        "role" => head.has_role = true,
                        "name" => head.has_name = true,
                        "value" => head.has_value = true,
                        "type" => head.has_type = true,
                        _ => {}
                    }
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

/// A key, borrowed where it has no escapes.
struct Word<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Word<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Word<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Word(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Words)
    }
}

/// A number or text as text; anything else is `None`.
struct Id(Option<String>);

/// A time in seconds since 1970; anything else is `None`.
struct Seconds(Option<i64>);

/// How many elements a list has; anything else is 0.
struct Count(u64);

macro_rules! scalar {
    ($name:ident, $text:expr, $number:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Scalars;
                impl<'de> Visitor<'de> for Scalars {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a value")
                    }
                    fn visit_str<E>(self, text: &str) -> Result<$name, E> {
                        Ok($name($text(text)))
                    }
                    fn visit_u64<E>(self, number: u64) -> Result<$name, E> {
                        Ok($name(i64::try_from(number).ok().and_then($number)))
                    }
                    fn visit_i64<E>(self, number: i64) -> Result<$name, E> {
                        Ok($name($number(number)))
                    }
                    fn visit_f64<E>(self, number: f64) -> Result<$name, E> {
                        Ok($name(whole(number).and_then($number)))
                    }
                    fn visit_bool<E>(self, _: bool) -> Result<$name, E> {
                        Ok($name(None))
                    }
                    fn visit_unit<E>(self) -> Result<$name, E> {
                        Ok($name(None))
                    }
                    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<$name, A::Error> {
                        while seq.next_element::<IgnoredAny>()?.is_some() {}
                        Ok($name(None))
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        Ok($name(None))
                    }
                }
                from.deserialize_any(Scalars)
            }
        }
    };
}

scalar!(Id, id_text, |number: i64| Some(number.to_string()));
scalar!(Seconds, seconds, Some);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Counts;
        impl<'de> Visitor<'de> for Counts {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                let mut count = 0;
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Count(count))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(0))
            }
            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(0))
            }
        }
        from.deserialize_any(Counts)
    }
}

/// A whole number that went through a spreadsheet or a data frame: `3604.0`.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
}

fn id_text(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// An id as text: `12` and `"12"` are the same.
pub(super) fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => id_text(text),
        Value::Number(number) => {
            number.as_i64().or_else(|| number.as_f64().and_then(whole)).map(|number| number.to_string())
        }
        _ => None,
    }
}

/// A time as Zendesk and scripts write it: ISO 8601, or seconds or milliseconds since 1970. Times without zone are UTC.
pub(super) fn time_of(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => time(text),
        Value::Number(number) => {
            let number = number.as_i64().or_else(|| number.as_f64().map(|number| number as i64))?;
            // Seconds reach this only in the year 5138.
            if number.abs() < 100_000_000_000 {
                Timestamp::from_second(number).ok()
            } else {
                Timestamp::from_millisecond(number).ok()
            }
        }
        _ => None,
    }
}

fn time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(seconds) = plain_seconds(text.as_bytes()) {
        return Timestamp::from_second(seconds).ok();
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    for format in ["%Y/%m/%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S UTC"] {
        if let Ok(parsed) = jiff::fmt::strtime::parse(format, text) {
            if let Ok(time) = parsed.to_timestamp() {
                return Some(time);
            }
            if let Ok(naive) = parsed.to_datetime() {
                return utc(naive);
            }
        }
    }
    text.parse::<jiff::civil::DateTime>().ok().and_then(utc)
}

fn utc(naive: jiff::civil::DateTime) -> Option<Timestamp> {
    naive.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

/// The one form that Zendesk itself writes, `2019-06-03T02:23:47Z`; there are millions of them in an archive.
pub(in crate::source) fn plain_seconds(text: &[u8]) -> Option<i64> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'] = *text else {
        return None;
    };
    let digits = |digits: &[u8]| {
        digits.iter().try_fold(0_i64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[n1, n2])?, digits(&[s1, s2])?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if year < 1600 || !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days since 1970, counting years from March so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn seconds(text: &str) -> Option<i64> {
    plain_seconds(text.as_bytes()).or_else(|| time(text).map(Timestamp::as_second))
}

/// The ticket that a file of comments or audits belongs to, by its path.
///
/// `tickets_12_comments`, `ticket-12-audits`, `comments_12`, `12/comments`, `tickets/12/comments_2`, `12.comments`.
/// A number with leading zeros (`comments__000`) counts pages.
pub(super) fn ticket_in_path(shown: &str) -> Option<String> {
    let path = Path::new(shown);
    let stem = path.file_stem()?.to_str()?.to_lowercase();
    let words: Vec<&str> = stem.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let what = words.iter().position(|word| matches!(*word, "comments" | "comment" | "audits" | "audit"))?;
    if let Some(number) = words[..what].last().and_then(|word| number(word)) {
        return Some(number);
    }
    let folder = path.parent().and_then(|folder| folder.file_name()).and_then(|name| name.to_str());
    if let Some(number) = folder.and_then(|name| number(name.trim_start_matches(|c: char| !c.is_ascii_digit()))) {
        let name = folder.unwrap_or_default().to_lowercase();
        let before = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches(['-', '_', ' ', '#', '.']);
        if matches!(before, "" | "ticket" | "tickets" | "zendesk") {
            return Some(number);
        }
    }
    words.get(what + 1).and_then(|word| number(word))
}

/// A ticket's number: digits without leading zeros, perhaps behind `ticket`.
fn number(word: &str) -> Option<String> {
    let digits = word.strip_prefix("tickets").or_else(|| word.strip_prefix("ticket")).unwrap_or(word);
    let is_number = !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.to_owned())
}

/// The attachment that a file holds the bytes of, by its path: `attachments/4711/…` or `attachments/4711-…`.
pub(in crate::source) fn attachment_in_path(shown: &str) -> Option<String> {
    let parts: Vec<&str> =
        Path::new(shown).components().filter_map(|component| component.as_os_str().to_str()).collect();
    let folder = parts.iter().position(|part| part.eq_ignore_ascii_case("attachments"))?;
    let next = parts.get(folder + 1)?;
    let is_folder = folder + 2 < parts.len();
    let digits = next.bytes().take_while(u8::is_ascii_digit).count();
    let fits = if is_folder { digits == next.len() } else { next[digits..].starts_with(['-', '_', '.']) };
    (digits > 0 && fits).then(|| next[..digits].to_owned())
}

/// What Zendesk calls the way a ticket came in, where a dump has the number.
///
/// From the vendor's table of via types; numbers that it leaves open stay numbers.
pub(super) fn channel(number: i64) -> Option<&'static str> {
    Some(match number {
        0 | 17 | 20 | 27 => "web",
        4 => "email",
        5 | 31 | 36 | 39 | 40 => "api",
        8 => "rule",
        15 => "iphone",
        16 => "get_satisfaction",
        19 => "merge",
        21 => "recovered_from_suspended_tickets",
        23 | 26 | 30 => "twitter",
        24 => "forum",
        28 => "logmein_rescue",
        29 => "chat",
        33..=35 | 44..=46 => "voice",
        37 | 57 => "sms",
        38 | 41 => "facebook",
        48 => "web_widget",
        49 => "mobile_sdk",
        50 => "help_center",
        55 => "any_channel",
        56 => "mobile",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_the_ticket_of_its_comments_or_nothing() {
        let cases = [
            ("tickets_12_comments__000.json", Some("12")),
            ("ticket_12_comments.json", Some("12")),
            ("ticket12-comments.json", Some("12")),
            ("comments_12.json", Some("12")),
            ("comments-12.json", Some("12")),
            ("12/comments.json", Some("12")),
            ("tickets/12/comments_2.json", Some("12")),
            ("tickets/ticket-12/comments.json", Some("12")),
            ("12.comments.json", Some("12")),
            ("12/audits.json", Some("12")),
            ("comments.json", None),
            ("comments_001.json", None),
            ("export-2024/comments.json", None),
            ("tickets_12.json", None),
            ("GET/ticket_comments.json", None),
        ];
        for (path, expected) in cases {
            assert_eq!(ticket_in_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn a_path_names_the_attachment_whose_bytes_it_holds() {
        let cases = [
            ("attachments/4711/a.pdf", Some("4711")),
            ("x/Attachments/4711/deep/a.pdf", Some("4711")),
            ("attachments/4711-a.pdf", Some("4711")),
            ("attachments/4711_a.pdf", Some("4711")),
            ("attachments/4711.pdf", Some("4711")),
            ("attachments/a.pdf", None),
            ("attachments/4711a/b.pdf", None),
            ("attachments.json", None),
            ("4711/a.pdf", None),
        ];
        for (path, expected) in cases {
            assert_eq!(attachment_in_path(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn times_are_read_in_every_form_that_dumps_have() {
        let cases = [
            ("\"2019-06-03T02:23:47Z\"", Some(1_559_528_627)),
            ("\"1970-01-01T00:00:00Z\"", Some(0)),
            ("\"2024-02-29T23:59:59Z\"", Some(1_709_251_199)),
            ("\"2023-02-29T00:00:00Z\"", None),
            ("\"2019-06-03T11:23:47+09:00\"", Some(1_559_528_627)),
            ("\"2019-06-03T02:23:47.5Z\"", Some(1_559_528_627)),
            ("\"2019-06-03 02:23:47 UTC\"", Some(1_559_528_627)),
            ("\"2019/06/03 11:23:47 +0900\"", Some(1_559_528_627)),
            ("\"2019-06-03T02:23:47\"", Some(1_559_528_627)),
            ("1559528627", Some(1_559_528_627)),
            ("1559528627000", Some(1_559_528_627)),
            ("\"yesterday\"", None),
            ("null", None),
        ];
        for (text, expected) in cases {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(time_of(&value).map(Timestamp::as_second), expected, "{text}");
            if let Value::String(text) = &value {
                assert_eq!(seconds(text), expected, "{text}");
            }
        }
    }

    #[test]
    fn plain_times_agree_with_the_library_on_every_day() {
        let mut day = jiff::civil::date(1899, 12, 31);
        while day.year() < 2101 {
            let text = format!("{day}T12:34:56Z");
            assert_eq!(plain_seconds(text.as_bytes()), Some(text.parse::<Timestamp>().unwrap().as_second()), "{text}");
            day = day.tomorrow().unwrap();
        }
    }

    #[test]
    fn objects_are_told_apart_by_their_keys() {
        let cases = [
            (r#"{"id":1,"requester_id":2,"subject":"x"}"#, Some(Kind::Ticket)),
            (r#"{"id":1,"requester":{"id":2},"description":"x"}"#, Some(Kind::Ticket)),
            (r#"{"id":1,"requester_id":2,"responder_id":3,"subject":"x"}"#, None),
            (r#"{"id":1,"author_id":2,"html_body":"x","public":true}"#, Some(Kind::Comment)),
            (r#"{"id":1,"ticket_id":2,"events":[]}"#, Some(Kind::Audit)),
            (r#"{"id":1,"ticket_id":2,"child_events":[]}"#, Some(Kind::Event)),
            (r#"{"id":1,"ticket_id":2,"solved_at":null}"#, Some(Kind::Metric)),
            (r#"{"id":1,"name":"x","email":null,"role":"end-user"}"#, Some(Kind::User)),
            (r#"{"id":1,"user_id":2,"type":"email","value":"x"}"#, Some(Kind::Identity)),
            (r#"{"id":1,"author":{},"subject":"x","cause":"spam"}"#, Some(Kind::Suspended)),
            (r#"{"id":1,"name":"x","result_type":"organization"}"#, Some(Kind::Organization)),
            (r#"{"id":1,"name":"x"}"#, None),
        ];
        for (text, expected) in cases {
            let head: Head = serde_json::from_str(text).unwrap();
            assert_eq!(head.kind(), expected, "{text}");
        }
    }

    #[test]
    fn pages_are_told_from_elements() {
        let cases = [
            (r#"{"tickets":[{"id"#, Some(true)),
            (r#"{"count":2,"next_page":null,"users":[]}"#, Some(true)),
            (r#"{"ticket":{"id":1}}"#, Some(true)),
            (r#"{"comments":[{"id":1}],"count":1}"#, Some(true)),
            (r#"{"comments":[{"id":1}],"id":7,"subject":"x"}"#, Some(false)),
            (r#"{"comments":[{"id":1}],"ticket":{"id":7}}"#, Some(true)),
            (r#"{"url":"x","id":1,"comments":[]}"#, Some(false)),
            (r#"{"assignee":{"id":1},"comments":[],"id":1}"#, Some(false)),
            (r#"{"comments":[{"id":1},{"#, None),
            (r#"{"ticket_id":7,"comments":[]}"#, Some(true)),
        ];
        for (text, expected) in cases {
            assert_eq!(is_page(text.as_bytes(), false), expected, "{text}");
        }
    }
}
