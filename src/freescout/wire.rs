//! FreeScout's answers as they come: tolerant where servers differ, and keeping what it does not know.
//!
//! Every key but an `id` may be missing or null. Ids may be numbers or strings; lists may be
//! arrays, objects (`"cc":{"1":"b@x.org"}`, `freescout-behaviour.md` 2.4), null or missing; times may
//! have colons or dashes, and the year −0001 of a lost date is `None`. Unknown keys stay in `extra`.

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// A conversation, from create, get or list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conversation {
    /// Its id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// What agents call it; equal to `id` unless custom numbers are on.
    #[serde(default, deserialize_with = "maybe_id")]
    pub number: Option<u64>,
    /// Published customer and message threads; neither notes nor line items.
    #[serde(default, deserialize_with = "maybe_id")]
    pub threads_count: Option<u64>,
    /// `email`, `phone`, `chat`, and `custom` in newer cores.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// The folder it lies in.
    #[serde(default, deserialize_with = "maybe_id")]
    pub folder_id: Option<u64>,
    /// `active`, `pending`, `closed`, `spam`.
    #[serde(default, deserialize_with = "text")]
    pub status: String,
    /// `draft`, `published`, `deleted`.
    #[serde(default, deserialize_with = "text")]
    pub state: String,
    /// The subject; at most 998 characters.
    #[serde(default, deserialize_with = "text")]
    pub subject: String,
    /// The beginning of the last text.
    #[serde(default, deserialize_with = "text")]
    pub preview: String,
    /// The mailbox.
    #[serde(default, deserialize_with = "maybe_id")]
    pub mailbox_id: Option<u64>,
    /// Who works on it; also `None` when that user no longer exists.
    #[serde(default, deserialize_with = "maybe_object")]
    pub assignee: Option<Person>,
    /// Who began it; `None` in a conversation whose create was killed.
    #[serde(default, deserialize_with = "maybe_object")]
    pub created_by: Option<Person>,
    /// When it was begun.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When its row was last written; tags and fields do not count.
    #[serde(default, with = "time")]
    pub updated_at: Option<Timestamp>,
    /// The user who closed it.
    #[serde(default, deserialize_with = "maybe_id")]
    pub closed_by: Option<u64>,
    /// The same user.
    #[serde(default, deserialize_with = "maybe_object")]
    pub closed_by_user: Option<Person>,
    /// When it was closed, whatever its status is now.
    #[serde(default, with = "time")]
    pub closed_at: Option<Timestamp>,
    /// When a user last wrote.
    #[serde(default, with = "time")]
    pub user_updated_at: Option<Timestamp>,
    /// Since when somebody waits.
    #[serde(default, deserialize_with = "maybe_object")]
    pub customer_waiting_since: Option<WaitingSince>,
    /// How it came in.
    #[serde(default, deserialize_with = "maybe_object")]
    pub source: Option<Via>,
    /// The last thread's copy recipients.
    #[serde(default, deserialize_with = "texts")]
    pub cc: Vec<String>,
    /// The last blind copy recipients.
    #[serde(default, deserialize_with = "texts")]
    pub bcc: Vec<String>,
    /// Whose conversation it is.
    #[serde(default, deserialize_with = "maybe_object")]
    pub customer: Option<Person>,
    /// Every custom field of the mailbox; `None`: the module is off or the mailbox has none.
    #[serde(default, deserialize_with = "maybe_list", skip_serializing_if = "Option::is_none")]
    pub custom_fields: Option<Vec<FieldValue>>,
    /// What was asked for with [`Embed`](super::Embed).
    #[serde(rename = "_embedded", default, deserialize_with = "or_default")]
    pub embedded: ConversationParts,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Conversation {
    /// Its threads, newest first as FreeScout gives them; empty also when they were not asked for.
    pub fn threads(&self) -> &[Thread] {
        &self.embedded.threads
    }
}

