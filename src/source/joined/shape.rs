//! What a mapping says about collections: `[shape.json]`, and the same keys under `[shape.csv]`.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::json::elements::Step;

/// Collections, and how records are put together from them.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Joins {
    /// Where the tickets are.
    pub tickets: Several<Place>,
    /// Where what was written is: inside of the tickets, or in collections that refer to them.
    pub messages: Several<Place>,
    /// Where people are; requesters, authors and others name them by `key`.
    pub people: Several<Place>,
    /// Where attachments are: inside of the messages, or in collections that refer to them.
    pub attachments: Several<Place>,
    /// Collections whose values are put into the ticket as a list, under their name.
    pub lists: BTreeMap<String, Listed>,
    /// Tables of ids and names, for `lookup`.
    pub lookups: BTreeMap<String, Listed>,
    /// What a ticket's fields are called.
    pub ticket: Ticket,
    /// What a message's fields are called.
    pub message: Message,
    /// What a person's fields are called.
    pub person: PersonNames,
    /// What an attachment's fields are called.
    pub attachment: AttachmentNames,
    /// How dates without a sign of their own are written: `iso`, `dmy`, `mdy`, or a pattern such as `%d.%m.%Y %H:%M`.
    pub dates: Option<String>,
}

/// One, or a list of several.
#[derive(Debug, Clone)]
pub struct Several<T>(pub Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Where the elements of a collection are. A text alone is the file.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The file's name, with `*` and `?`.
    pub file: Option<Spanned<String>>,
    /// The path to the elements in the file.
    pub at: Path,
    /// The path to the elements in the ticket or message that holds them.
    pub inside: Option<Path>,
    /// What an element is known by, or the field in which it names the one it belongs to; `*`: what the `*` of the
    /// file's name stands for.
    pub key: Option<Path>,
    /// Which field of the other one is meant by `key`; left out: its id.
    pub to: Option<Path>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceTable {
    file: Option<Spanned<String>>,
    #[serde(default)]
    at: Path,
    inside: Option<Path>,
    key: Option<Path>,
    to: Option<Path>,
}

/// A collection of which one value each is wanted.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The file's name, with `*` and `?`.
    pub file: Spanned<String>,
    /// The path to the elements in the file.
    #[serde(default)]
    pub at: Path,
    /// The field by which an element is looked up.
    pub key: Path,
    /// The value that is wanted.
    pub value: Path,
}

