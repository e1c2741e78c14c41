//! `people.csv`: who is customer, agent or nobody; written for review in a spreadsheet, and read back.
//!
//! Promises:
//!
//! - A file that was written and not edited is read back with the same meaning, also after a spreadsheet program has
//!   saved it: byte-order mark, `;` or tabs between cells, Windows-1252, CRLF.
//! - No cell is taken for a formula: one that would be begins with an apostrophe, which reading takes away.
//! - All faults of a file are found, each with its line.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::cell::{guarded, unguarded};
use crate::mapping::stored_address;

/// A larger file is not one that anybody has reviewed.
pub const LARGEST_FILE: u64 = 64 * 1024 * 1024;

/// How many faults are told; a column that was filled down has thousands of the same.
const MOST_FAULTS: usize = 20;

/// What parts the addresses of one cell.
const ADDRESS_SEPARATOR: &str = " ";

/// The columns that are read. The others are evidence.
const READ: &[&str] = &["address", "role", "user", "name", "other_addresses", "old_id"];

/// All columns as they are written.
pub const COLUMNS: &[&str] = &[
    "address",
    "role",
    "user",
    "name",
    "why",
    "records",
    "requester",
    "assignee",
    "author",
    "copied",
    "first_seen",
    "last_seen",
    "old_role",
    "old_id",
    "other_names",
    "other_addresses",
];

/// What somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Outside: becomes a customer.
    Customer,
    /// Staff: becomes a user.
    Agent,
    /// Neither: a mailbox of ours, a machine. What they wrote is credited to the default user.
    Nobody,
}

impl Role {
    /// The words that the file uses.
    pub const WORDS: &'static [&'static str] = &["customer", "agent", "nobody"];

    /// The word that the file uses.
    pub fn word(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
            Self::Nobody => "nobody",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        match word.to_lowercase().as_str() {
            "customer" => Some(Self::Customer),
            "agent" => Some(Self::Agent),
            "nobody" => Some(Self::Nobody),
            _ => None,
        }
    }
}

/// One row as it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Counted from 1, the header included.
    pub line: u64,
    /// In lower case, main one first; empty for somebody who is known by name only.
    pub addresses: Vec<String>,
    /// What they are.
    pub role: Role,
    /// The address of the user whom an agent becomes; `None`: the user with the same address.
    pub user: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The id in the old system.
    pub old_id: Option<String>,
}

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterFault {
    /// Counted from 1.
    pub line: u64,
    /// What was found and what would be right.
    pub problem: String,
    /// Advice that would work.
    pub hint: Option<String>,
}

