//! Gets one file: asks, follows redirects, goes on where an earlier run stopped, and tries again what may work later.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_RANGE,
    LAST_MODIFIED, LOCATION, RANGE,
};
use reqwest::{Method, Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::cache::{Cache, Part};
use super::credentials::Credentials;
use super::expect::{self, Said, Wrong};
use super::guard::{self, PublicOnly, Refusal};
use super::links::{self, Link};
use super::{FetchError, Options};
use crate::freescout::{Verdict, retry_after};
use crate::input::{ROOM_TO_LEAVE, free_bytes};
use crate::upload::limiter::Rate;
use crate::upload::retry;

/// How often a file is asked for in one run.
const MOST_ATTEMPTS: u32 = 4;

/// How many redirects lead to a file at most.
const MOST_REDIRECTS: u32 = 5;

/// A host that so many links in a row could not reach is not asked again in this run.
const MOST_SILENT: u32 = 5;

/// One attempt takes this long at most, however slowly it drips.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(3600);

/// What became of a link.
#[derive(Debug)]
pub(super) enum Got {
    /// It is in the cache.
    Here { bytes: u64 },
    /// It could not be had.
    Failed { reason: String, status: Option<u16>, is_unreachable: bool },
}

/// Why an attempt brought nothing.
#[derive(Debug)]
enum Miss {
    /// Another attempt would end alike.
    Final { reason: String, status: Option<u16> },
    /// Another attempt may succeed.
    Transient { reason: String, status: Option<u16>, wait: Option<Duration>, is_unreachable: bool },
    /// This machine's fault: the run ends.
    Local(FetchError),
}

impl From<FetchError> for Miss {
    fn from(error: FetchError) -> Self {
        Self::Local(error)
    }
}

fn hopeless(reason: impl Into<String>) -> Miss {
    Miss::Final { reason: reason.into(), status: None }
}

fn passing(reason: impl Into<String>) -> Miss {
    Miss::Transient { reason: reason.into(), status: None, wait: None, is_unreachable: false }
}

/// What is known of a host in this run.
#[derive(Debug, Default)]
struct HostState {
    paused_until: Option<Instant>,
    /// Links in a row that did not reach it.
    silent: u32,
}

/// Gets files.
pub(super) struct Downloader<'a> {
    http: reqwest::Client,
    cache: Arc<Cache>,
    credentials: Credentials,
    is_private_allowed: bool,
    max_bytes: u64,
    patience: Duration,
    rate: Option<Rate>,
    // A standard mutex: no await happens while it is held.
    hosts: Mutex<HashMap<String, HostState>>,
    paused: &'a (dyn Fn(&str, Duration, &str) + Sync),
}

impl<'a> Downloader<'a> {
    pub fn new(
        cache: Arc<Cache>,
        options: &Options,
        paused: &'a (dyn Fn(&str, Duration, &str) + Sync),
    ) -> Result<Self, FetchError> {
        Ok(Self {
            http: client(options)?,
            cache,
            credentials: options.credentials.clone(),
            is_private_allowed: options.is_private_allowed,
            max_bytes: options.max_bytes,
            patience: options.patience,
            rate: options.rate.and_then(Rate::new),
            hosts: Mutex::default(),
            paused,
        })
    }

