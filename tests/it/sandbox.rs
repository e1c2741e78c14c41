//! The sandbox as somebody runs it: its options, its faults, and its end.

use std::io::Read as _;

use serde_json::{Value, json};

use crate::place::{KEY, Place, Sandbox, signal};

const CREATE: &str = "/api/conversations";

fn ticket() -> String {
    json!({
        "type": "email", "mailboxId": 1, "subject": "Where is my parcel?", "customer": {"email": "mark@example.org"},
        "imported": true, "status": "closed", "createdAt": "2019-05-01T10:00:00Z", "closedAt": "2019-05-02T10:00:00Z",
        "threads": [
            {"type": "message", "text": "On its way.", "user": 1, "createdAt": "2019-05-02T10:00:00Z"},
            {"type": "customer", "text": "It is late.", "createdAt": "2019-05-01T10:00:00Z"},
        ],
    })
    .to_string()
}

/// The status of an answer; 0 when it never began.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[test]
fn every_fault_strikes_from_the_command_line_and_over_the_control_call() {
    let place = Place::new();
    let by_call = Sandbox::start(&place, &[]);
    // What the client sees, and how many conversations and threads there are in the end.
    for (kind, seen, conversations, threads) in [
        ("delay:1ms", 201, 1, 2),
        ("429", 429, 0, 0),
        ("429:7", 429, 0, 0),
        ("500-before", 500, 0, 0),
        ("500-after", 500, 1, 2),
        ("502", 502, 0, 0),
        ("504", 504, 1, 2),
        ("504:1ms", 504, 1, 2),
        ("413:10", 413, 0, 0),
        ("413:20m", 201, 1, 2),
        ("maintenance", 503, 0, 0),
        ("refuse", 0, 0, 0),
        ("reset-before", 0, 0, 0),
        ("lose-answer", 0, 1, 2),
        ("blank-200", 200, 1, 2),
        ("late:1ms", 0, 1, 2),
        ("late:1h", 0, 0, 0),
        ("grow:1ms", 0, 1, 2),
        ("grow:1h", 0, 1, 1),
        ("die-after-thread:0", 502, 1, 0),
        ("die-after-thread:1", 502, 1, 1),
        ("die-inside-thread:1", 502, 1, 1),
        ("die-inside-thread:2", 502, 1, 2),
        ("write-lock:1ms", 201, 1, 2),
    ] {
        let spec = format!("{kind}@POST /conversations*1");
        let by_option = Sandbox::start(&place, &["--fault", &spec]);
        assert!(by_call.request("POST", "/__sandbox/reset", "{}").starts_with("HTTP/1.1 200"));
        assert!(by_call.request("POST", "/__sandbox/faults", &json!([spec]).to_string()).starts_with("HTTP/1.1 200"));
        for sandbox in [&by_option, &by_call] {
            assert_eq!(status(&sandbox.request("POST", CREATE, &ticket())), seen, "{kind}");
            sandbox.wait_for("conversations", conversations);
            sandbox.wait_for("threads", threads);
            assert_eq!((sandbox.count("conversations"), sandbox.count("threads")), (conversations, threads), "{kind}");
            assert_eq!(sandbox.requests("POST /conversations"), 1, "{kind}");
        }
    }
    let cut = Sandbox::start(&place, &["--fault", "cut-answer@POST /conversations*1"]);
    let answer = cut.request("POST", CREATE, &ticket());
    let wanted = answer.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok());
    let came = answer.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
    assert!(wanted.is_none_or(|wanted| came < wanted), "{answer}");
    assert_eq!(cut.count("threads"), 2);
}

#[test]
fn its_options_make_it_another_server() {
    let place = Place::new();
    let with_more = ticket().replacen('{', r#"{"tags":["x"],"#, 1);
    for (options, method, path, body, seen) in [
        (vec![], "POST", CREATE, with_more.as_str(), 201),
        (vec!["--strict"], "POST", CREATE, &with_more, 400),
        (vec![], "GET", "/api/tags", "", 200),
        (vec!["--profile", "modules-off"], "GET", "/api/tags", "", 400),
        (vec![], "DELETE", "/api/users/9?byUserId=1", "", 404),
        (vec!["--profile", "core-1.8.175+module-1.0.67"], "DELETE", "/api/users/9?byUserId=1", "", 405),
    ] {
        let sandbox = Sandbox::start(&place, &options);
        let answer = sandbox.request(method, path, body);
        assert_eq!(status(&answer), seen, "{options:?} {method} {path}: {answer}");
    }
    let basic = "Authorization: Basic dGVzdC1rZXk6eA=="; // test-key:x
    assert_eq!(KEY, "test-key");
    for (options, seen) in [(vec![], 401), (vec!["--basic"], 200)] {
        let sandbox = Sandbox::start(&place, &options);
        assert_eq!(status(&sandbox.plain_request("GET", "/api/mailboxes", basic, "")), seen, "{options:?}");
    }
    for (options, seen, header) in
        [(vec![], 401, None), (vec!["--allow-origin", "https://desk.example"], 200, Some("https://desk.example"))]
    {
        let sandbox = Sandbox::start(&place, &options);
        let answer = sandbox.plain_request("OPTIONS", "/api/conversations", "Origin: https://desk.example", "");
        let allowed = answer.lines().find_map(|line| line.strip_prefix("access-control-allow-origin: "));
        assert_eq!((status(&answer), allowed), (seen, header), "{answer}");
    }
}

#[test]
fn what_it_held_is_there_again_after_ctrl_c() {
    let place = Place::new();
    for (name, conversations) in [("INT", 1), ("TERM", 2)] {
        let mut sandbox = Sandbox::start(&place, &["--store", "rehearsal.json"]);
        assert_eq!(status(&sandbox.request("POST", CREATE, &ticket())), 201);
        assert_eq!(sandbox.count("conversations"), conversations);
        signal(&sandbox.process, name);
        assert_eq!(sandbox.process.wait().unwrap().code(), Some(0), "{name}");
        let mut rest = String::new();
        sandbox.process.stdout.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        assert!(!rest.contains("panic"), "{rest}");
    }
    let sandbox = Sandbox::start(&place, &["--store", "rehearsal.json"]);
    assert_eq!((sandbox.count("conversations"), sandbox.count("customers")), (2, 1));
    let answer = sandbox.request("GET", "/api/conversations/2", "");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let found: Value = serde_json::from_str(body).unwrap();
    assert_eq!(found["_embedded"]["threads"][0]["body"], "On its way.");
    assert_eq!(found["customer"]["email"], "mark@example.org");

    let ran = place.run("sandbox --listen 127.0.0.1:0 --store nowhere/rehearsal.json");
    assert!(ran.code != 0 && ran.stderr.contains("nowhere/rehearsal.json"), "{}", ran.stderr);
}
