//! `foxferry export`: files for people, spreadsheets and other programs.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use foxferry::backup::Backup;
use foxferry::conversation::Status;
use foxferry::export::live::{Live, LiveOptions};
use foxferry::export::snapshot::OfBackup;
use foxferry::export::{
    self, Bodies, Destination, ExportError, Form, Job, LongCells, Older, Options, Producer, Selection, Theirs,
};
use foxferry::journal::Journal;
use foxferry::report::{Reporter, Silence, Summary};
use foxferry::upload::Stop;
use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::cli::exit::{Exit, Failure};
use crate::cli::identity::IdentityArgs;
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Listeners, Screen};
use crate::cli::{FindingArgs, TargetArgs, journals, settings};
use crate::env;

pub const EXAMPLES: &str = "\
Examples:
  foxferry export --format csv -o tables --url https://help.example.org
  foxferry export --format jsonl -o - --tag vip | jq -r 'select(.object==\"conversation\").subject'
  foxferry export --format csv -o ours --columns conversation_id,subject,threads.body --bodies html
  foxferry export --format html -o ann --customer ann@example.net
  foxferry export --format mbox -o mail.mbox --mailbox support@example.org --since 2024-01-01
  foxferry export /srv/backup --format html -o archive --snapshot 2026-11-22
  foxferry export acme.ferry --format csv -o migrated

Without a folder or journal the FreeScout at `--url` is read. The folder of a backup gives its newest snapshot, and
FreeScout need not be there any more. A journal gives what it has brought there, with the old
ids. Nothing is ever written to FreeScout. `--customer` takes every conversation that is theirs, that they wrote in, or that
went to them or in copy to them, and their profile.

Formats: csv (a folder of tables), xlsx, json, jsonl, mbox, maildir, html (an archive to browse). Files appear under their names when they are complete. In tables a cell that
a spreadsheet would take for a formula begins with an apostrophe.";

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// The folder of a backup, or a journal, of which the conversations are read from its target [default: everything
    /// at `--url`]
    #[arg(value_name = "DIR-or-JOURNAL")]
    from: Option<PathBuf>,
    /// Of a backup this snapshot, by its name or the beginning of it [default: the newest]
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_parser = format_name)]
    format: String,
    /// File or folder to write; `-` is standard output, for json, jsonl and mbox
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
    /// Replace an older export of the same name, when the new one is complete
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    shape: ShapeArgs,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    target: ReadArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    findings: FindingArgs,
}

/// How files look.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shape")]
struct ShapeArgs {
    /// These columns only, in this order: `subject,threads.body`
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Texts in tables: plain, or HTML as FreeScout stores it
    #[arg(long, value_enum, default_value = "text")]
    bodies: Bodies,
    /// Texts longer than a spreadsheet's cell: cut, with the whole text in a file beside, or kept whole
    #[arg(long, value_enum, default_value = "cut")]
    long_cells: LongCells,
    /// For programs: leave cells alone that a spreadsheet would take for formulas
    #[arg(long)]
    raw_cells: bool,
    /// CSV without a byte-order mark, by which Excel knows UTF-8
    #[arg(long)]
    no_bom: bool,
    /// Fetch attachments too, for csv (as files), json and jsonl (as base64); the other formats have them always
    #[arg(long)]
    attachments: bool,
}

/// Which conversations.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which conversations")]
struct WhichArgs {
    /// At most N conversations
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only conversations begun at T or later: `2024-01-31`, or with a time (UTC unless it says otherwise)
    #[arg(long, value_name = "T", value_parser = super::time)]
    since: Option<Timestamp>,
    /// Only conversations begun before T
    #[arg(long, value_name = "T", value_parser = super::time)]
    until: Option<Timestamp>,
    /// Only these: FreeScout's ids, with a journal old ids too; separated by blanks or commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Only of this mailbox, by address, name or id; can be repeated
    #[arg(long, value_name = "MAILBOX")]
    mailbox: Vec<String>,
    /// Only with this tag; repeated: with any of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Only with this status (active, pending, closed, spam); repeated: with any of them
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<Status>,
    /// Everything about one person, by any of their addresses
    #[arg(long, value_name = "ADDRESS")]
    customer: Option<String>,
    /// With `--customer`: only conversations whose customer they are, for which FreeScout can be asked; else all are read
    #[arg(long, requires = "customer")]
    own: bool,
}

