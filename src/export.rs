//! Files for people, spreadsheets and other programs: what FreeScout's own export leaves out.
//!
//! Promises:
//!
//! - Everything that the API shows is in the files: every conversation in whatever state, every text, note, line item and
//!   attachment, tags and custom fields by name, customers and users.
//! - A file or folder with the final name is complete ([`output`]).
//! - Memory is bounded by the largest conversation, whatever their number.
//! - Nothing in the files runs: formulas are defused, HTML is cleaned, and no name from outside chooses a path.
//!
//! A [`Producer`] gives conversations (a live FreeScout, a journal, a backup), any number of [`Exporter`]s write them; [`run`] brings
//! them together. An exporter is one unit struct and one line in [`EXPORTERS`].

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use crate::freescout::{ApiError, wire};
use crate::journal::JournalError;
use crate::record::{Origin, RecordId};
use crate::report::{Event, Outcome, Reporter, Summary};
use crate::upload::Stop;

pub mod csv;
pub mod files;
pub mod html;
pub mod hub;
pub mod json;
pub mod live;
mod mail;
pub mod mbox;
pub mod output;
pub mod select;
pub mod snapshot;
pub mod table;
mod text;
pub mod xlsx;

pub use hub::{Exported, ExportedThread, Site};
pub use output::{Destination, Form, Older};
pub use select::{Selection, Someone, Theirs};

use output::{MARK, Staged};

/// The source's name in record ids of what is exported: `freescout:4711`.
pub const FREESCOUT: &str = "freescout";

/// Every exporter.
pub static EXPORTERS: &[&dyn Exporter] =
    &[&csv::Csv, &xlsx::Xlsx, &json::Json, &json::JsonLines, &mbox::Mbox, &mbox::Maildir, &html::Html];

/// The exporter of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Exporter> {
    EXPORTERS.iter().copied().find(|exporter| exporter.name() == name)
}

/// One kind of file.
pub trait Exporter: Sync {
    /// The name that `--format` uses: lower case, one word.
    fn name(&self) -> &'static str;

    /// What it makes.
    fn form(&self) -> Form;

    /// Whether it wants the bytes of attachments; they are fetched only then.
    fn wants_files(&self, options: &Options) -> bool;

    /// Begins to write. Called once for each export, after [`Options::check`].
    fn create(&self, site: &Site, options: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError>;
}

/// An export that is being written.
pub trait Writer: Send {
    /// Writes a conversation. They come in the order of their ids as far as the producer can give it, each once.
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError>;

    /// Writes a customer; all of them come after the last conversation.
    fn customer(&mut self, customer: &wire::Customer, notes: &mut Notes) -> Result<(), ExportError>;

    /// Writes what comes last and flushes. Nothing is complete before it has returned.
    fn finish(self: Box<Self>, notes: &mut Notes) -> Result<(), ExportError>;
}

/// Where conversations come from.
pub trait Producer {
    /// What they have in common.
    fn site(&self) -> &Site;

    /// How many conversations there are, before the selection, if that is known.
    fn total(&self) -> Option<u64>;

    /// Whether it gives everything that the site holds; a journal gives only what it has brought there.
    fn is_whole(&self) -> bool {
        true
    }

    /// The conversations that are wanted, by id. Called once.
    ///
    /// `files` says whether the bytes of attachments are wanted. An error ends the export; what costs one
    /// conversation or attachment only is [`Produced::Lost`], or an attachment without bytes.
    fn conversations<'a>(
        &'a mut self,
        selection: &Selection,
        files: Files,
    ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError>;

    /// The customers with these ids, or all. Called once, after the conversations.
    fn customers<'a>(
        &'a mut self,
        ids: Option<&'a BTreeSet<u64>>,
    ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError>;
}

/// What a producer gives.
#[allow(clippy::large_enum_variant, reason = "nearly all are conversations, and each is moved once")]
#[derive(Debug)]
pub enum Produced {
    /// A conversation.
    Conversation(Exported),
    /// One that could not be had.
    Lost {
        /// Which.
        id: u64,
        /// Why, in one sentence.
        reason: String,
    },
}

/// Whether the bytes of attachments are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// Names and sizes are enough.
    Named,
    /// With their bytes.
    Wanted,
}

