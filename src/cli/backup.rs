//! `foxferry backup`: a FreeScout into a folder, and what can be done with that folder.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use foxferry::backup::{
    self, BackupError, ConversationDiff, Difference, Ended, Keep, Mode, Outcome, Progress, Pruned, Sample,
};
use foxferry::freescout::Client;
use foxferry::upload::Stop;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::export;
use crate::cli::follow;
use crate::cli::identity::{IdentityArgs, RecipientArgs};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted, shortened};
use crate::cli::settings::{self, Destination};
use crate::cli::{TargetArgs, time};
use crate::env;

pub const EXAMPLES: &str = "\
Examples:
  foxferry backup /srv/backup --url https://help.example.org --key-file key.txt
  foxferry backup /srv/backup --keep-daily 14 --keep-weekly 8 --keep-monthly 24 --max-duration 5h
  foxferry backup /srv/backup --mailbox billing@example.org --since 2024-01-01
  foxferry backup /srv/backup --also csv=/srv/tables --also html=/srv/archive
  foxferry backup /srv/backup --follow --public-url https://backup.example.org/hook
  foxferry backup /srv/backup --encrypt-to age1ql3z7hjy54pw… --identity /etc/foxferry/key.txt
  foxferry backup list /srv/backup
  foxferry backup verify /srv/backup --sample 5%
  foxferry backup diff /srv/backup 2026-11-22 latest
  foxferry backup drill /srv/backup

Nothing is ever written to FreeScout but, with `--follow`, a webhook that is
removed at the end; what FreeScout signs its calls with is expected in
FREESCOUT_WEBHOOK_SECRET. The first run copies everything; each
later run lists everything, reads what differs, and shares unchanged files with
the snapshot before. A run that was stopped or killed goes on with the next
call. As a cron job it prints one line, or nothing with `-q`.

Exit codes: 0 the snapshot is sealed; 3 it is, but something could not be read
(`verify`: there are faults); 4 it could not go on; 130 stopped by Ctrl-C or
`--max-duration`, and the next run goes on. The format is in docs/backup.md.";

/// Arguments of `backup`.
#[derive(Debug, Args)]
// A new sandbox holds nothing that could be copied.
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    mut_arg("sandbox", |arg| arg.hide(true))
)]
pub struct Backup {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    make: Make,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check every byte of a backup against its manifests
    Verify(Verify),
    /// List the snapshots of a backup
    List(List),
    /// Say what changed between two snapshots, conversation by conversation
    Diff(Diff),
    /// Restore a snapshot into a sandbox, copy that, and prove that both are equal
    #[command(after_help = super::drill::EXAMPLES)]
    Drill(super::drill::Drill),
    /// Remove old snapshots, and the attachments that no other names; lists what would go unless `--yes` is given
    Prune(Prune),
}

#[derive(Debug, Args)]
struct Make {
    /// The folder of the backup; made when it is not there
    #[arg(value_name = "DIR", required = true)]
    dir: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// Only this mailbox, by address or name; can be repeated
    #[arg(long = "mailbox", value_name = "MAILBOX", help_heading = "What to copy")]
    mailboxes: Vec<String>,
    /// Only conversations begun at T or later: `2024-01-31`, or with a time
    #[arg(long, value_name = "T", value_parser = time, help_heading = "What to copy")]
    since: Option<Timestamp>,
    /// Leave out attachments, images in texts and photos
    #[arg(long, help_heading = "What to copy")]
    no_attachments: bool,
    /// Read this share again that was not read for longest, for edits that no list shows; `0` to read only what differs
    #[arg(long, value_name = "SHARE", default_value = "2%", value_parser = share, help_heading = "What to copy")]
    refresh: f64,
    /// Compress the snapshot's files with gzip
    #[arg(long, help_heading = "How")]
    compress: bool,
    /// Stop in order after this time (`5h`, `90m`); the next run goes on
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "How")]
    max_duration: Option<Duration>,
    /// Write the new snapshot as files too, in place of older ones: `csv=tables`, `xlsx=FILE`, …; can be repeated
    #[arg(long, value_name = "FORMAT=OUT", value_parser = export::also, help_heading = "How")]
    also: Vec<export::Also>,
    #[command(flatten)]
    follow: follow::FollowArgs,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    recipients: RecipientArgs,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Which snapshots to keep")]