/// The FreeScout that is read.
#[derive(Debug, Args)]
#[command(next_help_heading = "FreeScout")]
struct ReadArgs {
    /// The FreeScout to read, with or without `/api` [env: FREESCOUT_URL]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// At most N requests in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// At most N requests per second [default: as fast as FreeScout answers]
    #[arg(long, value_name = "N", value_parser = super::rate)]
    rate: Option<f64>,
    /// Folder for attachments on their way [default: the system's]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

fn format_name(text: &str) -> Result<String, String> {
    if export::by_name(text).is_some() {
        return Ok(text.to_owned());
    }
    let known: Vec<_> = export::EXPORTERS.iter().map(|exporter| format!("`{}`", exporter.name())).collect();
    Err(format!("not a format that foxferry writes: expected {}", known.join(", ")))
}

fn status(text: &str) -> Result<Status, String> {
    Status::from_word(text).ok_or_else(|| format!("expected one of {}", Status::WORDS.join(", ")))
}

/// Reads, writes, and says how it went.
pub fn run(args: &Export, screen: &Screen) -> Result<Exit, Failure> {
    let job = job(args, screen)?;
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    let listeners = screen.listeners(&args.findings)?;
    let to_stdout = job.destination == Destination::Stdout;
    let ended = read(args, &runtime, &stop, &listeners).and_then(|(mut producer, selection)| {
        export::run(&mut *producer, &selection, &[job], &listeners.reporter, &stop).map_err(|error| failure_of(&error))
    });
    listeners.finish()?;
    let sums = match ended {
        Err(_) if interrupt.is_asked() => return Err(nothing_written()),
        ended => ended?,
    };
    if sums.is_interrupted {
        return Err(nothing_written());
    }
    screen.show_findings(&listeners.tally.counts());
    screen.say(&format!(
        "{} conversations with {} threads and {} attachments, {} customers in {:.1} s",
        sums.done, sums.threads, sums.attachments, sums.customers, sums.seconds
    ));
    if let Some(address) = args.which.customer.as_ref().filter(|_| sums.read == 0 && sums.customers == 0) {
        screen.say(&format!("nobody here has the address `{}`", address.trim()));
    }
    if to_stdout {
        screen.say(&sums.to_string());
    } else {
        screen.show_sums(&sums)?;
    }
    Ok(match sums {
        Summary { rejected: 0, findings: [_, _, 0], .. } => Exit::Done,
        _ => Exit::Incomplete,
    })
}

fn nothing_written() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted; nothing was written")
}

/// What to write where, as far as it can be told without asking FreeScout.
fn job(args: &Export, screen: &Screen) -> Result<Job, Failure> {
    let exporter = export::by_name(&args.format).expect("the command line takes known formats only");
    let destination = if args.output.as_os_str() == "-" {
        if exporter.form() != Form::Stream {
            return Err(Failure::new(Exit::Usage, format_args!("`{}` cannot go to standard output", args.format))
                .hint("name a file or folder with `-o`, or take `--format jsonl`"));
        }
        if screen.is_json {
            return Err(Failure::new(Exit::Usage, "`--json` and `-o -` both want standard output")
                .hint("write to a file with `-o FILE`, or leave `--json` out"));
        }
        Destination::Stdout
    } else {
        Destination::Path(args.output.clone())
    };
    let options = Options {
        bodies: args.shape.bodies,
        columns: args.shape.columns.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        has_mark: !args.shape.no_bom,
        long_cells: args.shape.long_cells,
        is_defused: !args.shape.raw_cells,
        // Everything about a person has their files, too.
        has_files: args.shape.attachments || args.which.customer.is_some(),
    };
    let older = if args.replace { Older::Replace } else { Older::Keep };
    Ok(Job { exporter, destination, older, options })
}

