//! Conversations read from a running FreeScout: all of them, or those that a journal has brought there.
//!
//! A task reads ahead by a bounded number of conversations and fetches their attachments meanwhile, in the order of ids; whoever
//! writes takes them from a channel. Reads are repeated when FreeScout does not answer, and nothing is ever written to it.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt as _, future::Either, stream};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::hub::{Exported, Site};
use super::select::{Selection, Someone};
use super::{ExportError, Files, Produced, Producer};
use crate::content::Content;
use crate::freescout::{
    ApiError, Client, ConversationFilter, CustomerFilter, Directory, Embed, ErrorKind, Page, UserFilter, Verdict, wire,
};
use crate::journal::{Journal, JournalError};
use crate::record::RecordId;
use crate::report::{Event, Reporter};
use crate::upload::Stop;

/// Rows of one page with threads: comfortable for a server's memory.
const PAGE: u64 = 50;

/// Customers of one page.
const CUSTOMER_PAGE: u64 = 100;

/// How often a read is repeated before the export is given up: with the waits below, some ten minutes.
const MOST_TRIES: u32 = 12;

/// How often one attachment is tried.
const MOST_FILE_TRIES: u32 = 4;

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
    pace: Arc<Pace>,
    stop: Stop,
    reporter: Arc<dyn Reporter>,
    options: LiveOptions,
}

/// Requests per second, by counting those that were sent.
struct Pace {
    rate: Option<f64>,
    state: Mutex<Instant>,
}

