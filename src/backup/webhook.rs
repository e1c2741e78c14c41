//! The webhook at FreeScout: made, remembered, and removed however a run ends.
//!
//! The API has no list of webhooks, so an id that is lost can never be removed through it. Before a webhook is asked for,
//! its address is written down; when FreeScout has named its id, that too. A run that finds such a note removes the
//! webhook. Where the answer was lost nobody knows the id, and the operator is told the address instead: each has a mark
//! of its own, so that it can be told apart in FreeScout's list.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::calls::MARK;
use super::run::Progress;
use super::{Backup, BackupError, format};
use crate::freescout::{Client, NewWebhook, Verdict};
use crate::upload::Stop;

/// Everything that names a conversation or customer. FreeScout passes over those that its version does not know.
const EVENTS: [&str; 12] = [
    "convo.assigned",
    "convo.created",
    "convo.deleted",
    "convo.deleted_forever",
    "convo.restored",
    "convo.moved",
    "convo.status",
    "convo.customer.reply.created",
    "convo.agent.reply.created",
    "convo.note.created",
    "customer.created",
    "customer.updated",
];

/// The longest address that FreeScout stores (`freescout-behaviour.md`, section 11).
pub(super) const LONGEST_URL: usize = 255;

/// How often a webhook is asked for.
const TRIES: u32 = 5;

/// How long removing it may take at the end.
const FAREWELL: Duration = Duration::from_secs(15);

/// A webhook that may be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    target: String,
    url: String,
    /// `None`: asked for and never answered.
    id: Option<u64>,
}

/// What is known of webhooks, in the folder of the backup.
struct Memory {
    path: PathBuf,
    left: Vec<Left>,
}

impl Memory {
    fn open(backup: &Backup) -> Result<Self, BackupError> {
        let path = backup.work().join("webhooks.json");
        let left = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|cause| BackupError::Unreadable { path: path.clone(), cause: io::Error::other(cause) })?,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(cause) => return Err(BackupError::Unreadable { path, cause }),
        };
        Ok(Self { path, left })
    }

    fn save(&self) -> Result<(), BackupError> {
        let saved = if self.left.is_empty() {
            match fs::remove_file(&self.path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
                _ => Ok(()),
            }
        } else {
            let text = serde_json::to_string(&self.left).map_err(io::Error::other);
            text.and_then(|text| format::write_whole(&self.path, text.as_bytes()))
        };
        saved.map_err(BackupError::unwritable(&self.path))
    }
}

/// What to tell of a webhook that may or may not be there.
fn unanswered(url: &str) -> String {
    format!(
        "FreeScout never answered whether it made the webhook `{url}`; if it is in the list under Manage » API & Webhooks, \
         remove it there: the API has no list of webhooks"
    )
}

/// Removes webhooks that earlier runs have left at this target, and tells of those whose id is not known.
///
/// Needs the backup's [lock](Backup::lock). One that cannot be removed now is told of and kept for the next run.
pub async fn remove_left(backup: &Backup, client: &Client, tell: &dyn Fn(Progress<'_>)) -> Result<(), BackupError> {
    let mut memory = Memory::open(backup)?;
    let mut stays = Vec::new();
    for left in std::mem::take(&mut memory.left) {
        if left.target != client.shown_url() {
            stays.push(left);
            continue;
        }
        let Some(id) = left.id else {
            tell(Progress::Warning(&unanswered(&left.url)));
            continue;
        };
        if let Err(error) = client.delete_webhook(id).await {
            tell(Progress::Warning(&format!(
                "webhook {id} of an earlier run (`{}`) cannot be removed now, the next run tries again: {error}",
                left.url
            )));
            stays.push(left);
        }
    }
    memory.left = stays;
    memory.save()
}

/// A webhook that was made by this run.
pub(super) struct Webhook {
    memory: Memory,
    id: u64,
    url: String,
    /// What tells its calls from those of others.
    pub mark: String,
}

impl Webhook {
    /// Asks FreeScout to call an address that begins so. `None`: there is none, and somebody has asked to stop.
    pub async fn create(
        backup: &Backup,
        client: &Client,
        public_url: &str,
        stop: &Stop,
        tell: &dyn Fn(Progress<'_>),
    ) -> Result<Option<Self>, BackupError> {
        let mut memory = Memory::open(backup)?;
        let mut tries = 0;
        loop {
            tries += 1;
            let mark: String = (0..8).map(|_| fastrand::digit(16)).collect();
            let url = marked(public_url, &mark);
            memory.left.push(Left { target: client.shown_url().to_owned(), url: url.clone(), id: None });
            memory.save()?;
            let new = NewWebhook { url: url.clone(), events: EVENTS.iter().map(|event| (*event).to_owned()).collect() };
            let error = match client.create_webhook(&new).await {
                Ok(made) => {
                    if let Some(left) = memory.left.last_mut() {
                        left.id = Some(made.id);
                    }
                    memory.save()?;
                    return Ok(Some(Self { memory, id: made.id, url, mark }));
                }
                Err(error) => error,
            };
            let verdict = error.verdict();
            if verdict == Verdict::Unknown {
                // It may be there. Another one beside it does no harm, and none at all would.
                tell(Progress::Warning(&unanswered(&url)));
            } else {
                memory.left.pop();
                memory.save()?;
            }
            let pause = match verdict {
                Verdict::Throttled { retry_after } => retry_after.unwrap_or(Duration::from_secs(2)),
                Verdict::Transient | Verdict::Unknown => Duration::from_millis(200 << tries),
                Verdict::Refused | Verdict::Unauthorised => return Err(BackupError::of_api(error)),
            };
            if tries == TRIES {
                return Err(BackupError::of_api(error));
            }
            tokio::select! {
                biased;
                () = stop.asked() => return Ok(None),
                () = tokio::time::sleep(pause.min(Duration::from_secs(60))) => {}
            }
        }
    }

    /// Removes it; tells when that did not work.
    pub async fn remove(mut self, client: &Client, tell: &dyn Fn(Progress<'_>)) -> Result<(), BackupError> {
        let (id, url) = (self.id, &self.url);
        let removal = async {
            let mut tries = 0;
            loop {
                match client.delete_webhook(id).await {
                    Ok(_) => return Ok(()),
                    Err(error) if matches!(error.verdict(), Verdict::Refused | Verdict::Unauthorised) => {
                        return Err(error.to_string());
                    }
                    Err(_) => {
                        tries += 1;
                        tokio::time::sleep(Duration::from_millis(200 << tries.min(4))).await;
                    }
                }
            }
        };
        let removed = tokio::time::timeout(FAREWELL, removal).await;
        match removed.unwrap_or_else(|_| Err("FreeScout does not answer".to_owned())) {
            Ok(()) => {
                self.memory.left.retain(|left| left.id != Some(id));
                self.memory.save()
            }
            Err(why) => {
                tell(Progress::Warning(&format!(
                    "webhook {id} (`{url}`) could not be removed: {why}; the next run tries again, or remove it under \
                     Manage » API & Webhooks"
                )));
                Ok(())
            }
        }
    }
}

/// An address with a mark of its own.
fn marked(public_url: &str, mark: &str) -> String {
    let sign = if public_url.contains('?') { '&' } else { '?' };
    format!("{public_url}{sign}{MARK}={mark}")
}

/// Whether FreeScout stores an address of this length without cutting it.
pub(super) fn fits(public_url: &str) -> bool {
    marked(public_url, "01234567").len() <= LONGEST_URL
}
