//! Entries into threads: who wrote them, when, and what they say.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use super::bodies;
use super::convert::{Notes, quoted};
use super::expression::Context;
use super::people;
use super::rules::Rules;
use super::view::EntryPlace;
use crate::conversation::{Author, Customer, Thread, ThreadKind, UserRef};
use crate::finding::{Finding, codes};
use crate::record::{Entry, Person, Record};

/// 1970-01-02T00:00:00Z. Earlier dates come back from FreeScout as no date at all (observed, core 1.8.235).
pub(super) const EARLIEST: Timestamp = Timestamp::constant(86_400, 0);

/// 2038-01-18T00:00:00Z, a day before MySQL's TIMESTAMP ends.
const LATEST: Timestamp = Timestamp::constant(2_147_385_600, 0);

/// The whole second, inside what FreeScout can store; and whether it had to be moved for that.
pub(super) fn clamp(time: Timestamp) -> (Timestamp, bool) {
    let clamped = time.clamp(EARLIEST, LATEST);
    let whole = Timestamp::from_second(clamped.as_second()).unwrap_or(EARLIEST);
    (whole, clamped != time)
}

/// A thread before its text is made: everything that rules decide.
pub(super) struct Planned {
    /// Which entry; `None` for a note of the mapping's own, and for the placeholder of a record without any.
    pub index: Option<usize>,
    /// The id and HTML of a note that the mapping makes.
    pub note: Option<(Arc<str>, String)>,
    pub at: Timestamp,
    pub kind: ThreadKind,
    pub author: Author,
    pub shown_name: Option<String>,
    /// Named in the text.
    pub credit: Option<String>,
    pub cc: Vec<String>,
    pub bcc: Vec<String>,
    pub header: Option<String>,
    pub footer: Option<String>,
}

/// Decides everything about a record's threads but their texts. At least one, oldest first.
pub(super) fn plan(rules: &Rules, record: &Arc<Record>, customer: &Customer, notes: &mut Notes) -> Vec<Planned> {
    let order = order(rules, record, notes);
    let length = order.len();
    let mut slots: Vec<(Timestamp, Slot)> =
        order.into_iter().enumerate().map(|(position, (index, at))| (at, Slot::Entry { index, position })).collect();
    if slots.is_empty() {
        slots.push((placeholder_time(record, notes), Slot::Nothing));
    }
    let last = slots.last().map_or(EARLIEST, |(at, _)| *at);
    let written = super::notes::write(rules, record, last, notes);
    if !written.is_empty() {
        slots.extend(written.into_iter().map(|written| (written.at, Slot::Note(written))));
        slots.sort_by_key(|(at, slot)| (*at, matches!(slot, Slot::Note(_))));
    }
    let times = distinct(slots.iter().map(|(at, _)| *at).collect(), notes);
    let mut cast = Cast { rules, record, customer, seen: Vec::new(), told: Vec::new() };
    let mut planned = Vec::with_capacity(times.len());
    for ((_, slot), at) in slots.into_iter().zip(times) {
        planned.push(match slot {
            Slot::Entry { index, position } => cast.plan(EntryPlace { index, position, length }, at, notes),
            Slot::Note(written) => {
                let mut note = Planned::empty(at, ThreadKind::Note);
                cast.credit(None, &mut note, notes);
                note.note = Some((written.name, written.html));
                note
            }
            Slot::Nothing => {
                Planned { author: Author::Customer(customer.clone()), ..Planned::empty(at, ThreadKind::Customer) }
            }
        });
    }
    let first = planned.iter_mut().find(|planned| planned.index.is_some() && planned.kind != ThreadKind::Note);
    if let Some(first) = first
        && rules.threads.keeps_cc
    {
        cast.add_copied(&record.cc, &mut first.cc, notes);
    }
    planned
}

/// What stands at one place of a conversation.
enum Slot {
    Entry {
        index: usize,
        position: usize,
    },
    Note(super::notes::Written),
    /// The line that says that there is nothing.
    Nothing,
}

impl Planned {
    fn empty(at: Timestamp, kind: ThreadKind) -> Self {
        Self {
            index: None,
            note: None,
            at,
            kind,
            author: Author::User(UserRef::FirstAdministrator),
            shown_name: None,
            credit: None,
            cc: Vec::new(),
            bcc: Vec::new(),
            header: None,
            footer: None,
        }
    }
}

/// The texts and files of the planned threads. Takes the entries, since texts can be large.
pub(super) fn write(rules: &Rules, entries: Vec<Entry>, planned: Vec<Planned>, notes: &mut Notes) -> Vec<Thread> {
    let mut entries: Vec<Option<Entry>> = entries.into_iter().map(Some).collect();
    let mut threads = Vec::with_capacity(planned.len());
    for (position, planned) in planned.into_iter().enumerate() {
        let entry = planned.index.and_then(|index| entries[index].take());
        threads.push(bodies::thread(rules, planned, entry, position, notes));
    }
    threads
}

