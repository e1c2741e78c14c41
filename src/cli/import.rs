//! `foxferry import`: an archive into FreeScout.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use foxferry::finding::{Finding, codes};
use foxferry::freescout::{Client, Directory};
use foxferry::journal::{Identity, Journal};
use foxferry::mapping::Mapping;
use foxferry::pipeline;
use foxferry::report::html::{About, HtmlReport};
use foxferry::report::{Event, Reporter, Summary};
use foxferry::sandbox::{self, Sandbox};
use foxferry::source::Reader;
use foxferry::upload::{self, Stop, UploadError};
use tokio::runtime::Runtime;

use crate::cli::archive::{self, Archive};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::report::{self, Report, ReportArgs};
use crate::cli::screen::{Listeners, Screen};
use crate::cli::settings::{self, Destination};
use crate::cli::survey::Survey;
use crate::cli::{
    ArchiveArgs, FindingArgs, LevelArgs, SelectionArgs, TargetArgs, agents, browse, demo, journals, outcomes, people,
};

pub const EXAMPLES: &str = "\
Examples:
  foxferry import samples/zendesk --sandbox
  foxferry import samples/zendesk --sandbox --open
  foxferry import export.json --url https://help.example.org --key-file key.txt
  foxferry import mail.mbox --url https://help.example.org --mapping acme.toml --since 2022-01-01
  foxferry import export.json --url https://help.example.org --demo
  foxferry import export.json --url https://help.example.org --limit 20 --rate 2
  foxferry import export.json --url https://help.example.org --report import.html
  foxferry import export.json --url https://help.example.org --window 20:00-06:00
  foxferry import address-book.csv --people-only --url https://help.example.org
  foxferry import export.json --create-agents --url https://help.example.org
  foxferry import newer-export.json --journal export.ferry --url https://help.example.org
  foxferry import newer-export.json --journal export.ferry --url https://help.example.org --update tags,fields,status
  foxferry import export.json --adopt --url https://help.example.org

The same command again goes on where the last run stopped; what is done is never sent again. A newer archive over the same
journal sends new records, and appends new entries to conversations that are done. Ctrl-C once finishes what is
in flight, twice stops at once.";

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    target: TargetArgs,
    /// Keep the sandbox up afterwards, until Ctrl-C, with pages that show what it holds; opens a browser if there is one
    #[arg(long, requires = "sandbox", help_heading = "Target")]
    open: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    findings: FindingArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    levels: LevelArgs,
    /// Send nothing if a field or value is neither mapped nor ignored, or a finding is an error
    #[arg(long, help_heading = "Findings")]
    strict: bool,
    /// What becomes of messages that a conversation still lacks when somebody has meanwhile written in it: `notes` never
    /// mail anybody; `messages` below a live reply ARE MAILED to the customer
    #[arg(long, value_name = "AS", default_value = "notes", help_heading = "Sending")]
    append: Append,
    /// Of conversations that are done, bring up to date what a newer archive has otherwise; new entries always are appended.
    /// A status that is set leaves a line in FreeScout's history: ask for it in the last run
    #[arg(long, value_name = "WHAT", value_delimiter = ',', help_heading = "Sending")]
    update: Vec<Update>,
    /// The journal is lost: look for each conversation in FreeScout before it is sent, and take those that are there as done
    #[arg(long, conflicts_with_all = ["people_only", "sandbox"], help_heading = "Sending")]
    adopt: bool,
    /// Leave out the hidden mark (an HTML comment at the end of the first message) by which a conversation is recognised;
    /// records that would read back alike are then sent one after the other
    #[arg(long, help_heading = "Sending")]
    no_marker: bool,
    /// The journal that remembers what is done [default: NAME.ferry in the current folder; with --sandbox a temporary one]
    #[arg(long, value_name = "FILE", help_heading = "Sending")]
    journal: Option<PathBuf>,
    /// Make customers of the people whom the archive lists, and send no conversations; the sums are in people
    #[arg(long, help_heading = "People", conflicts_with_all = ["since", "until", "order", "strict", "create_agents"])]
    people_only: bool,
    /// Send only a few records that show every rule, every kind of finding and every extreme; a later run without it sends the rest
    #[arg(long, help_heading = "Which records", conflicts_with_all = ["only", "people_only"])]
    demo: bool,
    /// Create users for agents whom the target lacks, without any mail; access to mailboxes is given by hand
    #[arg(long, help_heading = "People")]
    create_agents: bool,
    /// For tests: how many seconds a look-up waits at least before it believes that something is absent
    #[arg(long, value_name = "SECONDS", hide = true, value_parser = seconds)]
    settle: Option<f64>,
    /// Dead letters are taken up again.
    #[arg(skip)]
    takes_up_dead: bool,
}