/// What can lie inside a conversation.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConversationParts {
    /// Published threads, newest first; equal times in no fixed order.
    #[serde(default, deserialize_with = "list")]
    pub threads: Vec<Thread>,
    /// Time logs; `None`: not asked for, or the module is off.
    #[serde(default, deserialize_with = "maybe_list", skip_serializing_if = "Option::is_none")]
    pub timelogs: Option<Vec<Timelog>>,
    /// Tags; `None`: not asked for, or the module is off.
    #[serde(default, deserialize_with = "maybe_list", skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Tag>>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One thread: a message, a note or a line item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thread {
    /// Its id; ascends in the order of writing.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// `customer`, `message`, `note`, `lineitem`, `chat`.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// Always `active` for threads made through the API.
    #[serde(default, deserialize_with = "text")]
    pub status: String,
    /// `published`; others are never shown.
    #[serde(default, deserialize_with = "text")]
    pub state: String,
    /// What a line item says.
    #[serde(default, deserialize_with = "maybe_object")]
    pub action: Option<Action>,
    /// HTML as stored; `None` for line items and empty texts.
    #[serde(default, deserialize_with = "maybe_text")]
    pub body: Option<String>,
    /// How it came in.
    #[serde(default, deserialize_with = "maybe_object")]
    pub source: Option<Via>,
    /// The customer it belongs to.
    #[serde(default, deserialize_with = "maybe_object")]
    pub customer: Option<Person>,
    /// Who wrote it.
    #[serde(default, deserialize_with = "maybe_object")]
    pub created_by: Option<Person>,
    /// The assignee when it was written.
    #[serde(default, deserialize_with = "maybe_object")]
    pub assigned_to: Option<Person>,
    /// Recipients.
    #[serde(default, deserialize_with = "texts")]
    pub to: Vec<String>,
    /// Copy recipients.
    #[serde(default, deserialize_with = "texts")]
    pub cc: Vec<String>,
    /// Blind copy recipients.
    #[serde(default, deserialize_with = "texts")]
    pub bcc: Vec<String>,
    /// When it was written.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When the customer opened it.
    #[serde(default, with = "time")]
    pub opened_at: Option<Timestamp>,
    /// Attachments.
    #[serde(rename = "_embedded", default, deserialize_with = "or_default")]
    pub embedded: ThreadParts,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Thread {
    /// Its attachments.
    pub fn attachments(&self) -> &[Attachment] {
        &self.embedded.attachments
    }
}

/// What can lie inside a thread.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ThreadParts {
    /// Attachments in the order they were sent.
    #[serde(default, deserialize_with = "list")]
    pub attachments: Vec<Attachment>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// An attachment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its id.
    #[serde(default, deserialize_with = "maybe_id")]
    pub id: Option<u64>,
    /// Its name after FreeScout's renaming.
    #[serde(default, deserialize_with = "text")]
    pub file_name: String,
    /// Where it can be fetched without the key; holds a token.
    #[serde(default, deserialize_with = "text")]
    pub file_url: String,
    /// Its media type.
    #[serde(default, deserialize_with = "text")]
    pub mime_type: String,
    /// Its size in bytes as stored.
    #[serde(default, deserialize_with = "maybe_id")]
    pub size: Option<u64>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A user or a customer inside another answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The id.
    #[serde(default, deserialize_with = "maybe_id")]
    pub id: Option<u64>,
    /// `user` or `customer`.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// First name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub last_name: Option<String>,
    /// A customer's main address, or empty.
    #[serde(default, deserialize_with = "text")]
    pub email: String,
    /// Keys that this version does not know, and the photo's address.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// How something came in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Via {
    /// `email`, `web`, `api`.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// `customer` or `user`.
    #[serde(default, deserialize_with = "text")]
    pub via: String,
}

/// Since when somebody waits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingSince {
    /// The last reply by either side.
    #[serde(default, with = "time")]
    pub time: Option<Timestamp>,
    /// The same in words, in the server's language.
    #[serde(default, deserialize_with = "text")]
    pub friendly: String,
    /// `customer`, `user` or empty.
    #[serde(default, deserialize_with = "text")]
    pub latest_reply_from: String,
}

