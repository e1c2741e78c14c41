//! The client for FreeScout's "API & Webhooks" module: one typed method for each endpoint.
//!
//! Promises:
//!
//! - Nobody is mailed by accident: what [`Client::create_conversation`] and [`Client::create_thread`] send is
//!   always `imported`.
//! - Nothing is sent twice. There are no retries and no redirects here; an error's
//!   [`verdict`](ApiError::verdict) says whether the call can have taken effect.
//! - What FreeScout would drop without a word is refused before it is sent.
//! - No error, log line or `Debug` form shows the key or the query of an address.
//! - Attachments are streamed; a request's length is known before it leaves.
//!
//! ```no_run
//! use foxferry::freescout::{Client, ConversationFilter, Page, Target};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(Target::new("https://help.example.org", "the API key".into())?)?;
//! for mailbox in client.mailboxes().await? {
//!     let filter = ConversationFilter { mailbox_ids: vec![mailbox.id], ..Default::default() };
//!     let page = client.list_conversations(&filter, Page::of(1)).await?;
//!     println!("{}: {} conversations", mailbox.name, page.page.total_elements);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What servers really do, and where this client differs from the reference because of it, is in
//! `docs/freescout-quirks.md`; which method covers which endpoint in `docs/api-matrix.md`.

mod body;
mod directory;
mod download;
mod envelope;
mod error;
mod filter;
mod people;
mod probe;
mod request;
mod rows;
#[cfg(test)]
mod stub;
mod target;
#[cfg(test)]
mod tests;
mod transport;
pub(crate) mod walk;
pub mod wire;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use body::ContentHash;
pub use directory::{Directory, MailboxEntry};
pub use download::Download;
pub use error::{ApiError, ErrorKind, Progress, Verdict};
pub use filter::{
    Assigned, ConversationFilter, ConversationSort, CustomerFilter, CustomerSort, Embed, Page, SortOrder, State,
    UserFilter,
};
pub use people::{CustomerChange, Labelled, NewCustomer, NewUser, NewWebhook, PostalAddress};
pub use request::{Change, ConversationChange, NewAttachment, NewConversation, NewThread};
pub use rows::Rows;
pub use target::{Auth, ClientError, Target, Timeouts};
pub(crate) use transport::retry_after;

use body::{JsonWriter, Payload};
use envelope::Envelope;
use filter::Query;
use request::Imported;
use transport::{Call, Success, Transport};

/// A FreeScout that can be talked to. Cloning it shares connections and counts.
#[derive(Clone)]
pub struct Client {
    transport: Arc<Transport>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.shown_url()).finish_non_exhaustive()
    }
}

/// What a create made.
#[derive(Debug, Clone)]
pub struct Created<T> {
    /// Its id: the header `Resource-ID`, else the body's.
    pub id: u64,
    /// What FreeScout says it has made; `None` if the answer's body was cut or unreadable.
    pub body: Option<T>,
    /// From the first byte sent to the last received.
    pub took: Duration,
    /// The server's clock when it answered.
    pub server_date: Option<Timestamp>,
}

/// Something that was read, with the server's clock when it was.
///
/// The clock minus a conversation's `updated_at` is the age of its last change.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was read.
    pub value: T,
    /// The server's clock when it answered.
    pub server_date: Option<Timestamp>,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

impl<T> Deref for Answer<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct List<T> {
    /// Its rows.
    pub items: Vec<T>,
    /// Its place among the pages.
    pub page: wire::PageInfo,
    /// The server's clock when it answered.
    pub server_date: Option<Timestamp>,
    /// From the first byte sent to the last received.
    pub took: Duration,
}

/// What a delete found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was there and is gone.
    Deleted,
    /// It was not there: for a delete that is repeated, a success.
    WasAbsent,
}

impl Client {
    /// A client for this target. Nothing is sent; TLS is set up if nobody has done so.
    pub fn new(target: Target) -> Result<Self, ClientError> {
        let way = target::open(&target)?;
        let Target { key, timeouts, .. } = target;
        Ok(Self { transport: Arc::new(Transport::new(way, key, timeouts)) })
    }

    /// The target's address without `/api`, login and query: fit to be shown and to be compared.
    pub fn shown_url(&self) -> &str {
        &self.transport.shown
    }

    /// How many requests were sent so far, answered or not.
    pub fn requests_sent(&self) -> u64 {
        self.transport.requests.load(Ordering::Relaxed)
    }

    // ---- conversations ----

