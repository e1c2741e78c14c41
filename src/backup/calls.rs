//! Listens for FreeScout's calls: what a signed one names is due to be read again.
//!
//! Promises:
//!
//! - Nothing in a call is believed but an id, and that only after its signature has been checked in constant time.
//! - Of a body its beginning is kept, however long it is; ids that wait are counted, and beyond a bound a whole list
//!   takes their place. Connections are few and short-lived.
//! - A call that comes twice, or again after days, costs one question to FreeScout and nothing else.
//!
//! A call is `POST` with the conversation or customer as JSON, `X-FreeScout-Event`, and `X-FreeScout-Signature`: base64 of
//! HMAC-SHA1 of the body (`freescout-behaviour.md`, section 11; the module's product page). What is not
//! answered with 2xx is sent again up to ten times within two hours.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::serve::Listener;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt as _;
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::freescout::wire;

/// A longer body is refused. A conversation with thousands of threads is a few megabytes.
const LONGEST_BODY: u64 = 64 << 20;

/// How much of a body is kept: FreeScout's rows begin with their id.
const KEPT: usize = 64 << 10;

/// Connections at a time; further ones wait in the system's queue.
const MOST_CONNECTIONS: usize = 64;

/// How long a connection may last. FreeScout gives up after 30 seconds itself, and makes a new one for each call.
const LONGEST_CONNECTION: Duration = Duration::from_secs(60);

/// Ids that wait to be read. When more happens at once, a list of everything is cheaper.
const MOST_WAITING: usize = 50_000;

/// The name of the mark in an address by which a call says which webhook it comes from.
pub(super) const MARK: &str = "foxferry";

/// How many calls came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Signed ones.
    pub signed: u64,
    /// Without a signature, or not a call at all.
    pub unsigned: u64,
    /// With a signature that does not fit.
    pub wrongly_signed: u64,
    /// Whose body was too long or did not arrive.
    pub broken: u64,
}

/// What is due to be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Conversations.
    pub conversations: BTreeSet<u64>,
    /// Whether some customer has changed; those are listed by time.
    pub customers: bool,
    /// Whether more has happened than could be noted.
    pub is_too_much: bool,
}

#[derive(Default)]
struct Noted {
    due: Due,
    tally: Tally,
    /// Marks of webhooks that are not ours, each once.
    strangers: BTreeSet<String>,
    new_strangers: Vec<String>,
}

/// What has been heard.
pub(super) struct Calls {
    key: hmac::Key,
    /// Two values are compared by their signatures under a key that nobody knows: that takes the same time
    /// wherever they differ.
    comparing: hmac::Key,
    mark: Mutex<String>,
    noted: Mutex<Noted>,
    heard: Notify,
}

