//! The one pass over a dump: where everything stands, and what it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::desk::created_at;
use super::detect::is_number;
use super::{Format, Owner, Sort, TICKET, kind, name_key, unlinked_key};
use crate::catalog::{Catalog, Piece};
use crate::finding::codes;
use crate::input::{Input, InputFile, Portion};
use crate::json::elements::are_lines;
use crate::json::{self, Fault, Members, Scanner, Sketch, Span};
use crate::record::{Oddity, Origin};
use crate::source::SourceError;
use crate::source::csv::Dates;
use crate::source::problem::{self, ELEMENT_LIMIT, Stop};
use crate::source::xml;
use crate::source::zendesk::attachment_in_path;

/// How much of an object is looked at to tell a page from an element.
const LOOK: usize = 64 * 1024;

/// How often the watcher is told, in bytes read.
const WATCH_EVERY: u64 = 4 * 1024 * 1024;

/// How deep pages may lie in pages and lists in lists.
const MAX_NESTING: u32 = 6;

/// How many oddities of one kind are listed before they are only counted.
const MAX_ODDITIES: usize = 50;

/// How many parts may wait for the end of their page to learn whose they are.
const MAX_WAITING: usize = 10_000;

/// The state of the pass.
pub(super) struct Pass<'a> {
    format: &'static dyn Format,
    input: &'a Input,
    dates: &'a Dates,
    catalog: &'a mut Catalog,
    watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    pub counts: BTreeMap<&'static str, u64>,
    pub variants: BTreeSet<&'static str>,
    pub oddities: Vec<Oddity>,
    /// How many oddities of each kind there are, listed or not.
    odd: BTreeMap<&'static str, usize>,
    /// What was not read: the first place, and how many.
    unread: BTreeMap<String, (Origin, u64)>,
    /// Bytes of the files before this one.
    bytes_before: u64,
    told: u64,
}

/// Where the pass is in one file.
struct Walk<'a> {
    scanner: Scanner<Portion>,
    index: u32,
    file: &'a InputFile,
    /// Whom the file's name names.
    link: Option<Owner>,
    page: Page,
    /// How many pages the walk is inside of.
    pages: u32,
}

