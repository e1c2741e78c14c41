//! A restore that proves itself: into a sandbox, copied from there, and compared with the backup.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::compare::{Compared, Fate, compare};
use super::restore::{self, Restoration, RestoreError};
use super::{Backup, Ended, Options};
use crate::freescout::{Client, Directory, Target};
use crate::journal::{Identity, Journal};
use crate::report::{Outcome, Reporter, Summary};
use crate::sandbox;
use crate::upload::{self, Stop};

/// What a drill has found.
#[derive(Debug, Clone)]
pub struct Drilled {
    /// What became of the customers.
    pub customers: Summary,
    /// What became of the conversations.
    pub summary: Summary,
    /// What reads back otherwise; nothing if the operator has stopped it.
    pub compared: Compared,
    /// Mails that a real FreeScout would have queued. Anything but 0 is a defect.
    pub mails: u64,
}

/// Restores into a sandbox of this process, copies that into `scratch`, and compares. All customers are compared if all
/// conversations were wanted.
///
/// The sandbox keeps everything in memory but attachments; `scratch` gets a copy of everything.
///
/// # Errors
///
/// When the rehearsal itself cannot go on. Differences are no error.
pub async fn drill(
    restoration: &Restoration,
    scratch: &Path,
    concurrency: usize,
    reporter: Arc<dyn Reporter>,
    stop: &Stop,
    told: Arc<dyn Fn(&'static str, u64, u64) + Send + Sync>,
) -> Result<Drilled, RestoreError> {
    let cannot = |what: String| RestoreError::Rehearsal { what };
    let options = sandbox::Options { fixture: restoration.fixture()?, ..sandbox::Options::default() };
    let sandbox = sandbox::start(options).await.map_err(|cause| cannot(format!("no sandbox can start: {cause}")))?;
    let mut target = Target::new(sandbox.url(), sandbox.key().into()).map_err(|error| cannot(error.to_string()))?;
    target.connections = concurrency;
    let client = Client::new(target).map_err(|error| cannot(error.to_string()))?;
    let directory = Directory::fetch(&client).await.map_err(|cause| RestoreError::Target(Box::new(cause)))?;
    let identity = Identity { target: client.shown_url().to_owned(), source: restore::SOURCE.to_owned() };
    let journal = Journal::open(&scratch.join("drill.ferry"), &identity)?;
    let options = upload::Options { concurrency, command: "backup drill".to_owned(), ..upload::Options::default() };
    let of = restoration.customers();
    let tell = Arc::clone(&told);
    let tell = Arc::new(move |done| tell("customers", done, of));
    let customers =
        restoration.send_customers(&client, &directory, &journal, &options, Arc::clone(&reporter), stop, tell).await?;
    let summary = restoration.send_conversations(&client, &directory, &journal, &options, reporter, stop).await?;
    let mails = sandbox.state()["outbox"].as_u64().unwrap_or_default();
    let drilled = Drilled { customers, summary, compared: Compared::default(), mails };
    if stop.is_asked() {
        return Ok(drilled);
    }

    let copy = Backup::open_or_create(&scratch.join("copy"))?;
    let lock = copy.lock()?;
    let options = Options { concurrency, ..Options::default() };
    let tell = |progress: super::Progress<'_>| {
        if let super::Progress::Listed { done, of } = progress {
            told("conversations read back", done, of);
        }
    };
    let outcome = super::run(&copy, &client, &options, stop, &tell).await?;
    drop(lock);
    if outcome.ended == Ended::Stopped {
        return Ok(drilled);
    }
    let mut became: HashMap<u64, Fate> = HashMap::new();
    let rows = journal.view(|view| {
        let mut rows = Vec::new();
        view.ledger(|row| rows.push(row))?;
        Ok(rows)
    });
    for row in rows.await? {
        let Ok(old) = row.id.original.parse() else { continue };
        let fate = match (row.outcome, row.conversation) {
            (Some(Outcome::Skipped), _) => Fate::LeftOut,
            (_, Some(new)) => Fate::Became(new),
            _ => Fate::Lost,
        };
        became.insert(old, fate);
    }
    let (older, newer) = (restoration.snapshot().clone(), copy.snapshot("latest")?);
    let (is_everything, others) = (restoration.is_everything(), restoration.others());
    let compared = tokio::task::spawn_blocking(move || {
        compare(&older, &newer, |id| became.get(&id).copied().unwrap_or(others), is_everything)
    });
    let compared = compared.await.map_err(|panic| RestoreError::Bug { what: panic.to_string() })??;
    Ok(Drilled { compared, ..drilled })
}