/// Reads a file, or says everything that is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Vec<Row>, Vec<RosterFault>> {
    let text = text_of(bytes);
    let mut csv = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    let mut records = csv.records();
    let fault = |line, problem: String, hint| RosterFault { line, problem, hint };
    let header: Vec<String> = match records.next() {
        Some(Ok(header)) => header.iter().map(|name| name.trim().to_lowercase().replace([' ', '-'], "_")).collect(),
        Some(Err(error)) => return Err(vec![fault(1, format!("not a table: {error}"), None)]),
        None => return Ok(Vec::new()),
    };
    let column = |name: &str| header.iter().position(|known| known == name);
    let mut faults = Vec::new();
    for name in ["address", "role"] {
        if column(name).is_none() {
            let near = header
                .iter()
                .filter(|known| !READ.contains(&known.as_str()))
                .map(|known| (strsim::jaro_winkler(known, name), known))
                .filter(|(score, _)| *score > 0.75)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let hint = match near {
                Some((_, near)) => format!("call the column `{near}` `{name}`"),
                None => format!("the first line names the columns: {}", READ.join(", ")),
            };
            faults.push(fault(1, format!("the column `{name}` is missing"), Some(hint)));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: HashMap<String, (u64, Role, Option<String>)> = HashMap::new();
    let mut lines = Lines { text: &text, byte: 0, line: 1 };
    let mut left_out = 0_u64;
    for record in records {
        let mut wrong = |line, problem: String, hint: Option<String>| {
            if faults.len() < MOST_FAULTS {
                faults.push(fault(line, problem, hint));
            } else {
                left_out += 1;
            }
        };
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(1, |at| lines.at(at.byte()));
                wrong(line, format!("not a row: {error}"), None);
                continue;
            }
        };
        let line = record.position().map_or(1, |at| lines.at(at.byte()));
        let cell = |name: &str| column(name).and_then(|at| record.get(at)).map_or("", |cell| unguarded(cell.trim()));
        let role = cell("role");
        let (address, name) = (cell("address"), cell("name"));
        if record.iter().all(|cell| cell.trim().is_empty()) {
            continue;
        }
        let Some(role) = Role::from_word(role) else {
            let problem = format!("not a role: `{role}`: expected `customer`, `agent` or `nobody`");
            wrong(line, problem, meant(role).map(|word| format!("did you mean `{word}`?")));
            continue;
        };
        let mut addresses = Vec::new();
        let written = std::iter::once(address).chain(cell("other_addresses").split([' ', ',', ';']));
        for text in written.filter(|text| !text.trim().is_empty()) {
            match stored_address(text) {
                Some(address) if addresses.contains(&address) => {}
                Some(address) => addresses.push(address),
                // An archive may hold one that FreeScout would not keep; then the name has to do.
                None if role == Role::Customer => {}
                None => wrong(line, format!("not an address: `{text}`"), None),
            }
        }
        let user = match cell("user") {
            "" => None,
            text => match stored_address(text) {
                Some(user) => Some(user),
                None => {
                    wrong(
                        line,
                        format!("`user` is not an address: `{text}`"),
                        Some("it is that of the FreeScout user".to_owned()),
                    );
                    continue;
                }
            },
        };
        if user.is_some() && role != Role::Agent {
            let problem = format!("a {} becomes no user, and `user` says `{}`", role.word(), cell("user"));
            wrong(line, problem, Some("make the role `agent`, or clear `user`".to_owned()));
        }
        if role == Role::Agent && addresses.is_empty() && user.is_none() {
            let hint = "write the address of the FreeScout user into `user`".to_owned();
            wrong(line, format!("the agent `{name}` has neither `address` nor `user`"), Some(hint));
        }
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (name, old_id) = (text(name), text(cell("old_id")));
        let keys = if addresses.is_empty() {
            name.clone().or(old_id.clone()).into_iter().collect()
        } else {
            addresses.clone()
        };
        for key in keys {
            let known = seen.entry(key.to_lowercase()).or_insert_with(|| (line, role, user.clone()));
            // Two people may have one name; what matters is that nothing contradicts itself.
            if (known.1, &known.2) != (role, &user) {
                let hint = "remove one of them, or give both the same role and user".to_owned();
                wrong(line, format!("`{key}` is something else in line {}", known.0), Some(hint));
            }
        }
        rows.push(Row { line, addresses, role, user, name, old_id });
    }
    if left_out > 0 {
        let line = faults.last().map_or(1, |fault| fault.line);
        faults.push(fault(line, format!("and {left_out} more faults after this line"), None));
    }
    if faults.is_empty() { Ok(rows) } else { Err(faults) }
}

/// Counts lines up to a byte, going forward only.
struct Lines<'t> {
    text: &'t str,
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    fn at(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut to = usize::try_from(byte).unwrap_or(bytes.len()).clamp(self.byte, bytes.len());
        // The second half of a line end is left to the next row.
        while bytes.get(to).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            to += 1;
        }
        self.line += memchr::memchr_iter(b'\n', &bytes[self.byte..to]).count() as u64;
        self.byte = to;
        self.line
    }
}

/// UTF-8, with or without a mark; else what a spreadsheet program writes on Windows.
fn text_of(bytes: &[u8]) -> String {
    if let Some((encoding, _)) = encoding_rs::Encoding::for_bom(bytes) {
        return encoding.decode(bytes).0.into_owned();
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => encoding_rs::WINDOWS_1252.decode(bytes).0.into_owned(),
    }
}

fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let count = |delimiter: char| header.matches(delimiter).count();
    [';', '\t']
        .into_iter()
        .filter(|other| count(*other) > count(','))
        .max_by_key(|other| count(*other))
        .map_or(b',', |c| c as u8)
}

