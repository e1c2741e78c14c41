//! `foxferry mapping test` and `mapping case`: runs the cases of mappings, and makes cases of real records.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::Args;
use foxferry::mapping::{Cases, Difference, Mapping, Verdict, mutate};
use foxferry::source::Order;
use serde_json::json;

use crate::cli::archive::{self, Archive};
use crate::cli::check::leave_at_the_second;
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted};
use crate::cli::{ArchiveArgs, SelectionArgs};

pub const EXAMPLES: &str = "\
Examples:
  foxferry mapping test acme.toml              runs the cases of acme.cases.toml
  foxferry mapping test acme.toml --mutate     changes each rule in turn, and names changes that no case notices
  foxferry mapping test zendesk                a built-in mapping has cases of its own
  foxferry mapping test mappings/*.toml

A case, as `foxferry mapping case` makes one of a real record, or as you write it:

  [[case]]
  name = \"calls about invoices go to accounting\"
  record.channel = \"voice\"
  record.fields.group = \"Invoices\"
  expect.type = \"phone\"
  expect.mailbox = \"accounting@example.org\"

Ends with 3 when something is not as expected or not noticed, and with 5 when a mapping or its cases cannot be used.";

/// Arguments of `mapping test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Mapping files, or names of built-in ones; the cases of `acme.toml` are in `acme.cases.toml` beside it
    #[arg(value_name = "FILE-or-NAME", required = true)]
    files: Vec<String>,
    /// Change each rule in turn, and name the changes that no case notices
    #[arg(long)]
    mutate: bool,
    /// Only cases whose name contains TEXT
    #[arg(long, value_name = "TEXT", conflicts_with = "mutate")]
    name: Option<String>,
}

pub const CASE_EXAMPLES: &str = "\
Examples:
  foxferry mapping case export/ --only 4711 -m acme.toml >> acme.cases.toml
  foxferry mapping case mail.mbox --only '20240105.1@example.org'

Names, addresses, numbers and texts are replaced: the same word by the same word, with its length, its capitals, the text's
lines and HTML tags. What the mapping names stays: own domains, words of tables and conditions. So do times, the words
of the old system, and names of fields. What is expected is what the mapping makes of it now: look through both.";

/// Arguments of `mapping case`.
#[derive(Debug, Args)]
pub struct Case {
    #[command(flatten)]
    archive: ArchiveArgs,
    /// The records of which to make cases, by their ids of the old system
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',', required = true)]
    only: Vec<String>,
}

/// How often the number of changes is shown.
const SHOWN_EVERY: Duration = Duration::from_millis(200);

#[derive(Default)]
struct Sums {
    passed: usize,
    failed: usize,
    unusable: usize,
    tried: usize,
    unnoticed: usize,
}

/// Runs the cases of every file.
pub fn test(args: &Test, screen: &Screen) -> Result<Exit, Failure> {
    let mut sums = Sums::default();
    // A shell's `*.toml` names the cases, too.
    let mut files: Vec<String> = Vec::new();
    for file in &args.files {
        let file = Cases::mapping_of(file).unwrap_or_else(|| file.clone());
        if !files.contains(&file) {
            files.push(file);
        }
    }
    for file in &files {
        let loaded = Mapping::load(file).and_then(|mapping| Cases::of(&mapping).map(|cases| (mapping, cases)));
        let (mapping, cases) = match loaded {
            Ok(loaded) => loaded,
            Err(error) if files.len() == 1 => return Err(Failure::report(Exit::Unusable, error.report)),
            // The others are still worth a run.
            Err(error) => {
                sums.unusable += 1;
                Failure::report(Exit::Unusable, error.report).print();
                continue;
            }
        };
        let failed_before = sums.failed;
        for verdict in cases.run(&mapping) {
            if args.name.as_ref().is_some_and(|name| !verdict.name.contains(name)) {
                continue;
            }
            match verdict.has_passed() {
                true => sums.passed += 1,
                false => sums.failed += 1,
            }
            show(&verdict, cases.file(), screen)?;
        }
        if args.mutate && sums.failed > failed_before {
            screen.say(&format!("`{file}` is not changed: its cases do not pass as it is"));
        } else if args.mutate {
            change(file, &cases, &mut sums, screen)?;
        }
    }
    tell(args, files.len(), &sums, screen)?;
    Ok(match sums {
        Sums { unusable: 1.., .. } => Exit::Unusable,
        Sums { failed: 0, unnoticed: 0, .. } => Exit::Done,
        _ => Exit::Incomplete,
    })
}

fn show(verdict: &Verdict, file: &str, screen: &Screen) -> Result<(), Failure> {
    let mut out = screen.out();
    if screen.is_json {
        let line = json!({
            "event": "case",
            "file": file,
            "line": verdict.line,
            "name": verdict.name,
            "passed": verdict.has_passed(),
            "differences": verdict.differences,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let dim = Style::new().dimmed();
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    let place = format!("{file}:{}", verdict.line);
    if verdict.has_passed() {
        if screen.verbose > 0 {
            writeln!(out, "{green}passed{green:#} {} {dim}{place}{dim:#}", verdict.name)?;
        }
        return Ok(());
    }
    writeln!(out, "{red}failed{red:#} {} {dim}{place}{dim:#}", verdict.name)?;
    for Difference { field, expected, got } in &verdict.differences {
        // Texts keep their lines, below each other.
        let lines = |text: &str| text.lines().collect::<Vec<_>>().join("\n           ").replace('\u{1b}', " ");
        writeln!(out, "  {field}")?;
        writeln!(out, "  expected {green}{}{green:#}", lines(expected))?;
        writeln!(out, "       got {red}{}{red:#}", lines(got))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Changes every rule, and names what no case notices.
fn change(file: &str, cases: &Cases, sums: &mut Sums, screen: &Screen) -> Result<(), Failure> {
    let has_bar = screen.has_bar();
    let mut shown = Instant::now();
    let mut watch = |tried: usize, of: usize| {
        if has_bar && shown.elapsed() >= SHOWN_EVERY {
            shown = Instant::now();
            let _ = write!(anstream::stderr(), "\r{file}: {tried} of {of} changes ");
        }
        ControlFlow::Continue(())
    };
    let mutated = mutate(file, cases, &mut watch).map_err(|error| Failure::report(Exit::Unusable, error.report))?;
    if has_bar {
        let _ = write!(anstream::stderr(), "\r\u{1b}[K");
    }
    sums.tried += mutated.tried;
    sums.unnoticed += mutated.unnoticed.len();
    let mut out = screen.out();
    for one in &mutated.unnoticed {
        if screen.is_json {
            let line = json!({
                "event": "unnoticed", "file": one.file, "line": one.line, "column": one.column, "change": one.change,
            });
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "{}", one.report)?;
        }
    }
    Ok(())
}

/// The last line, which adds up.
fn tell(args: &Test, files: usize, sums: &Sums, screen: &Screen) -> Result<(), Failure> {
    let Sums { passed, failed, tried, unnoticed, unusable } = sums;
    let mut out = screen.out();
    if screen.is_json {
        let mut line = json!({
            "event": "finished", "files": files, "unusable": unusable,
            "cases": passed + failed, "passed": passed, "failed": failed,
        });
        if args.mutate {
            line["changes"] = json!(tried);
            line["unnoticed"] = json!(unnoticed);
        }
        writeln!(out, "{line}")?;
        return Ok(());
    }
    writeln!(out, "{}: {passed} passed, {failed} failed", counted((passed + failed) as u64, "case"))?;
    if args.mutate {
        writeln!(out, "{}: {} noticed, {unnoticed} not noticed", counted(*tried as u64, "change"), tried - unnoticed)?;
    }
    Ok(())
}

/// Prints records as cases, with nothing of the people in them.
pub fn case(args: &Case, screen: &Screen) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, leave_at_the_second)?;
    let archive = Archive::open(&args.archive, screen, &interrupt)?;
    let mapping = archive.mapping(&args.archive)?;
    let selection = archive::selection(&SelectionArgs {
        limit: None,
        since: None,
        until: None,
        only: args.only.clone(),
        order: Order::Archive,
    });
    let terminal = screen.terminal();
    let reader = archive.read(mapping.shape(), Order::Archive, None, &*terminal, &interrupt)?;
    let mut missing: HashSet<String> = selection.only.clone();
    let mut anonymiser = mapping.anonymiser(key());
    let mut found = 0;
    for record in reader {
        if interrupt.is_asked() {
            terminal.clear();
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        // What cannot be read is no record; `check` tells of it.
        let Ok(record) = record else { continue };
        if !selection.wants(&record) {
            continue;
        }
        missing.retain(|id| *id != record.id.original && *id != record.id.to_string());
        found += 1;
        let record = anonymiser.record(record);
        let name = format!("a record like {}", record.id.original);
        let text = mapping.case(&name, &record);
        terminal.clear();
        if !passes(&mapping, &text) {
            screen.say(&format!("the case of `{}` does not pass as it is printed; correct what it expects", record.id));
        }
        writeln!(screen.out(), "{}{text}", if found > 1 { "\n" } else { "" })?;
        if missing.is_empty() {
            break;
        }
    }
    terminal.clear();
    if found > 0 {
        screen.say("hint: no machine knows every name: look through the case before you give it to anybody");
    }
    if missing.is_empty() {
        return Ok(Exit::Done);
    }
    let mut missing: Vec<String> = missing.into_iter().map(|id| format!("`{id}`")).collect();
    missing.sort();
    Err(Failure::new(Exit::Incomplete, format_args!("`{}` has no record {}", archive.shown, missing.join(", "))))
}

/// Whether a case says what the mapping does, read back as anybody reads it.
fn passes(mapping: &Mapping, text: &str) -> bool {
    let cases = Cases::parse("stdout", text, mapping.source());
    cases.is_ok_and(|cases| cases.run(mapping).all(|verdict| verdict.has_passed()))
}

/// A key that nobody knows afterwards: the system's randomness, through the standard library's hashing.
pub(super) fn key() -> [u8; 32] {
    let state = RandomState::new();
    let mut key = [0; 32];
    for (part, bytes) in key.chunks_mut(8).enumerate() {
        bytes.copy_from_slice(&state.hash_one(part).to_le_bytes());
    }
    key
}
