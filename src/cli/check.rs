//! `foxferry check`: the dry run.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use foxferry::pipeline;
use foxferry::report::{Event, Summary};

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::report::{self, Report, ReportArgs};
use crate::cli::screen::Screen;
use crate::cli::survey::Survey;
use crate::cli::{ArchiveArgs, FindingArgs, LevelArgs, LookArgs, SelectionArgs, agents, archive, demo, outcomes};

pub const EXAMPLES: &str = "\
Examples:
  foxferry check samples/zendesk
  foxferry check export.json --mapping acme.toml --findings findings.jsonl
  foxferry check samples/zendesk --report report.html
  foxferry check samples/zendesk --demo -v
  foxferry check samples/zendesk --severity attachment-missing=warning
  foxferry check samples/zendesk --create-agents --url https://help.example.org
  foxferry check mail.mbox --only '20240105.1@example.org' -vv

Ends with 3 when a record would be rejected or a finding is an error; `done` counts what would be sent.";

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    findings: FindingArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    levels: LevelArgs,
    /// Only a few records that show every rule, every kind of finding and every extreme; `-v` says which and why
    #[arg(long, help_heading = "Which records", conflicts_with = "only")]
    demo: bool,
    /// List the agents whom `import --create-agents` would create; with `--url`, only those the target lacks
    #[arg(long, help_heading = "People")]
    create_agents: bool,
    #[command(flatten)]
    target: LookArgs,
}

/// Reads and maps everything, and tells every finding.
pub fn run(args: &Check, screen: &Screen) -> Result<Exit, Failure> {
    let report = Report::open(&args.report, "check", &args.archive)?;
    let ended = go(args, screen, &report);
    report.close(ended)
}

fn go(args: &Check, screen: &Screen, report: &Report) -> Result<Exit, Failure> {
    if args.target.is_named() && !args.create_agents {
        return Err(Failure::new(Exit::Usage, "`--url` is used only with `--create-agents`")
            .hint("a check asks no server; `foxferry mapping lint --url` compares a mapping with one"));
    }
    let begun = Instant::now();
    let runtime = interrupt::runtime()?;
    let interrupt = Interrupt::listen(&runtime, leave_at_the_second)?;
    let directory = if args.create_agents { args.target.directory(&runtime)? } else { None };
    let archive = archive::Archive::open(&args.archive, screen, &interrupt)?;
    let mapping = archive.mapping_judging(&args.archive, &args.levels)?;
    report.about(|about| {
        report::add_mapping(about, &mapping);
        report::add_options(about, &args.archive, Some(&args.selection));
    });
    let listeners = screen.listeners_with(&args.findings, mapping.levels(), report.listener())?;
    let reporter = &*listeners.reporter;
    let read = || archive.read(mapping.shape(), args.selection.order, None, reporter, &interrupt);
    let selection = archive::selection(&args.selection);
    let selection = match args.demo {
        true => demo::select(pipeline::spawn(read()?, Arc::clone(&mapping), selection), &interrupt, screen)?,
        false => selection,
    };
    let mut reader = read()?;
    if let Some(report) = report.listener() {
        reader = report.watch(reader, report::head_of(&archive));
    }
    listeners.terminal.expect(archive::most_records(&args.selection));
    let mut sums = Summary::default();
    archive::announce(archive.source.name(), &reader, mapping.levels(), reporter, &mut sums);
    let names = mapping.names();
    let mut survey = Survey::default();
    let mut flow = pipeline::spawn_accounting(reader, mapping, selection);
    while let Some(converted) = flow.records.blocking_recv() {
        outcomes::tell(&converted, reporter, &mut sums);
        if args.create_agents {
            survey.add(&converted);
        }
        if interrupt.is_asked() {
            sums.is_interrupted = true;
            break;
        }
    }
    drop(flow.records);
    flow.crew.join();
    flow.accounts.sum(|account| reporter.event(&Event::Accounted(account)));
    sums.seconds = begun.elapsed().as_secs_f64();
    reporter.event(&Event::Finished(&sums));
    listeners.finish()?;
    let counts = listeners.tally.counts();
    screen.show_findings(&counts);
    flow.accounts.sum(|account| screen.show_account(account));
    if args.create_agents {
        agents::list(&survey, &names, directory.as_ref(), screen);
    }
    screen.show_sums(&sums)?;
    Ok(match sums {
        Summary { is_interrupted: true, .. } => Exit::Interrupted,
        Summary { rejected: 0, findings: [_, _, 0], .. } => Exit::Done,
        _ => Exit::Incomplete,
    })
}

/// Nothing is in flight in a command that only reads: the second Ctrl-C need not be waited for.
#[allow(clippy::exit, reason = "the operator wants it now, and a reader may be deep inside one large record")]
pub fn leave_at_the_second(times: u8) {
    if times >= 2 {
        std::process::exit(Exit::Interrupted as i32);
    }
}
