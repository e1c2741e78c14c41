//! A record into a conversation, rule by rule.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;

use super::account::Account;
use super::expression::{self, Context};
use super::lint::Mark;
use super::people;
use super::rules::{Assignee, Decision, FieldRule, FieldValue, Rule, Rules};
use super::threads;
use super::view::Found;
use super::{Converted, Mapped, Rejected, Skipped};
use crate::conversation::{Conversation, Customer, Kind, Status, UserRef};
use crate::finding::{Finding, codes};
use crate::record::{Origin, Person, Record, RecordId};

/// FreeScout keeps 998 characters of a subject (core, `Conversation::SUBJECT_LENGTH`).
const SUBJECT_CHARS: usize = 998;

/// FreeScout keeps 191 characters of a tag (module 1.0.87).
const TAG_CHARS: usize = 191;

/// What was noticed and which rules fired, while one record is converted.
#[derive(Default)]
pub(super) struct Notes {
    pub findings: Vec<Finding>,
    pub rules: Vec<Arc<str>>,
    /// For lint: which rules of which it asks were used.
    pub used: Vec<Mark>,
    /// What became of fields and values, where somebody wants to know.
    pub account: Option<Account>,
}

impl Notes {
    pub(super) fn note(&mut self, code: &'static str, message: impl Into<String>) {
        self.findings.push(Finding::new(code, message));
    }

    pub(super) fn note_in(&mut self, code: &'static str, field: impl Into<String>, message: impl Into<String>) {
        self.findings.push(Finding::new(code, message).in_field(field));
    }

    pub(super) fn fired(&mut self, rule: &Arc<str>) {
        self.rules.push(Arc::clone(rule));
    }

    pub(super) fn fired_as(&mut self, rule: &str) {
        if !self.rules.iter().any(|known| &**known == rule) {
            self.rules.push(Arc::from(rule));
        }
    }

    fn ruled(&mut self, rule: &Arc<str>, value: &str, became: impl FnOnce() -> Option<String>) {
        if let Some(account) = &mut self.account {
            account.ruled(rule, value, became());
        }
    }

    /// The value of the first condition that holds.
    fn first_that_holds(&mut self, field: &str, rules: &[Decision<String>], context: &Context) -> Option<String> {
        for rule in rules {
            if self.value(field, rule.when.holds(context)) == Some(true) {
                self.used.push(rule.mark);
                return Some(rule.value.clone());
            }
        }
        None
    }

    /// The value, or a finding that the expression failed.
    pub(super) fn value<T>(&mut self, field: &str, result: Result<T, minijinja::Error>) -> Option<T> {
        result.map_err(|error| self.note_in(codes::MAP_EXPRESSION, field, expression::sentence(&error))).ok()
    }
}

/// The longest value that a finding quotes.
const QUOTED_CHARS: usize = 60;

pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        None => format!("`{text}`"),
        Some((end, _)) => format!("`{}…`", &text[..end]),
    }
}

