//! What stands in tables: the columns of conversations, threads, customers and users, for every spreadsheet format.
//!
//! Times are UTC. A thread's row begins with what says where it belongs, so that the table of threads stands alone, and is
//! what our own `csv` source reads again (`mappings/freescout-csv.toml`).

use jiff::Timestamp;

use super::hub::{self, Exported, ExportedThread, Site};
use super::{Bodies, ExportError, Notes, Options, text};
use crate::freescout::wire;

/// One cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A count or an id.
    Number(u64),
    /// A time.
    Time(Timestamp),
}

impl Cell {
    fn text(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }

    fn maybe(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, Self::text)
    }

    fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }

    fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Empty, Self::Time)
    }

    fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self::text(&texts.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// Tags with commas stand in quotes, as cells do in CSV.
    fn tags<'a>(tags: impl IntoIterator<Item = &'a str>) -> Self {
        let shown = tags.into_iter().map(|tag| {
            match tag.contains([',', '"']) || tag.starts_with(['[', '\'']) || tag.ends_with([']', '\'']) {
                true => format!("\"{}\"", tag.replace('"', "\"\"")),
                false => tag.to_owned(),
            }
        });
        Self::text(&shown.collect::<Vec<_>>().join(", "))
    }
}

/// The tables, in the order in which a workbook shows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A row for each conversation.
    Conversations,
    /// A row for each thread.
    Threads,
    /// A row for each customer.
    Customers,
    /// A row for each user.
    Users,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Conversations, Self::Threads, Self::Customers, Self::Users];

    /// Its name, as of a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conversations => "conversations",
            Self::Threads => "threads",
            Self::Customers => "customers",
            Self::Users => "users",
        }
    }

    /// The names of all its columns.
    pub fn columns(self, site: &Site) -> Vec<String> {
        let names = |fixed: &[&str]| fixed.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let mut columns = match self {
            Self::Conversations => names(CONVERSATION),
            Self::Threads => names(THREAD),
            Self::Customers => names(CUSTOMER),
            Self::Users => names(USER),
        };
        if self == Self::Conversations || self == Self::Threads {
            columns.extend(site.field_names().iter().map(|name| format!("{FIELD}{name}")));
        }
        columns
    }
}

/// What stands before a custom field's name.
pub const FIELD: &str = "field: ";

const CONVERSATION: &[&str] = &[
    "conversation_id",
    "number",
    "url",
    "old_source",
    "old_id",
    "mailbox",
    "mailbox_email",
    "type",
    "status",
    "state",
    "subject",
    "customer_id",
    "customer_name",
    "customer_email",
    "assignee",
    "assignee_email",
    "tags",
    "created_at",
    "updated_at",
    "closed_at",
    "closed_by",
    "threads",
    "attachment_count",
    "seconds_logged",
    "preview",
];

const THREAD: &[&str] = &[
    "conversation_id",
    "number",
    "mailbox_email",
    "type",
    "status",
    "state",
    "subject",
    "customer_id",
    "customer_name",
    "customer_email",
    "assignee",
    "assignee_email",
    "tags",
    "created_at",
    "closed_at",
    "thread_id",
    "old_thread_id",
    "thread_type",
    "sent_at",
    "author_role",
    "author_name",
    "author_email",
    "to",
    "cc",
    "bcc",
    "body",
    "attachments",
    "opened_at",
];

const CUSTOMER: &[&str] = &[
    "customer_id",
    "first_name",
    "last_name",
    "email",
    "other_emails",
    "phones",
    "company",
    "job_title",
    "notes",
    "websites",
    "social_profiles",
    "address",
    "city",
    "state",
    "zip",
    "country",
    "customer_fields",
    "created_at",
    "updated_at",
];

const USER: &[&str] = &[
    "user_id",
    "first_name",
    "last_name",
    "email",
    "alternate_emails",
    "role",
    "timezone",
    "is_deleted",
    "created_at",
    "updated_at",
];

/// Which row is being written, and who hears what is noticed about it.
pub(super) struct About<'a> {
    /// The conversation that it belongs to.
    pub conversation: Option<u64>,
    /// The id of what it shows.
    pub own: u64,
    /// Who is told.
    pub notes: Option<&'a mut Notes>,
}

impl<'a> About<'a> {
    /// A conversation or a thread of it.
    pub(super) fn part(conversation: u64, own: u64, notes: &'a mut Notes) -> Self {
        Self { conversation: Some(conversation), own, notes: Some(notes) }
    }

    /// A person.
    pub(super) fn person(own: u64, notes: Option<&'a mut Notes>) -> Self {
        Self { conversation: None, own, notes }
    }

    pub(super) fn tell(&mut self, code: &'static str, message: String) {
        if let Some(notes) = &mut self.notes {
            notes.tell_of(code, self.conversation, message);
        }
    }
}

/// The columns of a table that are written, in order.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Their names.
    pub names: Vec<String>,
}