struct KeepArgs {
    /// Keep the newest snapshot of each of the last N days that have one, and remove what no such option keeps
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_daily: u32,
    /// Keep the newest of each of the last N weeks that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_weekly: u32,
    /// Keep the newest of each of the last N months that have one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    keep_monthly: u32,
}

impl KeepArgs {
    fn keep(&self) -> Keep {
        Keep { daily: self.keep_daily, weekly: self.keep_weekly, monthly: self.keep_monthly }
    }
}

#[derive(Debug, Args)]
struct Verify {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Check only this share, from where the last sample ended: with `5%`, twenty runs check everything once
    #[arg(long, value_name = "SHARE", value_parser = share)]
    sample: Option<f64>,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Args)]
struct List {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

#[derive(Debug, Args)]
struct Diff {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The older snapshot: its name or the beginning of it
    #[arg(value_name = "A")]
    older: String,
    /// The newer one; `latest` for the newest
    #[arg(value_name = "B", default_value = "latest")]
    newer: String,
    #[command(flatten)]
    identity: IdentityArgs,
}

#[derive(Debug, Args)]
struct Prune {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    keep: KeepArgs,
    /// Remove it; without this it is only listed
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

/// `5%` or `0.05`.
fn share(text: &str) -> Result<f64, String> {
    let (number, by) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / by);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a share such as `5%` or `0.05`, at most `100%`".to_owned())
}

/// `5h`, `90m`, `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    parsed.filter(|time| !time.is_zero()).ok_or_else(|| "expected a time such as `5h`, `90m` or `1h30m`".to_owned())
}

/// Does what was asked for with the backup.
pub fn run(args: &Backup, screen: &Screen) -> Result<Exit, Failure> {
    match &args.command {
        None => make(&args.make, screen),
        Some(Command::Verify(args)) => verify(args, screen),
        Some(Command::List(args)) => list(args, screen),
        Some(Command::Diff(args)) => diff(args, screen),
        Some(Command::Drill(args)) => super::drill::run(args, screen),
        Some(Command::Prune(args)) => prune(args, screen),
    }
}

fn make(args: &Make, screen: &Screen) -> Result<Exit, Failure> {
    let Some(dir) = &args.dir else { return Err(Failure::new(Exit::Usage, "there is no folder to copy into")) };
    let server = match Destination::choose(&args.target)? {
        Destination::Server(server) => server,
        Destination::Sandbox => {
            return Err(Failure::new(Exit::Usage, "a new sandbox holds nothing that could be copied")
                .hint("start one with `foxferry sandbox`, fill it with an import, and name it with `--url`"));
        }
    };
    let concurrency = usize::from(args.target.concurrency);
    let client = server.client(concurrency)?;
    let folder = args.identity.open_or_create(dir, &args.recipients)?;
    let _lock = folder.lock().map_err(|error| failure_of(&error))?;
    let options = backup::Options {
        concurrency,
        rate: args.target.rate,
        window: args.target.window.clone(),
        mailboxes: args.mailboxes.clone(),
        since: args.since,
        without_attachments: args.no_attachments,
        refresh: args.refresh,
        is_compressed: args.compress,
    };
    if args.follow.is_asked() {
        return follow::run(&args.follow, screen, &folder, &client, &options, args.keep.keep(), args.max_duration);
    }
    let outcome = carry_out(args, screen, &folder, &client, &options)?;
    let pruned = match outcome.ended {
        Ended::Sealed if !args.keep.keep().is_empty() => {
            Some(backup::prune(&folder, args.keep.keep(), Mode::Remove).map_err(|error| failure_of(&error))?)
        }
        _ => None,
    };
    let exported = match outcome.ended {
        Ended::Sealed => export::snapshot(&folder, &outcome.name, &args.also, screen),
        _ => Ok(Exit::Done),
    };
    report(screen, &outcome, pruned.as_ref())?;
    let exported = exported?;
    Ok(match outcome {
        Outcome { ended: Ended::Stopped, .. } => Exit::Interrupted,
        Outcome { failed: 0, .. } => exported,
        _ => Exit::Incomplete,
    })
}

