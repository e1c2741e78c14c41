//! `foxferry restore`: a backup into a FreeScout.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use foxferry::backup::restore::SOURCE;
use foxferry::backup::{BackupError, Restoration, RestoreError, Wanted};
use foxferry::freescout::{Client, Directory};
use foxferry::journal::{Identity, Journal};
use foxferry::report::Event;
use foxferry::sandbox::{self, Sandbox};
use foxferry::source::Order;
use foxferry::upload::{self, Stop};
use serde_json::json;
use std::io::Write as _;
use tokio::runtime::Runtime;

use crate::cli::agents::{self, Missing};
use crate::cli::backup::View;
use crate::cli::exit::{Exit, Failure};
use crate::cli::identity::IdentityArgs;
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Listeners, Screen, shortened};
use crate::cli::settings::{self, Destination};
use crate::cli::{
    FindingArgs, LevelArgs, SelectionArgs, TargetArgs, archive, backup, browse, import, journals, outcomes,
};

pub const EXAMPLES: &str = "\
Examples:
  foxferry restore /srv/backup --sandbox
  foxferry restore /srv/backup --sandbox --open
  foxferry restore /srv/backup --url https://help.example.org --key-file key.txt --create-users
  foxferry restore /srv/backup --snapshot 2026-11-22 --url https://help.example.org --only 4711 4712
  foxferry restore /srv/backup --url https://new.example.org --mailbox-map old@example.org=new@example.org

Mailboxes and custom fields must be there; they are matched by address and name, and nothing is sent while a mailbox is
missing. Nothing that is in the target already is changed, and nobody is mailed. The same command again goes on
where the last run stopped. What FreeScout's API cannot set is in docs/backup.md and among the findings; `foxferry ledger`
prints the table of old and new ids. Conversations get new numbers.

Exit codes: 0 everything is restored; 3 some conversations or customers are not; 4 it could not go on; 5 the folder is
no backup, or the target lacks mailboxes; 130 interrupted, and the next run goes on.";

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    which: WhichArgs,
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
    levels: LevelArgs,
    /// Put conversations of mailbox OLD into mailbox NEW; each is an address or name; can be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    mailbox_map: Vec<(String, String)>,
    /// Make the users whom the target lacks: plain ones without access to a mailbox, who are not invited
    #[arg(long)]
    create_users: bool,
    /// The journal that remembers what is done [default: NAME.ferry in the current folder; with --sandbox a temporary one]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// For tests: how many seconds a look-up waits at least before it believes that something is absent
    #[arg(long, value_name = "SECONDS", hide = true, value_parser = import::seconds)]
    settle: Option<f64>,
}

/// Which part of which snapshot.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which part of the backup")]
pub struct WhichArgs {
    /// The snapshot: its name or the beginning of it
    #[arg(long, value_name = "NAME", default_value = "latest")]
    pub snapshot: String,
    /// Only this mailbox, by address or name; can be repeated
    #[arg(long = "mailbox", value_name = "MAILBOX")]
    pub mailboxes: Vec<String>,
    /// Restore deleted conversations too that lay in their folder still: as closed ones
    #[arg(long)]
    pub deleted: bool,
    #[command(flatten)]
    identity: IdentityArgs,
}

fn renaming(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').map(|(old, new)| (old.trim(), new.trim()));
    let parts = parts.filter(|(old, new)| !old.is_empty() && !new.is_empty());
    let (old, new) = parts.ok_or("expected two mailboxes, such as `old@example.org=new@example.org`")?;
    Ok((old.to_owned(), new.to_owned()))
}

/// Looks a snapshot over.
pub fn prepare(
    dir: &std::path::Path,
    which: &WhichArgs,
    selection: &SelectionArgs,
    renamed: &[(String, String)],
    interrupt: &Interrupt,
) -> Result<Restoration, Failure> {
    let folder = which.identity.open(dir)?;
    let snapshot = folder.snapshot(&which.snapshot).map_err(|error| backup::failure_of(&error))?;
    let wanted = Wanted {
        records: archive::selection(selection),
        mailboxes: which.mailboxes.clone(),
        renamed: renamed.to_vec(),
        with_deleted: which.deleted,
        is_newest_first: selection.order == Order::Newest,
    };
    Restoration::prepare(&snapshot, wanted, || interrupt.flow()).map_err(|error| failure_of(&error))
}

/// Everything that the steps of a restore share.
struct Run<'a> {
    args: &'a Restore,
    screen: &'a Screen,
    runtime: Runtime,
    stop: Stop,
    restoration: Restoration,
    listeners: Listeners,
    journal: PathBuf,
}

