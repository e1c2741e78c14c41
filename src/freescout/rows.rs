//! Rows as FreeScout writes them, for those who keep what they do not know: as JSON values, as raw text, or as any type that
//! reads itself.

use serde::de::DeserializeOwned;

use super::error::ApiError;
use super::filter::{ConversationFilter, CustomerFilter, Embed, Page, Query, UserFilter};
use super::{Answer, Client, List};

/// Which list is asked for.
#[derive(Debug, Clone)]
pub enum Rows {
    /// `GET /conversations`.
    Conversations(ConversationFilter),
    /// `GET /customers`.
    Customers(CustomerFilter),
    /// `GET /users`.
    Users,
    /// `GET /mailboxes`.
    Mailboxes,
    /// `GET /mailboxes/{id}/custom_fields`.
    CustomFields(u64),
    /// `GET /mailboxes/{id}/folders`.
    Folders(u64),
    /// `GET /tags`.
    Tags,
}

impl Client {
    /// One page of any list, each row as it came: a [`serde_json::Value`], or a `Box<`[`RawValue`](serde_json::value::RawValue)`>`
    /// for its very text. As the typed methods, it retries nothing.
    pub async fn rows<T: DeserializeOwned>(&self, what: &Rows, page: Page) -> Result<List<T>, ApiError> {
        let (endpoint, path, key, query) = match what {
            Rows::Conversations(filter) => {
                ("GET /conversations", "conversations".into(), "conversations", filter.query())
            }
            Rows::Customers(filter) => {
                super::refuse("GET /customers", filter.fault())?;
                ("GET /customers", "customers".into(), "customers", filter.query())
            }
            Rows::Users => ("GET /users", "users".into(), "users", UserFilter::default().query()),
            Rows::Mailboxes => ("GET /mailboxes", "mailboxes".into(), "mailboxes", Query::new()),
            Rows::CustomFields(mailbox) => (
                "GET /mailboxes/{id}/custom_fields",
                format!("mailboxes/{mailbox}/custom_fields"),
                "custom_fields",
                Query::new(),
            ),
            Rows::Folders(mailbox) => {
                ("GET /mailboxes/{id}/folders", format!("mailboxes/{mailbox}/folders"), "folders", Query::new())
            }
            Rows::Tags => ("GET /tags", "tags".into(), "tags", Query::new()),
        };
        self.list(endpoint, path, key, query, page).await
    }

    /// `GET /conversations/{id}` with everything there is, as it came.
    pub async fn whole_conversation<T: DeserializeOwned>(&self, id: u64) -> Result<Answer<T>, ApiError> {
        let query = vec![("embed", Embed::ALL.for_one())];
        self.get("GET /conversations/{id}", format!("conversations/{id}"), query).await
    }
}