fn carry_out(
    args: &Make,
    screen: &Screen,
    folder: &backup::Backup,
    client: &Client,
    options: &backup::Options,
) -> Result<Outcome, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let view = View::new(screen);
    let _interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    if let Some(time) = args.max_duration {
        let stop = stop.clone();
        runtime.spawn(async move {
            tokio::time::sleep(time).await;
            stop.ask();
        });
    }
    let tell = |progress: Progress<'_>| view.show(&progress);
    let done = runtime.block_on(async {
        backup::remove_left(folder, client, &tell).await?;
        backup::run(folder, client, options, &stop, &tell).await
    });
    view.clear();
    done.map_err(|error| failure_of(&error))
}

/// What the operator sees while it goes on: a bar on a terminal, else warnings only, since cron mails whatever is printed.
pub(super) struct View {
    bar: Option<ProgressBar>,
    is_quiet: bool,
    verbose: u8,
    is_json: bool,
    last: Mutex<Option<Instant>>,
}

impl View {
    pub(super) fn new(screen: &Screen) -> Self {
        let bar = screen.has_bar().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {elapsed}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let (is_quiet, verbose, is_json) = (screen.is_quiet, screen.verbose, screen.is_json);
        Self { bar, is_quiet, verbose, is_json, last: Mutex::default() }
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    pub(super) fn show(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Target { url, mailboxes } => {
                self.event(&json!({"event": "target", "url": url, "mailboxes": mailboxes}));
                self.detail(|| format!("{url}: {mailboxes} mailboxes"));
            }
            Progress::Resumed { conversations } => {
                self.event(&json!({"event": "resumed", "conversations": conversations}));
                self.detail(|| format!("goes on with an unfinished run that has {conversations} conversations"));
            }
            Progress::Listed { done, of } => self.moved("conversations", *done, *of),
            Progress::Read { done, left } => self.moved("changed conversations", *done, done + left),
            Progress::Customers { done, of } => self.moved("customers", *done, *of),
            Progress::Sealing => self.detail(|| "writes the snapshot".to_owned()),
            Progress::Listening { url } => {
                self.event(&json!({"event": "listening", "url": url}));
                self.detail(|| format!("FreeScout calls {url}"));
            }
            Progress::Sealed(outcome) => {
                let Outcome { name, counts, changes, failed, read, files, .. } = outcome;
                self.event(&json!({"event": "sealed", "snapshot": name, "counts": counts, "changes": changes,
                    "conversations_read": read, "files_fetched": files, "failed": failed}));
                if let Some(bar) = &self.bar {
                    bar.set_message("waits for FreeScout's calls;");
                }
            }
            Progress::Warning(text) => {
                self.event(&json!({"event": "warning", "message": text}));
                if !self.is_quiet {
                    self.line(&format!("warning: {}", shortened(text)));
                }
            }
            _ => {}
        }
    }

    pub(super) fn moved(&self, what: &'static str, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(what);
        }
        const EVERY: Duration = Duration::from_secs(5);
        let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            drop(last);
            self.event(&json!({"event": "progress", "what": what, "done": done, "of": of}));
            self.detail(|| format!("{done} of {of} {what}"));
        }
    }

    fn event(&self, event: &Value) {
        if self.is_json {
            // Nobody is left to tell when stdout is closed; the copy is what counts.
            let _ = writeln!(anstream::stdout(), "{event}");
        }
    }

    fn detail(&self, text: impl FnOnce() -> String) {
        if self.verbose > 0 {
            self.line(&text());
        }
    }

    fn line(&self, text: &str) {
        self.aside(|| {
            let _ = writeln!(anstream::stderr(), "{text}");
        });
    }

    /// Writes while no bar is in the way.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// The one line of a night.
fn report(screen: &Screen, outcome: &Outcome, pruned: Option<&Pruned>) -> Result<(), Failure> {
    let Outcome { name, counts, changes, .. } = outcome;
    let is_sealed = outcome.ended == Ended::Sealed;
    if screen.is_json {
        let event = json!({
            "event": "finished", "read": counts.conversations + outcome.failed, "done": counts.conversations, "skipped": 0,
            "rejected": 0, "dead": outcome.failed, "snapshot": name, "sealed": is_sealed, "counts": counts,
            "changes": changes, "conversations_read": outcome.read, "files_fetched": outcome.files,
            "bytes_fetched": outcome.bytes, "requests": outcome.requests, "seconds": outcome.seconds,
            "removed": pruned.map(|pruned| &pruned.removed), "is_interrupted": !is_sealed,
        });
        writeln!(screen.out(), "{event}")?;
        return Ok(());
    }
    if !is_sealed {
        screen.say(&format!(
            "stopped after {} conversations were read; what was gathered is kept, and the same command goes on",
            outcome.read
        ));
        return Ok(());
    }
    if screen.is_quiet {
        return Ok(());
    }
    writeln!(screen.out(), "{}", line_of(outcome, pruned))?;
    Ok(())
}