/// When a record without messages says so: without any thread it would be refused, and a silent loss besides.
fn placeholder_time(record: &Record, notes: &mut Notes) -> Timestamp {
    let message = if record.entries.is_empty() {
        "the record has no messages; a line that says so was used"
    } else {
        "every message is left out by `threads.when`; a line that says so was used"
    };
    notes.note(codes::READ_NO_ENTRIES, message);
    let known = record.created_at.or(record.updated_at).or(record.closed_at);
    if known.is_none() {
        notes.note(codes::TIME_MISSING, format!("the record has no time at all; `{EARLIEST}` was used"));
    }
    clamp(known.unwrap_or(EARLIEST)).0
}

/// The entries that stay, by time and then by their order in the archive.
fn order(rules: &Rules, record: &Arc<Record>, notes: &mut Notes) -> Vec<(usize, Timestamp)> {
    let mut clamped = 0_usize;
    let mut missing = 0_usize;
    let mut before = None;
    let mut order = Vec::with_capacity(record.entries.len());
    for (index, entry) in record.entries.iter().enumerate() {
        let time = entry.created_at.unwrap_or_else(|| {
            missing += 1;
            let later = || record.entries[index..].iter().find_map(|entry| entry.created_at);
            before.or(record.created_at).or_else(later).or(record.updated_at).unwrap_or(EARLIEST)
        });
        before = Some(time);
        let (time, was_clamped) = clamp(time);
        clamped += usize::from(was_clamped);
        order.push((index, time));
    }
    if missing > 0 {
        let message = format!("{} without a time; that of its neighbour was used", messages(missing));
        notes.note(codes::TIME_MISSING, message);
    }
    if clamped > 0 {
        let message = format!("{} outside {EARLIEST} to {LATEST}; the nearer end was used", messages(clamped));
        notes.note(codes::TIME_CLAMPED, message);
    }
    if let Some(when) = &rules.threads.when {
        let length = order.len();
        order.retain(|(index, _)| {
            let place = EntryPlace { index: *index, position: *index, length };
            let context = Context::new(record, Some(place));
            // An expression that fails must not lose a message.
            notes.value("threads.when", when.holds(&context)).unwrap_or(true)
        });
        if order.len() < length {
            let message = format!("{} left out by `threads.when`", messages(length - order.len()));
            notes.note(codes::MAP_DROPPED_ENTRY, message);
        }
    }
    order.sort_by_key(|(index, time)| (*time, *index));
    order
}

fn messages(count: usize) -> String {
    if count == 1 { "a message is".to_owned() } else { format!("{count} messages are") }
}

/// Times that follow each other by at least a second: FreeScout returns equal ones in no fixed order.
fn distinct(mut times: Vec<Timestamp>, notes: &mut Notes) -> Vec<Timestamp> {
    let second = jiff::SignedDuration::from_secs(1);
    let before = times.clone();
    for at in 1..times.len() {
        times[at] = times[at].max(times[at - 1] + second);
    }
    // Shifted over the end of time: as many as needed move back instead.
    if times.last().is_some_and(|last| *last > LATEST) {
        let mut limit = LATEST;
        for time in times.iter_mut().rev() {
            *time = (*time).min(limit);
            limit = *time - second;
        }
    }
    let shifted = times.iter().zip(&before).filter(|(now, then)| now != then).count();
    if shifted > 0 {
        let message = format!("{} moved by seconds, since FreeScout does not order equal times", messages(shifted));
        notes.note(codes::TIME_SHIFTED, message);
    }
    times
}

static DEFAULT_USER_RULE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("people.default"));

