//! `foxferry backup drill`: proof that a backup can be restored.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use foxferry::backup::{self, Compared, Drilled, Unlike};
use foxferry::report::tally::Tally;
use foxferry::report::{Event, Reporter};
use foxferry::upload::Stop;
use serde_json::json;

use crate::cli::SelectionArgs;
use crate::cli::backup::{View, brief};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::restore::{self, WhichArgs};
use crate::cli::screen::{Screen, shortened};

pub const EXAMPLES: &str = "\
Examples:
  foxferry backup drill /srv/backup
  foxferry backup drill /srv/backup --snapshot 2026-11-22
  foxferry backup drill /srv/backup --limit 1000 --order newest

Restores the snapshot into a FreeScout imitation in this process, backs that up, and compares both, conversation by
conversation and customer by customer. What FreeScout's API cannot set does not count as a difference; the list is in
docs/backup.md. Everything is in memory meanwhile, and once more in temporary files (`--scratch`).

Exit codes: 0 equal; 3 it differs, and the differences are listed; 5 the folder is no backup; 130 interrupted.";

/// Arguments of `backup drill`.
#[derive(Debug, Args)]
pub struct Drill {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    which: WhichArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// At most N requests in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Folder for temporary files [default: the system's]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// Restores into a sandbox and compares.
pub fn run(args: &Drill, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let interrupt = Interrupt::listen(&runtime, move |times| if times == 1 { asked.ask() } else { asked.now() })?;
    let restoration = restore::prepare(&args.dir, &args.which, &args.selection, &[], &interrupt)?;
    let scratch = restore::temporary_folder(args.scratch.as_deref())?;
    let tally = Arc::new(Tally::default());
    let view = Arc::new(View::new(screen));
    let watcher = Arc::new(Watcher { view: Arc::clone(&view), tally: Arc::clone(&tally) });
    let shown = Arc::clone(&view);
    let drilled = runtime.block_on(backup::drill(
        &restoration,
        scratch.path(),
        usize::from(args.concurrency),
        watcher,
        &stop,
        Arc::new(move |what, done, of| shown.moved(what, done, of)),
    ));
    view.clear();
    let drilled = drilled.map_err(|error| restore::failure_of(&error))?;
    if !screen.is_json {
        screen.show_findings(&tally.counts());
    }
    report(screen, restoration.snapshot().name(), &drilled)
}

/// Shows how far the restore is, and adds up what it finds.
struct Watcher {
    view: Arc<View>,
    tally: Arc<Tally>,
}

impl Reporter for Watcher {
    fn event(&self, event: &Event<'_>) {
        self.tally.event(event);
        if let Event::Progress(progress) = event {
            self.view.moved("conversations", progress.done, progress.total.unwrap_or(progress.done));
        }
    }
}

fn report(screen: &Screen, name: &str, drilled: &Drilled) -> Result<Exit, Failure> {
    let Drilled { summary, compared, mails, customers, .. } = drilled;
    let is_equal = compared.is_equal() && *mails == 0 && customers.dead == 0;
    let is_whole = summary.rejected == 0 && summary.dead == 0;
    let mut out = screen.out();
    for unlike in &compared.samples {
        let line = if screen.is_json {
            let mut event = serde_json::to_value(unlike).unwrap_or_default();
            event["event"] = json!("difference");
            event.to_string()
        } else {
            text_of(unlike)
        };
        writeln!(out, "{line}")?;
    }
    let rest = compared.unlike - compared.samples.len() as u64;
    if rest > 0 && !screen.is_json {
        writeln!(out, "… and {rest} more")?;
    }
    if screen.is_json {
        let Compared { conversations, left_out, threads, attachments, customers, surplus, unlike, .. } = compared;
        let event = json!({
            "event": "finished", "snapshot": name, "read": summary.read, "done": summary.done, "skipped": summary.skipped,
            "rejected": summary.rejected, "dead": summary.dead, "compared": conversations, "left_out": left_out,
            "threads": threads, "attachments": attachments, "customers": customers, "surplus": surplus,
            "differences": unlike, "mails": mails, "is_equal": is_equal && is_whole,
            "is_interrupted": summary.is_interrupted,
        });
        writeln!(out, "{event}")?;
    } else if summary.is_interrupted {
        screen.say("interrupted; nothing was compared");
    } else {
        let mut line = format!(
            "{name}: {} conversations, {} threads, {} attachments and {} customers compared",
            compared.conversations, compared.threads, compared.attachments, compared.customers
        );
        for (count, what) in [
            (compared.left_out, "left out by rule"),
            (summary.rejected + summary.dead, "not restored"),
            (compared.surplus, "of nobody"),
            (*mails, "mails queued"),
        ] {
            if count > 0 {
                line = format!("{line}, {count} {what}");
            }
        }
        let verdict = match compared.unlike {
            _ if is_equal && is_whole => "equal".to_owned(),
            1 => "1 difference".to_owned(),
            many => format!("{many} differences"),
        };
        if !screen.is_quiet || !is_equal || !is_whole {
            writeln!(out, "{line}: {verdict}")?;
        }
    }
    Ok(match (summary.is_interrupted, is_equal && is_whole) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Done,
        (false, false) => Exit::Incomplete,
    })
}

fn text_of(unlike: &Unlike) -> String {
    let Unlike { what, id, found, name, fields } = unlike;
    let name = shortened(name);
    let Some(found) = found else { return format!("- {what} {id} {name}: not there") };
    let mut text = format!("~ {what} {id} {name} (now {found})");
    for field in fields {
        text = format!("{text}\n    {}: {} → {}", field.field, brief(&field.before), brief(&field.after));
    }
    text
}
