//! Conversations read from a running FreeScout: all of them, or those that a journal has brought there.
//!
//! A task walks the list several pages at a time, as a backup does (`backup::walk`), so that what is there throughout is
//! read exactly once while others come and go, and fetches attachments meanwhile; whoever writes takes conversations
//! from a channel, in the list's order. All requests are under one limit, are repeated when FreeScout does not
//! answer, and nothing is ever written to it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, future::Either, stream};
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::hub::{Exported, Site};
use super::select::{Selection, Someone, Theirs};
use super::{ExportError, Files, Produced, Producer};
use crate::backup::ask::Asker;
use crate::backup::walk::Walk;
use crate::content::Content;
use crate::freescout::walk::Ids;
use crate::freescout::{
    ApiError, Client, ConversationFilter, ConversationSort, CustomerFilter, Directory, Embed, ErrorKind, Page, Rows,
    SortOrder, UserFilter, wire,
};
use crate::journal::{Journal, JournalError};
use crate::record::RecordId;
use crate::report::{Event, Reporter};
use crate::upload::{self, Stop};

/// Rows of one page with threads: comfortable for a server's memory.
const PAGE: u64 = 50;

/// Rows of one page without threads.
const SHORT_PAGE: u64 = 200;

/// Customers of one page.
const CUSTOMER_PAGE: u64 = 100;

/// Most pages that are asked for ahead: they wait in memory.
const MOST_AHEAD: usize = 8;

/// Attachments up to this size wait in memory, larger ones in a temporary file.
const IN_MEMORY: usize = 256 * 1024;

/// How to read.
#[derive(Debug, Clone)]
pub struct LiveOptions {
    /// At most this many requests at a time.
    pub concurrency: usize,
    /// At most this many requests a second.
    pub rate: Option<f64>,
    /// A folder for attachments on their way.
    pub scratch: PathBuf,
}

/// A running FreeScout.
pub struct Live {
    reader: Reader,
    site: Site,
    total: Option<u64>,
    runtime: Handle,
    /// With a journal: only what it has brought.
    journal: Option<PathBuf>,
}

/// What the reading task owns.
#[derive(Clone)]
struct Reader {
    client: Client,
    asker: Asker,
    stop: Stop,
    options: LiveOptions,
}

/// A conversation, or the id of one that cannot be had, and why.
type Found = Either<wire::Conversation, (u64, String)>;

impl Live {
    /// Asks FreeScout what it is. Must be called on the runtime that will do the reading.
    pub async fn connect(
        client: &Client,
        options: LiveOptions,
        reporter: Arc<dyn Reporter>,
        stop: &Stop,
    ) -> Result<Self, ApiError> {
        let directory = Directory::fetch(client).await?;
        let mut users = client.users(&UserFilter::default()).await?;
        users.sort_by_key(|user| user.id);
        let count = client.list_conversations(&ConversationFilter::default(), Page::of(1)).await?;
        let (mailboxes, staff) = (directory.mailboxes.len(), directory.users.len());
        reporter.event(&Event::Target { url: client.shown_url(), mailboxes, users: staff });
        let site = Site {
            url: client.shown_url().trim_end_matches('/').to_owned(),
            mailboxes: directory.mailboxes,
            users,
            taken_at: count.server_date.or_else(|| Some(Timestamp::now())),
        };
        let limits =
            upload::Options { concurrency: options.concurrency, rate: options.rate, ..upload::Options::default() };
        let asker = Asker::within(client.clone(), &limits, reporter);
        let reader = Reader { client: client.clone(), asker, stop: stop.clone(), options };
        Ok(Self { reader, site, total: Some(count.page.total_elements), runtime: Handle::current(), journal: None })
    }

    /// Only what this journal has brought there, with the old ids.
    pub fn of_journal(mut self, journal: &Path) -> Result<Self, JournalError> {
        let counts = Journal::open_read_only(journal)?.counts()?;
        self.total = Some(counts.done);
        self.journal = Some(journal.to_owned());
        Ok(self)
    }

