//! `--report FILE`: what the page says, and when it is there.

use crate::place::{Place, Ran, Sandbox, mbox_of, sample};

/// The page without its style, with what differs between two runs filtered.
fn page(place: &Place, name: &str) -> String {
    let html = std::fs::read_to_string(place.path().join(name)).unwrap();
    let (head, rest) = html.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}{body}")
}

#[test]
fn a_check_of_a_sample_is_this_page() {
    let place = Place::new();
    std::fs::copy(sample("mbox").join("inbox.mbox"), place.path().join("inbox.mbox")).unwrap();
    place.run("check inbox.mbox --report report.html --limit 4");
    insta::with_settings!({filters => vec![
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC</(p|dd)>", "[time]</$1>"),
        (r"[\d,.]+ per second", "[pace] per second"),
        (r"\d+ (s|min)</dd>", "[span]</dd>"),
        (r"converted in \d+ \w+", "converted in [span]"),
        (r"[0-9a-f]{64}", "[hash]"),
    ]}, {
        insta::assert_snapshot!("report_mbox", page(&place, "report.html"));
    });
}

#[test]
fn an_import_and_an_inspection_have_reports_too() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    place.run("import a.mbox --sandbox --report import.html").exits(0);
    let html = page(&place, "import.html");
    for text in ["All 3 records are in FreeScout.", "<dt>requests</dt>", "a sandbox in this process"] {
        assert!(html.contains(text), "{text} in {html}");
    }
    assert!(!html.contains("FREESCOUT_API_KEY"));
    place.run("inspect a.mbox --report inspect.html").exits(0);
    let html = page(&place, "inspect.html");
    assert!(html.contains("The archive holds 3 records with 6 entries."), "{html}");
    assert!(html.contains("id=\"archive\"") && !html.contains("id=\"forecast\""));
}

#[test]
fn the_exit_code_is_that_of_the_run() {
    let place = Place::new();
    let broken = sample("broken/zendesk-garbled-line");
    let ran = Ran::of(place.command(["check", "--report", "r.html"]).arg(&broken)).exits(3);
    assert_eq!(ran.last_line(), "3 read: 2 done, 0 skipped, 1 rejected, 0 dead letters");
    assert!(page(&place, "r.html").contains("2 of 3 records are ready to be sent, 1 not."));
}

#[test]
fn a_place_that_cannot_be_written_is_4_before_anything_is_done() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    for command in ["check a.mbox", "inspect a.mbox", "import a.mbox --sandbox"] {
        let ran = place.run(&format!("{command} --report missing/r.html")).exits(4);
        assert_eq!(ran.stdout, "", "{command}");
        assert!(ran.stderr.contains("the report `missing/r.html` cannot be written"), "{}", ran.stderr);
    }
}

#[test]
fn a_run_that_could_not_go_on_says_so_in_its_report() {
    let place = Place::new();
    place.write("a.txt", "this is no archive");
    place.run("check a.txt --report r.html").exits(5);
    let html = page(&place, "r.html");
    assert!(
        html.contains("<strong>Failed</strong>") && html.contains("is not in a format that foxferry knows"),
        "{html}"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_import_says_so_in_its_report() {
    let place = Place::new();
    // Far slower than the signal.
    let sandbox = Sandbox::start(&place, &["--fault", "delay:400ms@POST /conversations"]);
    let archive = place.write("a.mbox", mbox_of(400));
    let mut import = sandbox.import(&place, &archive, "--report r.html --json");
    let mut child = import.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("\"outcome\"")));
    assert!(first.is_some(), "no record has an outcome");
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let html = page(&place, "r.html");
    assert!(html.contains("<strong>Interrupted</strong>") && html.contains("records are in FreeScout"), "{html}");
}

#[test]
fn a_report_over_a_pipe_leaves_the_output_alone() {
    let place = Place::new();
    place.write("a.mbox", mbox_of(3));
    let ran = place.run("check a.mbox --report /dev/stdout -q").exits(0);
    assert!(ran.stdout.contains("<!doctype html>") && ran.stdout.contains("3 read: 3 done"), "{}", ran.stdout);
}
