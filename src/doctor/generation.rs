//! Which generation of the module this is, and which optional modules are on: by questions, and by requests about
//! things that cannot exist (id 0).
//!
//! There is no version endpoint (`freescout-behaviour.md`, section 13).

use crate::freescout::{ApiError, Client, ConversationFilter, Directory, ErrorKind, Page, UserFilter};

use super::{Desk, Grade};

/// An id that nobody has.
const NOBODY: u64 = 999_999_999;

pub(super) async fn look(desk: &mut Desk<'_>, directory: &Directory) {
    module(desk).await;
    let fields = directory.mailboxes.iter().any(|entry| entry.fields.is_some());
    optional(
        desk,
        "custom-fields",
        "Custom Fields",
        Ok(fields || directory.mailboxes.is_empty()),
        "values that a mapping puts into custom fields would be lost: switch the module on, or leave `[fields]` out of the mapping",
    );
    optional(
        desk,
        "tags",
        "Tags",
        Ok(directory.has_tags),
        "tags would be lost: switch the module on, or leave `[tags]` out of the mapping",
    );
    let time = is_on(desk.ask(|client: &Client| client.timelogs(0, Page::of(1))).await);
    optional(
        desk,
        "time-tracking",
        "Time Tracking",
        time,
        "nothing: its entries cannot be imported in any case, and a backup has none",
    );
    let crm = is_on(desk.ask(|client: &Client| client.set_customer_fields(0, &[])).await);
    optional(
        desk,
        "customer-fields",
        "CRM (customer fields)",
        crm,
        "customer fields would be lost: switch the module on, or leave them out of the mapping",
    );
}

/// Whether an optional module is on, from the answer about a thing that does not exist.
fn is_on<T>(answer: Result<T, ApiError>) -> Result<bool, ApiError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) if error.is_module_off() => Ok(false),
        Err(error) => Err(error),
    }
}

fn optional(desk: &mut Desk<'_>, topic: &'static str, name: &str, is_on: Result<bool, ApiError>, advice: &str) {
    match is_on {
        Ok(true) => desk.fine(topic, format!("the module {name} is on")),
        Ok(false) => desk.say(topic, Grade::Note, format!("the module {name} is off"), advice),
        Err(error) => desk.unanswered(topic, &format!("whether the module {name} is on cannot be found out"), &error),
    }
}

/// What is known of the module's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Up to 1.0.67 or little later.
    Old,
    /// From about 1.0.81.
    Middle,
    /// From 1.0.83 to 1.0.86 on.
    New,
}

async fn module(desk: &mut Desk<'_>) {
    let age = match age(desk).await {
        Ok(age) => age,
        Err(error) => {
            return desk.unanswered("module", "how old the module API & Webhooks is cannot be found out", &error);
        }
    };
    match age {
        Some(Age::New) => desk.fine("module", "API & Webhooks behaves as 1.0.83 and newer do"),
        Some(Age::Middle) => desk.say(
            "module",
            Grade::Note,
            "API & Webhooks behaves as 1.0.81 and 1.0.82 do: the time of imported replies counts as now in \"waiting since\"",
            "update the module before the import",
        ),
        None => desk.fine("module", "API & Webhooks behaves as 1.0.81 and newer do"),
        Some(Age::Old) => desk.say(
            "module",
            Grade::Warning,
            "API & Webhooks behaves as 1.0.67 and older do: it ignores filters and page sizes, and alters more of what is imported",
            "update the module before the import",
        ),
    }
}

/// `None`: at least middle, and nothing is there to tell more by.
async fn age(desk: &mut Desk<'_>) -> Result<Option<Age>, ApiError> {
    // No user has the id 0, so nobody is deleted.
    let deletes_users = match desk.ask(|client: &Client| client.delete_user(0, 0, &[])).await {
        Ok(_) => true,
        Err(error) if matches!(error.kind(), ErrorKind::NoSuchMethod) => false,
        Err(error) if matches!(error.kind(), ErrorKind::Refused) => true,
        Err(error) => return Err(error),
    };
    let nobodys = ConversationFilter { created_by_user: Some(NOBODY), ..ConversationFilter::default() };
    let filters = desk.ask(|client: &Client| client.list_conversations(&nobodys, Page::of(1))).await?.items.is_empty();
    let everybody = UserFilter::default();
    let pages = desk.ask(|client: &Client| client.list_users(&everybody, Page::of(1))).await?.items.len() <= 1;
    if !(deletes_users && filters && pages) {
        return Ok(Some(Age::Old));
    }
    let anything = ConversationFilter::default();
    let latest = desk.ask(|client: &Client| client.list_conversations(&anything, Page::of(1))).await?;
    let Some(inner) = latest.items.first().and_then(|row| inside(&row.subject)) else { return Ok(None) };
    let part = ConversationFilter { subject: Some(inner), ..ConversationFilter::default() };
    let found = desk.ask(|client: &Client| client.list_conversations(&part, Page::of(1))).await?;
    Ok(Some(if found.items.is_empty() { Age::Middle } else { Age::New }))
}

/// A part of a subject that is not the whole of it; none, where `%` and `_` would match more than themselves.
fn inside(subject: &str) -> Option<String> {
    let letters: Vec<char> = subject.trim().chars().collect();
    let inner: String = letters.get(1..letters.len().checked_sub(1)?)?.iter().collect();
    let inner = inner.trim().to_owned();
    (inner.chars().count() >= 3 && !inner.contains(['%', '_', '\\'])).then_some(inner)
}