    fn hosts(&self) -> MutexGuard<'_, HashMap<String, HostState>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a file, however often it takes. May be dropped at any time: what has come is used by the next run.
    pub async fn get(&self, link: &Link) -> Result<Got, FetchError> {
        let Some(url) = links::parsed(&link.url) else {
            return Ok(Got::Failed {
                reason: "not an address on the web".to_owned(),
                status: None,
                is_unreachable: false,
            });
        };
        let host = links::host_of(&url);
        let mut attempt = 1;
        loop {
            if self.hosts().get(&host).is_some_and(|host| host.silent >= MOST_SILENT) {
                let reason =
                    format!("`{host}` could not be reached for {MOST_SILENT} other files and was not asked again");
                return Ok(Got::Failed { reason, status: None, is_unreachable: true });
            }
            self.wait(&host).await;
            if let Some(rate) = &self.rate {
                rate.turn().await;
            }
            let (reason, status, wait, is_unreachable) = match self.attempt(link, url.clone()).await {
                Ok(bytes) => {
                    self.hosts().entry(host).or_default().silent = 0;
                    return Ok(Got::Here { bytes });
                }
                Err(Miss::Local(error)) => return Err(error),
                Err(Miss::Final { reason, status }) => {
                    if status.is_some() {
                        self.hosts().entry(host).or_default().silent = 0;
                    }
                    return Ok(Got::Failed { reason, status, is_unreachable: false });
                }
                Err(Miss::Transient { reason, status, wait, is_unreachable }) => (reason, status, wait, is_unreachable),
            };
            tracing::debug!(attempt, address = links::shown(&link.url), reason, "not fetched");
            if attempt >= MOST_ATTEMPTS {
                let mut hosts = self.hosts();
                let known = hosts.entry(host).or_default();
                known.silent = if is_unreachable { known.silent + 1 } else { 0 };
                return Ok(Got::Failed { reason, status, is_unreachable });
            }
            let verdict = match wait {
                Some(asked) => Verdict::Throttled { retry_after: Some(asked) },
                None => Verdict::Transient,
            };
            let pause = retry::wait(&verdict, attempt, fastrand::f64).unwrap_or_default();
            if wait.is_some() {
                // What a server asks of one it asks of all.
                let mut hosts = self.hosts();
                let known = hosts.entry(host.clone()).or_default();
                let until = Instant::now() + pause;
                known.paused_until = Some(known.paused_until.map_or(until, |old| old.max(until)));
                drop(hosts);
                (self.paused)(&host, pause, &reason);
            } else {
                tokio::time::sleep(pause).await;
            }
            attempt += 1;
        }
    }

