//! What the operator sees: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use foxferry::finding::Levels;
use foxferry::mapping::account::{Account, Fate};
use foxferry::report::Reporter;
use foxferry::report::chorus::Chorus;
pub use foxferry::report::figures::{counted, shortened};
use foxferry::report::findings::FindingsFile;
use foxferry::report::html::HtmlReport;
use foxferry::report::json::JsonLines;
use foxferry::report::tally::{Counts, Tally};
use foxferry::report::{Outcome, Summary};

use crate::cli::exit::{Exit, Failure};
use crate::cli::terminal::{Style, Terminal};
use crate::cli::{Common, FindingArgs};

/// How many fields of a kind of finding are named on the screen.
const SHOWN_FIELDS: usize = 12;

/// How many lost fields are named; a report and `--json` have all.
const SHOWN_LOST: usize = 20;

/// How much to show and where.
pub struct Screen {
    /// Events and results as JSON on stdout.
    pub is_json: bool,
    /// Nothing but errors and results.
    pub is_quiet: bool,
    /// `-v`, counted.
    pub verbose: u8,
    has_progress: bool,
}

impl Screen {
    /// From the common options.
    pub fn new(common: &Common) -> Self {
        Self {
            is_json: common.json,
            is_quiet: common.quiet,
            verbose: common.verbose,
            has_progress: !common.quiet && !common.no_progress,
        }
    }

    /// For results and data.
    #[allow(
        clippy::unused_self,
        reason = "stdout is reached through the screen, so that it is easy to find who writes"
    )]
    pub fn out(&self) -> impl Write + use<> {
        anstream::stdout()
    }

    /// Whether a bar can be drawn on stderr.
    pub fn has_bar(&self) -> bool {
        self.has_progress && self.verbose == 0 && io::stderr().is_terminal()
    }

    /// Whether progress is wanted, as a bar or in lines.
    pub fn has_progress(&self) -> bool {
        self.has_progress
    }

    /// A line for the operator, unless `-q`.
    pub fn say(&self, text: &str) {
        if !self.is_quiet {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(anstream::stderr(), "{text}");
        }
    }

    /// Everybody who listens to a run.
    pub fn listeners(&self, args: &FindingArgs) -> Result<Listeners, Failure> {
        self.listeners_with(args, &Levels::default(), None)
    }

    /// Everybody who listens to a run of which there will be a report.
    pub fn listeners_with(
        &self,
        args: &FindingArgs,
        levels: &Levels,
        report: Option<&Arc<HtmlReport>>,
    ) -> Result<Listeners, Failure> {
        let tally = Arc::new(Tally::default());
        let terminal = Arc::new(Terminal::new(self.style()));
        let mut all: Vec<Arc<dyn Reporter>> = vec![Arc::<Tally>::clone(&tally), Arc::<Terminal>::clone(&terminal)];
        if self.is_json {
            all.push(Arc::new(JsonLines::new(io::stdout())));
        }
        all.extend(report.map(|report| Arc::<HtmlReport>::clone(report) as Arc<dyn Reporter>));
        let mut file = None;
        if let Some(path) = &args.findings {
            let created = FindingsFile::create(path).map_err(|cause| {
                Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", path.display()))
            })?;
            let created = Arc::new(created);
            all.push(Arc::<FindingsFile>::clone(&created));
            file = Some((created, path.display().to_string()));
        }
        Ok(Listeners { reporter: Arc::new(Chorus { reporters: all, levels: levels.clone() }), tally, terminal, file })
    }

    /// A listener for the indexing pass only.
    pub fn terminal(&self) -> Arc<Terminal> {
        Arc::new(Terminal::new(self.style()))
    }

    fn style(&self) -> Style {
        match (self.has_progress, io::stderr().is_terminal()) {
            _ if self.is_quiet => Style::Quiet,
            (false, _) => Style::Messages { verbose: self.verbose },
            // Log lines would tear a bar.
            (true, true) if self.verbose == 0 => Style::Bar,
            (true, _) => Style::Lines { verbose: self.verbose },
        }
    }

    /// Counts and samples of what was noticed, to stderr.
    pub fn show_findings(&self, counts: &Counts) {
        if self.is_quiet || (counts.kinds.is_empty() && counts.reasons.is_empty()) {
            return;
        }
        let _ = anstream::stderr().write_all(findings_text(counts).as_bytes());
    }

    /// Which fields are accounted for, to stderr; the lost ones by name.
    pub fn show_account(&self, account: &Account) {
        if !self.is_quiet && account.records() > 0 {
            let _ = anstream::stderr().write_all(account_text(account).as_bytes());
        }
    }

    /// The last line of a run, which adds up; as JSON the reporter has said it already.
    pub fn show_sums(&self, summary: &Summary) -> Result<(), Failure> {
        if !self.is_json {
            writeln!(self.out(), "{summary}")?;
        }
        Ok(())
    }
}

/// Those who listen to a run.
pub struct Listeners {
    /// All of them as one.
    pub reporter: Arc<dyn Reporter>,
    /// Adds up findings.
    pub tally: Arc<Tally>,
    /// Shows progress.
    pub terminal: Arc<Terminal>,
    file: Option<(Arc<FindingsFile>, String)>,
}

