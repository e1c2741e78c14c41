//! Makes a record of the rows that belong to it.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::columns::{Layout, Role};
use super::dates::{self, DateStyle, DayOrder, Read};
use super::dialect::Charset;
use super::people;
use super::rows::{Cell, Dialect, cell_bytes, split_row};
use super::{CSV, clean_id, is_rounded_number};
use crate::content::Content;
use crate::finding::codes;
use crate::input::InputFile;
use crate::record::{Attachment, Body, Entry, Oddity, Origin, Person, Record, RecordId, unique_id};
use crate::source::ReadError;

/// Excel cuts longer cells.
const EXCEL_CELL_CHARS: usize = 32_767;

/// What all rows of one file share.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub layout: Layout,
    pub dialect: Dialect,
    pub charset: Charset,
    pub dates: DateStyle,
    pub order: Option<DayOrder>,
    pub zone: TimeZone,
    /// What parts tags; `None`: as found.
    pub tag_separator: Option<String>,
    /// Whether an apostrophe at the beginning of a cell is no part of it.
    pub is_guarded: bool,
    /// Whether bodies are HTML; `None`: as found, cell by cell.
    pub is_html: Option<bool>,
    /// Whether a row that is not UTF-8 is worth a word; in a file that is windows-1252 throughout it is not.
    pub is_mixed: bool,
}

/// One row with its cells as text.
pub(super) struct TextRow {
    pub origin: Origin,
    pub cells: Vec<String>,
    bytes: Vec<u8>,
    is_other_charset: bool,
}

impl TextRow {
    /// Puts the cells of a table with the same columns in another order into the first table's order.
    pub(super) fn rearrange(&mut self, places: &[usize]) {
        let mut cells = std::mem::take(&mut self.cells);
        let beyond = if cells.len() > places.len() { cells.split_off(places.len()) } else { Vec::new() };
        self.cells = places.iter().map(|&at| cells.get_mut(at).map(std::mem::take).unwrap_or_default()).collect();
        self.cells.extend(beyond);
    }
}

impl Reading {
    /// Splits and decodes one row.
    pub(super) fn text_row(&self, bytes: Vec<u8>, origin: Origin) -> Option<TextRow> {
        let mut cells: Vec<Cell> = Vec::with_capacity(self.layout.header.len());
        if !split_row(&bytes, self.dialect, &mut cells) {
            return None;
        }
        let mut is_other_charset = false;
        let cells = cells
            .iter()
            .map(|cell| {
                let raw = cell_bytes(&bytes, cell, self.dialect);
                let (text, is_other) = self.charset.decode(&raw);
                is_other_charset |= is_other;
                match text.strip_prefix('\'') {
                    Some(text) if self.is_guarded => text.to_owned(),
                    _ => text.into_owned(),
                }
            })
            .collect();
        Some(TextRow { origin, cells, bytes, is_other_charset })
    }

    /// The first cell with this role that holds something, and its column.
    fn cell<'r>(&self, row: &'r TextRow, role: Role) -> Option<(&'r str, usize)> {
        self.layout.columns(role).iter().find_map(|&at| {
            let text = row.cells.get(at)?.as_str();
            (!trim(text).is_empty()).then_some((text, at))
        })
    }

    fn value(&self, row: &TextRow, role: Role) -> Option<String> {
        self.cell(row, role).map(|(text, _)| trim(text).to_owned())
    }

    /// Reads a text as a date.
    pub(super) fn date(&self, text: &str) -> Read {
        dates::read(text, &self.dates, self.order, &self.zone)
    }
}

/// White space as spreadsheets have it: no-break spaces and byte-order marks too.
pub(super) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}')
}