impl Import {
    /// The journal that is meant.
    pub(super) fn journal_path(&self) -> PathBuf {
        self.journal.clone().unwrap_or_else(|| journals::path_for(&self.archive.archives[0]))
    }

    /// Makes this import one of these records alone, dead letters among them.
    pub(super) fn take_up(&mut self, ids: Vec<String>) -> Result<(), Failure> {
        let named = &mut self.selection.only;
        named.retain(|id| !id.is_empty());
        if let Some(other) = named.iter().find(|id| !ids.contains(id)) {
            return Err(Failure::new(
                Exit::Usage,
                format_args!("the record `{other}` is neither rejected nor a dead letter"),
            )
            .hint("`foxferry letters` lists those that are"));
        }
        if named.is_empty() {
            *named = ids;
        }
        self.takes_up_dead = true;
        Ok(())
    }
}

/// How what is missing is appended to a conversation that somebody works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Append {
    Notes,
    Messages,
}

/// What of a conversation that is done may be altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Update {
    Tags,
    Fields,
    Status,
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.01..=3600.0).contains(seconds));
    seconds.ok_or_else(|| "expected a number of seconds between 0.01 and 3600".to_owned())
}

/// Everything that the steps of an import share.
struct Run<'a> {
    args: &'a Import,
    screen: &'a Screen,
    report: Option<&'a Arc<HtmlReport>>,
    runtime: Runtime,
    interrupt: Interrupt,
    stop: Stop,
    archive: Archive,
    mapping: Arc<Mapping>,
    listeners: Listeners,
    journal: PathBuf,
}

/// Reads, maps, sends, and says how it went.
pub fn run(args: &Import, screen: &Screen) -> Result<Exit, Failure> {
    let destination = Destination::choose(&args.target)?;
    let report = Report::open(&args.report, "import", &args.archive)?;
    let ended = go(args, destination, screen, &report);
    report.close(ended)
}

fn go(args: &Import, destination: Destination, screen: &Screen, report: &Report) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let interrupt = Interrupt::listen(&runtime, move |times| if times == 1 { asked.ask() } else { asked.now() })?;
    let archive = Archive::open(&args.archive, screen, &interrupt)?;
    let mapping = archive.mapping_judging(&args.archive, &args.levels)?;
    let listeners = screen.listeners_with(&args.findings, mapping.levels(), report.listener())?;
    // Kept to the end: a rehearsal leaves nothing behind.
    let rehearsal = match (&destination, &args.journal) {
        (Destination::Sandbox, None) => Some(archive.temporary_folder()?),
        _ => None,
    };
    let journal = match (&rehearsal, &args.journal) {
        (Some(folder), _) => folder.path().join("rehearsal.ferry"),
        (None, Some(path)) => path.clone(),
        (None, None) => journals::path_for(&args.archive.archives[0]),
    };
    report.about(|about| describe(about, args, &mapping, &journal));
    let report = report.listener();
    let run = Run { args, screen, report, runtime, interrupt, stop, archive, mapping, listeners, journal };
    let ended = match destination {
        Destination::Server(server) => {
            let client = server.client(usize::from(args.target.concurrency))?;
            let directory = run.fetch(&client)?;
            run.dispatch(&client, directory, None)
        }
        Destination::Sandbox => run.rehearse(),
    };
    // The bar goes away before an error is printed.
    let finished = run.listeners.finish();
    let exit = ended?;
    finished?;
    Ok(exit)
}

/// What a report says of the run. Keys are no options, and an address is shown by the target's event.
fn describe(about: &mut About, args: &Import, mapping: &Mapping, journal: &Path) {
    about.sends = true;
    about.unit = if args.people_only { "people" } else { "records" };
    report::add_mapping(about, mapping);
    report::add_options(about, &args.archive, Some(&args.selection));
    let mut add = |name: &str, value: String| about.settings.push((name.to_owned(), value));
    if args.target.sandbox {
        add("target", "a sandbox in this process".to_owned());
    } else {
        add("journal", journal.display().to_string());
    }
    add("--concurrency", args.target.concurrency.to_string());
    if let Some(rate) = args.target.rate {
        add("--rate", rate.to_string());
    }
    if let Some(window) = &args.target.window {
        add("--window", window.to_string());
    }
    let switches = [
        ("--demo", args.demo),
        ("--strict", args.strict),
        ("--no-marker", args.no_marker),
        ("--people-only", args.people_only),
        ("--create-agents", args.create_agents),
        ("--adopt", args.adopt),
        ("--append messages", args.append == Append::Messages),
    ];
    for (name, _) in switches.into_iter().filter(|(_, is_on)| *is_on) {
        add(name, "yes".to_owned());
    }
}

