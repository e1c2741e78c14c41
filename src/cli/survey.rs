//! A first pass over an archive: which mailboxes, users and fields its conversations name, and whether all is accounted for.

use std::collections::{BTreeMap, BTreeSet};

use foxferry::conversation::{Author, Conversation, UserRef};
use foxferry::finding::Severity;
use foxferry::mapping::{Converted, Names};
use foxferry::pipeline::Flow;
use foxferry::sandbox::{Fixture, FixtureField};

use crate::cli::interrupt::Interrupt;

/// More names than this are not collected: a rehearsal needs some, and memory has an end.
const MOST_NAMES: usize = 10_000;

/// More values than this and a field is free text.
const MOST_OPTIONS: usize = 200;

/// The administrator whom every sandbox has.
const ADMINISTRATOR: &str = "admin@sandbox.example";

/// What the pass found.
#[derive(Debug, Default)]
pub struct Survey {
    mailboxes: BTreeSet<String>,
    users: BTreeSet<String>,
    /// What the archive calls them, where it does.
    names: BTreeMap<String, String>,
    /// In how many conversations each user writes or is assigned.
    shares: BTreeMap<String, u64>,
    /// Field names with the values that conversations give them.
    fields: BTreeMap<String, BTreeSet<String>>,
    /// How many records name no mailbox.
    pub without_mailbox: u64,
    /// Kinds of finding that `--strict` does not let through, with how often and one of them.
    pub lost: BTreeMap<&'static str, (u64, String)>,
    /// Whether the operator asked to stop.
    pub is_interrupted: bool,
}

impl Survey {
    /// Goes over everything.
    pub fn make(mut flow: Flow, interrupt: &Interrupt) -> Self {
        let mut survey = Self::default();
        while let Some(converted) = flow.records.blocking_recv() {
            survey.add(&converted);
            if interrupt.is_asked() {
                survey.is_interrupted = true;
                break;
            }
        }
        drop(flow.records);
        flow.crew.join();
        survey
    }

    /// Takes one more record into account.
    pub fn add(&mut self, converted: &Converted) {
        let findings = match converted {
            Converted::Ready(mapped) => {
                self.add_conversation(&mapped.conversation);
                &mapped.findings
            }
            Converted::Skipped(skipped) => &skipped.findings,
            Converted::Rejected(rejected) => &rejected.findings,
        };
        for finding in findings {
            if finding.severity == Severity::Error {
                let sample = || (0, foxferry::report::tally::Sample::of(finding).to_string());
                self.lost.entry(finding.code).or_insert_with(sample).0 += 1;
            }
        }
    }

    fn add_conversation(&mut self, conversation: &Conversation) {
        match &conversation.mailbox {
            Some(mailbox) => add_name(&mut self.mailboxes, mailbox),
            None => self.without_mailbox += 1,
        }
        let authors = conversation.threads.iter().filter_map(|thread| match &thread.author {
            Author::User(user) => Some((user, thread.shown_name.as_deref())),
            Author::Customer(_) => None,
        });
        let mut here = BTreeSet::new();
        for (user, name) in authors.chain(conversation.assignee.iter().map(|user| (user, None))) {
            let UserRef::Address(address) = user else { continue };
            add_name(&mut self.users, address);
            if self.users.contains(address) {
                here.insert(address.as_str());
                if let Some(name) = name.filter(|name| !name.contains('@'))
                    && !self.names.contains_key(address)
                {
                    self.names.insert(address.clone(), name.to_owned());
                }
            }
        }
        for address in here {
            *self.shares.entry(address.to_owned()).or_default() += 1;
        }
        for (name, value) in &conversation.fields {
            if let Some(values) = self.fields.get_mut(name) {
                if values.len() <= MOST_OPTIONS && !values.contains(value) {
                    values.insert(value.clone());
                }
            } else if self.fields.len() < MOST_NAMES {
                self.fields.insert(name.clone(), BTreeSet::from([value.clone()]));
            }
        }
    }

    /// The users whom mapping and conversations name: address, name, and in how many conversations.
    pub fn agents(&self, names: &Names) -> Vec<(String, String, u64)> {
        let mut all: BTreeSet<String> = names.users.iter().map(|address| address.to_lowercase()).collect();
        all.extend(self.users.iter().cloned());
        let name_of = |address: &str| match self.names.get(address) {
            Some(name) => name.clone(),
            None => words_of(address).join(" "),
        };
        let share = |address: &str| self.shares.get(address).copied().unwrap_or_default();
        all.into_iter().map(|address| (address.clone(), name_of(&address), share(&address))).collect()
    }

