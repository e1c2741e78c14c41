//! `foxferry init`: a mapping for this archive.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use foxferry::finding::Levels;
use foxferry::init::draft::{self, ColumnNote, Draft};
use foxferry::init::{Census, Inventory, Matches};
use foxferry::mapping::Mapping;
use foxferry::report::Summary;
use foxferry::roster;
use foxferry::source::{Order, Reading, Shape, csv};

use crate::cli::archive::{self, Archive};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::Screen;
use crate::cli::{ArchiveArgs, LookArgs, ask, check};

pub const EXAMPLES: &str = "\
Examples:
  foxferry init samples/zendesk -o acme.toml
  foxferry init export/ -o acme.toml --people people.csv --url https://help.example.org
  foxferry init tickets.csv -o -

The mapping works as it stands; what is guessed or would be lost is marked `decide`, what FreeScout lacks `TODO`:
  foxferry check export/ -m acme.toml
  foxferry import export/ -m acme.toml --sandbox";

/// How often the archive is gone over to make sure that nothing is lost.
const MOST_PASSES: usize = 3;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// Where the mapping is written; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write everybody whom the archive names to FILE, for review in a spreadsheet; the mapping reads it back
    #[arg(long, value_name = "FILE")]
    people: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// Ask about agents and mailboxes that the target has none like; on a terminal only
    #[arg(long)]
    interactive: bool,
    #[command(flatten)]
    target: LookArgs,
}

/// Goes over the archive and writes the files.
pub fn run(args: &Init, screen: &Screen) -> Result<Exit, Failure> {
    let is_printed = args.output.as_os_str() == "-";
    if args.interactive && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::new(Exit::Usage, "`--interactive` needs a terminal")
            .hint("leave it out: what is not decided is marked `decide` and `TODO` in the file"));
    }
    if !args.force {
        let files = args.people.iter().chain(Some(&args.output).filter(|_| !is_printed));
        for path in files {
            if path.exists() {
                return Err(Failure::new(Exit::Usage, format_args!("`{}` is there already", path.display()))
                    .hint("name another file, or replace it with `--force`"));
            }
        }
    }
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, check::leave_at_the_second)?;
    let target = args.target.directory(&runtime)?;
    let archive = Archive::open(&args.archive, screen, &interrupt)?;
    let base = archive.mapping(&args.archive)?;
    let columns = columns(&archive, base.shape())?;
    let shape = shape_of(&base, &columns)?;
    let work = Work { archive: &archive, shape, screen, interrupt: &interrupt };
    let (inventory, census) = work.survey(&base)?;
    let mut matches = Matches::make(&inventory, &census, target.as_ref());
    if args.interactive {
        ask::about(&mut matches, target.as_ref(), screen)?;
    }
    let output = (!is_printed).then_some(args.output.as_path());
    let people_file = args.people.as_deref().map(|path| beside(output, path));
    let extends = args.archive.mapping.as_deref().map_or_else(
        || base.file().to_owned(),
        |name| if is_built_in(name) { name.to_owned() } else { beside(output, Path::new(name)) },
    );
    let shown = output.map(|path| path.display().to_string());
    let mut draft = Draft {
        archive: &archive.shown,
        file: shown.as_deref(),
        format: archive.source.name(),
        source: base.source(),
        extends: &extends,
        base: &base,
        inventory: &inventory,
        matches: &matches,
        own: own_addresses(&census),
        own_domain: census.own_domain().map(|(domain, ours, others)| {
            (domain, format!("{ours} of them and {others} others are at it; whoever is would be an agent"))
        }),
        likely_own: census.likely_own().and_then(|known| {
            let address = known.emails.first()?.clone();
            Some((address, format!("{} of {} records name it as receiver", known.records, inventory.records)))
        }),
        people_file: people_file.as_deref(),
        columns: &columns,
        exact: BTreeSet::new(),
    };
    if let Some(path) = &args.people {
        write_people(path, &census, &matches, args.force)?;
        let beyond = if census.beyond > 0 {
            format!("; {} mentions of further people are not listed", census.beyond)
        } else {
            String::new()
        };
        screen.say(&format!("{} people are in `{}`{beyond}", census.count_people(), path.display()));
    }
    let mut text = draft::write(&draft);
    // A name with a dot of its own needs another pattern, which only the archive can tell.
    if !inventory.lost.is_empty() {
        for _ in 1..MOST_PASSES {
            let lost = work.lost(&load(output, &text)?)?;
            let before = draft.exact.len();
            draft.exact.extend(lost);
            if draft.exact.len() == before {
                break;
            }
            text = draft::write(&draft);
        }
    }
    load(output, &text)?;
    match output {
        None => screen.out().write_all(text.as_bytes())?,
        Some(path) => {
            create(path, args.force)?.write_all(text.as_bytes()).map_err(|cause| unwritable(path, &cause))?;
            let count = |word: &str| text.lines().skip(3).filter(|line| line.contains(word)).count();
            screen.say(&format!(
                "{} records; `{}` has {} lines to decide and {} with TODO\nnext: foxferry check {} -m {}",
                inventory.records,
                path.display(),
                count("decide"),
                count("TODO"),
                archive.shown,
                path.display(),
            ));
        }
    }
    Ok(Exit::Done)
}

