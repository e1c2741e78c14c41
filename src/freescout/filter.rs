//! What lists can be asked for: filters, order, pages and what lies inside the rows.

use jiff::Timestamp;

use crate::conversation::{Kind, Status};

use super::wire;

/// What else an answer about a conversation shall hold. FreeScout gives exactly what is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Embed {
    /// Threads with their attachments.
    pub threads: bool,
    /// Time logs (if the module is on).
    pub timelogs: bool,
    /// Tags (if the module is on).
    pub tags: bool,
}

impl Embed {
    /// Nothing but the conversation itself.
    pub const NOTHING: Self = Self { threads: false, timelogs: false, tags: false };
    /// Threads.
    pub const THREADS: Self = Self { threads: true, timelogs: false, tags: false };
    /// Everything there is.
    pub const ALL: Self = Self { threads: true, timelogs: true, tags: true };

    fn words(self) -> String {
        let words = [(self.threads, "threads"), (self.timelogs, "timelogs"), (self.tags, "tags")];
        words.iter().filter(|(wanted, _)| *wanted).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
    }

    /// For one conversation: an empty list would mean threads, so nothing is asked for as the cheapest thing, tags.
    pub(super) fn for_one(self) -> String {
        let words = self.words();
        if words.is_empty() { "tags".into() } else { words }
    }
}

/// Which page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// From 1.
    pub number: u64,
    /// Rows per page, at least 1. FreeScout has no maximum, but loads threads, fields and tags row by row;
    /// 50 is its default.
    pub size: u64,
}

impl Page {
    /// The first page of FreeScout's own size.
    pub const FIRST: Self = Self { number: 1, size: 50 };

    /// The first page, with this many rows.
    pub fn of(size: u64) -> Self {
        Self { number: 1, size }
    }

    /// The page after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }

    pub(super) fn write(self, query: &mut Query) {
        query.push(("page", self.number.max(1).to_string()));
        // Negative sizes give every row, other words a 500; 0 means 50.
        query.push(("pageSize", self.size.max(1).to_string()));
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::FIRST
    }
}

pub(super) type Query = Vec<(&'static str, String)>;

/// The direction of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest first.
    Ascending,
    /// Largest first: FreeScout's default.
    #[default]
    Descending,
}

impl SortOrder {
    fn word(self) -> &'static str {
        match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        }
    }
}

/// What conversations are sorted by. Only [`Number`](ConversationSort::Number) is unique; with all others equal rows
/// may repeat or vanish between pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConversationSort {
    /// When they were begun: FreeScout's default.
    #[default]
    CreatedAt,
    /// Mailbox.
    MailboxId,
    /// Number; the id, unless custom numbers are on.
    Number,
    /// Subject.
    Subject,
    /// Last change of the row.
    UpdatedAt,
    /// Since when the customer waits.
    WaitingSince,
}

impl ConversationSort {
    fn word(self) -> &'static str {
        match self {
            Self::CreatedAt => "createdAt",
            Self::MailboxId => "mailboxId",
            Self::Number => "number",
            Self::Subject => "subject",
            Self::UpdatedAt => "updatedAt",
            Self::WaitingSince => "waitingSince",
        }
    }
}

/// A conversation's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not sent yet.
    Draft,
    /// As usual.
    Published,
    /// In the folder of deleted ones.
    Deleted,
}

impl State {
    /// The API's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Published => "published",
            Self::Deleted => "deleted",
        }
    }
}

/// Which assignee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assigned {
    /// This user.
    To(u64),
    /// Nobody (modules from 1.0.81).
    Nobody,
}

