//! Everybody whom an archive names, and what speaks for customer, agent or nobody.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::mail::nature;
use crate::mapping::Mapping;
use crate::record::{Person, Record};
use crate::roster::{self, Role};

/// More people than this are not told apart: some 150 MB.
pub const MOST_PEOPLE: usize = 200_000;

/// More addresses and names of one person are not kept.
const MOST_OF_ONE: usize = 20;

/// Names of folders with what was sent, in the languages of mail programs.
const SENT_WORDS: &[&str] =
    &["sent", "gesendet", "envoy", "enviad", "inviat", "inviata", "verzonden", "отправленные", "skickat", "sendt"];

/// Everybody, by address, else by id, else by name.
#[derive(Debug, Default)]
pub struct Census {
    people: Vec<Option<Known>>,
    by_key: HashMap<String, usize>,
    /// Mentions of people beyond the limit.
    pub beyond: u64,
    record: u64,
}

/// What is known of one person.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// In lower case, main one first.
    pub emails: Vec<String>,
    /// In the order of their first appearance.
    pub names: Vec<String>,
    /// The archive's id.
    pub id: Option<String>,
    /// The old system's word.
    pub role: Option<String>,
    /// Whether the mapping calls them staff already.
    pub is_staff: bool,
    /// Distinct records that name them.
    pub records: u64,
    /// Records of which they are the requester.
    pub requester: u64,
    /// Records that they work on.
    pub assignee: u64,
    /// Entries that they wrote.
    pub author: u64,
    /// Of those, public answers to somebody else's request, or notes.
    pub replies: u64,
    /// Entries that lie in a folder of sent mail.
    pub sent: u64,
    /// Mails that were put into their mailbox (`Delivered-To`).
    pub delivered: u64,
    /// Entries that were written to them.
    pub receiver: u64,
    /// Entries or records of which they have a copy.
    pub copied: u64,
    /// When first seen.
    pub first: Option<Timestamp>,
    /// When last seen.
    pub last: Option<Timestamp>,
    /// The last record that named them, counted from 1.
    pub(super) seen_in: u64,
}

/// In which part somebody is named.
#[derive(Debug, Clone, Copy)]
enum Part {
    Requester,
    Assignee,
    Author { is_reply: bool, is_sent: bool },
    Delivered,
    Receiver,
    Copied,
}

impl Census {
    /// Counts the people of one record; `base` says who is staff.
    pub fn add(&mut self, record: &Record, base: &Mapping) {
        self.record += 1;
        let at = record.created_at;
        if let Some(person) = &record.requester {
            self.count(person, Part::Requester, at, base);
        }
        if let Some(person) = &record.assignee {
            self.count(person, Part::Assignee, at, base);
        }
        for person in &record.cc {
            self.count(person, Part::Copied, at, base);
        }
        let requester = record.requester.as_ref();
        for entry in &record.entries {
            let at = entry.created_at.or(at);
            if let Some(author) = &entry.author {
                let is_other = requester.is_some_and(|requester| !shares_key(requester, author));
                let is_reply = !entry.is_public || is_other;
                let is_sent = entry.fields.get("sent").is_some_and(|sent| sent.as_bool() == Some(true))
                    || is_sent_folder(&entry.origin.file)
                    || entry
                        .fields
                        .get("labels")
                        .and_then(|labels| labels.as_array())
                        .is_some_and(|labels| labels.iter().filter_map(|label| label.as_str()).any(is_sent_folder));
                self.count(author, Part::Author { is_reply, is_sent }, at, base);
            }
            for person in &entry.to {
                self.count(person, Part::Receiver, at, base);
            }
            let delivered = entry.fields.get("delivered_to").and_then(|all| all.as_array());
            for email in delivered.into_iter().flatten().filter_map(|email| email.as_str()) {
                self.count(&Person::with_email(email, None), Part::Delivered, at, base);
            }
            for person in entry.cc.iter().chain(&entry.bcc) {
                self.count(person, Part::Copied, at, base);
            }
        }
    }

    fn count(&mut self, person: &Person, part: Part, at: Option<Timestamp>, base: &Mapping) {
        let Some(index) = self.find(person) else {
            self.beyond += 1;
            return;
        };
        let record = self.record;
        let Some(known) = self.people[index].as_mut() else { return };
        known.is_staff |= base.is_staff(person);
        match part {
            Part::Requester => known.requester += 1,
            Part::Assignee => known.assignee += 1,
            Part::Author { is_reply, is_sent } => {
                known.author += 1;
                known.replies += u64::from(is_reply);
                known.sent += u64::from(is_sent);
            }
            Part::Delivered => known.delivered += 1,
            Part::Receiver => known.receiver += 1,
            Part::Copied => known.copied += 1,
        }
        if known.seen_in != record {
            known.seen_in = record;
            known.records += 1;
        }
        if let Some(at) = at {
            known.first = Some(known.first.map_or(at, |first| first.min(at)));
            known.last = Some(known.last.map_or(at, |last| last.max(at)));
        }
    }

