//! `foxferry ledger`: the table of old and new ids, for spreadsheets and redirects.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use foxferry::journal::LedgerRow;
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
    let is_json = screen.is_json || args.format == Format::Json;
    let mut written = Ok(());
    let mut out = io::BufWriter::new(screen.out());
    if !is_json {
        writeln!(out, "source,old_id,conversation,number,url,state,origin")?;
    }
    let asked = journal.ask(|view| {
        view.ledger(|row| {
            if written.is_ok() {
                written = if is_json { json_row(&mut out, &row, &target) } else { csv_row(&mut out, &row, &target) };
            }
        })
    });
    asked.map_err(|error| journals::failure_of(&error))?;
    written?;
    out.flush()?;
    Ok(Exit::Done)
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

fn csv_row(out: &mut impl Write, row: &LedgerRow, target: &str) -> io::Result<()> {
    let number = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
    let url = page(target, row).unwrap_or_default();
    let cells = [
        cell(&row.id.source),
        cell(&row.id.original),
        number(row.conversation),
        number(row.number),
        cell(&url),
        state(row).to_owned(),
        cell(&row.origin.to_string()),
    ];
    writeln!(out, "{}", cells.join(","))
}

/// A text as a CSV cell that no spreadsheet runs as a formula.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_table() {
        for (text, expected) in [
            ("4711", "4711"),
            ("=1+1", "'=1+1"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