    async fn wait(&self, host: &str) {
        loop {
            let until = self.hosts().get(host).and_then(|host| host.paused_until);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => tokio::time::sleep_until(until).await,
                None => return,
            }
        }
    }

    async fn attempt(&self, link: &Link, url: Url) -> Result<u64, Miss> {
        let ends = Instant::now() + LONGEST_ATTEMPT;
        let part = self.cache.part(&link.key)?;
        let response = self.ask(url, &part).await?;
        let status = response.status();
        let headers = response.headers();
        let said = said(headers)?;
        let start = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if part.length > 0 && !said.is_gzip => {
                if range_start(headers) != Some(part.length) {
                    self.cache.forget(&link.key, &part)?;
                    return Err(passing("the server gave another part than was asked for"));
                }
                part.length
            }
            StatusCode::RANGE_NOT_SATISFIABLE if part.length > 0 => {
                self.cache.forget(&link.key, &part)?;
                return Err(passing("the file has changed since its beginning was fetched"));
            }
            _ => return Err(refused(status, headers)),
        };
        let coming = response.content_length();
        if coming.is_some_and(|coming| start.saturating_add(coming) > self.max_bytes) {
            return Err(self.too_long(link, &part));
        }
        self.require_room(coming.unwrap_or(0))?;
        let mut file = if start == 0 {
            self.cache.begin(&link.key, &part, validator(headers).filter(|_| !said.is_gzip).as_deref())?
        } else {
            let open = File::options().append(true).open(&part.path);
            open.map_err(FetchError::unwritable(&part.path))?
        };
        self.receive(link, &part, response, &mut file, start, ends).await?;
        self.settle(link, &said, part.path).await
    }

    /// Follows redirects to an answer. Each address is looked at, and carries only what is meant for its host.
    async fn ask(&self, mut url: Url, part: &Part) -> Result<Response, Miss> {
        for _ in 0..=MOST_REDIRECTS {
            guard::look(&url, self.is_private_allowed).map_err(|refusal| hopeless(refusal.to_string()))?;
            let mut headers = self.credentials.of(&url, self.is_private_allowed, Timestamp::now().as_second());
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(validator) = &part.validator
                && let Ok(validator) = HeaderValue::from_str(validator)
                && let Ok(range) = HeaderValue::from_str(&format!("bytes={}-", part.length))
            {
                headers.insert(IF_RANGE, validator);
                headers.insert(RANGE, range);
            }
            let mut request = reqwest::Request::new(Method::GET, url.clone());
            *request.headers_mut() = headers;
            let response = match tokio::time::timeout(self.patience, self.http.execute(request)).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(lost(error)),
                Err(_) => {
                    let reason = format!("no answer within {:.0} s", self.patience.as_secs_f64());
                    return Err(Miss::Transient { reason, status: None, wait: None, is_unreachable: true });
                }
            };
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            url = redirect(&url, location)?;
        }
        Err(hopeless(format!("it is redirected more than {MOST_REDIRECTS} times")))
    }

    async fn receive(
        &self,
        link: &Link,
        part: &Part,
        mut response: Response,
        file: &mut File,
        start: u64,
        ends: Instant,
    ) -> Result<(), Miss> {
        let mut length = start;
        let mut checked = length;
        loop {
            let until = ends.min(Instant::now() + self.patience);
            let piece = match tokio::time::timeout_at(until, response.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return Err(passing("the connection broke in the middle of the file")),
                Err(_) => return Err(passing("nothing more came in the middle of the file")),
            };
            length += piece.len() as u64;
            if length > self.max_bytes {
                return Err(self.too_long(link, part));
            }
            file.write_all(&piece).map_err(FetchError::unwritable(&part.path))?;
            if length - checked > 64 << 20 {
                checked = length;
                self.require_room(0)?;
            }
        }
        file.sync_all().map_err(FetchError::unwritable(&part.path))?;
        Ok(())
    }

    /// Looks at a whole file and takes it in.
    async fn settle(&self, link: &Link, said: &Said, path: PathBuf) -> Result<u64, Miss> {
        let (cache, link, said, limit) = (Arc::clone(&self.cache), link.clone(), said.clone(), self.max_bytes);
        let settled = tokio::task::spawn_blocking(move || {
            let settled = expect::settle(&link, &said, &path, limit).map_err(FetchError::unwritable(&path))?;
            match settled {
                Ok(mime) => Ok(cache.keep(&link.key, &path, mime.as_deref())?),
                Err(wrong) => {
                    let length = fs::metadata(&path).map_or(0, |found| found.len());
                    cache.forget(&link.key, &Part { path, length, validator: None })?;
                    Err(hopeless(wrong_text(&wrong, limit)))
                }
            }
        });
        settled.await.unwrap_or_else(|_| Err(Miss::Local(FetchError::Bug { what: "taking in a file" })))
    }

    fn too_long(&self, link: &Link, part: &Part) -> Miss {
        match self.cache.forget(&link.key, part) {
            Ok(()) => hopeless(wrong_text(&Wrong::TooLong, self.max_bytes)),
            Err(error) => Miss::Local(error),
        }
    }

    fn require_room(&self, bytes: u64) -> Result<(), Miss> {
        require_room(&self.cache, bytes).map_err(Miss::Local)
    }
}

/// Fails when so many bytes do not fit on the disk with some left.
pub(super) fn require_room(cache: &Cache, bytes: u64) -> Result<(), FetchError> {
    let wanted = bytes.saturating_add(ROOM_TO_LEAVE);
    match free_bytes(cache.dir()) {
        Some(free) if free < wanted => {
            Err(FetchError::NoRoom { path: cache.dir().to_path_buf(), free: free >> 20, wanted: wanted >> 20 })
        }
        _ => Ok(()),
    }
}

fn client(options: &Options) -> Result<reqwest::Client, FetchError> {
    let built = builder(options).build();
    // A bare container has no certificates, and needs none for plain HTTP.
    let built = built.or_else(|_| builder(options).tls_certs_only([]).build());
    built.map_err(|cause| FetchError::Client { cause: cause.without_url() })
}

