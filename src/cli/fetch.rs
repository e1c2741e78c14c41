//! `foxferry fetch-attachments`: the files that an archive only links to.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use foxferry::cell::guarded;
use foxferry::fetch::{self, AuthHost, Cache, Credentials, FetchError, HostSums, Options, Sums, Told, Wanted};
use foxferry::upload::Stop;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::cli::archive::{self, Archive};
use crate::cli::exit::{Exit, Failure, chain};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, shortened};
use crate::cli::{ArchiveArgs, SelectionArgs, rate};
use foxferry::report::figures::span;

pub const EXAMPLES: &str = "\
Examples:
  foxferry fetch-attachments export/ --dry-run
  foxferry fetch-attachments export/
  foxferry fetch-attachments export/ --cookie-file cookies.txt --auth-host desk.example.org
  foxferry fetch-attachments tickets.csv --header-file login.txt --auth-host files.example.org --rate 2
  foxferry fetch-attachments export/ --failed failed.csv --max-bytes 1G
  foxferry import export/ --url https://help.example.org

Files go into NAME.files, where `inspect`, `check` and `import` of the same archive find them. The same command again gets
what is missing and nothing else; Ctrl-C stops at once, and what has come of a file is used by the next run.

A header file has a line `Name: value` for each header; a cookie file is one that a browser has saved (Netscape), or one line
`name=value; …`. Both are sent to the hosts of `--auth-host` alone, over https alone, and to nobody else whatever redirects say.

Exit codes: 0 everything is here; 3 some files could not be had; 4 nothing could be reached, or the disk is full; 130 stopped.
What is checked, and what links do not give: docs/attachments.md.";

/// A line of progress is printed this often where no bar is.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How many files that could not be had are named on the screen.
const NAMED: u64 = 10;

/// Arguments of `fetch-attachments`.
#[derive(Debug, Args)]
pub struct Fetch {
    #[command(flatten)]
    archive: ArchiveArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Say what would be fetched from where, and fetch nothing
    #[arg(long, help_heading = "Fetching")]
    dry_run: bool,
    /// Get the images too that texts show from this host; can be repeated
    #[arg(long = "image-host", value_name = "HOST", value_parser = image_host, help_heading = "Fetching")]
    image_hosts: Vec<String>,
    /// At most N downloads at a time
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=64), help_heading = "Fetching")]
    concurrency: u16,
    /// At most N downloads begun per second
    #[arg(long, value_name = "N", value_parser = rate, help_heading = "Fetching")]
    rate: Option<f64>,
    /// No file may be longer: bytes, or as in `20M` or `1G`
    #[arg(long, value_name = "N", default_value = "100M", value_parser = size, help_heading = "Fetching")]
    max_bytes: u64,
    /// How many seconds to wait for an answer, and for each further piece of it
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = super::import::seconds, help_heading = "Fetching")]
    timeout: f64,
    /// Write what could not be had to FILE, as CSV if its name ends so, else as JSON lines
    #[arg(long, value_name = "FILE", help_heading = "Fetching")]
    failed: Option<PathBuf>,
    /// Headers to send, one `Name: value` a line
    #[arg(long, value_name = "FILE", requires = "auth_hosts", help_heading = "Logging in")]
    header_file: Option<PathBuf>,
    /// Cookies to send, as a browser saves them or as `name=value; …`
    #[arg(long, value_name = "FILE", requires = "auth_hosts", help_heading = "Logging in")]
    cookie_file: Option<PathBuf>,
    /// A host that may see the headers and cookies: `desk.example.org`, or with a port; can be repeated
    #[arg(long = "auth-host", value_name = "HOST", value_parser = AuthHost::parse, help_heading = "Logging in")]
    auth_hosts: Vec<AuthHost>,
    /// Ask addresses inside your own network too, and send headers and cookies over plain http
    #[arg(long, help_heading = "Network")]
    allow_private: bool,
    /// Go through the proxy that the environment names; it could be led to private addresses, which nothing here can see
    #[arg(long, requires = "allow_private", help_heading = "Network")]
    use_proxy: bool,
}

/// `100M`, `1G`, `500k`, or bytes.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, by) = match text.trim_end_matches(['b', 'B']).chars().last() {
        Some('k' | 'K') => (text.trim_end_matches(['b', 'B']), 1_000),
        Some('m' | 'M') => (text.trim_end_matches(['b', 'B']), 1_000_000),
        Some('g' | 'G') => (text.trim_end_matches(['b', 'B']), 1_000_000_000),
        _ => (text, 1),
    };
    let number = if by > 1 { &number[..number.len() - 1] } else { number };
    let bytes = number.trim().parse::<u64>().ok().and_then(|number| number.checked_mul(by));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "expected a size such as `500k`, `20M`, `1G` or bytes".to_owned())
}

