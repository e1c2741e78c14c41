//! `foxferry verify`: FreeScout beside the journal.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use foxferry::freescout::Client;
use foxferry::journal::{Carried, Reader};
use foxferry::report::Outcome;
use foxferry::upload::Stop;
use foxferry::verify::{self, Compared, Mark, Seal};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::cli::carried::{self, CarriedArgs, Target};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted, shortened};
use crate::cli::{journals, settings};

pub const EXAMPLES: &str = "\
Examples:
  foxferry verify --url https://help.example.org
  foxferry verify --url https://help.example.org --sample 200
  foxferry verify --url https://help.example.org --only 4711 --journal export.ferry
  foxferry verify --url https://help.example.org --manifest proof.jsonl
  foxferry verify --json | jq -r 'select(.mark==\"*\")'

Each conversation is `=` as it was sent, `-` missing or something of it is, `*` altered, `+` with more than was sent (an
answer since), or `!` unreadable; all but the first are listed. Nothing is changed. Neither archive nor mapping is needed.";

/// Records read from the journal at a time.
const PAGE: usize = 100;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    carried: CarriedArgs,
    /// At most N conversations per second [default: as fast as the target answers]
    #[arg(long, value_name = "N", value_parser = super::rate, help_heading = "Target")]
    rate: Option<f64>,
    /// Only so many, taken by chance: `200`, or a share such as `5%`
    #[arg(long, value_name = "N", value_parser = sample, conflicts_with = "only")]
    sample: Option<Sample>,
    /// Only the records with these ids of the old system; several are separated by blanks or commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Only the records behind this one, by its id of the old system: goes on where an interrupted run stopped
    #[arg(long, value_name = "ID", conflicts_with_all = ["only", "sample"])]
    after: Option<String>,
    /// Do not download attachments; their count and sizes are compared all the same
    #[arg(long)]
    no_attachments: bool,
    /// Write a line for each record, and a SHA-256 over them, that others can check
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// How many to take.
#[derive(Debug, Clone, Copy)]
enum Sample {
    Count(u64),
    Share(f64),
}

fn sample(text: &str) -> Result<Sample, String> {
    let wrong = || "expected a number such as `200`, or a share such as `5%`".to_owned();
    match text.strip_suffix('%') {
        Some(share) => {
            let share: f64 = share.trim().parse().map_err(|_| wrong())?;
            (share > 0.0 && share <= 100.0).then_some(Sample::Share(share / 100.0)).ok_or_else(wrong)
        }
        None => text.parse().ok().filter(|count| *count > 0).map(Sample::Count).ok_or_else(wrong),
    }
}

/// Which records are wanted.
struct Choice {
    only: HashSet<String>,
    /// Ordinals of a sample.
    chosen: Option<HashSet<u64>>,
    next: u64,
    wanted: u64,
}

impl Choice {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count"
    )]
    fn new(args: &Verify, all: u64) -> Self {
        let only: HashSet<String> = args.only.iter().filter(|id| !id.is_empty()).cloned().collect();
        let count = args.sample.map(|sample| match sample {
            Sample::Count(count) => count.min(all),
            Sample::Share(share) => ((all as f64 * share).ceil() as u64).clamp(all.min(1), all),
        });
        let chosen = count.map(|count| {
            let mut chosen = HashSet::new();
            while (chosen.len() as u64) < count {
                chosen.insert(fastrand::u64(0..all));
            }
            chosen
        });
        let wanted = match (&chosen, only.len() as u64) {
            (Some(chosen), _) => chosen.len() as u64,
            (None, 0) => all,
            (None, only) => only,
        };
        Self { only, chosen, next: 0, wanted }
    }

    fn takes(&mut self, record: &Carried) -> bool {
        let at = self.next;
        self.next += 1;
        match &self.chosen {
            Some(chosen) => chosen.contains(&at),
            None => self.only.is_empty() || self.only.contains(&record.id.original),
        }
    }
}

/// The file that others can check.
struct Manifest {
    file: BufWriter<File>,
    seal: Seal,
    path: PathBuf,
}