/// The way to a value: names with dots between, `*` for each element of a list or member of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    /// As the mapping has it.
    pub text: String,
    /// Its parts.
    pub parts: Vec<String>,
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<String> = text.split('.').map(|part| part.trim().to_owned()).collect();
        if text.trim().is_empty() || parts.iter().any(String::is_empty) {
            return Err(format!("`{text}` is not a path: expected names with dots between, such as `data.tickets`"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As steps through a file.
    pub(super) fn steps(&self) -> Vec<Step> {
        let step = |part: &String| if part == "*" { Step::Each } else { Step::Key(part.clone()) };
        self.parts.iter().map(step).collect()
    }
}

/// A value: a path, several of which the first that holds something counts, or a table that says more.
#[derive(Debug, Clone, Default)]
pub struct Take {
    /// The paths.
    pub from: Vec<Path>,
    /// The lookup table through which the value goes.
    pub lookup: Option<Spanned<String>>,
    /// Words and what they mean.
    pub table: BTreeMap<String, String>,
    /// For switches: the words that mean yes.
    pub is: Vec<String>,
    /// All values are joined with this between.
    pub join: Option<String>,
}

impl Take {
    /// Whether the mapping says nothing about it.
    pub fn is_none(&self) -> bool {
        self.from.is_empty()
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct TakeTable {
    from: Several<Path>,
    lookup: Option<Spanned<String>>,
    #[serde(default)]
    table: BTreeMap<String, String>,
    #[serde(default)]
    is: Several<String>,
    join: Option<String>,
}

/// What a ticket's fields are called.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of records")]
pub struct Ticket {
    pub id: Take,
    pub subject: Take,
    pub status: Take,
    pub channel: Take,
    pub url: Take,
    pub requester: Take,
    pub requester_name: Take,
    pub requester_email: Take,
    pub assignee: Take,
    pub assignee_name: Take,
    pub assignee_email: Take,
    pub cc: Take,
    pub tags: Take,
    pub created_at: Take,
    pub updated_at: Take,
    pub closed_at: Take,
    /// The opening message, where it is part of the ticket.
    pub html: Take,
    /// The opening message, where it is part of the ticket.
    pub text: Take,
    /// Whether the ticket's own text is `first` of its messages, or only stands in when there is `none`.
    pub text_is: TextIs,
    /// Further fields under names of the mapping's choice.
    pub fields: BTreeMap<String, Take>,
    /// A list of fields, each with its id and value.
    pub custom: Option<Custom>,
}

/// What the text of a ticket is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextIs {
    /// Its first message.
    #[default]
    First,
    /// The message of a ticket that has none.
    Alone,
}

/// A list of fields, each an object with its id and value.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Custom {
    /// Where the list is in the ticket.
    pub inside: Path,
    /// Its id or name.
    pub key: Path,
    /// Its value.
    pub value: Path,
    /// The lookup table that has its name.
    pub lookup: Option<Spanned<String>>,
}

/// What a message's fields are called.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of entries")]
pub struct Message {
    pub id: Take,
    pub kind: Take,
    pub author: Take,
    pub author_name: Take,
    pub author_email: Take,
    /// The writer's part, in the words of `[people] roles`.
    pub author_role: Take,
    pub to: Take,
    pub cc: Take,
    pub bcc: Take,
    pub html: Take,
    pub text: Take,
    pub created_at: Take,
    /// Whether customers could see it.
    pub public: Take,
    /// Whether they could not.
    pub private: Take,
}

/// What a person's fields are called.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of people")]
pub struct PersonNames {
    pub id: Take,
    pub name: Take,
    pub email: Take,
    pub phone: Take,
    pub role: Take,
    pub company: Take,
}

/// What an attachment's fields are called.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "the names are those of attachments")]
pub struct AttachmentNames {
    pub name: Take,
    pub mime: Take,
    pub size: Take,
    pub url: Take,
    /// A file of the archive's folder.
    pub file: Take,
    /// The bytes as base64.
    pub data: Take,
    pub content_id: Take,
    pub inline: Take,
}

/// What is wrong with a shape beyond its types, with its place in the mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeFault {
    /// Bytes of the mapping's text; `None`: the section as a whole.
    pub span: Option<Range<usize>>,
    /// What is wrong and what would be right.
    pub problem: String,
    /// Advice that would work.
    pub hint: Option<String>,
}

impl Joins {
    /// Whether the mapping says where the tickets are.
    pub fn is_used(&self) -> bool {
        !self.tickets.0.is_empty()
    }

    /// Whether the mapping says nothing of collections at all.
    pub fn is_blank(&self) -> bool {
        let files = [&self.tickets, &self.messages, &self.people, &self.attachments];
        files.iter().all(|places| places.0.is_empty())
            && self.lists.is_empty()
            && self.lookups.is_empty()
            && self.ticket_takes().iter().chain(&self.other_takes()).all(|take| take.is_none())
    }

    /// What does not fit together; `section` is `shape.json` or `shape.csv`.
    pub fn faults(&self, section: &str) -> Vec<ShapeFault> {
        let mut faults = Vec::new();
        if self.is_blank() {
            return faults;
        }
        let mut whole =
            |problem: String, hint: String| faults.push(ShapeFault { span: None, problem, hint: Some(hint) });
        if self.tickets.0.is_empty() {
            whole(
                format!("`[{section}]` does not say where the tickets are"),
                match section {
                    "shape.csv" => "add `tickets = \"tickets.csv\"`".to_owned(),
                    _ => "add `tickets = \"tickets*.json\"`, or `tickets = { file = \"…\", at = \"data.tickets\" }`"
                        .to_owned(),
                },
            );
        }
        if self.ticket.id.is_none() {
            whole(
                format!("`[{section}.ticket]` does not say what a ticket's id is called"),
                format!("add `[{section}.ticket]` with `id = \"id\"`"),
            );
        }
        for (name, places) in [("messages", &self.messages), ("attachments", &self.attachments)] {
            for place in &places.0 {
                if place.inside.is_none() && (place.file.is_none() || place.key.is_none()) {
                    faults.push(ShapeFault {
                        span: place.file.as_ref().map(Spanned::span),
                        problem: format!("`{name}` have neither `inside`, nor a `file` with `key`"),
                        hint: Some(format!(
                            "write `{name} = {{ inside = \"…\" }}`, or `{{ file = \"…\", key = \"ticket_id\" }}`"
                        )),
                    });
                }
            }
        }
        let files = [&self.tickets, &self.messages, &self.people, &self.attachments];
        let listed = self.lists.values().chain(self.lookups.values()).map(|listed| &listed.file);
        for file in files.iter().flat_map(|places| &places.0).filter_map(|place| place.file.as_ref()).chain(listed) {
            if let Err(error) = globset::Glob::new(file.get_ref()) {
                let problem = format!("not a pattern for files: {}", error.kind());
                faults.push(ShapeFault { span: Some(file.span()), problem, hint: None });
            }
        }
        let takes = self.ticket_takes().into_iter().chain(self.other_takes());
        let lookups = takes
            .filter_map(|take| take.lookup.as_ref())
            .chain(self.ticket.custom.iter().filter_map(|it| it.lookup.as_ref()));
        for lookup in lookups {
            if !self.lookups.contains_key(lookup.get_ref()) {
                let near = self.lookups.keys().max_by(|a, b| {
                    strsim::jaro_winkler(a, lookup.get_ref()).total_cmp(&strsim::jaro_winkler(b, lookup.get_ref()))
                });
                faults.push(ShapeFault {
                    span: Some(lookup.span()),
                    problem: format!("there is no such table under `[{section}.lookups]`"),
                    hint: Some(match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!(
                            "add `[{section}.lookups]` with `{} = {{ file = \"…\", key = \"id\", value = \"name\" }}`",
                            lookup.get_ref()
                        ),
                    }),
                });
            }
        }
        faults
    }

    /// Every value of a ticket.
    pub(super) fn ticket_takes(&self) -> Vec<&Take> {
        let it = &self.ticket;
        let mut takes = vec![
            &it.id,
            &it.subject,
            &it.status,
            &it.channel,
            &it.url,
            &it.requester,
            &it.requester_name,
            &it.requester_email,
            &it.assignee,
            &it.assignee_name,
            &it.assignee_email,
            &it.cc,
            &it.tags,
            &it.created_at,
            &it.updated_at,
            &it.closed_at,
            &it.html,
            &it.text,
        ];
        takes.extend(it.fields.values());
        takes
    }

    /// Every value of a message.
    pub(super) fn message_takes(&self) -> Vec<&Take> {
        let it = &self.message;
        vec![
            &it.id,
            &it.kind,
            &it.author,
            &it.author_name,
            &it.author_email,
            &it.author_role,
            &it.to,
            &it.cc,
            &it.bcc,
            &it.html,
            &it.text,
            &it.created_at,
            &it.public,
            &it.private,
        ]
    }

    /// Every value of a person.
    pub(super) fn person_takes(&self) -> Vec<&Take> {
        let it = &self.person;
        vec![&it.id, &it.name, &it.email, &it.phone, &it.role, &it.company]
    }

    fn other_takes(&self) -> Vec<&Take> {
        let it = &self.attachment;
        let attachment = [&it.name, &it.mime, &it.size, &it.url, &it.file, &it.data, &it.content_id, &it.inline];
        self.message_takes().into_iter().chain(self.person_takes()).chain(attachment).collect()
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl<'de, T: Deserialize<'de> + FromText> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Them<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + FromText> Visitor<'de> for Them<T> {
            type Value = Several<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Several<T>, E> {
                Ok(Several(vec![T::from_text(text).map_err(E::custom)?]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Several<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Several(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Several<T>, A::Error> {
                Ok(Several(vec![T::deserialize(MapAccessDeserializer::new(map))?]))
            }
        }
        from.deserialize_any(Them(PhantomData))
    }
}

/// What a text alone can stand for.
trait FromText: Sized {
    /// What is expected, for errors.
    const EXPECTED: &'static str;

    /// Makes it of the text.
    fn from_text(text: &str) -> Result<Self, String>;
}

impl FromText for String {
    const EXPECTED: &'static str = "text or a list of texts";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl FromText for Path {
    const EXPECTED: &'static str = "a path or a list of paths";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl FromText for Place {
    const EXPECTED: &'static str =
        "a file's name, a table with `file`, `at`, `inside`, `key` and `to`, or a list of these";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self { file: Some(Spanned::new(0..0, text.to_owned())), ..Self::default() })
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct It;
        impl<'de> Visitor<'de> for It {
            type Value = Place;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Place::EXPECTED)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Place, E> {
                Place::from_text(text).map_err(E::custom)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Place, A::Error> {
                let PlaceTable { file, at, inside, key, to } =
                    PlaceTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Place { file, at, inside, key, to })
            }
        }
        from.deserialize_any(It)
    }
}

impl<'de> Deserialize<'de> for Take {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct It;
        impl<'de> Visitor<'de> for It {
            type Value = Take;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, a list of paths, or a table with `from`, `lookup`, `table`, `is` and `join`")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Take, E> {
                Ok(Take { from: vec![Path::parse(text).map_err(E::custom)?], ..Take::default() })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Take, A::Error> {
                let mut from = Vec::new();
                while let Some(path) = seq.next_element()? {
                    from.push(path);
                }
                Ok(Take { from, ..Take::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Take, A::Error> {
                let TakeTable { from, lookup, table, is, join } =
                    TakeTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Take { from: from.0, lookup, table, is: is.0, join })
            }
        }
        from.deserialize_any(It)
    }
}
