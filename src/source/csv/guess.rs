//! What a table's columns mean, as far as names and values tell: for whoever writes a mapping.

use std::collections::HashSet;

use super::columns::Role;
use super::dates::{self, Read as DateRead};
use super::table::{Settings, Table, require_one_shape};
use super::{build, is_blank, next_row, table_files};
use crate::input::Input;
use crate::source::{Reading, SourceError};

/// How many rows are looked at.
const ROWS: usize = 500;

/// Less than this share of values, in per cent, speaks for nothing.
const LEAST: u8 = 80;

/// A column and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnGuess {
    /// Its header.
    pub header: String,
    /// The meaning, as `[shape.csv.columns]` calls it; `None`: it stays a field.
    pub role: Option<String>,
    /// Per cent of the values that speak for the meaning; `None`: its name says it.
    pub by_values: Option<u8>,
    /// One of its values.
    pub example: String,
}

/// What the values of one column are like.
#[derive(Default)]
struct Likeness {
    filled: usize,
    addresses: usize,
    dates: usize,
    doubtful: usize,
    short: usize,
    lines: usize,
    characters: usize,
    distinct: HashSet<String>,
    example: String,
}

/// The columns of the archive's tables, which are all alike. Roles that the mapping's `[shape.csv]` gives count as given by name.
pub fn columns(input: &Input, reading: &Reading<'_>) -> Result<Vec<ColumnGuess>, SourceError> {
    // What the columns of joined tables mean is said by the joins.
    if reading.shape.csv.joins().is_some() {
        return Ok(Vec::new());
    }
    let settings = Settings::of(reading)?;
    let files = table_files(input, &reading.shape.csv.tables).into_iter();
    let tables: Vec<Table> =
        files.map(|(index, file)| Table::open(index, file, &settings, reading)).collect::<Result<_, _>>()?;
    require_one_shape(&tables)?;
    let Some(table) = tables.into_iter().next() else { return Ok(Vec::new()) };
    let width = table.layout.header.len();
    let mut columns: Vec<Likeness> = (0..width).map(|_| Likeness::default()).collect();
    let mut rows = table.rows()?;
    let mut count = 0;
    while count < ROWS {
        let Some(row) = next_row(&mut rows, &table)? else { break };
        if !row.is_sound || is_blank(rows.bytes(), table.sniffed.dialect.delimiter) {
            continue;
        }
        count += 1;
        for (at, column) in columns.iter_mut().enumerate() {
            let text = table.cell(&rows, at);
            column.look_at(build::trim(&text), &settings);
        }
    }
    let mut roles: Vec<Option<(Role, Option<u8>)>> = vec![None; width];
    for role in ALL {
        for &at in table.layout.columns(*role) {
            roles[at].get_or_insert((*role, None));
        }
    }
    for (role, score) in BY_VALUES {
        // A time without a record's own would only be misleading, and so would a second text.
        let is_known = table.layout.has(*role) || (*role == Role::Subject && table.layout.has(Role::Body));
        if is_known {
            continue;
        }
        let free = (0..width).filter(|at| roles[*at].is_none());
        let best = free.map(|at| (score(&columns[at], count), at)).max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        if let Some((share, at)) = best.filter(|(share, _)| *share >= LEAST) {
            roles[at] = Some((*role, Some(share)));
        }
    }
    let guesses = table.layout.header.iter().zip(roles).zip(columns).map(|((header, role), column)| ColumnGuess {
        header: header.clone(),
        role: role.map(|(role, _)| name_of(role)),
        by_values: role.and_then(|(_, share)| share),
        example: column.example,
    });
    Ok(guesses.collect())
}

impl Likeness {
    fn look_at(&mut self, text: &str, settings: &Settings) {
        if text.is_empty() {
            return;
        }
        self.filled += 1;
        if self.example.is_empty() {
            text.chars().take(60).collect::<String>().clone_into(&mut self.example);
        }
        self.addresses += usize::from(text.contains('@') && !text.contains(char::is_whitespace));
        // A bare number is a date only to somebody who knows.
        if text.len() >= 8 && !text.bytes().all(|byte| byte.is_ascii_digit()) {
            match dates::read(text, &settings.dates, None, &settings.zone) {
                DateRead::Time { .. } => self.dates += 1,
                DateRead::NeedsOrder => self.doubtful += 1,
                DateRead::No => {}
            }
        }
        self.short += usize::from(text.chars().count() <= 40 && !text.contains(char::is_whitespace));
        self.lines += usize::from(text.contains('\n'));
        self.characters += text.chars().count();
        self.distinct.insert(text.to_owned());
    }

