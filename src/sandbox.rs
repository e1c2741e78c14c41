//! A FreeScout imitation that behaves as the real one does.
//!
//! Rehearsals and tests run against it. It answers the API as core 1.8.235 with module 1.0.87 does, silent drops and
//! half-done work included; it can be told to fail in every way that a real server, its proxy and its database were
//! seen to fail; and it counts the mails that a real one would have sent to customers. What it knows and where it
//! differs is in `docs/sandbox.md`.
//!
//! Promises:
//!
//! - It shares no types with our client: what they agree on is what FreeScout does.
//! - A request takes effect step by step, and others see the steps in between.
//! - A request whose client has hung up still takes effect; one whose body was cut short does not.
//! - The same seed gives the same faults to the same requests in the same order.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use foxferry::sandbox::{self, Fixture, Options};
//!
//! let fixture = Fixture::default().with_user("ada@example.org", "Ada", "Lovelace", false);
//! let sandbox = sandbox::start(Options { fixture, ..Options::default() }).await?;
//! assert!(sandbox.url().starts_with("http://127.0.0.1:"));
//! assert_eq!(sandbox.state()["conversations"], 0);
//! sandbox.shutdown().await;
//! # std::io::Result::Ok(()) }).unwrap();
//! ```

mod answer;
mod api;
mod dates;
mod faults;
mod files;
mod fixture;
mod input;
mod outbox;
mod page;
mod persistence;
mod profile;
mod rules;
mod show;
mod store;
mod strict;
mod text;
mod webhooks;
mod wire;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use faults::{Fault, FaultError, FaultKind};
pub use fixture::{Fixture, FixtureField, FixtureFolder, FixtureMailbox, FixtureUser};
pub use profile::{Core, Profile, ProfileError};

use faults::Script;
use files::Stored;
use show::Embed;
use store::Store;
use webhooks::Delivery;
use wire::{Door, Line};

/// How a sandbox is started. The default listens on a free port of this machine, with a random key, one administrator
/// and one mailbox, and fails nothing.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The API key; none: 32 random hexadecimal digits.
    pub key: Option<String>,
    /// What is there from the start, and again after a reset.
    pub fixture: Fixture,
    /// Scripted faults.
    pub faults: Vec<Fault>,
    /// Whether unknown fields in request bodies are refused with 400, for our own tests.
    pub is_strict: bool,
    /// Whether HTTP Basic with the key as user name is accepted, as the reference says and no server was seen to do.
    pub accepts_basic: bool,
    /// Which kind of server it is.
    pub profile: Profile,
    /// A file that keeps the rows between runs: read at the start when it exists, written at shutdown and every few
    /// seconds. Attachments go beside it, as `FILE.bytes`.
    pub store: Option<PathBuf>,
    /// What the dice of faults with a chance start from.
    pub seed: u64,
    /// The origin that cross-origin requests may come from; none: no CORS headers, and OPTIONS needs the key.
    pub allow_origin: Option<String>,
    /// Bodies of more bytes than this are answered with 413 before anything else; none: no limit.
    pub post_limit: Option<u64>,
    /// Hosts (`name` or `name:port`) that attachments given by `fileUrl` are fetched from. All others are passed over
    /// as a real server passes over its own network: a rehearsal does not call at strangers.
    pub download_hosts: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key: None,
            fixture: Fixture::default(),
            faults: Vec::new(),
            is_strict: false,
            accepts_basic: false,
            profile: Profile::default(),
            store: None,
            seed: 0,
            allow_origin: None,
            post_limit: None,
            download_hosts: Vec::new(),
        }
    }
}

/// A running sandbox. Dropping it stops it without waiting; [`Sandbox::shutdown`] lets requests finish.
#[derive(Debug)]
pub struct Sandbox {
    server: Arc<Server>,
    stop: Option<oneshot::Sender<()>>,
    task: Option<JoinHandle<io::Result<()>>>,
    helpers: Vec<JoinHandle<()>>,
}

/// How often a sandbox with a store file writes it.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// How long a shutdown waits for requests that are still being answered.
const LAST_CALL: Duration = Duration::from_secs(2);