/// Connects, and finds out which conversations are meant.
fn read(
    args: &Export,
    runtime: &Runtime,
    stop: &Stop,
    listeners: &Listeners,
) -> Result<(Box<dyn Producer>, Selection), Failure> {
    if let Some(dir) = args.from.as_deref().filter(|path| path.is_dir()) {
        return of_backup(args, dir);
    }
    if args.snapshot.is_some() {
        return Err(Failure::new(Exit::Usage, "only a backup has snapshots").hint("name the folder of the backup"));
    }
    let journal = args.from.as_deref().map(journal_of).transpose()?;
    let mut url = args.target.url.clone();
    if url.is_none() && env::text(env::URL).ok().flatten().is_none() {
        // A journal belongs to one target and says which.
        url = journal.as_ref().map(|(_, target)| target.clone());
        if url.is_none() {
            return Err(Failure::new(Exit::Usage, "there is nothing to export from")
                .hint(format_args!("name a FreeScout with `--url` (or {}), or a journal", env::URL)));
        }
    }
    let target = TargetArgs {
        url,
        key_file: args.target.key_file.clone(),
        ca_file: args.target.ca_file.clone(),
        sandbox: false,
        concurrency: args.target.concurrency,
        rate: args.target.rate,
        window: None,
    };
    let settings::Destination::Server(server) = settings::Destination::choose(&target)? else {
        return Err(Failure::new(Exit::Usage, "a sandbox in this process holds nothing to export"));
    };
    let scratch = args.target.scratch.clone().unwrap_or_else(std::env::temp_dir);
    if !scratch.is_dir() {
        return Err(Failure::new(Exit::Usage, format_args!("`{}` is not a folder", scratch.display())));
    }
    let concurrency = usize::from(args.target.concurrency);
    let client = server.client(concurrency)?;
    if let Some((path, target)) = &journal
        && target.trim_end_matches('/') != client.shown_url().trim_end_matches('/')
    {
        return Err(Failure::new(
            Exit::Stopped,
            format_args!("the journal `{}` belongs to {target}, not to {}", path.display(), client.shown_url()),
        )
        .hint("leave `--url` out: the journal knows its target"));
    }
    let options = LiveOptions { concurrency, rate: args.target.rate, scratch };
    let connected = runtime.block_on(async {
        let asked = async {
            let live = Live::connect(&client, options, Arc::clone(&listeners.reporter), stop).await?;
            let someone = match &args.which.customer {
                Some(address) => Some(live.someone(address).await?),
                None => None,
            };
            Ok((live, someone))
        };
        tokio::select! {
            connected = asked => connected.map_err(|error| settings::failure_of(&error)),
            () = stop.asked() => Err(nothing_written()),
        }
    });
    let (mut live, someone) = connected?;
    if let Some((path, _)) = &journal {
        live = live.of_journal(path).map_err(|error| journals::failure_of(&error))?;
    }
    let selection = selection(args, live.site(), someone)?;
    Ok((Box::new(live), selection))
}

/// Opens a snapshot; nothing is asked of FreeScout.
fn of_backup(args: &Export, dir: &Path) -> Result<(Box<dyn Producer>, Selection), Failure> {
    if args.target.url.is_some() {
        return Err(Failure::new(Exit::Usage, "a backup is read from its folder, and not from `--url`")
            .hint("leave one of the two out"));
    }
    let name = args.snapshot.as_deref().unwrap_or("latest");
    let snapshot = args.identity.open(dir)?.snapshot(name);
    let stored = OfBackup::open(snapshot.map_err(|error| super::backup::failure_of(&error))?)
        .map_err(|error| failure_of(&error))?;
    let someone = args.which.customer.as_deref().map(|address| stored.someone(address)).transpose();
    let selection = selection(args, stored.site(), someone.map_err(|error| failure_of(&error))?)?;
    Ok((Box::new(stored), selection))
}

/// A format and a place for it: `csv=tables`.
#[derive(Debug, Clone)]
pub(super) struct Also {
    format: String,
    output: PathBuf,
}

/// Takes `FORMAT=OUT` apart.
pub(super) fn also(text: &str) -> Result<Also, String> {
    let (format, output) = text.split_once('=').ok_or("expected a format and a place, such as `csv=tables`")?;
    let format = format_name(format.trim())?;
    match output.trim() {
        "" | "-" => Err(format!("expected a file or folder after `{format}=`")),
        output => Ok(Also { format, output: PathBuf::from(output) }),
    }
}