impl Calls {
    pub fn new(secret: &SecretString) -> Result<Self, ring::error::Unspecified> {
        let random = ring::rand::SystemRandom::new();
        Ok(Self {
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose_secret().as_bytes()),
            comparing: hmac::Key::generate(hmac::HMAC_SHA256, &random)?,
            mark: Mutex::default(),
            noted: Mutex::default(),
            heard: Notify::new(),
        })
    }

    /// Listens until the answer is dropped.
    pub fn listen(self: &Arc<Self>, listener: TcpListener) -> AbortOnDropHandle<()> {
        let door = Door { listener, places: Arc::new(Semaphore::new(MOST_CONNECTIONS)) };
        let service = Router::new().fallback(call).with_state(Arc::clone(self));
        AbortOnDropHandle::new(tokio::spawn(async move {
            // Accepting goes on after errors, and the task ends with its handle.
            let _ = axum::serve(door, service).await;
        }))
    }

    /// From now on this is the mark of our own webhook.
    pub fn expect(&self, mark: &str) {
        mark.clone_into(&mut self.mark.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns when something is due; at once if something is already.
    pub async fn heard(&self) {
        loop {
            let heard = self.heard.notified();
            if self.noted().due != Due::default() {
                return;
            }
            heard.await;
        }
    }

    /// What is due, which is forgotten here.
    pub fn take(&self) -> Due {
        std::mem::take(&mut self.noted().due)
    }

    /// Marks of webhooks that are not ours and have called since this was asked.
    pub fn strangers(&self) -> Vec<String> {
        std::mem::take(&mut self.noted().new_strangers)
    }

    pub fn tally(&self) -> Tally {
        self.noted().tally
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_same(&self, one: &[u8], other: &[u8]) -> bool {
        hmac::verify(&self.comparing, one, hmac::sign(&self.comparing, other).as_ref()).is_ok()
    }

    fn note(&self, event: &str, mark: Option<&str>, body: &[u8]) {
        let id = id_in(body);
        let mut noted = self.noted();
        noted.tally.signed += 1;
        let is_ours = mark.is_some_and(|mark| *mark == *self.mark.lock().unwrap_or_else(PoisonError::into_inner));
        if !is_ours && noted.strangers.len() < 100 {
            let mark = mark.unwrap_or_default().to_owned();
            if noted.strangers.insert(mark.clone()) {
                noted.new_strangers.push(mark);
            }
        }
        let due = &mut noted.due;
        match (event.split_once('.').map(|(about, _)| about), id) {
            (Some("customer"), _) => due.customers = true,
            (Some("convo"), Some(id)) if due.conversations.len() < MOST_WAITING => {
                due.conversations.insert(id);
            }
            (Some("convo"), _) => due.is_too_much = true,
            _ => return,
        }
        drop(noted);
        self.heard.notify_one();
    }

    async fn receive(&self, request: Request) -> StatusCode {
        let count = |to: fn(&mut Tally) -> &mut u64| *to(&mut self.noted().tally) += 1;
        if request.method() != Method::POST {
            count(|tally| &mut tally.unsigned);
            return StatusCode::METHOD_NOT_ALLOWED;
        }
        let Some(signature) = signature(request.headers()) else {
            count(|tally| &mut tally.unsigned);
            return StatusCode::UNAUTHORIZED;
        };
        let event = request.headers().get("X-FreeScout-Event").and_then(|event| event.to_str().ok());
        let event = event.unwrap_or_default().to_owned();
        let mark = request.uri().query().and_then(mark_in);
        let mut signing = hmac::Context::with_key(&self.key);
        let (mut kept, mut length) = (Vec::new(), 0_u64);
        let mut body = request.into_body().into_data_stream();
        while let Some(piece) = body.next().await {
            let Ok(piece) = piece else {
                count(|tally| &mut tally.broken);
                return StatusCode::BAD_REQUEST;
            };
            length += piece.len() as u64;
            if length > LONGEST_BODY {
                count(|tally| &mut tally.broken);
                return StatusCode::PAYLOAD_TOO_LARGE;
            }
            signing.update(&piece);
            let room = KEPT.saturating_sub(kept.len()).min(piece.len());
            kept.extend_from_slice(&piece[..room]);
        }
        if !self.is_same(signing.sign().as_ref(), &signature) {
            count(|tally| &mut tally.wrongly_signed);
            return StatusCode::FORBIDDEN;
        }
        self.note(&event, mark.as_deref(), &kept);
        StatusCode::OK
    }
}

async fn call(State(calls): State<Arc<Calls>>, request: Request) -> StatusCode {
    calls.receive(request).await
}

/// The signature that a call carries. `None`: none, or nothing that could be one.
fn signature(headers: &HeaderMap) -> Option<Vec<u8>> {
    let text = headers.get("X-FreeScout-Signature")?.as_bytes();
    if text.len() > 64 {
        return None;
    }
    BASE64.decode(text.trim_ascii()).ok().filter(|bytes| bytes.len() == 20)
}

/// Which webhook an address belongs to.
fn mark_in(query: &str) -> Option<String> {
    let (_, mark) = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == MARK)?;
    // It is shown to people.
    (mark.len() <= 40 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric())).then(|| mark.into_owned())
}

/// The id of a row, also of one that is cut off behind it.
fn id_in(body: &[u8]) -> Option<u64> {
    struct Id<'a>(&'a mut Option<u64>);

    impl<'de> Visitor<'de> for Id<'_> {
        type Value = ();

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("a row")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<(), A::Error> {
            while let Some(key) = row.next_key::<String>()? {
                if key == "id" {
                    *self.0 = wire::as_id(&row.next_value()?);
                    // The rest is not wanted, and may be cut off.
                    return Ok(());
                }
                row.next_value::<IgnoredAny>()?;
            }
            Ok(())
        }
    }

    let mut found = None;
    // An error behind the id, or because the rest was not read, says nothing.
    let _ = serde_json::Deserializer::from_slice(body).deserialize_map(Id(&mut found));
    found
}

/// Lets few connections in, and none for long.
struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl Listener for Door {
    type Io = Guest;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Guest, Self::Addr) {
        loop {
            // Never closed; should it be, nobody is let in.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    let until = Box::pin(tokio::time::sleep(LONGEST_CONNECTION));
                    return (Guest { stream, until, _place: place }, address);
                }
                // Too many open files, for instance: it may be better in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends after a while, whatever its other end does.
struct Guest {
    stream: TcpStream,
    until: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        self.until.as_mut().poll(context).is_ready()
    }
}

fn late<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