/// Starts a sandbox on the current runtime; it answers when this returns.
///
/// # Errors
///
/// When the address cannot be listened on, or the store file can be neither read nor made.
pub async fn start(options: Options) -> io::Result<Sandbox> {
    let listener = TcpListener::bind(options.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let key = options.key.unwrap_or_else(|| (0..32).map(|_| fastrand::digit(16)).collect());
    let rows = match &options.store {
        Some(file) if file.exists() => persistence::load(file).map_err(|cause| named(file, &cause))?,
        _ => Store::new(&options.fixture, dates::now(), HashMap::new()),
    };
    if let Some(file) = &options.store
        && !file.exists()
    {
        // A file that cannot be written is better heard of now than after the rehearsal.
        persistence::save(file, &rows).map_err(|cause| named(file, &cause))?;
    }
    let (deliveries, queued) = webhooks::queue();
    let server = Arc::new(Server {
        url,
        key,
        profile: options.profile,
        is_strict: options.is_strict,
        accepts_basic: options.accepts_basic,
        fixture: options.fixture,
        allow_origin: options.allow_origin,
        post_limit: options.post_limit,
        download_hosts: options.download_hosts,
        file: options.store,
        store: Mutex::new(rows),
        script: Mutex::new(Script::new(options.faults, options.seed)),
        requests: Mutex::default(),
        locked_until: Mutex::default(),
        workers: Mutex::new((0, Arc::new(Semaphore::new(0)))),
        deliveries,
    });
    let (stop, stopped) = oneshot::channel::<()>();
    let door = Door { listener, server: Arc::clone(&server) };
    let service = api::router(Arc::clone(&server)).into_make_service_with_connect_info::<Line>();
    let task = tokio::spawn(async move {
        let until = async {
            // Told to stop, or dropped: both end it.
            let _ = stopped.await;
        };
        axum::serve(door, service).with_graceful_shutdown(until).await
    });
    let mut helpers = vec![tokio::spawn(webhooks::deliver(Arc::downgrade(&server), queued))];
    if server.file.is_some() {
        let server = Arc::downgrade(&server);
        helpers.push(tokio::spawn(async move {
            let mut seen = 0;
            loop {
                tokio::time::sleep(SAVE_EVERY).await;
                let Some(server) = server.upgrade() else { return };
                let now = server.request_count();
                if now != seen {
                    seen = now;
                    // The next round tries again, and shutdown once more.
                    let _ = tokio::task::spawn_blocking(move || server.save()).await;
                }
            }
        }));
    }
    Ok(Sandbox { server, stop: Some(stop), task: Some(task), helpers })
}

/// An error that says which file it is about.
fn named(file: &std::path::Path, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("its store file `{}`: {cause}", file.display()))
}

impl Sandbox {
    /// `http://127.0.0.1:PORT`, without `/api`.
    pub fn url(&self) -> &str {
        &self.server.url
    }

    /// Where what it holds can be looked at in a browser on this machine: `http://127.0.0.1:PORT/`. None when it
    /// listens on an address that is not of this machine alone, since the pages show customers' mail.
    pub fn page(&self) -> Option<String> {
        let url = url::Url::parse(&self.server.url).ok()?;
        let port = url.port_or_known_default()?;
        match url.host()? {
            url::Host::Ipv4(ip) if ip.is_loopback() => Some(url.to_string()),
            url::Host::Ipv6(ip) if ip.is_loopback() => Some(url.to_string()),
            url::Host::Ipv4(ip) if ip.is_unspecified() => Some(format!("http://127.0.0.1:{port}/")),
            url::Host::Ipv6(ip) if ip.is_unspecified() => Some(format!("http://[::1]:{port}/")),
            _ => None,
        }
    }

    /// The API key.
    pub fn key(&self) -> &str {
        &self.server.key
    }

    /// What `GET /__sandbox/state` answers: counts of rows, of mails that a real server would have queued for
    /// customers, of orphans, and of requests by method and path.
    pub fn state(&self) -> Value {
        self.server.state()
    }

    /// Replaces the scripted faults.
    pub fn set_faults(&self, faults: Vec<Fault>) {
        self.server.script().replace(faults);
    }

    /// Every conversation as the API shows it, with threads, tags and time logs, by id.
    pub fn conversations(&self) -> Vec<Value> {
        let store = self.server.store();
        let embed = Embed { threads: true, timelogs: true, tags: true };
        store.conversations().map(|row| show::conversation(&self.server, &store, row, embed)).collect()
    }

    /// Every customer as the API shows it, by id.
    pub fn customers(&self) -> Vec<Value> {
        let store = self.server.store();
        store.customers.values().map(|row| show::customer(&self.server, &store, row)).collect()
    }

    /// The jobs that a real server would have queued for customers: `conversation`, `thread`, `kind`, `to`, and
    /// `mailed`, which is false for a job that ends without a mail.
    pub fn outbox(&self) -> Vec<Value> {
        self.server.store().outbox.iter().map(outbox::Mail::shown).collect()
    }

    /// Back to the fixture; ids start again at 1, faults stay.
    pub fn reset(&self) {
        self.server.reset();
    }

    /// Lets requests finish for a moment, writes the store file if it can, and stops.
    pub async fn shutdown(self) {
        // Whoever wants to know calls `close`.
        let _ = self.close().await;
    }

