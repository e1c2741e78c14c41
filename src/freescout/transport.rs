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
        let response = self.head(endpoint, request, &sending, length, until).await?;
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

    /// Sends a request and waits for the head of the answer.
    async fn head(
        &self,
        endpoint: &'static str,
        request: reqwest::Request,
        sending: &Sending,
        length: u64,
        until: Instant,
    ) -> Result<reqwest::Response, ApiError> {
        tokio::select! {
            biased;
            response = self.http.execute(request) => response.map_err(|error| lost(endpoint, sending, length, error)),
            () = stalled(sending, self.timeouts.idle, until) => {
                Err(ApiError::new(endpoint, ErrorKind::TimedOut, progress(sending, length)))
            }
        }
    }

    /// Asks for a file beside the API: `path` is what follows the target's address. The answer's body is left to the
    /// caller, with the time it may wait for each piece.
    pub(super) async fn file(
        &self,
        endpoint: &'static str,
        path: &str,
        query: &str,
    ) -> Result<(reqwest::Response, Duration), ApiError> {
        let mut url = self.api.clone();
        url.set_path(&format!("{}{path}", self.api.path().trim_end_matches("/api/")));
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        let started = Instant::now();
        self.requests.fetch_add(1, Ordering::Relaxed);
        let sending = Sending::new();
        sending.complete();
        let until = started + self.timeouts.total;
        let response = self.head(endpoint, reqwest::Request::new(Method::GET, url), &sending, 0, until).await?;
        let status = response.status();
        tracing::debug!(endpoint, status = status.as_u16(), ms = started.elapsed().as_millis() as u64, "a file");
        if status == StatusCode::OK {
            return Ok((response, self.timeouts.idle));
        }
        let (headers, body, _) = self.read(response, LONGEST_EXCUSE, until).await;
        Err(self.refusal(endpoint, status, &headers, &body))
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
    let (kind, progress) = if error.is_connect() && is_about_certificate(&error) {
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

/// Whether a certificate is what failed. I/O errors do not show what is inside them as their source, and lie inside one another.
fn is_about_certificate(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return matches!(error, rustls::Error::InvalidCertificate(_));
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
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
        401 | 407 => ErrorKind::LoginRefused,
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
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
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

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};

    use super::super::stub::{Act, KEY, Stub, answer};
    use super::super::{
        Auth, Client, ConversationFilter, Embed, NewAttachment, NewConversation, NewThread, Page, Target, UserFilter,
        Verdict,
    };
    use super::*;
    use crate::content::Content;
    use crate::conversation::{Kind, Status, ThreadKind};

    const JSON: &str = "Content-Type: application/json\r\n";
    const HTML: &str = "Content-Type: text/html; charset=UTF-8\r\n";
    const OWN: &str = r#"{"message":"Error occurred","_embedded":{"errors":[{"path":"mailboxId","message":"Mailbox not found","source":"JSON"}]}}"#;
    const THROTTLED: Verdict = Verdict::Throttled { retry_after: None };

    fn conversation(content: Option<Content>) -> NewConversation {
        let attachment = |content| NewAttachment {
            file_name: "a.bin".into(),
            mime_type: "application/x-a".into(),
            content,
            hash: Default::default(),
        };
        NewConversation {
            subject: "Kettle".into(),
            kind: Kind::Email,
            mailbox_id: 1,
            customer_id: 2,
            status: Status::Closed,
            assign_to: None,
            created_at: "2020-03-16T14:07:23Z".parse().unwrap(),
            closed_at: None,
            custom_fields: Vec::new(),
            threads: vec![NewThread {
                kind: ThreadKind::Customer,
                text: "It whistles.".into(),
                user: None,
                customer_id: Some(2),
                cc: Vec::new(),
                bcc: Vec::new(),
                created_at: "2020-03-16T14:07:23Z".parse().unwrap(),
                status: None,
                attachments: content.map(attachment).into_iter().collect(),
            }],
        }
    }

    async fn failed_create(stub: &Stub) -> ApiError {
        stub.client().create_conversation(&conversation(None)).await.unwrap_err()
    }

    #[tokio::test]
    async fn every_status_has_a_verdict() {
        use ErrorKind as K;
        let off = r#"{"message":"Tags module is not installed or not activated","_embedded":{"errors":[]}}"#;
        let own_404 = r#"{"message":"Not Found","_embedded":{"errors":[]}}"#;
        let cases = [
            ("200 OK", HTML, " ", K::BadAnswer, Verdict::Unknown),
            ("200 OK", HTML, "<html><title>Login</title>", K::BadAnswer, Verdict::Unknown),
            ("201 Created", JSON, "{}", K::BadAnswer, Verdict::Unknown),
            ("201 Created", JSON, r#"{"id":0}"#, K::BadAnswer, Verdict::Unknown),
            ("204 No Content", "", "", K::BadAnswer, Verdict::Unknown),
            ("400 Bad Request", JSON, OWN, K::Refused, Verdict::Refused),
            ("400 Bad Request", JSON, off, K::ModuleOff, Verdict::Refused),
            ("400 Bad Request", HTML, "<title>400</title>", K::Puzzling, Verdict::Unknown),
            ("401 Unauthorized", JSON, r#"{"message":"Not Authorized"}"#, K::KeyRefused, Verdict::Unauthorised),
            ("401 Unauthorized", "WWW-Authenticate: Basic\r\n", "<p>", K::LoginRefused, Verdict::Unauthorised),
            (
                "403 Forbidden",
                JSON,
                r#"{"message":"Untrusted Host: 10.0.0.1 [display]"}"#,
                K::HostNotTrusted,
                Verdict::Unauthorised,
            ),
            ("403 Forbidden", HTML, "<title>Blocked</title>", K::Forbidden, Verdict::Unknown),
            ("403 Forbidden", JSON, own_404, K::Forbidden, Verdict::Refused),
            ("404 Not Found", JSON, own_404, K::NotFound, Verdict::Refused),
            ("404 Not Found", JSON, r#"{"message":""}"#, K::ModuleMissing, Verdict::Unauthorised),
            ("404 Not Found", HTML, "<title>404</title>", K::NotFreeScout, Verdict::Unauthorised),
            ("405 Method Not Allowed", JSON, r#"{"message":""}"#, K::NoSuchMethod, Verdict::Refused),
            ("405 Method Not Allowed", JSON, r#""Method Not Allowed""#, K::NoSuchMethod, Verdict::Refused),
            ("408 Request Timeout", HTML, "", K::Puzzling, Verdict::Unknown),
            ("409 Conflict", JSON, OWN, K::Refused, Verdict::Refused),
            ("412 Precondition Failed", JSON, OWN, K::Refused, Verdict::Refused),
            ("413 Payload Too Large", HTML, "<title>413</title>", K::TooLarge, Verdict::Refused),
            ("415 Unsupported Media Type", JSON, OWN, K::Refused, Verdict::Refused),
            ("415 Unsupported Media Type", HTML, "", K::Puzzling, Verdict::Unknown),
            ("429 Too Many Requests", HTML, "", K::Throttled, THROTTLED),
            ("500 Internal Server Error", JSON, r#"{"message":"Server Error"}"#, K::ServerFault, Verdict::Unknown),
            ("502 Bad Gateway", HTML, "<title>502 Bad Gateway</title>", K::ServerFault, Verdict::Unknown),
            ("503 Service Unavailable", HTML, "", K::ServerFault, Verdict::Unknown),
            ("504 Gateway Time-out", HTML, "", K::ServerFault, Verdict::Unknown),
            ("599 What", HTML, "", K::ServerFault, Verdict::Unknown),
        ];
        for (status, headers, body, kind, verdict) in cases {
            let stub = Stub::answering(status, headers, body).await;
            let error = failed_create(&stub).await;
            assert_eq!((error.kind(), error.verdict()), (&kind, verdict), "{status} {body}");
            assert_eq!(error.status().unwrap().to_string(), status[..3]);
            assert_eq!(error.progress(), Progress::Answered);
            assert_eq!(stub.requests().len(), 1, "sent once");
        }
    }

    #[tokio::test]
    async fn an_error_has_freescouts_own_words_and_the_field() {
        let stub = Stub::answering("400 Bad Request", JSON, OWN).await;
        let error = failed_create(&stub).await;
        assert_eq!((error.path(), error.message()), (Some("mailboxId"), Some("Mailbox not found")));
        assert_eq!(error.to_string(), "`POST /conversations` was refused (400): `mailboxId`: Mailbox not found");
    }

    #[tokio::test]
    async fn a_web_page_is_quoted_by_its_title_alone() {
        let page = "<html><head><TITLE>\n 502 \u{1b}[31mBad\n Gateway </TITLE></head><body>nginx</body>";
        let stub = Stub::answering("502 Bad Gateway", HTML, page).await;
        let error = failed_create(&stub).await;
        assert_eq!(error.to_string(), "`POST /conversations` met a fault in the server (502): 502 [31mBad Gateway");
    }

    #[tokio::test]
    async fn retry_after_is_understood_as_seconds_and_as_a_date_by_the_servers_clock() {
        let cases = [
            ("Retry-After: 7\r\n", Some(7)),
            ("Date: Mon, 23 Nov 2026 10:00:00 GMT\r\nRetry-After: Mon, 23 Nov 2026 10:01:30 GMT\r\n", Some(90)),
            ("Date: Mon, 23 Nov 2026 10:00:00 GMT\r\nRetry-After: Mon, 23 Nov 2026 09:00:00 GMT\r\n", Some(0)),
            ("Retry-After: 99999999\r\n", Some(24 * 3600)),
            ("Retry-After: soon\r\n", None),
            ("", None),
        ];
        for (headers, seconds) in cases {
            let stub = Stub::answering("429 Too Many Requests", headers, "").await;
            let retry_after = seconds.map(Duration::from_secs);
            assert_eq!(failed_create(&stub).await.verdict(), Verdict::Throttled { retry_after }, "{headers}");
        }
        let stub = Stub::answering("503 Service Unavailable", "Retry-After: 5\r\n", "").await;
        let retry_after = Some(Duration::from_secs(5));
        assert_eq!(failed_create(&stub).await.verdict(), Verdict::Throttled { retry_after });
    }

    #[tokio::test]
    async fn a_503_of_varnish_is_unknown_though_it_says_retry_after() {
        for headers in
            ["Retry-After: 5\r\nX-Varnish: 32770\r\n", "Retry-After: 5\r\nVia: 1.1 varnish (Varnish/7.1)\r\n"]
        {
            let stub = Stub::answering("503 Backend fetch failed", headers, "").await;
            assert_eq!(failed_create(&stub).await.verdict(), Verdict::Unknown);
        }
    }

    #[tokio::test]
    async fn redirects_are_named_and_never_followed() {
        let other = Stub::answering("201 Created", "Resource-ID: 1\r\n", "{}").await;
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let location = format!("Location: {}/api/conversations?token=sesame\r\n", other.address);
            let stub = Stub::answering(status, &location, "").await;
            for error in [
                failed_create(&stub).await,
                stub.client().conversation(1, Embed::NOTHING).await.unwrap_err(),
                stub.client().delete_conversation(1).await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), &ErrorKind::Redirected { to: other.address.clone() });
                assert_eq!(error.verdict(), Verdict::Unauthorised);
                assert!(!format!("{error} {error:?}").contains("sesame"));
            }
        }
        assert!(other.requests().is_empty());
    }

    #[tokio::test]
    async fn the_key_goes_where_it_is_told_and_is_never_shown() {
        for auth in [Auth::Header, Auth::Query, Auth::Basic] {
            let body = format!(r#"{{"message":"wrong key {KEY}"}}"#);
            let stub = Stub::answering("500 Internal Server Error", JSON, &body).await;
            let client = stub.client_with(auth);
            let error = client.list_users(&UserFilter::default(), Page::FIRST).await.unwrap_err();

            let request = stub.request();
            let lower = request.to_lowercase();
            assert_eq!(lower.contains(&format!("x-freescout-api-key: {KEY}")), auth == Auth::Header, "{request}");
            assert_eq!(request.contains(&format!("api_key={KEY}")), auth == Auth::Query);
            // The key and the word `foxferry` as base64, in lower case.
            let login = "basic nwu1ytnlnwu1ytnlnwu1ytnlnwu1ytnlnwu1ytnlmda6zm94zmvycnk=";
            assert_eq!(lower.contains(login), auth == Auth::Basic, "{lower}");
            assert!(lower.contains("accept: application/json\r\n"));
            for shown in [error.to_string(), format!("{error:?}"), format!("{client:?}"), client.shown_url().to_owned()]
            {
                assert!(!shown.contains(KEY) && !shown.contains("api_key"), "{shown}");
            }
            assert_eq!(error.message(), Some("wrong key [redacted]"));
        }
    }

    #[tokio::test]
    async fn an_error_without_an_answer_does_not_show_the_query_either() {
        let stub = Stub::start(vec![Act::CloseAfter(0)]).await;
        let client = stub.client_with(Auth::Query);
        let error = client.list_users(&UserFilter::default(), Page::FIRST).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::HungUp);
        let mut shown = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            shown += &format!(" {error} {error:?}");
            cause = error.source();
        }
        assert!(!shown.contains(KEY) && !shown.contains("api_key") && !shown.contains("pageSize"), "{shown}");
    }

    #[tokio::test]
    async fn a_login_of_the_web_server_goes_beside_the_key() {
        let stub = Stub::answering("200 OK", JSON, r#"{"id":1}"#).await;
        let target = Target { http_login: Some(("ada".into(), "s:esame".into())), ..stub.target() };
        Client::new(target).unwrap().user(1).await.unwrap();
        let request = stub.request().to_lowercase();
        assert!(request.contains("authorization: basic ywrhonm6zxnhbwu=") && request.contains(KEY), "{request}");
    }

    #[tokio::test]
    async fn a_hang_up_after_the_request_is_unknown() {
        let stub = Stub::start(vec![Act::Silence]).await;
        let mut target = stub.target();
        target.timeouts.idle = Duration::from_millis(100);
        let error = Client::new(target).unwrap().create_conversation(&conversation(None)).await.unwrap_err();
        assert_eq!((error.kind(), error.progress()), (&ErrorKind::TimedOut, Progress::Sent));

        let length = conversation(None).body_length() as usize;
        let stub = Stub::start(vec![Act::CloseAfter(length)]).await;
        let error = failed_create(&stub).await;
        assert_eq!((error.kind(), error.progress()), (&ErrorKind::HungUp, Progress::Sent));
        assert_eq!(error.verdict(), Verdict::Unknown);
        assert_eq!(stub.requests().len(), 1, "a lost create is not sent again");
    }

    #[tokio::test]
    async fn nobody_there_is_certainly_not_executed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        for address in [address.as_str(), "http://no-such-host.invalid"] {
            let client = Client::new(Target::new(address, KEY.into()).unwrap()).unwrap();
            let error = client.create_conversation(&conversation(None)).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.progress()),
                (&ErrorKind::Unreachable, Progress::NotConnected),
                "{error:?}"
            );
            assert_eq!(error.verdict(), Verdict::Transient);
        }
    }

    #[tokio::test]
    async fn an_answer_that_stops_half_way_ends_in_time() {
        let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"id\"".to_vec();
        let stub = Stub::start(vec![Act::AnswerAndStall(half)]).await;
        let mut target = stub.target();
        target.timeouts.idle = Duration::from_millis(100);
        let error = Client::new(target).unwrap().user(1).await.unwrap_err();
        assert_eq!((error.kind(), error.progress()), (&ErrorKind::HungUp, Progress::Answered));
    }

    #[tokio::test]
    async fn a_cut_answer_with_an_id_is_a_success_without_a_body() {
        let cut = b"HTTP/1.1 201 Created\r\nResource-ID: 17\r\nContent-Length: 900\r\n\r\n{\"id\":17,".to_vec();
        let stub = Stub::start(vec![Act::Answer(cut)]).await;
        let created = stub.client().create_conversation(&conversation(None)).await.unwrap();
        assert_eq!(created.id, 17);
        assert!(created.body.is_none());

        let cut = b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\n\r\n{\"id\":17,".to_vec();
        let stub = Stub::start(vec![Act::Answer(cut)]).await;
        assert_eq!(failed_create(&stub).await.verdict(), Verdict::Unknown);
    }

    #[tokio::test]
    async fn a_create_is_known_by_its_header_else_by_its_body() {
        for (headers, body, id) in
            [("Resource-ID: 5\r\n", "", 5), ("", r#"{"id":"6"}"#, 6), ("Resource-ID: 7\r\n", r#"{"id":8}"#, 7)]
        {
            let stub = Stub::answering("201 Created", headers, body).await;
            assert_eq!(stub.client().create_conversation(&conversation(None)).await.unwrap().id, id);
        }
    }

    #[tokio::test]
    async fn a_refusal_while_the_body_is_being_sent_is_heard() {
        let refusal = answer("413 Request Entity Too Large", HTML, "<title>413</title>");
        let stub = Stub::start(vec![Act::AnswerEarly(refusal)]).await;
        let new = conversation(Some(Content::bytes(vec![7; 20 << 20])));
        let error = stub.client().create_conversation(&new).await.unwrap_err();
        // A server that closes on unread bytes resets the connection, and the reset may overtake its answer.
        let heard = error.kind() == &ErrorKind::TooLarge && error.verdict() == Verdict::Refused;
        let reset = error.kind() == &ErrorKind::HungUp && matches!(error.progress(), Progress::Sending { .. });
        assert!(heard || reset, "{error:?}");
        assert!(error.is_about_size());
    }

    #[tokio::test]
    async fn a_connection_closed_in_the_middle_of_the_body_says_how_far_it_got() {
        let stub = Stub::start(vec![Act::CloseAfter(100_000)]).await;
        let new = conversation(Some(Content::bytes(vec![7; 20 << 20])));
        let error = stub.client().create_conversation(&new).await.unwrap_err();
        assert_eq!((error.kind(), error.verdict()), (&ErrorKind::HungUp, Verdict::Unknown));
        let Progress::Sending { sent, of } = error.progress() else { panic!("{error:?}") };
        assert_eq!(of, new.body_length());
        assert!(sent < of);
        assert!(error.is_about_size());
    }

    #[tokio::test]
    async fn an_attachment_arrives_whole_and_its_request_is_as_long_as_announced() {
        use base64::Engine as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let bytes: Vec<u8> = (0..1_000_003_u32).map(|at| (at % 253) as u8).collect();
        file.write_all(&bytes).unwrap();
        let content = Content::File { path: file.path().into(), length: bytes.len() as u64 };
        let new = conversation(Some(content));
        let stub = Stub::answering("201 Created", "Resource-ID: 1\r\n", "{}").await;

        stub.client().create_conversation(&new).await.unwrap();

        let request = stub.request();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len() as u64, new.body_length());
        assert!(head.to_lowercase().contains(&format!("content-length: {}", body.len())));
        assert!(!head.to_lowercase().contains("transfer-encoding"));
        let json: Value = serde_json::from_str(body).unwrap();
        let data = json["threads"][0]["attachments"][0]["data"].as_str().unwrap();
        assert!(base64::engine::general_purpose::STANDARD.decode(data).unwrap() == bytes);
    }

    #[tokio::test]
    async fn a_file_that_shrank_or_grew_cuts_the_request_and_is_told_apart() {
        for (held, announced) in [(900_000, 900_001), (900_001, 900_000)] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(&vec![1; held]).unwrap();
            let new = conversation(Some(Content::File { path: file.path().into(), length: announced }));
            let stub = Stub::answering("201 Created", "Resource-ID: 1\r\n", "{}").await;

            let error = stub.client().create_conversation(&new).await.unwrap_err();

            assert!(
                matches!(error.kind(), ErrorKind::ContentChanged { file_name, .. } if file_name == "a.bin"),
                "{error:?}"
            );
            assert_eq!(error.verdict(), Verdict::Refused);
            for request in stub.requests() {
                let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                assert!(((request.len() - head) as u64) < new.body_length(), "the body never became whole");
            }
        }
    }

    #[tokio::test]
    async fn a_missing_file_is_named_with_its_cause() {
        let new = conversation(Some(Content::File { path: std::path::Path::new("/nonexistent/a").into(), length: 4 }));
        let stub = Stub::answering("201 Created", "Resource-ID: 1\r\n", "{}").await;
        let error = stub.client().create_conversation(&new).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::ContentUnreadable { file_name: "a.bin".into() });
        let cause = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_list_must_be_a_list() {
        let cases = [
            ("<html><title>Login</title>", ErrorKind::BadAnswer),
            ("{}", ErrorKind::BadAnswer),
            (r#"{"_embedded":{"users":[]}}"#, ErrorKind::BadAnswer),
            (r#"{"_embedded":{"conversations":[{"number":1}]}}"#, ErrorKind::BadAnswer),
        ];
        for (body, kind) in cases {
            let stub = Stub::answering("200 OK", JSON, body).await;
            let error =
                stub.client().list_conversations(&ConversationFilter::default(), Page::FIRST).await.unwrap_err();
            assert_eq!(error.kind(), &kind, "{body}");
        }
    }

    #[tokio::test]
    async fn an_answer_carries_the_servers_clock() {
        let stub = Stub::answering("200 OK", "Date: Mon, 23 Nov 2026 10:00:00 GMT\r\n", r#"{"id":1}"#).await;
        let answer = stub.client().conversation(1, Embed::ALL).await.unwrap();
        assert_eq!(answer.server_date, Some("2026-11-23T10:00:00Z".parse().unwrap()));
        assert!(stub.request().starts_with("GET /api/conversations/1?embed=threads%2Ctimelogs%2Ctags HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn an_update_is_done_at_204_and_unknown_at_a_blank_200() {
        for (status, body, is_done) in [
            ("204 No Content", "", true),
            ("200 OK", r#"{"id":1}"#, true),
            ("200 OK", "", false),
            ("200 OK", "<p>", false),
        ] {
            let stub = Stub::answering(status, HTML, body).await;
            let result = stub.client().set_tags(1, &["a".into()]).await;
            assert_eq!(result.is_ok(), is_done, "{status} {body}");
            assert!(result.is_ok() || result.is_err_and(|error| error.verdict() == Verdict::Unknown));
        }
    }

    #[tokio::test]
    async fn a_hostile_message_becomes_one_short_line() {
        let body = format!(r#"{{"message":"{}"}}"#, "x\\n".repeat(5000));
        let stub = Stub::answering("500 Internal Server Error", JSON, &body).await;
        let message = failed_create(&stub).await.message().unwrap().to_owned();
        assert!(message.chars().count() <= 300 && !message.contains('\n'));
    }
}
