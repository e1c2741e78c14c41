//! Which conversations are exported.
//!
//! Every producer gives what [`Selection::takes`] takes, whatever its own filters can do, so that a backup, a journal and a live
//! FreeScout answer one question in one way.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::hub::Site;
use crate::conversation::Status;
use crate::freescout::wire;

/// Which conversations. The default is all of them, deleted ones and drafts too.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Begun then or later.
    pub since: Option<Timestamp>,
    /// Begun before.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Ids of FreeScout's, or, with a journal, of the old system; empty: all.
    pub only: Vec<String>,
    /// In these mailboxes; empty: all.
    pub mailboxes: BTreeSet<u64>,
    /// With any of these tags, in lower case; empty: all.
    pub tags: BTreeSet<String>,
    /// With any of these statuses; empty: all.
    pub statuses: BTreeSet<Status>,
    /// Everything about this one person.
    pub customer: Option<Someone>,
}

/// One person, by everything that they are known by.
#[derive(Debug, Clone, Default)]
pub struct Someone {
    /// Ids of their customers.
    pub ids: BTreeSet<u64>,
    /// Their addresses, in lower case.
    pub emails: BTreeSet<String>,
    /// Which conversations have to do with them.
    pub theirs: Theirs,
}

/// Which conversations have to do with a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theirs {
    /// Their own, those that they wrote in, and those whose texts went to them, in copy too.
    #[default]
    Everywhere,
    /// Only those whose customer they are: FreeScout can be asked for these without reading all others.
    Own,
}

impl Someone {
    /// Whoever has this address.
    pub fn of_address(address: &str) -> Self {
        Self { emails: BTreeSet::from([address.trim().to_lowercase()]), ..Self::default() }
    }

    /// Adds a customer if it has one of the addresses; says whether it does.
    pub fn meet(&mut self, customer: &wire::Customer) -> bool {
        let is_theirs = customer.emails().any(|email| self.emails.contains(&email.to_lowercase()));
        if is_theirs {
            self.ids.insert(customer.id);
            self.emails.extend(customer.emails().map(str::to_lowercase));
        }
        is_theirs
    }

    fn is(&self, person: Option<&wire::Person>) -> bool {
        person.is_some_and(|person| {
            person.kind != "user" && person.id.is_some_and(|id| self.ids.contains(&id))
                || self.emails.contains(&person.email.to_lowercase())
        })
    }

    fn is_among(&self, addresses: &[String]) -> bool {
        addresses.iter().any(|address| self.emails.contains(&bare(address)))
    }

    /// Whether a conversation is theirs, or, unless only their own count, one of its texts is by them, or went to them or in copy
    /// to them.
    pub fn is_in(&self, conversation: &wire::Conversation) -> bool {
        if self.is(conversation.customer.as_ref()) || self.theirs == Theirs::Own {
            return self.is(conversation.customer.as_ref());
        }
        self.is(conversation.created_by.as_ref())
            || self.is_among(&conversation.cc)
            || self.is_among(&conversation.bcc)
            || conversation.threads().iter().any(|thread| {
                self.is(thread.customer.as_ref())
                    || self.is(thread.created_by.as_ref())
                    || [&thread.to, &thread.cc, &thread.bcc].into_iter().any(|list| self.is_among(list))
            })
    }
}

/// An address without its name, in lower case.
fn bare(address: &str) -> String {
    let bare = address.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(address, |(bare, _)| bare);
    bare.trim().to_lowercase()
}

/// The operator named a mailbox that is not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no mailbox `{wanted}`; there are {known}")]
pub struct NoSuchMailbox {
    wanted: String,
    known: String,
}

