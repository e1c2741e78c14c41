//! Requests in, answers out: routes, key, faults, and the calls that steer the sandbox itself.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body as HttpBody, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Body, Stop};
use super::faults::{Fault, FaultKind, normal};
use super::input::{leading_int, parameters, text};
use super::rules::{Course, Depth};
use super::wire::Line;
use super::{Core, Server, page, strict};

/// How long a request of the control calls can be. Nobody scripts more.
const LONGEST_CONTROL: usize = 64 << 20;

/// Everything is answered by one function: FreeScout's own rules about unknown paths and verbs are odd enough that a
/// table of routes would not say them.
pub(super) fn router(server: Arc<Server>) -> Router {
    Router::new().fallback(answer).with_state(server)
}

async fn answer(
    State(server): State<Arc<Server>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response<HttpBody> {
    let path = request.uri().path().to_owned();
    if let Some(call) = path.strip_prefix("/__sandbox/") {
        return control(&server, call, request).await;
    }
    if path.starts_with("/storage/attachment/") {
        let answer = download(&server, &path, request.uri().query().unwrap_or(""));
        return write(&server, answer, &Asked::of(request.headers()));
    }
    if page::is_page(&path) {
        return page::answer(server, &line, request).await;
    }
    let Some(path) = path.strip_prefix("/api").filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return write(&server, Answer::page(404, "Not Found"), &Asked::of(request.headers()));
    };
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    api(server, line, path.to_owned(), request).await
}

/// What the client asked for beyond the request itself.
#[derive(Debug, Clone, Copy)]
struct Asked {
    json: bool,
}

impl Asked {
    fn of(headers: &HeaderMap) -> Asked {
        let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or("");
        let first = accept.split(',').next().unwrap_or("");
        let is_script = headers.get("x-requested-with").is_some_and(|v| v.as_bytes() == b"XMLHttpRequest");
        Asked { json: first.contains("/json") || first.contains("+json") || is_script }
    }
}

/// What the faults that hit a request make of it.
#[derive(Default)]
struct Plan {
    delay: Duration,
    /// How many workers there are.
    workers: Option<u32>,
    course: Course,
    /// Answered instead, without effect.
    instead: Option<Answer>,
    /// No bytes come back, and nothing happens.
    is_dropped: bool,
    /// The client is hung up at once; the effect comes after this.
    effect_after: Option<Duration>,
    /// As `effect_after`, but the client is told something at once.
    answered_early: Option<Answer>,
    then: Then,
    /// How many bytes of the body are read before the connection is reset.
    cut_at: Option<u64>,
}

/// What becomes of the true answer.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Then {
    #[default]
    Send,
    Lose,
    Cut,
    Blank,
    Bare,
    Fail,
}

impl Plan {
    fn of(server: &Server, hits: Vec<FaultKind>) -> (Plan, Option<u64>) {
        let mut plan = Plan::default();
        let mut retry_after = None;
        let mut is_decided = false;
        for hit in hits {
            match hit {
                FaultKind::Delay(time) => plan.delay += time,
                FaultKind::WriteLock(time) => server.lock_writes(time),
                FaultKind::Queue(workers) => plan.workers = Some(workers),
                _ if is_decided => {}
                other => {
                    is_decided = true;
                    match other {
                        FaultKind::TooManyRequests(seconds) => {
                            retry_after = seconds;
                            plan.instead = Some(Answer::page(429, "Too Many Attempts."));
                        }
                        FaultKind::FailBefore | FaultKind::FailAbove(_) => {
                            plan.instead = Some(Answer::page(500, "Server Error"));
                        }
                        FaultKind::FailAfter => plan.then = Then::Fail,
                        FaultKind::BadGateway => plan.instead = Some(Answer::proxy(502, "502 Bad Gateway")),
                        FaultKind::GatewayTimeout(time) => {
                            plan.effect_after = Some(time);
                            plan.answered_early = Some(Answer::proxy(504, "504 Gateway Time-out"));
                        }
                        FaultKind::Refuse | FaultKind::ResetBefore => plan.is_dropped = true,
                        FaultKind::LoseAnswer => plan.then = Then::Lose,
                        FaultKind::CutAnswer => plan.then = Then::Cut,
                        FaultKind::Blank => plan.then = Then::Blank,
                        FaultKind::NoBody => plan.then = Then::Bare,
                        FaultKind::CutBody(bytes) => plan.cut_at = Some(bytes),
                        FaultKind::TooLarge(_) => {
                            plan.instead = Some(Answer::proxy(413, "413 Request Entity Too Large"));
                        }
                        FaultKind::DieAfterThread(n) => plan.course.dies_after = Some(n),
                        FaultKind::DieInsideThread(n) => {
                            // Which of the two is as good as chance: the low bit of how often anything was asked.
                            let depth =
                                if server.request_count().is_multiple_of(2) { Depth::Row } else { Depth::Counted };
                            plan.course.dies_inside = Some((n, depth));
                        }
                        FaultKind::Late(time) => plan.effect_after = Some(time),
                        FaultKind::Grow(time) => {
                            plan.course.pause = Some(time);
                            plan.effect_after = Some(Duration::ZERO);
                        }
                        FaultKind::Maintenance => plan.instead = Some(Answer::page(503, "")),
                        FaultKind::Delay(_) | FaultKind::WriteLock(_) | FaultKind::Queue(_) => {}
                    }
                }
            }
        }
        (plan, retry_after)
    }
}

