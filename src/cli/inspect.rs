//! `foxferry inspect`: what an archive holds.

use std::io::{self, BufWriter, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use foxferry::finding::Levels;
use foxferry::holdings::{self, Holdings};
use foxferry::pipeline;
use foxferry::report::chorus::Chorus;
use foxferry::report::tally::{SAMPLES, Tally};
use foxferry::report::{Event, Reporter};
use foxferry::source::{Order, Reader};
use serde_json::{Value, json};

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::report::{self, Report, ReportArgs};
use crate::cli::screen::{Screen, shortened};
use crate::cli::terminal::Terminal;
use crate::cli::{ArchiveArgs, archive, check};

pub const EXAMPLES: &str = "\
Examples:
  foxferry inspect samples/zendesk
  foxferry inspect support.mbox --json
  foxferry inspect support.mbox --report archive.html
  foxferry inspect samples/csv --records | my-filter | foxferry import - --format records --sandbox
  gunzip -c mail.mbox.gz | foxferry inspect -

`--records` prints what foxferry reads, before any rule of a mapping; docs/records.md describes it, `--schema` prints its
JSON Schema.";

/// Arguments of `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Print the records themselves as JSON lines, files and all
    #[arg(long, conflicts_with_all = ["json", "report"])]
    records: bool,
    /// Print the JSON Schema of a record
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// Reads everything and says what there is.
pub fn run(args: &Inspect, screen: &Screen) -> Result<Exit, Failure> {
    if args.schema {
        write!(screen.out(), "{}", foxferry::record::json::SCHEMA)?;
        return Ok(Exit::Done);
    }
    let report = Report::open(&args.report, "inspect", &args.archive)?;
    report.about(|about| {
        about.counts_outcomes = false;
        report::add_options(about, &args.archive, None);
    });
    let ended = go(args, screen, &report);
    report.close(ended)
}

fn go(args: &Inspect, screen: &Screen, report: &Report) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, check::leave_at_the_second)?;
    let archive = archive::Archive::open(&args.archive, screen, &interrupt)?;
    let shape = archive.shape(&args.archive)?;
    let terminal = screen.terminal();
    let mut reader = archive.read(&shape, Order::Archive, None, &*terminal, &interrupt)?;
    let tally = Arc::new(Tally::default());
    let mut all: Vec<Arc<dyn Reporter>> = vec![Arc::<Tally>::clone(&tally)];
    all.extend(report.listener().map(|report| Arc::clone(report) as Arc<dyn Reporter>));
    let listeners = Chorus { reporters: all, levels: Levels::default() };
    for oddity in &reader.facts.oddities {
        listeners.event(&Event::Finding(&pipeline::finding_of(oddity.clone(), None)));
    }
    if args.records {
        let printed = print_records(&mut reader, screen, &terminal, &interrupt);
        terminal.clear();
        if printed.is_ok() {
            screen.show_findings(&tally.counts());
        }
        return printed;
    }
    let head = report::head_of(&archive);
    if let Some(report) = report.listener() {
        report.archive(head.clone(), &reader.facts);
    }
    let own = Mutex::default();
    let holdings: &Mutex<Holdings> = report.listener().map_or(&own, |report| report.holdings());
    let lock = || holdings.lock().unwrap_or_else(PoisonError::into_inner);
    // Inspection is one loop: cutting records out costs more than counting them.
    for item in &mut reader {
        match item {
            Ok(record) => {
                for oddity in &record.oddities {
                    listeners.event(&Event::Finding(&pipeline::finding_of(oddity.clone(), Some(&record.id))));
                }
                lock().add(&record);
            }
            Err(error) => lock().add_unreadable(&crate::cli::exit::chain(&error)),
        }
        if interrupt.is_asked() {
            terminal.clear();
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
    }
    terminal.clear();
    let counts = tally.counts();
    let facts = &reader.facts;
    let holdings = lock();
    if screen.is_json {
        let mut object = holdings.json(&head, facts);
        let oddities = counts.kinds.iter().map(|(code, kind)| ((*code).to_owned(), json!(kind.count))).collect();
        object.insert("oddities".to_owned(), Value::Object(oddities));
        writeln!(screen.out(), "{}", Value::Object(object))?;
    } else {
        write!(screen.out(), "{}", holdings::text::text(&holdings, &head, facts))?;
        for error in holdings.unreadable_samples.iter().take(SAMPLES) {
            screen.say(&format!("unreadable {error}"));
        }
        screen.show_findings(&counts);
    }
    Ok(Exit::Done)
}

/// Every record as a line on stdout. What cannot be read is named on stderr, and the exit code tells.
fn print_records(
    reader: &mut Reader,
    screen: &Screen,
    terminal: &Terminal,
    interrupt: &Interrupt,
) -> Result<Exit, Failure> {
    // Locked and plain: nothing in JSON needs to be kept from a terminal.
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
    let mut unreadable = 0_u64;
    for item in reader {
        match item {
            Ok(record) => {
                foxferry::record::json::write(&record, &mut out)?;
                for attachment in record.entries.iter().flat_map(|entry| &entry.attachments) {
                    if attachment.content.length().is_some_and(|length| length > foxferry::record::json::MAX_FILES) {
                        terminal.clear();
                        let name = shortened(&attachment.name);
                        screen.say(&format!("{}: `{name}` is too large for a line and left out", record.id));
                        unreadable += 1;
                    }
                }
            }
            Err(error) => {
                unreadable += 1;
                terminal.clear();
                screen.say(&format!("unreadable {}", shortened(&crate::cli::exit::chain(&error))));
            }
        }
        if interrupt.is_asked() {
            out.flush()?;
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
    }
    out.flush()?;
    Ok(if unreadable > 0 { Exit::Incomplete } else { Exit::Done })
}
