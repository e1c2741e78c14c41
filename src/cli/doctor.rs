//! `foxferry doctor`: what a target is and can do, before anything is sent.

use std::io::Write as _;
use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use clap::Args;
use foxferry::doctor::{self, Diagnosis, Grade, Learnt};
use foxferry::freescout::{Client, Directory};
use foxferry::journal::{Identity, Journal};
use foxferry::sandbox::{self, Sandbox};
use foxferry::upload::Stop;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted};
use crate::cli::{journals, settings};
use crate::env;

pub const EXAMPLES: &str = "\
Examples:
  foxferry doctor --url https://help.example.org --key-file key.txt
  foxferry doctor --url https://help.example.org --probe scratch@example.org
  foxferry doctor --url https://help.example.org --journal export.ferry
  foxferry doctor --sandbox --probe support@sandbox.example
  foxferry doctor --url https://help.example.org --json | jq -r 'select(.advice).advice'

Without --probe nothing is changed. With it a few conversations are made in that mailbox and removed again.
Nobody is mailed. The one customer they need, foxferry-doctor@probe.invalid, stays: the API cannot delete
customers. What is learnt is kept in the journal, and the next import over it goes by it.
Exit code 3: an import would fail, lose something or mail somebody.";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The FreeScout to look at, with or without `/api` [env: FREESCOUT_URL]
    #[arg(long, value_name = "URL", conflicts_with = "sandbox", help_heading = "Target")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca_file: Option<PathBuf>,
    /// Look at a FreeScout imitation in this process
    #[arg(long, help_heading = "Target")]
    sandbox: bool,
    /// Make a few conversations in this mailbox (address or name), see what the server does to them, and remove them
    #[arg(long, value_name = "MAILBOX")]
    probe: Option<String>,
    /// Offer requests of up to so many megabytes, to find the server's limit; 0: none
    #[arg(long, value_name = "MB", default_value = "32", value_parser = clap::value_parser!(u64).range(0..=1024))]
    largest_request: u64,
    /// The journal that keeps what is learnt; made if there is none [default: the only *.ferry file in the current folder]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// What was told, added up.
#[derive(Debug, Default, Clone, Copy)]
struct Sums {
    grades: [u64; 4],
}

/// Tells diagnoses on stdout as they come.
struct Teller<'a> {
    screen: &'a Screen,
    sums: Sums,
    /// stdout is closed.
    broken: Option<std::io::Error>,
}

impl Teller<'_> {
    fn tell(&mut self, diagnosis: &Diagnosis) {
        self.sums.grades[diagnosis.grade as usize] += 1;
        if self.broken.is_none() {
            self.broken = self.print(diagnosis).err();
        }
    }

    fn print(&self, diagnosis: &Diagnosis) -> std::io::Result<()> {
        let mut out = self.screen.out();
        if self.screen.is_json {
            let Diagnosis { topic, grade, text, advice } = diagnosis;
            let line = json!({"event": "diagnosis", "topic": topic, "grade": grade, "text": text, "advice": advice});
            return writeln!(out, "{line}");
        }
        let style = match diagnosis.grade {
            Grade::Fine if self.screen.is_quiet => return Ok(()),
            Grade::Fine => AnsiColor::Green.on_default(),
            Grade::Note => AnsiColor::Cyan.on_default(),
            Grade::Warning => AnsiColor::Yellow.on_default(),
            Grade::Error => AnsiColor::Red.on_default(),
        };
        let dim = Style::new().dimmed();
        let grade = diagnosis.grade.to_string();
        writeln!(out, "{style}{grade:<7}{style:#} {dim}{:<15}{dim:#} {}", diagnosis.topic, diagnosis.text)?;
        if let Some(advice) = &diagnosis.advice {
            writeln!(out, "{:24}→ {advice}", "")?;
        }
        out.flush()
    }
}

/// Looks, tells, and keeps what was learnt.
pub fn run(args: &Doctor, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let _interrupt = Interrupt::listen(&runtime, move |times| if times == 1 { asked.ask() } else { asked.now() })?;
    let (client, _sandbox) = target(args, &runtime)?;
    let mut teller = Teller { screen, sums: Sums::default(), broken: None };
    let looked = look(args, &runtime, &client, &stop, &mut teller);
    if let Some(error) = teller.broken.take() {
        return Err(error.into());
    }
    let Sums { grades: [fine, notes, warnings, errors] } = teller.sums;
    let is_interrupted = matches!(&looked, Err(failure) if failure.exit == Exit::Interrupted);
    if screen.is_json {
        let line = json!({
            "event": "finished", "fine": fine, "notes": notes, "warnings": warnings, "errors": errors, "interrupted": is_interrupted,
        });
        writeln!(screen.out(), "{line}")?;
    } else {
        writeln!(
            screen.out(),
            "{} looked at: {fine} fine, {}, {}, {}",
            fine + notes + warnings + errors,
            counted(notes, "note"),
            counted(warnings, "warning"),
            counted(errors, "error"),
        )?;
    }
    let Some(learnt) = looked? else { return Ok(Exit::Stopped) };
    keep(args, &runtime, &client, &learnt, screen)?;
    Ok(if errors > 0 { Exit::Incomplete } else { Exit::Done })
}

