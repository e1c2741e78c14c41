//! What an answer, or its absence, says about a request: errors and their verdicts.
//!
//! Every call that is not a plain success becomes an [`ApiError`]. It names the endpoint,
//! the status, FreeScout's own message and the field it complains about, and its
//! [`verdict`](ApiError::verdict) says the one thing a caller must know before doing it
//! again: whether it can have taken effect.
//!
//! | status | as | verdict |
//! |---|---|---|
//! | 2xx that the module would not give (blank, no id, not JSON) | [`BadAnswer`](ErrorKind::BadAnswer) | unknown |
//! | 3xx | [`Redirected`](ErrorKind::Redirected) | unauthorised: nobody here takes requests |
//! | 400, 409, 412, 415, 422 as module JSON | [`Refused`](ErrorKind::Refused), [`ModuleOff`](ErrorKind::ModuleOff) | refused |
//! | 401, 407 | [`KeyRefused`](ErrorKind::KeyRefused), [`LoginRefused`](ErrorKind::LoginRefused) | unauthorised |
//! | 403 | [`HostNotTrusted`](ErrorKind::HostNotTrusted) unauthorised; [`Forbidden`](ErrorKind::Forbidden) refused as JSON, else unknown |
//! | 404 | [`NotFound`](ErrorKind::NotFound) refused; [`ModuleMissing`](ErrorKind::ModuleMissing), [`NotFreeScout`](ErrorKind::NotFreeScout) unauthorised |
//! | 405 | [`NoSuchMethod`](ErrorKind::NoSuchMethod) | refused |
//! | 413 | [`TooLarge`](ErrorKind::TooLarge) | refused |
//! | 429; 503 with `Retry-After` | [`Throttled`](ErrorKind::Throttled) | throttled |
//! | any other 4xx | [`Puzzling`](ErrorKind::Puzzling) | unknown |
//! | 5xx | [`ServerFault`](ErrorKind::ServerFault) | unknown |
//! | no answer | [`Unreachable`](ErrorKind::Unreachable) transient; [`HungUp`](ErrorKind::HungUp), [`TimedOut`](ErrorKind::TimedOut) unknown |

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// May the call be made again, and what has to happen before?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// FreeScout (or this client) said no and nothing was created. The same request will be refused again.
    Refused,
    /// Not executed; try again after this long, and let everybody else wait too.
    Throttled {
        /// What `Retry-After` said; `None`: it was absent or unreadable.
        retry_after: Option<Duration>,
    },
    /// Certainly not executed: there was no connection. Try again later.
    Transient,
    /// The target turns everybody away: wrong key, not FreeScout, not trusted. Nothing was
    /// executed and no other request will be; stop and tell the operator.
    Unauthorised,
    /// It may have taken effect, or may still do so. Ask FreeScout before sending a create again.
    /// (A request that only reads may simply be sent again.)
    Unknown,
}

/// How far a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It never left: refused by this client.
    NotSent,
    /// No connection came about.
    NotConnected,
    /// The connection ended while the body was still being sent. A server that was promised a
    /// length and has not got it does nothing (`freescout-behaviour.md`, section 19).
    Sending {
        /// Bytes handed to the connection, which may be more than arrived.
        sent: u64,
        /// Bytes announced.
        of: u64,
    },
    /// All of it was handed to the connection; no answer came.
    Sent,
    /// At least the head of an answer arrived.
    Answered,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This client will not send it: FreeScout would drop a part of it without saying so.
    Invalid,
    /// An attachment's bytes are not as many as were announced; the request was cut before its end.
    ContentChanged {
        /// The attachment's name.
        file_name: String,
        /// The length promised, in bytes.
        announced: u64,
        /// The bytes found; one more than `announced` stands for any number more.
        found: u64,
    },
    /// An attachment could not be read; the request was cut before its end.
    ContentUnreadable {
        /// The attachment's name.
        file_name: String,
    },
    /// No connection: name not found, nobody listens, no route, too slow.
    Unreachable,
    /// The server's certificate is not one that this machine trusts.
    Untrusted,
    /// The connection ended before an answer was complete.
    HungUp,
    /// No answer within the time allowed.
    TimedOut,
    /// The answer sends us elsewhere, and requests are never sent elsewhere.
    Redirected {
        /// Scheme and host of the place, without path and query.
        to: String,
    },
    /// 401 by the module: the API key is not the right one.
    KeyRefused,
    /// 401 by the web server, or 407 by a proxy: it wants a user name and a password of its own.
    LoginRefused,
    /// 403: FreeScout is addressed by a host name that it does not trust (core 1.8.235).
    HostNotTrusted,
    /// 403 by somebody else, as a rule a firewall in front of FreeScout.
    Forbidden,
    /// 404 by the module: this conversation, customer, … does not exist.
    NotFound,
    /// 404 by FreeScout's core: the API & Webhooks module is not installed or not active.
    ModuleMissing,
    /// 404 that is not FreeScout's.
    NotFreeScout,
    /// 405: the module is too old to know this call.
    NoSuchMethod,
    /// 413: the web server or PHP takes no request of this size.
    TooLarge,
    /// 400: an optional module (tags, custom fields, …) is off.
    ModuleOff,
    /// Another refusal in the module's own words.
    Refused,
    /// 429, or 503 with `Retry-After`.
    Throttled,
    /// 5xx.
    ServerFault,
    /// A 4xx that did not come from the module.
    Puzzling,
    /// A success that cannot be understood: blank, without an id, not JSON, too long.
    BadAnswer,
}

