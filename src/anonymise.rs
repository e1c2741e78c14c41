//! Makes a record nobody's: names, addresses, numbers and texts are replaced, its shape stays.
//!
//! Promises:
//!
//! - One [`Anonymiser`] replaces the same word by the same word, wherever it stands, and two different
//!   words, addresses or numbers by different ones as long as there are any of their length.
//! - Words keep their length and their capitals, texts their lines, punctuation and HTML tags; so a rule that
//!   looks at the shape of a text does with the copy what it did with the original.
//! - What stands for a word depends on the key, and cannot be told without it.
//! - Kept as they are: times, the words of the old system (status, channel, kind, role), names of fields, whatever the
//!   caller says is to be kept, and small numbers. A person who reads the copy should still look at it.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::content::Content;
use crate::record::{Attachment, Body, Entry, Origin, Person, Place, Record};

mod html;

/// Words that every mail has, and by which quoted text and the like are recognised. They tell of nobody.
const MAIL_WORDS: &[&str] = &[
    "on",
    "wrote",
    "from",
    "to",
    "cc",
    "sent",
    "date",
    "subject",
    "original",
    "message",
    "forwarded",
    "re",
    "fwd",
    "fw",
    "am",
    "schrieb",
    "von",
    "an",
    "gesendet",
    "datum",
    "betreff",
    "ursprüngliche",
    "nachricht",
    "originalnachricht",
    "weitergeleitete",
    "aw",
    "wg",
    "le",
    "a",
    "écrit",
    "de",
    "envoyé",
    "objet",
    "à",
    "d'origine",
    "origine",
    "el",
    "escribió",
    "enviado",
    "para",
    "asunto",
    "mensaje",
    "messaggio",
    "originale",
    "ha",
    "scritto",
    "da",
    "inviato",
    "oggetto",
    "oorspronkelijk",
    "bericht",
    "schreef",
    "van",
    "verzonden",
    "aan",
    "onderwerp",
    "begin",
    "end",
    "http",
    "https",
    "mailto",
];

/// A larger file is replaced by a smaller one of this size: no rule tells them apart.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Numbers below this stay: they are counts and scores, and tell of nobody.
const SMALL_NUMBER: f64 = 1000.0;

/// This many digits with nothing but blanks, dots, dashes and brackets between them are a telephone number.
const PHONE_DIGITS: usize = 7;

/// How often another stand-in is looked for when one is taken.
const ATTEMPTS: u32 = 64;

/// Replaces what tells of people, in one record or in many.
#[derive(Debug)]
pub struct Anonymiser {
    key: [u8; 32],
    /// Domains that stay, in lower case, without `@`.
    own_domains: HashSet<String>,
    /// Values that stay as a whole, folded.
    kept_values: HashSet<String>,
    /// Words that stay wherever they stand, in lower case.
    kept_words: HashSet<String>,
    /// What stands for what, by kind and original.
    known: HashMap<(Kind, String), String>,
    taken: HashSet<(Kind, String)>,
}

/// What is replaced among its like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Word,
    Digits,
    Domain,
    Address,
}

