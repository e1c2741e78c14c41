//! What a report is made of: counted event by event, in bounded memory.

use std::collections::BTreeMap;

use crate::conversation::{Author, Conversation, Customer, Status, UserRef};
use crate::distinct::{Distinct, Frequent, Largest, Months, Values};
use crate::finding::{Finding, codes};
use crate::mapping::Converted;
use crate::report::figures::shortened;
use crate::report::forecast::Progress;
use crate::report::tally::Tally;
use crate::report::{Event, Reporter, Summary};

/// How many samples of each kind of finding a report shows.
pub(super) const SAMPLES: usize = 10;

/// How many of the biggest conversations a report names.
const BIGGEST: usize = 10;

/// How many fields whose values are in no table are told apart.
const FIELDS: usize = 200;

/// Everything that was heard so far.
#[derive(Debug)]
pub(super) struct Gathered {
    pub tally: Tally,
    pub sums: Summary,
    /// What the work itself summed up; only at the end.
    pub finished: Option<Summary>,
    pub passed_over: u64,
    pub before: u64,
    pub format: Option<String>,
    pub expected: u64,
    pub target: Option<(String, usize, usize)>,
    pub retries: u64,
    pub paused: f64,
    pub asleep: f64,
    pub progress: Option<Progress>,
    pub conversations: Conversations,
    pub people: People,
    /// By field: which values were in no table, in the words of the finding.
    pub unmapped: BTreeMap<String, Values>,
}

/// The conversations that the records made.
#[derive(Debug)]
pub(super) struct Conversations {
    pub count: u64,
    pub threads: u64,
    pub attachments: u64,
    pub bytes: u64,
    pub months: Months,
    pub statuses: BTreeMap<Status, u64>,
    pub mailboxes: Frequent,
    pub without_mailbox: u64,
    pub assignees: Frequent,
    pub unassigned: u64,
    pub tags: Frequent,
    pub untagged: u64,
    pub longest: Largest<Big>,
    pub biggest: Largest<Big>,
}

/// A conversation among the biggest.
#[derive(Debug)]
pub(super) struct Big {
    pub record: String,
    pub origin: String,
    pub subject: String,
    pub threads: u64,
    pub attachments: u64,
    pub bytes: u64,
}

/// Who is in the conversations.
#[derive(Debug, Default)]
pub(super) struct People {
    pub customers: Distinct,
    pub stand_ins: Distinct,
    /// Customers by their conversations.
    pub by_conversations: Frequent,
    /// Users by the threads that they wrote.
    pub writers: Frequent,
    /// What the findings about people say, by code.
    pub said: BTreeMap<&'static str, Values>,
}

/// Findings whose words name a person, and are worth to be counted by them.
const ABOUT_PEOPLE: [&str; 4] =
    [codes::MAP_UNKNOWN_AGENT, codes::MAP_DEPARTED_AGENT, codes::TARGET_UNKNOWN_USER, codes::TARGET_NEW_USER];

impl Default for Gathered {
    fn default() -> Self {
        Self {
            tally: Tally::keeping(SAMPLES),
            sums: Summary::default(),
            finished: None,
            passed_over: 0,
            before: 0,
            format: None,
            expected: 0,
            target: None,
            retries: 0,
            paused: 0.0,
            asleep: 0.0,
            progress: None,
            conversations: Conversations {
                count: 0,
                threads: 0,
                attachments: 0,
                bytes: 0,
                months: Months::default(),
                statuses: BTreeMap::new(),
                mailboxes: Frequent::default(),
                without_mailbox: 0,
                assignees: Frequent::default(),
                unassigned: 0,
                tags: Frequent::default(),
                untagged: 0,
                longest: Largest::new(BIGGEST),
                biggest: Largest::new(BIGGEST),
            },
            people: People::default(),
            unmapped: BTreeMap::new(),
        }
    }
}

