//! Sends one call and says what came of it. Nothing here knows what the calls mean.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::body::{Payload, Sending};
use super::error::{ApiError, ErrorKind, Progress};
use super::filter::Query;
use super::target::{Timeouts, Way};

/// The longest answer that is read. A page of 500 conversations with threads is some 20 MB.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;

/// How much of an error's body is read: enough for FreeScout's message or a page's title.
const LONGEST_EXCUSE: usize = 64 * 1024;

/// The longest wait that is believed of a `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// One call to be made.
pub(super) struct Call {
    pub(super) method: Method,
    /// Method and path pattern, for errors: `PUT /conversations/{id}/tags`.
    pub(super) endpoint: &'static str,
    /// The path behind `/api/`.
    pub(super) path: String,
    pub(super) query: Query,
    /// Query keys that hold a number.
    pub(super) keyed: Vec<(String, String)>,
    pub(super) payload: Option<Payload>,
}

/// A 2xx answer.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Why the body is not whole, if so. The head came, and says that the call was executed.
    pub(super) is_cut: bool,
    pub(super) took: Duration,
}

impl Success {
    /// The server's clock when it answered.
    pub(super) fn date(&self) -> Option<Timestamp> {
        date(&self.headers)
    }

    /// The id of what was created, from the header.
    pub(super) fn resource_id(&self) -> Option<u64> {
        self.headers.get("resource-id")?.to_str().ok()?.trim().parse().ok().filter(|id| *id > 0)
    }
}

pub(super) struct Transport {
    http: reqwest::Client,
    api: Url,
    pub(super) shown: String,
    query_key: Option<SecretString>,
    /// The key, so that it can be taken out of what strangers say.
    key: SecretString,
    timeouts: Timeouts,
    pub(super) requests: AtomicU64,
}

impl Transport {
    pub(super) fn new(way: Way, key: SecretString, timeouts: Timeouts) -> Self {
        let Way { http, api, shown, query_key } = way;
        Self { http, api, shown, query_key, key, timeouts, requests: AtomicU64::new(0) }
    }

    /// Makes the call. `Ok` is a 2xx, whole or not; everything else is an error with a verdict.
    pub(super) async fn send(&self, call: Call) -> Result<Success, ApiError> {
        let Call { method, endpoint, path, query, keyed, payload } = call;
        let url = self.url(&path, &query, &keyed);
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = self.exchange(&method, endpoint, url, payload).await;
        let ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &result {
            Ok(success) => {
                tracing::debug!(%method, path, status = success.status.as_u16(), ms, "answered");
            }
            Err(error) => {
                tracing::debug!(%method, path, status = error.status(), ms, kind = ?error.kind(), "not answered as hoped");
            }
        }
        result.map(|success| Success { took: started.elapsed(), ..success })
    }

    async fn exchange(
        &self,
        method: &Method,
        endpoint: &'static str,
        url: Url,
        payload: Option<Payload>,
    ) -> Result<Success, ApiError> {
        let length = payload.as_ref().map_or(0, Payload::length);
        let sending = Arc::new(Sending::new());
        let mut request = reqwest::Request::new(method.clone(), url);
        if let Some(payload) = payload {
            let headers = request.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // Set even where it could be worked out: chunked bodies escape PHP's size check, and some proxies refuse them.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            *request.body_mut() = Some(payload.into_body(&sending));
        } else {
            sending.complete();
        }

        let until = Instant::now() + self.timeouts.of_call(length);
        let response = tokio::select! {
            biased;
            response = self.http.execute(request) => response.map_err(|error| lost(endpoint, &sending, length, error))?,
            () = stalled(&sending, self.timeouts.idle, until) => {
                return Err(ApiError::new(endpoint, ErrorKind::TimedOut, progress(&sending, length)));
            }
        };

        let status = response.status();
        let limit = if status.is_success() { LONGEST_ANSWER } else { LONGEST_EXCUSE };
        let (headers, body, ending) = self.read(response, limit, until).await;
        if !status.is_success() {
            return Err(self.refusal(endpoint, status, &headers, &body));
        }
        if ending == Ending::TooLong {
            let error = ApiError::new(endpoint, ErrorKind::BadAnswer, Progress::Answered).with_status(status.as_u16());
            return Err(error.with_message(format!("it is longer than {LONGEST_ANSWER} bytes")));
        }
        Ok(Success { status, headers, body, is_cut: ending == Ending::Cut, took: Duration::ZERO })
    }