impl Anonymiser {
    /// An anonymiser with a key. Whoever has the key can find out what common words stood for.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            own_domains: HashSet::new(),
            kept_values: HashSet::new(),
            kept_words: MAIL_WORDS.iter().map(|word| (*word).to_owned()).collect(),
            known: HashMap::new(),
            taken: HashSet::new(),
        }
    }

    /// Keeps a domain: `@example.org` or `example.org`. What stands before the `@` is replaced all the same.
    #[must_use]
    pub fn keeping_domain(mut self, domain: &str) -> Self {
        self.own_domains.insert(domain.trim().trim_start_matches('@').to_lowercase());
        self
    }

    /// Keeps a value that stands alone: an address, a tag, the text of a field. Upper and lower case count alike.
    #[must_use]
    pub fn keeping_value(mut self, value: &str) -> Self {
        self.kept_values.insert(fold(value));
        self
    }

    /// Keeps a word inside of texts, too.
    #[must_use]
    pub fn keeping_word(mut self, word: &str) -> Self {
        self.kept_words.insert(word.to_lowercase());
        self
    }

    /// The record, but nobody's.
    ///
    /// The bytes of files become as many others, a mebibyte at most. Never fails and reads no file.
    pub fn record(&mut self, record: Record) -> Record {
        let Record { mut id, origin, subject, status, channel, requester, assignee, cc, tags, .. } = record;
        id.original = self.id(&id.original);
        let mut oddities = record.oddities;
        for oddity in &mut oddities {
            oddity.origin = self.origin(&oddity.origin);
            oddity.message = self.text(&oddity.message);
        }
        Record {
            id,
            origin: self.origin(&origin),
            subject: subject.map(|subject| self.text(&subject)),
            status,
            channel,
            requester: requester.map(|person| self.person(person)),
            assignee: assignee.map(|person| self.person(person)),
            cc: self.people(cc),
            tags: tags.iter().map(|tag| self.value(tag)).collect(),
            created_at: record.created_at,
            updated_at: record.updated_at,
            closed_at: record.closed_at,
            url: record.url.map(|url| self.value(&url)),
            entries: record.entries.into_iter().map(|entry| self.entry(entry)).collect(),
            fields: self.fields(record.fields),
            oddities,
        }
    }

    fn entry(&mut self, entry: Entry) -> Entry {
        Entry {
            id: self.id(&entry.id),
            origin: self.origin(&entry.origin),
            kind: entry.kind,
            is_public: entry.is_public,
            author: entry.author.map(|person| self.person(person)),
            to: self.people(entry.to),
            cc: self.people(entry.cc),
            bcc: self.people(entry.bcc),
            body: match entry.body {
                Body::Html(html) => Body::Html(self.html(&html)),
                Body::Text(text) => Body::Text(self.text(&text)),
                Body::Empty => Body::Empty,
            },
            created_at: entry.created_at,
            attachments: entry.attachments.into_iter().map(|file| self.attachment(file)).collect(),
            fields: self.fields(entry.fields),
        }
    }

    fn people(&mut self, people: Vec<Person>) -> Vec<Person> {
        people.into_iter().map(|person| self.person(person)).collect()
    }

    /// A person, but nobody.
    pub fn person(&mut self, person: Person) -> Person {
        Person {
            id: person.id.map(|id| self.id(&id)),
            name: person.name.map(|name| self.value(&name)),
            emails: person.emails.iter().map(|email| self.value(email)).collect(),
            phones: person.phones.iter().map(|phone| self.digits_in(phone)).collect(),
            role: person.role,
            company: person.company.map(|company| self.value(&company)),
            fields: self.fields(person.fields),
        }
    }

    fn attachment(&mut self, file: Attachment) -> Attachment {
        let name = match file.name.rsplit_once('.') {
            // The ending tells the type, and nothing else.
            Some((stem, ending)) if ending.len() <= 5 && ending.chars().all(char::is_alphanumeric) => {
                format!("{}.{ending}", self.text(stem))
            }
            _ => self.text(&file.name),
        };
        let content = match file.content {
            Content::Link { url, claimed_length } => Content::Link { url: self.value(&url), claimed_length },
            Content::Missing { reason, claimed_length } => {
                Content::Missing { reason: self.text(&reason), claimed_length }
            }
            bytes => {
                let length = bytes.length().unwrap_or_default().min(LARGEST_FILE);
                Content::bytes(vec![b'.'; usize::try_from(length).unwrap_or_default()])
            }
        };
        Attachment {
            name,
            mime: file.mime,
            content_id: file.content_id.map(|id| self.text(&id)),
            is_inline: file.is_inline,
            content,
        }
    }

    /// The names of files may tell of people; places inside of them do not.
    #[expect(clippy::unused_self, reason = "everything of a record goes through the anonymiser")]
    fn origin(&self, origin: &Origin) -> Origin {
        let file = "archive".into();
        match origin.place {
            Place::Line(line) => Origin::line(&file, line),
            Place::Byte(byte) => Origin::byte(&file, byte),
            _ => Origin::whole(&file),
        }
    }

    fn fields(&mut self, fields: Map<String, Value>) -> Map<String, Value> {
        fields.into_iter().map(|(key, value)| (self.field_name(key), self.json(value))).collect()
    }

    /// Names of fields are those of the old system, but for such as are addresses.
    fn field_name(&mut self, key: String) -> String {
        if key.contains('@') { self.value(&key) } else { key }
    }

    fn json(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) if text.contains('<') && text.contains("</") => Value::String(self.html(&text)),
            Value::String(text) => Value::String(self.value(&text)),
            Value::Number(number) => {
                let text = number.to_string();
                // A small one that stands for an id elsewhere is that id.
                let is_large = number.as_f64().is_some_and(|number| number.abs() >= SMALL_NUMBER);
                if !is_large && !self.known.contains_key(&(Kind::Digits, text.clone())) {
                    return Value::Number(number);
                }
                let text = self.digits_in(&text);
                text.parse::<serde_json::Number>().map_or_else(|_| Value::String(text), Value::Number)
            }
            Value::Array(items) => items.into_iter().map(|item| self.json(item)).collect(),
            Value::Object(fields) => Value::Object(self.fields(fields)),
            other => other,
        }
    }

    /// An id: minus signs and short ones stay, since some systems give them a meaning (`-1`).
    fn id(&mut self, id: &str) -> String {
        if id.len() <= 2 { id.to_owned() } else { self.value(id) }
    }

    /// A value that stands alone: kept if the caller says so, or if it is a time; else a text.
    pub fn value(&mut self, value: &str) -> String {
        if self.kept_values.contains(&fold(value)) || is_time(value.trim()) {
            return value.to_owned();
        }
        self.text(value)
    }

    /// A text with other words, addresses and numbers.
    pub fn text(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = if is_of_address(first) { address(rest) } else { 0 };
            if length > 0 {
                out.push_str(&self.address(&rest[..length]));
                rest = &rest[length..];
                continue;
            }
            if let Some((scheme, host)) = link(rest) {
                out.push_str(&rest[..scheme]);
                out.push_str(&self.domain(&rest[scheme..scheme + host]));
                rest = &rest[scheme + host..];
                continue;
            }
            let length = if first == '+' || first.is_ascii_digit() { number(rest) } else { 0 };
            if length > 0 {
                out.push_str(&self.number(&rest[..length]));
                rest = &rest[length..];
                continue;
            }
            // What began as no address is none from the next letter on, either.
            let length = if first.is_alphabetic() {
                rest.find(|c: char| !c.is_alphabetic() && !is_mark(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (word, after) = rest.split_at(length);
            if first.is_alphabetic() {
                out.push_str(&self.word(word));
            } else {
                out.push_str(word);
            }
            rest = after;
        }
        out
    }

    /// HTML with other texts, and the same tags.
    pub fn html(&mut self, html: &str) -> String {
        html::replace(self, html)
    }

    /// Another word of the same length, with the same capitals.
    fn word(&mut self, word: &str) -> String {
        let folded = word.to_lowercase();
        if self.kept_words.contains(&folded) {
            return word.to_owned();
        }
        let letters: Vec<char> = folded.chars().collect();
        let stand_in = self.stand_in(Kind::Word, &folded, |bytes| {
            letters
                .iter()
                .enumerate()
                .map(|(at, letter)| another(*letter, at, bytes[at % bytes.len()] ^ (at / bytes.len()) as u8))
                .collect()
        });
        if word == folded {
            return stand_in;
        }
        let is_upper: Vec<bool> = word.chars().map(char::is_uppercase).collect();
        let raised = |(at, letter): (usize, char)| match is_upper.get(at) {
            Some(true) => letter.to_uppercase().next().unwrap_or(letter),
            _ => letter,
        };
        stand_in.chars().enumerate().map(raised).collect()
    }

    /// A run of digits with blanks and the like: all of a telephone number; of others what is not short.
    fn number(&mut self, text: &str) -> String {
        let count = text.bytes().filter(u8::is_ascii_digit).count();
        if count >= PHONE_DIGITS {
            return self.digits_in(text);
        }
        let mut out = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let is_digit = rest.starts_with(|c: char| c.is_ascii_digit());
            let end = rest.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(rest.len());
            let run = &rest[..end];
            if is_digit && run.len() > 2 {
                out.push_str(&self.digits(run));
            } else {
                out.push_str(run);
            }
            rest = &rest[end..];
        }
        out
    }

    /// All digits of a text become others; what stands between them stays.
    fn digits_in(&mut self, text: &str) -> String {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let others = self.digits(&digits);
        let mut others = others.chars();
        text.chars().map(|c| if c.is_ascii_digit() { others.next().unwrap_or(c) } else { c }).collect()
    }

    fn digits(&mut self, digits: &str) -> String {
        if digits.is_empty() {
            return String::new();
        }
        self.stand_in(Kind::Digits, digits, |bytes| {
            let other = |at: usize| {
                let byte = bytes[at % bytes.len()].wrapping_add((at / bytes.len()) as u8);
                // A number must not get a zero in front: as JSON it would be none.
                let digit = if at == 0 { 1 + byte % 9 } else { byte % 10 };
                char::from(b'0' + digit)
            };
            (0..digits.len()).map(other).collect()
        })
    }

    fn domain(&mut self, domain: &str) -> String {
        let folded = domain.to_lowercase();
        let is_kept = self.kept_words.contains(&folded)
            || self
                .own_domains
                .iter()
                .any(|own| folded == *own || folded.strip_suffix(own).is_some_and(|sub| sub.ends_with('.')));
        if is_kept {
            return domain.to_owned();
        }
        let length = folded.split('.').map(str::len).max().unwrap_or(4).clamp(4, 16);
        // `.example` is reserved: it never is anybody's.
        self.stand_in(Kind::Domain, &folded, |bytes| {
            let name: String = (0..length).map(|at| another('a', at, bytes[at % bytes.len()])).collect();
            format!("{name}.example")
        })
    }

    fn address(&mut self, address: &str) -> String {
        if self.kept_values.contains(&fold(address)) {
            return address.to_owned();
        }
        let folded = address.to_lowercase();
        if let Some(known) = self.known.get(&(Kind::Address, folded.clone())) {
            return known.clone();
        }
        let (local, domain) = folded.rsplit_once('@').unwrap_or((&folded, ""));
        let local: String =
            local.split_inclusive(|c: char| !c.is_alphanumeric()).map(|part| self.local(part)).collect();
        let domain = self.domain(domain);
        let mut found = format!("{local}@{domain}");
        let mut count = 1;
        while !self.taken.insert((Kind::Address, found.clone())) {
            count += 1;
            found = format!("{local}{count}@{domain}");
        }
        self.known.insert((Kind::Address, folded), found.clone());
        found
    }

    /// A part of an address before the `@`: letters and digits, perhaps with a mark at its end.
    fn local(&mut self, part: &str) -> String {
        let mut out = String::new();
        let mut rest = part;
        while let Some(first) = rest.chars().next() {
            let is_digit = first.is_ascii_digit();
            let is_same = |c: char| c.is_alphabetic() == first.is_alphabetic() && c.is_ascii_digit() == is_digit;
            let end = rest.find(|c: char| !is_same(c)).unwrap_or(rest.len());
            let run = &rest[..end];
            match (is_digit, first.is_alphabetic()) {
                (true, _) => out.push_str(&self.digits(run)),
                (_, true) => out.push_str(&self.word(run)),
                _ => out.push_str(run),
            }
            rest = &rest[end..];
        }
        out
    }

    /// What stands for an original: known, or made of hashes until one is free.
    fn stand_in(&mut self, kind: Kind, original: &str, make: impl Fn(&[u8; 32]) -> String) -> String {
        let known = (kind, original.to_owned());
        if let Some(found) = self.known.get(&known) {
            return found.clone();
        }
        let mut found = String::new();
        for attempt in 0..ATTEMPTS {
            let mut hasher = blake3::Hasher::new_keyed(&self.key);
            hasher.update(&[kind as u8]);
            hasher.update(original.as_bytes());
            hasher.update(&attempt.to_le_bytes());
            found = make(hasher.finalize().as_bytes());
            let is_free = found != original && !self.taken.contains(&(kind, found.clone()));
            if is_free && !(kind == Kind::Word && self.kept_words.contains(&found)) {
                break;
            }
        }
        self.taken.insert((kind, found.clone()));
        self.known.insert(known, found.clone());
        found
    }
}

fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether a value is a date or a time, which rules may read.
fn is_time(text: &str) -> bool {
    text.len() >= 8
        && text.starts_with(|c: char| c.is_ascii_digit())
        && (text.parse::<jiff::Timestamp>().is_ok()
            || text.parse::<jiff::civil::DateTime>().is_ok()
            || text.parse::<jiff::civil::Date>().is_ok())
        && text.contains('-')
}

/// Accents that stand behind their letter.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

fn is_of_address(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '-' | '=' | '~' | '\'')
}

/// How long the address is with which a text begins; 0, if it begins with none.
fn address(text: &str) -> usize {
    // Longer ones are none, and a text without blanks must not be gone through again at every letter.
    const LONGEST_LOCAL: usize = 128;
    let local = text.char_indices().take(LONGEST_LOCAL).find(|(_, c)| !is_of_address(*c));
    let Some((at, '@')) = local else { return 0 };
    let domain = &text[at + 1..];
    let end = domain.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_')).unwrap_or(domain.len());
    let domain = domain[..end].trim_end_matches(['.', '-']);
    if domain.is_empty() { 0 } else { at + 1 + domain.len() }
}

/// The lengths of `https://` and of the host behind it, with which a text begins.
fn link(text: &str) -> Option<(usize, usize)> {
    let scheme = ["https://", "http://", "ftp://"]
        .iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let rest = &text[scheme.len()..];
    let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-' | '_')).unwrap_or(rest.len());
    (end > 0).then_some((scheme.len(), end))
}

