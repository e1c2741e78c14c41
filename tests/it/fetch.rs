//! `foxferry fetch-attachments`: files that an archive only links to, and what becomes of them in an import.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::place::{Place, Ran, Sandbox, signal};

const SECRET: &str = "open-sesame-4711";

/// What a request to the old help desk looked like: method, path and query, and headers in lower case.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    head: String,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What the old help desk answers, written as it goes over the wire so that it can go wrong anywhere.
struct Answer {
    bytes: Vec<u8>,
    /// Keep the connection open without a word.
    is_stalled: bool,
}

fn answer(head: &str, body: &[u8]) -> Answer {
    let mut bytes =
        format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Answer { bytes, is_stalled: false }
}

/// An old help desk on this machine, by threads and plain sockets: it shares nothing with the client.
struct Desk {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Desk {
    /// `answer` is told which request of its path it is, counted from 1.
    fn start(answer: impl Fn(&Request, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (kept, answer) = (Arc::clone(&requests), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, answer, stream) = (Arc::clone(&kept), Arc::clone(&answer), stream.unwrap());
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn requests(&self, path: &str) -> Vec<Request> {
        self.requests.lock().unwrap().iter().filter(|request| request.path == path).cloned().collect()
    }

    fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request, usize) -> Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let request = Request { path, head: head.to_lowercase().replace('\r', "") };
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(request.clone());
        kept.iter().filter(|other| other.path == request.path).count()
    };
    let answer = answer(&request, number);
    // The program may have gone.
    let _ = stream.write_all(&answer.bytes);
    let _ = stream.flush();
    if answer.is_stalled {
        let _ = reader.read_line(&mut String::new());
    }
}

/// Records with one message each, and these files: name, address, media type, length.
fn archive(place: &Place, files: &[(&str, String, Option<&str>, Option<usize>)]) -> PathBuf {
    let mut text = String::new();
    for (n, (name, url, mime, size)) in files.iter().enumerate() {
        let mut file = json!({"name": name, "url": url});
        if let Some(mime) = mime {
            file["mime"] = json!(mime);
        }
        if let Some(size) = size {
            file["size"] = json!(size);
        }
        let record = json!({
            "id": (n + 1).to_string(), "subject": format!("Question {n}"), "created_at": "2024-01-31T12:00:00Z",
            "requester": {"name": "Ann Lee", "email": format!("ann{n}@example.net")},
            "entries": [{"id": "1", "author": format!("ann{n}@example.net"), "created_at": "2024-01-31T12:00:00Z",
                "html": "<p>See the file.</p>", "attachments": [file]}],
        });
        text.push_str(&format!("{record}\n"));
    }
    place.write("desk.jsonl", text)
}

fn fetch(place: &Place, words: &str) -> Command {
    let mut command = place.command(["fetch-attachments", "desk.jsonl", "--allow-private"]);
    command.args(words.split_whitespace());
    command
}

fn inspected(place: &Place) -> Value {
    place.run("inspect desk.jsonl --json").exits(0).json()
}

/// Everything in the folder of fetched files, as one heap of bytes.
fn heap(folder: &Path) -> String {
    let files = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let files = files.filter(|file| file.file_type().is_file());
    files.map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned()).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PDF: &[u8] = b"%PDF-1.4 not much of one";
const PAGE: &[u8] = b"<!DOCTYPE html><title>Log in</title>";

fn old_desk() -> Desk {
    Desk::start(|request, number| match request.path.split('?').next().unwrap() {
        "/good.pdf" | "/again.pdf" => answer("200 OK\r\nContent-Type: application/pdf", PDF),
        "/moved" => answer("302 Found\r\nLocation: /good.pdf", b""),
        "/loop" => answer("302 Found\r\nLocation: /loop", b""),
        "/busy" if number == 1 => answer("429 Too Many Requests\r\nRetry-After: 1", b""),
        "/ill" if number == 1 => answer("500 Internal Server Error", b"no"),
        "/busy" | "/ill" => answer("200 OK\r\nContent-Type: application/pdf", PDF),
        "/login" => answer("200 OK\r\nContent-Type: text/html; charset=utf-8", PAGE),
        "/secret" => answer("403 Forbidden", PAGE),
        "/long" => answer("200 OK", &[b'x'; 5000]),
        "/stall" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            Answer { bytes: head.as_bytes().to_vec(), is_stalled: true }
        }
        "/silent" => Answer { bytes: Vec::new(), is_stalled: true },
        _ => answer("404 Not Found", b"gone"),
    })
}