/// The addresses that are ours, with what speaks for each.
fn own_addresses(census: &Census) -> Vec<(String, String)> {
    /// More are a company's whole address book, for which there is its domain.
    const MOST: usize = 20;
    let own = census.own().into_iter().take(MOST);
    own.filter_map(|known| Some((known.emails.first()?.clone(), known.evidence()))).collect()
}

/// What every pass needs.
struct Work<'a> {
    archive: &'a Archive,
    shape: Shape,
    screen: &'a Screen,
    interrupt: &'a Interrupt,
}

impl Work<'_> {
    fn survey(&self, base: &Mapping) -> Result<(Inventory, Census), Failure> {
        let terminal = self.screen.terminal();
        let reader = self.archive.read(&self.shape, Order::Archive, None, &*terminal, self.interrupt)?;
        archive::announce(self.archive.source.name(), &reader, &Levels::default(), &*terminal, &mut Summary::default());
        let (mut inventory, mut census) = (Inventory::default(), Census::default());
        for item in reader {
            match item {
                Ok(record) => {
                    inventory.add(&record, base);
                    census.add(&record, base);
                }
                Err(_) => inventory.unreadable += 1,
            }
            if self.interrupt.is_asked() {
                terminal.clear();
                return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was written"));
            }
        }
        terminal.clear();
        Ok((inventory, census))
    }

    /// The paths that a mapping still loses.
    fn lost(&self, mapping: &Mapping) -> Result<BTreeSet<String>, Failure> {
        let terminal = self.screen.terminal();
        let reader = self.archive.read(&self.shape, Order::Archive, None, &*terminal, self.interrupt)?;
        let mut lost = BTreeSet::new();
        for record in reader.flatten() {
            lost.extend(mapping.lost_fields(&record));
            if self.interrupt.is_asked() {
                terminal.clear();
                return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was written"));
            }
        }
        terminal.clear();
        Ok(lost)
    }
}

/// What the columns of a table mean; nothing for other formats.
fn columns(archive: &Archive, shape: &Shape) -> Result<Vec<ColumnNote>, Failure> {
    if archive.source.name() != "csv" {
        return Ok(Vec::new());
    }
    let reading = Reading {
        shape,
        order: Order::Archive,
        index: None,
        scratch: archive.scratch(),
        watch: &|_| std::ops::ControlFlow::Continue(()),
    };
    let guesses = csv::guess_columns(&archive.input, &reading).map_err(|error| archive::failure_of(&error))?;
    let note = |guess: csv::ColumnGuess| {
        let why = match guess.by_values {
            None => "by its name".to_owned(),
            Some(share) => format!("decide: {share} % by its values, for example {}", guess.example),
        };
        ColumnNote { header: guess.header, role: guess.role, why, is_needed: guess.by_values.is_some() }
    };
    Ok(guesses.into_iter().map(note).collect())
}

/// The shape with which the archive is read: the base's, and what the values of a table tell.
fn shape_of(base: &Mapping, columns: &[ColumnNote]) -> Result<Shape, Failure> {
    let mut shape = base.shape().clone();
    for column in columns.iter().filter(|column| column.is_needed) {
        let Some(role) = &column.role else { continue };
        let role = serde_json::from_value(serde_json::Value::String(role.clone()))
            .map_err(|error| Failure::of(Exit::Unusable, &error))?;
        shape.csv.columns.insert(role, csv::Headers::One(column.header.clone()));
    }
    Ok(shape)
}

fn load(output: Option<&Path>, text: &str) -> Result<Mapping, Failure> {
    let name = output.map_or_else(|| "mapping.toml".to_owned(), |path| path.display().to_string());
    Mapping::parse(&name, text).map_err(|error| {
        Failure::report(Exit::Unusable, error.report)
            .hint("this is a bug in `init`; please report it with the lines above")
    })
}

fn is_built_in(name: &str) -> bool {
    Mapping::built_in().iter().any(|(known, _)| *known == name)
}

/// How a mapping names a file: beside it by its name, elsewhere by its whole path.
fn beside(output: Option<&Path>, path: &Path) -> String {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::canonicalize(parent).ok()
    };
    let here = output.map_or_else(|| fs::canonicalize(".").ok(), folder);
    match (folder(path), path.file_name()) {
        (Some(there), Some(name)) if Some(&there) == here.as_ref() => name.to_string_lossy().into_owned(),
        (Some(there), Some(name)) => there.join(name).display().to_string(),
        _ => path.display().to_string(),
    }
}

fn write_people(path: &Path, census: &Census, matches: &Matches, is_forced: bool) -> Result<(), Failure> {
    let file = create(path, is_forced)?;
    let entries = census.everybody().into_iter().map(|known| known.entry(matches.user_of(known)));
    roster::write(BufWriter::new(file), entries).map_err(|cause| unwritable(path, &cause))
}

fn create(path: &Path, is_forced: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if is_forced {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(path).map_err(|cause| unwritable(path, &cause))
}

fn unwritable(path: &Path, cause: &io::Error) -> Failure {
    Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", path.display()))
}