fn image_host(text: &str) -> Result<String, String> {
    AuthHost::parse(text)?;
    if text.contains(':') {
        return Err("expected a host such as `desk.example.org`, without port".to_owned());
    }
    Ok(text.to_lowercase())
}

/// Walks the archive, and gets what it links to.
pub fn run(args: &Fetch, screen: &Screen) -> Result<Exit, Failure> {
    let credentials = credentials(args)?;
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let interrupt = Interrupt::listen(&runtime, move |times| {
        asked.ask();
        super::check::leave_at_the_second(times);
    })?;
    let archive = Archive::open(&args.archive, screen, &interrupt)?;
    let folder = archive.temporary_folder()?;
    let list = args.failed.as_deref().filter(|_| !args.dry_run).map(FailedList::create).transpose()?;
    let walked = walk(args, &archive, folder.path(), list.as_ref(), screen, &interrupt)?;
    if args.dry_run {
        return plan(&archive, &walked, screen);
    }
    let has_links = walked.wanted.count().map_err(|error| failure_of(&error))? > 0;
    if !has_links && !Cache::is_one(archive.files()) {
        // Nothing to keep, and so no folder for it.
        list.map_or(Ok(()), FailedList::finish)?;
        let view = View::new(screen, 0);
        view.finished(&Sums::default(), screen)?;
        return Ok(walked.exit(Exit::Done));
    }
    let cache = Cache::open_or_create(archive.files()).map_err(|error| failure_of(&error))?;
    let cache = Arc::new(cache);
    let _lock = cache.lock().map_err(|error| failure_of(&error))?;
    let options = Options {
        concurrency: usize::from(args.concurrency),
        rate: args.rate,
        max_bytes: args.max_bytes,
        patience: Duration::from_secs_f64(args.timeout),
        is_private_allowed: args.allow_private,
        is_proxy_used: args.use_proxy,
        credentials,
    };
    let links = walked.wanted.count().map_err(|error| failure_of(&error))?;
    let view = View::new(screen, links);
    let tell = |told: &Told<'_>| {
        if let (Told::Failed { link, reason, status, .. }, Some(list)) = (told, &list) {
            list.add(&link.record, &link.name, &link.url, *status, reason);
        }
        view.show(told);
    };
    let Walked { wanted, unreadable, unusable } = walked;
    let done = runtime.block_on(fetch::run(wanted, &cache, &options, &stop, &tell));
    view.clear();
    let kept = list.map_or(Ok(()), FailedList::finish);
    let sums = done.map_err(|error| failure_of(&error))?;
    kept?;
    view.finished(&sums, screen)?;
    let is_unreached = sums.unreachable > 0 && sums.unreachable == sums.failed && sums.fetched + sums.there == 0;
    Ok(match sums {
        Sums { is_interrupted: true, .. } => Exit::Interrupted,
        _ if is_unreached => {
            screen.say(
                "nothing could be reached; is there a way from here to the hosts that `--dry-run` lists? \
                 A proxy is used only with `--use-proxy`",
            );
            Exit::Stopped
        }
        Sums { failed: 0, .. } if unreadable == 0 && unusable == 0 => Exit::Done,
        _ => Exit::Incomplete,
    })
}

fn credentials(args: &Fetch) -> Result<Credentials, Failure> {
    let mut credentials = Credentials::default();
    let read = |option: &str, path: &Path| {
        let text = fs::read_to_string(path);
        text.map_err(|cause| {
            Failure::new(Exit::Usage, format_args!("`{option} {}` cannot be read: {cause}", path.display()))
        })
    };
    let wrong = |option: &str, path: &Path, error: fetch::CredentialsError| {
        Failure::new(Exit::Usage, format_args!("`{option} {}`: {error}", path.display()))
    };
    if let Some(path) = &args.header_file {
        let text = read("--header-file", path)?;
        credentials.add_headers(&text).map_err(|error| wrong("--header-file", path, error))?;
    }
    if let Some(path) = &args.cookie_file {
        let text = read("--cookie-file", path)?;
        credentials.add_cookies(&text).map_err(|error| wrong("--cookie-file", path, error))?;
    }
    credentials.allow(args.auth_hosts.iter().cloned());
    Ok(credentials)
}

