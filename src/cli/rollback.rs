//! `foxferry rollback`: takes back what a journal's runs made.

use std::collections::HashSet;
use std::io::Write as _;

use clap::Args;
use foxferry::freescout::{ApiError, Client, ConversationFilter, Page, Verdict};
use foxferry::journal::{Carried, Intent, Journal, StepKind};
use foxferry::report::Outcome;
use foxferry::upload::Stop;
use foxferry::verify::{self, Mark};
use futures_util::{StreamExt as _, stream};
use serde_json::json;

use crate::cli::carried::{self, CarriedArgs, Target};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, shortened};
use crate::cli::{journals, settings, verify as verifying};

pub const EXAMPLES: &str = "\
Examples:
  foxferry rollback --url https://help.example.org
  foxferry rollback --url https://help.example.org --yes
  foxferry rollback --url https://help.example.org --only 4711,4712 --yes
  foxferry rollback --yes --json | jq -r 'select(.removed==false).reason'

Each conversation is read back and compared first: what somebody has answered, changed or tagged since is kept and listed, and so
are dead letters. Without --yes nothing is removed. Removed records count as skipped, and a later import sends them again.
Customers cannot be deleted over the API: those that this journal made and that have nothing left are listed.";

/// Records read from the journal at a time.
const PAGE: usize = 200;

/// How often a delete is tried.
const TRIES: u32 = 5;

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    carried: CarriedArgs,
    /// Remove; without it only what would be removed is said
    #[arg(long)]
    yes: bool,
    /// Only the records with these ids of the old system; several are separated by blanks or commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// Do not download attachments for the comparison; their count and sizes are compared all the same
    #[arg(long)]
    no_attachments: bool,
}

/// What became of one record.
enum Fate {
    Removed,
    Kept(String),
}

#[derive(Default)]
struct Sums {
    removed: u64,
    kept: u64,
}

/// One thing to do for a page of records.
struct Work<'a> {
    args: &'a Rollback,
    client: &'a Client,
    /// `None`: a dry run.
    journal: Option<&'a Journal>,
}

/// Reads back, compares, and removes.
pub fn run(args: &Rollback, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let _interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    let Target { journal: reader, identity, client } = args.carried.open(&runtime)?;
    let failed = |error| journals::failure_of(&error);
    let journal = args.yes.then(|| Journal::open(reader.path(), &identity)).transpose().map_err(failed)?;
    let run = journal.as_ref().map(|journal| runtime.block_on(journal.begin_run("rollback --yes")));
    let run = run.transpose().map_err(failed)?;
    let only: HashSet<String> = args.only.iter().filter(|id| !id.is_empty()).cloned().collect();
    let all = reader.ask(|view| view.carried_count()).map_err(failed)?;
    let bar = verifying::bar(screen, if only.is_empty() { all } else { only.len() as u64 });
    let work = Work { args, client: &client, journal: journal.as_ref() };
    let mut sums = Sums::default();
    let mut after = 0;
    let ended = loop {
        let page = match reader.ask(|view| view.carried(after, PAGE)) {
            Ok(page) => page,
            Err(error) => break Err(failed(error)),
        };
        let Some(last) = page.last() else { break Ok(()) };
        after = last.record.number();
        let wanted: Vec<_> =
            page.into_iter().filter(|record| only.is_empty() || only.contains(&record.id.original)).collect();
        let paged = runtime.block_on(work.page(&wanted, &stop, |record, fate| {
            match fate {
                Fate::Removed => sums.removed += 1,
                Fate::Kept(_) => sums.kept += 1,
            }
            bar.inc(1);
            bar.suspend(|| tell(screen, args.yes, record, fate))
        }));
        if paged.is_err() || stop.is_asked() {
            break paged;
        }
    };
    bar.finish_and_clear();
    let is_interrupted = stop.is_asked();
    if let (Some(journal), Some(run)) = (&journal, run) {
        let ending = match &ended {
            Err(failure) => failure.text().to_owned(),
            Ok(()) if is_interrupted => "interrupted".to_owned(),
            Ok(()) => "finished".to_owned(),
        };
        let summary = json!({"removed": sums.removed, "kept": sums.kept}).to_string();
        runtime.block_on(journal.end_run(run, &ending, summary)).map_err(failed)?;
    }
    ended?;
    if args.yes && !is_interrupted && only.is_empty() {
        let mut people = Vec::new();
        reader.ask(|view| view.people_made(|key, id| people.push((key.to_owned(), id)))).map_err(failed)?;
        runtime.block_on(tell_left(&client, &people, screen, &stop))?;
    }
    if !is_interrupted {
        carried::say_unknown(&only, sums.removed + sums.kept, screen);
    }
    say(screen, args.yes, &sums, is_interrupted)?;
    Ok(match () {
        () if is_interrupted => Exit::Interrupted,
        () if sums.kept > 0 => Exit::Incomplete,
        () => Exit::Done,
    })
}