fn builder(options: &Options) -> reqwest::ClientBuilder {
    // Whoever was first has chosen, and any provider will do.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let builder = reqwest::Client::builder()
        .user_agent(concat!("foxferry/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        // Each one is looked at first.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        // Ranges and lengths are those of the file as it lies there.
        .no_gzip()
        .connect_timeout(options.patience.min(Duration::from_secs(10)))
        .pool_idle_timeout(Duration::from_secs(4))
        .pool_max_idle_per_host(options.concurrency.max(1));
    // A proxy resolves names itself, and nothing here could look at what it connects to.
    let builder = if options.is_proxy_used { builder } else { builder.no_proxy() };
    if options.is_private_allowed { builder } else { builder.dns_resolver(PublicOnly) }
}

/// Where a redirect leads.
fn redirect(from: &Url, location: Option<&str>) -> Result<Url, Miss> {
    let next = location.and_then(|to| from.join(to).ok()).and_then(|to| links::parsed(to.as_str()));
    let next = next.ok_or_else(|| hopeless("it is redirected to no address on the web"))?;
    if from.scheme() == "https" && next.scheme() == "http" {
        return Err(hopeless("it is redirected from https to http, which is not followed"));
    }
    Ok(next)
}

/// Why nothing came back.
fn lost(error: reqwest::Error) -> Miss {
    let what = if error.is_connect() { "it cannot be reached" } else { "the connection broke" };
    let error = error.without_url();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    // The innermost one names the reason; those around it name layers of this program.
    let mut reason = String::new();
    while let Some(error) = next {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return hopeless(refusal.to_string());
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(rustls::Error::InvalidCertificate(_)) = inner.downcast_ref::<rustls::Error>()
        {
            return hopeless("its certificate is not one that this machine trusts");
        }
        reason = error.to_string();
        next = error.source();
    }
    Miss::Transient { reason: format!("{what}: {reason}"), status: None, wait: None, is_unreachable: true }
}

/// What an answer that brings no file means.
fn refused(status: StatusCode, headers: &HeaderMap) -> Miss {
    let meaning = match status.as_u16() {
        401 | 403 => "the server does not give it; it may want a login, or the link has expired",
        404 | 410 => "it is not there any more",
        429 => "too many requests",
        500..=599 => "the server is in trouble",
        _ => "not an answer with a file",
    };
    let reason = format!("{status}: {meaning}");
    let number = Some(status.as_u16());
    let wait = retry_after(headers);
    match status.as_u16() {
        408 | 425 | 429 | 500 | 502..=504 | 507..=599 => {
            Miss::Transient { reason, status: number, wait, is_unreachable: false }
        }
        _ => Miss::Final { reason, status: number },
    }
}

fn said(headers: &HeaderMap) -> Result<Said, Miss> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(expect::essence);
    let is_gzip = match text(CONTENT_ENCODING).as_deref() {
        None | Some("" | "identity") => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Err(hopeless("it comes compressed in a way that was not asked for")),
    };
    let mime = text(CONTENT_TYPE).filter(|mime| mime.contains('/') && mime.len() <= 200);
    Ok(Said { mime, is_gzip })
}

/// What the server calls exactly these bytes, if anything does.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::trim);
    let strong = text(ETAG).filter(|etag| etag.starts_with('"'));
    strong.or_else(|| text(LAST_MODIFIED)).filter(|it| !it.is_empty() && it.len() <= 500).map(str::to_owned)
}

/// Where a part begins: `bytes 5-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim().strip_prefix("bytes ")?;
    range.split_once('-')?.0.trim().parse().ok()
}