/// In which form texts are written into cells and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Bodies {
    /// Plain text.
    #[default]
    Text,
    /// HTML as FreeScout stores it.
    Html,
}

/// What happens to texts that do not fit into a spreadsheet's cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LongCells {
    /// Cut at the limit of spreadsheets; the whole text stands in a file beside the tables.
    #[default]
    Cut,
    /// Kept whole, for programs that know no limit.
    Keep,
}

/// How to write.
#[derive(Debug, Clone)]
pub struct Options {
    /// Texts in tables.
    pub bodies: Bodies,
    /// These columns only, in this order; empty: all.
    pub columns: Vec<String>,
    /// Whether CSV begins with a byte-order mark, by which Excel knows UTF-8.
    pub has_mark: bool,
    /// Long texts in tables.
    pub long_cells: LongCells,
    /// Whether cells that a spreadsheet would take for formulas are defused.
    pub is_defused: bool,
    /// Whether attachments are written where a format can do without them.
    pub has_files: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bodies: Bodies::default(),
            columns: Vec::new(),
            has_mark: true,
            long_cells: LongCells::default(),
            is_defused: true,
            has_files: false,
        }
    }
}

/// What to write where.
pub struct Job {
    /// In which format.
    pub exporter: &'static dyn Exporter,
    /// To which place.
    pub destination: Destination,
    /// What happens to an older export there.
    pub older: Older,
    /// How.
    pub options: Options,
}

/// Counts of what was noticed while writing, told to the reporter as findings.
pub struct Notes {
    reporter: Arc<dyn Reporter>,
    /// Findings by severity.
    counts: [u64; 3],
}

impl Notes {
    /// Nothing noticed yet.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, counts: [0; 3] }
    }

    /// Something noticed about a conversation.
    pub fn tell(&mut self, code: &'static str, conversation: u64, message: String) {
        self.tell_of(code, Some(conversation), message);
    }

    /// The same, or something noticed outside all conversations.
    fn tell_of(&mut self, code: &'static str, conversation: Option<u64>, message: String) {
        let mut finding = crate::finding::Finding::new(code, message);
        finding.record = conversation.map(|id| RecordId::new(FREESCOUT, id.to_string()));
        self.counts[finding.severity as usize] += 1;
        self.reporter.event(&Event::Finding(&finding));
    }
}

/// An export could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// An older export is there.
    #[error("`{}` exists already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// Something else is there.
    #[error("`{}` is there and is not an export of foxferry's", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// Another export is writing there.
    #[error("`{}` is being written by another export", path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// A path such as `..` names no place.
    #[error("`{}` names no file or folder to write", path.display())]
    NoName {
        /// As given.
        path: PathBuf,
    },
    /// A column that no table has.
    #[error("there is no column `{wanted}`")]
    NoSuchColumn {
        /// As given.
        wanted: String,
        /// The one that looks most like it.
        nearest: Option<String>,
        /// All there are.
        known: Vec<String>,
    },
    /// A file could not be written.
    #[error("`{}` cannot be written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// FreeScout could not be asked any more.
    #[error("FreeScout could not be read")]
    Fetch(#[source] ApiError),
    /// The journal could not be read.
    #[error("the journal could not be read")]
    Journal(#[from] JournalError),
    /// A backup or another store could not be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A format's own library failed.
    #[error("`{}` cannot be written as {format}: {problem}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// The format.
        format: &'static str,
        /// Why.
        problem: String,
    },
}

impl Options {
    /// Refuses what no format could do.
    pub fn check(&self, site: &Site) -> Result<(), ExportError> {
        table::check_columns(&self.columns, site)
    }
}

