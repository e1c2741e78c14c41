//! API dumps: JSON, or XML, in any number of files, whose elements are told apart by their keys and not by their files.
//!
//! What help desks' scripts save lies in pages, lists, JSON lines and single objects, tickets here and what was written
//! in them there. One pass looks at every element, asks the [`Format`] what it is, and writes its place to the catalog:
//! tickets as groups, their parts and everything that is looked up under names. Records are put together from there.
//!
//! Promises:
//!
//! - Memory is bounded by the largest element and the largest record, whatever the size of the files.
//! - A ticket that stands several times comes once: its newest copy, with what other copies alone have.
//! - What cannot be read is an error with its place if it may be a ticket or a message, and an oddity else. Elements that
//!   mean nothing to the format are counted in an oddity.
//!
//! A source of this kind is a unit struct with two traits, and its own module speaks of nothing but the help desk:
//!
//! 1. [`Format::sort`] says what an element is by its keys, [`Format::opens`] and [`Format::is_of_element`] tell pages from
//!    elements, [`Format::record`] puts a record together with what the [`Desk`] looks up. The other methods have
//!    defaults: what belongs to a ticket without saying so, what people are also called, what is odd about an archive.
//! 2. `pub static SOURCE: Dump = Dump(&MyDesk);` is the source; [`Format::is_own`] tells its objects from those of others.
//! 3. A line in `SOURCES`, a sample, a mapping and its cases; the contract suite in `source/tests.rs` finds them there.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::catalog::{self, Catalog, CatalogError};
use crate::finding::codes;
use crate::input::{Head, Input};
use crate::record::{Oddity, Origin, Person, Record};
use crate::source::contacts::Contacts;
use crate::source::csv::Dates;
use crate::source::{Facts, Reader, Reading, Source, SourceError, lanes};

mod contacts;
mod desk;
mod detect;
mod pass;

pub(super) use desk::{Desk, Part, addresses, by_time, content_id, objects, take_text, text};
use detect::any_object;
pub(super) use detect::{is_number, number_beside};

/// Changes whenever an index of an older program would be understood otherwise.
const INDEX_VERSION: u32 = 2;

/// What a piece of the catalog is; formats number their own parts from [`kind::OWN`](self::kind::OWN) on.
pub(super) mod kind {
    /// A ticket.
    pub const TICKET: u8 = 0;
    /// A file of the archive that holds an attachment's bytes.
    pub const FILE: u8 = 1;
    /// A person.
    pub const PERSON: u8 = 2;
    /// Something else that is looked up by its id.
    pub const NAMED: u8 = 3;
    /// What was written in a ticket.
    pub const MESSAGE: u8 = 4;
    /// A person under another name than the id.
    pub const ALIAS: u8 = 5;
    /// The first number for further parts of tickets.
    pub const OWN: u8 = 8;
}

