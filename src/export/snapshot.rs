//! Conversations of a backup: FreeScout need not be there any more.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::backup::BackupError;
use crate::backup::read::{Rows, Snapshot, Stored};
use crate::freescout::{MailboxEntry, wire};

use super::hub::{Exported, Site};
use super::select::{Selection, Someone};
use super::{ExportError, Files, Produced, Producer};

/// How many conversations wait between reading and writing; their attachments are opened only when they are written.
const AHEAD: usize = 16;

/// A sealed snapshot of a backup.
pub struct OfBackup {
    snapshot: Snapshot,
    site: Site,
}

fn failed(path: &Path, cause: impl std::error::Error + Send + Sync + 'static) -> ExportError {
    ExportError::Read { path: path.to_owned(), cause: Box::new(cause) }
}

impl OfBackup {
    /// Reads what all conversations of the snapshot share.
    pub fn open(snapshot: Snapshot) -> Result<Self, ExportError> {
        let place = snapshot.dir().to_owned();
        let list = |collection: &str| snapshot.list(collection).map_err(|error| failed(&place, error));
        let fields = list("custom_fields")?;
        let mailboxes = list("mailboxes")?
            .iter()
            .map(|stored| {
                let mailbox: wire::Mailbox = stored.typed().map_err(|error| failed(&place, error))?;
                let own: Vec<wire::CustomField> = fields
                    .iter()
                    .filter(|field| field.ours.mailbox == Some(mailbox.id))
                    .filter_map(|field| field.typed().ok())
                    .collect();
                Ok(MailboxEntry { mailbox, fields: Some(own) })
            })
            .collect::<Result<Vec<_>, ExportError>>()?;
        let mut users: Vec<wire::User> = list("users")?.iter().filter_map(|stored| stored.typed().ok()).collect();
        users.sort_by_key(|user| user.id);
        let manifest = snapshot.manifest();
        let url = manifest.url.trim_end_matches('/').trim_end_matches("/api").to_owned();
        let site = Site { url, mailboxes, users, taken_at: wire::parse_time(&manifest.finished) };
        Ok(Self { snapshot, site })
    }

    /// Everything that is known about whoever has this address: their customers with all further addresses.
    pub fn someone(&self, address: &str) -> Result<Someone, ExportError> {
        let mut someone = Someone::of_address(address);
        for stored in self.rows(self.snapshot.customers())? {
            let stored = stored.map_err(|error| failed(self.snapshot.dir(), error))?;
            if let Ok(customer) = stored.customer() {
                someone.meet(&customer);
            }
        }
        Ok(someone)
    }

    fn rows(&self, rows: Result<Rows, BackupError>) -> Result<Rows, ExportError> {
        rows.map_err(|error| failed(self.snapshot.dir(), error))
    }
}

/// A conversation with its attachments, which lie in the backup.
fn exported(stored: &Stored, conversation: wire::Conversation) -> Exported {
    let mut exported = Exported::new(conversation);
    for it in &mut exported.threads {
        for (file, content) in it.thread.embedded.attachments.iter().zip(&mut it.files) {
            if let Some(id) = file.id {
                *content = stored.attachment(id);
            }
        }
    }
    exported
}

/// Items made by an OS thread of its own, a few ahead of whoever takes them: reading and writing take about equally long.
struct Ahead<T> {
    coming: Receiver<T>,
    maker: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Ahead<T> {
    fn of(items: impl Iterator<Item = T> + Send + 'static) -> Self {
        let (sender, coming) = sync_channel(AHEAD);
        let maker = std::thread::spawn(move || {
            for item in items {
                // Nobody listens any more when the export has ended.
                if sender.send(item).is_err() {
                    return;
                }
            }
        });
        Self { coming, maker: Some(maker) }
    }
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let item = self.coming.recv().ok();
        if item.is_none()
            && let Some(Err(panic)) = self.maker.take().map(JoinHandle::join)
        {
            // An end that is none would look like a complete export.
            std::panic::resume_unwind(panic);
        }
        item
    }
}

impl Producer for OfBackup {
    fn site(&self) -> &Site {
        &self.site
    }

    fn total(&self) -> Option<u64> {
        Some(self.snapshot.manifest().counts.conversations)
    }

    fn conversations<'a>(
        &'a mut self,
        selection: &Selection,
        _: Files,
    ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError> {
        let selection = selection.clone();
        let only: BTreeSet<u64> = selection.only.iter().filter_map(|id| id.parse().ok()).collect();
        let place = self.snapshot.dir().to_owned();
        let rows = self.rows(self.snapshot.conversations())?;
        Ok(Box::new(Ahead::of(rows.filter_map(move |stored| {
            let stored = match stored {
                Ok(stored) => stored,
                Err(error) => return Some(Err(failed(&place, error))),
            };
            if !only.is_empty() && !only.contains(&stored.id) {
                return None;
            }
            match stored.conversation() {
                Ok(conversation) if !selection.takes(&conversation) => None,
                Ok(conversation) => Some(Ok(Produced::Conversation(exported(&stored, conversation)))),
                Err(error) => {
                    let reason = format!("{}: it is not a conversation: {error}", stored.origin);
                    Some(Ok(Produced::Lost { id: stored.id, reason }))
                }
            }
        }))))
    }

    fn customers<'a>(
        &'a mut self,
        ids: Option<&'a BTreeSet<u64>>,
    ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError> {
        let place = self.snapshot.dir().to_owned();
        let rows = self.rows(self.snapshot.customers())?;
        Ok(Box::new(rows.filter_map(move |stored| {
            let customer = stored
                .map_err(|error| failed(&place, error))
                .and_then(|stored| stored.customer().map_err(|error| failed(&place, error)));
            match customer {
                Ok(customer) if ids.is_none_or(|ids| ids.contains(&customer.id)) => Some(Ok(customer)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            }
        })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_ahead_comes_in_order_and_a_panic_is_no_end() {
        assert!(Ahead::of(0..1000).eq(0..1000));
        // Whoever stops early waits for nobody.
        assert_eq!(Ahead::of(0..).take(3).collect::<Vec<_>>(), [0, 1, 2]);
        let fails = Ahead::of((0..3).map(|at| if at < 2 { at } else { panic!("a bug") }));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fails.count())).is_err());
    }
}