    /// The place of a person, new or known; two who turn out to be one become one.
    fn find(&mut self, person: &Person) -> Option<usize> {
        let keys = keys_of(person);
        let mut found: Vec<usize> = keys.iter().filter_map(|key| self.by_key.get(key).copied()).collect();
        found.dedup();
        let index = match found.first() {
            Some(first) => *first,
            None if keys.is_empty() || self.by_key.len() >= MOST_PEOPLE => return None,
            None => {
                self.people.push(Some(Known::default()));
                self.people.len() - 1
            }
        };
        for other in found.into_iter().skip(1).filter(|other| *other != index) {
            if let Some(moved) = self.people[other].take() {
                for key in moved.keys() {
                    self.by_key.insert(key, index);
                }
                if let Some(known) = self.people[index].as_mut() {
                    known.absorb(moved);
                }
            }
        }
        for key in keys {
            self.by_key.insert(key, index);
        }
        let known = self.people[index].as_mut()?;
        known.learn(person);
        Some(index)
    }

    /// Everybody: agents first, then by the number of records, then by address.
    pub fn everybody(&self) -> Vec<&Known> {
        let mut all: Vec<&Known> = self.people.iter().flatten().collect();
        all.sort_by(|a, b| {
            let rank = |known: &Known| known.guess().0 != Role::Agent;
            rank(a).cmp(&rank(b)).then(b.records.cmp(&a.records)).then_with(|| a.label().cmp(&b.label()))
        });
        all
    }

    /// The agents, most active first.
    pub fn agents(&self) -> Vec<&Known> {
        let mut agents: Vec<&Known> =
            self.people.iter().flatten().filter(|known| known.guess().0 == Role::Agent).collect();
        agents.sort_by(|a, b| {
            (b.author + b.assignee).cmp(&(a.author + a.assignee)).then_with(|| a.label().cmp(&b.label()))
        });
        agents
    }

    /// How many people there are.
    pub fn count_people(&self) -> usize {
        self.people.iter().flatten().count()
    }

    /// Addresses that are ours beyond doubt: what they wrote lies among sent mail, or mail was put into their mailbox again
    /// and again. Those with most of it first.
    pub fn own(&self) -> Vec<&Known> {
        /// Fewer deliveries may be those of forwarded mail.
        const FEW: u64 = 3;
        /// One in so many records, at least, was delivered to a mailbox of ours.
        const SHARE: u64 = 20;
        let is_own = |known: &&Known| {
            let is_mailbox = known.delivered >= FEW && known.delivered * SHARE >= self.record;
            (known.sent > 0 || is_mailbox) && !known.is_staff && !known.emails.is_empty()
        };
        let mut own: Vec<&Known> = self.people.iter().flatten().filter(is_own).collect();
        let weight = |known: &Known| known.sent + known.delivered;
        own.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.label().cmp(&b.label())));
        own
    }

    /// A domain that several of our own addresses share and that few others have, with how many of ours and of others do.
    pub fn own_domain(&self) -> Option<(String, usize, usize)> {
        fn domain_of(known: &Known) -> Option<&str> {
            known.emails.first()?.rsplit_once('@').map(|(_, domain)| domain)
        }
        let own = self.own();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for domain in own.iter().filter_map(|known| domain_of(known)) {
            *counts.entry(domain).or_default() += 1;
        }
        let (domain, ours) = counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)))?;
        let everybody = self.people.iter().flatten().filter(|known| domain_of(known) == Some(domain)).count();
        let others = everybody.saturating_sub(ours);
        // Customers have addresses at a provider's domain, too.
        (ours >= 2 && others <= ours).then(|| (domain.to_owned(), ours, others))
    }

    /// The address that most mail was written to, if it looks like ours: a third of all records name it as receiver.
    pub fn likely_own(&self) -> Option<&Known> {
        let most =
            self.people.iter().flatten().max_by_key(|known| (known.receiver, std::cmp::Reverse(known.label())))?;
        let is_likely =
            most.receiver >= 3 && most.records * 3 >= self.record && !most.emails.is_empty() && !most.is_staff;
        is_likely.then_some(most)
    }
}

impl Known {
    /// What speaks for an own address, in words.
    pub fn evidence(&self) -> String {
        let mut why = Vec::new();
        if self.sent > 0 {
            why.push(format!("wrote {} in folders of sent mail", self.sent));
        }
        if self.delivered > 0 {
            why.push(format!("{} were delivered to it", self.delivered));
        }
        why.join(", ")
    }

    /// Address, else name, else id.
    pub fn label(&self) -> String {
        self.emails.first().or(self.names.first()).or(self.id.as_ref()).cloned().unwrap_or_default()
    }

