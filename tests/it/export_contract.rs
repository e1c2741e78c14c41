//! What every exporter keeps: whole files or none, and everything in them that went in.
//!
//! `read_export.py` reads each format with Python's own libraries and compares it with the JSON lines; our own sources read
//! them in `export.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use foxferry::export::{EXPORTERS, Form};
use serde_json::json;

use crate::place::{KEY, Place, Ran, Sandbox, sample, signal};

/// Options with which nothing is left out or shortened that a format can hold.
fn whole(format: &str) -> &'static str {
    match format {
        "csv" => "--bodies html --long-cells keep --attachments",
        "xlsx" => "--bodies html",
        "json" | "jsonl" => "--attachments",
        _ => "",
    }
}

/// A backup of a sandbox that holds every sample, and words that files of each format have trouble with.
fn copied(place: &Place) -> Sandbox {
    let sandbox = Sandbox::start(place, &[]);
    let desk = format!("--mapping {}", sample("json").join("desk.toml").display());
    for (archive, options) in
        [("zendesk", ""), ("csv", ""), ("mbox", ""), ("csv-tickets", "--mapping csv"), ("json", &desk)]
    {
        let ran =
            Ran::of(&mut sandbox.import(place, &sample(archive), &format!("{options} --journal {archive}.ferry")));
        assert!(ran.code == 0 || ran.code == 3, "{archive}: {}", ran.stderr);
    }
    let texts = [
        "<p onclick=\"alert(1)\">Hello<script>alert(2)</script><img src=\"http://127.0.0.1:9/x.png\"></p><a href=\"javascript:alert(3)\">x</a>".to_owned(),
        format!("<p>{}</p>", "Grüße 🦊 an alle ".repeat(4_000)),
        "From the start\n\nFrom here\n>From there\n>>From afar\n".to_owned(),
        "<div style=\"background:url(http://127.0.0.1:9/c.png)\">styled</div><pre>a\n  b\ttab</pre>".to_owned(),
    ];
    let subjects = [
        "=HYPERLINK(\"http://evil.example\",\"x\")",
        "+49 30 1234",
        "-1+1",
        "@SUM(A1)",
        "'quoted",
        "<script>alert(1)</script>",
        "with, \"quotes\"; and more",
        "From me",
        "_x0041_",
        "a\u{202e}b",
        "007",
    ];
    for (at, subject) in subjects.iter().enumerate() {
        let thread = json!({"type": "customer", "text": texts[at % texts.len()], "customer": {"email": "mallory@example.net"},
            "attachments": [{"fileName": "=1+1, a;b.html", "mimeType": "text/html", "data": "PHNjcmlwdD5hbGVydCg5KTwvc2NyaXB0Pg=="}],
            "createdAt": "2024-05-01T10:00:00Z"});
        let body = json!({"type": "email", "mailboxId": 1, "subject": subject, "threads": [thread], "imported": true, "status": "closed",
            "customer": {"email": "mallory@example.net", "firstName": "=Mal", "lastName": "lory\"><b>"}, "createdAt": "2024-05-01T10:00:00Z"});
        let answer = sandbox.request("POST", "/api/conversations", &body.to_string());
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }
    let mut backup = place.command(["backup", "copy", "--url", &sandbox.url]);
    Ran::of(backup.env("FREESCOUT_API_KEY", KEY)).exits(0);
    sandbox
}

/// Whether there is such a program that takes these words; says so if not.
fn has(program: &str, words: &[&str]) -> bool {
    let ran = Command::new(program).args(words).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = ran.is_ok_and(|status| status.success());
    if !has {
        println!("skipped: no {program} {}", words.join(" "));
    }
    has
}

