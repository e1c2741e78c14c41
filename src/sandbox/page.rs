//! The rehearsal to look at: what the sandbox holds as web pages, read as a help desk is read.
//!
//! Promises:
//!
//! - Nothing is changed: every page answers GET and HEAD alone, and no form leads anywhere else.
//! - Nothing that came with the archive runs or calls out: texts are cleaned once more, whatever the API took, everything
//!   else is escaped, and each answer carries a policy that allows no script, no frame and no address but our own.
//! - Nobody else reads it: it answers on loopback connections only, under a name that means this machine, so that no
//!   page on the web can have its own name point here (DNS rebinding). There is no key to it, as there is none
//!   to the control calls: whoever can run programs on this machine can read it while it is up.
//! - Rows are locked for one look at them, never while HTML is cleaned or written.
//!
//! ```text
//! /                     mailboxes, counts, and whether anybody would have been mailed
//! /conversations?…      a list with filters and search
//! /conversation/ID      one conversation; FreeScout's own address for it
//! /people  /person/ID   customers and users, one customer
//! /outbox  /orphans     what a real server would have mailed, what belongs to nobody
//! /file/ID /image/ID    an attachment to keep, a picture to show
//! ```

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use axum::body::Body as HttpBody;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use bytes::Bytes;
use minijinja::{Environment, Value, context};

use super::Server;
use super::wire::Line;
use crate::html::page::{is_picture, templates};

mod conversation;
mod find;
mod lists;

/// Nothing runs, nothing is framed, nothing is fetched from elsewhere; style attributes of mails are harmless after cleaning.
const POLICY: &str = "default-src 'none'; img-src 'self' data:; style-src 'self'; style-src-attr 'unsafe-inline'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page/style.css");

/// Shown in place of pictures that lie on other servers.
const ABSENT: &str = include_str!("page/absent.svg");

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    templates(&[
        ("page", include_str!("page/page.html")),
        ("overview", include_str!("page/overview.html")),
        ("conversations", include_str!("page/conversations.html")),
        ("rows", include_str!("page/rows.html")),
        ("pages", include_str!("page/pages.html")),
        ("conversation", include_str!("page/conversation.html")),
        ("people", include_str!("page/people.html")),
        ("person", include_str!("page/person.html")),
        ("outbox", include_str!("page/outbox.html")),
        ("orphans", include_str!("page/orphans.html")),
        ("stopped", include_str!("page/stopped.html")),
    ])
    .expect("a test renders every template")
});

/// What a request ends with, before it becomes bytes.
enum Shown {
    Page { status: u16, title: String, main: String, search: String },
    Style,
    Absent,
    Picture { mime: String, bytes: Bytes },
    File { name: String, bytes: Bytes },
}

/// Why there is no page.
#[derive(Debug)]
enum Stopped {
    NotFound(&'static str),
    NotUnderstood(String),
    /// A template failed: a bug, and told as one.
    Broken(minijinja::Error),
}

impl From<minijinja::Error> for Stopped {
    fn from(error: minijinja::Error) -> Stopped {
        Stopped::Broken(error)
    }
}

/// Whether a path is one of these pages; all others keep FreeScout's own answer.
pub(super) fn is_page(path: &str) -> bool {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    const KNOWN: [&str; 11] = [
        "",
        "conversations",
        "conversation",
        "people",
        "person",
        "outbox",
        "orphans",
        "file",
        "image",
        "style.css",
        "absent.svg",
    ];
    KNOWN.contains(&first)
}

/// Answers a request for a page.
pub(super) async fn answer(server: Arc<Server>, line: &Line, request: Request) -> Response<HttpBody> {
    if let Some(refused) = refusal(line, request.method(), request.uri(), request.headers()) {
        return refused;
    }
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    // A search looks at every row, and cleaning a long mail takes a while: neither holds up the API.
    let made = tokio::task::spawn_blocking(move || {
        let made = show(&server, &path, &query).unwrap_or_else(stopped);
        write(&server, made)
    });
    made.await
        .unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR, "this page could not be made; the others can\n"))
}

/// Refuses whoever is not at this machine, and whatever is not a look.
fn refusal(line: &Line, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response<HttpBody>> {
    if !line.is_local {
        return Some(plain(
            StatusCode::FORBIDDEN,
            "The pages show customers' mail, so they are answered on this machine's loopback address only.\n\
             From elsewhere: ssh -L 8025:127.0.0.1:8025 THIS-MACHINE, then http://127.0.0.1:8025/\n",
        ));
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(Authority::as_str));
    if !host.is_some_and(is_this_machine) {
        return Some(plain(
            StatusCode::FORBIDDEN,
            "The pages are answered under a name of this machine only: localhost, 127.0.0.1 or [::1].\n",
        ));
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "The pages can only be read.\n");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(refused);
    }
    None
}