impl Columns {
    /// Those that the operator has chosen; `None`: the table is not wanted.
    pub fn chosen(kind: Kind, site: &Site, options: &Options) -> Option<Self> {
        let all = kind.columns(site);
        if options.columns.is_empty() {
            return Some(Self { names: all });
        }
        let names: Vec<String> = options
            .columns
            .iter()
            .filter_map(|wanted| {
                let wanted = match wanted.split_once('.') {
                    Some((table, column)) if is_table(table) => (table == kind.name()).then_some(column)?,
                    _ => wanted,
                };
                all.iter().find(|name| *name == wanted).cloned()
            })
            .collect();
        (!names.is_empty()).then_some(Self { names })
    }
}

fn is_table(name: &str) -> bool {
    Kind::ALL.iter().any(|kind| kind.name() == name)
}

/// Refuses a column that no table has.
pub(super) fn check_columns(columns: &[String], site: &Site) -> Result<(), ExportError> {
    let mut known: Vec<String> = Vec::new();
    for name in Kind::ALL.iter().flat_map(|kind| kind.columns(site)) {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    for wanted in columns {
        let is_there = match wanted.split_once('.') {
            Some((table, column)) if is_table(table) => Kind::ALL
                .iter()
                .any(|kind| kind.name() == table && kind.columns(site).iter().any(|name| name == column)),
            _ => known.contains(wanted),
        };
        if is_there {
            continue;
        }
        let (table, found) = match wanted.split_once('.') {
            Some((table, column)) if is_table(table) => (format!("{table}."), column.to_lowercase()),
            _ => (String::new(), wanted.to_lowercase()),
        };
        let fits = |name: &&String| {
            table.is_empty()
                || Kind::ALL
                    .iter()
                    .any(|kind| table.strip_suffix('.') == Some(kind.name()) && kind.columns(site).contains(name))
        };
        let nearest = known
            .iter()
            .filter(fits)
            .map(|name| (strsim::jaro_winkler(&found, &name.to_lowercase()), name))
            .filter(|(score, _)| *score > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| format!("{table}{name}"));
        return Err(ExportError::NoSuchColumn { wanted: wanted.clone(), nearest, known });
    }
    Ok(())
}

/// The row of a conversation.
pub fn conversation_row(columns: &Columns, site: &Site, exported: &Exported) -> Vec<Cell> {
    columns.names.iter().map(|name| of_conversation(name, site, exported)).collect()
}

/// The row of a thread; `paths` says where its attachments lie, if they were written.
pub fn thread_row(
    columns: &Columns,
    site: &Site,
    exported: &Exported,
    it: &ExportedThread,
    options: &Options,
    paths: &[Option<String>],
) -> Vec<Cell> {
    let thread = &it.thread;
    let author = author_of(exported, thread);
    columns
        .names
        .iter()
        .map(|name| match name.as_str() {
            "thread_id" => Cell::Number(thread.id),
            "old_thread_id" => Cell::maybe(it.old.as_deref()),
            "thread_type" => Cell::text(&thread.kind),
            "sent_at" => Cell::time(thread.created_at),
            "author_role" => Cell::maybe(author.map(role_of)),
            "author_name" => Cell::text(&author.map(hub::name_of).unwrap_or_default()),
            "author_email" => Cell::maybe(author.map(|author| author.email.as_str())),
            "to" => Cell::list(thread.to.iter().map(String::as_str)),
            "cc" => Cell::list(thread.cc.iter().map(String::as_str)),
            "bcc" => Cell::list(thread.bcc.iter().map(String::as_str)),
            "body" => Cell::text(&body_of(thread, options.bodies)),
            "attachments" => attachments_cell(it, paths),
            "opened_at" => Cell::time(thread.opened_at),
            _ => of_conversation(name, site, exported),
        })
        .collect()
}

/// Who wrote a thread; a customer's thread without a writer is the customer's.
pub fn author_of<'a>(exported: &'a Exported, thread: &'a wire::Thread) -> Option<&'a wire::Person> {
    let customer = || thread.customer.as_ref().or(exported.conversation.customer.as_ref());
    thread.created_by.as_ref().or_else(|| (thread.kind == "customer").then(customer).flatten())
}

fn role_of(person: &wire::Person) -> &str {
    if person.kind == "user" { "agent" } else { "customer" }
}

/// What a thread says: its text, or what a line item tells.
pub fn body_of(thread: &wire::Thread, bodies: Bodies) -> String {
    if hub::is_line_item(thread) {
        return thread.action.as_ref().map(|action| action.text.clone()).unwrap_or_default();
    }
    let body = crate::upload::bare(thread.body.as_deref().unwrap_or_default());
    match bodies {
        Bodies::Text => text::lines_of(body),
        Bodies::Html => body.to_owned(),
    }
}

/// Places of files, or their names where they were not written.
fn attachments_cell(it: &ExportedThread, paths: &[Option<String>]) -> Cell {
    let names = it.thread.attachments().iter().enumerate().map(|(at, file)| match paths.get(at) {
        Some(Some(path)) => path.as_str(),
        _ => file.file_name.as_str(),
    });
    Cell::text(&names.collect::<Vec<_>>().join("; "))
}

fn of_conversation(column: &str, site: &Site, exported: &Exported) -> Cell {
    let it = &exported.conversation;
    let person = |person: &Option<wire::Person>| Cell::text(&person.as_ref().map(hub::name_of).unwrap_or_default());
    let email = |person: &Option<wire::Person>| Cell::maybe(person.as_ref().map(|person| person.email.as_str()));
    let mailbox = || site.mailbox(it.mailbox_id);
    match column {
        "conversation_id" => Cell::Number(it.id),
        "number" => Cell::number(it.number),
        "url" => Cell::maybe(site.page(it.id).as_deref()),
        "old_source" => Cell::maybe(exported.old.as_ref().map(|old| &*old.source)),
        "old_id" => Cell::maybe(exported.old.as_ref().map(|old| old.original.as_str())),
        "mailbox" => Cell::maybe(mailbox().map(|mailbox| mailbox.name.as_str())),
        "mailbox_email" => Cell::maybe(mailbox().map(|mailbox| mailbox.email.as_str())),
        "type" => Cell::text(&it.kind),
        "status" => Cell::text(&it.status),
        "state" => Cell::text(&it.state),
        "subject" => Cell::text(&it.subject),
        "customer_id" => Cell::number(it.customer.as_ref().and_then(|customer| customer.id)),
        "customer_name" => person(&it.customer),
        "customer_email" => email(&it.customer),
        "assignee" => person(&it.assignee),
        "assignee_email" => email(&it.assignee),
        "tags" => Cell::tags(exported.tags()),
        "created_at" => Cell::time(it.created_at),
        "updated_at" => Cell::time(it.updated_at),
        // FreeScout keeps the time of a closing after the conversation was opened again.
        "closed_at" if it.status == "closed" => Cell::time(it.closed_at),
        "closed_by" => person(&it.closed_by_user),
        "threads" => Cell::Number(exported.threads.len() as u64),
        "attachment_count" => Cell::Number(exported.threads.iter().map(|it| it.files.len() as u64).sum()),
        "seconds_logged" => {
            let logs = it.embedded.timelogs.iter().flatten().filter_map(|log| log.time_spent);
            Cell::number(Some(logs.sum()).filter(|sum| *sum > 0))
        }
        "preview" => Cell::text(&it.preview),
        _ => Cell::maybe(column.strip_prefix(FIELD).and_then(|name| exported.field(name))),
    }
}

/// The row of a customer.
pub fn customer_row(columns: &Columns, customer: &wire::Customer) -> Vec<Cell> {
    let parts = &customer.embedded;
    let values = |entries: &[wire::Entry]| Cell::list(entries.iter().map(|entry| entry.value.as_str()));
    let all = columns.names.iter();
    all.map(|name| match name.as_str() {
        "customer_id" => Cell::Number(customer.id),
        "first_name" => Cell::maybe(customer.first_name.as_deref()),
        "last_name" => Cell::maybe(customer.last_name.as_deref()),
        "email" => Cell::maybe(customer.emails().next()),
        "other_emails" => Cell::list(customer.emails().skip(1)),
        "phones" => values(&parts.phones),
        "company" => Cell::maybe(customer.company.as_deref()),
        "job_title" => Cell::maybe(customer.job_title.as_deref()),
        "notes" => Cell::maybe(customer.notes.as_deref()),
        "websites" => values(&parts.websites),
        "social_profiles" => values(&parts.social_profiles),
        "address" => Cell::maybe(parts.address.address.as_deref()),
        "city" => Cell::maybe(parts.address.city.as_deref()),
        "state" => Cell::maybe(parts.address.state.as_deref()),
        "zip" => Cell::maybe(parts.address.zip.as_deref()),
        "country" => Cell::maybe(parts.address.country.as_deref()),
        "customer_fields" => {
            let filled = customer.customer_fields.iter().flatten().filter(|field| !hub::field_text(field).is_empty());
            let shown = filled.map(|field| format!("{}: {}", field.name, hub::field_text(field)));
            Cell::text(&shown.collect::<Vec<_>>().join("\n"))
        }
        "created_at" => Cell::time(customer.created_at),
        "updated_at" => Cell::time(customer.updated_at),
        _ => Cell::Empty,
    })
    .collect()
}

/// The row of a user.
pub fn user_row(columns: &Columns, user: &wire::User) -> Vec<Cell> {
    let all = columns.names.iter();
    all.map(|name| match name.as_str() {
        "user_id" => Cell::Number(user.id),
        "first_name" => Cell::maybe(user.first_name.as_deref()),
        "last_name" => Cell::maybe(user.last_name.as_deref()),
        "email" => Cell::text(&user.email),
        "alternate_emails" => Cell::maybe(user.alternate_emails.as_deref()),
        "role" => Cell::text(&user.role),
        "timezone" => Cell::maybe(user.timezone.as_deref()),
        "is_deleted" => Cell::text(if user.is_deleted() { "yes" } else { "no" }),
        "created_at" => Cell::time(user.created_at),
        "updated_at" => Cell::time(user.updated_at),
        _ => Cell::Empty,
    })
    .collect()
}
