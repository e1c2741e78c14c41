//! The one pass over a Zendesk dump: where everything stands, and which ticket it belongs to.
//!
//! Promises:
//!
//! - Nothing of a file is left unmentioned: it is in the catalog, or a problem that the reader yields as an error,
//!   or an oddity of the archive.
//! - Memory holds one element at a time, and lists whose lengths are bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::shape::{self, Head, Kind};
use crate::catalog::{self, Catalog, Piece};
use crate::finding::codes;
use crate::input::{Input, InputFile, Portion};
use crate::json::{self, Fault, Scanner, Span};
use crate::record::{Oddity, Origin};
use crate::source::SourceError;
use crate::source::problem::{self, ELEMENT_LIMIT, Stop};

/// How much of an object is looked at to tell a page from an element.
const LOOK: usize = 64 * 1024;

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 4 * 1024 * 1024;

/// How deep pages may lie in pages and lists in lists.
const MAX_NESTING: u32 = 4;

/// How many oddities of one kind are listed before they are only counted.
const MAX_ODDITIES: usize = 50;

/// How many comments may wait for the end of their page to learn their ticket.
const MAX_WAITING: usize = 10_000;

/// The group of a ticket, and the name under which its comments, audits and times are found.
pub(super) fn ticket_key(id: &str) -> i64 {
    catalog::key("ticket", id.as_bytes())
}

/// The name of a thing that tickets refer to by its id.
pub(super) fn name_key(kind: Kind, id: &str) -> i64 {
    let what = match kind {
        Kind::User => "user",
        Kind::Identity => "identity",
        Kind::Group => "group",
        Kind::Organization => "organization",
        Kind::Brand => "brand",
        Kind::Form => "form",
        Kind::Field => "field",
        Kind::CustomStatus => "status",
        Kind::File => "file",
        Kind::Sender => "sender",
        _ => "audit",
    };
    catalog::key(what, id.as_bytes())
}

/// The name under which comments lie that say nothing about their ticket.
pub(super) fn unlinked_key() -> i64 {
    catalog::key("unlinked", b"")
}

/// What the pass counts, beside what the catalog can count.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Totals {
    /// Tickets, copies included.
    pub ticket_copies: u64,
    /// Comments that lie inside of tickets, copies included.
    pub inner_comments: u64,
    /// Comments that lie in pages of their own.
    pub outer_comments: u64,
    /// Comments that neither say nor show which ticket they belong to.
    pub unlinked: u64,
    /// Those of them that do not even name an audit.
    pub unlinked_bare: u64,
    /// Problems that the reader yields.
    pub problems: u64,
}

/// The state of the pass.
pub(super) struct Pass<'a> {
    input: &'a Input,
    catalog: &'a mut Catalog,
    watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    pub totals: Totals,
    pub variants: BTreeSet<&'static str>,
    pub oddities: Vec<Oddity>,
    /// How many oddities of each kind there are, listed or not.
    odd: BTreeMap<&'static str, usize>,
    /// Keys of pages whose elements were not read: the first place, and how many.
    unread: BTreeMap<String, (Origin, u64)>,
    /// Bytes of the files before this one.
    bytes_before: u64,
    told: u64,
}

/// Where the pass is in one file.
struct Walk<'a> {
    scanner: Scanner<Portion>,
    file: u32,
    origin: &'a InputFile,
    /// The ticket that the file's name names, for comments that name none.
    link: Option<String>,
    /// The page that is being read; pages can lie in pages.
    page: Page,
    /// What the last list held, for finding a foothold behind damage.
    expects: Option<Kind>,
    /// How much came out of the file.
    found: u64,
    /// Where the last problem stands.
    problem_at: Option<u64>,
    /// Keys that nothing was read from.
    passed_over: BTreeSet<String>,
}