    fn url(&self, path: &str, query: &Query, keyed: &[(String, String)]) -> Url {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{path}", self.api.path()));
        if !query.is_empty() || !keyed.is_empty() || self.query_key.is_some() {
            let mut pairs = url.query_pairs_mut();
            for (key, value) in query {
                pairs.append_pair(key, value);
            }
            for (key, value) in keyed {
                pairs.append_pair(key, value);
            }
            if let Some(key) = &self.query_key {
                pairs.append_pair("api_key", key.expose_secret());
            }
        }
        url
    }

    async fn read(&self, mut response: reqwest::Response, limit: usize, until: Instant) -> (HeaderMap, Bytes, Ending) {
        let mut body = BytesMut::new();
        let mut ending = Ending::Whole;
        loop {
            let patience = until.min(Instant::now() + self.timeouts.idle);
            match tokio::time::timeout_at(patience, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    let room = limit - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        ending = Ending::TooLong;
                        break;
                    }
                }
                Ok(Ok(None)) => break,
                Ok(Err(_)) | Err(_) => {
                    ending = Ending::Cut;
                    break;
                }
            }
        }
        (std::mem::take(response.headers_mut()), body.freeze(), ending)
    }

    /// What an answer that is no success means. The table is in the module's documentation.
    fn refusal(&self, endpoint: &'static str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
        let words = Words::of(headers, body);
        let wait = retry_after(headers);
        let kind = kind_of(status, headers, &words, wait.is_some());
        let mut error = ApiError::new(endpoint, kind, Progress::Answered)
            .with_status(status.as_u16())
            .with_message(self.without_key(&words.message))
            .with_path(words.path.map(|path| self.without_key(&path)))
            .with_retry_after(wait);
        if words.is_own {
            error = error.in_own_words();
        }
        error
    }

    fn without_key(&self, text: &str) -> String {
        let key = self.key.expose_secret().trim();
        if key.len() < 4 { text.to_owned() } else { text.replace(key, "[redacted]") }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    Cut,
    TooLong,
}

/// Ends when nothing has moved for `idle`, or at `until`.
async fn stalled(sending: &Sending, idle: Duration, until: Instant) {
    loop {
        let patience = (sending.last_progress() + idle).min(until);
        tokio::time::sleep_until(patience).await;
        let now = Instant::now();
        if now >= until || now >= sending.last_progress() + idle {
            return;
        }
    }
}

fn progress(sending: &Sending, of: u64) -> Progress {
    if sending.is_complete() { Progress::Sent } else { Progress::Sending { sent: sending.sent(), of } }
}

/// What the absence of an answer means.
fn lost(endpoint: &'static str, sending: &Sending, length: u64, error: reqwest::Error) -> ApiError {
    if let Some((kind, cause)) = sending.take_fault() {
        let error = ApiError::new(endpoint, kind, progress(sending, length));
        return match cause {
            Some(cause) => error.with_cause(cause),
            None => error,
        };
    }
    let is_certificate = has_cause::<rustls::Error>(&error);
    let (kind, progress) = if error.is_connect() && is_certificate {
        (ErrorKind::Untrusted, Progress::NotConnected)
    } else if error.is_connect() {
        (ErrorKind::Unreachable, Progress::NotConnected)
    } else if error.is_timeout() {
        (ErrorKind::TimedOut, progress(sending, length))
    } else {
        (ErrorKind::HungUp, progress(sending, length))
    };
    ApiError::new(endpoint, kind, progress).with_cause(error.without_url())
}

/// Whether an error of this type lies beneath, also inside I/O errors, which do not show it as their source.
fn has_cause<E: std::error::Error + 'static>(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<E>() {
            return true;
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<E>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What an unsuccessful answer says.
struct Words {
    message: String,
    path: Option<String>,
    /// JSON with `_embedded.errors`, which only the module's controller writes.
    is_own: bool,
    /// JSON with a `message`: FreeScout's core, or the module.
    is_json: bool,
}