impl Gathered {
    /// Takes an event into account.
    pub(super) fn hear(&mut self, event: &Event<'_>) {
        self.tally.event(event);
        match event {
            Event::Converted(Converted::Ready(mapped)) => {
                self.conversations.add(&mapped.conversation);
                self.people.add(&mapped.conversation);
            }
            Event::Finding(finding) => self.finding(finding),
            Event::Outcome { outcome, is_from_before, .. } => {
                self.sums.count(*outcome);
                self.before += u64::from(*is_from_before);
            }
            Event::PassedOver { records } => {
                self.sums.read += records;
                self.sums.done += records;
                self.before += records;
                self.passed_over += records;
            }
            Event::Opened { format, records } => {
                self.format = Some((*format).to_owned());
                self.expected = *records;
            }
            Event::Target { url, mailboxes, users } => self.target = Some(((*url).to_owned(), *mailboxes, *users)),
            Event::Retry { .. } => self.retries += 1,
            Event::Paused { wait, .. } => self.paused += wait.as_secs_f64(),
            Event::Asleep { wait, .. } => self.asleep += wait.as_secs_f64(),
            Event::Progress(progress) => self.progress = Some(**progress),
            Event::Finished(sums) => self.finished = Some((*sums).clone()),
            _ => {}
        }
    }

    fn finding(&mut self, finding: &Finding) {
        if finding.code == codes::MAP_UNMAPPED_VALUE {
            let field = finding.field.as_deref().unwrap_or_default();
            if let Some(values) = self.unmapped.get_mut(field) {
                values.add(&finding.message);
            } else if self.unmapped.len() < FIELDS {
                self.unmapped.entry(field.to_owned()).or_default().add(&finding.message);
            }
        } else if let Some(code) = ABOUT_PEOPLE.iter().find(|code| **code == finding.code) {
            self.people.said.entry(code).or_default().add(&finding.message);
        }
    }
}

impl Conversations {
    fn add(&mut self, it: &Conversation) {
        let files = || it.threads.iter().flat_map(|thread| &thread.attachments);
        let (threads, attachments) = (it.threads.len() as u64, files().count() as u64);
        let texts: usize = it.threads.iter().map(|thread| thread.body.len()).sum();
        let bytes = texts as u64 + files().map(|file| file.content.length().unwrap_or_default()).sum::<u64>();
        self.count += 1;
        self.threads += threads;
        self.attachments += attachments;
        self.bytes += bytes;
        self.months.add(Some(it.created_at));
        *self.statuses.entry(it.status).or_default() += 1;
        match &it.mailbox {
            Some(mailbox) => self.mailboxes.add(mailbox),
            None => self.without_mailbox += 1,
        }
        match &it.assignee {
            Some(user) => self.assignees.add(name_of(user)),
            None => self.unassigned += 1,
        }
        it.tags.iter().for_each(|tag| self.tags.add(tag));
        self.untagged += u64::from(it.tags.is_empty());
        let big = || Big {
            record: shortened(&it.id.to_string()),
            origin: shortened(&it.origin.to_string()),
            subject: shortened(&it.subject),
            threads,
            attachments,
            bytes,
        };
        self.longest.offer(threads, big);
        self.biggest.offer(bytes, big);
    }
}

impl People {
    fn add(&mut self, it: &Conversation) {
        self.customer(&it.customer);
        self.by_conversations.add(&it.customer.key);
        for thread in &it.threads {
            match &thread.author {
                // Nearly always the one whose conversation it is.
                Author::Customer(customer) if customer.key == it.customer.key => {}
                Author::Customer(customer) => self.customer(customer),
                Author::User(user) => self.writers.add(name_of(user)),
            }
        }
    }

    fn customer(&mut self, customer: &Customer) {
        self.customers.add(&customer.key);
        if customer.is_stand_in {
            self.stand_ins.add(&customer.key);
        }
    }
}

fn name_of(user: &UserRef) -> &str {
    match user {
        UserRef::Address(address) => address,
        UserRef::FirstAdministrator => "the target's first administrator",
    }
}
