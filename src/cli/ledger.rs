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

  foxferry ledger --format nginx > old-tickets.conf
  foxferry ledger --format apache --from '/tickets/{id}' > old-tickets.conf

Redirect rules lead the old system's addresses to the new conversations, once its host name leads to your web server. nginx: include
the file in `http` and put `if ($foxferry) { return 301 $foxferry; }` into `server`. In CSV a cell that a spreadsheet would take for a formula begins with an apostrophe.";

/// Arguments of `ledger`.
#[derive(Debug, Args)]
pub struct Ledger {
    #[command(flatten)]
    journal: JournalArgs,
    /// CSV with a header, JSON lines, or redirect rules for a web server
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// The path of a ticket's page in the old system, with `{id}` for its id [default: the help desk's own]
    #[arg(long, value_name = "PATH")]
    from: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    Nginx,
    Apache,
    Caddy,
}

/// Where help desks show a ticket to agents. Zammad's and Intercom's pages cannot be redirected by a path of the id alone.
const PAGES: [(&str, &str); 5] = [
    ("zendesk", "/agent/tickets/{id}"),
    ("freshdesk", "/a/tickets/{id}"),
    ("helpscout", "/conversation/{id}"),
    ("jira", "/browse/{id}"),
    ("osticket", "/scp/tickets.php?id={id}"),
];

/// Prints the table.
pub fn run(args: &Ledger, screen: &Screen) -> Result<Exit, Failure> {
    let journal = journals::open(&args.journal)?;
    let target = journal.identity().map_err(|error| journals::failure_of(&error))?.target;
    let out = io::BufWriter::new(screen.out());
    if matches!(args.format, Format::Nginx | Format::Apache | Format::Caddy) {
        return redirects(args, screen, &journal, &target, out);
    }
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

/// Writes a rule for each record that is done.
fn redirects(
    args: &Ledger,
    screen: &Screen,
    journal: &Reader,
    target: &str,
    mut out: impl Write,
) -> Result<Exit, Failure> {
    let source = journal.identity().map_err(|error| journals::failure_of(&error))?.source;
    let known = PAGES.iter().find(|(name, _)| *name == source).map(|(_, path)| *path);
    let Some(path) = args.from.as_deref().or(known) else {
        return Err(Failure::new(
            Exit::Usage,
            format_args!("it is not known under which paths `{source}` shows tickets"),
        )
        .hint("say it with `--from`, for example `--from '/tickets/{id}'`"));
    };
    let is_path =
        path.starts_with('/') && !path.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'\\$;".contains(c));
    if !is_path || !path.contains("{id}") {
        return Err(Failure::new(Exit::Usage, format_args!("`{path}` is not a path with `{{id}}` in it"))
            .hint("for example `--from '/tickets/{id}'`"));
    }
    if path.contains('?') && args.format != Format::Nginx {
        return Err(Failure::new(
            Exit::Usage,
            format_args!("rules of this kind do not see what stands behind `?` in `{path}`"),
        )
        .hint("`--format nginx` does; or name a path without it with `--from`"));
    }
    if args.format == Format::Nginx {
        writeln!(out, "map_hash_bucket_size 256;\nmap $request_uri $foxferry {{")?;
    }
    let mut left_out = 0_u64;
    each_row(journal, |row| {
        let Some(page) = page(target, row).filter(|_| row.outcome == Some(foxferry::report::Outcome::Done)) else {
            return Ok(());
        };
        let id = encoded(&row.id.original);
        if id.contains('%') && args.format != Format::Nginx {
            // What these servers compare is decoded already.
            left_out += 1;
            return Ok(());
        }
        let old = path.replace("{id}", &id);
        match args.format {
            Format::Nginx => writeln!(out, "    \"{old}\" \"{page}\";"),
            Format::Apache => writeln!(out, "RedirectMatch 301 \"^{}$\" \"{page}\"", escaped(&old)),
            _ => writeln!(out, "redir {old} {page} permanent"),
        }
    })?;
    if args.format == Format::Nginx {
        writeln!(out, "}}")?;
    }
    out.flush()?;
    if left_out > 0 {
        screen.say(&format!(
            "{left_out} records whose ids hold more than letters and digits are left out; `--format nginx` has them"
        ));
    }
    Ok(Exit::Done)
}

/// An id as a part of an address. It comes from an archive: nothing in it may end the rule.
fn encoded(id: &str) -> String {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// A path as a regular expression that matches it alone.
fn escaped(path: &str) -> String {
    path.chars().flat_map(|c| if ".+*?()[]{}|^$".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_end_no_rule() {
        for (id, expected) in [
            ("4711", "4711"),
            ("a@b.example", "a%40b.example"),
            ("1\" \"evil\"; }", "1%22%20%22evil%22%3B%20%7D"),
            ("ü\n", "%C3%BC%0A"),
        ] {
            assert_eq!(encoded(id), expected);
        }
        assert_eq!(escaped("/a.b/1"), "/a\\.b/1");
    }
}
