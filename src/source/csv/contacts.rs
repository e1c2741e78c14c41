//! Tables in which every row is a person: an address book, a list of users, or the requesters of a table of tickets.

use std::collections::VecDeque;

use serde_json::Value;

use super::columns::{Role, normalised};
use super::rows::Rows;
use super::table::{Settings, Table, listed};
use super::{CSV, build, clean_id, is_blank, next_row, table_files};
use crate::input::{Input, Portion};
use crate::record::{Origin, Person};
use crate::source::contacts::{Contact, Contacts, contact_id};
use crate::source::{ReadError, Reading, SourceError};

/// First names, in the languages of `columns`.
const FIRST_NAMES: &[&str] =
    &["firstname", "givenname", "forename", "vorname", "prenom", "nombre", "nome", "voornaam", "contactfirstname"];

/// Last names.
const LAST_NAMES: &[&str] = &[
    "lastname",
    "surname",
    "familyname",
    "nachname",
    "familienname",
    "nom",
    "apellido",
    "apellidos",
    "cognome",
    "achternaam",
    "contactlastname",
];

/// Words inside the headers of further addresses.
const ADDRESS_WORDS: &[&str] = &["email", "mail", "correo"];

/// Words inside the headers of further telephone numbers.
const PHONE_WORDS: &[&str] = &["phone", "telefon", "mobile", "mobil", "handy", "telephone", "telefono", "telefoon"];

/// What the columns of one table mean for people.
struct Columns {
    id: Option<usize>,
    name: Option<usize>,
    first: Option<usize>,
    last: Option<usize>,
    /// The main one first.
    emails: Vec<usize>,
    phones: Vec<usize>,
    company: Option<usize>,
    role: Option<usize>,
    /// Columns that stay under their headers.
    others: Vec<usize>,
}

impl Columns {
    /// `None` if no column says anything that a person could be made of.
    fn of(table: &Table) -> Option<Self> {
        let layout = &table.layout;
        let normal: Vec<String> = layout.header.iter().map(|name| normalised(name)).collect();
        let first_with = |role: Role| layout.columns(role).first().copied();
        let named = |names: &[&str]| names.iter().find_map(|name| normal.iter().position(|known| known == name));
        let holding = |words: &[&str], first: Option<usize>| {
            let others = (0..normal.len()).filter(|at| words.iter().any(|word| normal[*at].contains(word)));
            let mut found: Vec<usize> = first.into_iter().chain(others).collect();
            let mut seen = Vec::new();
            found.retain(|at| {
                !seen.contains(at) && {
                    seen.push(*at);
                    true
                }
            });
            found
        };
        let is_of_tickets = layout.has(Role::Subject) || layout.has(Role::Body);
        let emails = if is_of_tickets {
            layout.columns(Role::RequesterEmail).to_vec()
        } else {
            holding(ADDRESS_WORDS, first_with(Role::RequesterEmail).or_else(|| first_with(Role::AuthorEmail)))
        };
        let phones = if is_of_tickets {
            layout.columns(Role::RequesterPhone).to_vec()
        } else {
            holding(PHONE_WORDS, first_with(Role::RequesterPhone))
        };
        let (first, last) = (named(FIRST_NAMES), named(LAST_NAMES));
        let name = first_with(Role::RequesterName).or_else(|| first_with(Role::AuthorName));
        // A table of tickets is numbered by ticket.
        let own_id = first_with(Role::Id).or_else(|| first_with(Role::EntryId)).filter(|_| !is_of_tickets);
        let columns = Self {
            id: first_with(Role::RequesterId).or(own_id),
            name: name.filter(|at| Some(*at) != first && Some(*at) != last),
            first,
            last,
            emails,
            phones,
            company: first_with(Role::Company),
            role: first_with(Role::AuthorRole),
            others: Vec::new(),
        };
        let is_any = columns.name.or(columns.first).or(columns.last).is_some() || !columns.emails.is_empty();
        if !is_any && columns.phones.is_empty() {
            return None;
        }
        let taken = columns.taken();
        let others =
            if is_of_tickets { Vec::new() } else { (0..normal.len()).filter(|at| !taken.contains(at)).collect() };
        Some(Self { others, ..columns })
    }

