//! Who a backup is encrypted to, and who opens it.

use std::path::{Path, PathBuf};

use clap::Args;
use foxferry::backup::{Backup, KeyError, Keys};

use crate::cli::backup::failure_of;
use crate::cli::exit::{Exit, Failure};
use crate::cli::settings;
use crate::env;

/// Who opens an encrypted backup.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Encryption")]
pub struct IdentityArgs {
    /// File with the age identity that opens an encrypted backup, as `age-keygen` writes it [env: FOXFERRY_IDENTITY names it]
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
}

/// Who a new backup is encrypted to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Encryption")]
pub struct RecipientArgs {
    /// Encrypt a new backup to this age recipient (`age1…`); can be repeated; needs the identity of one of them, each night
    #[arg(long, value_name = "RECIPIENT")]
    encrypt_to: Vec<String>,
    /// Encrypt a new backup to the recipients in this file, one a line; can be repeated
    #[arg(long, value_name = "FILE")]
    recipients_file: Vec<PathBuf>,
}

fn failed(error: &KeyError) -> Failure {
    let failure = Failure::of(Exit::Usage, error);
    match error {
        KeyError::NotAnIdentity { .. } => failure.hint(
            "`age-keygen -o FILE` writes such a file; one that has a passphrase has to be opened with `age -d` before",
        ),
        KeyError::NotARecipient { .. } | KeyError::NotARecipientLine { .. } => failure
            .hint("`age-keygen -y FILE` prints the recipient of an identity; keys of SSH and of plugins are not taken"),
        _ => failure,
    }
}

/// Adds the identities that an option or the environment names.
fn with_identities(keys: Keys, named: Option<&Path>) -> Result<Keys, Failure> {
    let named = match named {
        Some(path) => Some(path.to_path_buf()),
        None => settings::variable(env::IDENTITY)?.map(PathBuf::from),
    };
    match named {
        Some(path) => keys.with_identities(&path).map_err(|error| failed(&error)),
        None => Ok(keys),
    }
}

impl IdentityArgs {
    /// An existing backup that can be read.
    pub fn open(&self, dir: &Path) -> Result<Backup, Failure> {
        let backup = self.open_closed(dir)?;
        backup.unlocked().map_err(|error| failure_of(&error))?;
        Ok(backup)
    }

    /// An existing backup, with whoever can open it, if anybody is named.
    pub fn open_closed(&self, dir: &Path) -> Result<Backup, Failure> {
        let backup = Backup::open(dir).map_err(|error| failure_of(&error))?;
        if !backup.is_encrypted() {
            return Ok(backup);
        }
        let keys = with_identities(Keys::default(), self.identity.as_deref())?;
        backup.with_identities(&keys).map_err(|error| failure_of(&error))
    }

    /// A backup that exists or is made, for these recipients.
    pub fn open_or_create(&self, dir: &Path, recipients: &RecipientArgs) -> Result<Backup, Failure> {
        let keys = Keys::of_recipients(&recipients.encrypt_to, &recipients.recipients_file);
        let mut keys = keys.map_err(|error| failed(&error))?;
        if keys.is_encrypted() || Backup::open(dir).is_ok_and(|backup| backup.is_encrypted()) {
            keys = with_identities(keys, self.identity.as_deref())?;
        }
        Backup::open_or_create_for(dir, &keys).map_err(|error| failure_of(&error))
    }
}

/// Whoever the environment names, for commands that take any archive.
pub fn of_environment() -> Result<Keys, Failure> {
    with_identities(Keys::default(), None)
}
