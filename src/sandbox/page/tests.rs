//! The pages as a browser gets them, from a sandbox that was filled over its API.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::sandbox::{Fixture, Options, Sandbox, start};

const HOSTILE: &str = "<script>document.title='run'</script><img src=x onerror=alert(1)>\"'`&{{ 7*7 }}";

/// Status, head and body of an answer, from plain words on a connection: no client mends what is sent.
struct Got {
    status: u16,
    head: String,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

struct Desk(Sandbox);

impl Desk {
    /// Two mailboxes, two users, a custom field each, and no conversation.
    async fn empty() -> Desk {
        let fixture = Fixture::empty()
            .with_user("ada@example.org", "Ada", "Agent", true)
            .with_user("grace@example.org", "Grace", "Second", false)
            .with_mailbox("Support", "support@example.org")
            .with_mailbox("Billing", "billing@example.org")
            .with_field("Support", "Priority", &["Low", "High"])
            .with_field("Billing", "Invoice", &[]);
        Desk(start(Options { fixture, ..Options::default() }).await.expect("a sandbox starts"))
    }

    async fn raw(&self, request: String) -> Got {
        let address = self.0.url().trim_start_matches("http://");
        let mut line = TcpStream::connect(address).await.expect("it listens");
        line.write_all(request.as_bytes()).await.expect("it takes a request");
        let mut all = Vec::new();
        line.read_to_end(&mut all).await.expect("it answers");
        let text = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("an answer has a status");
        Got { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn ask(&self, method: &str, path: &str, host: &str) -> Got {
        self.raw(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
    }

    async fn get(&self, path: &str) -> Got {
        let got = self.ask("GET", path, "localhost").await;
        assert_guarded(path, &got);
        got
    }

    async fn post(&self, path: &str, body: &serde_json::Value) -> u64 {
        let (body, key) = (body.to_string(), self.0.key());
        let head = format!(
            "POST /api{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-FreeScout-API-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let got = self.raw(format!("{head}{body}")).await;
        assert_eq!(got.status, 201, "{}", got.body);
        got.header("resource-id").expect("a create names it").parse().expect("an id is a number")
    }

    async fn tag(&self, conversation: u64, tags: &[&str]) {
        let (body, key) = (json!({"tags": tags}).to_string(), self.0.key());
        let head = format!(
            "PUT /api/conversations/{conversation}/tags HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-FreeScout-API-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        assert_eq!(self.raw(format!("{head}{body}")).await.status, 204);
    }

    /// A conversation with a message of the customer and an answer, imported and closed.
    async fn ticket(&self, subject: &str, more: &[(&str, serde_json::Value)]) -> u64 {
        let mut ticket = json!({
            "type": "email", "mailboxId": 1, "subject": subject, "status": "closed", "imported": true,
            "customer": {"email": "mark@example.net", "firstName": "Mark", "lastName": "Customer"},
            "createdAt": "2019-05-01T10:00:00Z", "closedAt": "2019-05-02T10:00:00Z",
            "threads": [
                {"type": "message", "text": "<p>On its way.</p>", "user": 1, "imported": true, "createdAt": "2019-05-02T10:00:00Z"},
                {"type": "customer", "text": "<p>It is late.</p>", "imported": true, "createdAt": "2019-05-01T10:00:00Z",
                 "customer": {"email": "mark@example.net"}},
            ],
        });
        for (name, value) in more {
            ticket[*name] = value.clone();
        }
        self.post("/conversations", &ticket).await
    }
}

/// What every answer of the pages carries, errors too.
#[track_caller]
fn assert_guarded(path: &str, got: &Got) {
    let policy = got.header("content-security-policy").unwrap_or_else(|| panic!("{path} has no policy"));
    for rule in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"] {
        assert!(policy.contains(rule), "{path}: {policy}");
    }
    assert!(!policy.contains("script-src") && !policy.contains("http"), "{path}: {policy}");
    assert_eq!(got.header("x-content-type-options"), Some("nosniff"), "{path}");
    assert_eq!(got.header("referrer-policy"), Some("no-referrer"), "{path}");
    assert_eq!(got.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
    assert_eq!(got.header("access-control-allow-origin"), None, "{path}");
}

/// The subjects of a list, in its order.
fn subjects(got: &Got) -> Vec<String> {
    let parts = got.body.split("<a class=\"subject\" href=\"").skip(1);
    parts.filter_map(|part| Some(part.split_once('>')?.1.split_once("</a>")?.0.to_owned())).collect()
}

#[tokio::test]
async fn every_page_is_answered_with_its_policy() {
    let desk = Desk::empty().await;
    desk.ticket("First", &[]).await;
    for (path, status, title) in [
        ("/", 200, "Mailboxes"),
        ("/conversations", 200, "All mailboxes"),
        ("/conversations?mailbox=1&status=closed", 200, "Support: closed"),
        ("/conversation/1", 200, "First"),
        ("/conversation/1?from=1", 200, "First"),
        ("/conversation/1?from=99999999999999999999", 200, "First"),
        ("/people", 200, "People"),
        ("/people?q=nobody", 200, "People"),
        ("/person/1", 200, "Mark Customer"),
        ("/outbox", 200, "Outbox"),
        ("/outbox?page=9", 200, "Outbox"),
        ("/orphans", 200, "Orphans"),
        ("/style.css", 200, ""),
        ("/absent.svg", 200, ""),
        ("/conversation/2", 404, "Not here"),
        ("/conversation/0", 404, "Not here"),
        ("/conversation/x", 404, "Not here"),
        ("/conversation", 404, "Not here"),
        ("/person/9", 404, "Not here"),
        ("/file/9", 404, "Not here"),
        ("/image/9", 404, "Not here"),
        ("/people/1", 404, "Not here"),
        ("/conversations?status=open", 400, "Not understood"),
        ("/conversations?page=99999999999999999999", 400, "Not understood"),
    ] {
        let got = desk.get(path).await;
        assert_eq!(got.status, status, "{path}: {}", got.body);
        if !title.is_empty() {
            assert!(got.body.contains(&format!("<title>{title} – rehearsal</title>")), "{path}: {}", got.body);
            assert!(!got.body.contains("<script"), "{path}");
        }
    }
}

#[tokio::test]
async fn only_this_machine_under_a_name_of_its_own_is_answered() {
    let desk = Desk::empty().await;
    desk.ticket("Secret matter", &[]).await;
    for (host, status) in [
        ("localhost", 200),
        ("LOCALHOST:8025", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:1", 200),
        ("127.9.9.9", 200),
        ("[::1]:8025", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("rebound.example.org", 403),
        ("rebound.example.org:8025", 403),
        ("localhost.example.org", 403),
        ("127.0.0.1.example.org", 403),
        ("192.168.0.1", 403),
        ("0.0.0.0:8025", 403),
        ("localhost@example.org", 403),
        ("[::1", 403),
        ("", 403),
    ] {
        for path in ["/", "/conversation/1", "/style.css"] {
            let got = desk.ask("GET", path, host).await;
            assert_eq!(got.status, status, "{host} {path}");
            assert_guarded(path, &got);
            assert!(status == 200 || !got.body.contains("Secret"), "{host}");
        }
    }
    // The API asks for its key, not for a name.
    assert_eq!(desk.ask("GET", "/api/conversations", "rebound.example.org").await.status, 401);
}

#[tokio::test]
async fn a_sandbox_for_others_shows_no_pages_to_them() {
    // 127.0.0.2 is loopback too; what is tried here is an address of this machine that is not.
    let own =
        std::net::UdpSocket::bind("0.0.0.0:0").and_then(|it| it.connect("192.0.2.1:9").and_then(|()| it.local_addr()));
    let Some(own) = own.ok().map(|it| it.ip()).filter(|ip| !ip.is_loopback()) else {
        println!("skipped: this machine has no address but loopback");
        return;
    };
    let listen = "0.0.0.0:0".parse().expect("it is an address");
    let sandbox = start(Options { listen, ..Options::default() }).await.expect("a sandbox starts");
    let page = sandbox.page().expect("this machine can look");
    let port = page.trim_end_matches('/').rsplit_once(':').expect("it has a port").1.to_owned();
    assert!(page.starts_with("http://127.0.0.1:"), "{page}");
    for (to, status) in [(own.to_string(), 403), ("127.0.0.1".to_owned(), 200)] {
        let mut line = TcpStream::connect(format!("{to}:{port}")).await.expect("it listens");
        line.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.expect("it takes it");
        let mut all = String::new();
        line.read_to_string(&mut all).await.expect("it answers");
        assert!(all.starts_with(&format!("HTTP/1.1 {status}")), "{to}: {all}");
    }
}

#[tokio::test]
async fn pages_are_only_read_and_the_api_does_not_notice() {
    let desk = Desk::empty().await;
    desk.ticket("First", &[]).await;
    let before = (desk.0.state(), desk.0.conversations());
    for path in ["/", "/conversations?q=late", "/conversation/1", "/people", "/outbox", "/orphans", "/person/1"] {
        assert_eq!(desk.get(path).await.status, 200);
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let got = desk.ask(method, path, "localhost").await;
            assert_eq!((got.status, got.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
        let head = desk.ask("HEAD", path, "localhost").await;
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
    }
    assert_eq!((desk.0.state(), desk.0.conversations()), before);
    // What is no page is answered as it was before there were any.
    let got = desk.ask("GET", "/login", "localhost").await;
    assert_eq!((got.status, got.header("content-security-policy")), (404, None));
    assert_eq!(desk.ask("GET", "/api", "localhost").await.status, 405);
}

#[tokio::test]
async fn hostile_texts_are_shown_and_not_run() {
    let desk = Desk::empty().await;
    let body = format!(
        "<p onclick=\"x()\">before {HOSTILE} after</p><a href=\"javascript:x()\">click</a><meta http-equiv=refresh content=\"0;url=//example.org\">\
         <style>body{{background:url(https://tracker.example.org/a)}}</style><p style=\"position:fixed;background:url(https://tracker.example.org/b)\">c</p>\
         <img src=\"https://tracker.example.org/pixel.gif\"><img src=\"cid:logo\"><form action=\"https://example.org\"><button>go</button></form>\
         <svg onload=\"x()\"></svg><iframe src=\"https://example.org\"></iframe></div></main><base href=\"https://example.org/\">"
    );
    let file = json!({"fileName": "<b>\"x\"; .html", "mimeType": "text/html", "data": "PHNjcmlwdD4="});
    let customer =
        json!({"email": "eve@example.net", "firstName": HOSTILE, "lastName": "</title><script>", "company": HOSTILE});
    desk.ticket(
        HOSTILE,
        &[
            ("customer", customer),
            ("customFields", json!([{"id": 2, "value": HOSTILE}])),
            ("mailboxId", json!(2)),
            ("threads", json!([{"type": "customer", "text": body, "imported": true, "customer": {"email": "eve@example.net"}, "attachments": [file]}])),
        ],
    )
    .await;
    desk.tag(1, &[HOSTILE]).await;
    for path in [
        "/conversation/1",
        "/conversations",
        "/people",
        "/person/1",
        "/conversations?q=%3Cscript%3E&tag=%22%3E%3Cscript%3E",
    ] {
        let got = desk.get(path).await;
        assert_eq!(got.status, 200, "{path}");
        let lower = got.body.to_lowercase();
        for tag in lower.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(tag, _)| tag) {
            let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap_or_default();
            let bad = ["script", "iframe", "base", "style", "svg", "object", "embed", "b"];
            assert!(!bad.contains(&name), "{path}: <{tag}>");
            // Values of attributes are every second part.
            let names = tag.split('"').step_by(2);
            let acts =
                names.flat_map(|part| part.split([' ', '='])).any(|word| word.len() > 2 && word.starts_with("on"));
            let leaves =
                ["javascript:", "tracker", "http-equiv", "position:", "url("].iter().any(|bad| tag.contains(bad));
            let is_text = tag.starts_with("option value=") || tag.starts_with("input ");
            assert!(!acts && (!leaves || is_text), "{path}: <{tag}>");
        }
        assert!(
            path.contains('q') || path == "/people" || lower.contains("{{ 7*7 }}"),
            "{path}: templates look at no text of the archive"
        );
        assert_eq!(lower.matches("</title>").count(), 1, "{path}");
        assert_eq!(lower.matches("<form").count(), lower.matches("action=\"/").count(), "{path}");
    }
    let page = desk.get("/conversation/1").await.body;
    assert!(page.contains("before") && page.contains("after") && page.contains("click"), "{page}");
    assert_eq!(page.matches("src=\"/absent.svg\"").count(), 2, "the tracker and the picture that is not there: {page}");
}

#[tokio::test]
async fn attachments_come_as_files_and_only_pictures_are_shown() {
    let desk = Desk::empty().await;
    let files = json!([
        {"fileName": "Übersicht (1).html", "mimeType": "text/html", "data": "PHNjcmlwdD4="},
        {"fileName": "a.png", "mimeType": "image/png", "data": "iVBORw0KGgo="},
        {"fileName": "b.svg", "mimeType": "image/svg+xml", "data": "PHN2Zy8+"},
    ]);
    let threads = json!([{"type": "customer", "text": "<p>See below.</p>", "imported": true, "attachments": files, "customer": {"email": "mark@example.net"}}]);
    desk.ticket("Files", &[("threads", threads)]).await;
    let page = desk.get("/conversation/1").await.body;
    assert_eq!(page.matches("<img").count(), 1, "{page}");
    let got = desk.get("/file/1").await;
    assert_eq!((got.status, &*got.body), (200, "<script>"));
    assert_eq!(got.header("content-type"), Some("application/octet-stream"));
    let disposition = got.header("content-disposition").expect("it is to be kept");
    assert!(disposition.starts_with("attachment; filename=\"_bersicht_(1).html\""), "{disposition}");
    assert!(disposition.ends_with("filename*=UTF-8''%C3%9Cbersicht_%281%29.html"), "{disposition}");
    assert_eq!(
        (desk.get("/image/2").await.status, desk.get("/image/2").await.header("content-type")),
        (200, Some("image/png"))
    );
    for path in ["/image/1", "/image/3"] {
        assert_eq!(desk.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_conversation_tells_customer_agent_and_note_apart() {
    let desk = Desk::empty().await;
    let threads = json!([
        {"type": "note", "text": "<p>Be careful.</p>", "user": 2, "imported": true, "createdAt": "2019-05-03T10:00:00Z"},
        {"type": "message", "text": "<p style=\"color:#000\">On its way.</p>", "user": 1, "imported": true,
         "createdAt": "2019-05-02T10:00:00Z", "cc": ["boss@example.net"], "bcc": ["archive@example.net"]},
        {"type": "customer", "text": "<p>It is late.</p>", "imported": true, "createdAt": "2019-05-01T10:00:00Z",
         "customer": {"email": "mark@example.net"}},
    ]);
    let fields = json!([{"id": 1, "value": "2"}]);
    desk.ticket("Other", &[]).await;
    desk.ticket("Parcel", &[("threads", threads), ("assignTo", json!(2)), ("customFields", fields)]).await;
    desk.tag(2, &["late", "vip"]).await;
    let page = desk.get("/conversation/2").await.body;
    let order: Vec<usize> = ["thread note", "thread message paper", "thread customer"]
        .map(|class| {
            let class = class.strip_suffix(" paper").unwrap_or(class);
            page.find(&format!("class=\"{class}\"")).unwrap_or_else(|| panic!("no {class}: {page}"))
        })
        .to_vec();
    assert!(order.is_sorted(), "the newest is on top: {order:?}");
    for part in [
        "Be careful.",
        "Grace Second",
        "ada@example.org",
        "boss@example.net",
        "archive@example.net",
        "2019-05-02 10:00",
        "datetime=\"2019-05-01T10:00:00Z\"",
        "class=\"body paper\"",
        ">vip</a>",
        "<dt>Priority</dt>",
        ">High</a>",
        "mark@example.net",
        "<a href=\"/conversation/1\">Other</a>",
        "imported",
    ] {
        assert!(page.contains(part), "{part} is missing: {page}");
    }
    assert!(!page.contains("not imported"), "{page}");
}

#[tokio::test]
async fn lists_are_filtered_searched_and_paged() {
    let desk = Desk::empty().await;
    desk.ticket("Parcel", &[("assignTo", json!(2)), ("customFields", json!([{"id": 1, "value": "2"}]))]).await;
    desk.tag(1, &["Late"]).await;
    let texts = json!([{"type": "customer", "text": "<p>Where is my in<b>voi</b>ce &uuml;ber 5 &lt; 6?</p>", "imported": true,
        "createdAt": "2020-05-01T10:00:00Z", "customer": {"email": "ines@example.com", "firstName": "Ines", "lastName": "Größe"}}]);
    let other = json!({"email": "ines@example.com", "firstName": "Ines", "lastName": "Größe"});
    desk.ticket(
        "Bill",
        &[
            ("mailboxId", json!(2)),
            ("status", json!("active")),
            ("threads", texts),
            ("customer", other),
            ("customFields", json!([{"id": 2, "value": "R-17"}])),
        ],
    )
    .await;
    for (query, expected) in [
        ("", &["Bill", "Parcel"][..]),
        ("order=oldest", &["Parcel", "Bill"]),
        ("mailbox=2", &["Bill"]),
        ("mailbox=3", &[]),
        ("status=closed", &["Parcel"]),
        ("status=spam", &[]),
        ("assignee=2", &["Parcel"]),
        ("assignee=none", &["Bill"]),
        ("tag=late", &["Parcel"]),
        ("tag=lat", &[]),
        ("customer=1", &["Parcel"]),
        ("field=Priority", &["Parcel"]),
        ("field=Priority&value=high", &["Parcel"]),
        ("field=Priority&value=low", &[]),
        ("value=r-17", &["Bill"]),
        ("field=Invoice&value=r-17&mailbox=2&status=active&q=bill", &["Bill"]),
        ("q=PARCEL", &["Parcel"]),
        ("q=invoice", &["Bill"]),
        ("q=%C3%9CBER", &["Bill"]),
        ("q=5+%3C+6", &["Bill"]),
        ("q=uuml", &[]),
        ("q=gr%C3%B6%C3%9Fe", &["Bill"]),
        ("q=ines@example.com", &["Bill"]),
        ("q=grace", &["Parcel"]),
        ("q=%232", &["Bill"]),
        ("q=ines+parcel", &[]),
        ("q=ines+bill", &["Bill"]),
        ("unknown=1", &["Bill", "Parcel"]),
    ] {
        let got = desk.get(&format!("/conversations?{query}")).await;
        assert_eq!(subjects(&got), expected, "{query}");
    }
    for at in 0..120 {
        desk.ticket(
            &format!("Again {at}"),
            &[("createdAt", json!(format!("2018-01-01T{:02}:{:02}:00Z", at / 60, at % 60)))],
        )
        .await;
    }
    let mut seen = Vec::new();
    for (page, count) in [(1, 50), (2, 50), (3, 22), (4, 0)] {
        let got = desk.get(&format!("/conversations?order=oldest&page={page}")).await;
        let found = subjects(&got);
        assert_eq!(found.len(), count, "page {page}");
        assert!(found.iter().all(|subject| !seen.contains(subject)), "page {page} repeats");
        assert_eq!(
            got.body.contains("rel=\"next\" href=\"/conversations?order=oldest&amp;page="),
            page < 3,
            "page {page}"
        );
        seen.extend(found);
    }
    assert_eq!(seen.len(), 122);
    let people = desk.get("/people?q=gr%C3%B6%C3%9Fe").await.body;
    assert!(people.contains("Ines Größe") && !people.contains("Mark"), "{people}");
}

#[tokio::test]
async fn the_outbox_is_loud_and_its_emptiness_is_said() {
    let desk = Desk::empty().await;
    desk.ticket("First", &[]).await;
    assert!(desk.get("/").await.body.contains("Nobody was mailed."));
    assert!(desk.get("/outbox").await.body.contains("Nobody was mailed."));
    let live = json!([{"type": "message", "text": "<p>Your <b>order</b></p>", "user": 1}]);
    desk.ticket("Live", &[("threads", live), ("imported", json!(false)), ("status", json!("active"))]).await;
    for path in ["/", "/conversations", "/conversation/1", "/people", "/outbox"] {
        let page = desk.get(path).await.body;
        assert!(page.contains("1 mail would have gone to customers."), "{path}: {page}");
        assert!(!page.contains("Nobody was mailed."), "{path}");
    }
    let page = desk.get("/outbox").await.body;
    for part in ["mark@example.net", "href=\"/conversation/2#thread-", "Your order", "class=\"mailed\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(desk.get("/conversation/2").await.body.contains("not sent as imported"));
}

#[tokio::test]
async fn counts_by_status_add_up() {
    let desk = Desk::empty().await;
    for (status, times) in [("active", 3), ("pending", 2), ("closed", 1), ("spam", 1)] {
        for _ in 0..times {
            desk.ticket("One", &[("status", json!(status))]).await;
        }
    }
    desk.ticket("Mine", &[("status", json!("active")), ("assignTo", json!(1))]).await;
    let page = desk.get("/").await.body;
    let row = page.split("<tr>").find(|row| row.contains("support@example.org")).expect("the mailbox is there");
    for (name, count) in [("all", 8), ("unassigned", 5), ("active", 4), ("pending", 2), ("closed", 1), ("spam", 1)] {
        let cell = row.split(&format!("data-name=\"{name}\">")).nth(1).expect(name);
        assert!(
            cell.split("</td>").next().is_some_and(|cell| cell.contains(&format!(">{count}</a>"))),
            "{name}: {cell}"
        );
    }
}

#[tokio::test]
async fn long_conversations_come_in_parts() {
    let desk = Desk::empty().await;
    let threads: Vec<_> = (0..250)
        .map(|at| json!({"type": "customer", "text": format!("Nr-{at}."), "imported": true, "customer": {"email": "mark@example.net"},
            "createdAt": format!("2019-05-01T{:02}:{:02}:00Z", 23 - at / 60, 59 - at % 60)}))
        .collect();
    desk.ticket("Long", &[("threads", json!(threads))]).await;
    let mut seen = 0;
    for (path, count) in [("/conversation/1", 100), ("/conversation/1?from=100", 100), ("/conversation/1?from=200", 50)]
    {
        let page = desk.get(path).await.body;
        for at in seen..seen + count {
            assert!(page.contains(&format!("Nr-{at}.")), "{path}: {at}");
        }
        assert_eq!(page.matches("<article").count(), count, "{path}");
        seen += count;
    }
    // A body that fills a page alone is shown alone.
    let long = "x".repeat(2 << 20);
    let big: Vec<_> = (0..2).map(|at| json!({"type": "customer", "text": long, "imported": true, "customer": {"email": "mark@example.net"}, "createdAt": format!("2019-05-0{}T10:00:00Z", 2 - at)})).collect();
    desk.ticket("Big", &[("threads", json!(big))]).await;
    for (path, older) in [("/conversation/2", true), ("/conversation/2?from=1", false)] {
        let page = desk.get(path).await.body;
        assert_eq!((page.matches("<article").count(), page.contains("older →")), (1, older), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_do_not_reach_the_pages() {
    let desk = Desk::empty().await;
    desk.0
        .set_faults(vec!["500-before@* /".parse().expect("it is a fault"), "delay:1h@* /".parse().expect("it is one")]);
    let got = tokio::time::timeout(Duration::from_secs(60), desk.get("/")).await.expect("it is not delayed");
    assert_eq!(got.status, 200);
}
