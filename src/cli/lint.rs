//! `foxferry mapping lint`: checks mapping files by themselves, against a target, and against an archive.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use foxferry::finding::{Levels, Severity};
use foxferry::freescout::Directory;
use foxferry::mapping::{Converted, Lint as Examination, Notice};
use foxferry::report::{Event, Outcome, Reporter as _, Summary};
use foxferry::source::Order;
use serde_json::{Value, json};

use crate::cli::archive::{self, Archive};
use crate::cli::check::leave_at_the_second;
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted};
use crate::cli::settings::{self, Destination};
use crate::cli::{ArchiveArgs, TargetArgs};

pub const EXAMPLES: &str = "\
Examples:
  foxferry mapping lint acme.toml
  foxferry mapping lint acme.toml --archive export/       also names rules that no record uses
  foxferry mapping lint acme.toml --url https://help.example.org --key-file key
  foxferry mapping lint --strict mappings/*.toml

Ends with 0 when there are only warnings (3 with --strict), and with 5 when a mapping cannot be used.";

/// Arguments of `mapping lint`.
#[derive(Debug, Args)]
pub struct Lint {
    /// Mapping files, or names of built-in ones
    #[arg(value_name = "FILE-or-NAME", required = true)]
    files: Vec<String>,
    /// Also name the rules that no record of this archive uses; several files or folders are one archive
    #[arg(long, value_name = "ARCHIVE", num_args = 1..)]
    archive: Vec<PathBuf>,
    /// The archive's format, when detection is not wanted
    #[arg(long, value_name = "NAME", value_parser = super::format_name, requires = "archive")]
    format: Option<String>,
    /// Folder for temporary files [default: the system's]
    #[arg(long, value_name = "DIR", requires = "archive")]
    scratch: Option<PathBuf>,
    /// Also look for the mailboxes, users, fields and options that are named, in this FreeScout
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE", requires = "url")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca_file: Option<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

/// Says everything that there is to say about the files.
pub fn run(args: &Lint, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, leave_at_the_second)?;
    let directory = directory(args, &runtime)?;
    let mut counts = [0_usize; 3];
    for file in &args.files {
        let mut lint = match Examination::load(file) {
            Ok(lint) => lint,
            Err(error) if args.files.len() == 1 => return Err(Failure::report(Exit::Unusable, error.report)),
            // The others are still worth a look.
            Err(error) => {
                counts[Severity::Error as usize] += 1;
                Failure::report(Exit::Unusable, error.report).print();
                continue;
            }
        };
        if let Some(directory) = &directory {
            lint.compare(directory);
        }
        if !args.archive.is_empty() && lint.mapping().is_some() {
            read(args, file, &mut lint, screen, &interrupt)?;
            if interrupt.is_asked() {
                return Ok(Exit::Interrupted);
            }
        }
        for notice in lint.notices() {
            counts[notice.severity as usize] += 1;
            show(&notice, screen)?;
        }
    }
    let [_, warnings, errors] = counts;
    if screen.is_json {
        let finished = json!({"event": "finished", "files": args.files.len(), "errors": errors, "warnings": warnings});
        writeln!(screen.out(), "{finished}")?;
    } else {
        let files = counted(args.files.len() as u64, "file");
        writeln!(
            screen.out(),
            "{files}: {}, {}",
            counted(errors as u64, "error"),
            counted(warnings as u64, "warning")
        )?;
    }
    Ok(match (errors, warnings) {
        (0, 0) => Exit::Done,
        (0, _) if args.strict => Exit::Incomplete,
        (0, _) => Exit::Done,
        _ => Exit::Unusable,
    })
}

fn show(notice: &Notice, screen: &Screen) -> Result<(), Failure> {
    let mut out = screen.out();
    if screen.is_json {
        let mut line = json!({"event": "notice"});
        if let (Value::Object(line), Ok(Value::Object(notice))) = (&mut line, serde_json::to_value(notice)) {
            line.extend(notice);
        }
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{}", notice.report)?;
    }
    Ok(())
}

/// What the target holds, if one is named. A variable alone does not make lint ask a server.
fn directory(args: &Lint, runtime: &tokio::runtime::Runtime) -> Result<Option<Directory>, Failure> {
    let Some(url) = &args.url else { return Ok(None) };
    let target = TargetArgs {
        url: Some(url.clone()),
        key_file: args.key_file.clone(),
        ca_file: args.ca_file.clone(),
        sandbox: false,
        concurrency: 4,
        rate: None,
        window: None,
    };
    let Destination::Server(server) = Destination::choose(&target)? else { return Ok(None) };
    let client = server.client(usize::from(target.concurrency))?;
    let fetched = runtime.block_on(Directory::fetch(&client));
    fetched.map(Some).map_err(|error| settings::failure_of(&error))
}

/// Lets every record of the archive use the mapping's rules.
fn read(
    args: &Lint,
    file: &str,
    lint: &mut Examination,
    screen: &Screen,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let archive_args = ArchiveArgs {
        archives: args.archive.clone(),
        format: args.format.clone(),
        mapping: Some(file.to_owned()),
        scratch: args.scratch.clone(),
        files: None,
    };
    let archive = Archive::open(&archive_args, screen, interrupt)?;
    let mapping = archive.mapping(&archive_args)?;
    let terminal = screen.terminal();
    let reader = archive.read(mapping.shape(), Order::Archive, None, &*terminal, interrupt)?;
    archive::announce(archive.source.name(), &reader, &Levels::default(), &*terminal, &mut Summary::default());
    for record in reader {
        if interrupt.is_asked() {
            break;
        }
        // What cannot be read uses no rule; `check` tells of it.
        let Ok(record) = record else { continue };
        let (id, origin) = (record.id.clone(), record.origin.clone());
        let outcome = match lint.see(record) {
            Some(Converted::Skipped(_)) => Outcome::Skipped,
            Some(Converted::Rejected(_)) => Outcome::Rejected,
            _ => Outcome::Done,
        };
        terminal.event(&Event::Outcome {
            record: &id,
            origin: &origin,
            outcome,
            conversation: None,
            reason: None,
            is_from_before: false,
        });
    }
    lint.tell_unused();
    Ok(())
}