/// What is known about the page that is being read.
#[derive(Default)]
struct Page {
    owner: Option<Owner>,
    /// The last ticket of the page, and how many it holds.
    last_ticket: Option<String>,
    tickets: u64,
    /// Parts whose owner may still come.
    waiting: Vec<Piece>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        format: &'static dyn Format,
        input: &'a Input,
        dates: &'a Dates,
        catalog: &'a mut Catalog,
        watch: &'a (dyn Fn(u64) -> ControlFlow<()> + Sync),
    ) -> Self {
        Self {
            format,
            input,
            dates,
            catalog,
            watch,
            counts: BTreeMap::new(),
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
            if let Some(id) = attachment_in_path(&file.shown) {
                let piece = Piece { kind: kind::FILE, file: index, length: file.length, ..Piece::default() };
                self.catalog.put_named(name_key("file", &id), piece)?;
            } else if file.length > 0 {
                self.read_file(index, file)?;
            }
            self.bytes_before += file.length;
            self.tell(0)?;
        }
        for (what, (origin, count)) in std::mem::take(&mut self.unread) {
            let things = if count == 1 { "element" } else { "elements" };
            self.odd(
                codes::READ_IGNORED,
                origin,
                format!("{what} belong to no ticket and are not read ({count} {things})"),
            );
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

    /// Counts what is not read, but not any number of kinds of it.
    fn pass_over(&mut self, walk: &Walk<'_>, what: String, line: u64) {
        let what = if self.unread.len() < MAX_ODDITIES || self.unread.contains_key(&what) {
            what
        } else {
            "further elements".to_owned()
        };
        let first = || (Origin::line(&walk.file.shown, line.max(1)), 0);
        self.unread.entry(what).or_insert_with(first).1 += 1;
    }

    fn read_file(&mut self, index: u32, file: &'a InputFile) -> Result<(), SourceError> {
        let unreadable = |cause| SourceError::Io { path: file.path.to_path_buf(), cause };
        let scanner = file.open().and_then(Scanner::new).map_err(unreadable)?;
        let link = self.format.owner_in_path(&file.shown);
        let mut walk = Walk { scanner, index, file, link, page: Page::default(), pages: 0 };
        let first = walk.scanner.peek().map_err(unreadable)?;
        if first == Some(b'<') && self.format.reads_xml() {
            self.variants.insert("xml");
            return self.xml(&mut walk);
        }
        if !matches!(first, Some(b'{' | b'[')) {
            if first.is_some() {
                let message = "holds no JSON and is not read".to_owned();
                self.odd(codes::READ_IGNORED, Origin::whole(&file.shown), message);
            }
            return Ok(());
        }
        let is_lines = are_lines(walk.scanner.look(LOOK).map_err(unreadable)?);
        walk.scanner.set_lines(is_lines);
        self.variants.insert(match (is_lines, first) {
            (true, _) => "json lines",
            (false, Some(b'[')) => "lists",
            (false, _) => "objects and pages",
        });
        loop {
            let from = walk.scanner.here();
            if matches!(walk.scanner.peek(), Ok(None)) {
                break;
            }
            walk.page = Page::default();
            walk.pages = 0;
            let outcome = self.value(&mut walk, "", 0);
            self.settle(&mut walk, true)?;
            match outcome {
                Ok(()) => {}
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Fault(fault)) => {
                    let is_io = matches!(fault, Fault::Io(_));
                    let damaged = self.damage(&mut walk, &fault, from)?;
                    if is_io {
                        break;
                    }
                    if is_lines {
                        if walk.scanner.skip_line().is_err() {
                            break;
                        }
                    } else {
                        self.salvage(&mut walk, damaged)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a file of XML elements.
    fn xml(&mut self, walk: &mut Walk<'a>) -> Result<(), SourceError> {
        let failed = |cause| SourceError::Io { path: walk.file.path.to_path_buf(), cause };
        let (all, mut one) = (walk.file.open().map_err(failed)?, walk.file.open().map_err(failed)?);
        let damage = xml::elements(all, ELEMENT_LIMIT, |span, name| -> Result<(), SourceError> {
            self.tell(span.offset)?;
            if span.length > ELEMENT_LIMIT {
                return self.problem(walk, problem::TOO_LONG, span, 0);
            }
            let mut bytes = Vec::new();
            let read = one
                .seek(SeekFrom::Start(span.offset))
                .and_then(|_| (&mut one).take(span.length).read_to_end(&mut bytes));
            read.map_err(|cause| SourceError::Io { path: walk.file.path.to_path_buf(), cause })?;
            let Some(object) = xml::object(&bytes) else { return self.problem(walk, problem::MALFORMED, span, 0) };
            let sorted = self.format.sort(&object, name, &walk.file.shown);
            match self.element(walk, name, span, &object, sorted) {
                Ok(()) | Err(Stop::Fault(_)) => Ok(()),
                Err(Stop::Fatal(error)) => Err(error),
            }
        })?;
        if let Some(fault) = damage {
            self.damage(walk, &fault, Span::default())?;
        }
        self.settle(walk, true)
    }

    fn value(&mut self, walk: &mut Walk<'a>, key: &str, nesting: u32) -> Result<(), Stop> {
        match walk.scanner.ahead()? {
            Some(b'[') if nesting < MAX_NESTING => {
                walk.scanner.enter();
                while let Some(first) = walk.scanner.element()? {
                    match first {
                        b'{' | b'[' => self.value(walk, key, nesting + 1)?,
                        // Pages name ids of what stands beside.
                        b'0'..=b'9' => self.skip(walk)?,
                        _ => {
                            let line = walk.scanner.here().line;
                            self.skip(walk)?;
                            self.pass_over(walk, "values that are no objects".to_owned(), line);
                        }
                    }
                }
                Ok(())
            }
            Some(b'{') => self.object(walk, key, nesting),
            _ => self.skip(walk),
        }
    }

    /// Passes over a value without keeping it.
    fn skip(&mut self, walk: &mut Walk<'a>) -> Result<(), Stop> {
        match walk.scanner.value(0) {
            Ok(_) | Err(Fault::TooLong { .. } | Fault::TooDeep { .. }) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn object(&mut self, walk: &mut Walk<'a>, key: &str, nesting: u32) -> Result<(), Stop> {
        if nesting < MAX_NESTING {
            let is_lines = walk.scanner.is_lines();
            let mut start = walk.scanner.look(LOOK)?;
            if is_lines && let Some(end) = memchr::memchr(b'\n', start) {
                start = &start[..end];
            }
            if is_page(self.format, start) {
                return self.page(walk, key, nesting);
            }
        }
        self.whole(walk, key)
    }

    /// An object that is taken whole.
    fn whole(&mut self, walk: &mut Walk<'a>, key: &str) -> Result<(), Stop> {
        match walk.scanner.value(ELEMENT_LIMIT) {
            Ok(span) => {
                self.tell(span.offset)?;
                if self.format.tells_at_the_top()
                    && let Some(Sketch { object, is_whole }) = json::sketch(walk.scanner.bytes())
                {
                    let sorted = self.format.sort(&object, key, &walk.file.shown);
                    // What people are called may stand deep in what describes them; what tickets and parts say does not matter here.
                    if is_whole || matches!(sorted, Sort::Ticket(_) | Sort::Part { .. }) {
                        return self.element(walk, key, span, &object, sorted);
                    }
                }
                match json::parse(walk.scanner.bytes()) {
                    Ok((Value::Object(object), _)) => {
                        let sorted = self.format.sort(&object, key, &walk.file.shown);
                        self.element(walk, key, span, &object, sorted)
                    }
                    _ => Ok(self.problem(walk, problem::MALFORMED, span, 0)?),
                }
            }
            Err(Fault::TooLong { span, .. }) => Ok(self.problem(walk, problem::TOO_LONG, span, 0)?),
            Err(Fault::TooDeep { span }) => Ok(self.problem(walk, problem::TOO_DEEP, span, 0)?),
            Err(fault) => Err(fault.into()),
        }
    }

    fn page(&mut self, walk: &mut Walk<'a>, key: &str, nesting: u32) -> Result<(), Stop> {
        let start = walk.scanner.here();
        let outer = std::mem::take(&mut walk.page);
        walk.pages += 1;
        let outcome = self.members(walk, key, nesting);
        walk.pages -= 1;
        // What the page does not know, the page around it may.
        self.settle(walk, walk.pages == 0)?;
        let inner = std::mem::replace(&mut walk.page, outer);
        walk.page.waiting.extend(inner.waiting);
        walk.page.tickets += inner.tickets;
        walk.page.last_ticket = inner.last_ticket.or(walk.page.last_ticket.take());
        if outcome? {
            return Ok(());
        }
        // Only now comes what shows that it is no page.
        walk.scanner.seek(start)?;
        self.whole(walk, key)
    }

    /// The members of a page; false if it is none after all.
    fn members(&mut self, walk: &mut Walk<'a>, under: &str, nesting: u32) -> Result<bool, Stop> {
        walk.scanner.enter();
        while let Some(key) = walk.scanner.key()? {
            let first = walk.scanner.ahead()?;
            if self.format.is_of_element(&key) {
                return Ok(false);
            }
            if self.format.opens(&key) && matches!(first, Some(b'[' | b'{')) {
                let key = if is_number(&key) && !under.is_empty() { under } else { &key };
                self.value(walk, key, nesting + 1)?;
                continue;
            }
            let line = walk.scanner.here().line;
            let span = match walk.scanner.value(ELEMENT_LIMIT) {
                Ok(span) => span,
                Err(Fault::TooLong { .. } | Fault::TooDeep { .. }) => continue,
                Err(fault) => return Err(fault.into()),
            };
            let bytes = walk.scanner.bytes();
            let owner = json::parse(bytes).ok().and_then(|(value, _)| self.format.owner_in_page(&key, &value));
            let first_item = bytes.get(1..).map(<[u8]>::trim_ascii_start).and_then(<[u8]>::first);
            let is_list = matches!(first, Some(b'['));
            let holds_something = is_list && first_item.is_some_and(|it| *it != b']' && !it.is_ascii_digit());
            match owner {
                Some(owner) => walk.page.owner = Some(owner),
                None if is_list && let Some(kind) = self.format.list_in_page(&key) => {
                    let version = i64::MIN;
                    let piece = Piece { kind, version, ..piece_at(walk, span) };
                    self.part(walk, kind, None, piece)?;
                }
                None if holds_something => self.pass_over(walk, format!("`{key}`"), line),
                None => {}
            }
        }
        Ok(true)
    }

    /// Puts one element into the catalog.
    fn element(
        &mut self,
        walk: &mut Walk<'a>,
        key: &str,
        span: Span,
        object: &Map<String, Value>,
        sorted: Sort,
    ) -> Result<(), Stop> {
        let (created, updated) = created_at(object, self.dates);
        let piece = Piece {
            at: created.map_or(i64::MAX, Timestamp::as_second),
            version: updated.or(created).map_or(i64::MIN, Timestamp::as_second),
            ..piece_at(walk, span)
        };
        match sorted {
            Sort::Ticket(Some(id)) => {
                self.count("tickets");
                if let Some(what) = self.format.tally(object) {
                    self.count(what);
                }
                self.catalog.put(name_key(TICKET, &id), Piece { kind: kind::TICKET, ..piece })?;
                walk.page.tickets += 1;
                walk.page.last_ticket = Some(id);
            }
            Sort::Ticket(None) => self.problem(walk, problem::NO_ID, span, 0)?,
            Sort::Part { kind, owner } => self.part(walk, kind, owner, Piece { kind, ..piece })?,
            Sort::Named { kind, what, id: Some(id) } => {
                self.count(what);
                self.catalog.put_named(name_key(what, &id), Piece { kind, ..piece })?;
                if kind == kind::PERSON {
                    for name in self.format.also_called(object).iter().filter(|name| **name != id) {
                        self.catalog.put_named(name_key(what, name), Piece { kind: kind::ALIAS, ..piece })?;
                    }
                }
            }
            Sort::Named { what, id: None, .. } => {
                let origin = Origin::line(&walk.file.shown, span.line);
                self.odd(codes::READ_BROKEN_PART, origin, format!("a {what} without an id is left out"));
            }
            Sort::Nothing => {
                let first: String = object.keys().next().map_or("", String::as_str).chars().take(60).collect();
                let what = match key {
                    "" => format!("objects that begin with `{first}`"),
                    key => format!("`{key}`"),
                };
                let name = walk.file.shown.rsplit(['/', '\\']).next().unwrap_or_default();
                self.pass_over(walk, format!("{what} in `{name}`"), span.line);
            }
        }
        Ok(())
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Puts a part of something into the catalog, or lets it wait for its owner.
    fn part(&mut self, walk: &mut Walk<'a>, kind: u8, owner: Option<Owner>, piece: Piece) -> Result<(), SourceError> {
        if let Some((_, what)) = self.format.parts().iter().find(|(it, _)| *it == kind) {
            self.count(what);
        }
        match owner {
            Some((what, id)) => self.catalog.put_named(name_key(what, &id), piece)?,
            None => {
                walk.page.waiting.push(piece);
                if walk.page.waiting.len() >= MAX_WAITING {
                    self.settle(walk, true)?;
                }
            }
        }
        Ok(())
    }

    /// Gives the parts that waited to their owner; `is_last`: nobody else will know.
    fn settle(&mut self, walk: &mut Walk<'a>, is_last: bool) -> Result<(), SourceError> {
        let page = &mut walk.page;
        let only = match (&page.last_ticket, page.tickets) {
            (Some(id), 1) => Some((TICKET, id.clone())),
            _ => None,
        };
        let owner = page.owner.clone().or(only);
        let name = match (owner.or(if is_last { walk.link.clone() } else { None }), is_last) {
            (Some((what, id)), _) => name_key(what, &id),
            (None, true) => unlinked_key(),
            (None, false) => return Ok(()),
        };
        for piece in page.waiting.drain(..) {
            self.catalog.put_named(name, piece)?;
        }
        Ok(())
    }

    /// Something that the reader will yield as an error.
    fn problem(&mut self, walk: &Walk<'_>, kind: u8, span: Span, at: u64) -> Result<(), SourceError> {
        self.count("unreadable");
        let version = i64::try_from(at).unwrap_or(i64::MAX);
        let piece = Piece { kind, at: i64::MAX, version, ..piece_at(walk, span) };
        let name = format!("{} {} {kind}", walk.index, span.offset);
        Ok(self.catalog.put(name_key("problem", &name), piece)?)
    }

    /// Writes down where a file is damaged, and gives the place.
    fn damage(&mut self, walk: &mut Walk<'a>, fault: &Fault, from: Span) -> Result<Span, SourceError> {
        match *fault {
            Fault::Truncated { span } if span.length == 0 => {
                let origin = Origin::line(&walk.file.shown, span.line);
                self.odd(codes::READ_TRUNCATED, origin, "the file ends before its last list or object does".to_owned());
                Ok(span)
            }
            Fault::Truncated { span } => self.problem(walk, problem::TRUNCATED, span, 0).map(|()| span),
            Fault::Broken { span, at } => self.problem(walk, problem::BROKEN, span, at).map(|()| span),
            Fault::TooLong { span, .. } | Fault::TooDeep { span } => {
                self.problem(walk, problem::TOO_LONG, span, 0).map(|()| span)
            }
            Fault::Io(_) => self.problem(walk, problem::UNREADABLE, from, 0).map(|()| from),
        }
    }

    /// Looks for whole elements behind a place where the file is damaged, to the end of the file.
    ///
    /// Only what says itself what it is and to whom it belongs is taken.
    fn salvage(&mut self, walk: &mut Walk<'a>, damaged: Span) -> Result<(), SourceError> {
        let (mut spent, mut found) = (0, false);
        let mut from = Span { offset: damaged.offset + u64::from(damaged.length > 0), ..damaged };
        let most = problem::salvage_bytes(walk.file.length);
        while spent < most && walk.scanner.seek(from).is_ok() {
            let Ok(Some(place)) = walk.scanner.foothold() else { break };
            from = Span { offset: place.offset + 1, ..place };
            let Ok(span) = walk.scanner.value(ELEMENT_LIMIT) else {
                spent += walk.scanner.offset().saturating_sub(place.offset).max(1);
                continue;
            };
            let object = match json::parse(walk.scanner.bytes()) {
                Ok((Value::Object(object), _)) => object,
                _ => {
                    spent += span.length;
                    continue;
                }
            };
            let sorted = self.format.sort(&object, "", &walk.file.shown);
            let is_wanted = match &sorted {
                Sort::Ticket(id) => id.is_some(),
                Sort::Part { owner, .. } => owner.is_some() || walk.link.is_some(),
                Sort::Named { id, .. } => id.is_some(),
                Sort::Nothing => false,
            };
            if !is_wanted {
                spent += span.length;
                continue;
            }
            found = true;
            from = walk.scanner.here();
            match self.element(walk, "", span, &object, sorted) {
                Ok(()) | Err(Stop::Fault(_)) => {}
                Err(Stop::Fatal(error)) => return Err(error),
            }
        }
        walk.page.tickets = 0;
        self.settle(walk, true)?;
        if found {
            let origin = Origin::line(&walk.file.shown, damaged.line);
            let message = "the file is damaged here; what could be found behind was read".to_owned();
            self.odd(codes::READ_TRUNCATED, origin, message);
        }
        Ok(())
    }
}

/// Where a piece stands.
fn piece_at(walk: &Walk<'_>, span: Span) -> Piece {
    Piece { file: walk.index, offset: span.offset, length: span.length, line: span.line, ..Piece::default() }
}

/// Whether an object is a page: something in it holds elements, and nothing is an element's own.
pub(super) fn is_page(format: &dyn Format, text: &[u8]) -> bool {
    let mut members = Members::new(text);
    let mut opens = false;
    while let Some(key) = members.next() {
        if format.is_of_element(&key) {
            return false;
        }
        opens |= format.opens(&key) && matches!(members.value().trim_ascii_start().first(), Some(b'[' | b'{'));
    }
    opens
}