#[test]
fn what_can_be_had_is_had_once_and_the_rest_is_listed_with_its_reason() {
    let place = Place::new();
    let desk = old_desk();
    let pdf = Some("application/pdf");
    let size = Some(PDF.len());
    let files = [
        ("good.pdf", desk.url("/good.pdf"), pdf, size),
        ("copy.pdf", desk.url("/good.pdf"), pdf, None),
        ("../../../../tmp/again.pdf", desk.url("/again.pdf?id=2"), None, None),
        ("moved.pdf", desk.url("/moved"), pdf, size),
        ("busy.pdf", desk.url("/busy"), pdf, size),
        ("ill.pdf", desk.url("/ill"), pdf, size),
        ("=cmd()", desk.url("/gone"), pdf, size),
        ("login.pdf", desk.url("/login"), pdf, None),
        ("secret.pdf", desk.url("/secret?Signature=sesame&Expires=1"), pdf, None),
        ("short.pdf", desk.url("/good.pdf?short"), pdf, Some(7)),
        ("long.bin", desk.url("/long"), None, None),
        ("loop.pdf", desk.url("/loop"), pdf, None),
        ("silent.pdf", desk.url("/silent"), pdf, None),
        ("stall.pdf", desk.url("/stall"), pdf, None),
        ("relative.pdf", "/attachments/1".to_owned(), pdf, None),
    ];
    archive(&place, &files);
    let before = inspected(&place);
    assert_eq!(before["attachments_without_bytes"], files.len());

    let ran = Ran::of(&mut fetch(&place, "--max-bytes 4k --timeout 0.2 --failed failed.csv")).exits(3);
    assert_eq!(ran.last_line(), "13 links: 5 fetched, 0 there already, 8 failed", "{}", ran.stderr);
    assert!(ran.stderr.contains("`relative.pdf` (/attachments/1): it is no address on the web"), "{}", ran.stderr);
    assert!(ran.stderr.contains("waiting 1 s for 127.0.0.1"), "{}", ran.stderr);
    let list = std::fs::read_to_string(place.path().join("failed.csv")).unwrap();
    let rows: HashMap<&str, &str> =
        list.lines().skip(1).filter_map(|line| line.split_once(',')?.1.split_once(',')).collect();
    for (name, reason) in [
        ("'=cmd()", "404 Not Found"),
        ("login.pdf", "a web page came"),
        ("secret.pdf", "403 Forbidden"),
        ("short.pdf", "24 bytes came instead of the 7"),
        ("long.bin", "longer than 4000 bytes"),
        ("loop.pdf", "more than 5 times"),
        ("silent.pdf", "no answer within"),
        ("stall.pdf", "nothing more came"),
        ("relative.pdf", "no address on the web"),
    ] {
        assert!(rows[name].contains(reason), "{name}: {list}");
    }
    assert_eq!(rows.len(), 9);
    assert!(!list.contains("sesame"), "{list}");
    assert_eq!((desk.requests("/busy").len(), desk.requests("/ill").len(), desk.requests("/gone").len()), (2, 2, 1));
    // By hash and by nothing else: five links, and one content.
    let stored = walkdir::WalkDir::new(place.path().join("desk.files/attachments")).into_iter();
    assert_eq!(stored.filter_map(Result::ok).filter(|file| file.file_type().is_file()).count(), 1);
    assert!(!heap(&place.path().join("desk.files")).contains("sesame"));

    // Fetched files are files to everything that reads the archive.
    let after = inspected(&place);
    assert_eq!((&after["attachments_without_bytes"], &after["attachment_bytes"]), (&json!(9), &json!(6 * PDF.len())));
    assert_eq!(after["oddities"]["attachment-unfetched"], 8);

    let count = desk.requests("/good.pdf").len();
    let ran = Ran::of(&mut fetch(&place, "--max-bytes 10k --timeout 0.2 --json")).exits(3);
    let last = ran.events().pop().unwrap();
    let numbers = ["links", "fetched", "there", "failed", "left"].map(|name| last[name].as_u64().unwrap());
    assert_eq!((numbers, &last["event"]), ([13, 1, 5, 7, 0], &json!("finished")), "{}", ran.stdout);
    assert_eq!((last["read"].as_u64(), last["done"].as_u64(), last["dead"].as_u64()), (Some(13), Some(6), Some(7)));
    assert_eq!(desk.requests("/good.pdf").len(), count, "what is there is not asked for again");
}

