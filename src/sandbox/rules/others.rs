//! Custom fields, tags, users and webhooks, and the rows that only the control call can add.

use serde_json::{Map, Value, json};

use super::require;
use super::threads::refile;
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::input::{cut, id, int, is_array, is_empty, leading_int, members, snake_map, text};
use crate::sandbox::store::{Action, Store, Timelog, User, Webhook, code};
use crate::sandbox::text::sanitize_email;
use crate::sandbox::{Server, dates, show};

/// Every event that a webhook can listen to.
const EVENTS: [&str; 12] = [
    "convo.assigned",
    "convo.created",
    "convo.deleted",
    "convo.deleted_forever",
    "convo.restored",
    "convo.moved",
    "convo.status",
    "convo.customer.reply.created",
    "convo.agent.reply.created",
    "convo.note.created",
    "customer.created",
    "customer.updated",
];

impl Server {
    pub(in crate::sandbox) async fn update_custom_fields(
        &self,
        conversation: u64,
        data: Map<String, Value>,
    ) -> Result<Answer, Stop> {
        if !self.profile.has_custom_fields {
            return Err(Stop::module_off("Custom Fields"));
        }
        if self.store().conversation(conversation).is_none() {
            return Err(Stop::not_found());
        }
        require(&data, &["customFields"])?;
        if !is_array(&data["customFields"]) {
            return Err(Stop::crash());
        }
        for entry in members(&data["customFields"]) {
            if let (Some(field), Some(value)) = (entry.get("id").and_then(id), entry.get("value")) {
                // What changes nothing writes nothing, and does not wait for a lock on writes.
                if !value.is_null() && changes(&self.store(), conversation, field, value) {
                    self.gate().await;
                    set_field(&mut self.store(), conversation, field, value);
                }
            }
        }
        Ok(Answer::no_content())
    }

    pub(in crate::sandbox) async fn update_tags(
        &self,
        conversation: u64,
        data: Map<String, Value>,
    ) -> Result<Answer, Stop> {
        if !self.profile.has_tags {
            return Err(Stop::module_off("Tags"));
        }
        let Some(before) = self.store().conversation(conversation).map(|row| row.tags.clone()) else {
            return Err(Stop::not_found());
        };
        require(&data, &["tags"])?;
        if !is_array(&data["tags"]) {
            return Err(Stop::crash());
        }
        let given = members(&data["tags"]);
        let mut names = Vec::new();
        for tag in &given {
            if is_array(tag) {
                continue;
            }
            let Some(name) = text(Some(tag)).ok().flatten() else { return Err(Stop::crash()) };
            let name = normal_tag(&name);
            self.gate().await;
            let mut store = self.store();
            let tag = store.tag(&name);
            if let Some(row) = store.tags.get_mut(&tag) {
                // Counted up whether or not the conversation has it already.
                row.counter += 1;
            }
            let row = store.conversation_mut(conversation).ok_or_else(Stop::crash)?;
            if !row.tags.contains(&tag) {
                row.tags.push(tag);
            }
            names.push(tag);
        }
        if given.iter().any(|tag| is_array(tag)) {
            return Err(Stop::crash());
        }
        for tag in before.into_iter().filter(|tag| !names.contains(tag)) {
            self.gate().await;
            let mut store = self.store();
            if let Some(row) = store.conversation_mut(conversation) {
                row.tags.retain(|t| *t != tag);
            }
            let is_unused = store.tags.get_mut(&tag).is_some_and(|row| {
                row.counter -= 1;
                row.counter <= 0
            });
            if is_unused {
                store.remove_tag(tag);
            }
        }
        Ok(Answer::no_content())
    }

