//! `foxferry status` and `letters`: how far an import is, and what needs attention.

use std::collections::BTreeMap;
use std::io::{self, Write};

use clap::Args;
use foxferry::journal::{Counts, Letter, Run};
use foxferry::report::{Outcome, Summary};
use jiff::Timestamp;
use serde_json::json;

use crate::cli::bundle::BundleArgs;
use crate::cli::exit::{Exit, Failure};
use crate::cli::hints::hint_for;
use crate::cli::screen::{Screen, counted, shortened};
use crate::cli::{JournalArgs, journals};

pub const STATUS_EXAMPLES: &str = "\
Examples:
  foxferry status
  foxferry status --journal export.ferry --json";

pub const LETTERS_EXAMPLES: &str = "\
Examples:
  foxferry letters
  foxferry letters --dead
  foxferry letters --reason mailbox
  foxferry letters --json | jq -r .record
  foxferry letters --bundle 4711 export/ -m acme.toml > letter.jsonl

`foxferry retry ARCHIVE` takes them up again.";

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    #[command(flatten)]
    journal: JournalArgs,
}

/// Arguments of `letters`.
#[derive(Debug, Args)]
pub struct Letters {
    #[command(flatten)]
    journal: JournalArgs,
    /// Only what was refused or given up
    #[arg(long, conflicts_with = "rejected")]
    dead: bool,
    /// Only what could not be sent at all
    #[arg(long)]
    rejected: bool,
    /// Only those whose reason holds this text, whatever its case
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only the records with these ids of the old system; several are separated by blanks or commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    bundle: BundleArgs,
}

impl Letters {
    fn wants(&self, letter: &Letter) -> bool {
        let is_dead = letter.outcome == Outcome::Dead;
        let holds = |text: &String| letter.reason.to_lowercase().contains(&text.to_lowercase());
        (!self.dead || is_dead)
            && (!self.rejected || !is_dead)
            && self.reason.as_ref().is_none_or(holds)
            && (self.only.is_empty() || self.only.contains(&letter.id.original))
    }
}

/// Prints the totals.
pub fn run(args: &Status, screen: &Screen) -> Result<Exit, Failure> {
    let journal = journals::open(&args.journal)?;
    let failed = |error| journals::failure_of(&error);
    let identity = journal.identity().map_err(failed)?;
    let counts = journal.counts().map_err(failed)?;
    let runs = journal.ask(|view| view.runs()).map_err(failed)?;
    let mut out = screen.out();
    if screen.is_json {
        let last = runs.last().map(|run| {
            json!({"command": run.command, "started": time(run.started_at), "ended": run.ended_at.map(time), "ending": run.ending})
        });
        let object = json!({
            "journal": journal.path().display().to_string(),
            "target": identity.target,
            "source": identity.source,
            "read": counts.records() - counts.open,
            "done": counts.done,
            "skipped": counts.skipped,
            "rejected": counts.rejected,
            "dead": counts.dead,
            "open": counts.open,
            "unknown": counts.unknown,
            "threads": counts.threads,
            "attachments": counts.attachments,
            "people": counts.people,
            "people_made": counts.people_made,
            "runs": runs.len(),
            "last_run": last,
        });
        writeln!(out, "{object}")?;
        return Ok(Exit::Done);
    }
    let mut rows = vec![
        ("journal", journal.path().display().to_string()),
        ("target", identity.target),
        ("source", identity.source),
        ("runs", runs_text(&runs)),
        ("threads", counts.threads.to_string()),
        ("attachments", counts.attachments.to_string()),
        ("people", format!("{}, {} of them made by this import", counts.people, counts.people_made)),
    ];
    if counts.open > 0 {
        rows.push(("open", format!("{} taken up and not finished; the next run goes on with them", counts.open)));
    }
    if counts.unknown > 0 {
        rows.push((
            "unknown",
            format!("{} requests without an answer; the next run looks them up first", counts.unknown),
        ));
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in rows {
        writeln!(out, "{name:width$}  {}", shortened(&value))?;
    }
    writeln!(out, "{}", sums(&counts))?;
    Ok(Exit::Done)
}

/// The totals as a run's sums, so that they print alike.
fn sums(counts: &Counts) -> Summary {
    Summary {
        read: counts.records() - counts.open,
        done: counts.done,
        skipped: counts.skipped,
        rejected: counts.rejected,
        dead: counts.dead,
        ..Summary::default()
    }
}

fn runs_text(runs: &[Run]) -> String {
    let Some(last) = runs.last() else { return "none".to_owned() };
    let ending = match (&last.ending, last.ended_at) {
        (Some(ending), Some(at)) => format!("{ending} {}", time(at)),
        (Some(ending), None) => ending.clone(),
        (None, _) => "still running, or killed".to_owned(),
    };
    format!("{}; the last began {}: {ending}", runs.len(), time(last.started_at))
}

fn time(milliseconds: i64) -> String {
    let seconds = milliseconds.div_euclid(1000);
    Timestamp::from_second(seconds).map_or_else(|_| "at an unknown time".to_owned(), |at| at.to_string())
}

/// Prints everything rejected, refused or given up.
pub fn letters(args: &Letters, screen: &Screen) -> Result<Exit, Failure> {
    let journal = journals::open(&args.journal)?;
    if let Some(id) = args.bundle.record() {
        let mut why = None;
        let asked = journal.ask(|view| {
            view.letters(|letter| {
                if letter.id.original == id || letter.id.to_string() == id {
                    why = Some(letter.reason);
                }
            })
        });
        asked.map_err(|error| journals::failure_of(&error))?;
        return args.bundle.print(id, why.as_deref(), screen);
    }
    let mut out = io::BufWriter::new(screen.out());
    let mut written = Ok(());
    let mut count = 0_u64;
    let mut hints: BTreeMap<&str, u64> = BTreeMap::new();
    let asked = journal.ask(|view| {
        view.letters(|letter| {
            if !args.wants(&letter) {
                return;
            }
            count += 1;
            let hint = hint_for(letter.outcome, &letter.reason);
            *hints.entry(hint).or_default() += 1;
            if written.is_err() {
                return;
            }
            written = if screen.is_json {
                let line = json!({
                    "record": letter.id.to_string(),
                    "origin": letter.origin.to_string(),
                    "outcome": letter.outcome,
                    "reason": letter.reason,
                    "hint": hint,
                    "conversation": letter.conversation,
                    "attempts": letter.attempts,
                });
                writeln!(out, "{line}")
            } else {
                let word = if letter.outcome == Outcome::Dead { "dead letter" } else { "rejected" };
                let there = letter.conversation.map(|id| format!(", conversation {id}")).unwrap_or_default();
                writeln!(out, "{word} {} ({}{there}): {}", letter.id, letter.origin, shortened(&letter.reason))
            };
        })
    });
    asked.map_err(|error| journals::failure_of(&error))?;
    written?;
    out.flush()?;
    // Once for all that it is about, and beside the list: each line stays one letter.
    if !screen.is_json {
        for (hint, letters) in hints {
            screen.say(&format!("{}: {hint}", counted(letters, "letter")));
        }
    }
    if count == 0 {
        let asked = args.dead || args.rejected || args.reason.is_some() || !args.only.is_empty();
        screen.say(match asked {
            true => "no letters of this kind",
            false => "no letters: nothing was rejected, refused or given up",
        });
    }
    Ok(Exit::Done)
}