impl Manifest {
    fn create(path: &PathBuf) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", path.display()))
        })?;
        Ok(Self { file: BufWriter::new(file), seal: Seal::default(), path: path.clone() })
    }

    fn line(&mut self, value: &serde_json::Value) -> Result<(), Failure> {
        let line = value.to_string();
        self.seal.add(&line);
        writeln!(self.file, "{line}").map_err(|cause| self.failed(&cause))
    }

    fn finish(mut self) -> Result<String, Failure> {
        let sum = std::mem::take(&mut self.seal).hex();
        let last = json!({ "sha256": sum });
        writeln!(self.file, "{last}").and_then(|()| self.file.flush()).map_err(|cause| self.failed(&cause))?;
        Ok(sum)
    }

    fn failed(&self, cause: &std::io::Error) -> Failure {
        Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", self.path.display()))
    }
}

/// Counts, by mark.
#[derive(Default, Clone, Copy)]
struct Sums([u64; 5]);

impl Sums {
    fn add(&mut self, mark: Mark) {
        self.0[mark as usize] += 1;
    }

    fn of(&self, mark: Mark) -> u64 {
        self.0[mark as usize]
    }

    fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// Reads back, compares, and says what differs.
pub fn run(args: &Verify, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let _interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    let Target { journal, identity, client } = args.carried.open(&runtime)?;
    let mut manifest = args.manifest.as_ref().map(Manifest::create).transpose()?;
    if let Some(manifest) = &mut manifest {
        manifest.line(&json!({
            "manifest": "foxferry", "version": 1, "target": identity.target, "source": identity.source,
            "checked_at": verify::now().to_string(), "attachments": !args.no_attachments,
        }))?;
    }
    let sums = runtime.block_on(go(args, screen, &journal, &client, &stop, &mut manifest))?;
    let is_interrupted = stop.is_asked();
    let seal = manifest.filter(|_| !is_interrupted).map(Manifest::finish).transpose()?;
    say(screen, &sums, seal.as_deref(), is_interrupted)?;
    Ok(match () {
        () if is_interrupted => Exit::Interrupted,
        () if sums.all() > sums.of(Mark::Equal) => Exit::Incomplete,
        () => Exit::Done,
    })
}

async fn go(
    args: &Verify,
    screen: &Screen,
    journal: &Reader,
    client: &Client,
    stop: &Stop,
    manifest: &mut Option<Manifest>,
) -> Result<Sums, Failure> {
    let failed = |error| journals::failure_of(&error);
    let all = journal.ask(|view| view.carried_count()).map_err(failed)?;
    let mut choice = Choice::new(args, all);
    let only = choice.only.clone();
    let bar = bar(screen, choice.wanted);
    let mut sums = Sums::default();
    let mut after = match &args.after {
        Some(id) => row_of(journal, id)?,
        None => 0,
    };
    let mut last_compared = None;
    let pace = args.rate.map(|rate| tokio::time::interval(Duration::from_secs_f64(1.0 / rate)));
    let pace = tokio::sync::Mutex::new(pace);
    // Read as they are needed, so that requests go on while the next page is read.
    let mut page = Vec::new().into_iter();
    let records = std::iter::from_fn(|| {
        loop {
            if let Some(record) = page.next() {
                if choice.takes(&record) {
                    return Some(Ok(record));
                }
                continue;
            }
            match journal.ask(|view| view.carried(after, PAGE)).map_err(failed) {
                Ok(next) => {
                    after = next.last()?.record.number();
                    page = next.into_iter();
                }
                Err(failure) => return Some(Err(failure)),
            }
        }
    });
    let compared = stream::iter(records).map(|record: Result<Carried, Failure>| {
        let pace = &pace;
        async move {
            let record = record?;
            if let Some(pace) = pace.lock().await.as_mut() {
                pace.tick().await;
            }
            let compared = verify::compare(client, &record, !args.no_attachments).await;
            Ok::<_, Failure>((record, compared))
        }
    });
    let mut compared = std::pin::pin!(compared.buffered(args.carried.concurrency()));
    loop {
        let next = tokio::select! {
            next = compared.next() => next,
            () = stop.asked() => None,
        };
        let Some(next) = next else { break };
        let (record, compared) = next?;
        let compared = compared.map_err(|stopped| {
            settings::failure_of(&stopped.cause)
                .hint(format_args!("{} were compared before it went away", counted(sums.all(), "record")))
        })?;
        sums.add(compared.mark());
        bar.inc(1);
        bar.suspend(|| tell(screen, &record, &compared))?;
        if let Some(manifest) = manifest {
            manifest.line(&line_of(&record, &compared))?;
        }
        last_compared = Some(record.id);
    }
    bar.finish_and_clear();
    if let (true, Some(last)) = (stop.is_asked(), last_compared) {
        screen.say(&format!("`foxferry verify --after '{}'` goes on from here", last.original));
    }
    if !stop.is_asked() {
        carried::say_unknown(&only, sums.all(), screen);
    }
    Ok(sums)
}

/// The row of the record with this id, which may name its source.
fn row_of(journal: &Reader, id: &str) -> Result<i64, Failure> {
    let story = journal.ask(|view| view.story(id)).map_err(|error| journals::failure_of(&error))?;
    let is_meant = |found: &foxferry::record::RecordId| found.original == id || found.to_string() == id;
    let row = story.iter().find(|told| is_meant(&told.carried.id)).map(|told| told.carried.record.number());
    row.ok_or_else(|| {
        Failure::new(Exit::Usage, format_args!("the journal knows no record `{id}`"))
            .hint("`foxferry ledger` lists all")
    })
}

pub(super) fn bar(screen: &Screen, wanted: u64) -> indicatif::ProgressBar {
    if !screen.has_bar() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(wanted);
    if let Ok(style) = indicatif::ProgressStyle::with_template("{bar:30} {pos}/{len} compared, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn line_of(record: &Carried, compared: &Compared) -> serde_json::Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "record": record.id.to_string(), "conversation": record.conversation, "threads": record.threads.len(),
        "attachments": record.threads.iter().map(|thread| thread.attachments.len()).sum::<usize>(),
        "sent": hex(&record.sent()), "mapping": record.mapping.map(|hash| hex(&hash)),
        "mark": compared.mark().sign().to_string(),
    })
}