/// Restores, and says how it went.
pub fn run(args: &Restore, screen: &Screen) -> Result<Exit, Failure> {
    let destination = Destination::choose(&args.target)?;
    let runtime = interrupt::runtime()?;
    let stop = Stop::new();
    let asked = stop.clone();
    let interrupt = Interrupt::listen(&runtime, move |times| if times == 1 { asked.ask() } else { asked.now() })?;
    let restoration = prepare(&args.dir, &args.which, &args.selection, &args.mailbox_map, &interrupt)?;
    let listeners = screen.listeners_with(&args.findings, &args.levels.levels(), None)?;
    // Kept to the end: a rehearsal leaves nothing behind.
    let rehearsal = match (&destination, &args.journal) {
        (Destination::Sandbox, None) => Some(temporary_folder(None)?),
        _ => None,
    };
    let journal = match (&rehearsal, &args.journal) {
        (Some(folder), _) => folder.path().join("rehearsal.ferry"),
        (None, Some(path)) => path.clone(),
        (None, None) => journals::path_for(&args.dir),
    };
    let run = Run { args, screen, runtime, stop, restoration, listeners, journal };
    let ended = match destination {
        Destination::Server(server) => {
            let client = server.client(usize::from(args.target.concurrency))?;
            run.send(&client, None)
        }
        Destination::Sandbox => run.rehearse(),
    };
    // The bar goes away before an error is printed.
    run.listeners.finish()?;
    ended
}

/// A folder that is gone when it is dropped.
pub fn temporary_folder(scratch: Option<&std::path::Path>) -> Result<tempfile::TempDir, Failure> {
    let scratch = scratch.map_or_else(std::env::temp_dir, std::path::Path::to_path_buf);
    tempfile::tempdir_in(&scratch).map_err(|cause| {
        Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", scratch.display()))
    })
}

