//! Who and what a FreeScout holds: mailboxes with their fields, users, customer fields.
//!
//! Everything before the uploader names mailboxes, users and fields by address or name; here names become ids.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

use super::error::ApiError;
use super::filter::{CustomerFilter, Page, UserFilter};
use super::{Client, wire};

/// How many mailboxes are asked for their fields at a time.
const AT_ONCE: usize = 4;

/// What a FreeScout held when it was asked.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Mailboxes, by id.
    pub mailboxes: Vec<MailboxEntry>,
    /// Users by id, without deleted ones and robots.
    pub users: Vec<wire::User>,
    /// Customer fields as id and name. FreeScout has no list of them: they are read off a customer, so none are
    /// known while there is no customer, or when their module is off. Dropdown options are never known.
    pub customer_fields: Vec<(u64, String)>,
    /// Whether the Tags module is on.
    pub has_tags: bool,
    /// The server's clock when it was asked.
    pub server_date: Option<Timestamp>,
}

/// A mailbox with its custom fields.
#[derive(Debug, Clone)]
pub struct MailboxEntry {
    /// The mailbox.
    pub mailbox: wire::Mailbox,
    /// Its custom fields; `None`: the Custom Fields module is off.
    pub fields: Option<Vec<wire::CustomField>>,
}

impl Directory {
    /// Asks FreeScout. A handful of requests: mailboxes, the fields of each, users, one customer, one tag.
    ///
    /// The first error tells what kind of place the address is:
    /// [`Unreachable`](super::ErrorKind::Unreachable), [`Untrusted`](super::ErrorKind::Untrusted),
    /// [`NotFreeScout`](super::ErrorKind::NotFreeScout), [`ModuleMissing`](super::ErrorKind::ModuleMissing),
    /// [`KeyRefused`](super::ErrorKind::KeyRefused), [`LoginRefused`](super::ErrorKind::LoginRefused),
    /// [`HostNotTrusted`](super::ErrorKind::HostNotTrusted), [`Redirected`](super::ErrorKind::Redirected). A web
    /// page with status 200 is a [`BadAnswer`](super::ErrorKind::BadAnswer).
    pub async fn fetch(client: &Client) -> Result<Self, ApiError> {
        let mailboxes = client.mailboxes().await?;
        let mailboxes = stream::iter(mailboxes)
            .map(|mailbox| async move {
                let fields = optional(client.custom_fields(mailbox.id).await)?;
                Ok::<_, ApiError>(MailboxEntry { mailbox, fields })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut users = client.users(&UserFilter::default()).await?;
        users.retain(|user| !user.is_deleted() && !user.is_robot());
        users.sort_by_key(|user| user.id);
        let customers = client.list_customers(&CustomerFilter::default(), Page::of(1)).await?;
        let fields = customers.items.into_iter().next().and_then(|customer| customer.customer_fields);
        Ok(Self {
            mailboxes,
            users,
            customer_fields: fields.into_iter().flatten().map(|field| (field.id, field.name)).collect(),
            has_tags: optional(client.list_tags(None, Page::of(1)).await)?.is_some(),
            server_date: customers.server_date,
        })
    }

    /// The mailbox with this id.
    pub fn mailbox(&self, id: u64) -> Option<&MailboxEntry> {
        self.mailboxes.iter().find(|entry| entry.mailbox.id == id)
    }

    /// The mailbox with this address, else with exactly this name, else with this name whatever its case.
    /// A name that several mailboxes have is nobody's.
    pub fn mailbox_by(&self, address_or_name: &str) -> Option<&MailboxEntry> {
        let wanted = address_or_name.trim();
        let by_address = self.mailboxes.iter().find(|entry| same(&entry.mailbox.email, wanted));
        by_address
            .or_else(|| only(self.mailboxes.iter().filter(|entry| entry.mailbox.name.trim() == wanted)))
            .or_else(|| only(self.mailboxes.iter().filter(|entry| same(&entry.mailbox.name, wanted))))
    }

    /// The mailbox, if there is but one.
    pub fn only_mailbox(&self) -> Option<&MailboxEntry> {
        only(self.mailboxes.iter())
    }

    /// The user with this address, be it their main one or another.
    pub fn user_by(&self, address: &str) -> Option<&wire::User> {
        let wanted = address.trim();
        let others = |user: &&wire::User| {
            user.alternate_emails.iter().flat_map(|emails| emails.split(',')).any(|email| same(email, wanted))
        };
        self.users.iter().find(|user| same(&user.email, wanted)).or_else(|| self.users.iter().find(others))
    }

    /// The administrator with the lowest id.
    pub fn first_administrator(&self) -> Option<&wire::User> {
        self.users.iter().find(|user| user.is_admin())
    }

    /// The custom field of a mailbox with exactly this name, else with this name whatever its case.
    pub fn field(&self, mailbox: u64, name: &str) -> Option<&wire::CustomField> {
        let fields = self.mailbox(mailbox)?.fields.as_deref()?;
        let wanted = name.trim();
        fields
            .iter()
            .find(|field| field.name.trim() == wanted)
            .or_else(|| only(fields.iter().filter(|field| same(&field.name, wanted))))
    }

    /// The id of the customer field with this name.
    pub fn customer_field(&self, name: &str) -> Option<u64> {
        let wanted = name.trim();
        let found = self.customer_fields.iter().find(|(_, known)| known.trim() == wanted);
        found.or_else(|| only(self.customer_fields.iter().filter(|(_, known)| same(known, wanted)))).map(|(id, _)| *id)
    }
}

/// What an optional module answers: nothing, if it is off.
fn optional<T>(result: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_module_off() => Ok(None),
        Err(error) => Err(error),
    }
}

fn same(known: &str, wanted: &str) -> bool {
    known.trim().to_lowercase() == wanted.to_lowercase()
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