async fn api(server: Arc<Server>, line: Line, path: String, request: Request) -> Response<HttpBody> {
    let (parts, body) = request.into_parts();
    let asked = Asked::of(&parts.headers);
    let method = parts.method.as_str();
    let pattern = normal(&path);
    server.count_request(format!("{method} {pattern}"));
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0);

    let hits = server.script().strike(method, &pattern, length);
    let is_refused = hits.contains(&FaultKind::Refuse);
    let (plan, retry_after) = Plan::of(&server, hits);
    let nothing = || Response::new(HttpBody::empty());
    if is_refused {
        line.reset();
        return nothing();
    }
    if server.post_limit.is_some_and(|limit| length > limit) {
        return write(&server, Answer::page(413, ""), &asked);
    }
    if let Some(Answer { status: 413, .. }) = plan.instead {
        return write(&server, plan.instead.unwrap_or_else(|| Answer::page(413, "")), &asked);
    }
    if let Some(limit) = plan.cut_at {
        let mut pieces = body.into_data_stream();
        let mut read = 0;
        while read < limit
            && let Some(Ok(piece)) = pieces.next().await
        {
            read += piece.len() as u64;
        }
        line.reset();
        return nothing();
    }
    // A body that was cut short never reaches the application.
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        line.reset();
        return nothing();
    };
    if plan.is_dropped {
        line.reset();
        return nothing();
    }
    if let Some(instead) = plan.instead {
        tokio::time::sleep(plan.delay).await;
        let mut response = write(&server, instead, &asked);
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        return response;
    }
    let call = Call {
        method: parts.method,
        path,
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: parts.headers,
        body,
    };
    let course = plan.course;
    if let Some(wait) = plan.effect_after {
        let worker = Arc::clone(&server);
        tokio::spawn(async move {
            tokio::time::sleep(plan.delay + wait).await;
            call.run(&worker, &course).await;
        });
        return match plan.answered_early {
            Some(answer) => write(&server, answer, &asked),
            None => {
                line.reset();
                nothing()
            }
        };
    }
    // In a task of its own: it goes on when the client hangs up and this function is dropped.
    let worker = Arc::clone(&server);
    let work = tokio::spawn(async move {
        let queue = plan.workers.map(|workers| worker.queue(workers));
        let _worker = match &queue {
            Some(queue) => queue.acquire().await.ok(),
            None => None,
        };
        if !plan.delay.is_zero() {
            tokio::time::sleep(plan.delay).await;
        }
        call.run(&worker, &course).await
    });
    let (answer, verbs) = work.await.unwrap_or_else(|_| (Answer::page(500, "Server Error"), Verbs::Unsaid));
    match plan.then {
        Then::Lose => {
            line.reset();
            return nothing();
        }
        Then::Cut => line.cut(),
        Then::Blank => {
            return write(&server, Answer { status: 200, resource: None, body: Body::Blank }, &asked);
        }
        Then::Bare => return write(&server, Answer { body: Body::Empty, ..answer }, &asked),
        Then::Fail => return write(&server, Answer::page(500, "Server Error"), &asked),
        Then::Send => {}
    }
    let mut response = write(&server, answer, &asked);
    if let Verbs::Named(methods) = verbs
        && let Ok(value) = HeaderValue::from_str(&methods)
    {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Which verbs an answer of 405 names.
enum Verbs {
    Unsaid,
    Named(String),
}

/// A request that has arrived whole.
struct Call {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Call {
    async fn run(self, server: &Server, course: &Course) -> (Answer, Verbs) {
        let pattern = normal(&self.path);
        let parts: Vec<&str> = self.path.trim_start_matches('/').split('/').collect();
        let verbs = verbs(&parts, server);
        let method = self.method.as_str();
        // Unknown paths and verbs end here, before the key is looked at: the OPTIONS route matches every path.
        if method != "OPTIONS" && !verbs.contains(&method) {
            let mut allowed = verbs.to_vec();
            allowed.push("OPTIONS");
            return (Answer::page(405, ""), Verbs::Named(allowed.join(", ")));
        }
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
        let data = parameters(&self.query, content_type, &self.body);
        if method == "OPTIONS" && server.allow_origin.is_some() {
            return (Answer { status: 200, resource: None, body: Body::Empty }, Verbs::Unsaid);
        }
        if !self.is_authorised(server, &data) {
            let body = Body::Json(json!({"message": "Not Authorized"}));
            return (Answer { status: 401, resource: None, body }, Verbs::Unsaid);
        }
        if method == "OPTIONS" {
            return (Answer { status: 200, resource: None, body: Body::Empty }, Verbs::Unsaid);
        }
        if method == "HEAD" && self.path != "/users" {
            let body = Body::Json("Method Not Allowed".into());
            return (Answer { status: 405, resource: None, body }, Verbs::Unsaid);
        }
        if server.is_strict && matches!(method, "POST" | "PUT") {
            let in_body = parameters("", content_type, &self.body);
            if let Err(stop) = strict::check(method, &pattern, &in_body) {
                return (stop.into_answer(), Verbs::Unsaid);
            }
        }
        drop(pattern);
        let done = route(server, method, &parts, data, course).await;
        (done.unwrap_or_else(Stop::into_answer), Verbs::Unsaid)
    }

    /// A key in query or body wins over the header, right or wrong.
    fn is_authorised(&self, server: &Server, data: &Map<String, Value>) -> bool {
        if let Some(given) = text(data.get("api_key")).ok().flatten() {
            return given == server.key;
        }
        if let Some(given) = self.headers.get("x-freescout-api-key") {
            return given.as_bytes() == server.key.as_bytes();
        }
        server.accepts_basic && {
            let given = self.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()?.strip_prefix("Basic "));
            let decoded = given.map(super::files::decode_base64).unwrap_or_default();
            decoded.split(|b| *b == b':').next() == Some(server.key.as_bytes())
        }
    }
}

/// The verbs that a path knows.
fn verbs(parts: &[&str], server: &Server) -> &'static [&'static str] {
    match parts {
        ["conversations" | "customers" | "users"] => &["POST", "GET", "HEAD"],
        ["conversations", _] => &["GET", "HEAD", "PUT", "DELETE"],
        ["conversations", _, "threads"] => &["POST"],
        ["conversations", _, "custom_fields" | "tags"] | ["customers", _, "customer_fields"] => &["PUT"],
        ["customers", _] => &["GET", "HEAD", "PUT"],
        ["users", _] if server.profile.deletes_users => &["GET", "HEAD", "DELETE"],
        ["conversations", _, "timelogs"]
        | ["users", _]
        | ["mailboxes" | "tags"]
        | ["mailboxes", _, "custom_fields" | "folders"] => &["GET", "HEAD"],
        ["webhooks"] => &["POST"],
        ["webhooks", _] => &["DELETE"],
        _ => &[],
    }
}