/// What a line item says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Action {
    /// `changed-ticket-status`, …, or empty.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// Prose in the server's language.
    #[serde(default, deserialize_with = "text")]
    pub text: String,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The value of a custom field or of a customer field.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FieldValue {
    /// The field's id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The field's name.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// The value; for a dropdown the option's id; empty when unset.
    #[serde(default, deserialize_with = "text")]
    pub value: String,
    /// A dropdown option's label.
    #[serde(default, deserialize_with = "text")]
    pub text: String,
}

/// A customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// First name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub last_name: Option<String>,
    /// Job title.
    #[serde(default, deserialize_with = "maybe_text")]
    pub job_title: Option<String>,
    /// Company.
    #[serde(default, deserialize_with = "maybe_text")]
    pub company: Option<String>,
    /// Notes; without line breaks since core 1.8.235.
    #[serde(default, deserialize_with = "maybe_text")]
    pub notes: Option<String>,
    /// Address of the photo, or empty.
    #[serde(default, deserialize_with = "text")]
    pub photo_url: String,
    /// When it was made.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, with = "time")]
    pub updated_at: Option<Timestamp>,
    /// Every customer field; `None`: the module is off or there are none.
    #[serde(default, deserialize_with = "maybe_list", skip_serializing_if = "Option::is_none")]
    pub customer_fields: Option<Vec<FieldValue>>,
    /// Addresses and the like.
    #[serde(rename = "_embedded", default, deserialize_with = "or_default")]
    pub embedded: CustomerParts,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Customer {
    /// The addresses, main one first.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        self.embedded.emails.iter().map(|entry| entry.value.as_str())
    }
}

/// What lies inside a customer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CustomerParts {
    /// E-mail addresses, main one first.
    #[serde(default, deserialize_with = "list")]
    pub emails: Vec<Entry>,
    /// Telephone numbers.
    #[serde(default, deserialize_with = "list")]
    pub phones: Vec<Entry>,
    /// Social profiles.
    #[serde(default, deserialize_with = "list")]
    pub social_profiles: Vec<Entry>,
    /// Web sites.
    #[serde(default, deserialize_with = "list")]
    pub websites: Vec<Entry>,
    /// The postal address.
    #[serde(default, deserialize_with = "or_default")]
    pub address: Address,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// One address, number, profile or site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// The id; 0 where FreeScout keeps none.
    #[serde(default, deserialize_with = "maybe_id")]
    pub id: Option<u64>,
    /// The address, number, …
    #[serde(default, deserialize_with = "text")]
    pub value: String,
    /// `home`, `work`, …; web sites have none.
    #[serde(rename = "type", default, deserialize_with = "maybe_text", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// City.
    #[serde(default, deserialize_with = "maybe_text")]
    pub city: Option<String>,
    /// State.
    #[serde(default, deserialize_with = "maybe_text")]
    pub state: Option<String>,
    /// Postal code.
    #[serde(default, deserialize_with = "maybe_text")]
    pub zip: Option<String>,
    /// Two-letter country code.
    #[serde(default, deserialize_with = "maybe_text")]
    pub country: Option<String>,
    /// Street and number.
    #[serde(default, deserialize_with = "maybe_text")]
    pub address: Option<String>,
}

/// A user: an agent or an administrator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// First name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, deserialize_with = "maybe_text")]
    pub last_name: Option<String>,
    /// The address; carries a marker after the user's deletion.
    #[serde(default, deserialize_with = "text")]
    pub email: String,
    /// `admin` or `user`; the number 1 in the answer to a create.
    #[serde(default, deserialize_with = "text")]
    pub role: String,
    /// Further addresses, joined by commas.
    #[serde(default, deserialize_with = "maybe_text")]
    pub alternate_emails: Option<String>,
    /// Time zone.
    #[serde(default, deserialize_with = "maybe_text")]
    pub timezone: Option<String>,
    /// When it was made.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, with = "time")]
    pub updated_at: Option<Timestamp>,
    /// Keys that this version does not know, and job title, phone, photo, language.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl User {
    /// Whether the user is deleted: lists give such users too, told only by the marker that core
    /// puts behind their address (`ada@example.org_deleted20240131120000`, cut to fit).
    pub fn is_deleted(&self) -> bool {
        self.email
            .rsplit_once("_deleted")
            .is_some_and(|(_, tail)| !tail.is_empty() && tail.bytes().next().is_some_and(|byte| byte.is_ascii_digit()))
    }

    /// Whether the user is a team or a workflow: modules make them with addresses of this form.
    pub fn is_robot(&self) -> bool {
        self.email
            .strip_suffix("@example.org")
            .is_some_and(|local| local.starts_with("fsteam") || local.starts_with("fsworkflow"))
    }

    /// Whether the user is an administrator.
    pub fn is_admin(&self) -> bool {
        self.role == "admin"
    }
}