#[test]
fn a_dry_run_asks_nobody_and_leaves_nothing() {
    let place = Place::new();
    let desk = old_desk();
    archive(
        &place,
        &[
            ("a.pdf", desk.url("/good.pdf"), None, Some(2048)),
            ("b.pdf", desk.url("/moved"), None, None),
            ("c.pdf", "https://files.example.org/c.pdf".to_owned(), None, Some(1024)),
        ],
    );
    let ran = place.run("fetch-attachments desk.jsonl --dry-run").exits(0);
    let host = format!("127.0.0.1:{}", desk.port);
    let expected = format!(
        "{host}: 2 links, 0 there already, 2 to fetch (2.00 KiB, and 1 of unknown size)\n\
         files.example.org: 1 link, 0 there already, 1 to fetch (1.00 KiB)\n\
         2 hosts: 3 links, 0 there already, 3 to fetch (3.00 KiB, and 1 of unknown size)\n"
    );
    assert_eq!(ran.stdout, expected);
    let events = place.run("fetch-attachments desk.jsonl --dry-run --json").exits(0).events();
    assert_eq!((&events[0]["host"], &events[2]["event"]), (&json!(host), &json!("finished")));
    assert!(desk.count() == 0 && !place.path().join("desk.files").exists());
}

#[test]
fn no_private_address_is_asked_unless_that_is_allowed() {
    let place = Place::new();
    let desk = old_desk();
    let port = desk.port;
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433"];
    let files = hosts.map(|host| ("a.pdf", format!("http://{host}:{port}/good.pdf"), None, None));
    archive(&place, &files);
    let ran = place.run("fetch-attachments desk.jsonl --failed list.jsonl").exits(3);
    // The last is the first in other digits.
    assert_eq!(ran.last_line(), "4 links: 0 fetched, 0 there already, 4 failed");
    let list = std::fs::read_to_string(place.path().join("list.jsonl")).unwrap();
    assert!(list.lines().count() == 4 && list.lines().all(|line| line.contains("--allow-private")), "{list}");
    assert_eq!(desk.count(), 0);
    place.run("fetch-attachments desk.jsonl --use-proxy").exits(2);
}