impl Run<'_> {
    /// Starts a sandbox that holds what mapping and archive name, and imports into it.
    fn rehearse(&self) -> Result<Exit, Failure> {
        let survey = if self.args.people_only { Survey::default() } else { self.survey()? };
        let mut fixture = survey.fixture(&self.mapping.names());
        if self.args.create_agents {
            // What is rehearsed is their creation.
            fixture.users.truncate(1);
        }
        let options = sandbox::Options { fixture, ..sandbox::Options::default() };
        let sandbox = self
            .runtime
            .block_on(sandbox::start(options))
            .map_err(|cause| Failure::new(Exit::Stopped, format_args!("the sandbox cannot start: {cause}")))?;
        let client = settings::Server::sandbox(sandbox.url(), sandbox.key())
            .client(usize::from(self.args.target.concurrency))?;
        let directory = self.fetch(&client)?;
        let ended = self.dispatch(&client, directory, Some(&sandbox))?;
        if !self.args.open {
            return Ok(ended);
        }
        Ok(browse::hold(ended, &self.runtime, &self.stop, &sandbox, self.screen))
    }

    /// What was asked for: people alone, or everything.
    fn dispatch(&self, client: &Client, directory: Directory, sandbox: Option<&Sandbox>) -> Result<Exit, Failure> {
        if self.args.people_only {
            return self.send_people(client, &directory, sandbox);
        }
        if !self.args.create_agents {
            return self.send(client, &directory, sandbox);
        }
        let missing = agents::missing(&self.survey()?, &self.mapping.names(), &directory);
        let created = self.runtime.block_on(agents::create(client, &missing, &*self.listeners.reporter, &self.stop))?;
        let directory = if created.is_empty() { directory } else { self.fetch(client)? };
        let ended = self.send(client, &directory, sandbox);
        agents::remind(&created, self.screen);
        ended
    }

    /// Makes customers of listed people.
    fn send_people(&self, client: &Client, directory: &Directory, sandbox: Option<&Sandbox>) -> Result<Exit, Failure> {
        let journal = self.open_journal(client)?;
        let index = journals::index_of(&self.journal);
        let contacts =
            self.archive.people(self.mapping.shape(), Some(&index), &*self.listeners.reporter, &self.interrupt)?;
        let wanted = archive::selection(&self.args.selection);
        let (items, reader) = people::spawn(contacts, Arc::clone(&self.mapping), wanted);
        let reporter = &self.listeners.reporter;
        let options = self.upload_options();
        let sent = self.runtime.block_on(upload::run_people(
            items,
            client,
            directory,
            &journal,
            &options,
            Arc::clone(reporter),
            &self.stop,
        ));
        // A panic has been reported by the panic hook.
        let _ = reader.join();
        let sums = sent.map_err(|error| failure_of(&error))?;
        self.listeners.finish()?;
        people::say(&sums, self.screen);
        outcomes::close(self.screen, &self.listeners, &sums, sandbox)
    }

    /// Asks the target what it is.
    fn fetch(&self, client: &Client) -> Result<Directory, Failure> {
        let fetched = self.runtime.block_on(async {
            tokio::select! {
                fetched = Directory::fetch(client) => fetched.map_err(|error| settings::failure_of(&error)),
                () = self.stop.asked() => Err(Failure::new(Exit::Interrupted, "interrupted; nothing was sent")),
            }
        });
        let directory = fetched?;
        self.listeners.reporter.event(&Event::Target {
            url: client.shown_url(),
            mailboxes: directory.mailboxes.len(),
            users: directory.users.len(),
        });
        Ok(directory)
    }

    fn read(&self) -> Result<Reader, Failure> {
        // What came through a pipe is nowhere to be found again, nor is an index of it of use to the next run.
        let index = (!self.archive.input.is_piped()).then(|| journals::index_of(&self.journal));
        self.archive.read(
            self.mapping.shape(),
            self.args.selection.order,
            index.as_deref(),
            &*self.listeners.reporter,
            &self.interrupt,
        )
    }

    /// Goes over everything once without sending.
    fn survey(&self) -> Result<Survey, Failure> {
        let selection = archive::selection(&self.args.selection);
        let flow = pipeline::spawn(self.read()?, Arc::clone(&self.mapping), selection);
        let survey = Survey::make(flow, &self.interrupt);
        if survey.is_interrupted {
            return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was sent"));
        }
        Ok(survey)
    }

    /// Sends everything that the journal does not call done.
    fn send(&self, client: &Client, directory: &Directory, sandbox: Option<&Sandbox>) -> Result<Exit, Failure> {
        let journal = self.open_journal(client)?;
        let announced = journals::announce_target(client.shown_url());
        let mut reader = self.read()?;
        if let Some(report) = self.report {
            reader = report.watch(reader, report::head_of(&self.archive));
        }
        let records = reader.facts.records;
        if records > 0 {
            self.require_mailbox(directory)?;
        }
        if self.args.strict {
            self.require_coverage()?;
        }
        let reporter = &self.listeners.reporter;
        self.listeners.terminal.expect(archive::most_records(&self.args.selection));
        let mut before = Summary::default();
        let levels = self.mapping.levels();
        archive::announce(self.archive.source.name(), &reader, levels, &**reporter, &mut before);
        if announced.is_err() {
            let message =
                format!("another import on this machine is writing to {} with another journal", client.shown_url());
            outcomes::find(Finding::new(codes::TARGET_SHARED, message), levels, &**reporter, &mut before);
        }
        if let Some(only) = directory.only_mailbox().filter(|_| self.mapping.names().mailboxes.is_empty()) {
            let message = format!("no rule names a mailbox; the target's only one, `{}`, is used", only.mailbox.email);
            outcomes::find(Finding::new(codes::MAP_DEFAULT_MAILBOX, message), levels, &**reporter, &mut before);
        }
        if sandbox.is_none() {
            self.warn_of_automation();
        }
        let wanted = archive::selection(&self.args.selection);
        let selection = match self.args.demo {
            true => {
                let everything = pipeline::spawn(self.read()?, Arc::clone(&self.mapping), wanted);
                demo::select(everything, &self.interrupt, self.screen)?
            }
            false => wanted,
        };
        let total = match self.args.demo {
            true => Some(selection.only.len() as u64),
            false => archive::expected_records(&self.args.selection, records),
        };
        // What is to be brought up to date has to be looked at, even if it was read before.
        if self.args.update.is_empty() {
            self.runtime
                .block_on(pipeline::passing::prepare(&reader.passing, &journal, &selection))
                .map_err(|error| journals::failure_of(&error))?;
        }
        let flow = pipeline::spawn_accounting(reader, Arc::clone(&self.mapping), selection);
        let options =
            upload::Options { accounts: flow.accounts.clone(), total, passed: flow.passed, ..self.upload_options() };
        let sent = self.runtime.block_on(upload::run(
            flow.records,
            client,
            directory,
            &journal,
            &options,
            Arc::clone(reporter),
            &self.stop,
        ));
        flow.crew.join();
        let sums = sent.map_err(|error| failure_of(&error))?;
        self.listeners.finish()?;
        flow.accounts.sum(|account| self.screen.show_account(account));
        outcomes::close(self.screen, &self.listeners, &sums, sandbox)
    }

    /// The API has no list of webhooks and none of workflows (`freescout-behaviour.md`, section 11), so that it is said to
    /// everybody: both run for imported conversations as for new ones.
    fn warn_of_automation(&self) {
        warn_of_automation(self.screen, &*self.listeners.reporter);
    }

    fn open_journal(&self, client: &Client) -> Result<Journal, Failure> {
        let identity =
            Identity { target: client.shown_url().to_owned(), source: self.archive.source.name().to_owned() };
        Journal::open(&self.journal, &identity).map_err(|error| journals::failure_of(&error))
    }

    fn upload_options(&self) -> upload::Options {
        let defaults = upload::Options::default();
        upload::Options {
            concurrency: usize::from(self.args.target.concurrency),
            rate: self.args.target.rate,
            window: self.args.target.window.clone(),
            settle: self.args.settle.map_or(defaults.settle, Duration::from_secs_f64),
            sweep_after: self.args.settle.map_or(defaults.sweep_after, |settle| Duration::from_secs_f64(6.0 * settle)),
            has_marker: !self.args.no_marker,
            takes_up_dead: self.args.takes_up_dead,
            appends_messages: self.args.append == Append::Messages,
            updates: upload::Updates {
                tags: self.args.update.contains(&Update::Tags),
                fields: self.args.update.contains(&Update::Fields),
                status: self.args.update.contains(&Update::Status),
            },
            adopts: self.args.adopt,
            staff_may_be_customers: self.mapping.lets_staff_be_customers(),
            levels: self.mapping.levels().clone(),
            mapping: Some(self.mapping.hash()),
            command: self.command(),
            ..defaults
        }
    }

    /// What was asked for, for the journal. No part of it is a secret: keys are never arguments.
    fn command(&self) -> String {
        let mapping = self.args.archive.mapping.as_deref().unwrap_or_else(|| self.archive.source.family());
        let what = if self.args.people_only { " --people-only" } else { "" };
        let command = if self.args.takes_up_dead { "retry" } else { "import" };
        format!("{command} {} --mapping {mapping}{what}", self.archive.shown)
    }

    /// Said before anything is sent: without a rule the target's only mailbox is used, and there must be only one.
    fn require_mailbox(&self, directory: &Directory) -> Result<(), Failure> {
        let has_rule = !self.mapping.names().mailboxes.is_empty();
        if has_rule || directory.only_mailbox().is_some() {
            return Ok(());
        }
        if directory.mailboxes.is_empty() {
            return Err(Failure::new(Exit::Unusable, "the target has no mailbox").hint("make one in FreeScout first"));
        }
        Err(no_mailbox(directory))
    }

    /// `--strict`: everything must be accounted for before anything is sent.
    fn require_coverage(&self) -> Result<(), Failure> {
        let survey = self.survey()?;
        if survey.lost.is_empty() {
            return Ok(());
        }
        let mut message = "not everything is accounted for, and nothing was sent (`--strict`)".to_owned();
        for (code, (count, sample)) in &survey.lost {
            message = format!("{message}\n  {count} {code}, for example {}", crate::cli::screen::shortened(sample));
        }
        Err(Failure::new(Exit::Incomplete, message).hint(
            "map it or list it under `[ignore]` with a reason; `foxferry check --findings FILE` names every place",
        ))
    }
}

