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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::error::ErrorKind;
    use super::super::stub::{Act, Stub, answer};
    use super::*;

    fn listing(key: &str, rows: &Value) -> Act {
        let total = rows.as_array().unwrap().len();
        let body = json!({"_embedded": {key: rows}, "page": {"size": 50, "totalElements": total, "totalPages": 1, "number": 1}});
        Act::Answer(answer("200 OK", "Content-Type: application/json\r\n", &body.to_string()))
    }

    fn module_off(name: &str) -> Act {
        let body =
            json!({"message": format!("{name} module is not installed or not activated"), "_embedded": {"errors": []}});
        Act::Answer(answer("400 Bad Request", "Content-Type: application/json\r\n", &body.to_string()))
    }

    async fn directory(fields: Act, tags: Act) -> Directory {
        let stub = Stub::start(vec![
            listing("mailboxes", &json!([{"id": 2, "name": "Support", "email": "Support@example.org"}])),
            fields,
            listing(
                "users",
                &json!([
                    {"id": 9, "email": "new@example.org", "role": "admin"},
                    {"id": 8, "email": "old@example.org_deleted20240131120000", "role": "admin"},
                    {"id": 7, "email": "fsteam-1@example.org", "role": "user"},
                    {"id": 5, "email": "ada@example.org", "role": "admin", "alternateEmails": "a@x.org, b@x.org"},
                    {"id": 3, "email": "uma@example.org", "role": "user"},
                ]),
            ),
            listing(
                "customers",
                &json!([{"id": 1, "customerFields": [{"id": 4, "name": "Age"}, {"id": 5, "name": "age"}]}]),
            ),
            tags,
        ])
        .await;
        Directory::fetch(&stub.client()).await.unwrap()
    }

    #[tokio::test]
    async fn names_become_ids() {
        let fields = listing(
            "custom_fields",
            &json!([
                {"id": 1, "name": "Priority", "type": "dropdown", "options": {"1": "Low"}},
                {"id": 2, "name": "priority", "type": "singleline", "options": null},
                {"id": 3, "name": "Vendor", "type": "singleline", "options": ""},
            ]),
        );
        let directory = directory(fields, listing("tags", &json!([]))).await;

        for name in ["support@EXAMPLE.org", " Support ", "SUPPORT"] {
            assert_eq!(directory.mailbox_by(name).unwrap().mailbox.id, 2, "{name}");
        }
        assert!(directory.mailbox_by("Billing").is_none());
        assert_eq!(directory.only_mailbox().unwrap().mailbox.id, 2);
        assert_eq!(directory.users.iter().map(|user| user.id).collect::<Vec<_>>(), [3, 5, 9]);
        for address in ["ADA@example.org", "b@x.org "] {
            assert_eq!(directory.user_by(address).unwrap().id, 5, "{address}");
        }
        assert!(directory.user_by("old@example.org").is_none());
        assert_eq!(directory.first_administrator().unwrap().id, 5);
        let field = |name| directory.field(2, name).map(|field| field.id);
        assert_eq!(
            (field("Priority"), field("priority"), field("vendor"), field("PRIORITY")),
            (Some(1), Some(2), Some(3), None)
        );
        assert_eq!(directory.field(9, "Vendor").map(|field| field.id), None);
        assert_eq!((directory.customer_field("age"), directory.customer_field("AGE")), (Some(5), None));
        assert!(directory.has_tags);
    }

    #[tokio::test]
    async fn optional_modules_may_be_off() {
        let directory = directory(module_off("Custom Fields"), module_off("Tags")).await;
        assert!(directory.mailboxes[0].fields.is_none() && !directory.has_tags);
    }

    #[tokio::test]
    async fn the_first_error_tells_what_kind_of_place_it_is() {
        let html = "Content-Type: text/html\r\n";
        let cases = [
            ("404 Not Found", html, "<title>Nothing here</title>", ErrorKind::NotFreeScout),
            ("404 Not Found", "", r#"{"message": ""}"#, ErrorKind::ModuleMissing),
            ("401 Unauthorized", "", r#"{"message":"Not Authorized"}"#, ErrorKind::KeyRefused),
            ("200 OK", html, "<title>Welcome</title>", ErrorKind::BadAnswer),
        ];
        for (status, headers, body, kind) in cases {
            let stub = Stub::answering(status, headers, body).await;
            assert_eq!(Directory::fetch(&stub.client()).await.unwrap_err().kind(), &kind);
        }
    }
}