    fn taken(&self) -> Vec<usize> {
        let single = [self.id, self.name, self.first, self.last, self.company, self.role];
        single.into_iter().flatten().chain(self.emails.iter().copied()).chain(self.phones.iter().copied()).collect()
    }

    fn person(&self, header: &[String], cell: impl Fn(usize) -> String) -> Person {
        let text = |at: usize| {
            let text = cell(at);
            let text = build::trim(&text);
            (!text.is_empty()).then(|| text.to_owned())
        };
        let one = |at: Option<usize>| at.and_then(text);
        // `Ada Lovelace <ada@example.org>` is a name and an address.
        let named = one(self.name).as_deref().and_then(super::people::one);
        let parts: Vec<String> = [self.first, self.last].into_iter().filter_map(one).collect();
        let mut person = Person {
            id: one(self.id).and_then(|id| clean_id(&id)),
            name: if parts.is_empty() {
                named.as_ref().and_then(|named| named.name.clone())
            } else {
                Some(parts.join(" "))
            },
            company: one(self.company),
            role: one(self.role),
            ..Person::default()
        };
        let written = self.emails.iter().filter_map(|at| text(*at)).flat_map(|text| super::people::list(&text));
        for found in written.chain(named) {
            for email in found.emails {
                if !person.emails.iter().any(|known| known.eq_ignore_ascii_case(&email)) {
                    person.emails.push(email);
                }
            }
        }
        for phone in self.phones.iter().filter_map(|at| text(*at)) {
            if !person.phones.contains(&phone) {
                person.phones.push(phone);
            }
        }
        for at in &self.others {
            if let Some(value) = text(*at) {
                person.fields.insert(header[*at].clone(), Value::String(value));
            }
        }
        person
    }
}

/// The people of all tables, row by row.
struct People {
    waiting: VecDeque<(Table, Columns)>,
    current: Option<(Table, Columns, Rows<Portion>)>,
    /// Keeps a spooled standard input alive.
    _input: Input,
}

/// Opens the tables. Tables beside them that are not about people are left alone.
pub(super) fn contacts(input: Input, reading: &Reading<'_>) -> Result<Contacts, SourceError> {
    let settings = Settings::of(reading)?;
    let mut waiting = VecDeque::new();
    let mut first: Option<Table> = None;
    for (index, file) in table_files(&input, &[]) {
        let table = Table::open(index, file, &settings, reading)?;
        match Columns::of(&table) {
            Some(columns) => waiting.push_back((table, columns)),
            None => first = first.or(Some(table)),
        }
    }
    if let (true, Some(table)) = (waiting.is_empty(), first) {
        return Err(SourceError::Shape {
            origin: Origin::line(&table.shown, table.sniffed.line),
            problem: "no column is known to hold a person's address, name or telephone number".to_owned(),
            hint: format!(
                "say which in the mapping: `[shape.csv.columns]` with `requester_email = \"…\"`, `requester_name = \"…\"`; \
                 the columns are {}",
                listed(&table.sniffed.header)
            ),
        });
    }
    Ok(Box::new(People { waiting, current: None, _input: input }))
}