impl Pace {
    /// Waits for the turn of the next request.
    async fn turn(&self) {
        let Some(rate) = self.rate else { return };
        let at = {
            // No await while it is held.
            let mut next = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + Duration::from_secs_f64(1.0 / rate);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

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
        let pace = Arc::new(Pace { rate: options.rate, state: Mutex::new(Instant::now()) });
        let reader = Reader { client: client.clone(), pace, stop: stop.clone(), reporter, options };
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
            let wanted = reader.wanted(&selection);
            self.runtime.spawn(async move { reader.give(wanted, selection, files, sender).await });
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
    fn wanted(
        &self,
        selection: &Selection,
    ) -> impl Stream<Item = Result<Either<wire::Conversation, (u64, ApiError)>, ApiError>> + Send + use<> {
        if !selection.only.is_empty() {
            let mut ids: Vec<u64> = selection.only.iter().filter_map(|id| id.parse().ok()).collect();
            ids.sort_unstable();
            ids.dedup();
            let reader = self.clone();
            let one = move |id| {
                let reader = reader.clone();
                async move {
                    match reader.again(|client| async move { client.conversation(id, Embed::ALL).await }).await {
                        Ok(found) => Ok(Either::Left(found.value)),
                        Err(error) if error.is_not_found() => Ok(Either::Right((id, error))),
                        Err(error) => Err(error),
                    }
                }
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
            ..ConversationFilter::default()
        };
        Either::Right(self.repeated(self.client.conversations(filter, PAGE)).map(|row| row.map(Either::Left)))
    }

    /// A walk that asks again when FreeScout does not answer; it ends with the first error that stays.
    fn repeated<T, W>(&self, walk: W) -> impl Stream<Item = Result<T, ApiError>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Stream<Item = Result<T, ApiError>> + Send + 'static,
    {
        let reader = self.clone();
        stream::unfold((Box::pin(walk), reader, 0, false), |(mut walk, reader, sent, is_over)| async move {
            if is_over {
                return None;
            }
            let mut tries = 0;
            loop {
                let now = reader.client.requests_sent();
                if now != sent {
                    reader.pace.turn().await;
                }
                match walk.next().await? {
                    Ok(row) => return Some((Ok(row), (walk, reader, now, false))),
                    Err(error) => {
                        tries += 1;
                        if !reader.waits(&error, tries, MOST_TRIES).await {
                            return Some((Err(error), (walk, reader, now, true)));
                        }
                    }
                }
            }
        })
    }

    /// One read, made again when FreeScout does not answer.
    async fn again<T, F>(&self, read: impl Fn(Client) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut tries = 0;
        loop {
            self.pace.turn().await;
            match read(self.client.clone()).await {
                Ok(value) => return Ok(value),
                Err(error) => {
                    tries += 1;
                    if !self.waits(&error, tries, MOST_TRIES).await {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Waits before another try; `false`: there is none.
    async fn waits(&self, error: &ApiError, tries: u32, most: u32) -> bool {
        if tries >= most || self.stop.is_asked() {
            return false;
        }
        let grown = Duration::from_millis(500).saturating_mul(1 << tries.min(7));
        let wait = match error.verdict() {
            Verdict::Refused | Verdict::Unauthorised => return false,
            Verdict::Throttled { retry_after } => retry_after.unwrap_or(grown),
            // A web page instead of an answer stays one.
            Verdict::Unknown if *error.kind() == ErrorKind::BadAnswer && tries > 2 => return false,
            Verdict::Transient | Verdict::Unknown => grown,
        };
        if wait > Duration::from_secs(2) {
            self.reporter.event(&Event::Paused { wait, reason: &error.to_string() });
        }
        tokio::select! {
            () = tokio::time::sleep(wait) => true,
            () = self.stop.asked() => false,
        }
    }

    /// Sends what is wanted, in order, with attachments fetched ahead.
    async fn give(
        self,
        wanted: impl Stream<Item = Result<Either<wire::Conversation, (u64, ApiError)>, ApiError>> + Send,
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
                    Ok(Produced::Conversation(self.with_files(Exported::new(conversation), files).await))
                }
                Ok(Either::Right((id, error))) => Ok(Produced::Lost { id, reason: error.to_string() }),
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
            match self.again(|client| async move { client.conversation(id, Embed::ALL).await }).await {
                Ok(found) if !selection.takes(&found.value) => Ok(None),
                Ok(found) => {
                    let mut exported = self.with_files(Exported::new(found.value), files).await;
                    exported.old = Some(record);
                    Ok(Some(Produced::Conversation(exported)))
                }
                Err(error) if error.is_not_found() => {
                    let reason = format!("`{record}` was brought there and is no longer in FreeScout");
                    Ok(Some(Produced::Lost { id, reason }))
                }
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
                match reader.again(|client| async move { client.customer(id).await }).await {
                    Ok(found) => Ok(Some(found.value)),
                    Err(error) if error.is_not_found() => Ok(None),
                    Err(error) => Err(ExportError::Fetch(error)),
                }
            };
            let found = stream::iter(ids.clone()).map(one).buffered(self.options.concurrency);
            self.send(found.filter_map(|row| std::future::ready(row.transpose())), sender).await;
            return;
        }
        let all = self.repeated(self.client.customers(CustomerFilter::default(), CUSTOMER_PAGE));
        let kept = all.filter(move |row| {
            let is_wanted = row.as_ref().is_ok_and(|row| wanted.as_ref().is_none_or(|ids| ids.contains(&row.id)));
            std::future::ready(is_wanted || row.is_err())
        });
        self.send(kept.map(|row| row.map_err(ExportError::Fetch)), sender).await;
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

    /// Fetches its attachments, if they are wanted.
    async fn with_files(&self, mut exported: Exported, files: Files) -> Exported {
        if files == Files::Named {
            return exported;
        }
        let mut kept = Vec::new();
        for it in &mut exported.threads {
            for (at, file) in it.thread.embedded.attachments.iter().enumerate() {
                it.files[at] = match self.file(file, &mut kept).await {
                    Ok(content) => content,
                    Err(reason) => Content::Missing { reason, claimed_length: file.size },
                };
            }
        }
        exported.kept = kept;
        exported
    }

    async fn file(&self, file: &wire::Attachment, kept: &mut Vec<tempfile::TempPath>) -> Result<Content, String> {
        let mut tries = 0;
        loop {
            self.pace.turn().await;
            match self.fetch(&file.file_url, kept).await {
                Ok(content) => {
                    // A broken server may end a file early without a word.
                    let length = content.length();
                    if let (Some(found), Some(said)) = (length, file.size)
                        && found != said
                    {
                        return Err(format!("it has {found} bytes and FreeScout says {said}"));
                    }
                    return Ok(content);
                }
                Err(Fault::Disk(error)) => return Err(format!("it could not be kept on disk: {error}")),
                Err(Fault::Api(error)) => {
                    tries += 1;
                    if !self.waits(&error, tries, MOST_FILE_TRIES).await {
                        return Err(error.to_string());
                    }
                }
            }
        }
    }

    async fn fetch(&self, url: &str, kept: &mut Vec<tempfile::TempPath>) -> Result<Content, Fault> {
        let mut download = self.client.download(url).await?;
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
            None => Content::bytes(memory),
            Some(file) => {
                let place = file.into_temp_path();
                let path = Arc::from(&*place);
                kept.push(place);
                Content::File { path, length }
            }
        })
    }
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