impl AsyncRead for Guest {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_late(context) {
            return late();
        }
        Pin::new(&mut self.stream).poll_read(context, to)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_late(context) {
            return late();
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn sign(body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
        BASE64.encode(hmac::sign(&key, body))
    }

    struct Rig {
        calls: Arc<Calls>,
        url: String,
        _listening: AbortOnDropHandle<()>,
    }

    impl Rig {
        async fn start() -> Self {
            // An error says that one is installed already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let calls = Arc::new(Calls::new(&SECRET.into()).unwrap());
            calls.expect("abc");
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/any/path?foxferry=abc", listener.local_addr().unwrap());
            let listening = calls.listen(listener);
            Self { calls, url, _listening: listening }
        }

        async fn post(&self, event: &str, signature: Option<&str>, body: impl Into<reqwest::Body>) -> u16 {
            let call = reqwest::Client::new().post(&self.url).header("X-FreeScout-Event", event).body(body);
            let call = match signature {
                Some(signature) => call.header("X-FreeScout-Signature", signature),
                None => call,
            };
            call.send().await.unwrap().status().as_u16()
        }
    }

    #[tokio::test]
    async fn only_what_is_signed_is_believed() {
        let rig = Rig::start().await;
        let body = br#"{"id":7,"number":7}"#;
        let good = sign(body);
        let other = sign(b"{\"id\":8}");
        for (signature, expected) in [
            (None, 401),
            (Some(""), 401),
            (Some("not base64"), 401),
            (Some("AAAA"), 401),
            (Some(other.as_str()), 403),
            (Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA="), 403),
        ] {
            assert_eq!(rig.post("convo.created", signature, &body[..]).await, expected, "{signature:?}");
        }
        assert_eq!(reqwest::get(&rig.url).await.unwrap().status(), 405);
        assert_eq!(rig.calls.take(), Due::default());

        assert_eq!(rig.post("convo.created", Some(&good), &body[..]).await, 200);
        assert_eq!(rig.post("convo.created", Some(&good), &body[..]).await, 200, "a second time");
        rig.calls.heard().await;
        assert_eq!(rig.calls.take().conversations, BTreeSet::from([7]));
        assert_eq!(rig.calls.tally(), Tally { signed: 2, unsigned: 5, wrongly_signed: 2, broken: 0 });
    }

    #[tokio::test]
    async fn long_bodies_are_signed_as_a_whole_and_endless_ones_refused() {
        let rig = Rig::start().await;
        let long = format!(r#"{{"id":9,"preview":"{}"}}"#, "x".repeat(4 * KEPT));
        assert_eq!(rig.post("convo.status", Some(&sign(long.as_bytes())), long.clone()).await, 200);
        assert_eq!(rig.post("convo.status", Some(&sign(&long.as_bytes()[..KEPT])), long).await, 403);
        assert_eq!(rig.calls.take().conversations, BTreeSet::from([9]));
        let endless = vec![b' '; LONGEST_BODY as usize + 1];
        let signature = sign(&endless);
        let sent = reqwest::Client::new().post(&rig.url).header("X-FreeScout-Signature", signature).body(endless);
        // The answer may come while the body is still being sent.
        assert!(sent.send().await.is_ok_and(|answer| answer.status() == 413) || rig.calls.tally().broken == 1);
        assert_eq!(rig.calls.take(), Due::default());
    }

    #[tokio::test]
    async fn a_webhook_that_is_not_ours_is_heard_and_told_of_once() {
        let mut rig = Rig::start().await;
        rig.url = rig.url.replace("abc", "old1");
        for _ in 0..2 {
            assert_eq!(rig.post("customer.updated", Some(&sign(b"{}")), "{}").await, 200);
        }
        assert_eq!(rig.calls.strangers(), ["old1"]);
        assert!(rig.calls.take().customers && rig.calls.strangers().is_empty());
    }

    #[test]
    fn more_than_can_be_noted_becomes_a_list() {
        let calls = Calls::new(&SECRET.into()).unwrap();
        for id in 1..=MOST_WAITING as u64 + 1 {
            calls.note("convo.created", None, format!("{{\"id\":{id}}}").as_bytes());
        }
        let due = calls.take();
        assert_eq!((due.conversations.len(), due.is_too_much), (MOST_WAITING, true));
    }

    #[test]
    fn ids_table() {
        for (body, expected) in [
            (r#"{"id":5,"x":"#, Some(5)),
            (r#"{"number":1,"id":"6"}"#, Some(6)),
            (r#"{"customer":{"id":1}}"#, None),
            (r#"{"customer":{"id":1},"id":2}"#, Some(2)),
            (r#"{"id":-1}"#, None),
            (r#"{"id":null}"#, None),
            ("[1]", None),
            ("", None),
            (r#"{"subject":"cut of"#, None),
        ] {
            assert_eq!(id_in(body.as_bytes()), expected, "{body}");
        }
        assert_eq!(id_in("[".repeat(KEPT).as_bytes()), None);
        assert_eq!(id_in(format!("{{\"a\":{}", "[".repeat(KEPT)).as_bytes()), None);
    }
}