async fn route(
    server: &Server,
    method: &str,
    parts: &[&str],
    data: Map<String, Value>,
    course: &Course,
) -> Result<Answer, Stop> {
    let id = |part: &str| u64::try_from(leading_int(part)).unwrap_or(0);
    match (method, parts) {
        ("POST", ["conversations"]) => server.create_conversation(data, course).await,
        ("GET", ["conversations"]) => server.list_conversations(&data),
        ("GET", ["conversations", c]) => server.get_conversation(id(c), &data),
        ("PUT", ["conversations", c]) => server.update_conversation(id(c), data).await,
        ("DELETE", ["conversations", c]) => server.delete_conversation(id(c)).await,
        ("POST", ["conversations", c, "threads"]) => server.create_thread(id(c), data, course).await,
        ("PUT", ["conversations", c, "custom_fields"]) => server.update_custom_fields(id(c), data).await,
        ("PUT", ["conversations", c, "tags"]) => server.update_tags(id(c), data).await,
        ("GET", ["conversations", c, "timelogs"]) => server.list_timelogs(id(c), &data),
        ("POST", ["customers"]) => server.create_customer(data).await,
        ("GET", ["customers"]) => server.list_customers(&data),
        ("GET", ["customers", c]) => server.get_customer(id(c)),
        ("PUT", ["customers", c]) => server.update_customer(id(c), data).await,
        ("PUT", ["customers", c, "customer_fields"]) => server.update_customer_fields(id(c), data).await,
        ("POST", ["users"]) => server.create_user(data).await,
        ("GET" | "HEAD", ["users"]) => server.list_users(&data),
        ("GET", ["users", u]) => server.get_user(id(u)),
        ("DELETE", ["users", u]) => server.delete_user(u, data).await,
        ("GET", ["mailboxes"]) => server.list_mailboxes(&data),
        ("GET", ["mailboxes", m, "custom_fields"]) => server.list_fields(id(m), &data),
        ("GET", ["mailboxes", m, "folders"]) => server.list_folders(id(m), &data),
        ("GET", ["tags"]) => server.list_tags(&data),
        ("POST", ["webhooks"]) => server.create_webhook(&data),
        ("DELETE", ["webhooks", w]) => server.delete_webhook(id(w)),
        _ => Err(Stop::Failed(Answer::page(405, ""))),
    }
}