    /// As [`Sandbox::shutdown`], and tells when the store file could not be written.
    ///
    /// # Errors
    ///
    /// What writing the store file failed with; without a store file none.
    pub async fn close(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // The other end is gone when the server has ended by itself.
            let _ = stop.send(());
        }
        if let Some(mut task) = self.task.take()
            && tokio::time::timeout(LAST_CALL, &mut task).await.is_err()
        {
            task.abort();
        }
        if self.server.file.is_none() {
            return Ok(());
        }
        let server = Arc::clone(&self.server);
        tokio::task::spawn_blocking(move || server.save()).await.unwrap_or_else(|cause| Err(io::Error::other(cause)))
    }

    /// Waits until the server ends by itself, which it does only when its listener fails.
    ///
    /// # Errors
    ///
    /// What the listener failed with.
    pub async fn wait(&mut self) -> io::Result<()> {
        match self.task.as_mut() {
            Some(task) => task.await.unwrap_or_else(|cause| Err(io::Error::other(cause))),
            None => Ok(()),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.helpers {
            task.abort();
        }
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What all requests share.
#[derive(Debug)]
struct Server {
    url: String,
    key: String,
    profile: Profile,
    is_strict: bool,
    accepts_basic: bool,
    fixture: Fixture,
    allow_origin: Option<String>,
    post_limit: Option<u64>,
    download_hosts: Vec<String>,
    file: Option<PathBuf>,
    // Standard mutexes: no await happens while one is held, and each is held for one step of one request.
    store: Mutex<Store>,
    script: Mutex<Script>,
    requests: Mutex<BTreeMap<String, u64>>,
    locked_until: Mutex<Option<tokio::time::Instant>>,
    /// The workers that a fault has left, and how many there are.
    workers: Mutex<(u32, Arc<Semaphore>)>,
    deliveries: UnboundedSender<Delivery>,
}

impl Server {
    /// The rows. A rule that panicked leaves them as any killed worker does.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_request(&self, call: String) {
        let mut requests = self.requests();
        // Paths are the client's to choose: beyond a thousand of them the rest is counted as one.
        let call = if requests.len() < 1000 || requests.contains_key(&call) { call } else { "others".to_owned() };
        *requests.entry(call).or_default() += 1;
    }

    fn request_count(&self) -> u64 {
        self.requests().values().sum()
    }

    fn refuses_connection(&self) -> bool {
        self.script().refuses_connection()
    }

    fn lock_writes(&self, time: Duration) {
        let mut until = self.locked_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(tokio::time::Instant::now() + time);
    }

    /// The queue before so many workers.
    fn queue(&self, workers: u32) -> Arc<Semaphore> {
        let mut queue = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.0 != workers {
            *queue = (workers, Arc::new(Semaphore::new(workers as usize)));
        }
        Arc::clone(&queue.1)
    }

    /// Waits while writes are locked. Every step that writes passes here first.
    async fn gate(&self) {
        loop {
            let until = *self.locked_until.lock().unwrap_or_else(PoisonError::into_inner);
            match until {
                Some(until) if until > tokio::time::Instant::now() => tokio::time::sleep_until(until).await,
                _ => return,
            }
        }
    }

    /// Lets other requests run between two steps that a real server does not do in one.
    async fn yield_to_others(&self) {
        tokio::task::yield_now().await;
    }

    fn reset(&self) {
        let mut store = self.store();
        let ids: Vec<u64> = store.mailboxes.keys().copied().collect();
        let counts = ids.into_iter().flat_map(|id| store.folder_counts(id)).collect();
        *store = Store::new(&self.fixture, dates::now(), counts);
        drop(store);
        self.requests().clear();
    }

    fn state(&self) -> Value {
        let requests = self.requests().clone();
        let store = self.store();
        let without_email = store.customers.values().filter(|c| c.emails.is_empty()).count() as u64;
        let mails: Vec<Value> = store.outbox.iter().take(1000).map(outbox::Mail::shown).collect();
        let files: Vec<Value> = store
            .files
            .rows()
            .take(1000)
            .map(|f| json!({"id": f.id, "fileName": f.name, "size": f.size, "blake3": f.hash}))
            .collect();
        json!({
            "conversations": store.conversation_count(),
            "threads": store.threads,
            "customers": store.customers.len(),
            "customers_without_email": without_email,
            "attachments": store.files.len(),
            "outbox": store.outbox.iter().filter(|m| m.is_mailed).count(),
            "orphans": without_email + store.orphan_threads,
            "requests": requests,
            "mails": mails,
            "files": files,
            "webhooks": store.webhooks.values().map(|hook| json!({"id": hook.id, "url": hook.url})).collect::<Vec<_>>(),
        })
    }

    /// The token that a download needs instead of the key.
    fn token(&self, id: u64, file: &Stored) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("foxferry sandbox attachment token");
        hasher.update(self.key.as_bytes());
        hasher.update(&id.to_le_bytes());
        hasher.update(file.hash.as_bytes());
        hasher.finalize().to_hex().to_string()
    }

    /// The bytes behind an attachment's address; none for hosts that are not listed and for whatever goes wrong.
    async fn download(&self, url: &str) -> Option<Vec<u8>> {
        let url = url::Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https"))?;
        let host = url.host_str()?;
        let full = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if !self.download_hosts.iter().any(|listed| *listed == host || *listed == full) {
            return None;
        }
        let answer = webhooks::http()?.get(url).send().await.ok()?;
        if answer.status() != 200 {
            return None;
        }
        answer.bytes().await.ok().map(Vec::from)
    }

    fn save(&self) -> io::Result<()> {
        match &self.file {
            Some(file) => persistence::save(file, &self.store()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