#[test]
fn secrets_go_to_the_named_host_alone_and_are_never_shown() {
    let place = Place::new();
    let port: Arc<Mutex<u16>> = Arc::default();
    let own = Arc::clone(&port);
    let desk = Desk::start(move |request, _| {
        let has_both = request.head.contains(&format!("authorization: bearer {SECRET}"))
            && request.head.contains(&format!("cookie: session={SECRET}"));
        match &*request.path {
            "/private.pdf" if has_both => answer("200 OK\r\nContent-Type: application/pdf", PDF),
            "/private.pdf" => answer("302 Found\r\nLocation: /login", b""),
            // The same server under another name.
            "/elsewhere.pdf" => {
                answer(&format!("302 Found\r\nLocation: http://localhost:{}/cdn.pdf", own.lock().unwrap()), b"")
            }
            "/cdn.pdf" => answer("200 OK\r\nContent-Type: application/pdf", PDF),
            "/echo" => answer(&format!("500 {SECRET}\r\nX-Echo: {SECRET}"), SECRET.as_bytes()),
            _ => answer("200 OK\r\nContent-Type: text/html", PAGE),
        }
    });
    *port.lock().unwrap() = desk.port;
    archive(
        &place,
        &[
            ("private.pdf", desk.url("/private.pdf"), None, None),
            ("elsewhere.pdf", desk.url("/elsewhere.pdf"), None, None),
            ("echo.pdf", desk.url("/echo"), None, None),
            ("other.pdf", format!("http://localhost:{}/private.pdf", desk.port), None, None),
        ],
    );
    place.write("headers.txt", format!("Authorization: Bearer {SECRET}\n"));
    place.write("cookies.txt", format!("127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\t{SECRET}\n"));
    let login = "--header-file headers.txt --cookie-file cookies.txt --auth-host 127.0.0.1 -vvv --failed failed.jsonl";
    let ran = Ran::of(&mut fetch(&place, login)).exits(3);
    assert_eq!(ran.last_line(), "4 links: 2 fetched, 0 there already, 2 failed", "{}", ran.stderr);
    assert!(!desk.requests("/cdn.pdf")[0].head.contains(SECRET), "a redirect to another host carries nothing");
    assert!(desk.requests("/elsewhere.pdf")[0].head.contains(SECRET));
    for request in desk.requests("/private.pdf") {
        let is_named = request.header("host").unwrap().starts_with("127.0.0.1");
        assert_eq!(request.head.contains(SECRET), is_named, "{}", request.head);
    }
    let list = std::fs::read_to_string(place.path().join("failed.jsonl")).unwrap();
    for shown in [&ran.stdout, &ran.stderr, &list, &heap(&place.path().join("desk.files"))] {
        assert!(!shown.contains(SECRET), "{shown}");
    }

    place.write("wrong.txt", SECRET);
    for (words, expected) in [
        ("--header-file headers.txt", "--auth-host"),
        ("--header-file wrong.txt --auth-host a.example", "line 1 is not a header"),
        ("--cookie-file wrong.txt --auth-host a.example", "neither a line"),
        ("--cookie-file none.txt --auth-host a.example", "cannot be read"),
        ("--cookie-file cookies.txt --auth-host https://a.example", "without `https://`"),
        ("--max-bytes much", "expected a size"),
    ] {
        let ran = Ran::of(&mut fetch(&place, words)).exits(2);
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains(SECRET), "{words}: {}", ran.stderr);
    }
}

/// A file that comes half, and the rest only to who asks for it in the right words.
fn halting_desk(etag_of_rest: &'static str) -> (Desk, Vec<u8>) {
    let whole: Vec<u8> = (0..400_000_u32).map(|n| (n % 251) as u8).collect();
    let bytes = whole.clone();
    let desk = Desk::start(move |request, number| {
        let (half, all) = (bytes.len() / 2, bytes.len());
        let kind = "Content-Type: application/zip";
        if number == 1 {
            let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\nETag: \"one\"\r\nContent-Length: {all}\r\n\r\n");
            return Answer { bytes: [head.as_bytes(), &bytes[..half]].concat(), is_stalled: true };
        }
        let is_same = request.header("if-range") == Some(etag_of_rest);
        match request.header("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')) {
            Some(from) if is_same => {
                let from: usize = from.parse().unwrap();
                let range = format!("Content-Range: bytes {from}-{}/{all}", all - 1);
                answer(&format!("206 Partial Content\r\n{kind}\r\n{range}"), &bytes[from..])
            }
            _ => answer(&format!("200 OK\r\n{kind}\r\nETag: {etag_of_rest}"), &bytes),
        }
    });
    (desk, whole)
}

fn part_length(place: &Place) -> u64 {
    let parts = walkdir::WalkDir::new(place.path().join("desk.files/work")).into_iter().filter_map(Result::ok);
    parts.filter(|part| part.file_type().is_file()).map(|part| part.metadata().map_or(0, |it| it.len())).sum()
}

fn halted(place: &Place, desk: &Desk, whole: &[u8]) -> Child {
    archive(place, &[("big.zip", desk.url("/big.zip"), Some("application/zip"), Some(whole.len()))]);
    let child = fetch(place, "").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    until("half of the file", || part_length(place) == whole.len() as u64 / 2);
    child
}