fn tell(screen: &Screen, record: &Carried, compared: &Compared) -> Result<(), Failure> {
    let mark = compared.mark();
    if screen.is_json {
        let differences: Vec<_> = compared
            .differences
            .iter()
            .map(|one| json!({"mark": one.mark.sign().to_string(), "what": one.what}))
            .collect();
        let line = json!({
            "event": "compared", "record": record.id.to_string(), "conversation": record.conversation,
            "mark": mark.sign().to_string(), "differences": differences,
        });
        writeln!(screen.out(), "{line}")?;
    } else if mark != Mark::Equal {
        let what: Vec<String> =
            compared.differences.iter().map(|one| format!("{} {}", one.mark.sign(), one.what)).collect();
        let place = record.conversation.map(|id| format!("conversation {id}, ")).unwrap_or_default();
        let dead = if record.outcome == Outcome::Dead { ", a dead letter" } else { "" };
        writeln!(
            screen.out(),
            "{} {} ({place}{}{dead}): {}",
            mark.sign(),
            record.id,
            record.origin,
            shortened(&what.join("; "))
        )?;
    }
    Ok(())
}

fn say(screen: &Screen, sums: &Sums, seal: Option<&str>, is_interrupted: bool) -> Result<(), Failure> {
    let mut out = screen.out();
    if screen.is_json {
        let mut line =
            json!({"event": "finished", "compared": sums.all(), "interrupted": is_interrupted, "sha256": seal});
        for mark in Mark::ALL {
            line[mark.word()] = sums.of(mark).into();
        }
        writeln!(out, "{line}")?;
        return Ok(());
    }
    if let Some(seal) = seal {
        screen.say(&format!("the manifest's SHA-256 is {seal}"));
    }
    if is_interrupted {
        screen.say("interrupted; nothing was changed");
    }
    let parts: Vec<String> = Mark::ALL.iter().map(|mark| format!("{} {mark}", sums.of(*mark))).collect();
    writeln!(out, "{} compared: {}", sums.all(), parts.join(", "))?;
    Ok(())
}
