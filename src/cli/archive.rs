//! Opens what the operator named as ARCHIVE: files, format, mapping, reader.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use foxferry::fetch::Cache;
use foxferry::finding::{Levels, codes};
use foxferry::input::{Input, InputError, Unpacking};
use foxferry::mapping::Mapping;
use foxferry::pipeline::{self, Selection};
use foxferry::record::Oddity;
use foxferry::report::{Event, Reporter, Summary};
use foxferry::source::contacts::Contacts;
use foxferry::source::{self, Order, Reader, Reading, Shape, Source, SourceError, records};

use crate::cli::exit::{self, Exit, Failure};
use crate::cli::identity;
use crate::cli::interrupt::Interrupt;
use crate::cli::screen::Screen;
use crate::cli::{ArchiveArgs, LevelArgs, SelectionArgs, fetch, journals, outcomes};

/// Spooling less than this many bytes is nobody's concern.
const WORTH_SAYING: u64 = 64 << 20;

/// An archive whose format is known.
pub struct Archive {
    /// Its format.
    pub source: &'static dyn Source,
    /// Its files.
    pub input: Input,
    /// As typed, for messages.
    pub shown: String,
    scratch: PathBuf,
    /// The folder of fetched files, whether or not there is one.
    files: PathBuf,
    /// Whether the operator named it.
    is_files_named: bool,
}

impl Archive {
    /// Finds the files, unpacks what has to be, and tells the format.
    pub fn open(args: &ArchiveArgs, screen: &Screen, interrupt: &Interrupt) -> Result<Self, Failure> {
        let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
        if !scratch.is_dir() {
            return Err(Failure::new(Exit::Usage, format_args!("`{}` is not a folder", scratch.display()))
                .hint("`--scratch` names an existing folder for temporary files"));
        }
        let terminal = screen.terminal();
        let watch = |unpacking: Unpacking| {
            terminal.event(&Event::Unpacking { bytes: unpacking.bytes });
            interrupt.flow()
        };
        let opened = Input::open_watched(&args.archives, &scratch, &watch);
        terminal.clear();
        let input = opened.map_err(|error| {
            let exit = match error {
                InputError::Interrupted => Exit::Interrupted,
                InputError::Spool { .. } | InputError::NoRoom { .. } => Exit::Stopped,
                _ => Exit::Unusable,
            };
            Failure::of(exit, &error)
        })?;
        if let Some(bytes) = input.spooled().filter(|bytes| *bytes >= WORTH_SAYING) {
            terminal.event(&Event::Unpacked { bytes, folder: &scratch });
        }
        let input = input.opened_by(identity::of_environment()?);
        let shown = args.archives.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
        let source = match &args.format {
            Some(name) => source::by_name(name).expect("the command line takes known formats only"),
            // Only a mapping can say that an archive is JSON of some other kind.
            None if is_described(args)? => &source::json::Json,
            None => {
                let head = input
                    .head()
                    .map_err(|cause| Failure::new(Exit::Unusable, format_args!("`{shown}` cannot be read: {cause}")))?;
                source::detect(&shown, &head).map_err(|error| failure_of(&error))?
            }
        };
        let files = args.files.clone().unwrap_or_else(|| journals::files_for(&args.archives[0]));
        Ok(Self { source, input, shown, scratch, files, is_files_named: args.files.is_some() })
    }

    /// The folder of fetched files, whether or not there is one.
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// The shape that the mapping describes, if there is a mapping.
    pub fn shape(&self, args: &ArchiveArgs) -> Result<Shape, Failure> {
        let has_built_in = || Mapping::built_in().iter().any(|(known, _)| *known == self.source.family());
        if args.mapping.is_some() || has_built_in() {
            Ok(self.mapping(args)?.shape().clone())
        } else {
            Ok(Shape::default())
        }
    }

    /// The same, with findings taken as the command line says.
    pub fn mapping_judging(&self, args: &ArchiveArgs, levels: &LevelArgs) -> Result<Arc<Mapping>, Failure> {
        let mut mapping = self.mapping(args)?;
        Arc::get_mut(&mut mapping).expect("nobody else has it yet").set_levels(&levels.levels());
        Ok(mapping)
    }

    /// The mapping: the operator's, or the built-in one for the format.
    pub fn mapping(&self, args: &ArchiveArgs) -> Result<Arc<Mapping>, Failure> {
        let made_of = self.made_of();
        let name = args.mapping.as_deref().or(made_of.as_deref()).unwrap_or_else(|| self.source.family());
        let mapping = Mapping::load(name).map_err(|error| Failure::report(Exit::Unusable, error.report))?;
        // Records may have been made of any archive, and its mapping fits them.
        let is_for_all = self.source.name() == records::Records.name();
        if source::family(mapping.source()) != self.source.family() && !is_for_all {
            return Err(Failure::new(
                Exit::Unusable,
                format_args!(
                    "the mapping `{}` is for `{}` archives, and `{}` is a `{}` archive",
                    mapping.file(),
                    mapping.source(),
                    self.shown,
                    self.source.name()
                ),
            )
            .hint("leave `--mapping` out to use the built-in one, or name the format with `--format`"));
        }
        Ok(Arc::new(mapping))
    }

    /// Of records, the format they were made of, if there is a built-in mapping for it.
    fn made_of(&self) -> Option<String> {
        if self.source.name() != records::Records.name() {
            return None;
        }
        let made_of = records::made_of(&self.input.head().ok()?)?;
        let name = source::family(&made_of).to_owned();
        Mapping::built_in().iter().any(|(known, _)| *known == name).then_some(name)
    }