impl Work<'_> {
    async fn page(
        &self,
        records: &[Carried],
        stop: &Stop,
        mut each: impl FnMut(&Carried, &Fate) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut done = stream::iter(records)
            .take_while(|_| std::future::ready(!stop.is_asked()))
            .map(|record| async move { (record, self.one(record).await) })
            .buffered(self.args.carried.concurrency());
        // What is in flight when somebody asks to stop is finished.
        while let Some((record, fate)) = done.next().await {
            each(record, &fate?)?;
        }
        Ok(())
    }

    async fn one(&self, record: &Carried) -> Result<Fate, Failure> {
        let Some(conversation) = record.conversation else {
            return Ok(Fate::Kept("it has no conversation".to_owned()));
        };
        let failed = |error| journals::failure_of(&error);
        let compared = verify::compare(self.client, record, !self.args.no_attachments).await;
        let compared = compared.map_err(|stopped| settings::failure_of(&stopped.cause))?;
        if compared.is_gone {
            // Removed by an earlier run that was killed, or by hand.
            if let Some(journal) = self.journal {
                journal.withdraw(record.record, "rolled back").await.map_err(failed)?;
            }
            return Ok(Fate::Removed);
        }
        if record.outcome == Outcome::Dead {
            return Ok(Fate::Kept("it is a dead letter; look at it, and delete it by hand".to_owned()));
        }
        if compared.mark() != Mark::Equal {
            let what: Vec<String> =
                compared.differences.iter().map(|one| format!("{} {}", one.mark.sign(), one.what)).collect();
            return Ok(Fate::Kept(what.join("; ")));
        }
        let Some(journal) = self.journal else { return Ok(Fate::Removed) };
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&conversation.to_be_bytes());
        let intent = Intent { kind: StepKind::Delete, ordinal: 0, digest, create: None };
        journal.start(record.record, intent).await.map_err(failed)?;
        match self.delete(conversation).await {
            Ok(()) => {
                journal.withdraw(record.record, "rolled back").await.map_err(failed)?;
                Ok(Fate::Removed)
            }
            Err(error) if error.verdict() == Verdict::Unauthorised => Err(settings::failure_of(&error)),
            Err(error) => Ok(Fate::Kept(format!("it could not be removed: {error}"))),
        }
    }

    async fn delete(&self, conversation: u64) -> Result<(), ApiError> {
        let mut tries = 1;
        loop {
            let error = match self.client.delete_conversation(conversation).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            // A delete may simply be repeated: 404 says that it is done.
            let is_final = matches!(error.verdict(), Verdict::Refused | Verdict::Unauthorised);
            if is_final || tries >= TRIES {
                return Err(error);
            }
            tokio::time::sleep(error.retry_after().unwrap_or(std::time::Duration::from_secs(1)) * tries).await;
            tries += 1;
        }
    }
}

fn tell(screen: &Screen, is_real: bool, record: &Carried, fate: &Fate) -> Result<(), Failure> {
    let reason = match fate {
        Fate::Removed => None,
        Fate::Kept(reason) => Some(reason.as_str()),
    };
    if screen.is_json {
        let line = json!({
            "event": "rollback", "record": record.id.to_string(), "conversation": record.conversation,
            "removed": reason.is_none(), "dry_run": !is_real, "reason": reason,
        });
        writeln!(screen.out(), "{line}")?;
    } else if let Some(reason) = reason {
        let place = record.conversation.map(|id| format!("conversation {id}, ")).unwrap_or_default();
        writeln!(screen.out(), "kept {} ({place}{}): {}", record.id, record.origin, shortened(reason))?;
    } else if screen.verbose > 0 {
        screen.say(&format!("{} {}", if is_real { "removed" } else { "would remove" }, record.id));
    }
    Ok(())
}

/// Lists customers that this journal made and that have nothing left.
async fn tell_left(client: &Client, people: &[(String, u64)], screen: &Screen, stop: &Stop) -> Result<(), Failure> {
    let mut left = 0_u64;
    for (key, id) in people {
        if stop.is_asked() {
            break;
        }
        let filter = ConversationFilter { customer_id: Some(*id), ..ConversationFilter::default() };
        let Ok(list) = client.list_conversations(&filter, Page::of(1)).await else { continue };
        if list.items.iter().any(|row| filter.matches(row)) {
            continue;
        }
        left += 1;
        if screen.is_json {
            writeln!(screen.out(), "{}", json!({"event": "customer_left", "address": key, "customer": id}))?;
        } else if left <= 20 {
            screen.say(&format!("customer {id} ({key}) has nothing left"));
        }
    }
    if left > 0 {
        screen.say(&format!(
            "{left} customers that this journal made have no conversation now; the API cannot delete customers (`--json` lists all)"
        ));
    }
    Ok(())
}

fn say(screen: &Screen, is_real: bool, sums: &Sums, is_interrupted: bool) -> Result<(), Failure> {
    let all = sums.removed + sums.kept;
    if screen.is_json {
        let line = json!({
            "event": "finished", "carried": all, "removed": sums.removed, "kept": sums.kept, "dry_run": !is_real,
            "interrupted": is_interrupted,
        });
        writeln!(screen.out(), "{line}")?;
        return Ok(());
    }
    if is_interrupted {
        screen.say("interrupted; the journal is in order and the same command goes on");
    }
    if is_real {
        writeln!(screen.out(), "{all} carried: {} removed, {} kept", sums.removed, sums.kept)?;
    } else {
        screen.say("nothing was removed: this was a dry run; `--yes` removes");
        writeln!(screen.out(), "{all} carried: {} would be removed, {} kept", sums.removed, sums.kept)?;
    }
    Ok(())
}