impl Iterator for People {
    type Item = Result<Contact, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((table, columns, rows)) = &mut self.current else {
                let (table, columns) = self.waiting.pop_front()?;
                match table.rows() {
                    Ok(rows) => self.current = Some((table, columns, rows)),
                    Err(error) => {
                        let origin = Origin::whole(&table.shown);
                        return Some(Err(ReadError::Io { origin, cause: std::io::Error::other(error) }));
                    }
                }
                continue;
            };
            let row = match next_row(rows, table) {
                Ok(Some(row)) => row,
                Ok(None) => {
                    self.current = None;
                    continue;
                }
                Err(error) => {
                    let origin = Origin::whole(&table.shown);
                    self.current = None;
                    return Some(Err(ReadError::Io { origin, cause: std::io::Error::other(error) }));
                }
            };
            let origin = Origin::line(&table.shown, row.line);
            if !row.is_sound {
                return Some(Err(ReadError::Malformed {
                    origin,
                    id: None,
                    problem: "a quote is opened and never closed; the row was set aside".to_owned(),
                }));
            }
            if is_blank(rows.bytes(), table.sniffed.dialect.delimiter) {
                continue;
            }
            let person = columns.person(&table.layout.header, |column| table.cell(rows, column));
            let is_nobody = person.name.is_none() && person.emails.is_empty() && person.phones.is_empty();
            if is_nobody {
                let problem = "the row names nobody: no address, no name and no telephone number".to_owned();
                return Some(Err(ReadError::Malformed { origin, id: None, problem }));
            }
            return Some(Ok(Contact { id: contact_id(CSV, person.id.as_deref(), &origin), origin, person }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::Csv;
    use super::*;
    use crate::source::{Order, Shape, Source as _};

    fn read(name: &str, text: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let input = Input::open(&[path], folder.path()).unwrap();
        let shape = Shape::default();
        let reading = Reading {
            shape: &shape,
            order: Order::Archive,
            index: None,
            scratch: folder.path(),
            watch: &|_| ControlFlow::Continue(()),
        };
        let people = Csv.people(input, &reading).map_err(|error| error.to_string())?.unwrap();
        Ok(people
            .map(|contact| match contact {
                Ok(Contact { id, person, .. }) => format!(
                    "{} {} {:?} {:?} {} {:?}",
                    id.original,
                    person.name.unwrap_or_default(),
                    person.emails,
                    person.phones,
                    person.company.unwrap_or_default(),
                    person.fields.keys().collect::<Vec<_>>()
                ),
                // The file is named as it was typed.
                Err(error) => format!("error: {error}").replace(&format!("{}/", folder.path().display()), ""),
            })
            .collect())
    }

    #[test]
    fn address_books_are_read_row_by_row() {
        let table: &[(&str, &str, &[&str])] = &[
            (
                "a mail program's",
                "First Name,Last Name,E-mail Address,E-mail 2 Address,Mobile Phone,Company,Notes\n\
                 Ada,Lovelace,ada@example.org,ada@example.net,+44 1,Engines,VIP\n",
                &[
                    r#"person@people.csv:2 Ada Lovelace ["ada@example.org", "ada@example.net"] ["+44 1"] Engines ["Notes"]"#,
                ],
            ),
            (
                "a help desk's users",
                "id;name;email;role;organization\n7;Ömer Yıldız;oemer@example.org;end-user;\n8;;;;\n",
                &[
                    r#"person-7 Ömer Yıldız ["oemer@example.org"] []  []"#,
                    "error: people.csv:3: the row names nobody: no address, no name and no telephone number",
                ],
            ),
            (
                "names with addresses",
                "Name,Phone\nAda Lovelace <ada@example.org>,1\n",
                &[r#"person@people.csv:2 Ada Lovelace ["ada@example.org"] ["1"]  []"#],
            ),
            (
                "a table of tickets gives its requesters",
                "Ticket ID,Subject,Customer Name,Customer Email,Priority\n1,Hello,Ada,ada@example.org,high\n",
                &[r#"person@people.csv:2 Ada ["ada@example.org"] []  []"#],
            ),
        ];
        for (name, text, expected) in table {
            assert_eq!(read("people.csv", text).unwrap(), *expected, "{name}");
        }
    }

    #[test]
    fn a_table_without_people_is_refused_with_what_to_write() {
        let error = read("people.csv", "Colour,Size\nred,1\nblue,2\n").unwrap_err();
        assert!(error.contains("no column is known to hold a person's address"), "{error}");
    }
}