impl Selection {
    /// Takes the mailbox with this address, name or id.
    pub fn add_mailbox(&mut self, site: &Site, wanted: &str) -> Result<(), NoSuchMailbox> {
        let wanted = wanted.trim();
        let same = |known: &str| known.trim().to_lowercase() == wanted.to_lowercase();
        let mut found = site
            .mailboxes
            .iter()
            .map(|entry| &entry.mailbox)
            .filter(|mailbox| same(&mailbox.email) || same(&mailbox.name) || wanted.parse() == Ok(mailbox.id));
        let Some(mailbox) = found.next() else {
            let known: Vec<_> =
                site.mailboxes.iter().map(|it| format!("`{}` ({})", it.mailbox.email, it.mailbox.name)).collect();
            return Err(NoSuchMailbox { wanted: wanted.to_owned(), known: known.join(", ") });
        };
        self.mailboxes.insert(mailbox.id);
        // A name that several have means all of them.
        self.mailboxes.extend(found.map(|mailbox| mailbox.id));
        Ok(())
    }

    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        let Self { since, until, limit, only, mailboxes, tags, statuses, customer } = self;
        since.is_none()
            && until.is_none()
            && limit.is_none()
            && only.is_empty()
            && mailboxes.is_empty()
            && tags.is_empty()
            && statuses.is_empty()
            && customer.is_none()
    }

    /// Whether a conversation, complete with threads and tags, is wanted. `only` and `limit` are the producer's matter.
    pub fn takes(&self, conversation: &wire::Conversation) -> bool {
        let began = conversation.created_at;
        // As in imports: what has no date is always taken.
        self.since.is_none_or(|since| began.is_none_or(|began| began >= since))
            && self.until.is_none_or(|until| began.is_none_or(|began| began < until))
            && (self.mailboxes.is_empty() || conversation.mailbox_id.is_some_and(|id| self.mailboxes.contains(&id)))
            && (self.statuses.is_empty()
                || Status::from_word(&conversation.status).is_some_and(|status| self.statuses.contains(&status)))
            && (self.tags.is_empty()
                || conversation.embedded.tags.iter().flatten().any(|tag| self.tags.contains(&tag.name.to_lowercase())))
            && self.customer.as_ref().is_none_or(|someone| someone.is_in(conversation))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn conversation() -> wire::Conversation {
        serde_json::from_value(json!({
            "id": 7, "status": "closed", "mailboxId": 2, "createdAt": "2024-03-01T00:00:00Z",
            "customer": {"id": 5, "type": "customer", "email": "ann@example.net"},
            "_embedded": {
                "tags": [{"id": 1, "name": "vip"}],
                "threads": [{"id": 1, "cc": ["Bob <Bob@example.net>"], "createdBy": {"id": 9, "type": "user", "email": "ada@example.org"}}],
            },
        }))
        .unwrap()
    }

    #[test]
    fn each_filter_takes_and_leaves() {
        type Set = fn(&mut Selection);
        let day = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let table: [(&str, Set, bool); 10] = [
            ("everything", |_| {}, true),
            ("mailbox", |it| it.mailboxes = BTreeSet::from([2, 3]), true),
            ("other mailbox", |it| it.mailboxes = BTreeSet::from([3]), false),
            ("tag", |it| it.tags = BTreeSet::from(["vip".to_owned()]), true),
            ("other tag", |it| it.tags = BTreeSet::from(["vi".to_owned()]), false),
            ("status", |it| it.statuses = BTreeSet::from([Status::Closed]), true),
            ("other status", |it| it.statuses = BTreeSet::from([Status::Spam]), false),
            ("customer", |it| it.customer = Some(Someone::of_address("ANN@example.net")), true),
            ("somebody in copy", |it| it.customer = Some(Someone::of_address("bob@example.net")), true),
            ("nobody here", |it| it.customer = Some(Someone::of_address("b@example.net")), false),
        ];
        for (name, set, expected) in table {
            let mut selection = Selection::default();
            set(&mut selection);
            assert_eq!(selection.takes(&conversation()), expected, "{name}");
        }
        for (since, until, expected) in [
            ("2024-03-01T00:00:00Z", "2024-03-02T00:00:00Z", true),
            ("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z", false),
            ("2024-03-01T00:00:01Z", "2024-03-02T00:00:00Z", false),
        ] {
            let selection = Selection { since: day(since), until: day(until), ..Selection::default() };
            assert_eq!(selection.takes(&conversation()), expected, "{since} {until}");
        }
    }

    #[test]
    fn a_person_is_known_by_all_their_addresses_once_met() {
        let mut someone = Someone::of_address("anna@example.net");
        assert!(!someone.is_in(&conversation()));
        let customer = |emails: &[&str]| -> wire::Customer {
            let emails: Vec<_> = emails.iter().map(|email| json!({"value": email})).collect();
            serde_json::from_value(json!({"id": 5, "_embedded": {"emails": emails}})).unwrap()
        };
        assert!(!someone.meet(&customer(&["other@example.net"])));
        assert!(someone.meet(&customer(&["Ann@example.net", "Anna@example.net"])));
        assert!(someone.is_in(&conversation()));
        someone.theirs = Theirs::Own;
        assert!(someone.is_in(&conversation()));
        let copied = Someone { theirs: Theirs::Own, ..Someone::of_address("bob@example.net") };
        assert!(!copied.is_in(&conversation()), "in copy only");
    }
}