impl Listeners {
    /// Writes out the findings file.
    pub fn finish(&self) -> Result<(), Failure> {
        self.terminal.clear();
        match &self.file {
            Some((file, path)) => file
                .finish()
                .map_err(|cause| Failure::new(Exit::Stopped, format_args!("`{path}` cannot be written: {cause}"))),
            None => Ok(()),
        }
    }
}

/// What was noticed, worst first.
fn findings_text(counts: &Counts) -> String {
    use std::fmt::Write as _;

    use anstyle::{AnsiColor, Style};
    use foxferry::finding::{Severity, codes};

    let dim = Style::new().dimmed();
    let mut text = String::new();
    for ((outcome, reason), kind) in &counts.reasons {
        let (word, style) = match outcome {
            Outcome::Done => ("done", Style::new()),
            Outcome::Skipped => ("skipped", Style::new()),
            Outcome::Rejected => ("rejected", AnsiColor::Red.on_default()),
            Outcome::Dead => ("dead letter", AnsiColor::Red.on_default()),
        };
        let _ = writeln!(text, "{style}{word}{style:#} {}: {reason}", kind.count);
        show_samples(&mut text, kind, dim);
    }
    for (code, kind) in counts.worst_first() {
        let (word, style) = match kind.severity {
            Severity::Error => ("error", AnsiColor::Red.on_default()),
            Severity::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Severity::Info => ("info", AnsiColor::Cyan.on_default()),
        };
        let meaning = codes::ALL.iter().find(|(known, ..)| *known == code).map_or("", |(.., meaning)| meaning);
        let _ = writeln!(text, "{style}{word}{style:#} {} {code}: {meaning}", kind.count);
        if kind.fields.len() > 1 {
            let _ = writeln!(text, "    {}", fields_text(kind));
        }
        show_samples(&mut text, kind, dim);
    }
    text
}

/// How many fields are accounted for, and what the others hold.
fn account_text(account: &Account) -> String {
    use std::fmt::Write as _;

    let [used, ignored, lost] = account.counts();
    let error = anstyle::AnsiColor::Red.on_default();
    let mut text = format!("fields: {used} used, {ignored} ignored with a reason, {lost} lost\n");
    let mut fields: Vec<_> = account.fields().filter(|(_, field)| field.fate == Fate::Lost).collect();
    fields.sort_by_key(|(path, field)| (std::cmp::Reverse(field.records), *path));
    for (path, field) in fields.iter().take(SHOWN_LOST) {
        let about = if field.distinct.is_estimate() { "about " } else { "" };
        let values: Vec<String> = field
            .values
            .most_frequent()
            .into_iter()
            .take(SHOWN_FIELDS)
            .map(|(value, count)| format!("{} {count}", shortened(value)))
            .collect();
        let values = if values.is_empty() { field.sample.clone() } else { values.join(", ") };
        let place = field.origin.as_ref().map(|origin| format!("; for example at {origin}")).unwrap_or_default();
        let records = counted(field.records, "record");
        let distinct = counted(field.distinct.count(), "value");
        let line = shortened(&format!("{path}: {records}, {about}{distinct}: {values}{place}"));
        let _ = writeln!(text, "    {error}lost{error:#} {line}");
    }
    if fields.len() > SHOWN_LOST {
        let _ = writeln!(text, "    … and {} more", fields.len() - SHOWN_LOST);
    }
    text
}

/// Which fields a kind of finding is about, most frequent first.
fn fields_text(kind: &foxferry::report::tally::Kind) -> String {
    let all = kind.most_frequent_fields();
    let shown: Vec<String> =
        all.iter().take(SHOWN_FIELDS).map(|(field, count)| format!("`{}` {count}", shortened(field))).collect();
    let rest = all.len().saturating_sub(SHOWN_FIELDS);
    let rest = if rest > 0 { format!(", and {rest} more fields") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}

fn show_samples(text: &mut String, kind: &foxferry::report::tally::Kind, dim: anstyle::Style) {
    use std::fmt::Write as _;
    for sample in &kind.samples {
        let _ = writeln!(text, "    {dim}{}{dim:#}", shortened(&sample.to_string()));
    }
    let shown = kind.samples.len() as u64;
    if kind.count > shown {
        let _ = writeln!(text, "    {dim}… and {} more{dim:#}", kind.count - shown);
    }
}

#[cfg(test)]
mod tests {
    use foxferry::finding::{Finding, codes};
    use foxferry::report::Event;

    use super::*;

    #[test]
    fn findings_are_shown_worst_first_with_samples() {
        let tally = Tally::default();
        for n in 0..5 {
            tally.event(&Event::Finding(&Finding::new(codes::READ_DUPLICATE, format!("copy {n}"))));
        }
        tally.event(&Event::Finding(&Finding::new(codes::ATTACHMENT_MISSING, "a.pdf")));
        let text = anstream::adapter::strip_str(&findings_text(&tally.counts())).to_string();
        assert_eq!(
            text,
            "error 1 attachment-missing: An attachment has no bytes in the archive; a visible line names it\n    a.pdf\n\
             info 5 read-duplicate: The archive holds something twice; one copy counts\n    copy 0\n    copy 1\n    copy 2\n    … and 2 more\n"
        );
    }
}