/// Writes what a producer gives with all exporters at once.
///
/// Blocks; call it from an OS thread of its own when there is an async runtime. On an error or when asked to stop nothing is
/// published, and the sums say that it was interrupted.
pub fn run(
    producer: &mut dyn Producer,
    selection: &Selection,
    jobs: &[Job],
    reporter: &Arc<dyn Reporter>,
    stop: &Stop,
) -> Result<Summary, ExportError> {
    let started = std::time::Instant::now();
    let mut sums = Summary::default();
    let mut notes = Notes::new(Arc::clone(reporter));
    let mut open = Vec::with_capacity(jobs.len());
    for job in jobs {
        job.options.check(producer.site())?;
        let staged = Staged::open(&job.destination, job.exporter.form(), job.older)?;
        let writer = job.exporter.create(producer.site(), &job.options, &staged)?;
        open.push((writer, staged, job));
    }
    let wants_files = jobs.iter().any(|job| job.exporter.wants_files(&job.options));
    let total = producer.total().unwrap_or_default();
    let total = selection.limit.map_or(total, |most| most.min(total));
    reporter.event(&Event::Opened { format: "FreeScout", records: total });
    let place = Origin::whole(&Arc::from(producer.site().url.as_str()));
    // Of one person only their own profile is wanted, also if there is no conversation of theirs.
    let mut customers = selection.customer.as_ref().map(|someone| someone.ids.clone()).unwrap_or_default();
    let has_choice = !(selection.is_everything() && producer.is_whole());
    let mut given = producer.conversations(selection, if wants_files { Files::Wanted } else { Files::Named })?;
    while selection.limit.is_none_or(|most| sums.read < most) && !stop.is_asked() {
        let Some(produced) = given.next() else { break };
        let (id, reason) = match produced? {
            Produced::Conversation(exported) => {
                for (writer, ..) in &mut open {
                    writer.write(&exported, &mut notes)?;
                }
                if has_choice && selection.customer.is_none() {
                    customers.extend(exported.customers());
                }
                sums.threads += exported.threads.len() as u64;
                sums.attachments += exported.threads.iter().map(|thread| thread.files.len() as u64).sum::<u64>();
                tell_missing(&exported, wants_files, &mut notes);
                (exported.conversation.id, None)
            }
            Produced::Lost { id, reason } => (id, Some(reason)),
        };
        let outcome = if reason.is_none() { Outcome::Done } else { Outcome::Rejected };
        sums.count(outcome);
        reporter.event(&Event::Outcome {
            record: &RecordId::new(FREESCOUT, id.to_string()),
            origin: &place,
            outcome,
            conversation: Some(id),
            reason: reason.as_deref(),
            is_from_before: false,
        });
    }
    drop(given);
    if !stop.is_asked() {
        let wanted = has_choice.then_some(&customers);
        for customer in producer.customers(wanted)? {
            if stop.is_asked() {
                break;
            }
            let customer = customer?;
            for (writer, ..) in &mut open {
                writer.customer(&customer, &mut notes)?;
            }
            sums.customers += 1;
        }
    }
    sums.is_interrupted = stop.is_asked();
    if !sums.is_interrupted {
        for (writer, staged, job) in open {
            writer.finish(&mut notes)?;
            if let Some(folder) = staged.folder() {
                let path = folder.join(MARK);
                fs::write(&path, mark(producer.site(), job, &sums)).map_err(|cause| ExportError::Io { path, cause })?;
            }
            staged.publish()?;
        }
    }
    sums.findings = notes.counts;
    sums.seconds = started.elapsed().as_secs_f64();
    reporter.event(&Event::Finished(&sums));
    Ok(sums)
}

/// Says which attachments have no bytes.
fn tell_missing(exported: &Exported, wants_files: bool, notes: &mut Notes) {
    if !wants_files {
        return;
    }
    for it in &exported.threads {
        for (file, content) in it.thread.attachments().iter().zip(&it.files) {
            let why = match content {
                crate::content::Content::Missing { reason, .. } => reason.as_str(),
                crate::content::Content::Link { .. } => "it was not fetched",
                _ => continue,
            };
            let message = format!("thread {}: `{}` could not be had: {why}", it.thread.id, file.file_name);
            notes.tell(crate::finding::codes::EXPORT_FILE_MISSING, exported.conversation.id, message);
        }
    }
}

/// The file that says what a folder is.
fn mark(site: &Site, job: &Job, sums: &Summary) -> String {
    let taken_at = site.taken_at.map(wire::show_time).unwrap_or_default();
    format!(
        "An export by foxferry {}\nformat: {}\nsite: {}\ntaken at: {taken_at}\nconversations: {}\nthreads: {}\ncustomers: {}\n",
        env!("CARGO_PKG_VERSION"),
        job.exporter.name(),
        site.url,
        sums.done,
        sums.threads,
        sums.customers,
    )
}

#[cfg(test)]
pub(crate) mod tests;