    pub(in crate::sandbox) async fn create_user(&self, data: Map<String, Value>) -> Result<Answer, Stop> {
        require(&data, &["email", "firstName", "lastName"])?;
        let data = snake_map(data);
        let part = |key: &str, longest: usize| -> Result<Option<String>, Stop> {
            Ok(text(data.get(key)).map_err(|_| Stop::crash())?.map(|t| cut(&t, longest).to_owned()))
        };
        let given = part("email", 191)?.unwrap_or_default();
        self.gate().await;
        let mut store = self.store();
        let exists = || Stop::refuse("email", "User with such email already exists");
        // An address that is none is compared as 0, and 0 equals every address.
        let email = sanitize_email(&given).ok_or_else(exists)?;
        if store.users.values().any(|u| u.email.eq_ignore_ascii_case(&email)) {
            return Err(exists());
        }
        if store.mailboxes.values().any(|m| m.email.eq_ignore_ascii_case(&email)) {
            let message =
                "There is a mailbox with such email. Users and mailboxes can not have the same email addresses.";
            return Err(Stop::refuse("email", message));
        }
        let now = dates::now();
        store.last_user += 1;
        let row = User {
            id: store.last_user,
            first_name: part("first_name", 20)?.unwrap_or_default(),
            last_name: part("last_name", 30)?.unwrap_or_default(),
            email,
            is_admin: false,
            is_deleted: false,
            alternate_emails: Some(part("alternate_emails", 100)?.unwrap_or_default()),
            job_title: part("job_title", 100)?,
            phone: part("phone", 60)?,
            timezone: part("timezone", 255)?.unwrap_or_else(|| "UTC".to_owned()),
            created: now,
            updated: now,
        };
        let mut shown = show::user(&row);
        // The answer is written before the row is read back: the role is still its number.
        shown["role"] = 1.into();
        let id = row.id;
        store.users.insert(id, row);
        Ok(Answer::created(id, shown))
    }

    pub(in crate::sandbox) async fn delete_user(&self, path: &str, data: Map<String, Value>) -> Result<Answer, Stop> {
        if !self.profile.deletes_users {
            return Err(Stop::Failed(Answer::page(405, "")));
        }
        let user = u64::try_from(leading_int(path)).unwrap_or(0);
        let bad = |message: String| Err(Stop::Refused(Answer::message(400, &message)));
        let by_user = {
            let store = self.store();
            let row = store.users.get(&user).ok_or_else(Stop::not_found)?;
            if row.is_deleted {
                return bad(format!("User is already deleted: {path}"));
            }
            if row.is_admin && store.users.values().filter(|u| u.is_admin).count() < 2 {
                return bad("Administrator can not be deleted".to_owned());
            }
            let given = data.get("byUserId");
            match given.and_then(id).filter(|id| store.users.get(id).is_some_and(|u| !u.is_deleted)) {
                Some(id) => id,
                None => {
                    let shown = text(given).ok().flatten().unwrap_or_default();
                    return bad(format!("User (byUserId) with the following ID not found: {shown}"));
                }
            }
        };
        self.gate().await;
        let mut store = self.store();
        let theirs: Vec<(u64, u64)> =
            store.conversations().filter(|c| c.assignee == Some(user)).map(|c| (c.id, c.mailbox)).collect();
        for (conversation, mailbox) in theirs {
            let next = data.get("assignTo").and_then(|map| map.get(mailbox.to_string())).and_then(id);
            let next = next.filter(|id| store.users.contains_key(id));
            store.change(conversation, |row| {
                row.assignee = next;
                row.updated = dates::now();
            });
            refile(&mut store, conversation);
            let action = next.map_or(Action::UserDeleted, |id| Action::Assignee(Some(id)));
            self.line_item(&mut store, conversation, Some(by_user), code::NO_CHANGE, action, None);
        }
        for mailbox in store.mailboxes.values_mut() {
            mailbox.users.retain(|u| *u != user);
            mailbox.folders.retain(|f| f.user != Some(user));
        }
        if let Some(row) = store.users.get_mut(&user) {
            let at = dates::show(dates::now());
            let suffix = format!("_deleted{at}");
            row.email = format!("{}{suffix}", cut(&row.email, 191 - suffix.len()));
            row.is_deleted = true;
            row.updated = dates::now();
        }
        Ok(Answer::no_content())
    }

    pub(in crate::sandbox) fn create_webhook(&self, data: &Map<String, Value>) -> Result<Answer, Stop> {
        require(data, &["url", "events"])?;
        let url = text(data.get("url")).map_err(|_| Stop::crash())?.unwrap_or_default();
        let given: Vec<String> = match &data["events"] {
            list if is_array(list) => members(list).into_iter().map(|e| e.as_str().unwrap_or("").to_owned()).collect(),
            one => text(Some(one)).ok().flatten().unwrap_or_default().split(',').map(|e| e.trim().to_owned()).collect(),
        };
        let events: Vec<(u32, String)> =
            (0..).zip(given).filter(|(_, event)| EVENTS.contains(&event.as_str())).collect();
        if url.is_empty() || events.is_empty() {
            return Err(Stop::Refused(Answer::message(400, "Error occurred")));
        }
        let mut store = self.store();
        store.last_webhook += 1;
        let id = store.last_webhook;
        let has_holes = events.iter().enumerate().any(|(i, (key, _))| i as u32 != *key);
        let shown: Value = if has_holes {
            Value::Object(events.iter().map(|(key, event)| (key.to_string(), Value::from(event.as_str()))).collect())
        } else {
            events.iter().map(|(_, event)| Value::from(event.as_str())).collect()
        };
        let url = cut(&url, 255).to_owned();
        let body = json!({"id": id, "url": url, "events": shown, "lastRunTime": null, "lastRunError": ""});
        store.webhooks.insert(id, Webhook { id, url, events });
        Ok(Answer::created(id, body))
    }