/// What a snapshot holds and what it cost, in a line.
pub(super) fn line_of(outcome: &Outcome, pruned: Option<&Pruned>) -> String {
    let Outcome { name, counts, changes, .. } = outcome;
    let mut line = format!("{name}: {} conversations", counts.conversations);
    if outcome.is_incremental {
        let _ = write!(line, " ({} added, {} changed, {} removed)", changes.added, changes.changed, changes.removed);
    }
    let _ = write!(line, ", {} threads, {} customers, {} files", counts.threads, counts.customers, counts.files);
    let _ = write!(line, "; {} read, {} requests, {:.1} s", outcome.read, outcome.requests, outcome.seconds);
    for (count, what) in [
        (counts.missing_files, "files that FreeScout does not give"),
        (counts.unsettled, "conversations that did not hold still"),
        (outcome.failed, "not read now"),
        (pruned.map_or(0, |pruned| pruned.removed.len() as u64), "old snapshots removed"),
    ] {
        if count > 0 {
            let _ = write!(line, "; {count} {what}");
        }
    }
    line
}

fn open(dir: &Path) -> Result<backup::Backup, Failure> {
    backup::Backup::open(dir).map_err(|error| failure_of(&error))
}

fn verify(args: &Verify, screen: &Screen) -> Result<Exit, Failure> {
    let folder = args.identity.open_closed(&args.dir)?;
    if folder.names().map_err(|error| failure_of(&error))?.is_empty() {
        return Err(failure_of(&BackupError::Empty { path: args.dir.clone() }));
    }
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, |_| {})?;
    let view = View::new(screen);
    let sample = args.sample.map_or(Sample::All, Sample::Share);
    let verified = backup::verify(&folder, sample, |done, of| {
        view.moved("bytes", done, of);
        interrupt.flow()
    });
    view.clear();
    let verified = verified.map_err(|error| failure_of(&error))?;
    let mut out = screen.out();
    for fault in &verified.faults {
        match screen.is_json {
            true => writeln!(out, "{}", json!({"event": "fault", "path": fault.path, "what": fault.what}))?,
            false => writeln!(out, "{} {}", shortened(&fault.path), shortened(&fault.what))?,
        }
    }
    let faults = verified.faults.len();
    if screen.is_json {
        let event = json!({
            "event": "finished", "snapshots": verified.snapshots, "files": verified.files, "bytes": verified.bytes,
            "of_bytes": verified.of_bytes, "faults": faults, "unopened": verified.unopened, "is_interrupted": verified.is_interrupted,
        });
        writeln!(out, "{event}")?;
    } else if !screen.is_quiet || faults > 0 {
        writeln!(
            out,
            "{}, {}, {} of {} read: {}",
            counted(verified.snapshots, "snapshot"),
            counted(verified.files, "file"),
            HumanBytes(verified.bytes),
            HumanBytes(verified.of_bytes),
            match faults {
                0 => "sound".to_owned(),
                1 => "1 fault".to_owned(),
                many => format!("{many} faults"),
            }
        )?;
    }
    if verified.unopened > 0 {
        screen.say(&format!(
            "{} encrypted files were checked by their bytes alone; with `--identity FILE` their lines are, too, and that no \
             attachment is missing",
            verified.unopened
        ));
    }
    if faults > 0 {
        screen.say(
            "a damaged file of the newest snapshot, or a damaged attachment once it is deleted, is read again by the next `backup`",
        );
    }
    Ok(match (faults, verified.is_interrupted) {
        (0, true) => Exit::Interrupted,
        (0, false) => Exit::Done,
        _ => Exit::Incomplete,
    })
}