/// Whom a part belongs to: what it is, and its id.
pub(super) type Owner = (&'static str, String);

/// What tickets are called among owners.
pub(super) const TICKET: &str = "ticket";

/// Under what a list lies that a page has for its ticket, when it comes as a part ([`Format::list_in_page`]).
pub(super) const LIST: &str = "list";

/// What the pass makes of an element.
pub(super) enum Sort {
    /// A ticket with this id; without one it is an error.
    Ticket(Option<String>),
    /// Part of a ticket or of something else; without an owner its page or file may know one.
    Part { kind: u8, owner: Option<Owner> },
    /// Something that is looked up by its id.
    Named { kind: u8, what: &'static str, id: Option<String> },
    /// Nothing that belongs to a ticket.
    Nothing,
}

/// What one help desk's elements look like, and how a record is made of them.
pub(super) trait Format: Send + Sync {
    /// The source's name.
    fn name(&self) -> &'static str;

    /// Whether an object with these keys and this text is, beyond doubt, of this help desk.
    fn is_own(&self, keys: &[String], text: &[u8]) -> bool;

    /// Whether some archives of this help desk are XML.
    fn reads_xml(&self) -> bool {
        false
    }

    /// Whether ids and times of tickets and parts stand at their top, so that the pass need not read what is long in them.
    fn tells_at_the_top(&self) -> bool {
        true
    }

    /// The kinds of parts that tickets have, and what people call them.
    fn parts(&self) -> &'static [(u8, &'static str)] {
        &[(kind::MESSAGE, "messages")]
    }

    /// Whether elements lie below a member of this name in a page. In a map by id, elements stand under the map's name.
    fn opens(&self, key: &str) -> bool;

    /// Whether only elements, and no pages, have a member of this name.
    fn is_of_element(&self, key: &str) -> bool;

    /// What an element is, that stands under `key` of its page (blank: none) in the file of this name.
    fn sort(&self, object: &Map<String, Value>, key: &str, file: &str) -> Sort;

    /// Whom parts belong to that do not say so, by the name of their file.
    fn owner_in_path(&self, path: &str) -> Option<Owner> {
        let _ = path;
        None
    }

    /// Whom they belong to by a member of their page.
    fn owner_in_page(&self, key: &str, value: &Value) -> Option<Owner> {
        let _ = (key, value);
        None
    }

    /// The kind of part that a list is which a page has under this name for its ticket.
    fn list_in_page(&self, key: &str) -> Option<u8> {
        let _ = key;
        None
    }

    /// Takes what was written out of a ticket that has it inside.
    fn take_messages(&self, ticket: &mut Map<String, Value>) -> Vec<Map<String, Value>> {
        let _ = ticket;
        Vec::new()
    }

    /// Adds to a ticket what only an older copy of it has: lists leave out what the ticket by itself has.
    fn fill(&self, ticket: &mut Map<String, Value>, older: Map<String, Value>) {
        for (key, value) in older {
            ticket.entry(key).or_insert(value);
        }
    }

    /// What a ticket is counted as, for [`Format::say`].
    fn tally(&self, ticket: &Map<String, Value>) -> Option<&'static str> {
        let _ = ticket;
        None
    }

    /// What is to be said about an archive as a whole, by how many there are: `tickets`, what they were tallied as, the
    /// words for parts, and what things are that are looked up.
    fn say(&self, count: &dyn Fn(&str) -> u64) -> Vec<String> {
        let _ = count;
        Vec::new()
    }

    /// The kinds of people that are looked up, for the list of people.
    fn person(
        &self,
        desk: &mut Desk<'_>,
        what: &'static str,
        object: Map<String, Value>,
    ) -> Result<Person, CatalogError>;

    /// What a person in the archive is: among what kind, and the id.
    fn person_key(&self, object: &Map<String, Value>) -> Option<Owner>;

    /// Other names under which a person is looked up: addresses, logins, ids of another kind.
    fn also_called(&self, person: &Map<String, Value>) -> Vec<String> {
        let _ = person;
        Vec::new()
    }

    /// Makes a record of a ticket and its parts: those inside first, each once.
    fn record(
        &self,
        desk: &mut Desk<'_>,
        ticket: Map<String, Value>,
        origin: &Origin,
        parts: Vec<Part>,
    ) -> Result<Record, CatalogError>;
}

/// The name under which an owner's parts, or a thing itself, are found.
fn name_key(what: &str, id: &str) -> i64 {
    catalog::key(what, id.as_bytes())
}

/// The name under which parts lie that nobody is known to own.
fn unlinked_key() -> i64 {
    catalog::key("unlinked", b"")
}

