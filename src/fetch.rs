//! Gets the files that an archive only links to, before the links expire.
//!
//! Promises:
//!
//! - A file is taken only if it is what the archive speaks of: of the length it claims, and no web page in its place.
//! - What has been fetched is never fetched again; a run that was stopped or killed goes on with the next.
//! - No private address is asked unless that is allowed, and nothing secret goes to a host that was not named for it.
//! - No name and no address out of an archive chooses a path.
//!
//! [`Wanted`] holds the links of an archive, [`run`] gets them into a [`Cache`], and [`Cache::fill`] puts them where a record
//! has only links: readers and mappings need not know of any of it. `docs/attachments.md` is the operator's page.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::upload::Stop;
use download::{Downloader, Got, require_room};

mod apply;
mod cache;
mod credentials;
mod download;
mod expect;
mod guard;
mod links;

pub(crate) use cache::INDEX;
pub use cache::{Cache, Held, Lock};
pub use credentials::{AuthHost, Credentials, CredentialsError};
pub use guard::is_public;
pub use links::{HostSums, Link, Wanted, key, shown};

/// How files are fetched.
#[derive(Debug, Clone)]
pub struct Options {
    /// At most so many downloads at a time.
    pub concurrency: usize,
    /// At most so many downloads begun per second.
    pub rate: Option<f64>,
    /// No file may be longer, in bytes.
    pub max_bytes: u64,
    /// How long to wait for an answer, and for each further piece of it.
    pub patience: Duration,
    /// Whether addresses inside one's own network may be asked, and secrets go over plain http.
    pub is_private_allowed: bool,
    /// Whether the environment's proxy is used. It resolves names itself: only where private addresses are allowed.
    pub is_proxy_used: bool,
    /// What is secret, and for whom.
    pub credentials: Credentials,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 4,
            rate: None,
            max_bytes: 100_000_000,
            patience: Duration::from_secs(60),
            is_private_allowed: false,
            is_proxy_used: false,
            credentials: Credentials::default(),
        }
    }
}

/// How a run went, in links.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Different links of the archive.
    pub links: u64,
    /// Fetched by this run.
    pub fetched: u64,
    /// Here already when it began.
    pub there: u64,
    /// Not to be had.
    pub failed: u64,
    /// Of those, because nobody answered.
    pub unreachable: u64,
    /// Bytes fetched by this run.
    pub bytes: u64,
    /// Whether it was stopped before the end.
    pub is_interrupted: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl Sums {
    /// Links that the run did not come to.
    pub fn left(&self) -> u64 {
        self.links.saturating_sub(self.fetched + self.there + self.failed)
    }
}

/// What happens during a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Told<'a> {
    /// A file is in the cache.
    Fetched {
        /// Which.
        link: &'a Link,
        /// Its length.
        bytes: u64,
        /// The sums so far.
        sums: &'a Sums,
    },
    /// A file was here already.
    There {
        /// The sums so far.
        sums: &'a Sums,
    },
    /// A file could not be had.
    Failed {
        /// Which.
        link: &'a Link,
        /// Why.
        reason: &'a str,
        /// What the server answered, if anything.
        status: Option<u16>,
        /// The sums so far.
        sums: &'a Sums,
    },
    /// A host is left alone for a while.
    Paused {
        /// Which.
        host: &'a str,
        /// For how long.
        wait: Duration,
        /// Why.
        reason: &'a str,
    },
}