/// Whether a `Host` names this machine in a way that no name server has a say in.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    if name.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn show(server: &Server, path: &str, query: &str) -> Result<Shown, Stopped> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let id = |part: &str| part.parse::<u64>().map_err(|_| Stopped::NotFound("This address"));
    match parts[..] {
        [""] => lists::overview(server),
        ["conversations"] => lists::conversations(server, query),
        ["conversation", part] => conversation::show(server, id(part)?, query),
        ["people"] => lists::people(server, query),
        ["person", part] => lists::person(server, id(part)?),
        ["outbox"] => lists::outbox(server, query),
        ["orphans"] => lists::orphans(server, query),
        ["file", part] => {
            let store = server.store();
            let id = id(part)?;
            let name = store.files.get(id).ok_or(Stopped::NotFound("This attachment"))?.name.clone();
            let bytes = store.files.bytes(id).ok_or(Stopped::NotFound("The content of this attachment"))?;
            Ok(Shown::File { name, bytes })
        }
        ["image", part] => {
            let store = server.store();
            let id = id(part)?;
            let mime = store.files.get(id).map(|file| file.mime.to_lowercase()).filter(|mime| is_picture(mime));
            let mime = mime.ok_or(Stopped::NotFound("This picture"))?;
            let bytes = store.files.bytes(id).ok_or(Stopped::NotFound("The content of this picture"))?;
            Ok(Shown::Picture { mime, bytes })
        }
        ["style.css"] => Ok(Shown::Style),
        ["absent.svg"] => Ok(Shown::Absent),
        _ => Err(Stopped::NotFound("This address")),
    }
}

/// Fills a template.
fn fill(template: &str, values: Value) -> Result<String, Stopped> {
    Ok(TEMPLATES.get_template(template)?.render(values)?)
}

/// A part of a page that is filled already.
fn part(template: &str, values: Value) -> Result<Value, Stopped> {
    fill(template, values).map(Value::from_safe_string)
}

fn page(title: impl Into<String>, template: &str, values: Value) -> Result<Shown, Stopped> {
    Ok(Shown::Page { status: 200, title: title.into(), main: fill(template, values)?, search: String::new() })
}

fn stopped(why: Stopped) -> Shown {
    let (status, title, said) = match why {
        Stopped::NotFound(what) => {
            (404, "Not here", format!("{what} is not here. It may have been deleted, or a reset has taken it away."))
        }
        Stopped::NotUnderstood(said) => (400, "Not understood", said),
        Stopped::Broken(error) => {
            (500, "A bug in foxferry", format!("This page could not be made; please report it: {error:#}"))
        }
    };
    // Values from the request are escaped like any other.
    let main = fill("stopped", context! { title, said }).unwrap_or_default();
    Shown::Page { status, title: title.to_owned(), main, search: String::new() }
}

/// The bytes and headers of an answer.
fn write(server: &Server, shown: Shown) -> Response<HttpBody> {
    let (status, kind, body): (u16, String, Bytes) = match shown {
        Shown::Page { status, title, main, search } => {
            let (mails, orphans) = {
                let store = server.store();
                let orphans = store.customers.values().filter(|customer| customer.emails.is_empty()).count() as u64;
                (store.outbox.iter().filter(|mail| mail.is_mailed).count(), orphans + store.orphan_threads)
            };
            let values = context! { title, main => Value::from_safe_string(main), search, mails, orphans };
            match fill("page", values) {
                Ok(html) => (status, "text/html; charset=utf-8".to_owned(), html.into()),
                Err(why) => (500, "text/plain; charset=utf-8".to_owned(), format!("{why:?}\n").into()),
            }
        }
        Shown::Style => (200, "text/css; charset=utf-8".to_owned(), Bytes::from_static(STYLE.as_bytes())),
        Shown::Absent => (200, "image/svg+xml".to_owned(), Bytes::from_static(ABSENT.as_bytes())),
        Shown::Picture { mime, bytes } => (200, mime, bytes),
        Shown::File { name, bytes } => {
            // No type that a browser would open: what it is, the archive's sender says.
            let mut response = answer_of(200, "application/octet-stream", bytes);
            if let Ok(value) = HeaderValue::from_str(&disposition(&name)) {
                response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
            }
            return response;
        }
    };
    answer_of(status, &kind, body)
}

fn plain(status: StatusCode, said: &'static str) -> Response<HttpBody> {
    answer_of(status.as_u16(), "text/plain; charset=utf-8", Bytes::from_static(said.as_bytes()))
}

fn answer_of(status: u16, kind: &str, body: Bytes) -> Response<HttpBody> {
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_DNS_PREFETCH_CONTROL, "off"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Other sites learn not even the size of a picture.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

/// `attachment` with the file's name: in ASCII for old browsers, and whole as RFC 8187 writes it.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%' | ';') { c } else { '_' })
        .collect();
    let mut whole = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{whole}")
}

#[cfg(test)]
mod tests;