/// Which conversations. The default is all of them, drafts and deleted ones included.
///
/// A filter that a server does not know gives **everything**
/// (`freescout-behaviour.md` 8.2), so compare with [`matches`](Self::matches) or use
/// [`Client::conversations`](super::Client::conversations), which does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// What each row shall hold.
    pub embed: Embed,
    /// In any of these mailboxes.
    pub mailbox_ids: Vec<u64>,
    /// In this folder (own folder column: neither custom folders nor Mine, Starred, Drafts).
    pub folder_id: Option<u64>,
    /// With any of these statuses; more than one from module 1.0.81.
    pub statuses: Vec<Status>,
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// Assigned so.
    pub assigned: Option<Assigned>,
    /// With exactly this stored address: the customer's main one when the conversation was made.
    pub customer_email: Option<String>,
    /// Whose customer has a telephone number with these digits.
    pub customer_phone: Option<String>,
    /// Of this customer.
    pub customer_id: Option<u64>,
    /// With this number.
    pub number: Option<u64>,
    /// With this in the subject; the whole subject up to module 1.0.82. `%` and `_` are wildcards.
    pub subject: Option<String>,
    /// With this tag. Everything, if the Tags module is off.
    pub tag: Option<String>,
    /// Begun by this user (modules from 1.0.81).
    pub created_by_user: Option<u64>,
    /// Begun by this customer (modules from 1.0.81).
    pub created_by_customer: Option<u64>,
    /// Begun then or later.
    pub created_since: Option<Timestamp>,
    /// Row last written then or later; not a complete feed of changes.
    pub updated_since: Option<Timestamp>,
    /// Sorted by.
    pub sort: ConversationSort,
    /// Direction.
    pub order: SortOrder,
}

impl ConversationFilter {
    pub(super) fn query(&self) -> Query {
        let mut query = Query::new();
        let embed = self.embed.words();
        if !embed.is_empty() {
            query.push(("embed", embed));
        }
        let joined = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        if !self.mailbox_ids.is_empty() {
            query.push(("mailboxId", joined(&self.mailbox_ids)));
        }
        push(&mut query, "folderId", self.folder_id);
        if !self.statuses.is_empty() {
            query.push(("status", self.statuses.iter().map(|status| status.word()).collect::<Vec<_>>().join(",")));
        }
        push(&mut query, "state", self.state.map(State::word));
        push(&mut query, "type", self.kind);
        match self.assigned {
            Some(Assigned::To(user)) => query.push(("assignedTo", user.to_string())),
            Some(Assigned::Nobody) => query.push(("assignedTo", String::new())),
            None => {}
        }
        push(&mut query, "customerEmail", self.customer_email.as_ref());
        push(&mut query, "customerPhone", self.customer_phone.as_ref());
        push(&mut query, "customerId", self.customer_id);
        push(&mut query, "number", self.number);
        push(&mut query, "subject", self.subject.as_ref());
        push(&mut query, "tag", self.tag.as_ref());
        push(&mut query, "createdByUserId", self.created_by_user);
        push(&mut query, "createdByCustomerId", self.created_by_customer);
        push(&mut query, "createdSince", self.created_since.map(wire::show_time));
        push(&mut query, "updatedSince", self.updated_since.map(wire::show_time));
        query.push(("sortField", self.sort.word().into()));
        query.push(("sortOrder", self.order.word().into()));
        query
    }

    /// Whether a row is one of those asked for, as far as the row itself can tell.
    ///
    /// Telephone number and stored address cannot be seen in an answer, tags only when embedded; those
    /// count as matching. So does a subject: how it is compared depends on the server's collation.
    pub fn matches(&self, row: &wire::Conversation) -> bool {
        let by = |kind: &str, id: u64| {
            row.created_by.as_ref().is_some_and(|person| person.kind == kind && person.id == Some(id))
        };
        let customer = || row.customer.as_ref().and_then(|person| person.id);
        let assignee = || row.assignee.as_ref().and_then(|person| person.id);
        // Whole seconds are sent, so whole seconds are compared.
        let since = |since: Option<Timestamp>, time: Option<Timestamp>| {
            since.is_none_or(|since| time.is_none_or(|time| time.as_second() >= since.as_second()))
        };
        let has_tag = |tag: &String| {
            row.embedded.tags.as_ref().is_none_or(|tags| {
                let tag = tag.trim().to_lowercase();
                tags.iter().any(|known| known.name.to_lowercase() == tag)
            })
        };
        (self.mailbox_ids.is_empty() || row.mailbox_id.is_some_and(|id| self.mailbox_ids.contains(&id)))
            && self.folder_id.is_none_or(|id| row.folder_id == Some(id))
            && (self.statuses.is_empty() || self.statuses.iter().any(|status| row.status == status.word()))
            && self.state.is_none_or(|state| row.state == state.word())
            && self.kind.is_none_or(|kind| row.kind == kind.word())
            && match self.assigned {
                Some(Assigned::To(user)) => assignee() == Some(user),
                Some(Assigned::Nobody) => assignee().is_none(),
                None => true,
            }
            && self.customer_id.is_none_or(|id| customer() == Some(id))
            && self.number.is_none_or(|number| row.number == Some(number) || row.id == number)
            && self.tag.as_ref().is_none_or(has_tag)
            && self.created_by_user.is_none_or(|id| by("user", id))
            && self.created_by_customer.is_none_or(|id| by("customer", id))
            && since(self.created_since, row.created_at)
            && since(self.updated_since, row.updated_at)
    }
}