/// Says that the target's own machinery runs for what is imported.
pub(super) fn warn_of_automation(screen: &Screen, reporter: &dyn Reporter) {
    let message = "webhooks and workflows of the target run for imported conversations too, and FreeScout's API does \
                   not say whether there are any; pause those that act on new conversations, replies or customers \
                   (Manage » API & Webhooks, Manage » Mailboxes » Workflows) until the import is finished";
    screen.say(&format!("note: {message}"));
    reporter.event(&Event::Finding(&Finding::new(codes::TARGET_AUTOMATION, message)));
}

/// Several mailboxes, and nothing says which.
fn no_mailbox(directory: &Directory) -> Failure {
    let mut message = "no rule says which mailbox records go to, and the target has several:".to_owned();
    for entry in &directory.mailboxes {
        message = format!("{message}\n  {} ({})", entry.mailbox.email, entry.mailbox.name);
    }
    let first = directory.mailboxes.first().map_or("", |entry| entry.mailbox.email.as_str());
    Failure::new(Exit::Unusable, message)
        .hint(format_args!("name one in the mapping: `[mailbox]` with `default = \"{first}\"`"))
}

pub(super) fn failure_of(error: &UploadError) -> Failure {
    let failure = Failure::of(Exit::Stopped, error);
    match error {
        UploadError::TakesNothing { .. } => failure.hint(
            "is its database read-only or its disk full? No record was given up for it; run the same command again when it works",
        ),
        UploadError::TargetGone { .. } => failure.hint("the journal is in order; run the same command again when the target is back"),
        UploadError::Journal(cause) => journals::failure_of(cause),
        UploadError::LosesImported => failure.hint(
            "update its API & Webhooks module, then let `foxferry doctor --probe MAILBOX` look again over the same journal",
        ),
        UploadError::NotImported { .. } => failure.hint(
            "its API & Webhooks module may be too old; look at that conversation, delete it, and update the module before going on",
        ),
        UploadError::Bug { .. } => failure.hint("please report it; the journal is in order and the same command goes on"),
        _ => failure.hint("the journal is in order; when that is put right, the same command goes on"),
    }
}