/// Makes the record; rows come in order of time, then as they stand.
pub(super) fn record(reading: &Reading, rows: Vec<TextRow>, files: &[InputFile]) -> Result<Record, ReadError> {
    let first = rows.first().expect("a group has at least one row");
    let origin = first.origin.clone();
    let Some(id) = reading.cell(first, Role::Id).and_then(|(text, _)| clean_id(text)) else {
        return Err(ReadError::MissingId { origin });
    };
    let mut builder = Builder { reading, files, oddities: Vec::new() };
    let original = if is_rounded_number(&id) {
        builder.note(
            codes::READ_SPREADSHEET,
            &origin,
            format!("a spreadsheet has rounded the id to `{id}`; the line was added to it"),
        );
        match origin.place {
            crate::record::Place::Line(line) if !reading.layout.is_of_messages => format!("{id}@{line}"),
            _ => id,
        }
    } else {
        id
    };
    builder.build(RecordId::new(CSV, original), origin, rows)
}

struct Builder<'a> {
    reading: &'a Reading,
    files: &'a [InputFile],
    oddities: Vec<Oddity>,
}

impl Builder<'_> {
    fn note(&mut self, code: &'static str, origin: &Origin, message: String) {
        self.oddities.push(Oddity { code, origin: origin.clone(), message });
    }

    fn build(mut self, id: RecordId, origin: Origin, rows: Vec<TextRow>) -> Result<Record, ReadError> {
        let reading = self.reading;
        let rows = self.distinct(rows);
        for row in &rows {
            self.look_at(row);
        }
        let is_one = rows.len() == 1;
        // Of what belongs to the ticket the oldest row says how it began, the newest how it stands.
        let began = |role| rows.iter().find_map(|row| reading.value(row, role));
        let stands = |role| rows.iter().rev().find_map(|row| reading.value(row, role));
        let subject = rows.iter().find_map(|row| reading.cell(row, Role::Subject)).map(|(text, _)| unmarked(text));
        // Whoever works on tickets is on our side, whatever else the table says about people.
        let assignee = person(stands(Role::Assignee).as_deref(), stands(Role::AssigneeEmail).as_deref()).map(as_agent);
        let mut requester = person(began(Role::RequesterName).as_deref(), began(Role::RequesterEmail).as_deref());
        if let Some(requester) = &mut requester {
            requester.id = began(Role::RequesterId);
            requester.phones = began(Role::RequesterPhone).into_iter().collect();
            requester.company = began(Role::Company);
        } else if began(Role::RequesterId).is_some() || began(Role::RequesterPhone).is_some() {
            requester = Some(Person {
                id: began(Role::RequesterId),
                phones: began(Role::RequesterPhone).into_iter().collect(),
                company: began(Role::Company),
                ..Person::default()
            });
        }
        let mut fields = Map::new();
        let created_at = rows.iter().find_map(|row| self.time(row, Role::CreatedAt, &mut fields));
        let mut updated_at = None;
        let mut closed_at = None;
        for row in &rows {
            updated_at = self.time(row, Role::UpdatedAt, &mut fields).or(updated_at);
            closed_at = self.time(row, Role::ClosedAt, &mut fields).or(closed_at);
        }
        let shared = self.shared_fields(&rows, &mut fields);
        let mut entries = Vec::new();
        let mut ids = HashSet::new();
        for row in &rows {
            let mut own = Map::new();
            if !is_one {
                self.left_over(row, |column| !shared[column], &mut own);
            }
            self.entries_of(row, &requester, &assignee, own, &mut ids, &mut entries);
        }
        if requester.is_none() {
            requester = entries.iter().find_map(|entry| customer_among(entry, assignee.as_ref()));
        }
        let mut tags = Vec::new();
        let mut cc: Vec<Person> = Vec::new();
        for row in &rows {
            for tag in reading.cell(row, Role::Tags).map(|(text, _)| self.tags(text)).unwrap_or_default() {
                if !tags.contains(&tag) {
                    tags.push(tag);
                }
            }
            // In a table of messages the copies belong to the message.
            if is_one || !reading.layout.is_of_messages {
                for copied in reading.cell(row, Role::Cc).map(|(text, _)| people::list(text)).unwrap_or_default() {
                    if !cc.contains(&copied) {
                        cc.push(copied);
                    }
                }
            }
        }
        let created_at = created_at.or_else(|| entries.iter().filter_map(|entry| entry.created_at).min());
        Ok(Record {
            id,
            origin,
            subject,
            status: stands(Role::Status),
            channel: began(Role::Channel),
            requester,
            assignee,
            cc,
            tags,
            created_at,
            updated_at,
            closed_at,
            url: began(Role::Url),
            entries,
            fields,
            oddities: self.oddities,
        })
    }

    /// Drops rows that repeat another byte for byte.
    fn distinct(&mut self, rows: Vec<TextRow>) -> Vec<TextRow> {
        let mut seen: HashSet<blake3::Hash> = HashSet::new();
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            if kept.is_empty() || seen.insert(blake3::hash(row.bytes.trim_ascii_end())) {
                if kept.is_empty() {
                    seen.insert(blake3::hash(row.bytes.trim_ascii_end()));
                }
                kept.push(row);
            } else {
                self.note(
                    codes::READ_DUPLICATE,
                    &row.origin,
                    "the row stands in the table twice; one counts".to_owned(),
                );
            }
        }
        kept
    }

    /// Notes what is odd about a row as a whole.
    fn look_at(&mut self, row: &TextRow) {
        let (found, wanted) = (row.cells.len(), self.reading.layout.header.len());
        if found != wanted {
            self.note(
                codes::READ_RAGGED_ROW,
                &row.origin,
                format!("the row has {found} cells and the header {wanted}"),
            );
        }
        if row.is_other_charset && self.reading.is_mixed {
            self.note(
                codes::READ_CHARSET,
                &row.origin,
                "the row is not UTF-8 as the rest of the file is; read as windows-1252".to_owned(),
            );
        }
        if row.cells.iter().any(|cell| cell.len() >= EXCEL_CELL_CHARS && cell.chars().count() == EXCEL_CELL_CHARS) {
            self.note(
                codes::READ_SPREADSHEET,
                &row.origin,
                format!("a cell has exactly {EXCEL_CELL_CHARS} characters, where Excel cuts"),
            );
        }
    }

    /// A date; what is none stays a field under its header and is noted.
    fn time(&mut self, row: &TextRow, role: Role, fields: &mut Map<String, Value>) -> Option<Timestamp> {
        for &column in self.reading.layout.columns(role) {
            let Some(text) = row.cells.get(column).map(|text| trim(text)).filter(|text| !text.is_empty()) else {
                continue;
            };
            match self.reading.date(text) {
                Read::Time { at, .. } => return Some(at),
                Read::NeedsOrder | Read::No => {
                    let header = &self.reading.layout.header[column];
                    fields.insert(header.clone(), Value::String(row.cells[column].clone()));
                    self.note(codes::READ_DATE, &row.origin, format!("`{header}` is not a date: `{}`", short(text)));
                }
            }
        }
        None
    }

    /// Puts what all rows agree on into the record's fields; says which columns those are.
    fn shared_fields(&self, rows: &[TextRow], fields: &mut Map<String, Value>) -> Vec<bool> {
        let layout = &self.reading.layout;
        let cell =
            |row: &'_ TextRow, at: usize| row.cells.get(at).map(|text| text.trim().to_owned()).unwrap_or_default();
        let shared: Vec<bool> = (0..layout.header.len())
            .map(|at| rows.len() == 1 || rows.windows(2).all(|pair| cell(&pair[0], at) == cell(&pair[1], at)))
            .collect();
        let is_one = rows.len() == 1;
        self.left_over(&rows[0], |column| is_one || shared.get(column).copied().unwrap_or(false), fields);
        shared
    }

    /// Cells without a role, under their headers; cells beyond the header under their number.
    fn left_over(&self, row: &TextRow, wanted: impl Fn(usize) -> bool, fields: &mut Map<String, Value>) {
        let layout = &self.reading.layout;
        for (at, text) in row.cells.iter().enumerate() {
            if trim(text).is_empty() {
                continue;
            }
            match layout.header.get(at) {
                Some(header) if layout.is_left[at] && wanted(at) => {
                    fields.insert(header.clone(), Value::String(text.clone()));
                }
                Some(_) => {}
                None => {
                    fields.insert(format!("column {}", at + 1), Value::String(text.clone()));
                }
            }
        }
    }

    fn entries_of(
        &mut self,
        row: &TextRow,
        requester: &Option<Person>,
        assignee: &Option<Person>,
        mut fields: Map<String, Value>,
        ids: &mut HashSet<String>,
        entries: &mut Vec<Entry>,
    ) {
        let reading = self.reading;
        let layout = &reading.layout;
        let created_at = self.time(row, Role::EntryAt, &mut fields).or_else(|| {
            let mut unread = Map::new();
            let silent = self.oddities.len();
            let time = self.time(row, Role::CreatedAt, &mut unread);
            // The record has said what is wrong with it.
            self.oddities.truncate(silent);
            time
        });
        let kind = reading.value(row, Role::EntryKind);
        let author =
            person(reading.value(row, Role::AuthorName).as_deref(), reading.value(row, Role::AuthorEmail).as_deref())
                .map(|author| match reading.value(row, Role::AuthorRole) {
                    None if assignee.as_ref().is_some_and(|assignee| is_same(assignee, &author)) => as_agent(author),
                    role => Person { role, ..author },
                })
                .or_else(|| {
                    let has_authors = layout.has(Role::AuthorName) || layout.has(Role::AuthorEmail);
                    // A row that is a ticket was written by the customer.
                    if has_authors { None } else { requester.clone() }
                });
        let is_public = match (reading.value(row, Role::Public), reading.value(row, Role::Private)) {
            (Some(word), _) => is_yes(&word) && !is_word_for_note(&word),
            (None, Some(word)) => !is_yes(&word) || word.eq_ignore_ascii_case("public"),
            (None, None) => !kind.as_deref().is_some_and(is_word_for_note),
        };
        let hash = blake3::hash(row.bytes.trim_ascii_end()).to_hex();
        let id = reading.value(row, Role::EntryId).unwrap_or_else(|| {
            if layout.is_of_messages || !entries.is_empty() { hash[..16].to_owned() } else { "opening".to_owned() }
        });
        let id = unique_id(ids, &id);
        let default_kind = if layout.is_of_messages { "message" } else { "description" };
        let cc = reading
            .cell(row, Role::Cc)
            .filter(|_| layout.is_of_messages)
            .map(|(text, _)| people::list(text))
            .unwrap_or_default();
        entries.push(Entry {
            id: id.clone(),
            origin: row.origin.clone(),
            kind: kind.unwrap_or_else(|| default_kind.to_owned()),
            is_public,
            author,
            to: Vec::new(),
            cc,
            bcc: Vec::new(),
            body: self.body(row, Role::Body),
            created_at,
            attachments: reading
                .cell(row, Role::Attachments)
                .map(|(text, _)| self.attachments(text))
                .unwrap_or_default(),
            fields,
        });
        let reply = self.body(row, Role::Reply);
        if reply.is_blank() {
            return;
        }
        let mut fields = Map::new();
        let mut replied_at = self.time(row, Role::ReplyAt, &mut fields);
        if let (Some(replied), Some(asked)) = (replied_at, created_at)
            && replied < asked
        {
            let text = self.reading.cell(row, Role::ReplyAt).map(|(text, at)| (text.to_owned(), at));
            if let Some((text, at)) = text {
                self.note(
                    codes::READ_DATE,
                    &row.origin,
                    format!(
                        "the answer of `{}` is older than what it answers ({asked}); it was put right behind it",
                        short(&text)
                    ),
                );
                fields.insert(layout.header[at].clone(), Value::String(text));
            }
            replied_at = Some(asked);
        }
        entries.push(Entry {
            id: unique_id(ids, &format!("{id}-reply")),
            origin: row.origin.clone(),
            kind: "reply".to_owned(),
            is_public: true,
            author: Some(assignee.clone().unwrap_or_else(|| as_agent(Person::default()))),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            body: reply,
            created_at: replied_at.or(created_at),
            attachments: Vec::new(),
            fields,
        });
    }

    fn body(&self, row: &TextRow, role: Role) -> Body {
        let Some((text, _)) = self.reading.cell(row, role) else { return Body::Empty };
        let text = unmarked(text);
        if self.reading.is_html.unwrap_or_else(|| looks_like_html(&text)) { Body::Html(text) } else { Body::Text(text) }
    }

    fn tags(&self, text: &str) -> Vec<String> {
        let text = trim(text).trim_start_matches('[').trim_end_matches(']');
        let separators: Vec<char> = match &self.reading.tag_separator {
            Some(separator) => separator.chars().collect(),
            // Zendesk parts tags by blanks and puts none inside; a list with another separator may have both.
            None => match [',', ';', '|', '\n'].iter().find(|c| text.contains(**c)) {
                Some(separator) => vec![*separator],
                None if text.contains('_') || !text.contains(' ') => vec![' '],
                None => Vec::new(),
            },
        };
        parts(text, &separators)
    }

    fn attachments(&self, text: &str) -> Vec<Attachment> {
        let text = trim(text);
        let is_link = |text: &str| text.starts_with("http://") || text.starts_with("https://");
        // A file's name may hold blanks, an address may not.
        let separators: &[char] =
            if is_link(text) { &[' ', ',', ';', '|', '\n', '\r', '\t'] } else { &[',', ';', '|', '\n', '\r'] };
        text.split(separators)
            .map(trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                let content = if is_link(name) {
                    Content::Link { url: name.to_owned(), claimed_length: None }
                } else {
                    self.file(name)
                };
                let path = name.split(['?', '#']).next().unwrap_or(name);
                let shown = path.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(name);
                Attachment { name: shown.to_owned(), mime: None, content_id: None, is_inline: false, content }
            })
            .collect()
    }

    /// A file of the archive that goes by this name; never any other file of this machine.
    fn file(&self, name: &str) -> Content {
        let name = name.replace('\\', "/");
        let name = name.trim_start_matches("./");
        match self.files.iter().find(|file| &*file.shown == name || file.shown.ends_with(&format!("/{name}"))) {
            Some(file) => file.content(),
            None => {
                Content::Missing { reason: "no file of this name is in the archive".to_owned(), claimed_length: None }
            }
        }
    }
}