    /// The first name that is not an address.
    pub fn name(&self) -> Option<&str> {
        self.names
            .iter()
            .map(String::as_str)
            .find(|name| !name.contains('@'))
            .or(self.names.first().map(String::as_str))
    }

    fn keys(&self) -> Vec<String> {
        let emails = self.emails.iter().cloned();
        let id = self.id.iter().map(|id| format!("id {id}"));
        let name = self.names.first().filter(|_| self.emails.is_empty() && self.id.is_none());
        emails.chain(id).chain(name.map(|name| format!("name {}", name.to_lowercase()))).collect()
    }

    fn learn(&mut self, person: &Person) {
        for email in &person.emails {
            let email = email.trim().to_lowercase();
            if !email.is_empty() && self.emails.len() < MOST_OF_ONE && !self.emails.contains(&email) {
                self.emails.push(email);
            }
        }
        if let Some(name) = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty())
            && self.names.len() < MOST_OF_ONE
            && !self.names.iter().any(|known| known == name)
        {
            self.names.push(name.to_owned());
        }
        if self.id.is_none() {
            self.id.clone_from(&person.id);
        }
        if self.role.is_none() {
            self.role.clone_from(&person.role);
        }
    }

    fn absorb(&mut self, other: Self) {
        let person = Person { emails: other.emails, id: other.id, role: other.role, ..Person::default() };
        self.learn(&person);
        for name in other.names {
            self.learn(&Person { name: Some(name), ..Person::default() });
        }
        self.is_staff |= other.is_staff;
        self.records += other.records - u64::from(self.seen_in == other.seen_in && other.records > 0);
        self.requester += other.requester;
        self.assignee += other.assignee;
        self.author += other.author;
        self.replies += other.replies;
        self.sent += other.sent;
        self.delivered += other.delivered;
        self.receiver += other.receiver;
        self.copied += other.copied;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = [self.last, other.last].into_iter().flatten().max();
        self.seen_in = self.seen_in.max(other.seen_in);
    }

    /// What they are, most likely, and why.
    pub fn guess(&self) -> (Role, String) {
        let role = self.role.as_deref().unwrap_or_default();
        // Zendesk's own entries are written by user -1.
        if self.id.as_deref().is_some_and(|id| id.starts_with('-')) {
            return (Role::Nobody, "the old system itself".to_owned());
        }
        if self.is_staff {
            let why = if role.is_empty() {
                "an own address or domain".to_owned()
            } else {
                format!("is `{role}` in the old system")
            };
            return (Role::Agent, why);
        }
        if self.assignee > 0 {
            return (Role::Agent, format!("works on {} records", self.assignee));
        }
        if self.sent > 0 {
            return (Role::Agent, format!("wrote {} entries in folders of sent mail", self.sent));
        }
        if self.delivered > 0 && self.author == 0 && self.requester == 0 {
            return (Role::Nobody, format!("a mailbox: {} mails were delivered to it", self.delivered));
        }
        if self.emails.first().is_some_and(|email| nature::is_nobody(email)) {
            return (Role::Customer, "looks like a machine; `nobody` keeps it from becoming a customer".to_owned());
        }
        let mut why = Vec::new();
        let mut say = |count: u64, what: &str| {
            if count > 0 {
                why.push(format!("{what} {count}"));
            }
        };
        say(self.requester, "requester of");
        say(self.author, "wrote");
        say(self.copied + self.receiver, "was written to in");
        (Role::Customer, why.join(", "))
    }

    /// The row for review; `user` is the FreeScout user whom an agent becomes.
    pub fn entry(&self, user: Option<String>) -> roster::Entry {
        let (role, why) = self.guess();
        let day = |at: Option<Timestamp>| at.map(|at| at.strftime("%Y-%m-%d").to_string());
        let mut names = self.names.clone();
        if let Some(at) = self.name().and_then(|best| names.iter().position(|name| name == best)) {
            names.swap(0, at);
        }
        roster::Entry {
            addresses: self.emails.clone(),
            role: if role == Role::Agent && self.emails.is_empty() && user.is_none() {
                Role::Nobody.word()
            } else {
                role.word()
            },
            user: user.filter(|_| role == Role::Agent),
            names,
            why,
            counts: [self.records, self.requester, self.assignee, self.author, self.copied + self.receiver],
            seen: [day(self.first), day(self.last)],
            old_role: self.role.clone(),
            old_id: self.id.clone(),
        }
    }
}

fn keys_of(person: &Person) -> Vec<String> {
    let emails = person.emails.iter().map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty());
    let mut keys: Vec<String> = emails.take(MOST_OF_ONE).collect();
    keys.extend(person.id.as_ref().map(|id| format!("id {id}")));
    if keys.is_empty() {
        let name = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        keys.extend(name.map(|name| format!("name {}", name.to_lowercase())));
    }
    keys
}

