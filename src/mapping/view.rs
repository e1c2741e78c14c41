//! A record as expressions and templates see it: looked up name by name, never copied as a whole.

use std::borrow::Cow;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use serde_json::Value as Json;

use crate::html;
use crate::record::{Body, Entry, Person, Record};

/// The names that a record has by itself; everything else is looked up in its fields.
pub(super) const RECORD_NAMES: &[&str] = &[
    "id",
    "source",
    "subject",
    "status",
    "channel",
    "tags",
    "requester",
    "assignee",
    "cc",
    "created_at",
    "updated_at",
    "closed_at",
    "url",
    "entries",
    "fields",
];

/// The names that an entry has by itself.
pub(super) const ENTRY_NAMES: &[&str] =
    &["id", "kind", "public", "author", "to", "cc", "created_at", "attachments", "text", "fields"];

/// The names that a person has by itself.
pub(super) const PERSON_NAMES: &[&str] = &["id", "name", "email", "emails", "phones", "role", "company", "fields"];

/// What stands under a path.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<'r> {
    /// No such thing, or `null`, or a text without anything but white space.
    Nothing,
    /// One value, as text.
    Text(Cow<'r, str>),
    /// Several.
    List(Vec<Cow<'r, str>>),
}

impl<'r> Found<'r> {
    fn text(text: &'r str) -> Self {
        if text.trim().is_empty() { Self::Nothing } else { Self::Text(Cow::Borrowed(text)) }
    }

    fn option(text: Option<&'r str>) -> Self {
        text.map_or(Self::Nothing, Self::text)
    }

    fn list(items: impl Iterator<Item = &'r str>) -> Self {
        Self::List(items.map(Cow::Borrowed).collect())
    }

    fn json(value: &'r Json) -> Self {
        match value {
            Json::Null => Self::Nothing,
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::List(items.iter().filter_map(scalar).collect()),
            other => Self::Text(Cow::Owned(other.to_string())),
        }
    }

    /// One text: a list is joined with commas.
    pub(super) fn joined(self) -> Option<Cow<'r, str>> {
        match self {
            Self::Nothing => None,
            Self::Text(text) => Some(text),
            Self::List(items) if items.is_empty() => None,
            Self::List(items) => Some(Cow::Owned(items.join(", "))),
        }
    }
}

fn scalar(value: &Json) -> Option<Cow<'_, str>> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(Cow::Borrowed(text)),
        other => Some(Cow::Owned(other.to_string())),
    }
}

/// Looks a path up in a record, or in one of its entries when it starts with `entry`.
pub(super) fn look_up<'r>(record: &'r Record, entry: Option<&'r Entry>, path: &[String]) -> Found<'r> {
    let Some((first, rest)) = path.split_first() else { return Found::Nothing };
    let time =
        |time: Option<jiff::Timestamp>| time.map_or(Found::Nothing, |time| Found::Text(Cow::Owned(time.to_string())));
    match (first.as_str(), rest) {
        ("entry", _) => entry.map_or(Found::Nothing, |entry| entry_part(entry, rest)),
        ("id", []) => Found::text(&record.id.original),
        ("source", []) => Found::text(&record.id.source),
        ("subject", []) => Found::option(record.subject.as_deref()),
        ("status", []) => Found::option(record.status.as_deref()),
        ("channel", []) => Found::option(record.channel.as_deref()),
        ("url", []) => Found::option(record.url.as_deref()),
        ("tags", []) => Found::list(record.tags.iter().map(String::as_str)),
        ("created_at", []) => time(record.created_at),
        ("updated_at", []) => time(record.updated_at),
        ("closed_at", []) => time(record.closed_at),
        ("requester", _) => record.requester.as_ref().map_or(Found::Nothing, |person| person_part(person, rest)),
        ("assignee", _) => record.assignee.as_ref().map_or(Found::Nothing, |person| person_part(person, rest)),
        ("cc", []) => Found::list(record.cc.iter().filter_map(Person::email)),
        ("fields", [name, rest @ ..]) => field(&record.fields, name, rest),
        (name, _) => field(&record.fields, name, rest),
    }
}

fn entry_part<'r>(entry: &'r Entry, path: &[String]) -> Found<'r> {
    let Some((first, rest)) = path.split_first() else { return Found::Nothing };
    match (first.as_str(), rest) {
        ("id", []) => Found::text(&entry.id),
        ("kind", []) => Found::text(&entry.kind),
        ("public", []) => Found::text(if entry.is_public { "true" } else { "false" }),
        ("author", _) => entry.author.as_ref().map_or(Found::Nothing, |person| person_part(person, rest)),
        ("to", []) => Found::list(entry.to.iter().filter_map(Person::email)),
        ("cc", []) => Found::list(entry.cc.iter().filter_map(Person::email)),
        ("created_at", []) => entry.created_at.map_or(Found::Nothing, |t| Found::Text(Cow::Owned(t.to_string()))),
        ("attachments", []) => Found::Text(Cow::Owned(entry.attachments.len().to_string())),
        ("text", []) => Found::Text(Cow::Owned(plain(&entry.body))),
        ("fields", [name, rest @ ..]) => field(&entry.fields, name, rest),
        (name, _) => field(&entry.fields, name, rest),
    }
}