/// A person by name and address, of which the name may hold both.
fn person(name: Option<&str>, email: Option<&str>) -> Option<Person> {
    let mut person = name.and_then(people::one).unwrap_or_default();
    if let Some(email) = email {
        let named = people::one(email).unwrap_or_default();
        if person.name.is_none() {
            person.name = named.name;
        }
        match named.emails.into_iter().next() {
            Some(address) => {
                person.emails.retain(|known| !known.eq_ignore_ascii_case(&address));
                person.emails.insert(0, address);
            }
            None => person.emails.insert(0, email.to_owned()),
        }
    }
    (person.name.is_some() || !person.emails.is_empty()).then_some(person)
}

/// The same person, in the part of an agent.
fn as_agent(person: Person) -> Person {
    Person { role: person.role.or_else(|| Some("agent".to_owned())), ..person }
}

/// Whether two mentions are of one person: by address where both have one, else by name.
fn is_same(one: &Person, other: &Person) -> bool {
    match (one.email(), other.email()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => one.name.is_some() && one.name == other.name,
    }
}

/// The entry's author if it may be the customer.
fn customer_among(entry: &Entry, assignee: Option<&Person>) -> Option<Person> {
    let author = entry.author.as_ref()?;
    let is_staff = author.role.as_deref().is_some_and(|role| {
        ["agent", "admin", "staff", "user", "support", "mitarbeiter", "operator"]
            .iter()
            .any(|word| role.eq_ignore_ascii_case(word))
    });
    let is_assignee = assignee.is_some_and(|assignee| is_same(assignee, author));
    (entry.is_public && !is_staff && !is_assignee).then(|| author.clone())
}