fn stored(place: &Place) -> Vec<u8> {
    let files = walkdir::WalkDir::new(place.path().join("desk.files/attachments")).into_iter().filter_map(Result::ok);
    let mut files = files.filter(|file| file.file_type().is_file());
    std::fs::read(files.next().unwrap().path()).unwrap()
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let place = Place::new();
    let (desk, whole) = halting_desk("\"one\"");
    let mut killed = halted(&place, &desk, &whole);
    let busy = Ran::of(&mut fetch(&place, "")).exits(4);
    assert!(busy.stderr.contains("another run is fetching into"), "{}", busy.stderr);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let ran = Ran::of(&mut fetch(&place, "")).exits(0);
    assert_eq!(ran.last_line(), "1 link: 1 fetched, 0 there already, 0 failed");
    assert_eq!(desk.requests("/big.zip")[1].header("range"), Some("bytes=200000-"));
    assert!(stored(&place) == whole, "the halves fit together");
    assert_eq!(part_length(&place), 0);
}

#[test]
#[cfg(unix)]
fn an_interrupted_download_of_a_file_that_has_changed_begins_anew() {
    let place = Place::new();
    let (desk, whole) = halting_desk("\"two\"");
    let interrupted = halted(&place, &desk, &whole);
    signal(&interrupted, "INT");
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.trim(), "1 link: 0 fetched, 0 there already, 0 failed, 1 left");
    Ran::of(&mut fetch(&place, "")).exits(0);
    assert_eq!(desk.requests("/big.zip")[1].header("if-range"), Some("\"one\""));
    assert!(stored(&place) == whole, "nothing of the old beginning is left");
}

#[test]
fn nobody_there_ends_the_run_with_four() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    archive(&place, &[("a.pdf", format!("http://127.0.0.1:{port}/a.pdf"), None, None)]);
    let ran = Ran::of(&mut fetch(&place, "")).exits(4);
    assert!(ran.stderr.contains("nothing could be reached") && ran.stderr.contains("refused"), "{}", ran.stderr);
    assert_eq!(ran.last_line(), "1 link: 0 fetched, 0 there already, 1 failed");
    let other = place.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("mine.txt"), "x").unwrap();
    for command in ["fetch-attachments desk.jsonl", "check desk.jsonl", "inspect desk.jsonl"] {
        let ran = place.run(&format!("{command} --files other")).exits(2);
        assert!(ran.stderr.contains("is not a folder of fetched files"), "{}", ran.stderr);
    }
    place.write("none.jsonl", "{\"id\": \"1\"}\n");
    let ran = place.run("fetch-attachments none.jsonl --format records").exits(0);
    assert_eq!(ran.last_line(), "0 links: 0 fetched, 0 there already, 0 failed");
    assert!(!place.path().join("none.files").exists());
}

#[test]
fn an_import_takes_what_was_fetched_names_the_rest_and_doubles_nothing_when_more_comes() {
    let place = Place::new();
    let desk = old_desk();
    let pdf = Some("application/pdf");
    archive(
        &place,
        &[
            ("good.pdf", desk.url("/good.pdf"), pdf, Some(PDF.len())),
            ("busy.pdf", desk.url("/busy"), pdf, Some(PDF.len())),
            ("gone.pdf", desk.url("/gone?token=x"), pdf, Some(PDF.len())),
        ],
    );
    let sandbox = Sandbox::start(&place, &[]);
    let import = |options: &str| {
        let mut command = sandbox.import(&place, Path::new("desk.jsonl"), "-q --no-progress --settle 0.2");
        command.args(options.split_whitespace());
        command
    };
    // The first import knows of no files.
    let ran = Ran::of(&mut import("--limit 1")).exits(0);
    assert_eq!(ran.sums().done, 1);

    Ran::of(&mut fetch(&place, "")).exits(3);
    let checked = place.run("check desk.jsonl --findings found.jsonl").exits(3);
    assert_eq!(checked.sums().done, 3);
    let found = std::fs::read_to_string(place.path().join("found.jsonl")).unwrap();
    let missing = found.lines().filter(|line| line.contains("attachment-missing")).count();
    let unfetched = found.lines().filter(|line| line.contains("attachment-unfetched")).count();
    assert_eq!((missing, unfetched), (1, 1), "{found}");
    assert!(found.contains("404 Not Found"), "{found}");

    let ran = Ran::of(&mut import("")).exits(0);
    assert_eq!(ran.sums().done, 3);
    Ran::of(&mut import("")).exits(0);
    assert_eq!((sandbox.count("conversations"), sandbox.count("customers")), (3, 3));
    // The one that was done before its file was fetched stays as it is.
    assert_eq!(sandbox.count("attachments"), 1);
    let list = sandbox.request("GET", "/api/conversations?embed=threads&pageSize=50", "");
    let named = format!("gone.pdf</a> ({} bytes), at http:\\/\\/127.0.0.1:{}\\/gone<", PDF.len(), desk.port);
    assert!(list.contains(&named) || list.contains(&named.replace("\\/", "/")), "{list}");
}

