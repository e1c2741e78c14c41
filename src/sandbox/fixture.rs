//! What a sandbox holds before the first request: users, mailboxes and custom fields.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::dates::Instant;
use super::store::{Field, Folder, Mailbox, Store, User};

/// The people and places of a help desk, before anything is written to it.
///
/// The JSON form is what `foxferry sandbox --fixture FILE` reads: `users`, `mailboxes` (with `folders` and
/// `customFields`) and `customerFields`, named as the API names them. Ids left out are given in order. Folders left
/// out are made: Unassigned, Drafts, Assigned, Closed, Spam, Deleted, and Mine and Starred for each user.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fixture {
    /// The agents. The default fixture has one administrator.
    pub users: Vec<FixtureUser>,
    /// The mailboxes. The default fixture has one.
    pub mailboxes: Vec<FixtureMailbox>,
    /// The custom fields that customers have.
    pub customer_fields: Vec<FixtureField>,
}

/// One agent of a [`Fixture`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FixtureUser {
    /// 0: the next free one.
    pub id: u64,
    /// At most 20 characters are kept by a real server.
    pub first_name: String,
    /// At most 30 characters are kept by a real server.
    pub last_name: String,
    /// Unique among users and mailboxes.
    pub email: String,
    /// `admin` or `user`; anything else is a user.
    pub role: String,
    /// An IANA name; empty is UTC.
    pub timezone: String,
}

/// One mailbox of a [`Fixture`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FixtureMailbox {
    /// 0: the next free one.
    pub id: u64,
    /// As shown to agents.
    pub name: String,
    /// The address that it receives at.
    pub email: String,
    /// Ids of the users with access; empty means all.
    pub users: Vec<u64>,
    /// Left out: the usual ones.
    pub folders: Vec<FixtureFolder>,
    /// Custom fields of its conversations.
    pub custom_fields: Vec<FixtureField>,
    /// Whether the first message of a customer is answered by a machine.
    pub auto_reply: bool,
}

/// One folder of a [`FixtureMailbox`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FixtureFolder {
    /// Unique among all folders.
    pub id: u64,
    /// 1 unassigned, 20 mine, 25 starred, 30 drafts, 40 assigned, 60 closed, 70 deleted, 80 spam.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Whose it is, for personal folders.
    pub user_id: Option<u64>,
}

/// One custom field, of a mailbox's conversations or of customers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FixtureField {
    /// 0: the next free one.
    pub id: u64,
    /// As shown to agents.
    pub name: String,
    /// `dropdown`, `singleline`, `multiline`, `number`, `date`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// For dropdowns an object from option id to label; else null.
    pub options: Value,
    /// Whether agents have to fill it.
    pub required: bool,
    /// Where it stands in the list.
    pub sort_order: i64,
}

impl Default for Fixture {
    fn default() -> Self {
        let empty = Fixture { users: Vec::new(), mailboxes: Vec::new(), customer_fields: Vec::new() };
        empty
            .with_user("admin@sandbox.example", "Ada", "Admin", true)
            .with_mailbox("Support", "support@sandbox.example")
    }
}

impl Fixture {
    /// Neither users nor mailboxes: a start for building up.
    pub fn empty() -> Fixture {
        Fixture { users: Vec::new(), mailboxes: Vec::new(), customer_fields: Vec::new() }
    }

    /// Adds a user, or names one anew that is already there by this address.
    #[must_use]
    pub fn with_user(mut self, email: &str, first: &str, last: &str, is_admin: bool) -> Fixture {
        let id = match self.users.iter().position(|u| u.email.eq_ignore_ascii_case(email)) {
            Some(at) => self.users.remove(at).id,
            None => 0,
        };
        self.users.push(FixtureUser {
            id,
            first_name: first.to_owned(),
            last_name: last.to_owned(),
            email: email.to_owned(),
            role: if is_admin { "admin" } else { "user" }.to_owned(),
            timezone: String::new(),
        });
        self
    }

    /// Adds a mailbox to which every user has access, unless one has this address.
    #[must_use]
    pub fn with_mailbox(mut self, name: &str, email: &str) -> Fixture {
        if !self.mailboxes.iter().any(|m| m.email.eq_ignore_ascii_case(email)) {
            self.mailboxes.push(FixtureMailbox {
                name: name.to_owned(),
                email: email.to_owned(),
                ..FixtureMailbox::default()
            });
        }
        self
    }