/// What is known about the page that is being read.
#[derive(Default)]
struct Page {
    /// The ticket that the page names beside its comments.
    ticket_id: Option<String>,
    /// The last ticket of the page, and how many it holds.
    last_ticket: Option<String>,
    tickets: u64,
    /// Comments whose ticket may still come.
    waiting: Vec<(Piece, Option<String>)>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        input: &'a Input,
        catalog: &'a mut Catalog,
        watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Self {
        Self {
            input,
            catalog,
            watch,
            totals: Totals::default(),
            variants: BTreeSet::new(),
            oddities: Vec::new(),
            odd: BTreeMap::new(),
            unread: BTreeMap::new(),
            bytes_before: 0,
            told: 0,
        }
    }

    /// Reads every file of the archive once.
    pub(super) fn run(&mut self) -> Result<(), SourceError> {
        let input = self.input;
        for (index, file) in input.files().iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            if let Some(id) = shape::attachment_in_path(&file.shown) {
                let piece = Piece { kind: Kind::File as u8, file: index, length: file.length, ..Piece::default() };
                self.catalog.put_named(name_key(Kind::File, &id), piece)?;
            } else if file.length > 0 {
                self.read_file(index, file)?;
            }
            self.bytes_before += file.length;
            self.tell(0)?;
        }
        for (key, (origin, count)) in std::mem::take(&mut self.unread) {
            let things = if count == 1 { "element" } else { "elements" };
            self.odd(codes::READ_IGNORED, origin, format!("`{key}` is not read ({count} {things})"));
        }
        for (code, count) in std::mem::take(&mut self.odd) {
            if count > MAX_ODDITIES {
                let origin = Origin::whole(&Arc::from("."));
                let message = format!("{} more of this kind are not listed", count - MAX_ODDITIES);
                self.oddities.push(Oddity { code, origin, message });
            }
        }
        Ok(())
    }

    fn tell(&mut self, offset: u64) -> Result<(), SourceError> {
        let bytes = self.bytes_before + offset;
        if bytes >= self.told + WATCH_EVERY || offset == 0 {
            self.told = bytes;
            if (self.watch)(bytes).is_break() {
                return Err(SourceError::Interrupted);
            }
        }
        Ok(())
    }

    fn odd(&mut self, code: &'static str, origin: Origin, message: String) {
        let count = self.odd.entry(code).or_default();
        *count += 1;
        if *count <= MAX_ODDITIES {
            self.oddities.push(Oddity { code, origin, message });
        }
    }

    fn read_file(&mut self, index: u32, file: &InputFile) -> Result<(), SourceError> {
        let unreadable = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
        let scanner = file.open().and_then(Scanner::new).map_err(unreadable)?;
        let mut walk = Walk {
            scanner,
            file: index,
            origin: file,
            link: shape::ticket_in_path(&file.shown),
            page: Page::default(),
            expects: None,
            found: 0,
            problem_at: None,
            passed_over: BTreeSet::new(),
        };
        let first = walk.scanner.peek().map_err(unreadable)?;
        if !matches!(first, Some(b'{' | b'[')) {
            if first.is_some() {
                let message = "holds no JSON and is not read".to_owned();
                self.odd(codes::READ_IGNORED, Origin::whole(&file.shown), message);
            }
            return Ok(());
        }
        let is_lines = are_lines(walk.scanner.look(1024 * 1024).map_err(unreadable)?);
        walk.scanner.set_lines(is_lines);
        loop {
            // A failure to read on is found again, and told, by the value.
            let _ = walk.scanner.peek();
            let from = walk.scanner.here();
            match self.top_value(&mut walk) {
                Ok(true) => self.after_value(&mut walk, from)?,
                Ok(false) => break,
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Fault(fault)) => {
                    let at = self.damage(&mut walk, &fault, from)?;
                    self.settle_page(&mut walk)?;
                    if walk.scanner.is_lines() {
                        if walk.scanner.skip_line().is_err() {
                            break;
                        }
                    } else {
                        self.salvage(&mut walk, at)?;
                        break;
                    }
                }
            }
        }
        self.settle_page(&mut walk)?;
        if walk.scanner.is_lines() {
            self.variants.insert("json lines");
        }
        if walk.found == 0 {
            let keys: Vec<_> = walk.passed_over.iter().take(5).map(|key| format!("`{key}`")).collect();
            let message = match keys.is_empty() {
                true => "holds nothing that belongs to a ticket and is not read".to_owned(),
                false => format!("holds nothing that belongs to a ticket ({}) and is not read", keys.join(", ")),
            };
            self.odd(codes::READ_IGNORED, Origin::whole(&file.shown), message);
        } else {
            for key in walk.passed_over {
                self.unread.entry(key).or_insert_with(|| (Origin::whole(&file.shown), 0)).1 += 1;
            }
        }
        Ok(())
    }

    /// Reads the next value of the file; `false` at its end.
    fn top_value(&mut self, walk: &mut Walk<'_>) -> Result<bool, Stop> {
        match walk.scanner.peek()? {
            None => return Ok(false),
            Some(b'{') => self.object(walk, None, 0)?,
            Some(b'[') => {
                self.variants.insert("json array");
                self.list(walk, None, 0)?;
            }
            Some(_) => {
                let span = walk.scanner.here();
                return Err(Fault::Broken { span, at: span.offset }.into());
            }
        }
        Ok(true)
    }

    /// Looks at what follows a value of the file.
    ///
    /// A second value on the line after the first makes the rest of the file JSON lines. There, anything but another
    /// value on the same line is damage.
    fn after_value(&mut self, walk: &mut Walk<'_>, value: Span) -> Result<(), SourceError> {
        let scanner = &mut walk.scanner;
        if scanner.is_lines() {
            if !matches!(scanner.ahead(), Ok(None | Some(b'{' | b'[' | b','))) {
                let at = scanner.here();
                if walk.problem_at != Some(value.offset) {
                    self.problem(walk, None, problem::BROKEN, value, at.offset)?;
                }
                // What cannot be skipped cannot be read either, which the next value says.
                let _ = walk.scanner.skip_line();
            } else if matches!(scanner.ahead(), Ok(Some(b','))) {
                scanner.enter();
            }
        } else if scanner.here().line == value.line
            && let Ok(next) = scanner.look(3)
            && (next.starts_with(b"\n{") || next.starts_with(b"\r\n{"))
        {
            scanner.set_lines(true);
        }
        Ok(())
    }

    /// Reads an object that may be a page or an element.
    fn object(&mut self, walk: &mut Walk<'_>, kind: Option<Kind>, nesting: u32) -> Result<(), Stop> {
        if kind.is_none() && nesting < MAX_NESTING {
            let is_lines = walk.scanner.is_lines();
            let mut text = walk.scanner.look(LOOK)?;
            if is_lines && let Some(end) = memchr::memchr(b'\n', text) {
                text = &text[..end];
            }
            let is_whole = text.len() < LOOK;
            // Much text and nothing but comments in it: a page of comments.
            if shape::is_page(text, is_whole).unwrap_or(true) {
                let outer = std::mem::take(&mut walk.page);
                let outcome = self.page(walk, nesting);
                self.settle_page(walk)?;
                walk.page = outer;
                return outcome;
            }
        }
        match walk.scanner.value(ELEMENT_LIMIT) {
            Ok(span) => self.element(walk, kind, span),
            Err(fault) => self.pass_over(walk, kind, fault),
        }
    }

    /// Goes on behind an element that is too large, and stops at any other fault.
    fn pass_over(&mut self, walk: &mut Walk<'_>, kind: Option<Kind>, fault: Fault) -> Result<(), Stop> {
        walk.expects = kind;
        match fault {
            Fault::TooLong { span, .. } => Ok(self.problem(walk, kind, problem::TOO_LONG, span, 0)?),
            Fault::TooDeep { span } => Ok(self.problem(walk, kind, problem::TOO_DEEP, span, 0)?),
            fault => Err(fault.into()),
        }
    }

    fn page(&mut self, walk: &mut Walk<'_>, nesting: u32) -> Result<(), Stop> {
        walk.scanner.enter();
        while let Some(key) = walk.scanner.key()? {
            let opens = walk.scanner.ahead()?;
            match (shape::collection_of_page(&key), opens) {
                (Some(kind), Some(b'[')) => {
                    self.variants.insert("pages");
                    self.list(walk, kind, nesting + 1)?;
                }
                (Some(kind), Some(b'{')) => {
                    self.variants.insert("single objects");
                    self.object(walk, kind, nesting + 1)?;
                }
                (_, opens) => {
                    match walk.scanner.value(ELEMENT_LIMIT) {
                        Ok(_) => {}
                        Err(Fault::TooLong { .. } | Fault::TooDeep { .. }) => {}
                        Err(fault) => return Err(fault.into()),
                    }
                    let bytes = walk.scanner.bytes();
                    if key == "ticket_id" {
                        walk.page.ticket_id =
                            serde_json::from_slice(bytes).ok().and_then(|value: Value| shape::id_of(&value));
                    } else if !shape::is_paging(&key) && matches!(opens, Some(b'[' | b'{')) && bytes.len() > 2 {
                        note_key(&mut walk.passed_over, &key);
                    }
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, walk: &mut Walk<'_>, kind: Option<Kind>, nesting: u32) -> Result<(), Stop> {
        walk.scanner.enter();
        while let Some(first) = walk.scanner.element()? {
            walk.expects = kind;
            match first {
                b'{' => self.object(walk, kind, nesting + 1)?,
                b'[' if nesting < MAX_NESTING => self.list(walk, kind, nesting + 1)?,
                _ => {
                    // Numbers and words: a list of ids or tags.
                    match walk.scanner.value(ELEMENT_LIMIT) {
                        Ok(_) => {}
                        Err(fault) => self.pass_over(walk, kind, fault)?,
                    }
                    note_key(&mut walk.passed_over, "values that are no objects");
                }
            }
        }
        Ok(())
    }

    /// Puts one element into the catalog.
    fn element(&mut self, walk: &mut Walk<'_>, kind: Option<Kind>, span: Span) -> Result<(), Stop> {
        let head = match read_head(walk.scanner.bytes()) {
            Ok(head) => head,
            Err(_) => return Ok(self.problem(walk, kind, problem::MALFORMED, span, 0)?),
        };
        self.tell(span.offset)?;
        let kind = match kind {
            Some(Kind::Ticket) if !head.is_ticket() => None,
            Some(kind) => Some(kind),
            None => head.kind(),
        };
        let Some(kind) = kind else {
            let first = json::Members::new(walk.scanner.bytes()).next();
            let key = format!("objects with `{}`", first.unwrap_or_default());
            note_key(&mut walk.passed_over, &key);
            return Ok(());
        };
        let piece = Piece {
            kind: kind as u8,
            at: head.created_at.unwrap_or(i64::MAX),
            version: head.version(),
            file: walk.file,
            offset: span.offset,
            length: span.length,
            line: span.line,
            ..Piece::default()
        };
        walk.found += 1;
        self.put(walk, kind, &head, piece, span)
    }

    fn put(&mut self, walk: &mut Walk<'_>, kind: Kind, head: &Head, piece: Piece, span: Span) -> Result<(), Stop> {
        match kind {
            Kind::Ticket => {
                let Some(id) = &head.id else {
                    return Ok(self.problem(walk, Some(kind), problem::NO_ID, span, 0)?);
                };
                self.totals.ticket_copies += 1;
                self.totals.inner_comments += head.comments;
                let kind = if head.status.as_deref() == Some("deleted") { Kind::Deleted } else { Kind::Ticket };
                self.catalog.put(ticket_key(id), Piece { kind: kind as u8, ..piece })?;
                if let Some(requester) = &head.requester_id
                    && head.requester_id == head.submitter_id
                {
                    let piece = Piece { kind: Kind::Sender as u8, ..piece };
                    self.catalog.put_named(name_key(Kind::Sender, requester), piece)?;
                }
                walk.page.tickets += 1;
                walk.page.last_ticket = Some(id.clone());
            }
            Kind::Suspended => match &head.id {
                Some(id) => self.catalog.put(catalog::key("suspended", id.as_bytes()), piece)?,
                None => return Ok(self.problem(walk, Some(kind), problem::NO_ID, span, 0)?),
            },
            Kind::Comment => {
                self.totals.outer_comments += 1;
                match &head.ticket_id {
                    Some(ticket) => self.catalog.put_named(ticket_key(ticket), piece)?,
                    None => {
                        walk.page.waiting.push((piece, head.audit_id.clone()));
                        if walk.page.waiting.len() >= MAX_WAITING {
                            self.settle_page(walk)?;
                        }
                    }
                }
            }
            Kind::Audit | Kind::Event | Kind::Metric | Kind::Side | Kind::Rating => {
                let ticket = head.ticket_id.as_ref().or(walk.page.ticket_id.as_ref()).or(walk.link.as_ref());
                match ticket {
                    Some(ticket) => self.catalog.put_named(ticket_key(ticket), piece)?,
                    None => self.lost_part(walk, span, "does not say which ticket it belongs to"),
                }
                if kind == Kind::Audit
                    && let Some(id) = &head.id
                {
                    let piece = Piece { kind: Kind::AuditNumber as u8, ..piece };
                    self.catalog.put_named(name_key(Kind::AuditNumber, id), piece)?;
                }
            }
            Kind::SideEvent => match &head.side_conversation_id {
                Some(side) => self.catalog.put_named(name_key(kind, side), piece)?,
                None => self.lost_part(walk, span, "is an event that does not say of which side conversation"),
            },
            Kind::Identity => match &head.user_id {
                Some(user) => self.catalog.put_named(name_key(kind, user), piece)?,
                None => self.lost_part(walk, span, "is an identity that does not say whose"),
            },
            kind => match &head.id {
                Some(id) => self.catalog.put_named(name_key(kind, id), piece)?,
                None => self.lost_part(walk, span, "has no id"),
            },
        }
        Ok(())
    }

    /// Gives the comments that waited for the end of their page to their ticket.
    fn settle_page(&mut self, walk: &mut Walk<'_>) -> Result<(), SourceError> {
        let page = &mut walk.page;
        let only = if page.tickets == 1 { page.last_ticket.as_ref() } else { None };
        let ticket = page.ticket_id.as_ref().or(only).or(walk.link.as_ref());
        for (piece, audit) in page.waiting.drain(..) {
            match (ticket, audit) {
                (Some(ticket), _) => self.catalog.put_named(ticket_key(ticket), piece)?,
                (None, audit) => {
                    self.totals.unlinked += 1;
                    match audit {
                        Some(audit) => {
                            let piece = Piece { kind: Kind::OfAudit as u8, ..piece };
                            self.catalog.put_named(name_key(Kind::AuditNumber, &audit), piece)?;
                        }
                        None => self.totals.unlinked_bare += 1,
                    }
                    // If the archive holds one ticket only, it is that one's.
                    let piece = Piece { kind: Kind::Unlinked as u8, ..piece };
                    self.catalog.put_named(unlinked_key(), piece)?;
                }
            }
        }
        Ok(())
    }

    /// Something that the reader will yield as an error, or, of what is no part of a ticket, an oddity.
    fn problem(
        &mut self,
        walk: &mut Walk<'_>,
        kind: Option<Kind>,
        problem: u8,
        span: Span,
        at: u64,
    ) -> Result<(), SourceError> {
        walk.problem_at = Some(span.offset);
        let is_ticket =
            matches!(kind, None | Some(Kind::Ticket | Kind::Suspended | Kind::Comment | Kind::Audit | Kind::Event));
        if !is_ticket {
            self.lost_part(walk, span, "cannot be read");
            return Ok(());
        }
        let name = format!("{} {} {problem}", walk.file, span.offset);
        self.totals.problems += 1;
        let piece = Piece {
            kind: problem,
            at: i64::MAX,
            version: i64::try_from(at).unwrap_or(i64::MAX),
            file: walk.file,
            offset: span.offset,
            length: span.length,
            line: span.line,
            ..Piece::default()
        };
        Ok(self.catalog.put(catalog::key("problem", name.as_bytes()), piece)?)
    }

    fn lost_part(&mut self, walk: &Walk<'_>, span: Span, what: &str) {
        let origin = Origin::line(&walk.origin.shown, span.line);
        self.odd(codes::READ_BROKEN_PART, origin, format!("a part of the archive {what} and is left out"));
    }

    /// Writes down where a file is damaged, and gives the place to go on from.
    fn damage(&mut self, walk: &mut Walk<'_>, fault: &Fault, from: Span) -> Result<Span, SourceError> {
        let kind = walk.expects;
        let span = match *fault {
            Fault::Truncated { span } if span.length == 0 => {
                // Between two elements: how many are missing nobody knows.
                let origin = Origin::line(&walk.origin.shown, span.line);
                self.odd(codes::READ_TRUNCATED, origin, "the file ends before its last list or object does".to_owned());
                span
            }
            Fault::Truncated { span } => {
                self.problem(walk, kind, problem::TRUNCATED, span, 0)?;
                span
            }
            Fault::Broken { span, at } => {
                self.problem(walk, kind, problem::BROKEN, span, at)?;
                span
            }
            Fault::TooLong { span, .. } | Fault::TooDeep { span } => {
                self.problem(walk, kind, problem::TOO_LONG, span, 0)?;
                span
            }
            Fault::Io(_) => {
                self.problem(walk, None, problem::UNREADABLE, from, 0)?;
                from
            }
        };
        Ok(span)
    }

    /// Looks for whole elements behind a place where the file is damaged, to the end of the file.
    ///
    /// What is nested in a damaged ticket is not taken for more than it is: a comment counts only where comments
    /// were expected.
    fn salvage(&mut self, walk: &mut Walk<'_>, damaged: Span) -> Result<(), SourceError> {
        let mut spent = 0;
        let mut found = false;
        let mut from = Span { offset: damaged.offset + u64::from(damaged.length > 0), ..damaged };
        let most = problem::salvage_bytes(walk.origin.length);
        while spent < most && walk.scanner.seek(from).is_ok() {
            let Ok(Some(place)) = walk.scanner.foothold() else { break };
            from = Span { offset: place.offset + 1, ..place };
            let span = match walk.scanner.value(ELEMENT_LIMIT) {
                Ok(span) => span,
                Err(_) => {
                    spent += walk.scanner.offset() - place.offset;
                    continue;
                }
            };
            let kind = read_head(walk.scanner.bytes()).ok().and_then(|head| head.kind());
            let is_wanted = match kind {
                Some(Kind::Ticket | Kind::User | Kind::Suspended) => true,
                Some(Kind::Comment | Kind::Audit | Kind::Event) => {
                    walk.link.is_some() || matches!(walk.expects, Some(Kind::Comment | Kind::Audit | Kind::Event))
                }
                _ => false,
            };
            if !is_wanted {
                spent += span.length;
                continue;
            }
            found = true;
            match self.element(walk, kind, span) {
                Ok(()) | Err(Stop::Fault(_)) => {}
                Err(Stop::Fatal(error)) => return Err(error),
            }
            from = walk.scanner.here();
        }
        if found {
            let origin = Origin::line(&walk.origin.shown, damaged.line);
            let message = "the file is damaged here; what could be found behind was read".to_owned();
            self.odd(codes::READ_TRUNCATED, origin, message);
        }
        self.settle_page(walk)
    }
}

/// Remembers a key, but not any number of them.
fn note_key(keys: &mut BTreeSet<String>, key: &str) {
    if keys.len() < MAX_ODDITIES {
        keys.insert(key.chars().take(80).collect());
    }
}

fn read_head(bytes: &[u8]) -> Result<Head, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| serde_json::from_str(&json::mend(bytes).0).map_err(|_| error))
}

/// Whether a file's beginning shows one object on each line.
///
/// A page may have its elements on lines of their own too; there the second line ends in a comma or is the last but one.
fn are_lines(start: &[u8]) -> bool {
    let mut lines = start.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    let (Some(first), second, third) = (lines.next(), lines.next(), lines.next()) else { return false };
    if !first.starts_with(b"{") || !second.is_some_and(|line| line.starts_with(b"{")) {
        return false;
    }
    let is_whole = |line: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok();
    is_whole(first) || (second.is_some_and(is_whole) && third.is_none_or(|line| line.starts_with(b"{")))
}

/// The name without folders, for matching an attachment's file.
pub(super) fn file_name(file: &InputFile) -> String {
    Path::new(&*file.shown).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