#[test]
fn an_import_that_dies_before_files_are_fetched_goes_on_with_them() {
    let place = Place::new();
    let desk = old_desk();
    archive(&place, &[("good.pdf", desk.url("/good.pdf"), Some("application/pdf"), Some(PDF.len()))]);
    // The conversation is there, and its answer is not.
    let sandbox = Sandbox::start(
        &place,
        &["--fault", "lose-answer@POST /conversations*1", "--fault", "delay:30s@GET /conversations*9"],
    );
    let import = || sandbox.import(&place, Path::new("desk.jsonl"), "-q --no-progress --settle 0.2");
    let mut killed = import().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sandbox.wait_for_conversations(1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    sandbox.clear_faults();
    Ran::of(&mut fetch(&place, "")).exits(0);
    let ran = Ran::of(&mut import()).exits(0);
    assert_eq!(ran.sums().done, 1);
    // What lacks the file is half a conversation: it is replaced.
    assert_eq!((sandbox.count("conversations"), sandbox.count("attachments")), (1, 1));
}

#[test]
fn a_folder_of_fetched_files_inside_the_archive_is_no_part_of_it() {
    let place = Place::new();
    let desk = old_desk();
    archive(&place, &[("good.pdf", desk.url("/good.pdf"), None, None)]);
    let words = ["fetch-attachments", ".", "--allow-private", "--files", "here"];
    Ran::of(&mut place.command(words)).exits(0);
    let found = place.run("inspect . --files here --json").exits(0).json();
    assert_eq!((&found["files"], &found["attachments_without_bytes"]), (&json!(1), &json!(0)));
    assert!(found["variants"].as_array().unwrap().contains(&json!("fetched files")), "{found}");
}

#[test]
fn images_that_texts_show_are_fetched_from_named_hosts_and_shown() {
    let place = Place::new();
    let desk = Desk::start(|_, _| answer("200 OK\r\nContent-Type: image/png", b"\x89PNG not much of one"));
    let record = json!({
        "id": "1", "subject": "A picture", "created_at": "2024-01-31T12:00:00Z", "requester": "ann@example.net",
        "entries": [{"id": "1", "author": "ann@example.net", "created_at": "2024-01-31T12:00:00Z",
            "html": format!("<p>Look: <img src=\"{}\"></p>", desk.url("/shown.png?a=1&amp;b=2"))}],
    });
    place.write("desk.jsonl", format!("{record}\n"));
    assert_eq!(
        Ran::of(&mut fetch(&place, "--format records")).exits(0).last_line(),
        "0 links: 0 fetched, 0 there already, 0 failed"
    );
    let ran = Ran::of(&mut fetch(&place, "--format records --image-host 127.0.0.1")).exits(0);
    assert_eq!(ran.last_line(), "1 link: 1 fetched, 0 there already, 0 failed");
    assert_eq!(desk.requests("/shown.png?a=1&b=2").len(), 1);
    let sandbox = Sandbox::start(&place, &[]);
    Ran::of(&mut sandbox.import(&place, Path::new("desk.jsonl"), "-q --no-progress --format records")).exits(0);
    let list = sandbox.request("GET", "/api/conversations?embed=threads&pageSize=50", "");
    assert!(list.contains("data:image") && !list.contains("shown.png"), "{list}");
}