    /// Everything that is known about whoever has this address: their customers with all further addresses.
    pub async fn someone(&self, address: &str) -> Result<Someone, ApiError> {
        let mut someone = Someone::of_address(address);
        let filter = CustomerFilter { email: Some(address.trim().to_owned()), ..CustomerFilter::default() };
        let mut found = pin!(self.reader.client.customers(filter, CUSTOMER_PAGE));
        while let Some(customer) = found.next().await {
            someone.meet(&customer?);
        }
        Ok(someone)
    }
}

impl Producer for Live {
    fn site(&self) -> &Site {
        &self.site
    }

    fn total(&self) -> Option<u64> {
        self.total
    }

    fn is_whole(&self) -> bool {
        self.journal.is_none()
    }

    fn conversations<'a>(
        &'a mut self,
        selection: &Selection,
        files: Files,
    ) -> Result<Box<dyn Iterator<Item = Result<Produced, ExportError>> + 'a>, ExportError> {
        let (sender, receiver) = mpsc::channel(self.reader.options.concurrency.max(2));
        let reader = self.reader.clone();
        let selection = selection.clone();
        let Some(path) = &self.journal else {
            self.runtime.spawn(async move {
                let wanted = reader.wanted(&selection);
                reader.give(wanted, selection, files, sender).await;
            });
            return Ok(Box::new(Received { receiver }));
        };
        // The ledger is read by a thread of its own, as far ahead as there is room.
        let (ids, of_ledger) = mpsc::channel(64);
        let journal = Journal::open_read_only(path)?;
        let only = selection.only.clone();
        std::thread::spawn(move || ledger(&journal, &only, &ids));
        self.runtime.spawn(async move { reader.follow(of_ledger, selection, files, sender).await });
        let entries = Journal::open_read_only(path)?;
        Ok(Box::new(Received { receiver }.map(move |produced| {
            let Ok(Produced::Conversation(mut exported)) = produced else { return produced };
            name_threads(&entries, &mut exported)?;
            Ok(Produced::Conversation(exported))
        })))
    }

    fn customers<'a>(
        &'a mut self,
        ids: Option<&'a BTreeSet<u64>>,
    ) -> Result<Box<dyn Iterator<Item = Result<wire::Customer, ExportError>> + 'a>, ExportError> {
        let (sender, receiver) = mpsc::channel(CUSTOMER_PAGE as usize);
        let reader = self.reader.clone();
        let wanted = ids.cloned();
        self.runtime.spawn(async move { reader.customers(wanted, sender).await });
        Ok(Box::new(Received { receiver }))
    }
}

/// What a task sends, for a thread that may block.
struct Received<T> {
    receiver: mpsc::Receiver<T>,
}

impl<T> Iterator for Received<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.blocking_recv()
    }
}

/// One line of the ledger that leads somewhere.
type Brought = Result<(RecordId, u64), JournalError>;

/// Sends every conversation that the journal knows, as long as somebody listens.
fn ledger(journal: &crate::journal::Reader, only: &[String], ids: &mpsc::Sender<Brought>) {
    let asked = journal.ask(|view| {
        view.ledger(|row| {
            let Some(conversation) = row.conversation else { return };
            let is_wanted = only.is_empty()
                || only
                    .iter()
                    .any(|id| *id == row.id.original || *id == row.id.to_string() || id.parse() == Ok(conversation));
            if is_wanted {
                // Nobody listens any more when the export has ended.
                let _ = ids.blocking_send(Ok((row.id, conversation)));
            }
        })
    });
    if let Err(error) = asked {
        let _ = ids.blocking_send(Err(error));
    }
}

/// Gives threads the ids that the old system had for them.
fn name_threads(journal: &crate::journal::Reader, exported: &mut Exported) -> Result<(), JournalError> {
    let Some(old) = &exported.old else { return Ok(()) };
    let threads = journal.ask(|view| match view.outcome_of(old)? {
        Some(settled) => view.threads(settled.record),
        None => Ok(Vec::new()),
    })?;
    for (entry, remote, _) in threads {
        if let Some(it) = exported.threads.iter_mut().find(|it| remote == Some(it.thread.id)) {
            it.old = Some(entry);
        }
    }
    Ok(())
}