/// What the archive links to.
struct Walked {
    wanted: Wanted,
    /// Records that could not be read.
    unreadable: u64,
    /// Links that lead nowhere on the web.
    unusable: u64,
}

impl Walked {
    fn exit(&self, exit: Exit) -> Exit {
        if exit == Exit::Done && (self.unreadable > 0 || self.unusable > 0) { Exit::Incomplete } else { exit }
    }
}

fn walk(
    args: &Fetch,
    archive: &Archive,
    folder: &Path,
    list: Option<&FailedList>,
    screen: &Screen,
    interrupt: &Interrupt,
) -> Result<Walked, Failure> {
    let terminal = screen.terminal();
    let shape = archive.shape(&args.archive)?;
    let order = args.selection.order;
    let reader = archive.read_links(&shape, order, None, &*terminal, interrupt)?;
    terminal.clear();
    let selection = archive::selection(&args.selection);
    let mut wanted = Wanted::create(folder, args.image_hosts.clone()).map_err(|error| failure_of(&error))?;
    let (mut unreadable, mut unusable, mut taken) = (0, 0, 0);
    for item in reader {
        if interrupt.is_asked() {
            return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was fetched"));
        }
        if selection.limit.is_some_and(|limit| taken >= limit) {
            break;
        }
        match item {
            Ok(record) if selection.wants(&record) => {
                taken += 1;
                let id = record.id.to_string();
                let mut tell = |name: &str, address: &str| {
                    const REASON: &str = "it is no address on the web";
                    unusable += 1;
                    if unusable <= NAMED {
                        let address = fetch::shown(address);
                        screen.say(&shortened(&format!("not fetched, {id}: `{name}` ({address}): {REASON}")));
                    }
                    if let Some(list) = list {
                        list.add(&id, name, address, None, REASON);
                    }
                };
                wanted.add(&record, &mut tell).map_err(|error| failure_of(&error))?;
            }
            Ok(_) => {}
            Err(error) => {
                unreadable += 1;
                if unreadable <= NAMED {
                    screen.say(&format!("unreadable {}", shortened(&chain(&error))));
                }
            }
        }
    }
    if unreadable > NAMED {
        screen.say(&format!("{unreadable} records cannot be read; `foxferry check` names them"));
    }
    if unusable > NAMED {
        screen
            .say(&format!("{unusable} attachments link to what is no address on the web; `--failed FILE` lists them"));
    }
    Ok(Walked { wanted, unreadable, unusable })
}

/// `--dry-run`: hosts, counts and claimed bytes.
fn plan(archive: &Archive, walked: &Walked, screen: &Screen) -> Result<Exit, Failure> {
    let cache = match Cache::is_one(archive.files()) {
        true => Some(Cache::open(archive.files()).map_err(|error| failure_of(&error))?),
        false => None,
    };
    let hosts = walked.wanted.hosts(cache.as_ref()).map_err(|error| failure_of(&error))?;
    let mut out = screen.out();
    let mut all = HostSums::default();
    for HostSums { host, links, there, claimed, without_length } in &hosts {
        all.links += links;
        all.there += there;
        all.claimed = all.claimed.saturating_add(*claimed);
        all.without_length += without_length;
        if screen.is_json {
            let event = json!({"event": "host", "host": host, "links": links, "there": there, "claimed_bytes": claimed,
                "without_length": without_length});
            writeln!(out, "{event}")?;
        } else if !screen.is_quiet {
            let counts = planned(*links, *there, *claimed, *without_length);
            writeln!(out, "{}: {counts}", shortened(host))?;
        }
    }
    let HostSums { links, there, claimed, without_length, .. } = all;
    if screen.is_json {
        let event = json!({"event": "finished", "read": links, "done": there, "skipped": links - there, "rejected": 0,
            "dead": 0, "links": links, "there": there, "claimed_bytes": claimed, "without_length": without_length,
            "hosts": hosts.len(), "is_dry_run": true});
        writeln!(out, "{event}")?;
    } else {
        let word = if hosts.len() == 1 { "host" } else { "hosts" };
        writeln!(out, "{} {word}: {}", hosts.len(), planned(links, there, claimed, without_length))?;
    }
    Ok(walked.exit(Exit::Done))
}