/// Files cannot be fetched or used at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The folder is there and is no cache.
    #[error("`{}` is not a folder of fetched files", path.display())]
    NotACache {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error("`{}` was written by a newer foxferry", path.display())]
    Newer {
        /// The folder.
        path: PathBuf,
    },
    /// Another run is changing it.
    #[error("another run is fetching into `{}`", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Something could not be written or read.
    #[error("`{}` cannot be read or written", path.display())]
    Unwritable {
        /// What.
        path: PathBuf,
        /// The system's reason.
        #[source]
        cause: io::Error,
    },
    /// The disk is too full.
    #[error("`{}` has {free} MiB free, and {wanted} MiB are needed", path.display())]
    NoRoom {
        /// The folder.
        path: PathBuf,
        /// Free, in MiB.
        free: u64,
        /// Needed, in MiB.
        wanted: u64,
    },
    /// The index failed.
    #[error("the index `{}` failed", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// The database's reason.
        #[source]
        cause: rusqlite::Error,
    },
    /// TLS cannot be set up.
    #[error("no connections can be made")]
    Client {
        /// The library's reason.
        #[source]
        cause: reqwest::Error,
    },
    /// A bug.
    #[error("a bug in foxferry was met while {what}")]
    Bug {
        /// What was being done.
        what: &'static str,
    },
}

impl FetchError {
    fn unwritable(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |cause| Self::Unwritable { path: path.clone(), cause }
    }

    fn index(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |cause| Self::Index { path: path.clone(), cause }
    }
}

/// Gets what is wanted and not here yet.
///
/// A file that cannot be had is told of and remembered, and the rest goes on; the next run asks for it again. `Err` is for
/// what is wrong on this machine. Asked to stop, it leaves downloads where they are: the next run goes on with them where
/// the server can.
pub async fn run(
    wanted: Wanted,
    cache: &Arc<Cache>,
    options: &Options,
    stop: &Stop,
    tell: &(dyn Fn(&Told<'_>) + Sync),
) -> Result<Sums, FetchError> {
    let begun = Instant::now();
    let claimed: u64 = wanted.hosts(Some(cache))?.iter().map(|host| host.claimed).sum();
    require_room(cache, claimed)?;
    let paused = |host: &str, wait: Duration, reason: &str| tell(&Told::Paused { host, wait, reason });
    let downloader = Downloader::new(Arc::clone(cache), options, &paused)?;
    let sums = Mutex::new(Sums { links: wanted.count()?, ..Sums::default() });
    // A standard mutex: the next link is read from a file of this machine, and no await happens while it is held.
    let wanted = Mutex::new(wanted);
    let is_interrupted = AtomicBool::new(false);
    let worker = || async {
        loop {
            if stop.is_asked() {
                is_interrupted.store(true, Ordering::Relaxed);
                return Ok(());
            }
            let next = wanted.lock().unwrap_or_else(PoisonError::into_inner).next()?;
            let Some(link) = next else { return Ok::<(), FetchError>(()) };
            let count = |add: &dyn Fn(&mut Sums)| {
                let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
                add(&mut sums);
                *sums
            };
            if let Some(Held::Here { .. }) = cache.find(&link.key)? {
                tell(&Told::There { sums: &count(&|sums| sums.there += 1) });
                continue;
            }
            let got = tokio::select! {
                biased;
                got = downloader.get(&link) => got?,
                () = stop.asked() => {
                    is_interrupted.store(true, Ordering::Relaxed);
                    return Ok(());
                }
            };
            match got {
                Got::Here { bytes } => {
                    let sums = count(&|sums| {
                        sums.fetched += 1;
                        sums.bytes += bytes;
                    });
                    tell(&Told::Fetched { link: &link, bytes, sums: &sums });
                }
                Got::Failed { reason, status, is_unreachable } => {
                    cache.fail(&link.key, &reason)?;
                    let sums = count(&|sums| {
                        sums.failed += 1;
                        sums.unreachable += u64::from(is_unreachable);
                    });
                    tell(&Told::Failed { link: &link, reason: &reason, status, sums: &sums });
                }
            }
        }
    };
    let workers = (0..options.concurrency.max(1)).map(|_| worker());
    futures_util::future::try_join_all(workers).await?;
    let sums = *sums.lock().unwrap_or_else(PoisonError::into_inner);
    let is_interrupted = is_interrupted.load(Ordering::Relaxed) && sums.left() > 0;
    Ok(Sums { is_interrupted, seconds: begun.elapsed().as_secs_f64(), ..sums })
}