fn person_part<'r>(person: &'r Person, path: &[String]) -> Found<'r> {
    let Some((first, rest)) = path.split_first() else {
        return Found::option(person.email().or(person.name.as_deref()));
    };
    match (first.as_str(), rest) {
        ("id", []) => Found::option(person.id.as_deref()),
        ("name", []) => Found::option(person.name.as_deref()),
        ("email", []) => Found::option(person.email()),
        ("emails", []) => Found::list(person.emails.iter().map(String::as_str)),
        ("phones", []) => Found::list(person.phones.iter().map(String::as_str)),
        ("role", []) => Found::option(person.role.as_deref()),
        ("company", []) => Found::option(person.company.as_deref()),
        ("fields", [name, rest @ ..]) => field(&person.fields, name, rest),
        (name, _) => field(&person.fields, name, rest),
    }
}

fn field<'r>(fields: &'r serde_json::Map<String, Json>, name: &str, rest: &[String]) -> Found<'r> {
    let mut value = fields.get(name);
    for step in rest {
        value = value.and_then(|value| value.get(step));
    }
    value.map_or(Found::Nothing, Found::json)
}

fn plain(body: &Body) -> String {
    match body {
        Body::Html(html) => html::to_text(html),
        Body::Text(text) => text.clone(),
        Body::Empty => String::new(),
    }
}

/// A record as an object of the template engine, perhaps at one of its entries.
#[derive(Debug)]
pub(super) struct RecordView {
    record: Arc<Record>,
    place: Option<EntryPlace>,
}

/// Where in a conversation an entry will stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryPlace {
    /// Which entry of the record.
    pub index: usize,
    /// Which of the threads, counted from 0.
    pub position: usize,
    /// How many threads there are.
    pub length: usize,
}

/// The record as the root of an expression.
pub(super) fn root(record: &Arc<Record>, place: Option<EntryPlace>) -> Value {
    Value::from_object(RecordView { record: Arc::clone(record), place })
}

impl Object for RecordView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let record = &self.record;
        let name = key.as_str()?;
        Some(match name {
            "id" => Value::from(record.id.original.as_str()),
            "source" => Value::from(&*record.id.source),
            "subject" => optional(record.subject.as_deref()),
            "status" => optional(record.status.as_deref()),
            "channel" => optional(record.channel.as_deref()),
            "url" => optional(record.url.as_deref()),
            "tags" => record.tags.iter().map(String::as_str).collect(),
            "requester" => person(record.requester.as_ref()),
            "assignee" => person(record.assignee.as_ref()),
            "cc" => people(&record.cc),
            "created_at" => time(record.created_at),
            "updated_at" => time(record.updated_at),
            "closed_at" => time(record.closed_at),
            "fields" => Value::from_object(FieldsView(Arc::clone(record))),
            "entries" => (0..record.entries.len())
                .map(|index| Value::from_object(EntryView { record: Arc::clone(record), index }))
                .collect(),
            "entry" => {
                let index = self.place?.index;
                Value::from_object(EntryView { record: Arc::clone(record), index })
            }
            "loop" => {
                let EntryPlace { position, length, .. } = self.place?;
                minijinja::context! {
                    first => position == 0,
                    last => position + 1 == length,
                    index => position + 1,
                    length => length,
                }
            }
            _ => json(record.fields.get(name)?),
        })
    }
}

/// The left-over fields of a record, one by one.
#[derive(Debug)]
struct FieldsView(Arc<Record>);

impl Object for FieldsView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.fields.get(key.as_str()?).map(json)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.fields.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

#[derive(Debug)]
struct EntryView {
    record: Arc<Record>,
    index: usize,
}

impl Object for EntryView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let entry = self.record.entries.get(self.index)?;
        let name = key.as_str()?;
        Some(match name {
            "id" => Value::from(entry.id.as_str()),
            "kind" => Value::from(entry.kind.as_str()),
            "public" => Value::from(entry.is_public),
            "author" => person(entry.author.as_ref()),
            "to" => people(&entry.to),
            "cc" => people(&entry.cc),
            "created_at" => time(entry.created_at),
            "attachments" => Value::from(entry.attachments.len()),
            "text" => Value::from(plain(&entry.body)),
            "fields" => object(&entry.fields),
            _ => json(entry.fields.get(name)?),
        })
    }
}

#[derive(Debug)]
struct PersonView(Person);

impl Object for PersonView {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let person = &self.0;
        let name = key.as_str()?;
        Some(match name {
            "id" => optional(person.id.as_deref()),
            "name" => optional(person.name.as_deref()),
            "email" => optional(person.email()),
            "emails" => person.emails.iter().map(String::as_str).collect(),
            "phones" => person.phones.iter().map(String::as_str).collect(),
            "role" => optional(person.role.as_deref()),
            "company" => optional(person.company.as_deref()),
            "fields" => object(&person.fields),
            _ => json(person.fields.get(name)?),
        })
    }
}

fn optional(text: Option<&str>) -> Value {
    text.map_or(Value::from(()), Value::from)
}

fn time(time: Option<jiff::Timestamp>) -> Value {
    time.map_or(Value::from(()), |time| Value::from(time.to_string()))
}

fn person(person: Option<&Person>) -> Value {
    // People are small; a copy costs less than a path back into the record.
    person.map_or(Value::from(()), |person| Value::from_object(PersonView(person.clone())))
}

fn people(people: &[Person]) -> Value {
    people.iter().map(|one| person(Some(one))).collect()
}

/// A left-over field as a value; its nesting was bounded when the archive was parsed.
fn json(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(is) => Value::from(*is),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => items.iter().map(json).collect(),
        Json::Object(fields) => object(fields),
    }
}

fn object(fields: &serde_json::Map<String, Json>) -> Value {
    Value::from_pairs(fields.iter().map(|(name, value)| (name.as_str(), json(value))))
}