/// A help desk whose archives are dumps, as a source.
pub struct Dump(pub(super) &'static dyn Format);

impl Source for Dump {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn recognises(&self, head: &Head) -> bool {
        head.files.iter().any(|file| any_object(self.0, file))
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let format = self.0;
        let dates = Dates::of(None, reading)?;
        let catalog = indexed(format, &input, &dates, reading)?;
        let notes = catalog.noted("pass")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let (facts, is_single) = facts(format, &catalog, &input, &notes)?;
        let groups = catalog.into_groups(reading.order);
        let make = |catalog| desk::Tickets::new(format, catalog, input.clone(), dates.clone(), is_single);
        lanes::reader(format.name(), facts, &input, groups, make)
    }

    fn people(&self, input: Input, reading: &Reading<'_>) -> Result<Option<Contacts>, SourceError> {
        let dates = Dates::of(None, reading)?;
        let catalog = indexed(self.0, &input, &dates, reading)?;
        Ok(Some(Box::new(contacts::People::new(self.0, catalog, input, dates))))
    }
}

/// The archive's index, made by a pass over it unless it is there already.
fn indexed(
    format: &'static dyn Format,
    input: &Input,
    dates: &Dates,
    reading: &Reading<'_>,
) -> Result<Catalog, SourceError> {
    let stamp = input.stamp().map_err(|cause| {
        let path = input.files().first().map(|file| file.path.to_path_buf()).unwrap_or_default();
        SourceError::Io { path, cause }
    })?;
    let key = format!("{} dump {INDEX_VERSION} {stamp} {:?}", format.name(), reading.shape.zone);
    let mut catalog = Catalog::open(reading.index, reading.scratch, &key)?;
    if !catalog.is_sealed() {
        let mut pass = pass::Pass::new(format, input, dates, &mut catalog, reading.watch);
        pass.run()?;
        let notes = notes(&pass);
        catalog.note("pass", &notes)?;
        catalog.seal()?;
    }
    Ok(catalog)
}

/// What the pass found out and the catalog cannot count, as text to keep beside the index.
fn notes(pass: &pass::Pass<'_>) -> String {
    let oddities = super::joined::noted(&pass.oddities);
    json!({"counts": pass.counts, "variants": pass.variants, "oddities": oddities}).to_string()
}

/// Facts, and whether parts that name no ticket can only be those of the archive's only one.
fn facts(format: &dyn Format, catalog: &Catalog, input: &Input, notes: &Value) -> Result<(Facts, bool), SourceError> {
    let number = |key: &str| notes["counts"][key].as_u64().unwrap_or(0);
    let texts = |key: &str| notes[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let variants = texts("variants").iter().filter_map(|it| it.as_str().map(str::to_owned)).collect();
    let mut oddities: Vec<Oddity> = texts("oddities").iter().filter_map(super::joined::oddity_of).collect();
    let records = catalog.group_count()?;
    let tickets = records - number("unreadable").min(records);
    let is_single = tickets == 1 && number("unreadable") == 0;
    let mut lost_messages = 0;
    for &(kind, what) in format.parts() {
        // People have parts, too. What nobody is known to own lies under a name of its own, which no group has; there it
        // is that of the archive's only ticket.
        let (mut lost, mut first) = catalog.orphans(kind, kind::PERSON)?;
        if is_single {
            let unlinked = catalog.named(unlinked_key())?;
            lost = lost.saturating_sub(unlinked.iter().filter(|piece| piece.kind == kind).count() as u64);
            first = first.filter(|_| lost > 0);
        }
        if kind == kind::MESSAGE {
            lost_messages = lost;
        }
        if lost > 0 {
            let origin = match first {
                Some(piece) => Origin::line(&input.files()[piece.file as usize].shown, piece.line),
                None => Origin::whole(&Arc::from(".")),
            };
            let message = format!(
                "{lost} {what} belong to tickets that the archive does not hold, or do not say to which; they are left out"
            );
            oddities.push(Oddity { code: codes::READ_MISSING_PART, origin, message });
        }
    }
    for message in format.say(&number) {
        oddities.push(Oddity { code: codes::READ_MISSING_PART, origin: Origin::whole(&Arc::from(".")), message });
    }
    let counts = vec![
        ("tickets", tickets),
        ("messages", number("messages")),
        ("lost_messages", lost_messages),
        ("persons", catalog.name_count(kind::PERSON)?),
        ("attachment_files", catalog.name_count(kind::FILE)?),
        ("duplicates", number("tickets").saturating_sub(tickets)),
        ("unreadable", number("unreadable")),
    ];
    Ok((Facts { records, counts, variants, oddities }, is_single))
}