    /// A folder for files that nobody needs afterwards.
    pub fn temporary_folder(&self) -> Result<tempfile::TempDir, Failure> {
        tempfile::tempdir_in(&self.scratch).map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", self.scratch.display()))
                .hint("name another folder for temporary files with `--scratch`")
        })
    }

    /// Indexes the archive and gives its records, fetched files in place of links.
    pub fn read(
        &self,
        shape: &Shape,
        order: Order,
        index: Option<&Path>,
        reporter: &dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Reader, Failure> {
        if !self.is_files_named && !Cache::is_one(&self.files) {
            return self.read_links(shape, order, index, reporter, interrupt);
        }
        let cache = Cache::open(&self.files).map_err(|error| fetch::failure_of(&error))?;
        let mut reader = self.read_links(shape, order, index, reporter, interrupt)?;
        reader.facts.variants.push("fetched files".to_owned());
        Ok(reader.changing(move |record| {
            if let Err(error) = cache.fill(record) {
                let (origin, message) = (record.origin.clone(), exit::chain(&error));
                record.oddities.push(Oddity { code: codes::READ_BROKEN_PART, origin, message });
            }
        }))
    }

    /// Indexes the archive and gives its records as they are.
    pub fn read_links(
        &self,
        shape: &Shape,
        order: Order,
        index: Option<&Path>,
        reporter: &dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Reader, Failure> {
        let of = self.input.bytes();
        let watch = |bytes: u64| -> ControlFlow<()> {
            reporter.event(&Event::Indexing { bytes, of });
            interrupt.flow()
        };
        let reading = Reading { shape, order, index, scratch: &self.scratch, watch: &watch };
        let mut reader = self.source.open(self.input.clone(), &reading).map_err(|error| failure_of(&error))?;
        reader.facts.variants.extend(self.input.containers().iter().map(|kind| (*kind).to_owned()));
        reader.facts.oddities.extend_from_slice(self.input.oddities());
        Ok(reader)
    }
}

impl Archive {
    /// The folder for temporary files.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The people whom the archive lists by themselves.
    pub fn people(
        &self,
        shape: &Shape,
        index: Option<&Path>,
        reporter: &dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<Contacts, Failure> {
        let of = self.input.bytes();
        let watch = |bytes: u64| -> ControlFlow<()> {
            reporter.event(&Event::Indexing { bytes, of });
            interrupt.flow()
        };
        let reading = Reading { shape, order: Order::Archive, index, scratch: &self.scratch, watch: &watch };
        let found = self.source.people(self.input.clone(), &reading).map_err(|error| failure_of(&error))?;
        found.ok_or_else(|| {
            let format = self.source.name();
            Failure::new(Exit::Unusable, format_args!("a `{format}` archive has no list of people beside its records"))
                .hint("`--people-only` takes a Zendesk export with its users, or a CSV file with a row for each person")
        })
    }
}

/// Whether the operator's mapping describes the archive's shape by itself.
fn is_described(args: &ArchiveArgs) -> Result<bool, Failure> {
    let Some(name) = &args.mapping else { return Ok(false) };
    let mapping = Mapping::load(name).map_err(|error| Failure::report(Exit::Unusable, error.report))?;
    Ok(mapping.source() == source::json::Json.name())
}

/// Tells what the indexing pass found out, and counts it.
pub fn announce(format: &str, reader: &Reader, levels: &Levels, reporter: &dyn Reporter, sums: &mut Summary) {
    reporter.event(&Event::Opened { format, records: reader.facts.records });
    for oddity in &reader.facts.oddities {
        outcomes::find(pipeline::finding_of(oddity.clone(), None), levels, reporter, sums);
    }
}

/// How many records the selection lets through at most, where that is known beforehand.
pub fn most_records(args: &SelectionArgs) -> Option<u64> {
    let named = (!args.only.is_empty()).then_some(args.only.len() as u64);
    named.into_iter().chain(args.limit).min()
}

/// How many records a run will see, for its forecast: no more than there are, and unknown if a date selects them.
pub fn expected_records(args: &SelectionArgs, records: u64) -> Option<u64> {
    let is_known = args.since.is_none() && args.until.is_none() && records > 0;
    is_known.then(|| most_records(args).map_or(records, |most| most.min(records)))
}

/// Which records are wanted.
pub fn selection(args: &SelectionArgs) -> Selection {
    Selection {
        limit: args.limit,
        since: args.since,
        until: args.until,
        only: args.only.iter().map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect(),
    }
}

/// Why an archive cannot be read, with advice.
pub fn failure_of(error: &SourceError) -> Failure {
    match error {
        SourceError::Unrecognised { .. } => {
            Failure::of(Exit::Unusable, error).hint("if it is in one of them all the same, name it with `--format`")
        }
        SourceError::Ambiguous { .. } => Failure::of(Exit::Unusable, error).hint(
            "name the files of one help desk only, or put them into a folder of their own; if all of it is one format, name that with `--format`",
        ),
        SourceError::Shape { hint, .. } => Failure::of(Exit::Unusable, error).hint(hint),
        SourceError::Interrupted => Failure::of(Exit::Interrupted, error),
        SourceError::Io { cause, .. } => match cause.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(of_backup) => crate::cli::backup::failure_of(of_backup),
            None => Failure::of(Exit::Unusable, error),
        },
        SourceError::Catalog(_) => Failure::of(Exit::Stopped, error)
            .hint("the index needs room and write access, beside the journal or in the folder of `--scratch`"),
        _ => Failure::of(Exit::Unusable, error),
    }
}
