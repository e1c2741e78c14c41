//! What a person can type, and where it leads.

use std::io::Write as _;
use std::net::SocketAddr;
use std::panic;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use foxferry::finding::Levels;
use foxferry::freescout::Directory;
use foxferry::source::Order;
use foxferry::window::Window;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::env;
use exit::{Exit, Failure};
use screen::Screen;

mod agents;
mod archive;
mod ask;
mod backup;
mod browse;
mod bundle;
mod carried;
mod cases;
mod check;
mod completions;
mod demo;
mod doctor;
mod drill;
mod exit;
mod explain;
mod export;
mod fetch;
mod follow;
mod hints;
mod identity;
mod import;
mod init;
mod inspect;
mod interrupt;
mod journals;
mod ledger;
mod lint;
mod man;
mod mapping;
mod outcomes;
mod people;
mod report;
mod restore;
mod retry;
mod rollback;
mod sandbox;
mod screen;
mod settings;
mod status;
mod survey;
mod terminal;
mod verify;

/// Carries a help desk's history into FreeScout: nothing lost, nothing doubled, nobody mailed.
#[derive(Debug, Parser)]
#[command(name = "foxferry", version, max_term_width = 110, after_help = FIRST_STEPS)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    common: Common,
}

const FIRST_STEPS: &str = "\
First steps, with no server and no key:
  foxferry inspect ARCHIVE            says what your archive holds
  foxferry init ARCHIVE -o my.toml    writes a mapping for it, to look at and change
  foxferry check ARCHIVE              the dry run: every problem with its place, nothing is sent
  foxferry import ARCHIVE --sandbox   the rehearsal: into a FreeScout imitation on this machine

Then the real thing:
  export FREESCOUT_API_KEY=…          in FreeScout: Manage » API & Webhooks
  foxferry doctor --url https://help.example.org
  foxferry import ARCHIVE --url https://help.example.org

ARCHIVE is a file or folder, packed or not: what Zendesk, Freshdesk, Help Scout, Intercom, Zammad, osTicket or
Jira gave, mail (mbox, Maildir, .eml), a table (CSV, Excel), or JSON that a mapping describes.
`foxferry COMMAND --help` shows options and examples of a command.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Move an archive into FreeScout; a second run goes on where the first stopped
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// The dry run: read and map everything, send nothing, report every finding with its place
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Say what an archive holds: formats, counts, people, dates, sizes, oddities
    #[command(after_help = inspect::EXAMPLES)]
    Inspect(inspect::Inspect),
    /// Write a mapping for an archive: every status, agent, group, tag and field with counts
    #[command(after_help = init::EXAMPLES)]
    Init(init::Init),
    /// Work with mapping files: check them, list and show the built-in ones, print the JSON Schema
    #[command(after_help = mapping::EXAMPLES)]
    Mapping(mapping::Mapping),
    /// Ask a FreeScout what it is and can do, and say what would go wrong before anything is sent
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Doctor),
    /// Say how far an import is: the totals of its journal
    #[command(after_help = status::STATUS_EXAMPLES)]
    Status(status::Status),
    /// List what was rejected, refused or given up, and why
    #[command(after_help = status::LETTERS_EXAMPLES)]
    Letters(status::Letters),
    /// Take up again what was rejected, refused or given up
    #[command(after_help = retry::EXAMPLES)]
    Retry(Box<retry::Retry>),
    /// Tell the whole story of one record, from its old id or its conversation
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Explain),
    /// Print the table of old and new ids, or redirect rules for a web server
    #[command(after_help = ledger::EXAMPLES)]
    Ledger(ledger::Ledger),
    /// Read everything back from FreeScout and compare it with what was sent
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::Verify),
    /// Remove what this journal's runs created and nobody has touched since; a dry run without --yes
    #[command(after_help = rollback::EXAMPLES)]
    Rollback(rollback::Rollback),
    /// Copy a FreeScout into a folder; run nightly it fetches only what changed
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::Backup),
    /// Write files for people, spreadsheets and other programs
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Get attachments that an archive only links to, before the links expire
    #[command(after_help = fetch::EXAMPLES)]
    FetchAttachments(fetch::Fetch),
    /// Import a backup into a FreeScout; a second run goes on where the first stopped
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Restore),
    /// Run a FreeScout imitation on this machine
    #[command(after_help = sandbox::EXAMPLES)]
    Sandbox(sandbox::SandboxArgs),
    /// Print a completion script for a shell
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
    /// Print the manual page, or write one for each command
    #[command(after_help = man::EXAMPLES)]
    Man(man::Man),
}