/// Who plays which part in a record.
struct Cast<'r> {
    rules: &'r Rules,
    record: &'r Arc<Record>,
    customer: &'r Customer,
    /// Further customers of this record, so that each is made and reported once.
    seen: Vec<(&'r Person, Customer)>,
    /// What has been said about users already.
    told: Vec<(&'static str, String)>,
}

impl<'r> Cast<'r> {
    fn plan(&mut self, place: EntryPlace, at: Timestamp, notes: &mut Notes) -> Planned {
        let record: &'r Record = self.record;
        let entry = &record.entries[place.index];
        let rules = &self.rules.threads;
        let needs_context = rules.kind.is_some() || rules.header.is_some() || rules.footer.is_some();
        let context = needs_context.then(|| Context::new(self.record, Some(place)));
        let author = entry.author.as_ref().filter(|author| !people::is_nobody(author));
        let kind = self.kind(entry, author, context.as_ref(), notes);
        let mut planned = Planned { index: Some(place.index), ..Planned::empty(at, kind) };
        match kind {
            ThreadKind::Customer => planned.author = Author::Customer(self.customer_for(author, notes)),
            ThreadKind::Message | ThreadKind::Note => self.credit(author, &mut planned, notes),
        }
        if rules.keeps_cc && kind != ThreadKind::Note {
            self.add_copied(&entry.cc, &mut planned.cc, notes);
            self.add_copied(&entry.bcc, &mut planned.bcc, notes);
            // To whom a customer wrote is ourselves first of all; further people there are copied people, but
            // only a mapping that says who we are can tell them from us.
            if kind == ThreadKind::Message || self.rules.people.knows_us() {
                self.add_copied(&entry.to, &mut planned.cc, notes);
            }
        }
        if let Some(context) = &context {
            let mut render = |name: &str, template: &Option<super::expression::Template>| {
                let html = notes.value(name, template.as_ref()?.render(&self.rules.engine, context)).flatten()?;
                notes.fired_as(name);
                Some(html)
            };
            planned.header = render("threads.header", &rules.header);
            planned.footer = render("threads.footer", &rules.footer);
        }
        planned
    }

    fn kind(&self, entry: &Entry, author: Option<&Person>, context: Option<&Context>, notes: &mut Notes) -> ThreadKind {
        if let (Some(rule), Some(context)) = (&self.rules.threads.kind, context) {
            // What is in no table goes by author and visibility, and so is no finding.
            let mut quiet = Notes::default();
            let decided = rule.decide(context, &mut quiet, ThreadKind::from_word, ToString::to_string);
            notes.findings.extend(quiet.findings.into_iter().filter(|f| f.code == codes::MAP_EXPRESSION));
            if let Some(kind) = decided {
                notes.fired_as(&rule.name);
                return kind;
            }
            if let Some(kind) = rule.default {
                return kind;
            }
        }
        if !entry.is_public {
            return ThreadKind::Note;
        }
        let people = &self.rules.people;
        match author {
            Some(author) if people.staff_as_customers && self.is_customer(author) => ThreadKind::Customer,
            Some(author) if people.is_staff(author) => ThreadKind::Message,
            Some(author) if people::is_unknown(author) && !self.is_customer(author) => ThreadKind::Note,
            _ => ThreadKind::Customer,
        }
    }

    /// Whether somebody is the conversation's customer.
    fn is_customer(&self, person: &Person) -> bool {
        let has_known_address = person
            .emails
            .iter()
            .any(|email| self.customer.emails.iter().any(|known| known.eq_ignore_ascii_case(email.trim())));
        has_known_address || self.record.requester.as_ref().is_some_and(|requester| people::is_same(requester, person))
    }

    fn customer_for(&mut self, author: Option<&'r Person>, notes: &mut Notes) -> Customer {
        // Staff never become customers, even if a rule calls what they wrote a customer's thread.
        let Some(author) = author.filter(|author| !self.is_customer(author) && !self.rules.people.is_staff(author))
        else {
            return self.customer.clone();
        };
        if let Some((_, known)) = self.seen.iter().find(|(person, _)| people::is_same(person, author)) {
            return known.clone();
        }
        let made = people::customer(self.record, author, &mut notes.findings);
        if made.key == self.customer.key {
            return self.customer.clone();
        }
        self.seen.push((author, made.clone()));
        made
    }

    /// Credits a message or note to a user, by name in the text where the user is somebody else.
    fn credit(&mut self, author: Option<&Person>, planned: &mut Planned, notes: &mut Notes) {
        let people = &self.rules.people;
        let (user, code) = match author {
            Some(author) => {
                let resolved = people.user_for(author);
                planned.credit = resolved.credit;
                planned.shown_name = resolved.shown_name;
                (resolved.user, resolved.code)
            }
            None => (people.default_user(), None),
        };
        if let (Some(code), Some(name)) = (code, &planned.credit) {
            let said = if code == codes::MAP_DEPARTED_AGENT { "has left" } else { "is not mapped" };
            self.tell(code, name, format!("{} {said}; the name stands in the text", quoted(name)), notes);
        }
        match &user {
            UserRef::FirstAdministrator => {
                let message = "`people.default` names nobody; the target's first administrator was used".to_owned();
                self.tell(codes::MAP_DEFAULT_USER, "", message, notes);
            }
            UserRef::Address(address) if people.default.as_ref() == Some(address) => notes.fired_as(&DEFAULT_USER_RULE),
            UserRef::Address(_) => {}
        }
        planned.author = Author::User(user);
    }

    fn tell(&mut self, code: &'static str, name: &str, message: String, notes: &mut Notes) {
        if !self.told.iter().any(|(known, of)| *known == code && of == name) {
            self.told.push((code, name.to_owned()));
            notes.note(code, message);
        }
    }

    /// Copied people outside: not us, not the customer, each once.
    fn add_copied(&mut self, copied: &[Person], list: &mut Vec<String>, notes: &mut Notes) {
        for person in copied {
            let Some(written) = person.email() else { continue };
            let Some(address) = people::stored_address(written) else {
                if !written.trim().is_empty() {
                    let finding: Finding = people::bad_address(written);
                    self.tell(codes::PERSON_BAD_ADDRESS, written, finding.message, notes);
                }
                continue;
            };
            let is_known = self.customer.emails.contains(&address) || list.contains(&address);
            if !is_known && !self.rules.people.is_staff(person) {
                list.push(address);
            }
        }
    }
}