/// The FreeScout that is meant, and the sandbox if it is one.
fn target(args: &Doctor, runtime: &Runtime) -> Result<(Client, Option<Sandbox>), Failure> {
    if args.sandbox {
        let sandbox = runtime
            .block_on(sandbox::start(sandbox::Options::default()))
            .map_err(|cause| Failure::new(Exit::Stopped, format_args!("the sandbox cannot start: {cause}")))?;
        let client = settings::Server::sandbox(sandbox.url(), sandbox.key()).client(1)?;
        return Ok((client, Some(sandbox)));
    }
    let place = settings::Place {
        url: args.url.as_deref(),
        key_file: args.key_file.as_deref(),
        ca_file: args.ca_file.as_deref(),
    };
    let Some(server) = settings::Server::choose(&place)? else {
        return Err(Failure::new(Exit::Usage, "there is no FreeScout to look at")
            .hint(format_args!("name one with `--url` (or {}), or look at `--sandbox`", env::URL)));
    };
    Ok((server.client(1)?, None))
}

/// `None`: the address is no FreeScout that lets us in, and that was told.
fn look(
    args: &Doctor,
    runtime: &Runtime,
    client: &Client,
    stop: &Stop,
    teller: &mut Teller<'_>,
) -> Result<Option<Learnt>, Failure> {
    let interrupted = || Failure::new(Exit::Interrupted, "interrupted; nothing was changed");
    let options = doctor::Options { largest_request: args.largest_request << 20, ..doctor::Options::default() };
    let examined = runtime.block_on(async {
        let mut tell = |diagnosis: Diagnosis| teller.tell(&diagnosis);
        tokio::select! {
            examined = doctor::examine(client, &options, &mut tell) => Ok(examined),
            () = stop.asked() => Err(interrupted()),
        }
    })?;
    let Ok((directory, learnt)) = examined else { return Ok(None) };
    let Some(wanted) = &args.probe else { return Ok(Some(learnt)) };
    let mailbox = mailbox_of(wanted, &directory)?;
    let seen = runtime.block_on(async {
        let mut tell = |diagnosis: Diagnosis| teller.tell(&diagnosis);
        tokio::select! {
            seen = doctor::experiment(client, &directory, mailbox, stop, &mut tell) => Some(seen),
            () = stop.at_once() => None,
        }
    });
    match seen {
        Some(seen) if !stop.is_asked() => Ok(Some(learnt.and(seen))),
        Some(_) => Err(Failure::new(Exit::Interrupted, "interrupted; the experiments are ended")),
        None => Err(Failure::new(Exit::Interrupted, "stopped at once; some experiments are left").hint(format_args!(
            "delete the conversations of {} by hand, or let `doctor --probe` do it",
            doctor::ADDRESS
        ))),
    }
}

fn mailbox_of(wanted: &str, directory: &Directory) -> Result<u64, Failure> {
    if let Some(entry) = directory.mailbox_by(wanted) {
        return Ok(entry.mailbox.id);
    }
    let known: Vec<_> = directory.mailboxes.iter().map(|entry| format!("`{}`", entry.mailbox.email)).collect();
    Err(Failure::new(Exit::Usage, format_args!("the target has no mailbox `{wanted}`"))
        .hint(format_args!("it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })))
}

/// Puts what was learnt into the journal, if there is one to put it into.
fn keep(args: &Doctor, runtime: &Runtime, client: &Client, learnt: &Learnt, screen: &Screen) -> Result<(), Failure> {
    if args.sandbox && args.journal.is_none() {
        return Ok(());
    }
    let target = client.shown_url().to_owned();
    let Some(path) = args.journal.clone().or_else(|| journals::only_one_of(&target)) else {
        screen.say("what was learnt is not kept: no journal of this target is here; name one with `--journal FILE`");
        return Ok(());
    };
    let identity = Identity { target, source: String::new() };
    let journal = Journal::open(&path, &identity).map_err(|error| journals::failure_of(&error))?;
    runtime.block_on(learnt.keep(&journal)).map_err(|error| journals::failure_of(&error))?;
    screen.say(&format!("what was learnt is kept in `{}`", path.display()));
    Ok(())
}