fn list(args: &List, screen: &Screen) -> Result<Exit, Failure> {
    let folder = open(&args.dir)?;
    let mut out = screen.out();
    let mut has_unreadable = false;
    if !screen.is_json {
        writeln!(
            out,
            "{:<22} {:>14} {:>9} {:>9} {:>9}  changes",
            "snapshot", "conversations", "threads", "customers", "files"
        )?;
    }
    for name in folder.names().map_err(|error| failure_of(&error))? {
        let snapshot = match folder.snapshot(&name) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                has_unreadable = true;
                failure_of(&error).print();
                continue;
            }
        };
        let manifest = snapshot.manifest();
        let (counts, changes) = (manifest.counts, manifest.changes);
        if screen.is_json {
            let row = json!({
                "snapshot": name, "url": manifest.url, "started": manifest.started, "finished": manifest.finished,
                "previous": manifest.previous, "selection": manifest.selection, "counts": counts, "changes": changes,
                "bytes": manifest.files.iter().map(|file| file.bytes).sum::<u64>(),
            });
            writeln!(out, "{row}")?;
            continue;
        }
        let shown = match &manifest.previous {
            Some(_) => format!("{} added, {} changed, {} removed", changes.added, changes.changed, changes.removed),
            None => "the first".to_owned(),
        };
        writeln!(
            out,
            "{name:<22} {:>14} {:>9} {:>9} {:>9}  {shown}",
            counts.conversations, counts.threads, counts.customers, counts.files
        )?;
    }
    Ok(if has_unreadable { Exit::Incomplete } else { Exit::Done })
}

fn diff(args: &Diff, screen: &Screen) -> Result<Exit, Failure> {
    let folder = args.identity.open(&args.dir)?;
    let snapshot = |name: &str| folder.snapshot(name).map_err(|error| failure_of(&error));
    let (older, newer) = (snapshot(&args.older)?, snapshot(&args.newer)?);
    let mut out = screen.out();
    let mut counts = [0_u64; 3];
    let mut broken = None;
    let gone = || BackupError::Bug { what: "the output is closed".to_owned() };
    let done = backup::diff(&older, &newer, |found| {
        counts[match found.difference {
            Difference::Added { .. } => 0,
            Difference::Changed { .. } => 1,
            Difference::Removed { .. } => 2,
        }] += 1;
        let text = if screen.is_json { serde_json::to_string(&found).unwrap_or_default() } else { diff_text(&found) };
        writeln!(out, "{text}").map_err(|cause| {
            broken = Some(cause);
            gone()
        })
    });
    if let Some(cause) = broken {
        return Err(cause.into());
    }
    done.map_err(|error| failure_of(&error))?;
    let [added, changed, removed] = counts;
    if screen.is_json {
        let event = json!({"event": "finished", "added": added, "changed": changed, "removed": removed,
            "older": older.name(), "newer": newer.name()});
        writeln!(out, "{event}")?;
    } else {
        writeln!(out, "{} to {}: {added} added, {changed} changed, {removed} removed", older.name(), newer.name())?;
    }
    Ok(Exit::Done)
}

fn diff_text(found: &ConversationDiff) -> String {
    let head = format!("{} {}", found.number, shortened(&found.subject));
    match &found.difference {
        Difference::Added { threads } => format!("+ {head} ({threads} threads)"),
        Difference::Removed { threads } => format!("- {head} ({threads} threads)"),
        Difference::Changed { fields, tags_added, tags_removed, threads } => {
            let mut text = format!("~ {head}");
            // A change's own time says nothing that the change does not.
            let is_telling = |name: &str| !matches!(name, "updatedAt" | "preview" | "threadsCount" | "userUpdatedAt");
            for field in fields.iter().filter(|field| is_telling(&field.field)) {
                let _ = write!(text, "\n    {}: {} → {}", field.field, brief(&field.before), brief(&field.after));
            }
            for (sign, tags) in [('+', tags_added), ('-', tags_removed)] {
                for tag in tags {
                    let _ = write!(text, "\n    tag {sign}{}", shortened(tag));
                }
            }
            for thread in threads {
                let at = thread.at.as_str().unwrap_or_default();
                let _ = write!(text, "\n    {} {} by {}, {at}", thread.change, thread.kind, shortened(&thread.by));
                for field in &thread.fields {
                    let _ =
                        write!(text, "\n        {}: {} → {}", field.field, brief(&field.before), brief(&field.after));
                }
            }
            text
        }
    }
}