impl Words {
    fn of(headers: &HeaderMap, body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(answer)) => {
                let errors = answer.get("_embedded").and_then(|embedded| embedded.get("errors"));
                let is_own = errors.is_some_and(|errors| errors.is_array() || errors.is_object());
                let details: Vec<&Value> = match errors {
                    Some(Value::Array(errors)) => errors.iter().collect(),
                    Some(Value::Object(errors)) => errors.values().collect(),
                    _ => Vec::new(),
                };
                let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(String::from);
                let path = details.iter().find_map(|detail| text(detail, "path"));
                let said: Vec<String> = details.iter().filter_map(|detail| text(detail, "message")).collect();
                let general = answer.get("message").and_then(Value::as_str);
                let message = if said.is_empty() { general.unwrap_or_default().to_owned() } else { said.join("; ") };
                Self { message: tidy(&message), path: path.map(|path| tidy(&path)), is_own, is_json: general.is_some() }
            }
            Ok(Value::String(message)) => Self { message: tidy(&message), path: None, is_own: false, is_json: true },
            _ => {
                let is_text = headers
                    .get(CONTENT_TYPE)
                    .and_then(|kind| kind.to_str().ok())
                    .is_some_and(|kind| kind.starts_with("text/plain"));
                let page = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]);
                let message = title(&page).or_else(|| is_text.then(|| page.clone().into_owned())).unwrap_or_default();
                Self { message: tidy(&message), path: None, is_own: false, is_json: false }
            }
        }
    }
}

fn title(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    Some(page[start..end].to_owned())
}

/// One line of at most 300 characters without control characters: it will stand in a terminal.
fn tidy(text: &str) -> String {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.chars().filter(|sign| !sign.is_control()).collect::<String>())
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    if line.chars().count() <= 300 { line } else { line.chars().take(299).chain(['…']).collect() }
}

fn kind_of(status: StatusCode, headers: &HeaderMap, words: &Words, has_wait: bool) -> ErrorKind {
    match status.as_u16() {
        300..=399 => ErrorKind::Redirected { to: place(headers) },
        400 if words.is_own && words.message.contains("module is not installed or not activated") => {
            ErrorKind::ModuleOff
        }
        401 if words.is_json || !headers.contains_key("www-authenticate") => ErrorKind::KeyRefused,
        401 => ErrorKind::LoginRefused,
        403 if words.message.to_ascii_lowercase().contains("untrusted host") => ErrorKind::HostNotTrusted,
        403 => ErrorKind::Forbidden,
        // The module's own 404 has `_embedded`; the core's, for a route that does not exist, has only a message.
        404 if words.is_own => ErrorKind::NotFound,
        404 if words.is_json => ErrorKind::ModuleMissing,
        404 => ErrorKind::NotFreeScout,
        405 => ErrorKind::NoSuchMethod,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::Throttled,
        503 if has_wait && !is_from_varnish(headers) => ErrorKind::Throttled,
        400..=499 if words.is_own => ErrorKind::Refused,
        400..=499 => ErrorKind::Puzzling,
        _ => ErrorKind::ServerFault,
    }
}

/// Varnish answers 503 with `Retry-After: 5` by default, also when its backend took the request and was slow.
fn is_from_varnish(headers: &HeaderMap) -> bool {
    let via = headers.get("via").and_then(|via| via.to_str().ok()).unwrap_or_default();
    headers.contains_key("x-varnish") || via.to_ascii_lowercase().contains("varnish")
}

/// Scheme and host of a `Location`; its path and query may hold anything.
fn place(headers: &HeaderMap) -> String {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok()).unwrap_or_default();
    match Url::parse(location) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) if location.is_empty() => "nowhere".into(),
        Err(_) => "another path of the same server".into(),
    }
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers, &DATE)
}

fn http_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let text = headers.get(name)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(text.trim()).ok().map(|time| time.timestamp())
}

/// How long to wait: seconds, or a date by the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = http_date(headers, &RETRY_AFTER)?;
            let now = date(headers).unwrap_or_else(Timestamp::now);
            Duration::from_secs(u64::try_from(then.as_second() - now.as_second()).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