    /// `POST /conversations`: creates a conversation with all its threads, imported: nobody is mailed.
    ///
    /// The answer is a claim: FreeScout answers 201 after dropping threads and attachments, so compare it.
    /// A success without an id is an error with verdict *unknown*.
    pub async fn create_conversation(&self, new: &NewConversation) -> Result<Created<wire::Conversation>, ApiError> {
        self.post_conversation(new, Imported::Yes).await
    }

    /// `POST /conversations` **without** `imported`: FreeScout mails the customer and tells agents.
    ///
    /// For scripts that open real conversations; nothing in this program calls it. Thread dates are ignored.
    pub async fn create_conversation_and_mail_it(
        &self,
        new: &NewConversation,
    ) -> Result<Created<wire::Conversation>, ApiError> {
        self.post_conversation(new, Imported::No).await
    }

    async fn post_conversation(
        &self,
        new: &NewConversation,
        imported: Imported,
    ) -> Result<Created<wire::Conversation>, ApiError> {
        const ENDPOINT: &str = "POST /conversations";
        refuse(ENDPOINT, new.fault())?;
        self.create(ENDPOINT, "conversations".into(), new.payload(imported)).await
    }

    /// `GET /conversations/{id}`: in any state, drafts and deleted ones too.
    pub async fn conversation(&self, id: u64, embed: Embed) -> Result<Answer<wire::Conversation>, ApiError> {
        let query = vec![("embed", embed.for_one())];
        self.get("GET /conversations/{id}", format!("conversations/{id}"), query).await
    }

    /// `GET /conversations`: one page, as the server gives it.
    ///
    /// A server may ignore a filter; see [`ConversationFilter::matches`]. To walk over all of them use
    /// [`conversations`](Self::conversations).
    pub async fn list_conversations(
        &self,
        filter: &ConversationFilter,
        page: Page,
    ) -> Result<List<wire::Conversation>, ApiError> {
        self.list("GET /conversations", "conversations".into(), "conversations", filter.query(), page).await
    }

    /// `PUT /conversations/{id}`.
    pub async fn update_conversation(&self, id: u64, change: &ConversationChange) -> Result<(), ApiError> {
        const ENDPOINT: &str = "PUT /conversations/{id}";
        refuse(ENDPOINT, change.fault())?;
        self.put(ENDPOINT, format!("conversations/{id}"), change.payload()).await
    }

    /// `DELETE /conversations/{id}`: for ever, with threads and attachments. Customers stay.
    pub async fn delete_conversation(&self, id: u64) -> Result<Deleted, ApiError> {
        self.delete("DELETE /conversations/{id}", format!("conversations/{id}"), Query::new()).await
    }

    /// `PUT /conversations/{id}/custom_fields`: sets these fields and leaves the others.
    ///
    /// Success says nothing about the values: unknown ids, dates that cannot be read and blanks are dropped, so a
    /// field cannot be cleared.
    pub async fn set_custom_fields(&self, id: u64, fields: &[(u64, String)]) -> Result<(), ApiError> {
        const ENDPOINT: &str = "PUT /conversations/{id}/custom_fields";
        let body = object(|json| request::fields(json, "customFields", fields));
        self.put(ENDPOINT, format!("conversations/{id}/custom_fields"), body).await
    }

    /// `PUT /conversations/{id}/tags`: replaces all tags. FreeScout trims and lower-cases them.
    pub async fn set_tags(&self, id: u64, tags: &[String]) -> Result<(), ApiError> {
        const ENDPOINT: &str = "PUT /conversations/{id}/tags";
        // A blank becomes null on the way in, and null is a 500.
        refuse(ENDPOINT, tags.iter().any(|tag| tag.trim().is_empty()).then(|| "a tag is blank".into()))?;
        let body = object(|json| json.strings("tags", tags));
        self.put(ENDPOINT, format!("conversations/{id}/tags"), body).await
    }

    /// `POST /conversations/{id}/threads`: appends a thread, imported: nobody is mailed **unless something that is
    /// not imported is newer in the conversation** (`freescout-behaviour.md` 5.4); read it before.
    pub async fn create_thread(&self, id: u64, new: &NewThread) -> Result<Created<wire::Thread>, ApiError> {
        self.post_thread(id, new, Imported::Yes).await
    }