/// Options that every command knows.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Print events as JSON lines to stdout
    #[arg(long, global = true, display_order = 900)]
    json: bool,
    /// Print nothing but errors and the result
    #[arg(short, long, global = true, display_order = 901)]
    quiet: bool,
    /// Say more; twice: much more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet", display_order = 902)]
    verbose: u8,
    /// Show no progress
    #[arg(long, global = true, display_order = 903)]
    no_progress: bool,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value = "auto", display_order = 904)]
    color: Color,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

/// What to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Archive")]
pub struct ArchiveArgs {
    /// Files or folders of one archive; `-` is standard input
    #[arg(value_name = "ARCHIVE", required = true)]
    archives: Vec<PathBuf>,
    /// The archive's format, when detection is not wanted
    #[arg(long, value_name = "NAME", value_parser = format_name)]
    format: Option<String>,
    /// Mapping file, or the name of a built-in one [default: the built-in for the format]
    #[arg(short, long, value_name = "FILE-or-NAME")]
    mapping: Option<String>,
    /// Folder for temporary files [default: the system's]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Files that `fetch-attachments` has got for links of the archive [default: NAME.files in the current folder]
    #[arg(long, visible_alias = "cache", value_name = "DIR")]
    files: Option<PathBuf>,
}

/// Which records to take.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which records")]
pub struct SelectionArgs {
    /// At most N records
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Only records opened at T or later: `2024-01-31`, or with a time (UTC unless it says otherwise)
    #[arg(long, value_name = "T", value_parser = time)]
    since: Option<Timestamp>,
    /// Only records opened before T; records without any date are always taken
    #[arg(long, value_name = "T", value_parser = time)]
    until: Option<Timestamp>,
    /// Only the records with these ids of the old system; several are separated by blanks or commas
    #[arg(long, value_name = "ID", num_args = 1.., value_delimiter = ',')]
    only: Vec<String>,
    /// In which order records are taken
    #[arg(long, value_enum, default_value = "oldest")]
    order: Order,
}

/// Where to send.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub struct TargetArgs {
    /// The FreeScout to send to, with or without `/api` [env: FREESCOUT_URL]
    #[arg(long, value_name = "URL", conflicts_with = "sandbox")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Send to a FreeScout imitation in this process: no server, no key, nothing is kept
    #[arg(long)]
    sandbox: bool,
    /// At most N requests in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// At most N requests per second [default: as fast as the target answers]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Send only in these hours, such as `20:00-06:00`: by this machine's clock, or with a zone as in
    /// `20:00-06:00 Europe/Berlin`; several are separated by commas. Outside them the run sleeps
    #[arg(long, value_name = "HOURS", value_parser = window)]
    window: Option<Window>,
}

/// A target that is only asked, never sent to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Target")]
pub struct LookArgs {
    /// A FreeScout to compare with; it is only asked, and nothing is changed [env: FREESCOUT_URL]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl LookArgs {
    /// Whether the command line names a target; a variable alone is for other commands too.
    fn is_named(&self) -> bool {
        self.url.is_some()
    }

    /// What the target holds; `None`: no target is named.
    fn directory(&self, runtime: &tokio::runtime::Runtime) -> Result<Option<Directory>, Failure> {
        let place = settings::Place {
            url: self.url.as_deref(),
            key_file: self.key_file.as_deref(),
            ca_file: self.ca_file.as_deref(),
        };
        let Some(server) = settings::Server::choose(&place)? else { return Ok(None) };
        let client = server.client(4)?;
        runtime.block_on(Directory::fetch(&client)).map(Some).map_err(|error| settings::failure_of(&error))
    }
}

/// Where findings go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Findings")]
pub struct FindingArgs {
    /// Write every finding as a JSON line to FILE; the screen shows counts and samples
    #[arg(long, value_name = "FILE")]
    findings: Option<PathBuf>,
}

/// How findings are taken.
#[derive(Debug, Args)]
pub struct LevelArgs {
    /// Take a kind of finding as `error`, `warning`, `info` or `ignore`, as `[findings]` in a mapping does
    #[arg(long, value_name = "CODE=LEVEL", value_parser = level)]
    severity: Vec<Levels>,
}

impl LevelArgs {
    /// All that was said, later options over earlier ones.
    fn levels(&self) -> Levels {
        self.severity.iter().fold(Levels::default(), |mut all, one| {
            all.extend(one);
            all
        })
    }
}

fn level(text: &str) -> Result<Levels, String> {
    let (code, level) = text.split_once('=').ok_or("expected CODE=LEVEL, for example `read-date=ignore`")?;
    let mut levels = Levels::default();
    levels.set(code.trim(), level.trim()).map_err(|error| error.to_string())?;
    Ok(levels)
}