fn wrong_text(wrong: &Wrong, limit: u64) -> String {
    match wrong {
        Wrong::Page => "a web page came in its place; it may be a login page, or the link has expired".to_owned(),
        Wrong::Answer(said) => format!("an answer of type {said} came in its place"),
        Wrong::Length { came, claimed } => format!("{came} bytes came instead of the {claimed} that the archive names"),
        Wrong::TooLong => format!("it is longer than {limit} bytes; `--max-bytes` permits more"),
        Wrong::Damaged => "it came compressed and damaged".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &'static str)]) -> HeaderMap {
        of.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    /// Answers every request on loopback with a redirect, and counts them.
    fn redirecting(to: impl Fn(u16) -> String + Send + 'static) -> (u16, Arc<std::sync::atomic::AtomicU32>) {
        use std::io::Read as _;
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let count = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 4096]).unwrap();
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0";
                let _ = write!(stream, "{head}\r\nLocation: {}\r\n\r\n", to(port));
            }
        });
        (port, count)
    }

    /// What comes of a link to a public host that redirects.
    async fn redirected(to: impl Fn(u16) -> String + Send + 'static) -> (String, u32) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Arc::new(Cache::open_or_create(folder.path()).unwrap());
        let (port, count) = redirecting(to);
        let options = Options::default();
        let mut downloader = Downloader::new(cache, &options, &|_, _, _| {}).unwrap();
        // As if it were out on the internet.
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        downloader.http = builder(&options).resolve("desk.example.org", address).build().unwrap();
        let url = format!("http://desk.example.org:{port}/a");
        let link = Link { key: url.clone(), url, claimed: None, mime: None, name: "a".into(), record: "test:1".into() };
        let Got::Failed { reason, is_unreachable: false, .. } = downloader.get(&link).await.unwrap() else {
            panic!("not refused")
        };
        (reason, count.load(std::sync::atomic::Ordering::SeqCst))
    }

    #[tokio::test]
    async fn no_redirect_leads_to_a_private_address() {
        for to in [
            "http://127.0.0.1:PORT/b",
            "http://localhost:PORT/b",
            "http://[::ffff:127.0.0.1]:PORT/b",
            "http://169.254.169.254/latest",
        ] {
            let (reason, requests) = redirected(move |port| to.replace("PORT", &port.to_string())).await;
            assert!(reason.contains("private address"), "{to}: {reason}");
            assert_eq!(requests, 1, "{to}: asked once, and not where it leads");
        }
    }

    #[tokio::test]
    async fn redirects_are_bounded() {
        let (reason, requests) = redirected(|_| "/again".to_owned()).await;
        assert!(reason.contains("more than 5 times"), "{reason}");
        assert_eq!(requests, MOST_REDIRECTS + 1);
    }

    #[test]
    fn redirects_table() {
        for (from, to, expected) in [
            ("https://a.example/x/y", Some("z?1#top"), Ok("https://a.example/x/z?1")),
            ("https://a.example/x", Some("//b.example/z"), Ok("https://b.example/z")),
            ("http://a.example/x", Some("https://b.example/z"), Ok("https://b.example/z")),
            ("https://a.example/x", Some("https://u:p@b.example/z"), Ok("https://b.example/z")),
            ("https://a.example/x", Some("http://a.example/x"), Err("from https to http")),
            ("http://a.example/x", Some("file:///etc/passwd"), Err("no address on the web")),
            ("http://a.example/x", Some("javascript:x"), Err("no address on the web")),
            ("http://a.example/x", None, Err("no address on the web")),
        ] {
            match (redirect(&Url::parse(from).unwrap(), to), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_str(), expected),
                (Err(Miss::Final { reason, .. }), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
                (found, expected) => panic!("{to:?}: {found:?} and not {expected:?}"),
            }
        }
    }

    #[test]
    fn answers_table() {
        for (status, of, is_final, wait) in [
            (403, &[][..], true, None),
            (404, &[], true, None),
            (410, &[], true, None),
            (400, &[], true, None),
            (501, &[], true, None),
            (206, &[], true, None),
            (429, &[], false, None),
            (429, &[("retry-after", "7")], false, Some(7)),
            (503, &[("retry-after", "3")], false, Some(3)),
            (500, &[], false, None),
            (502, &[], false, None),
            (408, &[], false, None),
        ] {
            let miss = refused(StatusCode::from_u16(status).unwrap(), &headers(of));
            match miss {
                Miss::Final { reason, .. } => assert!(is_final && reason.starts_with(&status.to_string()), "{reason}"),
                Miss::Transient { wait: found, .. } => {
                    assert!(!is_final, "{status}");
                    assert_eq!(found.map(|found| found.as_secs()), wait, "{status}");
                }
                Miss::Local(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn only_what_names_exact_bytes_is_a_validator() {
        let changed = ("last-modified", "Mon, 23 Nov 2026 10:00:00 GMT");
        for (of, expected) in [
            (&[("etag", "\"a\""), changed][..], Some("\"a\"")),
            (&[("etag", "W/\"a\"")], None),
            (&[("etag", "W/\"a\""), changed], Some(changed.1)),
            (&[changed], Some(changed.1)),
            (&[], None),
        ] {
            assert_eq!(validator(&headers(of)).as_deref(), expected);
        }
    }

    #[test]
    fn ranges_table() {
        for (range, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-9/*", Some(0)),
            ("bytes */10", None),
            ("items 1-2/3", None),
            ("", None),
        ] {
            assert_eq!(range_start(&headers(&[("content-range", range)])), expected, "{range}");
        }
    }
}