fn shares_key(one: &Person, other: &Person) -> bool {
    let keys = keys_of(one);
    keys_of(other).iter().any(|key| keys.contains(key))
}

/// Whether a file or label holds what we have sent.
fn is_sent_folder(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name).to_lowercase();
    let stem = last.split('.').next().unwrap_or(&last);
    SENT_WORDS.iter().any(|word| stem.starts_with(word))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::{Body, Entry, Origin, RecordId};

    fn base() -> Mapping {
        Mapping::parse("test", "source = \"mbox\"\n").unwrap()
    }

    fn person(email: &str, name: &str) -> Person {
        Person::with_email(email, Some(name.to_owned()))
    }

    fn record(id: u32, requester: Person, authors: &[(Person, &str)]) -> Record {
        let entry = |(author, file): &(Person, &str)| Entry {
            id: String::new(),
            origin: Origin::whole(&Arc::from(*file)),
            kind: "message".to_owned(),
            is_public: true,
            author: Some(author.clone()),
            to: vec![person("support@example.org", "Support")],
            cc: Vec::new(),
            bcc: Vec::new(),
            body: Body::Empty,
            created_at: None,
            attachments: Vec::new(),
            fields: serde_json::Map::new(),
        };
        Record {
            id: RecordId::new("mbox", id.to_string()),
            origin: Origin::whole(&Arc::from("a.mbox")),
            subject: None,
            status: None,
            channel: None,
            requester: Some(requester),
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
            closed_at: None,
            url: None,
            entries: authors.iter().map(entry).collect(),
            fields: serde_json::Map::new(),
            oddities: Vec::new(),
        }
    }

    #[test]
    fn people_are_counted_once_whatever_their_addresses() {
        let mut census = Census::default();
        let (ada, other) = (person("ada@example.org", "Ada"), person("ADA@example.net", "A. Lovelace"));
        let both = Person { emails: vec!["ada@example.net".into(), "ada@example.org".into()], ..Person::default() };
        for (id, requester) in [(1, ada), (2, other), (3, both)] {
            census.add(&record(id, requester, &[]), &base());
        }
        let all = census.everybody();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!((all[0].records, all[0].requester, all[0].names.len()), (3, 3, 2));
        assert_eq!(all[0].emails.len(), 2);
    }

    #[test]
    fn guesses_have_reasons() {
        let mut census = Census::default();
        let us = person("grace@us.example.org", "Grace");
        census.add(&record(1, person("ada@example.org", "Ada"), &[(us, "Gesendet.mbox")]), &base());
        census.add(&record(2, person("noreply@shop.example", "Shop"), &[]), &base());
        let guess = |email: &str| {
            let known = census.everybody().into_iter().find(|known| known.emails[0] == email).unwrap().clone();
            let (role, why) = known.guess();
            (role, why)
        };
        assert_eq!(guess("grace@us.example.org"), (Role::Agent, "wrote 1 entries in folders of sent mail".to_owned()));
        assert_eq!(guess("ada@example.org"), (Role::Customer, "requester of 1".to_owned()));
        assert!(guess("noreply@shop.example").1.starts_with("looks like a machine"));
        assert_eq!(census.own()[0].emails, ["grace@us.example.org"]);
    }

    #[test]
    fn mailboxes_are_ours_by_what_was_delivered_to_them() {
        let mut census = Census::default();
        for id in 1..=6_u32 {
            let ada = person(&format!("ada{id}@example.com"), "Ada");
            let mut record = record(id, ada.clone(), &[(ada, "Inbox.mbox")]);
            let delivered = if id < 4 { "info@us.example.org" } else { "sales@us.example.org" };
            record.entries[0].fields.insert("delivered_to".to_owned(), serde_json::json!([delivered]));
            census.add(&record, &base());
        }
        let own: Vec<(&str, String)> =
            census.own().into_iter().map(|known| (known.emails[0].as_str(), known.evidence())).collect();
        let expected = |address| (address, "3 were delivered to it".to_owned());
        assert_eq!(own, [expected("info@us.example.org"), expected("sales@us.example.org")]);
        assert_eq!(census.own_domain(), Some(("us.example.org".to_owned(), 2, 0)));
        let info = census.own()[0].guess();
        assert_eq!(info.0, Role::Nobody, "a mailbox that never writes: {}", info.1);
    }

    #[test]
    fn folders_of_sent_mail_are_known_in_several_languages() {
        for (name, is_sent) in [
            ("sent.mbox", true),
            ("Mail/Sent Items", true),
            ("Gesendete Objekte.mbox", true),
            ("Gesendet", true),
            ("inbox.mbox", false),
            ("presents.mbox", false),
        ] {
            assert_eq!(is_sent_folder(name), is_sent, "{name}");
        }
    }
}