    /// Adds a custom field to the mailbox of this address or name: a dropdown when there are options, else one line
    /// of text. Nothing happens when there is no such mailbox.
    #[must_use]
    pub fn with_field(mut self, mailbox: &str, name: &str, options: &[&str]) -> Fixture {
        let found = self.mailboxes.iter_mut().find(|m| m.email.eq_ignore_ascii_case(mailbox) || m.name == mailbox);
        if let Some(mailbox) = found {
            let labels: Map<String, Value> =
                options.iter().enumerate().map(|(i, label)| ((i + 1).to_string(), Value::from(*label))).collect();
            let sort_order = mailbox.custom_fields.len() as i64 + 1;
            mailbox.custom_fields.push(FixtureField {
                id: 0,
                name: name.to_owned(),
                kind: if options.is_empty() { "singleline" } else { "dropdown" }.to_owned(),
                options: if options.is_empty() { Value::Null } else { Value::Object(labels) },
                required: false,
                sort_order,
            });
        }
        self
    }

    /// Puts the rows into an empty store.
    pub(super) fn fill(&self, store: &mut Store, now: Instant) {
        let mut users = NextId::after(self.users.iter().map(|u| u.id));
        for user in &self.users {
            let id = users.give(user.id);
            store.users.insert(
                id,
                User {
                    id,
                    first_name: user.first_name.clone(),
                    last_name: user.last_name.clone(),
                    email: user.email.clone(),
                    is_admin: user.role == "admin",
                    timezone: if user.timezone.is_empty() { "UTC".to_owned() } else { user.timezone.clone() },
                    created: now,
                    updated: now,
                    ..User::default()
                },
            );
        }
        let mut mailboxes = NextId::after(self.mailboxes.iter().map(|m| m.id));
        let mut folders = NextId::after(self.mailboxes.iter().flat_map(|m| &m.folders).map(|f| f.id));
        let mut fields = NextId::after(self.mailboxes.iter().flat_map(|m| &m.custom_fields).map(|f| f.id));
        for mailbox in &self.mailboxes {
            let id = mailboxes.give(mailbox.id);
            let mut has: Vec<Folder> = mailbox
                .folders
                .iter()
                .map(|f| Folder { id: folders.give(f.id), kind: f.kind, user: f.user_id })
                .collect();
            if has.is_empty() {
                let shared = [1, 30, 40, 60, 80, 70].map(|kind| (kind, None));
                let own = store.users.keys().flat_map(|user| [(20, Some(*user)), (25, Some(*user))]);
                has = shared
                    .into_iter()
                    .chain(own)
                    .map(|(kind, user)| Folder { id: folders.give(0), kind, user })
                    .collect();
            }
            let users =
                if mailbox.users.is_empty() { store.users.keys().copied().collect() } else { mailbox.users.clone() };
            store.mailboxes.insert(
                id,
                Mailbox {
                    id,
                    name: mailbox.name.clone(),
                    email: mailbox.email.clone(),
                    users,
                    has_auto_reply: mailbox.auto_reply,
                    folders: has,
                    fields: mailbox.custom_fields.iter().map(|f| f.row(&mut fields)).collect(),
                    created: now,
                },
            );
        }
        let mut fields = NextId::after(self.customer_fields.iter().map(|f| f.id));
        store.customer_fields = self.customer_fields.iter().map(|f| f.row(&mut fields)).collect();
    }
}

impl FixtureField {
    fn row(&self, ids: &mut NextId) -> Field {
        Field {
            id: ids.give(self.id),
            name: self.name.clone(),
            kind: self.kind.clone(),
            options: self.options.clone(),
            is_required: self.required,
            sort_order: self.sort_order,
        }
    }
}

/// Gives ids to rows that were written without one.
struct NextId(u64);

impl NextId {
    fn after(given: impl Iterator<Item = u64>) -> NextId {
        NextId(given.max().unwrap_or(0))
    }

    fn give(&mut self, wanted: u64) -> u64 {
        if wanted == 0 {
            self.0 += 1;
            self.0
        } else {
            wanted
        }
    }
}