impl<T: Clone> Rule<T> {
    /// What the rule gives. `parse` is asked for values when there is no table.
    pub(super) fn decide(
        &self,
        context: &Context,
        notes: &mut Notes,
        parse: impl Fn(&str) -> Option<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        if let Some(value) = self.decided(context, notes) {
            return Some(value);
        }
        let from = self.from.as_ref()?;
        // Several values: the first that means something.
        let found = match notes.value(&self.name, from.find(context))? {
            Found::Nothing => return None,
            Found::Text(text) => vec![text],
            Found::List(items) => items,
        };
        let known = found.iter().find_map(|text| {
            let value = match &self.table {
                Some(table) => {
                    let (value, mark) = table.find(text)?;
                    notes.used.push(mark);
                    value.clone()
                }
                None => parse(text.trim())?,
            };
            // Without a table a value becomes itself, and is no news.
            if self.table.is_some() {
                notes.ruled(&self.name, text, || Some(show(&value)));
            }
            Some(value)
        });
        if known.is_some() {
            notes.fired(&self.name);
        } else if let Some(first) = found.first() {
            notes.ruled(&self.name, first, || None);
            let place = if self.table.is_some() { "in no table" } else { "not a value that FreeScout knows" };
            let default =
                self.default.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{}`", show(value)));
            let message = format!("{} is {place}; {default} was used", quoted(first.trim()));
            notes.note_in(codes::MAP_UNMAPPED_VALUE, &*self.name, message);
        }
        known
    }

    /// What the first condition that holds gives.
    fn decided(&self, context: &Context, notes: &mut Notes) -> Option<T> {
        for decision in &self.when {
            if notes.value(&self.name, decision.when.holds(context)) == Some(true) {
                notes.fired(&self.name);
                notes.used.push(decision.mark);
                return Some(decision.value.clone());
            }
        }
        None
    }

    fn or_default(&self, decided: Option<T>) -> Option<T> {
        decided.or_else(|| self.default.clone())
    }
}

/// Turns a record into a conversation, or says why not.
pub(super) fn convert(rules: &Rules, record: Record) -> Converted {
    convert_noting(rules, record, &mut Notes::default())
}

/// The same; which rules were used stays in the notes.
pub(super) fn convert_noting(rules: &Rules, record: Record, notes: &mut Notes) -> Converted {
    // Shared with the template engine while rules are applied, and taken apart after that.
    let record = Arc::new(record);
    let context = Context::new(&record, None);
    if let Some(reason) = skip_reason(rules, &context, notes) {
        return skipped(&record, reason, notes);
    }
    if let Some(reason) = notes.first_that_holds("reject", &rules.reject, &context) {
        let findings = about(&record.id, &record.origin, std::mem::take(&mut notes.findings));
        return Converted::Rejected(Rejected {
            id: record.id.clone(),
            origin: record.origin.clone(),
            reason,
            findings,
        });
    }
    let text = |text: &str| Some(text.to_owned());
    let mailbox = rules.mailbox.decide(&context, notes, text, Clone::clone);
    let mailbox = rules.mailbox.or_default(mailbox);
    let kind = rules.kind.decide(&context, notes, Kind::from_word, ToString::to_string);
    let kind = rules.kind.or_default(kind).unwrap_or(Kind::Email);
    let status = rules.status.decide(&context, notes, Status::from_word, ToString::to_string);
    // An open ticket that looks closed is forgotten; a closed one that looks open is only seen twice.
    let status = rules.status.or_default(status).unwrap_or(Status::Active);
    let subject = subject(rules, &context, notes);
    let mut customer = customer_of(rules, &record, notes);
    fill_profile(rules, &context, &mut customer, notes);
    let assignee = assignee(rules, &context, notes);
    let tags = tags(rules, &context, notes);
    let fields = fields(rules, &rules.fields, &context, notes);
    let lost = match &mut notes.account {
        Some(account) => rules.coverage.enter(&record, account),
        None => rules.coverage.lost(&record),
    };
    for path in lost {
        notes.note_in(codes::MAP_LOST_FIELD, path, "the field is neither mapped nor ignored");
    }
    let planned = threads::plan(rules, &record, &customer, notes);
    drop(context);
    let record = Arc::try_unwrap(record).unwrap_or_else(|shared| Record::clone(&shared));
    let Record { id, origin, entries, created_at, updated_at, closed_at, .. } = record;
    let threads = threads::write(rules, entries, planned, notes);
    let first = threads.first().map_or(threads::EARLIEST, |thread| thread.created_at);
    let last = threads.last().map_or(first, |thread| thread.created_at);
    let created_at = opened(created_at, first, notes);
    let closed_at = (status == Status::Closed).then(|| {
        let known = closed_at.or(updated_at);
        known.map_or(last, |time| threads::clamp(time).0).max(last)
    });
    let conversation = Conversation {
        id,
        origin,
        mailbox,
        kind,
        status,
        subject,
        customer,
        assignee,
        created_at,
        closed_at,
        threads,
        tags,
        fields,
    };
    let findings = about(&conversation.id, &conversation.origin, std::mem::take(&mut notes.findings));
    let rules = std::mem::take(&mut notes.rules);
    Converted::Ready(Box::new(Mapped { conversation, findings, rules, lines: notes.used.clone() }))
}

fn about(id: &RecordId, origin: &Origin, findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().map(|finding| finding.about(id, origin)).collect()
}

fn skipped(record: &Record, reason: String, notes: &mut Notes) -> Converted {
    let findings = about(&record.id, &record.origin, std::mem::take(&mut notes.findings));
    Converted::Skipped(Skipped { id: record.id.clone(), origin: record.origin.clone(), reason, findings })
}

fn skip_reason(rules: &Rules, context: &Context, notes: &mut Notes) -> Option<String> {
    if let Some(reason) = notes.first_that_holds("skip", &rules.skip, context) {
        return Some(reason);
    }
    if rules.status_skip.is_empty() {
        return None;
    }
    let from = rules.status.from.as_ref()?;
    let words = match notes.value("status", from.find(context))? {
        Found::Nothing => return None,
        Found::Text(text) => vec![text],
        Found::List(items) => items,
    };
    words.iter().find_map(|word| {
        let (reason, mark) = rules.status_skip.find(word)?;
        notes.used.push(mark);
        Some(reason.clone())
    })
}

fn subject(rules: &Rules, context: &Context, notes: &mut Notes) -> String {
    let rule = &rules.subject;
    let found = if let Some(template) = &rule.template {
        notes.fired_as("subject");
        notes.value("subject", template.render(&rules.engine, context)).flatten()
    } else if let Some(from) = &rule.from {
        notes.fired_as("subject");
        notes.value("subject", from.find(context)).and_then(|found| found.joined().map(Cow::into_owned))
    } else {
        context.record.subject.clone()
    };
    // A subject is one line: FreeScout shows no line ends, and mail headers forbid them.
    let subject = found.map(|text| if text.contains(char::is_control) { one_line(&text) } else { text });
    let subject = subject.as_deref().map(str::trim).unwrap_or_default();
    if subject.is_empty() {
        notes.note(codes::MAP_NO_SUBJECT, format!("a record without subject is called {}", quoted(&rule.default)));
        return rule.default.clone();
    }
    match subject.char_indices().nth(SUBJECT_CHARS) {
        None => subject.to_owned(),
        Some((end, _)) => {
            let message = format!("a subject of {} characters was cut to {SUBJECT_CHARS}", subject.chars().count());
            notes.note(codes::SUBJECT_CUT, message);
            subject[..end].trim_end().to_owned()
        }
    }
}

fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whose conversation it is: the requester, else the first person outside.
fn customer_of(rules: &Rules, record: &Record, notes: &mut Notes) -> Customer {
    let people = &rules.people;
    let may_be = |person: &Person| people.staff_as_customers || !people.is_staff(person);
    let has_address = |person: &Person| person.emails.iter().any(|email| people::stored_address(email).is_some());
    let authors = || record.entries.iter().filter_map(|entry| entry.author.as_ref());
    if let Some(requester) = record.requester.as_ref().filter(|requester| may_be(requester)) {
        // The messages may know an address that the record's head lacks.
        let better = if has_address(requester) {
            None
        } else {
            authors().find(|author| has_address(author) && is_known_as(requester, author))
        };
        return people::customer(record, better.unwrap_or(requester), &mut notes.findings);
    }
    let is_named = |person: &&Person| person.id.is_some() || person.name.is_some() || !person.emails.is_empty();
    let outside = |person: &&Person| is_named(person) && may_be(person);
    // First whoever wrote, then whoever was written to.
    let public = || record.entries.iter().filter(|entry| entry.is_public);
    let writer = public().filter_map(|entry| entry.author.as_ref()).find(outside);
    let found = writer
        .or_else(|| public().flat_map(|entry| &entry.to).find(outside))
        .or_else(|| record.cc.iter().find(outside))
        .or_else(|| public().flat_map(|entry| &entry.cc).find(outside));
    if let Some(person) = found {
        return people::customer(record, person, &mut notes.findings);
    }
    let is_all_staff = record.requester.is_some() || authors().next().is_some();
    if is_all_staff {
        notes.note(codes::PERSON_IS_STAFF, "everybody in this record is staff; a stand-in customer was used");
    }
    people::nobody(record, &mut notes.findings)
}

fn is_known_as(one: &Person, other: &Person) -> bool {
    let has_same_id = one.id.is_some() && one.id == other.id;
    has_same_id || (one.id.is_none() && one.name.is_some() && one.name == other.name)
}

pub(super) fn fill_profile(rules: &Rules, context: &Context, customer: &mut Customer, notes: &mut Notes) {
    let profile = &rules.customer;
    if profile.is_empty() {
        return;
    }
    let mut text = |name: &str, template: &Option<expression::Template>| {
        let template = template.as_ref()?;
        let text = notes.value(name, template.render(&rules.engine, context)).flatten()?;
        notes.fired_as("customer");
        Some(text.trim().to_owned())
    };
    let company = text("customer.company", &profile.company);
    let job_title = text("customer.job_title", &profile.job_title);
    let notes_text = text("customer.notes", &profile.notes);
    let website = text("customer.website", &profile.website);
    let phone = text("customer.phone", &profile.phone);
    if let Some(company) = company {
        customer.company = Some(people::cut(&company, "company", &mut notes.findings));
    }
    if let Some(title) = job_title {
        customer.job_title = Some(people::cut(&title, "job title", &mut notes.findings));
    }
    customer.notes = notes_text.or(customer.notes.take());
    customer.websites.extend(website);
    if let Some(phone) = phone
        && !customer.phones.contains(&phone)
    {
        customer.phones.push(phone);
    }
    for (name, value) in fields(rules, &profile.fields, context, notes) {
        customer.fields.insert(name, value.into());
    }
}

fn assignee(rules: &Rules, context: &Context, notes: &mut Notes) -> Option<UserRef> {
    match &rules.assignee {
        Assignee::Nobody => None,
        Assignee::Rule(rule) => {
            let decided = rule.decide(context, notes, people::stored_address, Clone::clone);
            let decided = rule.or_default(decided);
            decided.filter(|address| !address.is_empty()).map(UserRef::Address)
        }
        Assignee::OfRecord => {
            let person = context.record.assignee.as_ref()?;
            let resolved = rules.people.assignee(person);
            let name = people::display_name(person)?;
            match resolved {
                Ok(address) => return Some(UserRef::Address(address)),
                Err(Some(departed)) => {
                    let message = format!("{departed} has left; the conversation is assigned to nobody");
                    notes.note_in(codes::MAP_DEPARTED_AGENT, "assignee", message);
                }
                Err(None) => {
                    let message = format!("{} has no address and is not mapped; nobody is assigned", quoted(&name));
                    notes.note_in(codes::MAP_UNKNOWN_AGENT, "assignee", message);
                }
            }
            None
        }
    }
}

fn tags(rules: &Rules, context: &Context, notes: &mut Notes) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    let mut add = |text: &str, notes: &mut Notes| {
        let text = text.trim().to_lowercase();
        let tag = match text.char_indices().nth(TAG_CHARS) {
            None => text,
            Some((end, _)) => {
                notes.note(codes::NAME_CUT, format!("a tag was cut to {TAG_CHARS} characters"));
                text[..end].trim_end().to_owned()
            }
        };
        if !tag.is_empty() && !rules.tags.drop.is_match(&tag) && !tags.contains(&tag) {
            tags.push(tag);
        }
    };
    for rule in &rules.tags.from {
        let items = match notes.value("tags", rule.from.find(context)) {
            None | Some(Found::Nothing) => continue,
            Some(Found::Text(text)) => vec![text],
            Some(Found::List(items)) => items,
        };
        for item in items {
            notes.used.push(rule.mark);
            let found = rule.table.find(&item).map(|(text, mark)| {
                notes.used.push(mark);
                text
            });
            match found {
                Some(text) if text.trim().is_empty() => {}
                Some(text) => add(&format!("{}{text}", rule.prefix), notes),
                None if item.trim().is_empty() => {}
                None if rule.prefix.is_empty() => add(&item, notes),
                None => add(&format!("{}{}", rule.prefix, item.trim()), notes),
            }
        }
    }
    for tag in &rules.tags.add {
        add(tag, notes);
    }
    tags
}

fn fields(rules: &Rules, wanted: &[FieldRule], context: &Context, notes: &mut Notes) -> Vec<(String, String)> {
    let mut fields = Vec::with_capacity(wanted.len());
    for rule in wanted {
        let value = match &rule.value {
            FieldValue::Template(template) => {
                notes.value(&rule.field, template.render(&rules.engine, context)).flatten()
            }
            FieldValue::Rule(value) if value.table.is_none() => value.decided(context, notes).or_else(|| {
                let found = value.from.as_ref().and_then(|from| notes.value(&rule.field, from.find(context)));
                found.and_then(Found::joined).map(Cow::into_owned).or_else(|| value.default.clone())
            }),
            FieldValue::Rule(value) => {
                let decided = value.decide(context, notes, |_| None, Clone::clone);
                value.or_default(decided)
            }
        };
        if let Some(value) = value.as_deref().map(str::trim).filter(|value| !value.is_empty()) {
            notes.used.push(rule.mark);
            fields.push((rule.field.clone(), value.to_owned()));
        }
    }
    fields
}

/// When it was opened: never after its first thread.
fn opened(written: Option<Timestamp>, first: Timestamp, notes: &mut Notes) -> Timestamp {
    let Some(written) = written else { return first };
    let (time, is_clamped) = threads::clamp(written);
    if is_clamped {
        notes.note_in(codes::TIME_CLAMPED, "created_at", format!("`{written}` is out of range; `{time}` was used"));
    }
    if time > first {
        let message = format!("opened at `{time}`, after its first message; the message's time was used");
        notes.note_in(codes::READ_DATE, "created_at", message);
        return first;
    }
    time
}