/// The role that a word of other systems means.
fn meant(word: &str) -> Option<&'static str> {
    match word.to_lowercase().as_str() {
        "" => None,
        "user" | "staff" | "admin" | "us" | "own" | "operator" | "support" => Some("agent"),
        "client" | "contact" | "end-user" | "requester" | "outside" => Some("customer"),
        "none" | "no" | "ignore" | "skip" | "machine" | "bot" | "mailbox" | "-" => Some("nobody"),
        other => {
            let scored = Role::WORDS.iter().map(|word| (strsim::jaro_winkler(other, word), *word));
            scored.filter(|(score, _)| *score > 0.8).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
        }
    }
}

/// One row as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// Addresses, main one first.
    pub addresses: Vec<String>,
    /// `customer`, `agent` or `nobody`.
    pub role: &'static str,
    /// The user whom an agent becomes.
    pub user: Option<String>,
    /// Names, main one first.
    pub names: Vec<String>,
    /// Why this role.
    pub why: String,
    /// Counts: records, as requester, as assignee, entries written, as copied.
    pub counts: [u64; 5],
    /// First and last time seen, as `2024-03-01`.
    pub seen: [Option<String>; 2],
    /// The old system's word.
    pub old_role: Option<String>,
    /// The old system's id.
    pub old_id: Option<String>,
}

/// Writes the file: UTF-8 with a byte-order mark, without which spreadsheet programs guess another charset.
pub fn write(to: impl Write, entries: impl Iterator<Item = Entry>) -> io::Result<()> {
    let mut to = to;
    to.write_all("\u{FEFF}".as_bytes())?;
    let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
    csv.write_record(COLUMNS)?;
    for entry in entries {
        let (first, others) =
            entry.addresses.split_first().map_or(("", &[][..]), |(first, others)| (first.as_str(), others));
        let (name, names) = entry.names.split_first().map_or(("", &[][..]), |(name, names)| (name.as_str(), names));
        let text = |text: Option<String>| text.unwrap_or_default();
        let [first_seen, last_seen] = entry.seen;
        let mut cells = vec![first.to_owned(), entry.role.to_owned(), text(entry.user), one_line(name), entry.why];
        cells.extend(entry.counts.iter().map(u64::to_string));
        cells.extend([text(first_seen), text(last_seen), text(entry.old_role), text(entry.old_id)]);
        cells.push(one_line(&names.join("; ")));
        cells.push(others.join(ADDRESS_SEPARATOR));
        csv.write_record(cells.iter().map(|cell| guarded(cell).into_owned()))?;
    }
    csv.flush()
}

fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(addresses: &[&str], role: &'static str, name: &str) -> Entry {
        Entry {
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            role,
            names: vec![name.to_owned()],
            ..Entry::default()
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let entries = [
            entry(&["ada@example.org", "a.l@example.net"], "customer", "=HYPERLINK(\"x\")"),
            Entry {
                user: Some("grace@example.org".into()),
                ..entry(&["grace@old.example.org"], "agent", "Grace, \"G\"")
            },
            entry(&["-x@example.org"], "nobody", "'quoted"),
            entry(&[], "customer", "No Address"),
        ];
        let mut bytes = Vec::new();
        write(&mut bytes, entries.iter().cloned()).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("\u{FEFF}address,role,user,name,"), "{text}");
        assert!(text.contains(",\"'=HYPERLINK(\"\"x\"\")\",") && text.contains("\n'-x@example.org,"), "{text}");
        let rows = read(&bytes).unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.name.as_deref().unwrap_or_default()).collect();
        assert_eq!(names, ["=HYPERLINK(\"x\")", "Grace, \"G\"", "'quoted", "No Address"]);
        assert_eq!(rows[0].addresses, ["ada@example.org", "a.l@example.net"]);
        assert_eq!(rows[1].user.as_deref(), Some("grace@example.org"));
        assert_eq!(rows[2].addresses, ["-x@example.org"]);
        assert_eq!(
            rows.iter().map(|row| row.role.word()).collect::<Vec<_>>(),
            ["customer", "agent", "nobody", "customer"]
        );
    }

    #[test]
    fn a_file_that_a_spreadsheet_program_has_saved_is_read() {
        let cases: &[(&str, &[u8])] = &[
            ("semicolons and CRLF", b"address;role;user;name\r\nada@example.org;Agent;;J\xC3\xBCrgen\r\n"),
            ("windows-1252", b"address;role;user;name\r\nada@example.org;AGENT;;J\xFCrgen\r\n"),
            ("tabs", b"Address\tRole\tUser\tName\nada@example.org\tagent\t\tJ\xC3\xBCrgen\n"),
            (
                "columns in another order, blank rows",
                b"name,note,role,address\nJ\xC3\xBCrgen,x,agent,ADA@example.org\n,,,\n",
            ),
        ];
        for (name, bytes) in cases {
            let rows = read(bytes).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            assert_eq!(rows.len(), 1, "{name}");
            assert_eq!(rows[0].addresses, ["ada@example.org"], "{name}");
            assert_eq!((rows[0].role, rows[0].name.as_deref()), (Role::Agent, Some("Jürgen")), "{name}");
        }
        assert_eq!(read(b"").unwrap(), []);
    }

    #[test]
    fn every_fault_is_told_with_its_line() {
        let text = "address,role,user,name\n\
            a@example.org,staff,,A\n\
            b@example.org,agent,nowhere,B\n\
            c@example.org,customer,c@example.org,C\n\
            ,agent,,D\n\
            a@example.org,,,E\n\
            f@example.org,customer,,F\n\
            F@example.org,nobody,,F\n\
            not an address,nobody,,G\n";
        let faults = read(text.as_bytes()).unwrap_err();
        let told: Vec<String> = faults
            .iter()
            .map(|fault| format!("{}: {} ({})", fault.line, fault.problem, fault.hint.as_deref().unwrap_or("")))
            .collect();
        assert_eq!(
            told,
            [
                "2: not a role: `staff`: expected `customer`, `agent` or `nobody` (did you mean `agent`?)",
                "3: `user` is not an address: `nowhere` (it is that of the FreeScout user)",
                "4: a customer becomes no user, and `user` says `c@example.org` (make the role `agent`, or clear `user`)",
                "5: the agent `D` has neither `address` nor `user` (write the address of the FreeScout user into `user`)",
                "6: not a role: ``: expected `customer`, `agent` or `nobody` ()",
                "8: `f@example.org` is something else in line 7 (remove one of them, or give both the same role and user)",
                "9: not an address: `not an address` ()",
            ]
        );
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for end in ["\n", "\r\n"] {
            let text = ["address,role,name", "a@example.org,agent,\"two\nlines\"", "", "b@example.org,x,B"].join(end);
            assert_eq!(read(text.as_bytes()).unwrap_err()[0].line, 5, "{end:?}");
        }
    }

    #[test]
    fn namesakes_are_no_fault_and_contradictions_are() {
        let same = b"address,role,name\n,customer,Ada\n,customer,Ada\n,nobody,\n";
        assert_eq!(read(same).unwrap().len(), 3);
        assert_eq!(read(b"address,role,name\n,customer,Ada\n,nobody,ada\n").unwrap_err().len(), 1);
    }

    #[test]
    fn a_missing_column_is_told_with_the_one_that_may_be_meant() {
        let faults = read(b"adress,rolle\na@example.org,agent\n").unwrap_err();
        let told: Vec<_> = faults.iter().map(|fault| (&*fault.problem, fault.hint.as_deref().unwrap_or(""))).collect();
        assert_eq!(
            told,
            [
                ("the column `address` is missing", "call the column `adress` `address`"),
                ("the column `role` is missing", "call the column `rolle` `role`"),
            ]
        );
    }

    #[test]
    fn a_column_of_faults_does_not_flood() {
        let rows: String = (0..1000).map(|n| format!("a{n}@example.org,x\n")).collect();
        let faults = read(format!("address,role\n{rows}").as_bytes()).unwrap_err();
        assert_eq!(faults.len(), MOST_FAULTS + 1);
        assert!(faults.last().unwrap().problem.contains("980 more"), "{faults:?}");
    }
}