/// How far digits go, with blanks, dots, dashes, slashes and brackets between them.
fn number(text: &str) -> usize {
    let mut end = 0;
    let mut gap = 0;
    for (at, c) in text.char_indices() {
        if c.is_ascii_digit() {
            end = at + 1;
            gap = 0;
        } else if gap < 3 && (matches!(c, ' ' | '.' | '-' | '/' | '(' | ')') || (c == '+' && at == 0)) {
            gap += 1;
        } else {
            break;
        }
    }
    end
}

/// Another letter of the same script, as far as one is known. Latin ones make words that can be spoken.
fn another(letter: char, at: usize, byte: u8) -> char {
    let within = |first: u32, count: u32, factor: u32| {
        let step = (u32::from(byte) * factor + letter as u32) % count;
        char::from_u32(first + step).unwrap_or(letter)
    };
    match letter {
        '\u{300}'..='\u{36f}' => letter,
        '\u{3b1}'..='\u{3c9}' => within(0x3b1, 17, 1),
        '\u{430}'..='\u{44f}' => within(0x430, 32, 1),
        '\u{5d0}'..='\u{5ea}' => within(0x5d0, 27, 1),
        '\u{628}'..='\u{63a}' | '\u{641}'..='\u{64a}' => within(0x628, 19, 1),
        '\u{3041}'..='\u{3096}' => within(0x3041, 83, 1),
        '\u{30a1}'..='\u{30fa}' => within(0x30a1, 83, 1),
        '\u{4e00}'..='\u{9fff}' => within(0x4e00, 20_000, 79),
        '\u{ac00}'..='\u{d7a3}' => within(0xac00, 11_000, 43),
        _ => {
            let letters: &[u8] = if at.is_multiple_of(2) { b"bdfgklmnprstvz" } else { b"aeiou" };
            char::from(letters[usize::from(byte) % letters.len()])
        }
    }
}

#[cfg(test)]
mod tests;