pub(super) fn brief(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => format!("`{text}`"),
        other => other.to_string(),
    };
    let short: String = shortened(&text).chars().take(LONGEST).collect();
    if short.chars().count() == LONGEST { format!("{short}…") } else { short }
}

fn prune(args: &Prune, screen: &Screen) -> Result<Exit, Failure> {
    let keep = args.keep.keep();
    if keep.is_empty() {
        return Err(Failure::new(Exit::Usage, "nothing says which snapshots are to be kept")
            .hint("name at least one of `--keep-daily N`, `--keep-weekly N` and `--keep-monthly N`"));
    }
    let folder = args.identity.open(&args.dir)?;
    let _lock = folder.lock().map_err(|error| failure_of(&error))?;
    let mode = if args.yes { Mode::Remove } else { Mode::List };
    let pruned = backup::prune(&folder, keep, mode).map_err(|error| failure_of(&error))?;
    let mut out = screen.out();
    if screen.is_json {
        let event = json!({"event": "finished", "kept": pruned.kept, "removed": pruned.removed,
            "attachments": pruned.attachments, "bytes": pruned.bytes, "is_done": args.yes});
        writeln!(out, "{event}")?;
        return Ok(Exit::Done);
    }
    if !screen.is_quiet {
        for name in &pruned.removed {
            writeln!(out, "{} {name}", if args.yes { "removed" } else { "would go:" })?;
        }
        writeln!(
            out,
            "{} {}, {} stay; {} ({})",
            counted(pruned.removed.len() as u64, "snapshot"),
            if args.yes { "removed" } else { "would go" },
            pruned.kept.len(),
            counted(pruned.attachments, "attachment"),
            HumanBytes(pruned.bytes),
        )?;
        if !args.yes && !pruned.removed.is_empty() {
            screen.say("nothing was removed; `--yes` removes it");
        }
    }
    Ok(Exit::Done)
}

pub(super) fn failure_of(error: &BackupError) -> Failure {
    match error {
        BackupError::Target { cause } => {
            let failure = settings::failure_of(cause);
            match failure.has_hint() {
                true => failure,
                false => failure.hint("what was gathered is kept; the same command goes on"),
            }
        }
        BackupError::NotABackup { .. } | BackupError::Newer { .. } | BackupError::Empty { .. } => {
            Failure::of(Exit::Unusable, error)
        }
        BackupError::NotEmpty { .. } => {
            Failure::of(Exit::Usage, error).hint("name a folder that is empty or not there yet")
        }
        BackupError::Locked { .. } => Failure::of(Exit::Usage, error).hint(format_args!(
            "name the file of the identity with `--identity FILE`, or in {}; without it only `list` and `verify` work",
            env::IDENTITY
        )),
        BackupError::WrongIdentity { .. } => Failure::of(Exit::Usage, error)
            .hint("the recipients stand in `foxferry-backup.json`; `age-keygen -y FILE` prints an identity's"),
        BackupError::OtherRecipients { .. } => {
            Failure::of(Exit::Usage, error).hint("begin a new folder; the old one stays as it is")
        }
        BackupError::NoMailbox { .. } => Failure::of(Exit::Usage, error),
        BackupError::ManySnapshots { .. } => Failure::of(Exit::Usage, error).hint("name more of it"),
        BackupError::NoSnapshot { .. } => {
            Failure::of(Exit::Usage, error).hint("`foxferry backup list DIR` shows them; `latest` is the newest")
        }
        BackupError::OtherTarget { .. } => {
            Failure::of(Exit::Stopped, error).hint("each FreeScout needs a folder of its own")
        }
        BackupError::Bug { .. } => {
            Failure::of(Exit::Stopped, error).hint("please report it; what was gathered is kept")
        }
        _ => Failure::of(Exit::Stopped, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_table() {
        for (text, expected) in [
            ("5%", Some(0.05)),
            ("100%", Some(1.0)),
            ("0", Some(0.0)),
            ("0.5", Some(0.5)),
            ("101%", None),
            ("-1%", None),
            ("x", None),
        ] {
            assert_eq!(share(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn durations_table() {
        for (text, seconds) in [
            ("5h", Some(18_000)),
            ("90m", Some(5400)),
            ("1h30m", Some(5400)),
            ("30s", Some(30)),
            ("0s", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(duration(text).ok().map(|time| time.as_secs()), seconds, "{text}");
        }
    }
}