/// Which journal to read.
#[derive(Debug, Args)]
pub struct JournalArgs {
    /// The journal [default: the only *.ferry file in the current folder]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

/// Parses, runs, and says how it ended.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.common.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    set_panic_hook();
    start_log(cli.common.verbose);
    // An error means that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exit = run(cli).unwrap_or_else(|failure| {
        if !failure.is_quiet() {
            failure.print();
        }
        failure.exit
    });
    exit.into()
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    let screen = Screen::new(&cli.common);
    match cli.command {
        None => {
            let about = Cli::command().get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(screen.out(), "{about}\n\n{FIRST_STEPS}\n\nAll commands: foxferry --help")?;
            Ok(Exit::Done)
        }
        Some(Command::Import(args)) => import::run(&args, &screen),
        Some(Command::Check(args)) => check::run(&args, &screen),
        Some(Command::Inspect(args)) => inspect::run(&args, &screen),
        Some(Command::Init(args)) => init::run(&args, &screen),
        Some(Command::Mapping(args)) => mapping::run(&args, &screen),
        Some(Command::Status(args)) => status::run(&args, &screen),
        Some(Command::Letters(args)) => status::letters(&args, &screen),
        Some(Command::Retry(args)) => retry::run(*args, &screen),
        Some(Command::Explain(args)) => explain::run(&args, &screen),
        Some(Command::Ledger(args)) => ledger::run(&args, &screen),
        Some(Command::Verify(args)) => verify::run(&args, &screen),
        Some(Command::Rollback(args)) => rollback::run(&args, &screen),
        Some(Command::Backup(args)) => backup::run(&args, &screen),
        Some(Command::Export(args)) => export::run(&args, &screen),
        Some(Command::FetchAttachments(args)) => fetch::run(&args, &screen),
        Some(Command::Restore(args)) => restore::run(&args, &screen),
        Some(Command::Doctor(args)) => doctor::run(&args, &screen),
        Some(Command::Sandbox(args)) => sandbox::run(&args, &screen),
        Some(Command::Completions(args)) => completions::run(&args, &screen),
        Some(Command::Man(args)) => man::run(&args, &screen),
    }
}

/// A panic is a bug: it is told as one, and those that cost one record only are told with that record.
fn set_panic_hook() {
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !foxferry::pipeline::note_panic(info.location()) {
            let _ = writeln!(
                anstream::stderr(),
                "error: a bug in foxferry; please report it with the lines below\n\
                 hint: the journal is in order: the same command goes on where this run stopped"
            );
            default(info);
        }
    }));
}

fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "foxferry=warn",
        1 => "foxferry=info",
        2 => "foxferry=debug",
        _ => "foxferry=trace,reqwest=debug",
    };
    let wanted = env::text(env::LOG).ok().flatten();
    let filter = tracing_subscriber::EnvFilter::new(wanted.as_deref().unwrap_or(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .with_ansi(anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never)
        .init();
}

fn format_name(text: &str) -> Result<String, String> {
    if foxferry::source::by_name(text).is_some() {
        return Ok(text.to_owned());
    }
    let known: Vec<_> = foxferry::source::SOURCES.iter().map(|source| format!("`{}`", source.name())).collect();
    Err(format!("not a format that foxferry knows: expected {}", known.join(", ")))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= 100_000.0 => Ok(rate),
        _ => Err("expected a number of requests per second above 0, such as `5` or `0.5`".to_owned()),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    // A date alone is its midnight.
    let civil = text.parse::<DateTime>();
    civil.and_then(|civil| civil.to_zoned(TimeZone::UTC)).map(|zoned| zoned.timestamp()).map_err(|_| {
        "expected a date `2024-01-31`, or a time `2024-01-31T12:00:00Z` or `2024-01-31T12:00:00+02:00`".to_owned()
    })
}

/// `127.0.0.1:8025`, a port alone, or `localhost:8025`.
fn window(text: &str) -> Result<Window, String> {
    Window::parse(text, TimeZone::system).map_err(|error| error.to_string())
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    let text = text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "expected an address and port, such as `127.0.0.1:8025`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_table() {
        for (text, expected) in [
            ("2024-01-31", Some("2024-01-31T00:00:00Z")),
            ("2024-01-31T12:00:00Z", Some("2024-01-31T12:00:00Z")),
            ("2024-01-31T12:00:00+02:00", Some("2024-01-31T10:00:00Z")),
            ("2024-01-31 12:00", Some("2024-01-31T12:00:00Z")),
            ("yesterday", None),
            ("2024-02-31", None),
            ("", None),
        ] {
            assert_eq!(time(text).ok().map(|t| t.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn rates_table() {
        for (text, is_fine) in [("5", true), ("0.5", true), ("0", false), ("-1", false), ("inf", false), ("x", false)] {
            assert_eq!(rate(text).is_ok(), is_fine, "{text}");
        }
    }
}