/// A mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mailbox {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// The address.
    #[serde(default, deserialize_with = "text")]
    pub email: String,
    /// When it was made.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, with = "time")]
    pub updated_at: Option<Timestamp>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The definition of a custom field of a mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomField {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The name.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// `dropdown`, `singleline`, `singlelinetags`, `multiline`, `number`, `date`, `multiselectdropdown`.
    #[serde(rename = "type", default, deserialize_with = "text")]
    pub kind: String,
    /// A dropdown's options as id and label, in the server's order.
    #[serde(default, deserialize_with = "options", serialize_with = "options_as_object")]
    pub options: Vec<(String, String)>,
    /// Whether agents must fill it in.
    #[serde(default, deserialize_with = "flag")]
    pub required: bool,
    /// Its place among the fields.
    #[serde(default, deserialize_with = "maybe_id")]
    pub sort_order: Option<u64>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl CustomField {
    /// Whether values are option ids.
    pub fn is_dropdown(&self) -> bool {
        self.kind == "dropdown"
    }

    /// The id of the option with this label: exactly so, else whatever the case.
    pub fn option(&self, label: &str) -> Option<&str> {
        let label = label.trim();
        let exact = self.options.iter().find(|(_, known)| known.trim() == label);
        let found = exact
            .or_else(|| self.options.iter().find(|(_, known)| known.trim().to_lowercase() == label.to_lowercase()));
        found.map(|(id, _)| id.as_str())
    }
}

/// A folder of a mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Folder {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The name in the server's language.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// 1 unassigned, 20 mine, 25 starred, 30 drafts, 40 assigned, 60 closed, 70 deleted, 80 spam.
    #[serde(rename = "type", default, deserialize_with = "maybe_id")]
    pub kind: Option<u64>,
    /// Whose folder it is, for personal ones.
    #[serde(default, deserialize_with = "maybe_id")]
    pub user_id: Option<u64>,
    /// Conversations in it.
    #[serde(default, deserialize_with = "maybe_id")]
    pub total_count: Option<u64>,
    /// Active conversations in it.
    #[serde(default, deserialize_with = "maybe_id")]
    pub active_count: Option<u64>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A tag.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Tag {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The name, in lower case.
    #[serde(default, deserialize_with = "text")]
    pub name: String,
    /// How often it is used, says FreeScout; it drifts. Only in the list of tags.
    #[serde(default, deserialize_with = "maybe_id", skip_serializing_if = "Option::is_none")]
    pub counter: Option<u64>,
    /// Its colour, 0 to 11. Only in the list of tags.
    #[serde(default, deserialize_with = "maybe_id", skip_serializing_if = "Option::is_none")]
    pub color: Option<u64>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Time that a user spent on a conversation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timelog {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// The conversation's status then.
    #[serde(default, deserialize_with = "text")]
    pub conversation_status: String,
    /// The user.
    #[serde(default, deserialize_with = "maybe_id")]
    pub user_id: Option<u64>,
    /// Seconds.
    #[serde(default, deserialize_with = "maybe_id")]
    pub time_spent: Option<u64>,
    /// Whether the clock is stopped.
    #[serde(default, deserialize_with = "flag")]
    pub paused: bool,
    /// Whether it is over.
    #[serde(default, deserialize_with = "flag")]
    pub finished: bool,
    /// When it began.
    #[serde(default, with = "time")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, with = "time")]
    pub updated_at: Option<Timestamp>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A webhook, from its create: there is no other way to see one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Webhook {
    /// The id.
    #[serde(deserialize_with = "id")]
    pub id: u64,
    /// Where deliveries go.
    #[serde(default, deserialize_with = "text")]
    pub url: String,
    /// The events that FreeScout accepted.
    #[serde(default, deserialize_with = "texts")]
    pub events: Vec<String>,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The place of a list answer among its pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    /// Rows per page; old modules claim more than they give.
    #[serde(default, deserialize_with = "number_or_zero")]
    pub size: u64,
    /// Rows in all at that moment.
    #[serde(default, deserialize_with = "number_or_zero")]
    pub total_elements: u64,
    /// Pages in all, at least 1.
    #[serde(default, deserialize_with = "number_or_zero")]
    pub total_pages: u64,
    /// This page, from 1.
    #[serde(default, deserialize_with = "number_or_zero")]
    pub number: u64,
}

// ---- the tolerant readers -------------------------------------------------------------------

pub(crate) fn as_id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let float = number.as_f64()?;
            // Larger floats are not exact, and no id is that large.
            (float >= 0.0 && float.fract() == 0.0 && float < 9e15).then_some(float as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn as_text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn id<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(from)?;
    as_id(&value).ok_or_else(|| D::Error::custom(format!("not an id: `{value}`")))
}

fn maybe_id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(as_id(&Value::deserialize(from)?))
}

fn number_or_zero<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    Ok(maybe_id(from)?.unwrap_or(0))
}

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(maybe_text(from)?.unwrap_or_default())
}

