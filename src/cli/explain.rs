//! `foxferry explain ID`: the whole story of one record, from either side.

use std::io::Write as _;

use clap::Args;
use foxferry::journal::Told;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{JournalArgs, journals};

pub const EXAMPLES: &str = "\
Examples:
  foxferry explain 4711
  foxferry explain zendesk:4711 --journal export.ferry
  foxferry explain 4711 --json

ID is the old system's id, or FreeScout's id or number of a conversation; what fits is told, all of it. Texts and addresses
are not in the journal, so that they cannot show.";

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// An id of the old system, or FreeScout's id or number of a conversation
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    journal: JournalArgs,
}

/// Tells everything that the journal knows of it.
pub fn run(args: &Explain, screen: &Screen) -> Result<Exit, Failure> {
    let journal = journals::open(&args.journal)?;
    let failed = |error| journals::failure_of(&error);
    let target = journal.identity().map_err(failed)?.target;
    let told = journal.ask(|view| view.story(&args.id)).map_err(failed)?;
    if told.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            format_args!("the journal `{}` knows no `{}`", journal.path().display(), args.id),
        )
        .hint(
            "ID is an id of the old system, or FreeScout's id or number of a conversation; `foxferry ledger` lists all",
        ));
    }
    let site = target.trim_end_matches('/').trim_end_matches("/api");
    for one in &told {
        if screen.is_json {
            writeln!(screen.out(), "{}", object(one, site))?;
        } else {
            writeln!(screen.out(), "{}", text(one, site))?;
        }
    }
    Ok(Exit::Done)
}

fn time(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map_or_else(|_| "an unknown time".to_owned(), |at| at.to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn object(told: &Told, site: &str) -> serde_json::Value {
    let Told { carried, state, reason, number, rules, admitted_at, settled_at, attempts, run, steps } = told;
    json!({
        "record": carried.id.to_string(), "origin": carried.origin.to_string(), "state": state, "reason": reason,
        "conversation": carried.conversation, "number": number,
        "url": carried.conversation.map(|id| format!("{site}/conversation/{id}")),
        "rules": rules, "mapping": carried.mapping.map(|hash| hex(&hash)), "run": run, "attempts": attempts,
        "taken_up": time(*admitted_at), "settled": settled_at.map(time),
        "steps": steps.iter().map(|step| json!({
            "kind": step.kind, "ordinal": step.ordinal, "state": step.state, "sent": step.sent_at.map(time),
            "settled": step.settled_at.map(time), "made": step.remote, "answer": step.error, "request": hex(&step.digest),
        })).collect::<Vec<_>>(),
        "threads": carried.threads.iter().map(|thread| json!({
            "entry": thread.entry, "thread": thread.remote, "sent": thread.sent_at.map(time),
            "attachments": thread.attachments.iter().map(|file| json!({
                "name": file.name, "size": file.size, "hash": file.hash.map(|hash| hex(&hash)), "attachment": file.remote,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

fn text(told: &Told, site: &str) -> String {
    use std::fmt::Write as _;

    let carried = &told.carried;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Names and reasons may come from strangers.
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = writeln!(text, "{name:<13} {value}");
    };
    line("record", carried.id.to_string());
    line("stands at", carried.origin.to_string());
    line("state", told.state.clone());
    if let Some(reason) = &told.reason {
        line("because", reason.clone());
    }
    if let Some(id) = carried.conversation {
        let number =
            told.number.filter(|number| *number != id).map(|number| format!(", number {number}")).unwrap_or_default();
        line("conversation", format!("{id}{number}, {site}/conversation/{id}"));
    }
    line(
        "taken up",
        format!("{} by run {}", time(told.admitted_at), told.run.map_or("?".to_owned(), |run| run.to_string())),
    );
    if let Some(hash) = &carried.mapping {
        line("mapping", format!("hash {}", hex(hash)));
    }
    for (at, rule) in told.rules.iter().enumerate() {
        line(if at == 0 { "rules" } else { "" }, rule.clone());
    }
    for (at, step) in told.steps.iter().enumerate() {
        let sent = step.sent_at.map_or("never sent".to_owned(), |at| format!("sent {}", time(at)));
        let ended = step
            .settled_at
            .map(|at| format!(", {} {}", step.state, time(at)))
            .unwrap_or_else(|| format!(", {}", step.state));
        let made = step.remote.map(|id| format!(", made {id}")).unwrap_or_default();
        let answer = step.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let which = if step.ordinal > 0 { format!(" {}", step.ordinal) } else { String::new() };
        line(if at == 0 { "requests" } else { "" }, format!("{}{which} {sent}{ended}{made}{answer}", step.kind));
    }
    for (at, thread) in carried.threads.iter().enumerate() {
        let made = thread.remote.map_or("not there".to_owned(), |id| format!("thread {id}"));
        line(if at == 0 { "threads" } else { "" }, format!("entry {} is {made}", thread.entry));
        for file in &thread.attachments {
            let made = file.remote.map_or("not there".to_owned(), |id| format!("attachment {id}"));
            line("", format!("  `{}`, {} bytes, is {made}", file.name, file.size));
        }
    }
    line(
        "taken in all",
        format!(
            "{} attempts; {}",
            told.attempts,
            told.settled_at.map_or("not settled".to_owned(), |at| format!("settled {}", time(at)))
        ),
    );
    text
}