impl Reader {
    /// The conversations that may be wanted, complete.
    fn wanted(&self, selection: &Selection) -> impl Stream<Item = Result<Found, ApiError>> + Send + use<> {
        if !selection.only.is_empty() {
            let mut ids: Vec<u64> = selection.only.iter().filter_map(|id| id.parse().ok()).collect();
            ids.sort_unstable();
            ids.dedup();
            let reader = self.clone();
            let one = move |id| {
                let reader = reader.clone();
                async move { reader.one(id).await }
            };
            return Either::Left(stream::iter(ids).map(one).buffered(self.options.concurrency));
        }
        let filter = ConversationFilter {
            embed: Embed::ALL,
            mailbox_ids: selection.mailboxes.iter().copied().collect(),
            // Old modules take one status and one tag only; with several, the choice is made here.
            statuses: selection.statuses.iter().copied().filter(|_| selection.statuses.len() == 1).collect(),
            tag: selection.tags.first().filter(|_| selection.tags.len() == 1).cloned(),
            created_since: selection.since,
            sort: ConversationSort::Number,
            order: SortOrder::Ascending,
            ..ConversationFilter::default()
        };
        let (sender, receiver) = mpsc::channel(PAGE as usize);
        let reader = self.clone();
        let someone = selection.customer.clone();
        let walking = AbortOnDropHandle::new(tokio::spawn(async move {
            let walked = match someone.filter(|someone| someone.theirs == Theirs::Own) {
                Some(someone) => reader.walk_own(&filter, &someone, &sender).await,
                None => reader.walk(&filter, &mut Ids::default(), &sender).await,
            };
            if let Err(error) = walked {
                // Nobody listens any more when the export has ended.
                let _ = sender.send(Err(error)).await;
            }
        }));
        Either::Right(stream::unfold((receiver, walking), |(mut receiver, walking)| async move {
            receiver.recv().await.map(|found| (found, (receiver, walking)))
        }))
    }

    /// The conversations of one customer: FreeScout can be asked for these, under each id and address of theirs.
    async fn walk_own(
        &self,
        filter: &ConversationFilter,
        someone: &Someone,
        sender: &mpsc::Sender<Result<Found, ApiError>>,
    ) -> Result<(), ApiError> {
        let mut seen = Ids::default();
        for id in &someone.ids {
            let filter = ConversationFilter { customer_id: Some(*id), ..filter.clone() };
            self.walk(&filter, &mut seen, sender).await?;
        }
        for email in &someone.emails {
            let filter = ConversationFilter { customer_email: Some(email.clone()), ..filter.clone() };
            self.walk(&filter, &mut seen, sender).await?;
        }
        Ok(())
    }

