//! The journal and the FreeScout that it belongs to, for commands that look at what was carried.

use std::collections::HashSet;
use std::path::PathBuf;

use clap::Args;
use foxferry::freescout::{Client, Directory};
use foxferry::journal::{Identity, Reader};
use tokio::runtime::Runtime;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{JournalArgs, journals, settings};
use crate::env;

/// Where a journal's conversations are.
#[derive(Debug, Args)]
pub struct CarriedArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// The FreeScout, with or without `/api` [env: FREESCOUT_URL; default: the journal's target]
    #[arg(long, value_name = "URL", help_heading = "Target")]
    url: Option<String>,
    /// File that holds the API key [or env: FREESCOUT_API_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) of a private authority to trust beside the system's
    #[arg(long, value_name = "FILE", help_heading = "Target")]
    ca_file: Option<PathBuf>,
    /// At most N requests in flight
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u16).range(1..=256), help_heading = "Target")]
    concurrency: u16,
}

/// What they name.
pub struct Target {
    /// The journal, for reading.
    pub journal: Reader,
    /// Whose it is.
    pub identity: Identity,
    /// Its FreeScout.
    pub client: Client,
}

/// Says how many of the ids that were asked for were never carried.
pub fn say_unknown(only: &HashSet<String>, found: u64, screen: &Screen) {
    let unknown = (only.len() as u64).saturating_sub(found);
    if unknown > 0 {
        screen.say(&format!(
            "{unknown} of the ids named by `--only` are of no record that was carried; `foxferry ledger` lists all"
        ));
    }
}

impl CarriedArgs {
    /// How many requests may be in flight.
    pub fn concurrency(&self) -> usize {
        usize::from(self.concurrency)
    }

    /// Opens the journal, and makes sure that the FreeScout is its own and answers.
    pub fn open(&self, runtime: &Runtime) -> Result<Target, Failure> {
        let journal = journals::open(&self.journal)?;
        let identity = journal.identity().map_err(|error| journals::failure_of(&error))?;
        let named = self.url.clone().or(settings::variable(env::URL)?).unwrap_or_else(|| identity.target.clone());
        let place =
            settings::Place { url: Some(&named), key_file: self.key_file.as_deref(), ca_file: self.ca_file.as_deref() };
        let Some(server) = settings::Server::choose(&place)? else {
            return Err(Failure::new(Exit::Usage, "there is no FreeScout to read from").hint("name it with `--url`"));
        };
        let client = server.client(self.concurrency())?;
        if client.shown_url() != identity.target {
            let (path, mine, other) = (journal.path().display(), &identity.target, client.shown_url());
            let what = format!("the journal `{path}` belongs to {mine}, not to {other}");
            return Err(Failure::new(Exit::Stopped, what)
                .hint("name the target it belongs to with `--url`, or another journal with `--journal`"));
        }
        // The first answer tells what kind of place it is.
        runtime.block_on(Directory::fetch(&client)).map_err(|error| settings::failure_of(&error))?;
        Ok(Target { journal, identity, client })
    }
}