/// Text without what Excel writes for a carriage return.
fn unmarked(text: &str) -> String {
    text.replace("_x000D_", "")
}

fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

fn is_yes(word: &str) -> bool {
    const YES: &[&str] = &[
        "true",
        "yes",
        "y",
        "1",
        "t",
        "x",
        "ja",
        "wahr",
        "oui",
        "vrai",
        "sí",
        "si",
        "verdadero",
        "vero",
        "waar",
        "public",
        "öffentlich",
        "private",
        "internal",
        "intern",
        "privat",
        "1.0",
    ];
    let word = word.to_lowercase();
    YES.contains(&&*word)
}

fn is_word_for_note(word: &str) -> bool {
    let word = word.to_lowercase();
    ["note", "internal", "private", "notiz", "intern", "nota"].iter().any(|known| word.contains(known))
}

/// Whether a cell is HTML: it holds a tag that texts do not hold by chance.
fn looks_like_html(text: &str) -> bool {
    const TAGS: &[&str] = &[
        "p",
        "div",
        "br",
        "span",
        "html",
        "body",
        "table",
        "ul",
        "ol",
        "strong",
        "blockquote",
        "/p",
        "/div",
        "/a",
        "/b",
        "/i",
        "!doctype",
    ];
    memchr::memchr_iter(b'<', text.as_bytes()).any(|at| {
        let rest = &text.as_bytes()[at + 1..];
        TAGS.iter().any(|tag| {
            rest.len() > tag.len()
                && rest[..tag.len()].eq_ignore_ascii_case(tag.as_bytes())
                && matches!(rest[tag.len()], b'>' | b' ' | b'/' | b'\n' | b'\r')
                && memchr::memchr(b'>', rest).is_some()
        })
    })
}