fn read_by_python(place: &Place, script: &str, words: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    let output = Command::new("python3").current_dir(place.path()).arg(script).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let said: String = said.chars().rev().take(2_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(output.status.success(), "{}: {said}", words.join(" "));
}

#[test]
fn other_programs_read_from_every_format_what_went_in() {
    let place = Place::new();
    drop(copied(&place));
    place.run("export copy --format jsonl -o truth.jsonl --attachments").exits(0);
    for exporter in EXPORTERS {
        let name = exporter.name();
        let out = format!("out-{name}.{name}");
        place.run(&format!("export copy --format {name} -o {out} {}", whole(name))).exits(0);
        if has("python3", &["-c", if name == "xlsx" { "import openpyxl" } else { "pass" }]) {
            read_by_python(&place, "read_export.py", &[name, &out, "truth.jsonl"]);
        }
    }
}

#[test]
fn libreoffice_shows_in_every_cell_what_was_written() {
    if !has("soffice", &["--version"]) || !has("python3", &["-c", "pass"]) {
        return;
    }
    let place = Place::new();
    drop(copied(&place));
    place.run("export copy --format csv -o tables").exits(0);
    place.run("export copy --format xlsx -o book.xlsx").exits(0);
    let profile = format!("-env:UserInstallation=file://{}", place.path().join("profile").display());
    // All columns as texts, so that `007` stays what it is: what is compared is how cells are cut, and whether any is run.
    let as_texts = (1..=80).map(|at| format!("{at}/2")).collect::<Vec<_>>().join("/");
    let convert = |filter: &str, more: &[&str], file: &str| {
        let output = Command::new("soffice")
            .current_dir(place.path())
            .args([&profile, "--headless", "--convert-to", filter, "--outdir", "shown"])
            .args(more)
            .arg(file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let to_csv = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false";
    for table in ["conversations", "threads", "customers"] {
        let filter = format!("--infilter=CSV:44,34,76,1,{as_texts},0,false,false,false");
        convert(to_csv, &[&filter], &format!("tables/{table}.csv"));
    }
    convert(&format!("{to_csv},false,false,-1"), &[], "book.xlsx");
    read_by_python(&place, "same_cells.py", &["tables", "shown"]);
}

fn partial(place: &Path, out: &str) -> PathBuf {
    place.join(format!("{out}.partial"))
}

#[test]
fn interrupted_or_killed_no_format_leaves_half_a_file_under_its_name() {
    let place = Place::new();
    let sandbox = copied(&place);
    let export = |name: &str, out: &str| {
        let mut command =
            place.command(["export", "--format", name, "-o", out, "--status", "closed", "--url", &sandbox.url]);
        command.env("FREESCOUT_API_KEY", KEY).stderr(Stdio::null()).stdout(Stdio::null());
        command
    };
    for exporter in EXPORTERS {
        let name = exporter.name();
        let out = format!("half-{name}");
        for (ends, code) in [("INT", Some(130)), ("KILL", None)] {
            // All conversations are written, and the first of the customers never comes.
            sandbox.request("POST", "/__sandbox/faults", r#"["delay:60s@GET /customers/{id}*100"]"#);
            let asked = sandbox.requests("GET /customers/{id}");
            let mut process = export(name, &out).spawn().unwrap();
            sandbox.wait_for_requests("GET /customers/{id}", asked + 1);
            assert!(partial(place.path(), &out).exists(), "{name}");
            signal(&process, ends);
            assert_eq!(process.wait().unwrap().code(), code, "{name} {ends}");
            assert!(!place.path().join(&out).exists(), "{name} {ends}");
            assert_eq!(partial(place.path(), &out).exists(), ends == "KILL", "{name} {ends}");
        }
        sandbox.clear_faults();
        assert!(
            export(name, &out).status().unwrap().success(),
            "{name}: the next export takes the place of the killed one"
        );
        assert!(place.path().join(&out).exists() && !partial(place.path(), &out).exists(), "{name}");
    }
}

#[test]
fn on_a_full_disk_no_format_leaves_half_a_file_under_its_name() {
    let place = Place::new();
    drop(copied(&place));
    for exporter in EXPORTERS {
        let name = exporter.name();
        // A limit for each file stands for a disk without room; ignored, its signal becomes an error of the write.
        let script = "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.current_dir(place.path()).args(["-c", script, env!("CARGO_BIN_EXE_foxferry")]);
        command.args(["export", "copy", "--format", name, "-o", "full"]).stdin(Stdio::null());
        let ran = Ran::of(&mut command).exits(4);
        assert!(ran.stderr.contains("cannot be written"), "{name}: {}", ran.stderr);
        assert!(!place.path().join("full").exists() && !partial(place.path(), "full").exists(), "{name}");
    }
}

#[test]
fn a_pipe_that_is_closed_early_ends_the_export_without_noise() {
    let place = Place::new();
    drop(copied(&place));
    for exporter in EXPORTERS.iter().filter(|exporter| exporter.form() == Form::Stream) {
        let script = "\"$0\" \"$@\" 2>said | head -c 10 >/dev/null";
        let mut command = Command::new("sh");
        command.current_dir(place.path()).args(["-c", script, env!("CARGO_BIN_EXE_foxferry")]);
        command.args(["export", "copy", "-q", "--format", exporter.name(), "-o", "-"]);
        assert!(command.status().unwrap().success());
        let said = std::fs::read_to_string(place.path().join("said")).unwrap();
        assert!(!said.contains("panicked") && !said.contains("a bug"), "{}: {said}", exporter.name());
    }
}

#[test]
fn an_older_snapshot_shows_the_help_desk_as_it_was() {
    let place = Place::new();
    let sandbox = copied(&place);
    let count = |words: &str| {
        place
            .run(&format!("export copy --format jsonl -o - {words}"))
            .exits(0)
            .stdout
            .matches("\"object\":\"conversation\"")
            .count() as u64
    };
    let before = sandbox.count("conversations");
    assert!(sandbox.request("DELETE", "/api/conversations/1", "").starts_with("HTTP/1.1 2"));
    let backup = || {
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let mut backup = place.command(["backup", "copy", "--url", &sandbox.url]);
        Ran::of(backup.env("FREESCOUT_API_KEY", KEY)).exits(0);
    };
    backup();
    assert!(sandbox.request("DELETE", "/api/conversations/2", "").starts_with("HTTP/1.1 2"));
    backup();
    let mut names: Vec<String> = std::fs::read_dir(place.path().join("copy/snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    let counts: Vec<u64> = names.iter().map(|name| count(&format!("--snapshot {name}"))).collect();
    assert_eq!(counts, [before, before - 1, before - 2]);
    assert_eq!(count(""), before - 2);
    // What an older night shares with one that has gone stays.
    std::fs::remove_dir_all(place.path().join("copy/snapshots").join(&names[0])).unwrap();
    assert_eq!(count(&format!("--snapshot {}", names[1])), before - 1);
    let files = place.run(&format!("export copy --snapshot {} --format html -o archive", names[1])).exits(0);
    assert_eq!(files.sums().done, before - 1);
    // An older night is imported by the folder of its snapshot.
    let second = Sandbox::start(&place, &[]);
    let older = place.path().join("copy/snapshots").join(&names[1]);
    let ran = Ran::of(&mut second.import(&place, &older, "--journal older.ferry"));
    assert_eq!(ran.sums().done, before - 1, "{}", ran.stderr);
    assert_eq!(second.count("conversations"), before - 1);
}