/// A call that did not succeed.
///
/// Neither its text nor its `Debug` form shows the address's query or the key.
pub struct ApiError {
    parts: Box<Parts>,
}

struct Parts {
    endpoint: &'static str,
    kind: ErrorKind,
    status: Option<u16>,
    message: Option<String>,
    path: Option<String>,
    retry_after: Option<Duration>,
    progress: Progress,
    is_own_json: bool,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    pub(super) fn new(endpoint: &'static str, kind: ErrorKind, progress: Progress) -> Self {
        Self {
            parts: Box::new(Parts {
                endpoint,
                kind,
                status: None,
                message: None,
                path: None,
                retry_after: None,
                progress,
                is_own_json: false,
                cause: None,
            }),
        }
    }

    /// A request that this client refuses to send, and why.
    pub(super) fn invalid(endpoint: &'static str, why: impl Into<String>) -> Self {
        Self::new(endpoint, ErrorKind::Invalid, Progress::NotSent).with_message(why)
    }

    pub(super) fn with_status(mut self, status: u16) -> Self {
        self.parts.status = Some(status);
        self
    }

    pub(super) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.parts.message = Some(message.into()).filter(|text| !text.is_empty());
        self
    }

    pub(super) fn with_path(mut self, path: Option<String>) -> Self {
        self.parts.path = path.filter(|text| !text.is_empty());
        self
    }

    pub(super) fn with_retry_after(mut self, after: Option<Duration>) -> Self {
        self.parts.retry_after = after;
        self
    }

    pub(super) fn in_own_words(mut self) -> Self {
        self.parts.is_own_json = true;
        self
    }

    pub(super) fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.parts.cause = Some(cause.into());
        self
    }

    /// The method and path pattern, as in `POST /conversations/{id}/threads`.
    pub fn endpoint(&self) -> &'static str {
        self.parts.endpoint
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.parts.kind
    }

    /// The HTTP status, if an answer came.
    pub fn status(&self) -> Option<u16> {
        self.parts.status
    }

    /// FreeScout's own message, or the title of a web page that came instead.
    pub fn message(&self) -> Option<&str> {
        self.parts.message.as_deref()
    }

    /// The field that FreeScout complains about (`mailboxId`, `customer.first_name`).
    pub fn path(&self) -> Option<&str> {
        self.parts.path.as_deref()
    }

    /// What `Retry-After` asked for, whatever the status.
    pub fn retry_after(&self) -> Option<Duration> {
        self.parts.retry_after
    }

    /// How far the request got.
    pub fn progress(&self) -> Progress {
        self.parts.progress
    }

    /// Whether the module said that the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        self.parts.kind == ErrorKind::NotFound
    }

    /// Whether an optional module is off at the target.
    pub fn is_module_off(&self) -> bool {
        self.parts.kind == ErrorKind::ModuleOff
    }

    /// Whether smaller requests may get through: 413, or the connection was closed in the middle of the body.
    pub fn is_about_size(&self) -> bool {
        matches!(self.parts.kind, ErrorKind::TooLarge)
            || (self.parts.kind == ErrorKind::HungUp && matches!(self.parts.progress, Progress::Sending { .. }))
    }

    /// Whether the call may be made again, and what has to happen before.
    pub fn verdict(&self) -> Verdict {
        use ErrorKind as K;
        match &self.parts.kind {
            K::Invalid | K::ContentChanged { .. } | K::ContentUnreadable { .. } => Verdict::Refused,
            K::Refused | K::ModuleOff | K::NotFound | K::NoSuchMethod | K::TooLarge => Verdict::Refused,
            K::Forbidden if self.parts.is_own_json => Verdict::Refused,
            K::Throttled => Verdict::Throttled { retry_after: self.parts.retry_after },
            K::Unreachable => Verdict::Transient,
            K::Untrusted | K::KeyRefused | K::LoginRefused | K::HostNotTrusted | K::Redirected { .. } => {
                Verdict::Unauthorised
            }
            K::ModuleMissing | K::NotFreeScout => Verdict::Unauthorised,
            // Neither silence nor a stranger's answer proves that nothing was created.
            K::HungUp | K::TimedOut | K::ServerFault | K::BadAnswer | K::Puzzling | K::Forbidden => Verdict::Unknown,
        }
    }

    fn sentence(&self) -> String {
        use ErrorKind as K;
        let endpoint = self.parts.endpoint;
        match &self.parts.kind {
            K::Invalid => format!("`{endpoint}` was not sent"),
            K::ContentChanged { file_name, announced, found } if found > announced => format!(
                "`{endpoint}` was cut short: the attachment `{file_name}` holds more than the {announced} bytes announced"
            ),
            K::ContentChanged { file_name, announced, found } => format!(
                "`{endpoint}` was cut short: the attachment `{file_name}` holds {found} bytes instead of {announced}"
            ),
            K::ContentUnreadable { file_name } => {
                format!("`{endpoint}` was cut short: the attachment `{file_name}` could not be read")
            }
            K::Unreachable => format!("`{endpoint}` was not sent: the server could not be reached"),
            K::Untrusted => format!("`{endpoint}` was not sent: the server's certificate is not trusted"),
            K::HungUp => match self.parts.progress {
                Progress::Sending { sent, of } => {
                    format!("the connection was closed after {sent} of {of} bytes of `{endpoint}`")
                }
                Progress::Answered => format!("the answer to `{endpoint}` broke off"),
                _ => format!("the connection was closed without an answer to `{endpoint}`"),
            },
            K::TimedOut => match self.parts.progress {
                Progress::Sending { sent, of } => {
                    format!("the server stopped reading after {sent} of {of} bytes of `{endpoint}`")
                }
                Progress::Answered => format!("the answer to `{endpoint}` took too long"),
                _ => format!("no answer to `{endpoint}` in time"),
            },
            K::Redirected { to } => format!("`{endpoint}` was redirected to `{to}`"),
            K::KeyRefused => format!("`{endpoint}`: the API key was refused"),
            K::LoginRefused => format!("`{endpoint}`: the web server or a proxy asks for a user name and a password"),
            K::HostNotTrusted => format!("`{endpoint}`: FreeScout does not trust the host name in the address"),
            K::Forbidden => format!("`{endpoint}` was forbidden"),
            K::NotFound => format!("`{endpoint}`: it does not exist"),
            K::ModuleMissing => {
                format!("`{endpoint}`: FreeScout has no API here; its module API & Webhooks is missing or off")
            }
            K::NotFreeScout => format!("`{endpoint}`: this address is not FreeScout's"),
            K::NoSuchMethod => format!("`{endpoint}` is not known to this version of API & Webhooks"),
            K::TooLarge => format!("`{endpoint}` is too large for the server"),
            K::ModuleOff | K::Refused => format!("`{endpoint}` was refused"),
            K::Throttled => format!("`{endpoint}` has to wait"),
            K::ServerFault => format!("`{endpoint}` met a fault in the server"),
            K::Puzzling => format!("`{endpoint}` was turned away by something before FreeScout"),
            K::BadAnswer => format!("the answer to `{endpoint}` cannot be understood"),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence())?;
        if let Some(status) = self.parts.status {
            write!(f, " ({status})")?;
        }
        match (&self.parts.path, &self.parts.message) {
            (Some(path), Some(message)) => write!(f, ": `{path}`: {message}"),
            (None, Some(message)) => write!(f, ": {message}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("endpoint", &self.parts.endpoint)
            .field("kind", &self.parts.kind)
            .field("status", &self.parts.status)
            .field("message", &self.parts.message)
            .field("path", &self.parts.path)
            .field("retry_after", &self.parts.retry_after)
            .field("progress", &self.parts.progress)
            .field("cause", &self.parts.cause)
            .finish()
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.parts.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