/// Filters that are empty are left out: FreeScout takes an empty value as no filter, and an empty assignee as a filter.
fn push(query: &mut Query, key: &'static str, value: Option<impl ToString>) {
    if let Some(value) = value.map(|value| value.to_string()).filter(|value| !value.is_empty()) {
        query.push((key, value));
    }
}

/// What customers are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CustomerSort {
    /// By id, whatever its name: the stable one, and FreeScout's default.
    #[default]
    CreatedAt,
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// Last change.
    UpdatedAt,
}

impl CustomerSort {
    fn word(self) -> &'static str {
        match self {
            Self::CreatedAt => "createdAt",
            Self::FirstName => "firstName",
            Self::LastName => "lastName",
            Self::UpdatedAt => "updatedAt",
        }
    }
}

/// Which customers. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// With exactly this first name.
    pub first_name: Option<String>,
    /// With exactly this last name.
    pub last_name: Option<String>,
    /// With a telephone number that holds these digits. Without any digit it is refused: FreeScout would
    /// give every customer who has a number.
    pub phone: Option<String>,
    /// With exactly this address among theirs.
    pub email: Option<String>,
    /// Changed then or later.
    pub updated_since: Option<Timestamp>,
    /// Sorted by.
    pub sort: CustomerSort,
    /// Direction.
    pub order: SortOrder,
}

impl CustomerFilter {
    /// The customer with this address.
    pub fn email(address: impl Into<String>) -> Self {
        Self { email: Some(address.into()), ..Self::default() }
    }

    pub(super) fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "firstName", self.first_name.as_ref());
        push(&mut query, "lastName", self.last_name.as_ref());
        push(&mut query, "phone", self.phone.as_ref());
        push(&mut query, "email", self.email.as_ref());
        push(&mut query, "updatedSince", self.updated_since.map(wire::show_time));
        query.push(("sortField", self.sort.word().into()));
        query.push(("sortOrder", self.order.word().into()));
        query
    }

    pub(super) fn fault(&self) -> Option<String> {
        let phone = self.phone.as_ref()?;
        (!phone.contains(|digit: char| digit.is_ascii_digit())).then(|| format!("`{phone}` has no digits"))
    }

    /// Whether a row is one of those asked for, as far as the row itself can tell.
    pub fn matches(&self, row: &wire::Customer) -> bool {
        let same = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| {
                found.as_ref().is_some_and(|found| found.trim().to_lowercase() == wanted.trim().to_lowercase())
            })
        };
        same(&self.first_name, &row.first_name)
            && same(&self.last_name, &row.last_name)
            && self
                .email
                .as_ref()
                .is_none_or(|wanted| row.emails().any(|known| known.eq_ignore_ascii_case(wanted.trim())))
            && self
                .updated_since
                .is_none_or(|since| row.updated_at.is_none_or(|time| time.as_second() >= since.as_second()))
    }
}

/// Which users. The default is all of them, deleted ones and robots included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFilter {
    /// With exactly this address.
    pub email: Option<String>,
}