/// An attachment, for whoever has its token.
fn download(server: &Server, path: &str, query: &str) -> Answer {
    let data = parameters(query, "", b"");
    let id = data.get("id").and_then(super::input::id).unwrap_or(0);
    let store = server.store();
    let Some(file) = store.files.get(id) else { return Answer::page(404, "Not Found") };
    let is_token = data.get("token").and_then(Value::as_str) == Some(&server.token(id, file));
    let name = path.rsplit('/').next().unwrap_or("");
    let decoded = url::form_urlencoded::parse(format!("n={}", name.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default();
    let is_named = server.profile.core == Core::V1_8_175 || decoded == file.name;
    if !is_token || !is_named {
        return Answer::page(403, "Forbidden");
    }
    match store.files.bytes(id) {
        Some(bytes) => Answer { status: 200, resource: None, body: Body::File { bytes, mime: file.mime.clone() } },
        None => Answer::page(500, "Server Error"),
    }
}

async fn control(server: &Server, call: &str, request: Request) -> Response<HttpBody> {
    let asked = Asked { json: true };
    let method = request.method().clone();
    let Ok(body) = to_bytes(request.into_body(), LONGEST_CONTROL).await else {
        return write(server, Answer::page(413, ""), &asked);
    };
    let given: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let answer = match (method.as_str(), call) {
        ("POST", "reset") => {
            server.reset();
            Answer::ok(json!({}))
        }
        ("POST", "load") => {
            server.load(&given);
            Answer::ok(json!({}))
        }
        ("POST", "faults") => match scripted(&given) {
            Ok(faults) => {
                server.script().replace(faults);
                Answer::ok(json!({}))
            }
            Err(message) => Answer::message(400, &message),
        },
        ("GET", "state") => Answer::ok(server.state()),
        _ => Answer::page(404, "Not Found"),
    };
    write(server, answer, &asked)
}

/// `["SPEC", …]`, or the same as `{"faults": […]}`.
fn scripted(given: &Value) -> Result<Vec<Fault>, String> {
    let list = given.get("faults").unwrap_or(given);
    let Some(list) = list.as_array() else { return Err("expected a list of faults, each a text".to_owned()) };
    list.iter()
        .map(|spec| {
            let spec = spec.as_str().ok_or_else(|| format!("`{spec}` is not a text"))?;
            spec.parse::<Fault>().map_err(|cause| cause.to_string())
        })
        .collect()
}

/// The bytes and headers of an answer.
fn write(server: &Server, answer: Answer, asked: &Asked) -> Response<HttpBody> {
    const HTML: &str = "text/html; charset=UTF-8";
    let (kind, body) = match answer.body {
        Body::Json(value) => ("application/json".to_owned(), value.to_string().into()),
        Body::Page(message) if asked.json => {
            let body = serde_json::to_string_pretty(&json!({"message": message})).unwrap_or_default();
            ("application/json".to_owned(), body.into())
        }
        Body::Page(message) => {
            let title = if message.is_empty() { "Error" } else { message };
            (HTML.to_owned(), page(title, "sandbox").into())
        }
        Body::Proxy(title) => ("text/html".to_owned(), page(title, "proxy").into()),
        Body::Empty => (HTML.to_owned(), bytes::Bytes::new()),
        Body::Blank => (HTML.to_owned(), "\n".into()),
        Body::File { bytes, mime } => (mime, bytes),
    };
    let mut response = Response::new(HttpBody::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    let kind = HeaderValue::from_str(&kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    if server.is_newer_core() {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
    if let Some(id) = answer.resource {
        headers.insert("Resource-ID", id.into());
    }
    if let Some(origin) = server.allow_origin.as_deref().and_then(|o| HeaderValue::from_str(o).ok()) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let allowed = HeaderValue::from_static("Content-Type,Authorization,X-FreeScout-API-Key");
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        let methods = HeaderValue::from_static("GET, POST, PUT, DELETE, OPTIONS");
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    }
    response
}

fn page(title: &str, by: &str) -> String {
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>{by}</center>\r\n</body>\r\n</html>\r\n"
    )
}