    /// `POST /conversations/{id}/threads` **without** `imported`: a message is mailed to the customer.
    ///
    /// For scripts that really answer; nothing in this program calls it. The date is ignored.
    pub async fn create_thread_and_mail_it(&self, id: u64, new: &NewThread) -> Result<Created<wire::Thread>, ApiError> {
        self.post_thread(id, new, Imported::No).await
    }

    async fn post_thread(
        &self,
        id: u64,
        new: &NewThread,
        imported: Imported,
    ) -> Result<Created<wire::Thread>, ApiError> {
        const ENDPOINT: &str = "POST /conversations/{id}/threads";
        refuse(ENDPOINT, new.fault())?;
        self.create(ENDPOINT, format!("conversations/{id}/threads"), new.payload(imported)).await
    }

    /// `GET /conversations/{id}/timelogs`: one page, newest first; empty for an unknown conversation.
    pub async fn timelogs(&self, id: u64, page: Page) -> Result<List<wire::Timelog>, ApiError> {
        const ENDPOINT: &str = "GET /conversations/{id}/timelogs";
        self.list(ENDPOINT, format!("conversations/{id}/timelogs"), "timelogs", Query::new(), page).await
    }

    // ---- customers ----

    /// `POST /customers`. Addresses that other customers have are dropped; if all are taken it is refused with
    /// path `emails`, and the customer can be found with [`CustomerFilter::email`].
    pub async fn create_customer(&self, new: &NewCustomer) -> Result<Created<wire::Customer>, ApiError> {
        const ENDPOINT: &str = "POST /customers";
        refuse(ENDPOINT, new.fault())?;
        self.create(ENDPOINT, "customers".into(), new.payload()).await
    }

    /// `GET /customers/{id}`.
    pub async fn customer(&self, id: u64) -> Result<Answer<wire::Customer>, ApiError> {
        self.get("GET /customers/{id}", format!("customers/{id}"), Query::new()).await
    }

    /// `GET /customers`: one page.
    pub async fn list_customers(&self, filter: &CustomerFilter, page: Page) -> Result<List<wire::Customer>, ApiError> {
        const ENDPOINT: &str = "GET /customers";
        refuse(ENDPOINT, filter.fault())?;
        self.list(ENDPOINT, "customers".into(), "customers", filter.query(), page).await
    }

    /// `PUT /customers/{id}`.
    pub async fn update_customer(&self, id: u64, change: &CustomerChange) -> Result<(), ApiError> {
        const ENDPOINT: &str = "PUT /customers/{id}";
        refuse(ENDPOINT, change.fault())?;
        self.put(ENDPOINT, format!("customers/{id}"), change.payload()).await
    }

    /// `PUT /customers/{id}/customer_fields`. Success says nothing about the values, which are not looked at.
    pub async fn set_customer_fields(&self, id: u64, fields: &[(u64, String)]) -> Result<(), ApiError> {
        const ENDPOINT: &str = "PUT /customers/{id}/customer_fields";
        let body = object(|json| request::fields(json, "customerFields", fields));
        self.put(ENDPOINT, format!("customers/{id}/customer_fields"), body).await
    }

    // ---- mailboxes ----

    /// `GET /mailboxes`: all of them, by id.
    pub async fn mailboxes(&self) -> Result<Vec<wire::Mailbox>, ApiError> {
        self.all(|page| self.list_mailboxes(None, page), |mailbox| mailbox.id).await
    }

    /// `GET /mailboxes`: one page; with a user, those that the user may see. (An unknown user may see all.)
    pub async fn list_mailboxes(&self, user: Option<u64>, page: Page) -> Result<List<wire::Mailbox>, ApiError> {
        let query = user.map(|user| ("userId", user.to_string())).into_iter().collect();
        self.list("GET /mailboxes", "mailboxes".into(), "mailboxes", query, page).await
    }

    /// `GET /mailboxes/{id}/custom_fields`: all of them.
    pub async fn custom_fields(&self, mailbox: u64) -> Result<Vec<wire::CustomField>, ApiError> {
        self.all(|page| self.list_custom_fields(mailbox, page), |field| field.id).await
    }

    /// `GET /mailboxes/{id}/custom_fields`: one page.
    pub async fn list_custom_fields(&self, mailbox: u64, page: Page) -> Result<List<wire::CustomField>, ApiError> {
        const ENDPOINT: &str = "GET /mailboxes/{id}/custom_fields";
        self.list(ENDPOINT, format!("mailboxes/{mailbox}/custom_fields"), "custom_fields", Query::new(), page).await
    }

