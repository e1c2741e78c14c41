//! What was seen on a running server and is no recorded case: mails, races, halves, faults.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;

/// A sandbox and somebody who talks to it.
struct Rig {
    sandbox: Sandbox,
    http: reqwest::Client,
}

/// Status and body of an answer; 0 when there was none.
type Got = (u16, Value);

impl Rig {
    async fn start() -> Rig {
        Rig::with(Options::default()).await
    }

    async fn with(options: Options) -> Rig {
        let sandbox = start(options).await.expect("a sandbox starts");
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client is built");
        Rig { sandbox, http }
    }

    async fn faulty(spec: &str) -> Rig {
        let faults = vec![spec.parse().expect(spec)];
        Rig::with(Options { faults, ..Options::default() }).await
    }

    /// Two with the same fault: one started with it, one told of it over the control call.
    async fn both_faulty(spec: &str) -> [Rig; 2] {
        let told = Rig::start().await;
        assert_eq!(told.send("POST", "/__sandbox/faults", Some(&json!([spec]))).await.0, 200, "{spec}");
        [Rig::faulty(spec).await, told]
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Got {
        let url = format!("{}{path}", self.sandbox.url());
        let mut request = self.http.request(method.parse().expect("it is a method"), url);
        request = request.header("Accept", "application/json").header("X-FreeScout-API-Key", self.sandbox.key());
        if let Some(body) = body {
            request = request.json(body);
        }
        let Ok(answer) = request.send().await else { return (0, Value::Null) };
        let status = answer.status().as_u16();
        match answer.bytes().await {
            Ok(body) => {
                (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into()))
            }
            Err(_) => (0, Value::Null),
        }
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", &format!("/api{path}"), None).await.1
    }

    async fn post(&self, path: &str, body: &Value) -> Got {
        self.send("POST", &format!("/api{path}"), Some(body)).await
    }

    async fn put(&self, path: &str, body: &Value) -> Got {
        self.send("PUT", &format!("/api{path}"), Some(body)).await
    }

