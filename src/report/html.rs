//! A run as one HTML file for the person who has to say yes (`--report FILE`).
//!
//! Promises:
//!
//! - The file stands by itself: no script, nothing loaded from anywhere, and a policy that forbids both. Whatever an
//!   archive holds is escaped, by the same function as everywhere else.
//! - Memory is bounded by samples and by the largest and most frequent things, whatever the archive's size.
//! - The file appears whole or not at all: it is written beside its place and renamed. It is also written when the run is
//!   interrupted or fails, and says so.
//!
//! Charts are rows of a table with a bar behind them, and one drawing of months, by hand: a library for charts would bring
//! fonts to measure texts with, and give pictures of a fixed width that no screen reader can read
//! (`docs/decisions/0004-charts-by-hand.md`).

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};

use crate::holdings::{Head, Holdings};
use crate::html::escape;
use crate::report::{Event, Reporter};
use crate::source::{Facts, Reader};

mod coverage;
mod gather;
mod page;

pub use coverage::{Coverage, Fate, FieldAccount};

use gather::Gathered;
use page::Page;

/// What is known of a run beforehand. No part of it may be a secret.
#[derive(Debug, Clone)]
pub struct About {
    /// `check`, `import`, `inspect`.
    pub command: &'static str,
    /// The archive, as the operator named its parts.
    pub archive: Vec<String>,
    /// What has an outcome, in the plural: `records`, or `people`.
    pub unit: &'static str,
    /// Whether outcomes are counted; else it is about an archive alone.
    pub counts_outcomes: bool,
    /// Whether something is sent: then `done` means that it is in FreeScout.
    pub sends: bool,
    /// Options, mapping, journal: what an operator would need to do the same again.
    pub settings: Vec<(String, String)>,
    /// When the run began.
    pub began: Timestamp,
}

impl About {
    /// A run of this command that begins now, over an archive of which nothing is known.
    pub fn new(command: &'static str) -> Self {
        Self {
            command,
            archive: Vec::new(),
            unit: "records",
            counts_outcomes: true,
            sends: false,
            settings: Vec::new(),
            began: Timestamp::now(),
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It came to its end, whatever the outcomes are.
    Finished,
    /// The operator stopped it.
    Interrupted,
    /// It could not go on, for this reason.
    Failed(String),
}

impl Ending {
    fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Failed(_) => "failed",
        }
    }
}

/// A listener that writes a report at the end of a run.
#[derive(Debug)]
pub struct HtmlReport {
    path: PathBuf,
    begun: Instant,
    state: Mutex<State>,
    holdings: Arc<Mutex<Holdings>>,
}

#[derive(Debug)]
struct State {
    about: About,
    gathered: Gathered,
    coverage: Coverage,
    archive: Option<(Head, Facts)>,
}

impl HtmlReport {
    /// For a file that is written at the end; fails now if that could not succeed then.
    pub fn create(path: &Path, about: About) -> io::Result<Self> {
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if is_special(&path) {
            fs::OpenOptions::new().write(true).open(&path)?;
        } else {
            // Gone again at once: a run that is killed leaves nothing behind.
            beside(&path)?;
        }
        let state = State { about, gathered: Gathered::default(), coverage: Coverage::default(), archive: None };
        Ok(Self { path, begun: Instant::now(), state: Mutex::new(state), holdings: Arc::default() })
    }

    /// Changes what is known of the run.
    pub fn about(&self, change: impl FnOnce(&mut About)) {
        change(&mut lock(&self.state).about);
    }

    /// An exact account of fields and values; without one, the report shows what findings tell.
    pub fn coverage(&self, coverage: Coverage) {
        lock(&self.state).coverage = coverage;
    }

    /// What is known of the archive as a whole; without it, the report has no section about it.
    pub fn archive(&self, head: Head, facts: &Facts) {
        lock(&self.state).archive = Some((head, facts.clone()));
    }

    /// Counts what the archive holds while its records go by.
    pub fn watch(&self, reader: Reader, head: Head) -> Reader {
        self.archive(head, &reader.facts);
        let holdings = Arc::clone(&self.holdings);
        reader.changing(move |record| lock(&holdings).add(record))
    }

    /// What is counted of the archive, for whoever reads its records without [`HtmlReport::watch`].
    pub fn holdings(&self) -> &Mutex<Holdings> {
        &self.holdings
    }

    /// Writes the report.
    pub fn finish(&self, ending: &Ending) -> io::Result<()> {
        let html = self.html(ending)?;
        if is_special(&self.path) {
            return fs::OpenOptions::new().write(true).open(&self.path)?.write_all(html.as_bytes());
        }
        let mut file = beside(&self.path)?;
        file.write_all(html.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|error| error.error)?;
        Ok(())
    }

    fn html(&self, ending: &Ending) -> io::Result<String> {
        let state = lock(&self.state);
        let holdings = lock(&self.holdings);
        let archive = state.archive.as_ref().map(|(head, facts)| (head, facts, &*holdings));
        let clock = (page::minute(Timestamp::now()), self.begun.elapsed().as_secs_f64());
        let page = page::page(&state.about, &state.gathered, &state.coverage, archive, ending, clock);
        render(&page).map_err(io::Error::other)
    }
}

impl Reporter for HtmlReport {
    fn event(&self, event: &Event<'_>) {
        let mut state = lock(&self.state);
        match event {
            Event::Accounted(account) => state.coverage = Coverage::of(account),
            event => state.gathered.hear(event),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether there is something at this place that cannot be replaced by a file, such as a pipe.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// A file beside another, which takes its place by a rename.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".foxferry-report").suffix(".html");
    // As any file that the operator makes, not as a secret one.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    // The name of a file that nobody asked for is of no use to the operator.
    builder.tempfile_in(folder).map_err(|error| error.kind().into())
}

fn render(page: &Page) -> Result<String, minijinja::Error> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::Html);
    // There is one escaper, and this is where everything passes it.
    engine.set_formatter(|out, _, value| match value.as_str() {
        Some(text) if value.is_safe() => Ok(out.write_str(text)?),
        Some(text) => Ok(out.write_str(&escape(text))?),
        None => Ok(out.write_str(&escape(&value.to_string()))?),
    });
    engine.add_filter("ticks", |text: &str| Value::from_safe_string(with_code(text)));
    let style = Value::from_safe_string(include_str!("html/style.css").to_owned());
    engine.add_global("style", style);
    engine.template_from_named_str("page.html", include_str!("html/page.html"))?.render(Serde(page))
}

/// Escaped, with what stands in backticks as code.
fn with_code(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`') {
        let Some((code, after)) = after.split_once('`') else { break };
        html.push_str(&escape(before));
        html.push_str("<code>");
        html.push_str(&escape(code));
        html.push_str("</code>");
        rest = after;
    }
    html.push_str(&escape(rest));
    html
}

#[cfg(test)]
mod tests;