impl UserFilter {
    pub(super) fn query(&self) -> Query {
        let mut query = Query::new();
        push(&mut query, "email", self.email.as_ref());
        query
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(query: Query) -> String {
        query.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn every_filter_of_the_reference_can_be_asked() {
        let filter = ConversationFilter {
            embed: Embed::ALL,
            mailbox_ids: vec![1, 2],
            folder_id: Some(3),
            statuses: vec![Status::Active, Status::Spam],
            state: Some(State::Deleted),
            kind: Some(Kind::Chat),
            assigned: Some(Assigned::Nobody),
            customer_email: Some("a@x.org".into()),
            customer_phone: Some("77".into()),
            customer_id: Some(4),
            number: Some(5),
            subject: Some("test".into()),
            tag: Some("overdue".into()),
            created_by_user: Some(6),
            created_by_customer: Some(7),
            created_since: Some("2021-01-07T12:00:03.5Z".parse().unwrap()),
            updated_since: Some("2021-01-07T12:00:04Z".parse().unwrap()),
            sort: ConversationSort::WaitingSince,
            order: SortOrder::Ascending,
        };
        assert_eq!(
            shown(filter.query()),
            "embed=threads,timelogs,tags&mailboxId=1,2&folderId=3&status=active,spam&state=deleted&type=chat&assignedTo=\
             &customerEmail=a@x.org&customerPhone=77&customerId=4&number=5&subject=test&tag=overdue&createdByUserId=6\
             &createdByCustomerId=7&createdSince=2021-01-07T12:00:03Z&updatedSince=2021-01-07T12:00:04Z\
             &sortField=waitingSince&sortOrder=asc"
        );
        assert_eq!(shown(ConversationFilter::default().query()), "sortField=createdAt&sortOrder=desc");
        let customers = CustomerFilter {
            first_name: Some("John".into()),
            last_name: Some("Doe".into()),
            phone: Some("777".into()),
            email: Some("a@x.org".into()),
            updated_since: Some("2021-01-07T12:00:03Z".parse().unwrap()),
            sort: CustomerSort::UpdatedAt,
            order: SortOrder::Ascending,
        };
        assert_eq!(
            shown(customers.query()),
            "firstName=John&lastName=Doe&phone=777&email=a@x.org&updatedSince=2021-01-07T12:00:03Z&sortField=updatedAt&sortOrder=asc"
        );
    }

    #[test]
    fn pages_that_crash_freescout_are_not_asked_for() {
        let mut query = Query::new();
        Page { number: 0, size: 0 }.write(&mut query);
        assert_eq!(shown(query), "page=1&pageSize=1");
        assert!(CustomerFilter { phone: Some("none".into()), ..Default::default() }.fault().is_some());
    }

    #[test]
    fn a_row_that_was_not_asked_for_does_not_match() {
        let row: wire::Conversation = serde_json::from_value(json!({
            "id": 10, "number": 12, "type": "email", "status": "closed", "state": "published", "mailboxId": 1, "folderId": 4,
            "assignee": {"id": 3, "type": "user"}, "createdBy": {"id": 7, "type": "customer"}, "customer": {"id": 7},
            "createdAt": "2020-01-01T00:00:05Z", "updatedAt": "2020-01-02T00:00:00Z", "_embedded": {"tags": [{"id": 1, "name": "vip"}]},
        }))
        .unwrap();
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        type Set = fn(&mut ConversationFilter);
        let fitting: [Set; 11] = [
            |_| {},
            |filter| filter.mailbox_ids = vec![2, 1],
            |filter| filter.statuses = vec![Status::Active, Status::Closed],
            |filter| filter.assigned = Some(Assigned::To(3)),
            |filter| filter.customer_id = Some(7),
            |filter| filter.number = Some(12),
            |filter| filter.tag = Some(" VIP".into()),
            |filter| filter.created_by_customer = Some(7),
            |filter| filter.folder_id = Some(4),
            |filter| filter.subject = Some("anything".into()),
            |filter| filter.customer_email = Some("anything".into()),
        ];
        let other: [Set; 10] = [
            |filter| filter.mailbox_ids = vec![2],
            |filter| filter.statuses = vec![Status::Active],
            |filter| filter.state = Some(State::Draft),
            |filter| filter.kind = Some(Kind::Phone),
            |filter| filter.assigned = Some(Assigned::Nobody),
            |filter| filter.customer_id = Some(8),
            |filter| filter.number = Some(11),
            |filter| filter.tag = Some("vi".into()),
            |filter| filter.created_by_user = Some(7),
            |filter| filter.created_by_customer = Some(8),
        ];
        for (sets, expected) in [(fitting.as_slice(), true), (other.as_slice(), false)] {
            for (at, set) in sets.iter().enumerate() {
                let mut filter = ConversationFilter::default();
                set(&mut filter);
                assert_eq!(filter.matches(&row), expected, "case {at} of {expected}");
            }
        }
        for (since, expected) in [("2020-01-01T00:00:05.9Z", true), ("2020-01-01T00:00:06Z", false)] {
            assert_eq!(ConversationFilter { created_since: time(since), ..Default::default() }.matches(&row), expected);
        }
        for (since, expected) in [("2020-01-02T00:00:00Z", true), ("2020-01-02T00:00:01Z", false)] {
            assert_eq!(ConversationFilter { updated_since: time(since), ..Default::default() }.matches(&row), expected);
        }
    }
}