    pub(in crate::sandbox) fn delete_webhook(&self, id: u64) -> Result<Answer, Stop> {
        self.store().webhooks.remove(&id).ok_or_else(Stop::not_found)?;
        Ok(Answer::no_content())
    }

    /// Adds rows that the API cannot create: `{"timelogs": [{"conversationId": …, …}]}`.
    pub(in crate::sandbox) fn load(&self, rows: &Value) {
        let mut store = self.store();
        for row in rows.get("timelogs").map(members).unwrap_or_default() {
            let number = |key: &str| u64::try_from(int(row.get(key))).unwrap_or(0);
            let word = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let next = store.timelogs.last().map_or(1, |log| log.id + 1);
            store.timelogs.push(Timelog {
                id: if number("id") == 0 { next } else { number("id") },
                conversation: number("conversationId"),
                status: word("conversationStatus"),
                user: number("userId"),
                time_spent: int(row.get("timeSpent")),
                is_paused: !is_empty(row.get("paused")),
                is_finished: !is_empty(row.get("finished")),
                created: word("createdAt"),
                updated: word("updatedAt"),
            });
        }
    }
}

/// Lower case, trimmed, cut to the column.
pub(super) fn normal_tag(name: &str) -> String {
    cut(name.trim(), 191).to_lowercase()
}

/// A value as text; lists are joined with commas.
pub(super) fn joined(value: &Value) -> String {
    if is_array(value) {
        let parts: Vec<String> = members(value).into_iter().filter_map(|v| text(Some(v)).ok().flatten()).collect();
        return parts.join(",");
    }
    text(Some(value)).ok().flatten().unwrap_or_default()
}

/// What a field's new value would be stored as; none when nothing would be written.
fn next_value(store: &Store, conversation: u64, field: u64, value: &Value) -> Option<String> {
    let definition = store.field(field)?;
    let row = store.conversation(conversation)?;
    let current = row.fields.iter().find(|(id, _)| *id == field).map(|(_, v)| &**v);
    if value.is_null() || is_loosely_equal(current, value) {
        return None;
    }
    let next = joined(value);
    if definition.kind == "date" && !next.is_empty() {
        let instant = dates::parse(&next, &jiff::tz::TimeZone::UTC)?;
        return dates::show(instant).get(..10).map(str::to_owned);
    }
    Some(next)
}

fn changes(store: &Store, conversation: u64, field: u64, value: &Value) -> bool {
    next_value(store, conversation, field, value).is_some()
}

/// Stores a custom field's value by the module's rules: unknown fields, equal values and broken dates are passed over.
pub(super) fn set_field(store: &mut Store, conversation: u64, field: u64, value: &Value) {
    let Some(next) = next_value(store, conversation, field, value) else { return };
    let Some(row) = store.conversation_mut(conversation) else { return };
    match row.fields.iter_mut().find(|(id, _)| *id == field) {
        Some((_, kept)) => *kept = next.into(),
        None => row.fields.push((field, next.into())),
    }
}

/// PHP's `==` between what is stored, or nothing, and what was sent.
fn is_loosely_equal(current: Option<&str>, value: &Value) -> bool {
    let Some(current) = current else {
        // Against null: 0, false, "" and [] are equal; the text "0" is not.
        return match value {
            Value::String(s) => s.is_empty(),
            other => is_empty(Some(other)),
        };
    };
    let as_number = |t: &str| t.trim().parse::<f64>().ok();
    match value {
        Value::Null => current.is_empty(),
        Value::Bool(b) => *b != (current.is_empty() || current == "0"),
        Value::Number(n) => match as_number(current) {
            Some(c) => n.as_f64() == Some(c),
            None => n.to_string() == current,
        },
        Value::String(s) => match (as_number(current), as_number(s)) {
            (Some(a), Some(b)) => a == b,
            _ => current == s,
        },
        Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_loosely() {
        for (current, value, want) in [
            (None, json!(0), true),
            (None, json!(false), true),
            (None, json!("0"), false),
            (Some("1"), json!("01"), true),
            (Some("a"), json!("A"), false),
            (Some("3"), json!(3), true),
            (Some("x"), json!([]), false),
        ] {
            assert_eq!(is_loosely_equal(current, &value), want, "{current:?} {value}");
        }
    }
}