fn planned(links: u64, there: u64, claimed: u64, without_length: u64) -> String {
    let mut text = format!("{}, {there} there already, {} to fetch", counted(links), links - there);
    let sizes = match (claimed, without_length) {
        (0, 0) => return text,
        (0, without) => format!("{without} of unknown size"),
        (claimed, 0) => HumanBytes(claimed).to_string(),
        (claimed, without) => format!("{}, and {without} of unknown size", HumanBytes(claimed)),
    };
    let _ = write!(text, " ({sizes})");
    text
}

fn counted(links: u64) -> String {
    if links == 1 { "1 link".to_owned() } else { format!("{links} links") }
}

/// The list of what could not be had.
enum FailedList {
    Csv(Box<Mutex<csv::Writer<File>>>),
    Json(Mutex<BufWriter<File>>),
}

impl FailedList {
    fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", path.display()))
        })?;
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
            let mut table = csv::Writer::from_writer(file);
            table.write_record(["record", "name", "address", "status", "reason"]).map_err(io::Error::other)?;
            Ok(Self::Csv(Box::new(Mutex::new(table))))
        } else {
            Ok(Self::Json(Mutex::new(BufWriter::new(file))))
        }
    }

    /// A line; what cannot be written is told at the end, when it is flushed.
    fn add(&self, record: &str, name: &str, address: &str, status: Option<u16>, reason: &str) {
        let address = fetch::shown(address);
        match self {
            Self::Csv(table) => {
                let status = status.map(|status| status.to_string()).unwrap_or_default();
                let cells = [record, name, &address, &status, reason].map(guarded);
                let mut table = table.lock().unwrap_or_else(PoisonError::into_inner);
                let _ = table.write_record(cells.iter().map(|cell| cell.as_bytes()));
            }
            Self::Json(lines) => {
                let line = json!({"record": record, "name": name, "address": address, "status": status,
                    "reason": reason});
                let _ = writeln!(lines.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        let flushed = match self {
            Self::Csv(table) => table.into_inner().unwrap_or_else(PoisonError::into_inner).flush(),
            Self::Json(lines) => lines.into_inner().unwrap_or_else(PoisonError::into_inner).flush(),
        };
        flushed.map_err(|cause| Failure::new(Exit::Stopped, format_args!("`--failed` cannot be written: {cause}")))
    }
}

/// What the operator sees.
struct View {
    bar: Option<ProgressBar>,
    has_lines: bool,
    is_json: bool,
    is_quiet: bool,
    verbose: u8,
    begun: Instant,
    last: Mutex<Instant>,
}

impl View {
    fn new(screen: &Screen, links: u64) -> Self {
        let bar = (screen.has_bar() && links > 0).then(|| {
            let bar = ProgressBar::with_draw_target(Some(links), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len}  {msg}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        let (is_json, is_quiet, verbose) = (screen.is_json, screen.is_quiet, screen.verbose);
        let has_lines = screen.has_progress() && bar.is_none();
        Self { bar, has_lines, is_json, is_quiet, verbose, begun: Instant::now(), last: Mutex::new(Instant::now()) }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn show(&self, told: &Told<'_>) {
        match told {
            Told::Fetched { link, bytes, sums } => {
                self.event(&json!({"event": "file", "outcome": "fetched", "record": link.record, "name": link.name,
                    "address": fetch::shown(&link.url), "bytes": bytes}));
                if self.verbose > 0 {
                    self.line(&format!("fetched {} ({})", fetch::shown(&link.url), HumanBytes(*bytes)));
                }
                self.moved(sums);
            }
            Told::There { sums } => self.moved(sums),
            Told::Failed { link, reason, status, sums } => {
                self.event(&json!({"event": "file", "outcome": "failed", "record": link.record, "name": link.name,
                    "address": fetch::shown(&link.url), "status": status, "reason": reason}));
                if sums.failed <= NAMED || self.verbose > 0 {
                    let (name, address) = (&link.name, fetch::shown(&link.url));
                    self.line(&format!("not fetched, {}: `{name}` ({address}): {reason}", link.record));
                } else if sums.failed == NAMED + 1 {
                    self.line("further files that cannot be had are counted only; `--failed FILE` lists them");
                }
                self.moved(sums);
            }
            Told::Paused { host, wait, reason } => {
                self.event(&json!({"event": "paused", "host": host, "seconds": wait.as_secs_f64(), "reason": reason}));
                self.line(&format!("waiting {:.0} s for {host}: {reason}", wait.as_secs_f64()));
            }
            _ => {}
        }
    }

    fn moved(&self, sums: &Sums) {
        let done = sums.fetched + sums.there + sums.failed;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(self.standing(sums));
        }
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= LINE_EVERY {
            *last = Instant::now();
            drop(last);
            let left = self.left(sums);
            self.event(
                &json!({"event": "progress", "what": "links", "done": done, "of": sums.links, "bytes": sums.bytes,
                "seconds_left": left.map(f64::round)}),
            );
            if self.has_lines {
                self.line(&format!("{done} of {} links, {}", sums.links, self.standing(sums)));
            }
        }
    }

    /// Files that were there cost nothing and promise nothing.
    fn left(&self, sums: &Sums) -> Option<f64> {
        let asked = sums.fetched + sums.failed;
        (asked > 0).then(|| self.begun.elapsed().as_secs_f64() / asked as f64 * sums.left() as f64)
    }

    fn standing(&self, sums: &Sums) -> String {
        let rate = (sums.fetched + sums.failed) as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        let mut text = format!("{rate:.1}/s");
        if let Some(left) = self.left(sums) {
            let _ = write!(text, ", {} left", span(left));
        }
        let _ = write!(text, ": {} fetched ({}), {} there already", sums.fetched, HumanBytes(sums.bytes), sums.there);
        if sums.failed > 0 {
            let _ = write!(text, ", {} failed", sums.failed);
        }
        text
    }

    fn finished(&self, sums: &Sums, screen: &Screen) -> Result<(), Failure> {
        let Sums { links, fetched, there, failed, bytes, is_interrupted, seconds, .. } = *sums;
        let mut out = screen.out();
        if screen.is_json {
            let event = json!({"event": "finished", "read": links, "done": fetched + there, "skipped": 0, "rejected": 0,
                "dead": failed, "links": links, "fetched": fetched, "there": there, "failed": failed,
                "left": sums.left(), "bytes": bytes, "is_interrupted": is_interrupted, "seconds": seconds});
            writeln!(out, "{event}")?;
            return Ok(());
        }
        let left = match sums.left() {
            0 => String::new(),
            left => format!(", {left} left"),
        };
        writeln!(out, "{}: {fetched} fetched, {there} there already, {failed} failed{left}", counted(links))?;
        Ok(())
    }

    fn event(&self, event: &Value) {
        if self.is_json {
            // Nobody is left to tell when stdout is closed; the files are what counts.
            let _ = writeln!(anstream::stdout(), "{event}");
        }
    }

    fn line(&self, text: &str) {
        if self.is_quiet {
            return;
        }
        let write = || {
            let _ = writeln!(anstream::stderr(), "{}", shortened(text));
        };
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// Why files cannot be fetched or used, with advice.
pub(super) fn failure_of(error: &FetchError) -> Failure {
    match error {
        FetchError::NotACache { .. } => Failure::of(Exit::Usage, error)
            .hint("`--files` names a folder that `foxferry fetch-attachments` has made, or for that command a new one"),
        FetchError::InUse { .. } => {
            Failure::of(Exit::Stopped, error).hint("wait for the other run, or stop it with Ctrl-C in its terminal")
        }
        FetchError::Newer { .. } => {
            Failure::of(Exit::Stopped, error).hint("use the foxferry that wrote it, or a newer one")
        }
        FetchError::NoRoom { .. } => Failure::of(Exit::Stopped, error)
            .hint("make room, or name a folder on another disk with `--files`; what has been fetched is kept"),
        FetchError::Bug { .. } => {
            Failure::of(Exit::Stopped, error).hint("please report it; what has been fetched is kept")
        }
        _ => Failure::of(Exit::Stopped, error).hint("what has been fetched is kept; the same command goes on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_table() {
        for (text, expected) in [
            ("100M", Some(100_000_000)),
            ("20MB", Some(20_000_000)),
            ("1g", Some(1_000_000_000)),
            ("500k", Some(500_000)),
            ("7 kB", Some(7_000)),
            ("12345", Some(12_345)),
            ("0", None),
            ("-1", None),
            ("M", None),
            ("1.5G", None),
            ("99999999999G", None),
            ("", None),
        ] {
            assert_eq!(size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_plan_is_told_in_a_line() {
        assert_eq!(
            planned(120, 15, 2048, 3),
            "120 links, 15 there already, 105 to fetch (2.00 KiB, and 3 of unknown size)"
        );
        assert_eq!(planned(1, 0, 0, 1), "1 link, 0 there already, 1 to fetch (1 of unknown size)");
        assert_eq!(planned(5, 5, 0, 0), "5 links, 5 there already, 0 to fetch");
    }
}