    /// `GET /mailboxes/{id}/folders`: all of them, the personal ones of every user included.
    pub async fn folders(&self, mailbox: u64) -> Result<Vec<wire::Folder>, ApiError> {
        self.all(|page| self.list_folders(mailbox, None, None, page), |folder| folder.id).await
    }

    /// `GET /mailboxes/{id}/folders`: one page; with a user, that user's personal ones; with a folder, that one.
    pub async fn list_folders(
        &self,
        mailbox: u64,
        user: Option<u64>,
        folder: Option<u64>,
        page: Page,
    ) -> Result<List<wire::Folder>, ApiError> {
        let mut query = Query::new();
        query.extend(user.map(|user| ("userId", user.to_string())));
        query.extend(folder.map(|folder| ("folderId", folder.to_string())));
        const ENDPOINT: &str = "GET /mailboxes/{id}/folders";
        self.list(ENDPOINT, format!("mailboxes/{mailbox}/folders"), "folders", query, page).await
    }

    // ---- users ----

    /// `GET /users`: all of them, newest first, with deleted ones and robots
    /// ([`wire::User::is_deleted`], [`wire::User::is_robot`]).
    pub async fn users(&self, filter: &UserFilter) -> Result<Vec<wire::User>, ApiError> {
        self.all(|page| self.list_users(filter, page), |user| user.id).await
    }

    /// `GET /users`: one page.
    pub async fn list_users(&self, filter: &UserFilter, page: Page) -> Result<List<wire::User>, ApiError> {
        self.list("GET /users", "users".into(), "users", filter.query(), page).await
    }

    /// `GET /users/{id}`: deleted ones too.
    pub async fn user(&self, id: u64) -> Result<Answer<wire::User>, ApiError> {
        self.get("GET /users/{id}", format!("users/{id}"), Query::new()).await
    }

    /// `POST /users`: a plain user without access to any mailbox, not invited.
    pub async fn create_user(&self, new: &NewUser) -> Result<Created<wire::User>, ApiError> {
        const ENDPOINT: &str = "POST /users";
        refuse(ENDPOINT, new.fault())?;
        self.create(ENDPOINT, "users".into(), new.payload()).await
    }

    /// `DELETE /users/{id}` (modules from 1.0.81): marks the user as deleted, gives their conversations in each
    /// mailbox to the user named for it or to nobody, and **adds a line item to every one of them**.
    pub async fn delete_user(&self, id: u64, by_user: u64, heirs: &[(u64, u64)]) -> Result<Deleted, ApiError> {
        let mut call = self.call(Method::DELETE, "DELETE /users/{id}", format!("users/{id}"));
        call.query.push(("byUserId", by_user.to_string()));
        call.keyed = heirs.iter().map(|(mailbox, user)| (format!("assignTo[{mailbox}]"), user.to_string())).collect();
        self.finish_delete(call).await
    }

    // ---- tags ----

    /// `GET /tags`: all of them, by id; with a conversation, its tags.
    pub async fn tags(&self, conversation: Option<u64>) -> Result<Vec<wire::Tag>, ApiError> {
        self.all(|page| self.list_tags(conversation, page), |tag| tag.id).await
    }

    /// `GET /tags`: one page.
    pub async fn list_tags(&self, conversation: Option<u64>, page: Page) -> Result<List<wire::Tag>, ApiError> {
        let query = conversation.map(|id| ("conversationId", id.to_string())).into_iter().collect();
        self.list("GET /tags", "tags".into(), "tags", query, page).await
    }

    // ---- webhooks ----

    /// `POST /webhooks`. Keep the id: webhooks cannot be listed.
    pub async fn create_webhook(&self, new: &NewWebhook) -> Result<Created<wire::Webhook>, ApiError> {
        self.create("POST /webhooks", "webhooks".into(), new.payload()).await
    }

    /// `DELETE /webhooks/{id}`.
    pub async fn delete_webhook(&self, id: u64) -> Result<Deleted, ApiError> {
        self.delete("DELETE /webhooks/{id}", format!("webhooks/{id}"), Query::new()).await
    }

    // ---- the five kinds of call ----

    fn call(&self, method: Method, endpoint: &'static str, path: String) -> Call {
        Call { method, endpoint, path, query: Query::new(), keyed: Vec::new(), payload: None }
    }

