//! `foxferry ledger`: the table of old and new ids, for spreadsheets and redirects.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use foxferry::cell::guarded;
use foxferry::journal::{LedgerRow, Reader};
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{JournalArgs, journals};

pub const EXAMPLES: &str = "\
Examples:
  foxferry ledger > ids.csv
  foxferry ledger --format json --journal export.ferry | jq -r 'select(.state==\"done\").url'

In CSV a cell that a spreadsheet would take for a formula begins with an apostrophe.";

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub struct Ledger {
    #[command(flatten)]
    journal: JournalArgs,
    /// CSV with a header, or JSON lines
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
}

/// Prints the table.
pub fn run(args: &Ledger, screen: &Screen) -> Result<Exit, Failure> {
    let journal = journals::open(&args.journal)?;
    let target = journal.identity().map_err(|error| journals::failure_of(&error))?.target;
    let out = io::BufWriter::new(screen.out());
    if screen.is_json || args.format == Format::Json {
        let mut out = out;
        each_row(&journal, |row| json_row(&mut out, row, &target))?;
        out.flush()?;
    } else {
        let mut table = csv::Writer::from_writer(out);
        table
            .write_record(["source", "old_id", "conversation", "number", "url", "state", "origin"])
            .map_err(io::Error::from)?;
        each_row(&journal, |row| csv_row(&mut table, row, &target))?;
        table.flush()?;
    }
    Ok(Exit::Done)
}

/// Writes every row, up to the first that cannot be written.
fn each_row(journal: &Reader, mut write: impl FnMut(&LedgerRow) -> io::Result<()>) -> Result<(), Failure> {
    let mut written = Ok(());
    let asked = journal.ask(|view| {
        view.ledger(|row| {
            if written.is_ok() {
                written = write(&row);
            }
        })
    });
    asked.map_err(|error| journals::failure_of(&error))?;
    Ok(written?)
}

/// The page of a conversation; FreeScout shows it under its id, not its number.
fn page(target: &str, row: &LedgerRow) -> Option<String> {
    let site = target.trim_end_matches('/').trim_end_matches("/api");
    row.conversation.map(|id| format!("{site}/conversation/{id}"))
}

fn state(row: &LedgerRow) -> &'static str {
    use foxferry::report::Outcome;
    match row.outcome {
        None => "open",
        Some(Outcome::Done) => "done",
        Some(Outcome::Skipped) => "skipped",
        Some(Outcome::Rejected) => "rejected",
        Some(Outcome::Dead) => "dead",
    }
}

fn json_row(out: &mut impl Write, row: &LedgerRow, target: &str) -> io::Result<()> {
    let line = json!({
        "source": &*row.id.source,
        "old_id": row.id.original,
        "conversation": row.conversation,
        "number": row.number,
        "url": page(target, row),
        "state": state(row),
        "origin": row.origin.to_string(),
    });
    writeln!(out, "{line}")
}

fn csv_row<W: Write>(table: &mut csv::Writer<W>, row: &LedgerRow, target: &str) -> io::Result<()> {
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let url = page(target, row).unwrap_or_default();
    let origin = row.origin.to_string();
    table.write_record([
        &*guarded(&row.id.source),
        &guarded(&row.id.original),
        &number(row.conversation),
        &number(row.number),
        &guarded(&url),
        state(row),
        &guarded(&origin),
    ])?;
    Ok(())
}