    fn share(&self, part: usize) -> u8 {
        (part * 100).checked_div(self.filled).unwrap_or_default() as u8
    }

    fn mean_length(&self) -> usize {
        self.characters.checked_div(self.filled).unwrap_or_default()
    }

    fn is_text(&self) -> bool {
        self.addresses * 2 < self.filled && (self.dates + self.doubtful) * 2 < self.filled
    }
}

/// How well a column's values suit a meaning, in per cent; asked in this order.
type Score = fn(&Likeness, usize) -> u8;

const BY_VALUES: &[(Role, Score)] = &[
    (Role::Id, |column, rows| {
        let is_fit = column.filled == rows && column.is_text() && column.short == column.filled;
        if is_fit { column.share(column.distinct.len()) } else { 0 }
    }),
    (Role::RequesterEmail, |column, _| column.share(column.addresses)),
    // One doubtful date would make the reader refuse the table.
    (
        Role::CreatedAt,
        |column, rows| if column.doubtful > 0 || column.filled * 2 < rows { 0 } else { column.share(column.dates) },
    ),
    (Role::Body, |column, _| {
        let is_long = column.is_text() && column.mean_length() >= 40;
        if is_long { 80 + (column.mean_length() / 20).min(15) as u8 } else { 0 }
    }),
    (Role::Subject, |column, _| {
        let is_fit =
            column.is_text() && column.lines == 0 && column.short * 2 < column.filled && column.mean_length() <= 120;
        let is_varied = column.distinct.len() * 2 >= column.filled;
        if is_fit && is_varied && column.filled > 0 { 80 + (column.mean_length() / 5).min(10) as u8 } else { 0 }
    }),
];

const ALL: &[Role] = &[
    Role::Id,
    Role::Subject,
    Role::Body,
    Role::Status,
    Role::Channel,
    Role::RequesterName,
    Role::RequesterEmail,
    Role::RequesterId,
    Role::RequesterPhone,
    Role::Company,
    Role::Assignee,
    Role::AssigneeEmail,
    Role::CreatedAt,
    Role::UpdatedAt,
    Role::ClosedAt,
    Role::Tags,
    Role::Cc,
    Role::Url,
    Role::EntryId,
    Role::EntryAt,
    Role::EntryKind,
    Role::AuthorName,
    Role::AuthorEmail,
    Role::AuthorRole,
    Role::Public,
    Role::Private,
    Role::Attachments,
    Role::Reply,
    Role::ReplyAt,
];

/// `RequesterEmail` is `requester_email` in a mapping.
fn name_of(role: Role) -> String {
    let mut name = String::new();
    for c in format!("{role:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::source::{Order, Shape};

    fn guess(text: &str) -> Vec<(String, Option<String>, Option<u8>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
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
        columns(&input, &reading)
            .unwrap()
            .into_iter()
            .map(|guess| (guess.header, guess.role, guess.by_values))
            .collect()
    }

    #[test]
    fn columns_without_a_known_name_are_told_by_their_values() {
        let rows: String = (1..30)
            .map(|n| format!("A-{n},The printer in room {n} is broken,ada{n}@example.org,2024-03-{n:02} 10:00,\"Hello,\nthe printer is broken since this morning. Please help us.\"\n"))
            .collect();
        let found = guess(&format!("Wert1,Wert2,Wert3,Wert4,Wert5\n{rows}"));
        let roles: Vec<_> =
            found.iter().map(|(_, role, share)| (role.as_deref().unwrap_or(""), share.is_some())).collect();
        assert_eq!(
            roles,
            [("id", true), ("subject", true), ("requester_email", true), ("created_at", true), ("body", true)],
            "{found:?}"
        );
    }

    #[test]
    fn names_that_are_known_need_no_values() {
        let found = guess("Ticket ID,Subject,Colour\n1,Hello,red\n2,World,blue\n");
        assert_eq!(found[0], ("Ticket ID".to_owned(), Some("id".to_owned()), None));
        assert_eq!(found[2], ("Colour".to_owned(), None, None));
    }

    #[test]
    fn doubtful_dates_are_never_guessed() {
        let found = guess("Ticket ID,Subject,When\n1,Hello,01/02/2024\n2,World,03/04/2024\n");
        assert_eq!(found[2].1, None);
    }
}
