//! `--report FILE`: the report of a command, opened before its work and written after it, however that ended.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use foxferry::holdings::Head;
use foxferry::mapping::Mapping;
use foxferry::report::html::{About, Ending, HtmlReport};

use crate::cli::archive::Archive;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{ArchiveArgs, SelectionArgs};

/// Where the report goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Findings")]
pub struct ReportArgs {
    /// Write a report to FILE, one HTML page that stands by itself: totals, charts, findings with places, people, forecast
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// A report that will be written; without `--report` nothing is.
pub struct Report {
    html: Option<Arc<HtmlReport>>,
    shown: String,
}

impl Report {
    /// Makes sure that the file can be written, before anything else is done.
    pub fn open(args: &ReportArgs, command: &'static str, archive: &ArchiveArgs) -> Result<Self, Failure> {
        let Some(path) = &args.report else { return Ok(Self { html: None, shown: String::new() }) };
        let shown = path.display().to_string();
        let mut about = About::new(command);
        about.archive = archive.archives.iter().map(|path| path.display().to_string()).collect();
        let html = HtmlReport::create(path, about).map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("the report `{shown}` cannot be written: {cause}"))
        })?;
        Ok(Self { html: Some(Arc::new(html)), shown })
    }

    /// The listener, if there is one.
    pub fn listener(&self) -> Option<&Arc<HtmlReport>> {
        self.html.as_ref()
    }

    /// Changes what the report says of the run.
    pub fn about(&self, change: impl FnOnce(&mut About)) {
        if let Some(html) = &self.html {
            html.about(change);
        }
    }

    /// Writes the report of a run that ended so, and hands on how it ended.
    ///
    /// A report that cannot be written is an error of its own only where there is no other.
    pub fn close(self, ended: Result<Exit, Failure>) -> Result<Exit, Failure> {
        let Some(html) = self.html else { return ended };
        let ending = match &ended {
            Ok(Exit::Interrupted) => Ending::Interrupted,
            Err(failure) if failure.exit == Exit::Interrupted => Ending::Interrupted,
            // Nobody reads the output any more, which says nothing about the run.
            Err(failure) if failure.is_quiet() => Ending::Finished,
            Err(failure) => Ending::Failed(failure.text().to_owned()),
            Ok(_) => Ending::Finished,
        };
        let written = html.finish(&ending);
        let exit = ended?;
        written.map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("the report `{}` cannot be written: {cause}", self.shown))
        })?;
        Ok(exit)
    }
}

/// What an archive is as a whole.
pub fn head_of(archive: &Archive) -> Head {
    Head { format: archive.source.name(), files: archive.input.files().len(), bytes: archive.input.bytes() }
}

/// Adds which mapping was used.
pub fn add_mapping(about: &mut About, mapping: &Mapping) {
    about.settings.push(("mapping".to_owned(), mapping.file().to_owned()));
    about.settings.push(("hash of the mapping".to_owned(), mapping.hash().to_hex().to_string()));
}

/// Adds the options that say how an archive is read, and what of it.
pub fn add_options(about: &mut About, archive: &ArchiveArgs, selection: Option<&SelectionArgs>) {
    let mut add = |name: &str, value: Option<String>| {
        about.settings.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("--format", archive.format.clone());
    let Some(it) = selection else { return };
    add("--limit", it.limit.map(|limit| limit.to_string()));
    add("--since", it.since.map(|time| time.to_string()));
    add("--until", it.until.map(|time| time.to_string()));
    add("--only", (!it.only.is_empty()).then(|| it.only.join(", ")));
    add("--order", Some(format!("{:?}", it.order).to_lowercase()));
}