impl Run<'_> {
    /// Starts a sandbox that holds the mailboxes, users and fields of the backup, and restores into it.
    fn rehearse(&self) -> Result<Exit, Failure> {
        let fixture = self.restoration.fixture().map_err(|error| failure_of(&error))?;
        let options = sandbox::Options { fixture, ..sandbox::Options::default() };
        let sandbox = self
            .runtime
            .block_on(sandbox::start(options))
            .map_err(|cause| Failure::new(Exit::Stopped, format_args!("the sandbox cannot start: {cause}")))?;
        let client = settings::Server::sandbox(sandbox.url(), sandbox.key())
            .client(usize::from(self.args.target.concurrency))?;
        let ended = self.send(&client, Some(&sandbox))?;
        if !self.args.open {
            return Ok(ended);
        }
        Ok(browse::hold(ended, &self.runtime, &self.stop, &sandbox, self.screen))
    }

    /// Asks the target what it is.
    fn fetch(&self, client: &Client) -> Result<Directory, Failure> {
        self.runtime.block_on(async {
            tokio::select! {
                fetched = Directory::fetch(client) => fetched.map_err(|error| settings::failure_of(&error)),
                () = self.stop.asked() => Err(failure_of(&RestoreError::Interrupted)),
            }
        })
    }

    fn send(&self, client: &Client, sandbox: Option<&Sandbox>) -> Result<Exit, Failure> {
        let mut directory = self.fetch(client)?;
        let restoration = &self.restoration;
        // Before users are made: a restore that cannot be done changes nothing.
        restoration.mailboxes(&directory).map_err(|error| failure_of(&error))?;
        if restoration.conversations() > 0 && directory.users.is_empty() && !self.args.create_users {
            return Err(Failure::new(Exit::Unusable, "the target has no user who could be credited with a reply"));
        }
        let identity = Identity { target: client.shown_url().to_owned(), source: SOURCE.to_owned() };
        let journal = Journal::open(&self.journal, &identity).map_err(|error| journals::failure_of(&error))?;
        let _announced = journals::announce_target(&identity.target);
        let reporter = &self.listeners.reporter;
        let mut created = Vec::new();
        if self.args.create_users && !restoration.missing_users(&directory).is_empty() {
            let missing: Vec<Missing> = restoration.missing_users(&directory).into_iter().map(Missing::of).collect();
            created = self.runtime.block_on(agents::create(client, &missing, &**reporter, &self.stop))?;
            directory = self.fetch(client)?;
        }
        reporter.event(&Event::Target {
            url: client.shown_url(),
            mailboxes: directory.mailboxes.len(),
            users: directory.users.len(),
        });
        self.tell_missing_users(&directory);
        if sandbox.is_none() {
            import::warn_of_automation(self.screen, &**reporter);
        }
        let defaults = upload::Options::default();
        let settle = self.args.settle;
        let options = upload::Options {
            concurrency: usize::from(self.args.target.concurrency),
            rate: self.args.target.rate,
            window: self.args.target.window.clone(),
            settle: settle.map_or(defaults.settle, Duration::from_secs_f64),
            sweep_after: settle.map_or(defaults.sweep_after, |settle| Duration::from_secs_f64(6.0 * settle)),
            levels: self.args.levels.levels(),
            command: format!("restore {} --snapshot {}", self.args.dir.display(), restoration.snapshot().name()),
            ..defaults
        };
        let view = Arc::new(View::new(self.screen));
        let shown = Arc::clone(&view);
        let of = restoration.customers();
        let customers = self.runtime.block_on(restoration.send_customers(
            client,
            &directory,
            &journal,
            &options,
            Arc::clone(reporter),
            &self.stop,
            Arc::new(move |done| shown.moved("customers", done, of)),
        ));
        view.clear();
        let customers = customers.map_err(|error| failure_of(&error))?;
        let (made, refused) = (customers.customers, customers.dead);
        let found = customers.done - made.min(customers.done);
        if self.screen.is_json {
            let event = json!({"event": "customers", "made": made, "found": found, "refused": refused});
            writeln!(self.screen.out(), "{event}")?;
        } else {
            let also = if refused > 0 { format!(", {refused} refused") } else { String::new() };
            self.screen.say(&format!("customers: {made} made, {found} there already{also}"));
        }
        self.listeners.terminal.expect(Some(restoration.conversations()));
        reporter.event(&Event::Opened { format: SOURCE, records: restoration.conversations() });
        let sums = self.runtime.block_on(restoration.send_conversations(
            client,
            &directory,
            &journal,
            &options,
            Arc::clone(reporter),
            &self.stop,
        ));
        let sums = sums.map_err(|error| failure_of(&error))?;
        self.listeners.finish()?;
        agents::remind(&created, self.screen);
        let exit = outcomes::close(self.screen, &self.listeners, &sums, sandbox)?;
        Ok(if exit == Exit::Done && refused > 0 { Exit::Incomplete } else { exit })
    }

    fn tell_missing_users(&self, directory: &Directory) {
        const SHOWN: usize = 20;
        let missing = self.restoration.missing_users(directory);
        if missing.is_empty() {
            return;
        }
        let names: Vec<_> = missing.iter().take(SHOWN).map(|user| format!("`{}`", shortened(&user.email))).collect();
        let rest = if missing.len() > SHOWN { ", …" } else { "" };
        self.screen.say(&format!(
            "warning: {} users of the backup are not in the target: {}{rest}; what they wrote is credited to the first \
             administrator and names them, and what they were assigned to is unassigned (`--create-users` makes them)",
            missing.len(),
            names.join(", ")
        ));
    }
}

/// Why a backup cannot be restored, with advice.
pub fn failure_of(error: &RestoreError) -> Failure {
    match error {
        RestoreError::Backup(error @ BackupError::Unreadable { .. }) => {
            backup::failure_of(error).hint("`foxferry backup verify DIR` says what else is damaged")
        }
        RestoreError::Backup(error) => backup::failure_of(error),
        RestoreError::NotInBackup { .. } => Failure::of(Exit::Usage, error),
        RestoreError::NoMailboxes { .. } => Failure::of(Exit::Unusable, error).hint(
            "make them in FreeScout, or name others with `--mailbox-map OLD=NEW`; `--mailbox` restores some only. Nothing was sent",
        ),
        RestoreError::OtherBackup { .. } => {
            Failure::of(Exit::Stopped, error).hint("each backup needs a journal of its own; name another with `--journal`")
        }
        RestoreError::Journal(cause) => journals::failure_of(cause),
        RestoreError::Target(cause) => settings::failure_of(cause),
        RestoreError::Upload(cause) => import::failure_of(cause),
        RestoreError::Interrupted => Failure::of(Exit::Interrupted, error),
        RestoreError::Bug { .. } => {
            Failure::of(Exit::Stopped, error).hint("please report it; the journal is in order and the same command goes on")
        }
        _ => Failure::of(Exit::Stopped, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_mailboxes_table() {
        for (text, expected) in [
            ("old@x.org=new@x.org", Some(("old@x.org", "new@x.org"))),
            (" Old = New ", Some(("Old", "New"))),
            ("old", None),
            ("=new", None),
            ("old=", None),
        ] {
            let expected = expected.map(|(old, new)| (old.to_owned(), new.to_owned()));
            assert_eq!(renaming(text).ok(), expected, "{text}");
        }
    }
}