/// Writes a snapshot in all these formats, in place of what an earlier night wrote.
pub(super) fn snapshot(backup: &Backup, name: &str, wanted: &[Also], screen: &Screen) -> Result<Exit, Failure> {
    if wanted.is_empty() {
        return Ok(Exit::Done);
    }
    let snapshot = backup.snapshot(name).map_err(|error| super::backup::failure_of(&error))?;
    let mut stored = OfBackup::open(snapshot).map_err(|error| failure_of(&error))?;
    let job = |also: &Also| Job {
        exporter: export::by_name(&also.format).expect("the command line takes known formats only"),
        destination: Destination::Path(also.output.clone()),
        older: Older::Replace,
        options: Options::default(),
    };
    let jobs: Vec<Job> = wanted.iter().map(job).collect();
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let _interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    let silence: Arc<dyn Reporter> = Arc::new(Silence);
    let sums =
        export::run(&mut stored, &Selection::default(), &jobs, &silence, &stop).map_err(|error| failure_of(&error))?;
    if sums.is_interrupted {
        return Ok(Exit::Interrupted);
    }
    for also in wanted.iter().filter(|_| screen.is_json) {
        let event = json!({"event": "exported", "format": also.format, "output": also.output.display().to_string(), "done": sums.done,
            "rejected": sums.rejected, "errors": sums.findings[2]});
        writeln!(screen.out(), "{event}")?;
    }
    if sums.rejected > 0 || sums.findings[2] > 0 {
        screen.say(&format!(
            "{} conversations and {} attachments of the snapshot could not be exported; `foxferry export` names them",
            sums.rejected, sums.findings[2]
        ));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Done)
}

fn selection(args: &Export, site: &export::Site, customer: Option<export::Someone>) -> Result<Selection, Failure> {
    let which = &args.which;
    let theirs = if which.own { Theirs::Own } else { Theirs::Everywhere };
    let customer = customer.map(|someone| export::Someone { theirs, ..someone });
    let mut selection = Selection {
        since: which.since,
        until: which.until,
        limit: which.limit,
        only: which.only.clone(),
        tags: which.tag.iter().map(|tag| tag.trim().to_lowercase()).collect(),
        statuses: which.status.iter().copied().collect(),
        customer,
        ..Selection::default()
    };
    for wanted in &which.mailbox {
        selection.add_mailbox(site, wanted).map_err(|error| Failure::of(Exit::Usage, &error))?;
    }
    if args.from.as_deref().is_none_or(Path::is_dir)
        && let Some(wrong) = which.only.iter().find(|id| id.parse::<u64>().is_err())
    {
        return Err(Failure::new(Exit::Usage, format_args!("`{wrong}` is not an id of FreeScout's"))
            .hint("old ids are known to journals only: name the journal"));
    }
    Ok(selection)
}

/// A journal and the target that it belongs to.
fn journal_of(path: &Path) -> Result<(PathBuf, String), Failure> {
    let journal = Journal::open_read_only(path).map_err(|error| journals::failure_of(&error))?;
    let identity = journal.identity().map_err(|error| journals::failure_of(&error))?;
    Ok((path.to_owned(), identity.target))
}

fn failure_of(error: &ExportError) -> Failure {
    match error {
        ExportError::Exists { .. } => {
            Failure::of(Exit::Usage, error).hint("`--replace` takes it away when the new one is complete")
        }
        ExportError::Taken { .. } | ExportError::NoName { .. } => {
            Failure::of(Exit::Usage, error).hint("name another place with `-o`")
        }
        ExportError::NoSuchColumn { nearest, known, .. } => Failure::of(Exit::Usage, error).hint(match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("there are {}", known.join(", ")),
        }),
        ExportError::Io { path, cause } if path.as_os_str() == "-" => {
            Failure::from(std::io::Error::new(cause.kind(), cause.to_string()))
        }
        ExportError::Fetch(cause) => settings::failure_of(cause),
        ExportError::Journal(cause) => journals::failure_of(cause),
        _ => Failure::of(Exit::Stopped, error),
    }
}