fn maybe_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(as_text(Value::deserialize(from)?))
}

fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Bool(flag) => flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0" | "false"),
        _ => false,
    })
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Array(items) => items.into_iter().filter_map(as_text).collect(),
        Value::Object(items) => items.into_iter().filter_map(|(_, item)| as_text(item)).collect(),
        Value::String(text) => text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(String::from).collect(),
        _ => Vec::new(),
    })
}

pub(super) fn items<T: DeserializeOwned>(value: Value) -> Result<Vec<T>, serde_json::Error> {
    match value {
        Value::Array(items) => items.into_iter().map(serde_json::from_value).collect(),
        Value::Object(items) => items.into_iter().map(|(_, item)| serde_json::from_value(item)).collect(),
        _ => Ok(Vec::new()),
    }
}

fn list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    items(Value::deserialize(from)?).map_err(D::Error::custom)
}

fn maybe_list<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => items(value).map(Some).map_err(D::Error::custom),
    }
}

/// An object, or nothing: PHP gives `[]` and sometimes `""` where an object is empty.
fn maybe_object<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    match Value::deserialize(from)? {
        value @ Value::Object(_) => serde_json::from_value(value).map(Some).map_err(D::Error::custom),
        _ => Ok(None),
    }
}

fn or_default<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    Ok(maybe_object(from)?.unwrap_or_default())
}

fn options<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, String)>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::Object(options) => options.into_iter().filter_map(|(id, label)| Some((id, as_text(label)?))).collect(),
        // PHP writes consecutive ids from 0 as an array.
        Value::Array(labels) => {
            labels.into_iter().enumerate().filter_map(|(id, label)| Some((id.to_string(), as_text(label)?))).collect()
        }
        _ => Vec::new(),
    })
}

fn options_as_object<S: Serializer>(options: &[(String, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(options.iter().map(|(id, label)| (id, label)))
}

/// A time of an answer, in either form; `None` if it is null, empty, lost or unreadable.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('-') {
        return None;
    }
    let parsed = text.parse::<Timestamp>().ok().or_else(|| {
        // The dashed form of the reference: `2021-04-21T13-24-01Z`.
        let (date, time) = text.split_once('T')?;
        format!("{date}T{}", time.replace('-', ":")).parse().ok()
    })?;
    // MySQL's zero date also shows as year 0.
    (parsed > Timestamp::constant(-62_000_000_000, 0)).then_some(parsed)
}

/// A time as the API takes it: UTC, whole seconds.
pub fn show_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::Value;

    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => to.serialize_str(&super::show_time(*time)),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Value::deserialize(from)?.as_str().and_then(super::parse_time))
    }
}

#[cfg(test)]
mod tests;