    /// Waits until the sandbox holds as much as wanted of something; the test's own time limit is the runner's.
    async fn until(&self, what: &str, count: u64) {
        while self.sandbox.state()[what] != count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn count(&self, what: &str) -> u64 {
        self.sandbox.state()[what].as_u64().expect(what)
    }
}

/// A closed, imported conversation with a question and an answer.
fn ticket(email: &str) -> Value {
    json!({
        "type": "email", "mailboxId": 1, "subject": "Where is my parcel?", "customer": {"email": email},
        "imported": true, "status": "closed", "createdAt": "2019-05-01T10:00:00Z", "closedAt": "2019-05-02T10:00:00Z",
        "threads": [
            {"type": "message", "text": "On its way.", "user": 1, "createdAt": "2019-05-02T10:00:00Z"},
            {"type": "customer", "text": "It is late.", "createdAt": "2019-05-01T10:00:00Z"},
        ],
    })
}

fn reply() -> Value {
    json!({
        "type": "message", "text": "One more thing.", "user": 1, "imported": true, "status": "closed",
        "createdAt": "2019-05-01T12:00:00Z",
    })
}

#[tokio::test]
async fn an_imported_conversation_mails_nobody() {
    let rig = Rig::start().await;
    assert_eq!(rig.post("/conversations", &ticket("mark@example.org")).await.0, 201);
    assert_eq!(rig.post("/conversations/1/threads", &reply()).await.0, 201);
    assert_eq!(rig.count("outbox"), 0);
}

#[tokio::test]
async fn an_imported_message_after_a_line_item_is_mailed_by_the_newer_core_alone() {
    for (profile, mails) in [("default", 1), ("core-1.8.175", 0)] {
        let profile = profile.parse().expect("it is a profile");
        let rig = Rig::with(Options { profile, ..Options::default() }).await;
        rig.post("/conversations", &ticket("mark@example.org")).await;
        assert_eq!(rig.put("/conversations/1", &json!({"byUser": 1, "status": "active"})).await.0, 204);
        rig.post("/conversations/1/threads", &reply()).await;
        assert_eq!(rig.count("outbox"), mails);
    }
}

#[tokio::test]
async fn a_message_that_is_not_imported_is_mailed() {
    let rig = Rig::start().await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    let mut live = reply();
    live["imported"] = "true".into();
    rig.post("/conversations/1/threads", &live).await;
    assert_eq!(
        rig.sandbox.outbox(),
        [json!({
            "conversation": 1, "thread": 3, "kind": "reply", "to": "mark@example.org", "mailed": true,
        })]
    );
}

#[tokio::test]
async fn a_note_that_comes_first_queues_a_job_without_a_mail() {
    let rig = Rig::start().await;
    let mut ticket = ticket("mark@example.org");
    ticket["threads"] = json!([{"type": "note", "text": "n", "user": 1}]);
    rig.post("/conversations", &ticket).await;
    assert_eq!(rig.sandbox.outbox().len(), 1);
    assert_eq!(rig.count("outbox"), 0);
}

#[tokio::test]
async fn the_customer_is_put_right_without_a_line_item_or_a_mail() {
    let rig = Rig::start().await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    let other = json!({
        "type": "customer", "text": "Me too", "customer": {"email": "second@example.org"}, "imported": true,
        "status": "closed", "createdAt": "2019-05-03T10:00:00Z",
    });
    rig.post("/conversations/1/threads", &other).await;
    assert_eq!(rig.get("/conversations/1").await["customer"]["id"], 2);
    assert_eq!(rig.put("/conversations/1", &json!({"customerId": 1})).await.0, 204);
    let after = rig.get("/conversations/1").await;
    assert_eq!(after["customer"]["id"], 1);
    assert_eq!(after["_embedded"]["threads"].as_array().map(Vec::len), Some(3));
    assert_eq!(rig.get("/conversations?customerEmail=mark@example.org").await["page"]["totalElements"], 1);
    assert_eq!(rig.count("outbox"), 0);
}

#[tokio::test]
async fn an_append_with_the_same_status_equals_one_create() {
    let rig = Rig::start().await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    let mut half = ticket("mark@example.org");
    let rest = half["threads"].as_array_mut().expect("a list").remove(0);
    rig.post("/conversations", &half).await;
    let mut rest = rest;
    rest["imported"] = true.into();
    rest["status"] = "closed".into();
    assert_eq!(rig.post("/conversations/2/threads", &rest).await.0, 201);
    let (mut whole, mut parts) = (rig.get("/conversations/1").await, rig.get("/conversations/2").await);
    for each in [&mut whole, &mut parts] {
        for key in ["id", "number", "updatedAt", "_embedded"] {
            each[key] = Value::Null;
        }
    }
    assert_eq!(whole, parts);
    assert_eq!(whole["closedAt"], "2019-05-02T10:00:00Z");
}

#[tokio::test]
async fn parallel_creates_for_one_new_customer_leave_orphans_but_parallel_customers_do_not() {
    let rig = Rig::start().await;
    let body = ticket("shared@example.org");
    let creates = futures_util::future::join_all((0..8).map(|_| rig.post("/conversations", &body))).await;
    let made = creates.iter().filter(|got| got.0 == 201).count();
    assert!(made >= 1, "{creates:?}");
    assert!(rig.count("customers_without_email") > 0 || made < 8, "the race was lost by nobody");

    rig.sandbox.reset();
    let body = json!({"firstName": "Mark", "email": "mark@example.org"});
    let creates = futures_util::future::join_all((0..8).map(|_| rig.post("/customers", &body))).await;
    assert_eq!(creates.iter().filter(|got| got.0 == 201).count(), 1);
    assert_eq!(creates.iter().filter(|got| got.0 == 400).count(), 7);
    assert_eq!((rig.count("customers"), rig.count("orphans")), (1, 0));
}

#[tokio::test]
async fn custom_numbers_collide_under_parallel_creates() {
    let profile = "custom-numbers".parse().expect("it is a profile");
    let rig = Rig::with(Options { profile, ..Options::default() }).await;
    rig.post("/customers", &json!({"firstName": "Mark"})).await;
    let mut body = ticket("");
    body["customer"] = json!({"id": 1});
    futures_util::future::join_all((0..8).map(|_| rig.post("/conversations", &body))).await;
    let mut numbers: Vec<u64> = rig.sandbox.conversations().iter().filter_map(|c| c["number"].as_u64()).collect();
    assert_eq!(numbers.len(), 8);
    numbers.sort_unstable();
    numbers.dedup();
    assert!(numbers.len() < 8, "{numbers:?}");
}

#[tokio::test]
async fn a_fault_without_effect_has_none() {
    for (spec, status) in [
        ("500-before@POST /conversations*1", 500),
        ("502@POST /conversations*1", 502),
        ("429@POST /conversations*1", 429),
        ("429:7@POST /conversations*1", 429),
        ("maintenance@* /*1", 503),
        ("413:10@POST /conversations*1", 413),
        ("reset-before@POST /conversations*1", 0),
        ("refuse@POST /conversations*1", 0),
        ("refuse@* /*1", 0),
    ] {
        for rig in Rig::both_faulty(spec).await {
            let body = ticket("mark@example.org");
            assert_eq!(rig.post("/conversations", &body).await.0, status, "{spec}");
            assert_eq!(rig.count("conversations"), 0, "{spec}");
            assert_eq!(rig.post("/conversations", &body).await.0, 201, "{spec} is over");
        }
    }
}

#[tokio::test]
async fn a_fault_after_the_effect_keeps_it() {
    for (spec, status) in [
        ("500-after@POST /conversations*1", 500),
        ("lose-answer@POST /conversations*1", 0),
        ("cut-answer@POST /conversations*1", 0),
        ("blank-200@POST /conversations*1", 200),
        ("delay:1ms@POST /conversations*1", 201),
        ("504@POST /conversations*1", 504),
        ("504:1ms@POST /conversations*1", 504),
        ("late:1ms@POST /conversations*1", 0),
        ("grow:1ms@POST /conversations*1", 0),
    ] {
        for rig in Rig::both_faulty(spec).await {
            assert_eq!(rig.post("/conversations", &ticket("mark@example.org")).await.0, status, "{spec}");
            rig.until("threads", 2).await;
            assert_eq!(rig.count("conversations"), 1, "{spec}");
        }
    }
}

#[tokio::test]
async fn an_effect_that_is_late_is_not_seen_before_its_time() {
    for spec in ["late:1h@POST /conversations*1", "504:1h@POST /conversations*1"] {
        let rig = Rig::faulty(spec).await;
        rig.post("/conversations", &ticket("mark@example.org")).await;
        assert_eq!(rig.get("/conversations?mailboxId=1").await["page"]["totalElements"], 0, "{spec}");
        assert_eq!(rig.post("/conversations", &ticket("eve@example.org")).await.0, 201, "others are not held up");
        assert_eq!(rig.count("conversations"), 1, "{spec}");
    }
}

#[tokio::test]
async fn a_fault_with_a_chance_hits_about_so_many() {
    for (chance, at_least, at_most) in [(0, 0, 0), (30, 30, 90), (100, 200, 200)] {
        let rig = Rig::faulty(&format!("502@GET /tags%{chance}")).await;
        let mut hits = 0;
        for _ in 0..200 {
            hits += u32::from(rig.send("GET", "/api/tags", None).await.0 == 502);
        }
        // The dice start from the same seed in every run.
        assert!((at_least..=at_most).contains(&hits), "{hits} of 200 at {chance} %");
    }
}

#[tokio::test]
async fn retry_after_is_said_when_it_is_asked_for() {
    for (spec, want) in [("429@GET /tags", None), ("429:7@GET /tags", Some("7"))] {
        let rig = Rig::faulty(spec).await;
        let answer = rig.http.get(format!("{}/api/tags", rig.sandbox.url())).send().await.expect("it is answered");
        assert_eq!(answer.headers().get("retry-after").and_then(|v| v.to_str().ok()), want);
    }
}

#[tokio::test]
async fn a_worker_killed_between_threads_leaves_a_prefix() {
    for (threads, has_creator) in [(0, false), (1, true)] {
        let rig = Rig::faulty(&format!("die-after-thread:{threads}@POST /conversations*1")).await;
        assert_eq!(rig.post("/conversations", &ticket("mark@example.org")).await.0, 502);
        let half = rig.get("/conversations/1").await;
        assert_eq!(half["_embedded"]["threads"].as_array().map(Vec::len), Some(threads));
        assert_eq!(half["threadsCount"], threads);
        assert_eq!(half["createdBy"].is_object(), has_creator);
        assert_eq!((&half["status"], &half["closedAt"]), (&json!("closed"), &json!("2019-05-02T10:00:00Z")));
    }
}

#[tokio::test]
async fn a_worker_killed_inside_a_thread_leaves_its_row_and_hides_its_files() {
    let rig = Rig::faulty("die-inside-thread:1@POST /conversations*1").await;
    let mut ticket = ticket("mark@example.org");
    ticket["threads"][1]["attachments"] = json!([{"fileName": "a.txt", "mimeType": "text/plain", "data": "ZmlsZQ=="}]);
    assert_eq!(rig.post("/conversations", &ticket).await.0, 502);
    let half = rig.get("/conversations/1").await;
    assert_eq!(half["_embedded"]["threads"].as_array().map(Vec::len), Some(1));
    assert_eq!(half["_embedded"]["threads"][0]["_embedded"]["attachments"], json!([]));
    assert_eq!(half["createdBy"], Value::Null);
    assert_eq!(rig.count("attachments"), 1);
}

#[tokio::test]
async fn a_growing_conversation_is_seen_growing() {
    let rig = Rig::faulty("grow:40ms@POST /conversations*1").await;
    let mut ticket = ticket("mark@example.org");
    let more: Vec<Value> = (0..6).map(|i| json!({"type": "message", "text": format!("{i}"), "user": 1})).collect();
    ticket["threads"].as_array_mut().expect("a list").splice(0..0, more);
    assert_eq!(rig.post("/conversations", &ticket).await.0, 0);
    let mut seen = std::collections::BTreeSet::new();
    while rig.count("threads") < 8 {
        for row in rig.sandbox.conversations() {
            assert_eq!(row["status"], "closed");
            seen.insert(row["_embedded"]["threads"].as_array().map(Vec::len));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(seen.len() > 2, "{seen:?}");
}

#[tokio::test]
async fn writes_wait_for_a_lock_while_reads_answer() {
    let rig = Rig::faulty("write-lock:1h@GET /tags*1").await;
    rig.get("/tags").await;
    let blocked =
        tokio::time::timeout(Duration::from_millis(50), rig.post("/conversations", &ticket("m@example.org"))).await;
    assert!(blocked.is_err());
    assert_eq!(rig.get("/conversations").await["page"]["totalElements"], 0);
    assert_eq!(rig.count("customers"), 0);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_stop_its_request_but_a_body_cut_short_does() {
    for (cut, is_made) in [(0, true), (1, false)] {
        let rig = Rig::faulty("delay:20ms@POST /conversations*1").await;
        let body = ticket("mark@example.org").to_string();
        let head = format!(
            "POST /api/conversations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             X-FreeScout-API-Key: {}\r\nContent-Length: {}\r\n\r\n",
            rig.sandbox.key(),
            body.len()
        );
        let address = rig.sandbox.url().trim_start_matches("http://").to_owned();
        let mut line = tokio::net::TcpStream::connect(address).await.expect("it listens");
        let sent = format!("{head}{}", &body[..body.len() - cut]);
        tokio::io::AsyncWriteExt::write_all(&mut line, sent.as_bytes()).await.expect("it is read");
        drop(line);
        if is_made {
            rig.until("threads", 2).await;
        } else {
            while rig.sandbox.state()["requests"].as_object().is_some_and(serde_json::Map::is_empty) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            // Longer than the delay: what was to happen has happened.
            tokio::time::sleep(Duration::from_millis(60)).await;
            assert_eq!(rig.count("conversations"), 0);
        }
    }
}

#[tokio::test]
async fn attachments_are_downloaded_with_their_token_and_without_a_key() {
    let rig = Rig::start().await;
    let mut ticket = ticket("mark@example.org");
    ticket["threads"][0]["attachments"] =
        json!([{"fileName": "ü 1.txt", "mimeType": "text/plain", "data": "ZmlsZQ=="}]);
    let (_, made) = rig.post("/conversations", &ticket).await;
    let url = made["_embedded"]["threads"][0]["_embedded"]["attachments"][0]["fileUrl"].as_str().expect("an address");
    let get = |url: String| async { rig.http.get(url).send().await.expect("it is answered") };
    let answer = get(url.to_owned()).await;
    assert_eq!((answer.status().as_u16(), &answer.bytes().await.expect("a body")[..]), (200, &b"file"[..]));
    assert_eq!(get(format!("{url}0")).await.status(), 403);
    assert_eq!(get(url.replace("id=1", "id=9")).await.status(), 404);
}

#[tokio::test]
async fn a_webhook_is_told() {
    let heard = Rig::start().await;
    let rig = Rig::start().await;
    // The other sandbox's catch-all counts whatever is posted to it.
    let url = format!("{}/api/heard", heard.sandbox.url());
    assert_eq!(rig.post("/webhooks", &json!({"url": url, "events": ["convo.created", "nope"]})).await.0, 201);
    rig.post("/conversations", &ticket("mark@example.org")).await;
    while heard.sandbox.state()["requests"]["POST /heard"].is_null() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_delivery_names_its_event_and_is_signed_over_its_body() {
    use tokio::io::AsyncReadExt as _;

    let rig = Rig::start().await;
    let heard = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/hook", heard.local_addr().expect("it has an address"));
    rig.post("/webhooks", &json!({"url": url, "events": ["convo.deleted_forever"]})).await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    assert_eq!(rig.send("DELETE", "/api/conversations/1", None).await.0, 204);

    let (mut line, _) = heard.accept().await.expect("it calls");
    let mut request = Vec::new();
    let (head, body) = loop {
        assert!(line.read_buf(&mut request).await.expect("it sends") > 0, "it hung up early");
        let text = String::from_utf8(request.clone()).expect("it sends text");
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        if Some(body.len()) == length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let header =
        |name: &str| head.lines().find_map(|l| l.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)));
    assert!(head.starts_with("POST /hook HTTP/1.1"), "{head}");
    assert_eq!(header("X-FreeScout-Event").map(|(_, v)| v), Some("convo.deleted_forever"));
    let signature = webhooks::sign(rig.sandbox.key().as_bytes(), body.as_bytes());
    assert_eq!(header("X-FreeScout-Signature").map(|(_, v)| v), Some(signature.as_str()));
    let told: Value = serde_json::from_str(&body).expect("it is JSON");
    assert_eq!((&told["id"], &told["subject"]), (&json!(1), &json!("Where is my parcel?")));
    assert_eq!(told["_embedded"]["threads"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_attachment_by_address_is_fetched_from_listed_hosts_alone() {
    let files = Rig::start().await;
    let mut with_file = ticket("mark@example.org");
    with_file["threads"][0]["attachments"] =
        json!([{"fileName": "a.txt", "mimeType": "text/plain", "data": "ZmlsZQ=="}]);
    let (_, made) = files.post("/conversations", &with_file).await;
    let url = &made["_embedded"]["threads"][0]["_embedded"]["attachments"][0]["fileUrl"];
    with_file["threads"][0]["attachments"] = json!([{"fileName": "b.txt", "mimeType": "text/plain", "fileUrl": url}]);
    let host = files.sandbox.url().trim_start_matches("http://").to_owned();
    for (download_hosts, kept) in [(vec![host], 1), (vec!["files.example".to_owned()], 0), (Vec::new(), 0)] {
        let rig = Rig::with(Options { download_hosts, ..Options::default() }).await;
        assert_eq!(rig.post("/conversations", &with_file).await.0, 201);
        assert_eq!(rig.count("attachments"), kept);
        assert_eq!(
            rig.sandbox.server.store().files.bytes(1).map(|b| b.to_vec()),
            (kept == 1).then(|| b"file".to_vec())
        );
    }
}

#[tokio::test]
async fn basic_is_refused_unless_it_is_switched_on() {
    for (accepts_basic, status) in [(false, 401), (true, 200)] {
        let rig = Rig::with(Options { accepts_basic, ..Options::default() }).await;
        let request = rig.http.get(format!("{}/api/mailboxes", rig.sandbox.url()));
        let answer = request.basic_auth(rig.sandbox.key(), Some("x")).send().await.expect("it is answered");
        assert_eq!(answer.status().as_u16(), status);
    }
}

#[tokio::test]
async fn options_needs_no_key_where_an_origin_is_allowed() {
    for (allow_origin, status) in [(None, 401), (Some("https://app.example".to_owned()), 200)] {
        let rig = Rig::with(Options { allow_origin: allow_origin.clone(), ..Options::default() }).await;
        let method = reqwest::Method::OPTIONS;
        let answer =
            rig.http.request(method, format!("{}/api/nope", rig.sandbox.url())).send().await.expect("it is answered");
        assert_eq!(answer.status().as_u16(), status);
        let origin = answer.headers().get("access-control-allow-origin").and_then(|v| v.to_str().ok());
        assert_eq!(origin, allow_origin.as_deref());
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_the_key_is_looked_at() {
    let rig = Rig::with(Options { post_limit: Some(100), ..Options::default() }).await;
    let url = format!("{}/api/conversations", rig.sandbox.url());
    let answer = rig.http.post(url).header("Accept", "application/json").body("x".repeat(101)).send().await;
    assert_eq!(answer.expect("it is answered").status(), 413);
}

#[tokio::test]
async fn a_strict_sandbox_refuses_fields_that_freescout_ignores() {
    let rig = Rig::with(Options { is_strict: true, ..Options::default() }).await;
    let mut body = ticket("mark@example.org");
    assert_eq!(rig.post("/conversations", &body).await.0, 201);
    body["tags"] = json!(["x"]);
    let (status, answer) = rig.post("/conversations", &body).await;
    assert_eq!((status, &answer["_embedded"]["errors"][0]["path"]), (400, &json!("tags")));
}

#[tokio::test]
async fn modules_that_are_off_say_so() {
    let profile = "modules-off".parse().expect("it is a profile");
    let rig = Rig::with(Options { profile, ..Options::default() }).await;
    for (path, module) in [
        ("/tags", "Tags"),
        ("/mailboxes/1/custom_fields", "Custom Fields"),
        ("/conversations/0/timelogs", "Time Tracking"),
    ] {
        let message = format!("{module} module is not installed or not activated");
        assert_eq!(rig.get(path).await, json!({"message": message, "_embedded": {"errors": []}}));
    }
    assert!("module-9".parse::<Profile>().is_err_and(|cause| cause.to_string().contains("module-1.0.67")));
}

#[tokio::test]
async fn a_profile_changes_what_it_says_and_nothing_else() {
    /// A request and what of its answer tells one server from another.
    type Probe = (&'static str, &'static str, fn(&Got) -> Value);
    let probes: [Probe; 5] = [
        ("GET", "/conversations?subject=parcel", |got| got.1["page"]["totalElements"].clone()),
        ("GET", "/conversations?createdByUserId=77", |got| got.1["page"]["totalElements"].clone()),
        ("GET", "/conversations?status=open,pending,closed", |got| got.1["page"]["totalElements"].clone()),
        ("GET", "/conversations/1", |got| got.1["number"].clone()),
        ("DELETE", "/users/99?byUserId=1", |got| got.0.into()),
    ];
    for (profile, want) in [
        ("default", [1, 0, 1, 2, 404]),
        ("module-1.0.82", [0, 0, 1, 2, 404]),
        ("module-1.0.67", [0, 1, 1, 2, 405]),
        ("core-1.8.175", [1, 0, 1, 2, 404]),
        ("custom-numbers", [1, 0, 1, 1, 404]),
        ("custom-numbers+module-1.0.82", [0, 0, 1, 1, 404]),
    ] {
        let rig = Rig::with(Options { profile: profile.parse().expect(profile), ..Options::default() }).await;
        // The first goes again, so that a number of its own differs from the id.
        rig.post("/conversations", &ticket("mark@example.org")).await;
        rig.send("DELETE", "/api/conversations/1", None).await;
        rig.post("/conversations", &ticket("mark@example.org")).await;
        for ((method, path, seen), want) in probes.iter().zip(want) {
            let path = path.replace("/conversations/1", "/conversations/2");
            let got = rig.send(method, &format!("/api{path}"), None).await;
            assert_eq!(seen(&got), want, "{profile}: {method} {path}");
        }
    }
    let zone = |name: &str| Options { profile: name.parse().expect(name), ..Options::default() };
    for (profile, created) in [("default", "2019-05-01T10:00:00Z"), ("zone:Europe/Berlin", "2019-05-01T08:00:00Z")] {
        let rig = Rig::with(zone(profile)).await;
        let mut body = ticket("mark@example.org");
        body["createdAt"] = "2019-05-01 10:00:00".into();
        assert_eq!(rig.post("/conversations", &body).await.1["createdAt"], created, "{profile}");
    }
}

#[tokio::test]
async fn a_store_file_that_cannot_be_made_is_told_of_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Some(folder.path().join("missing").join("rows.json"));
    let cause = start(Options { store, ..Options::default() }).await.expect_err("there is no such folder");
    assert!(cause.to_string().contains("rows.json"), "{cause}");
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{").expect("it is written");
    let cause = start(Options { store: Some(broken), ..Options::default() }).await.expect_err("it is no store");
    assert!(cause.to_string().contains("broken.json"), "{cause}");
}

#[tokio::test]
async fn a_store_file_brings_everything_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Some(folder.path().join("rows.json"));
    let rig = Rig::with(Options { store: store.clone(), key: Some("k".to_owned()), ..Options::default() }).await;
    let mut first = ticket("mark@example.org");
    first["threads"][0]["attachments"] = json!([{"fileName": "a.txt", "mimeType": "text/plain", "data": "ZmlsZQ=="}]);
    rig.post("/conversations", &first).await;
    rig.put("/conversations/1/tags", &json!({"tags": ["x"]})).await;
    let (conversations, customers) = (rig.sandbox.conversations(), rig.sandbox.customers());
    let url = rig.sandbox.url().to_owned();
    rig.sandbox.shutdown().await;

    let rig = Rig::with(Options { store, key: Some("k".to_owned()), ..Options::default() }).await;
    let elsewhere = |rows: &[Value]| serde_json::to_string(rows).expect("it is JSON").replace(&url, rig.sandbox.url());
    assert_eq!(elsewhere(&conversations), elsewhere(&rig.sandbox.conversations()));
    assert_eq!(customers, rig.sandbox.customers());
    assert_eq!(rig.sandbox.server.store().files.bytes(1).as_deref(), Some(&b"file"[..]));
    assert_eq!(rig.get("/conversations?customerId=1&tag=x").await["page"]["totalElements"], 1);
    let (_, made) = rig.post("/conversations", &ticket("mark@example.org")).await;
    assert_eq!((&made["id"], &made["customer"]["id"]), (&json!(2), &json!(1)));
}

#[tokio::test]
async fn an_address_longer_than_its_column_keeps_its_end() {
    let rig = Rig::start().await;
    let long = format!("{}@example.org", "x".repeat(200));
    rig.post("/customers", &json!({"email": long})).await;
    let kept = &rig.sandbox.customers()[0]["_embedded"]["emails"][0]["value"];
    assert_eq!(kept.as_str(), Some(&long[long.len() - 191..]));
}

#[tokio::test]
async fn one_that_never_hears_of_its_create_finds_it_by_mailbox_and_date() {
    let rig = Rig::faulty("lose-answer@POST /conversations*1").await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    let found = rig
        .get("/conversations?mailboxId=1&createdSince=2019-05-01T10:00:00Z&sortField=createdAt&sortOrder=asc&embed=threads")
        .await;
    assert_eq!(found["page"]["totalElements"], 1);
    assert_eq!(found["_embedded"]["conversations"][0]["_embedded"]["threads"].as_array().map(Vec::len), Some(2));
    let later = rig.get("/conversations?mailboxId=1&createdSince=2019-05-01T10:00:01Z").await;
    assert_eq!(later["page"]["totalElements"], 0);
}

#[tokio::test]
async fn every_page_is_whole_among_equal_dates() {
    let rig = Rig::start().await;
    rig.post("/customers", &json!({"firstName": "Mark"})).await;
    let mut body = ticket("");
    body["customer"] = json!({"id": 1});
    for at in 0..7 {
        body["createdAt"] = format!("2019-05-01T10:00:0{}Z", at / 3).into();
        rig.post("/conversations", &body).await;
    }
    for order in ["desc", "asc"] {
        let mut seen = Vec::new();
        for page in 1..=4 {
            let rows = rig.get(&format!("/conversations?pageSize=2&page={page}&sortOrder={order}")).await;
            assert_eq!(rows["page"]["totalPages"], 4);
            let rows = rows["_embedded"]["conversations"].as_array().expect("a list").clone();
            seen.extend(rows.iter().filter_map(|row| row["id"].as_u64()));
        }
        let want: [u64; 7] = if order == "desc" { [7, 4, 5, 6, 1, 2, 3] } else { [1, 2, 3, 4, 5, 6, 7] };
        assert_eq!(seen, want, "{order}");
    }
}

#[tokio::test]
async fn the_state_counts_requests_with_ids_left_out() {
    let rig = Rig::start().await;
    rig.post("/conversations", &ticket("mark@example.org")).await;
    rig.put("/conversations/1/tags", &json!({"tags": ["x"]})).await;
    rig.put("/conversations/2/tags", &json!({"tags": ["x"]})).await;
    let (status, state) = rig.send("GET", "/__sandbox/state", None).await;
    assert_eq!(status, 200);
    assert_eq!(state["requests"], json!({"POST /conversations": 1, "PUT /conversations/{id}/tags": 2}));
    let told = ["conversations", "threads", "customers", "customers_without_email", "attachments", "outbox", "orphans"];
    assert_eq!(told.map(|key| state[key].as_u64()), [1, 2, 1, 0, 0, 0, 0].map(Some));
}

#[tokio::test]
async fn faults_are_replaced_over_the_control_call() {
    let rig = Rig::start().await;
    let (status, _) = rig.send("POST", "/__sandbox/faults", Some(&json!(["500-before@GET /tags*1"]))).await;
    assert_eq!(status, 200);
    assert_eq!(rig.send("GET", "/api/tags", None).await.0, 500);
    let (status, answer) = rig.send("POST", "/__sandbox/faults", Some(&json!(["nonsense"]))).await;
    assert_eq!(status, 400);
    assert!(answer["message"].as_str().is_some_and(|m| m.contains("KIND")), "{answer}");
}

#[tokio::test]
async fn a_deleted_user_keeps_a_row_and_loses_conversations() {
    let fixture = Fixture::default().with_user("uma@sandbox.example", "Uma", "User", false);
    let rig = Rig::with(Options { fixture, ..Options::default() }).await;
    let mut body = ticket("mark@example.org");
    body["assignTo"] = 2.into();
    rig.post("/conversations", &body).await;
    assert_eq!(rig.send("DELETE", "/api/users/1?byUserId=1", None).await.0, 400);
    assert_eq!(rig.send("DELETE", "/api/users/2?byUserId=1", None).await.0, 204);
    let after = rig.get("/conversations/1").await;
    assert_eq!(after["assignee"], Value::Null);
    assert_eq!(after["_embedded"]["threads"][0]["type"], "lineitem");
    assert!(rig.get("/users/2").await["email"].as_str().is_some_and(|e| e.starts_with("uma@sandbox.example_deleted")));
}