    /// A sandbox's beginning: everything that mapping and archive name.
    pub fn fixture(&self, names: &Names) -> Fixture {
        let mut fixture = Fixture::empty().with_user(ADMINISTRATOR, "Ada", "Admin", true);
        for address in names.users.iter().chain(&self.users) {
            let is_known = fixture.users.iter().any(|user| user.email.eq_ignore_ascii_case(address));
            if !is_known && address.contains('@') {
                let (first, last) = person_of(address);
                fixture = fixture.with_user(address, &first, &last, false);
            }
        }
        for mailbox in names.mailboxes.iter().chain(&self.mailboxes) {
            let is_known = |known: &foxferry::sandbox::FixtureMailbox| {
                known.name.eq_ignore_ascii_case(mailbox) || known.email.eq_ignore_ascii_case(mailbox)
            };
            if !fixture.mailboxes.iter().any(is_known) {
                let (name, email) = mailbox_of(mailbox);
                fixture = fixture.with_mailbox(&name, &email);
            }
        }
        if fixture.mailboxes.is_empty() {
            fixture = fixture.with_mailbox("Support", "support@sandbox.example");
        }
        let addresses: Vec<String> = fixture.mailboxes.iter().map(|mailbox| mailbox.email.clone()).collect();
        for (name, options) in self.all_fields(names) {
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            for address in &addresses {
                fixture = fixture.with_field(address, &name, &options);
            }
        }
        for (n, name) in names.customer_fields.iter().enumerate() {
            fixture.customer_fields.push(FixtureField {
                name: name.clone(),
                kind: "singleline".to_owned(),
                sort_order: n as i64 + 1,
                ..FixtureField::default()
            });
        }
        fixture
    }

    /// Fields with the options of those that are dropdowns: the mapping's table gives them their values.
    fn all_fields(&self, names: &Names) -> BTreeMap<String, BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (name, values) in &names.fields {
            let options = all.entry(name.clone()).or_default();
            options.extend(values.iter().cloned());
            if !options.is_empty() {
                // What passes the table by (a default) is an option too.
                options.extend(self.fields.get(name).into_iter().flatten().take(MOST_OPTIONS).cloned());
            }
        }
        for name in self.fields.keys() {
            all.entry(name.clone()).or_default();
        }
        all
    }
}

fn add_name(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < MOST_NAMES && !names.contains(name) {
        names.insert(name.to_owned());
    }
}

/// `ada.lovelace@example.org` is Ada Lovelace.
fn person_of(address: &str) -> (String, String) {
    let mut words = words_of(address).into_iter();
    let first = words.next().unwrap_or_else(|| "Agent".to_owned());
    let last = words.collect::<Vec<_>>().join(" ");
    (first, if last.is_empty() { "Sandbox".to_owned() } else { last })
}

fn words_of(address: &str) -> Vec<String> {
    let local = address.split('@').next().unwrap_or(address);
    local.split(['.', '_', '-', '+']).filter(|word| !word.is_empty()).map(capital).collect()
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Name and address of a mailbox that is named by either.
fn mailbox_of(mailbox: &str) -> (String, String) {
    if mailbox.contains('@') {
        return (capital(mailbox.split('@').next().unwrap_or(mailbox)), mailbox.to_owned());
    }
    let slug: String =
        mailbox.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    // Two names may have the same letters; the hash keeps their addresses apart.
    let slug = slug.trim_matches('-');
    let tail = foxferry::catalog::key("mailbox", mailbox.as_bytes()) % 10_000;
    (mailbox.to_owned(), format!("{slug}-{tail:04}@sandbox.example"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_named_after_their_addresses() {
        for (address, expected) in [
            ("ada.lovelace@example.org", ("Ada", "Lovelace")),
            ("grace@example.org", ("Grace", "Sandbox")),
            ("@example.org", ("Agent", "Sandbox")),
        ] {
            assert_eq!(person_of(address), (expected.0.to_owned(), expected.1.to_owned()), "{address}");
        }
    }

    #[test]
    fn a_sandbox_holds_what_mapping_and_archive_name() {
        let names = Names {
            mailboxes: vec!["billing@example.org".into(), "Sales".into()],
            users: vec!["ada@example.org".into()],
            fields: vec![("Priority".into(), vec!["Low".into(), "High".into()]), ("Old number".into(), vec![])],
            customer_fields: vec!["Plan".into()],
        };
        let mut survey = Survey::default();
        survey.mailboxes.insert("sales".into());
        survey.users.insert("grace@example.org".into());
        survey.fields.insert("Old number".into(), BTreeSet::from(["4711".into()]));
        let fixture = survey.fixture(&names);
        let emails: Vec<&str> = fixture.users.iter().map(|user| user.email.as_str()).collect();
        assert_eq!(emails, [ADMINISTRATOR, "ada@example.org", "grace@example.org"]);
        assert_eq!(fixture.mailboxes.len(), 2);
        for mailbox in &fixture.mailboxes {
            let kinds: Vec<_> = mailbox.custom_fields.iter().map(|f| (f.name.as_str(), f.kind.as_str())).collect();
            assert_eq!(kinds, [("Old number", "singleline"), ("Priority", "dropdown")]);
        }
        assert_eq!(fixture.customer_fields.len(), 1);
    }
}