/// The parts of a list; one in quotes may have separators inside.
fn parts(text: &str, separators: &[char]) -> Vec<String> {
    let is_separator = |c: char| separators.contains(&c);
    let is_space = |c: char| c.is_whitespace() && !is_separator(c);
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let in_quotes = quoted(rest.trim_start_matches(is_space)).and_then(|(part, after)| {
            let after = after.trim_start_matches(is_space);
            (after.is_empty() || after.starts_with(is_separator)).then_some((part, after))
        });
        let (part, after) = in_quotes.unwrap_or_else(|| {
            let (part, after) = rest.split_at(rest.find(is_separator).unwrap_or(rest.len()));
            (trim(part).trim_matches(['"', '\'']).to_owned(), after)
        });
        if !part.is_empty() {
            parts.push(part);
        }
        let mut after = after.chars();
        if after.next().is_none() {
            return parts;
        }
        rest = after.as_str();
    }
}

/// The text between the quotes that a text begins with, where two of them are one, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inner = text.strip_prefix('"')?;
    let mut from = 0;
    loop {
        let end = from + inner[from..].find('"')?;
        if !inner[end + 1..].starts_with('"') {
            return Some((trim(&inner[..end].replace("\"\"", "\"")).to_owned(), &inner[end + 1..]));
        }
        from = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_told_from_text_that_has_angles() {
        for html in ["<p>a</p>", "a<br>b", "a<BR/>b", "<div class=\"x\">", "see <b>x</b>"] {
            assert!(looks_like_html(html), "{html}");
        }
        for text in ["a < b > c", "<ada@example.org>", "1<2", "<p", "List<String>", "<pre-release>"] {
            assert!(!looks_like_html(text), "{text}");
        }
    }

    #[test]
    fn yes_and_note_are_known_in_several_words() {
        assert!(is_yes("TRUE") && is_yes("ja") && !is_yes("false") && !is_yes("0") && !is_yes(""));
        assert!(is_word_for_note("Internal note") && !is_word_for_note("reply"));
    }
}