    /// Sends every conversation of a list that has not been `given` before, with threads.
    async fn walk(
        &self,
        filter: &ConversationFilter,
        given: &mut Ids,
        sender: &mpsc::Sender<Result<Found, ApiError>>,
    ) -> Result<(), ApiError> {
        let ahead = self.options.concurrency.min(MOST_AHEAD);
        let mut walk = Walk::<Value>::new(self.asker.pages(Rows::Conversations(filter.clone())), PAGE, ahead);
        let mut unreadable = 0;
        while let Some(turn) = walk.turn().await? {
            unreadable += turn.unreadable;
            for row in turn.rows {
                let Some(found) = typed(row, filter, given) else { continue };
                if sender.send(Ok(found)).await.is_err() {
                    return Ok(());
                }
            }
        }
        if unreadable == 0 {
            return Ok(());
        }
        // Rows that the server cannot show with threads it may show without, and then they have at least a number.
        let short = ConversationFilter { embed: Embed::default(), ..filter.clone() };
        let mut walk = Walk::<Value>::new(self.asker.pages(Rows::Conversations(short)), SHORT_PAGE, ahead);
        while let Some(turn) = walk.turn().await? {
            for row in turn.rows {
                let Some(id) = row.get("id").and_then(wire::as_id).filter(|id| given.insert(*id)) else { continue };
                if sender.send(self.one(id).await).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// One conversation by its id.
    async fn one(&self, id: u64) -> Result<Found, ApiError> {
        match self.asker.ask(|client| async move { client.conversation(id, Embed::ALL).await }).await {
            Ok(found) => Ok(Either::Left(found.value)),
            Err(error) if error.is_not_found() || is_about_one(&error) => Ok(Either::Right((id, error.to_string()))),
            Err(error) => Err(error),
        }
    }

    /// Sends what is wanted, in order, with attachments fetched ahead.
    async fn give(
        self,
        wanted: impl Stream<Item = Result<Found, ApiError>> + Send,
        selection: Selection,
        files: Files,
        sender: mpsc::Sender<Result<Produced, ExportError>>,
    ) {
        let taken = wanted.filter(|found| {
            let is_taken = match found {
                Ok(Either::Left(conversation)) => selection.takes(conversation),
                _ => true,
            };
            std::future::ready(is_taken)
        });
        let complete = taken.map(|found| async {
            match found {
                Ok(Either::Left(conversation)) => {
                    Ok(Produced::Conversation(self.with_files(Exported::new(conversation), files).await?))
                }
                Ok(Either::Right((id, reason))) => Ok(Produced::Lost { id, reason }),
                Err(error) => Err(ExportError::Fetch(error)),
            }
        });
        self.send(complete.buffered(self.options.concurrency), sender).await;
    }

    /// Sends what a journal has brought there.
    async fn follow(
        self,
        of_ledger: mpsc::Receiver<Brought>,
        selection: Selection,
        files: Files,
        sender: mpsc::Sender<Result<Produced, ExportError>>,
    ) {
        let rows = stream::unfold(of_ledger, |mut rows| async move { rows.recv().await.map(|row| (row, rows)) });
        let complete = rows.map(|row| async {
            let (record, id) = row?;
            match self.asker.ask(|client| async move { client.conversation(id, Embed::ALL).await }).await {
                Ok(found) if !selection.takes(&found.value) => Ok(None),
                Ok(found) => {
                    let mut exported = self.with_files(Exported::new(found.value), files).await?;
                    exported.old = Some(record);
                    Ok(Some(Produced::Conversation(exported)))
                }
                Err(error) if error.is_not_found() => {
                    let reason = format!("`{record}` was brought there and is no longer in FreeScout");
                    Ok(Some(Produced::Lost { id, reason }))
                }
                Err(error) if is_about_one(&error) => Ok(Some(Produced::Lost { id, reason: error.to_string() })),
                Err(error) => Err(ExportError::Fetch(error)),
            }
        });
        let kept = complete.buffered(self.options.concurrency).filter_map(|row| std::future::ready(row.transpose()));
        self.send(kept, sender).await;
    }

    async fn customers(self, wanted: Option<BTreeSet<u64>>, sender: mpsc::Sender<Result<wire::Customer, ExportError>>) {
        // Asking one by one is cheaper for a few, pages are for many.
        if let Some(ids) = wanted.as_ref().filter(|ids| ids.len() <= 500) {
            let reader = &self;
            let one = |id: u64| async move {
                match reader.asker.ask(|client| async move { client.customer(id).await }).await {
                    Ok(found) => Ok(Some(found.value)),
                    Err(error) if error.is_not_found() => Ok(None),
                    Err(error) => Err(ExportError::Fetch(error)),
                }
            };
            let found = stream::iter(ids.clone()).map(one).buffered(self.options.concurrency);
            self.send(found.filter_map(|row| std::future::ready(row.transpose())), sender).await;
            return;
        }
        let ahead = self.options.concurrency.min(MOST_AHEAD);
        let rows = Rows::Customers(CustomerFilter { order: SortOrder::Ascending, ..CustomerFilter::default() });
        let walk = Walk::<Value>::new(self.asker.pages(rows), CUSTOMER_PAGE, ahead);
        let turns = stream::try_unfold(walk, |mut walk| async move {
            let turn = walk.turn().await.map_err(ExportError::Fetch)?;
            Ok(turn.map(|turn| (turn.rows, walk)))
        });
        let kept = turns.flat_map(move |rows| {
            let kept: Vec<_> = match rows {
                Ok(rows) => rows
                    .into_iter()
                    .filter_map(|row| serde_json::from_value::<wire::Customer>(row).ok())
                    .filter(|row| wanted.as_ref().is_none_or(|ids| ids.contains(&row.id)))
                    .map(Ok)
                    .collect(),
                Err(error) => vec![Err(error)],
            };
            stream::iter(kept)
        });
        self.send(kept, sender).await;
    }

    /// Hands over until the end, the first error, or until nobody listens or somebody asks to stop.
    async fn send<T>(
        &self,
        rows: impl Stream<Item = Result<T, ExportError>>,
        sender: mpsc::Sender<Result<T, ExportError>>,
    ) {
        let mut rows = pin!(rows);
        loop {
            let row = tokio::select! {
                row = rows.next() => row,
                () = self.stop.asked() => return,
            };
            let Some(row) = row else { return };
            let is_last = row.is_err();
            if sender.send(row).await.is_err() || is_last {
                return;
            }
        }
    }

    /// Fetches its attachments, if they are wanted. Errors are about the server or the disk as a whole.
    async fn with_files(&self, mut exported: Exported, files: Files) -> Result<Exported, ExportError> {
        if files == Files::Named {
            return Ok(exported);
        }
        let mut kept = Vec::new();
        for it in &mut exported.threads {
            for (at, file) in it.thread.embedded.attachments.iter().enumerate() {
                it.files[at] = self.file(file, &mut kept).await?;
            }
        }
        exported.kept = kept;
        Ok(exported)
    }

    async fn file(&self, file: &wire::Attachment, kept: &mut Vec<tempfile::TempPath>) -> Result<Content, ExportError> {
        let missing = |reason: String| Ok(Content::Missing { reason, claimed_length: file.size });
        let fetched = self.asker.ask(|client| async move {
            match self.fetch(&client, &file.file_url).await {
                Ok(fetched) => Ok(Ok(fetched)),
                Err(Fault::Disk(cause)) => Ok(Err(cause)),
                Err(Fault::Api(error)) => Err(error),
            }
        });
        let (content, place) = match fetched.await {
            Ok(Ok(fetched)) => fetched,
            Ok(Err(cause)) => return Err(ExportError::Io { path: self.options.scratch.clone(), cause }),
            Err(error) if *error.kind() == ErrorKind::Unreachable => return Err(ExportError::Fetch(error)),
            Err(error) => return missing(error.to_string()),
        };
        kept.extend(place);
        match (content.length(), file.size) {
            // A broken server may end a file early without a word.
            (Some(found), Some(said)) if found != said => {
                missing(format!("it has {found} bytes and FreeScout says {said}"))
            }
            _ => Ok(content),
        }
    }

    /// The bytes of a file, and the temporary file that they lie in if they are many.
    async fn fetch(&self, client: &Client, url: &str) -> Result<(Content, Option<tempfile::TempPath>), Fault> {
        let mut download = client.download(url).await?;
        let mut memory = Vec::new();
        let mut disk = None;
        let mut length = 0;
        while let Some(piece) = download.piece().await? {
            length += piece.len() as u64;
            if disk.is_none() && memory.len() + piece.len() <= IN_MEMORY {
                memory.extend_from_slice(&piece);
                continue;
            }
            let file = match &mut disk {
                Some(file) => file,
                None => {
                    let mut file = tempfile::NamedTempFile::new_in(&self.options.scratch)?;
                    std::io::Write::write_all(&mut file, &memory)?;
                    memory = Vec::new();
                    disk.insert(file)
                }
            };
            std::io::Write::write_all(file, &piece)?;
        }
        Ok(match disk {
            None => (Content::bytes(memory), None),
            Some(file) => {
                let place = file.into_temp_path();
                (Content::File { path: Arc::from(&*place), length }, Some(place))
            }
        })
    }
}

/// A row of a list as a conversation, if it is wanted and new.
fn typed(row: Value, filter: &ConversationFilter, given: &mut Ids) -> Option<Found> {
    let id = row.get("id").and_then(wire::as_id).unwrap_or_default();
    match serde_json::from_value::<wire::Conversation>(row) {
        // A server gives everything for a filter that it does not know.
        Ok(conversation) if !filter.matches(&conversation) => None,
        found => given.insert(id).then(|| match found {
            Ok(conversation) => Either::Left(conversation),
            Err(error) => Either::Right((id, format!("FreeScout's answer is not a conversation: {error}"))),
        }),
    }
}

/// Whether the server cannot show this one conversation, and may well show others.
fn is_about_one(error: &ApiError) -> bool {
    crate::backup::ask::is_about_this(error)
}

enum Fault {
    Api(ApiError),
    Disk(std::io::Error),
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Disk(error)
    }
}
