//! `foxferry letters --bundle`: one record as a small archive that others may see.

use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use foxferry::source::Order;

use crate::cli::archive::Archive;
use crate::cli::cases::key;
use crate::cli::check::leave_at_the_second;
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::Screen;
use crate::cli::{ArchiveArgs, format_name};

/// What a bundle is made of.
#[derive(Debug, Args)]
#[command(next_help_heading = "Showing one to others")]
pub struct BundleArgs {
    /// Print the record with this id of the old system as a small archive (records, docs/records.md), its people and texts
    /// replaced; needs the ARCHIVE that it came from
    #[arg(long, value_name = "ID", requires = "archives", conflicts_with_all = ["dead", "rejected", "reason", "only"])]
    bundle: Option<String>,
    /// With --bundle: files or folders of the archive
    #[arg(value_name = "ARCHIVE", requires = "bundle")]
    archives: Vec<PathBuf>,
    /// With --bundle: the archive's format, when detection is not wanted
    #[arg(long, value_name = "NAME", value_parser = format_name, requires = "bundle")]
    format: Option<String>,
    /// With --bundle: the mapping, whose words stay as they are [default: the built-in for the format]
    #[arg(short, long, value_name = "FILE-or-NAME", requires = "bundle")]
    mapping: Option<String>,
}

impl BundleArgs {
    /// Which record is wanted, if any.
    pub fn record(&self) -> Option<&str> {
        self.bundle.as_deref()
    }

    /// Prints the record; `why` is what became of it, for those who are to help.
    pub fn print(&self, id: &str, why: Option<&str>, screen: &Screen) -> Result<Exit, Failure> {
        let runtime = interrupt::runtime()?;
        let interrupt = Interrupt::listen(&runtime, leave_at_the_second)?;
        let args = ArchiveArgs {
            archives: self.archives.clone(),
            format: self.format.clone(),
            mapping: self.mapping.clone(),
            scratch: None,
            files: None,
        };
        let archive = Archive::open(&args, screen, &interrupt)?;
        let mapping = archive.mapping(&args)?;
        let terminal = screen.terminal();
        let reader = archive.read(mapping.shape(), Order::Archive, None, &*terminal, &interrupt)?;
        for item in reader {
            if interrupt.is_asked() {
                terminal.clear();
                return Err(Failure::new(Exit::Interrupted, "interrupted"));
            }
            let is_meant = |found: &foxferry::record::RecordId| found.original == id || found.to_string() == id;
            let record = match item {
                Ok(record) if is_meant(&record.id) => record,
                Err(error) if error.record_id().is_some_and(is_meant) => {
                    terminal.clear();
                    let what = format!("the archive's record cannot be read, so that nothing can be printed: {error}");
                    return Err(Failure::new(Exit::Incomplete, what));
                }
                _ => continue,
            };
            terminal.clear();
            let mut out = screen.out();
            foxferry::record::json::write(&mapping.anonymiser(key()).record(record), &mut out)?;
            out.flush()?;
            let name = self.mapping.as_deref().unwrap_or(mapping.source());
            if let Some(why) = why {
                screen.say(&format!("what became of it: {}", crate::cli::screen::shortened(why)));
            }
            screen.say(&format!("as a file: foxferry import FILE --format records -m {name} --sandbox"));
            screen.say("hint: no machine knows every name: look through it before you give it to anybody");
            return Ok(Exit::Done);
        }
        terminal.clear();
        Err(Failure::new(Exit::Incomplete, format_args!("`{}` has no record `{id}`", archive.shown)))
    }
}
