//! A rehearsal that stays up to be looked at: `--open`, and the page's address that `sandbox` prints.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::place::{Place, Sandbox, sample, signal};

/// What a page answers.
fn get(page: &str) -> String {
    let (host, path) = page.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Reads stderr until the address of the pages stands there.
fn page_of(process: &mut Child) -> (String, impl std::io::Read + use<>) {
    let mut lines = BufReader::new(process.stderr.take().unwrap());
    let mut all = String::new();
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "no address of a page: {all}");
        if let Some((_, rest)) = line.split_once("the rehearsal can be looked at: ") {
            return (rest.split(' ').next().unwrap().to_owned(), lines);
        }
        all.push_str(&line);
    }
}

#[test]
fn an_import_stays_up_to_be_looked_at_and_ends_as_it_ended() {
    let place = Place::new();
    // One record of the last has no id: the exit code is the import's, not that of the Ctrl-C.
    for (archive, options, name, code) in [
        (sample("zendesk"), "", "INT", 0),
        (sample("zendesk"), "-q", "TERM", 0),
        (sample("zendesk"), "--json", "INT", 0),
        (sample("broken/zendesk-no-id"), "", "INT", 3),
    ] {
        let mut command =
            place.command(["import".as_ref(), archive.as_os_str(), "--sandbox".as_ref(), "--open".as_ref()]);
        command.args(options.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (page, mut rest) = page_of(&mut process);
        let answer = get(&page);
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Nobody was mailed."), "{answer}");
        let list = get(&format!("{page}conversations"));
        assert!(list.contains("href=\"/conversation/1\""), "{list}");
        assert_eq!(process.try_wait().unwrap(), None, "it is still there");
        signal(&process, name);
        assert_eq!(process.wait().unwrap().code(), Some(code), "{options} {name}");
        let mut stdout = String::new();
        process.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let last = stdout.lines().last().unwrap();
        if options == "--json" {
            assert_eq!(serde_json::from_str::<Value>(last).unwrap()["event"], "finished", "{stdout}");
        } else {
            assert!(last.contains(" read: "), "{stdout}");
        }
        let mut after = String::new();
        rest.read_to_string(&mut after).unwrap();
        assert!(!after.contains("panic") && !after.contains("interrupted"), "{after}");
        assert!(TcpStream::connect(page.trim_start_matches("http://").trim_end_matches('/')).is_err(), "it is gone");
    }
}

#[test]
fn only_a_sandbox_can_be_opened() {
    let place = Place::new();
    place.run("import x.json --url http://127.0.0.1:9 --open").exits(2);
    place.run("import x.json --open").exits(2);
    place.run("restore backup --open").exits(2);
}

#[test]
fn a_sandbox_says_where_its_pages_are() {
    let place = Place::new();
    let mut sandbox = Sandbox::start(&place, &[]);
    let page = format!("{}/", sandbox.url);
    assert!(get(&page).contains("<h1>Mailboxes</h1>"));
    signal(&sandbox.process, "INT");
    assert_eq!(sandbox.process.wait().unwrap().code(), Some(0));

    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let mut process = place
            .command(["--json", "sandbox", "--listen", listen, "--key", "k"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert!(event["page"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{line}");
        signal(&process, "INT");
        assert_eq!(process.wait().unwrap().code(), Some(0), "{listen}");
    }
}