    async fn create<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        path: String,
        payload: Payload,
    ) -> Result<Created<T>, ApiError> {
        let call = Call { payload: Some(payload), ..self.call(Method::POST, endpoint, path) };
        let success = self.transport.send(call).await?;
        let value: Option<Value> = serde_json::from_slice(&success.body).ok();
        let in_body = || value.as_ref()?.get("id").and_then(wire::as_id).filter(|id| *id > 0);
        let Some(id) = success.resource_id().or_else(in_body) else {
            // Seen in the wild: 200 with a blank body for a create, reason unknown (FreeScout issue 2495).
            return Err(puzzled(endpoint, &success, "it names no id"));
        };
        let body = value.and_then(|value| serde_json::from_value(value).ok());
        Ok(Created { id, body, took: success.took, server_date: success.date() })
    }

    async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        path: String,
        query: Query,
    ) -> Result<Answer<T>, ApiError> {
        let success = self.transport.send(Call { query, ..self.call(Method::GET, endpoint, path) }).await?;
        let value = read(endpoint, &success)?;
        Ok(Answer { value, server_date: success.date(), took: success.took })
    }

    async fn list<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        path: String,
        key: &'static str,
        mut query: Query,
        page: Page,
    ) -> Result<List<T>, ApiError> {
        page.write(&mut query);
        let success = self.transport.send(Call { query, ..self.call(Method::GET, endpoint, path) }).await?;
        whole(endpoint, &success)?;
        let Envelope { rows, page } =
            Envelope::read(&success.body, key).map_err(|error| puzzled(endpoint, &success, &error.to_string()))?;
        // An empty list is still a list; no list at all is some other page.
        let Some(items) = rows else {
            return Err(puzzled(endpoint, &success, &format!("it has no `_embedded.{key}`")));
        };
        Ok(List { items, page, server_date: success.date(), took: success.took })
    }

    async fn put(&self, endpoint: &'static str, path: String, payload: Payload) -> Result<(), ApiError> {
        let call = Call { payload: Some(payload), ..self.call(Method::PUT, endpoint, path) };
        let success = self.transport.send(call).await?;
        done(endpoint, &success)
    }

    async fn delete(&self, endpoint: &'static str, path: String, query: Query) -> Result<Deleted, ApiError> {
        self.finish_delete(Call { query, ..self.call(Method::DELETE, endpoint, path) }).await
    }

    async fn finish_delete(&self, call: Call) -> Result<Deleted, ApiError> {
        let endpoint = call.endpoint;
        match self.transport.send(call).await {
            Ok(success) => done(endpoint, &success).map(|()| Deleted::Deleted),
            Err(error) if error.is_not_found() => Ok(Deleted::WasAbsent),
            Err(error) => Err(error),
        }
    }
}

/// Refuses what FreeScout would lose.
fn refuse(endpoint: &'static str, fault: Option<String>) -> Result<(), ApiError> {
    fault.map_or(Ok(()), |why| Err(ApiError::invalid(endpoint, why)))
}

fn object(write: impl FnOnce(&mut JsonWriter)) -> Payload {
    let mut json = JsonWriter::default();
    json.begin_object();
    write(&mut json);
    json.end_object();
    json.finish()
}

/// A body that should be JSON of this shape.
fn read<T: DeserializeOwned>(endpoint: &'static str, success: &Success) -> Result<T, ApiError> {
    whole(endpoint, success)?;
    serde_json::from_slice(&success.body).map_err(|error| puzzled(endpoint, success, &error.to_string()))
}

/// A body that has come to its end.
fn whole(endpoint: &'static str, success: &Success) -> Result<(), ApiError> {
    if success.is_cut {
        return Err(ApiError::new(endpoint, ErrorKind::HungUp, Progress::Answered).with_status(success.status.as_u16()));
    }
    Ok(())
}

/// An update or delete is done when FreeScout says 204, or gives JSON (as a newer module might).
/// A blank 200 or a web page is somebody else's.
fn done(endpoint: &'static str, success: &Success) -> Result<(), ApiError> {
    let is_json = || serde_json::from_slice::<Value>(&success.body).is_ok_and(|value| value.is_object());
    if success.status == reqwest::StatusCode::NO_CONTENT || is_json() {
        return Ok(());
    }
    Err(puzzled(endpoint, success, "neither 204 nor JSON"))
}

fn puzzled(endpoint: &'static str, success: &Success, why: &str) -> ApiError {
    let why = if success.body.iter().all(u8::is_ascii_whitespace) { "it is blank" } else { why };
    ApiError::new(endpoint, ErrorKind::BadAnswer, Progress::Answered)
        .with_status(success.status.as_u16())
        .with_message(why)
}
