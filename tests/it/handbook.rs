//! The handbook: every command in it is typed as it is printed, and what it prints is compared.
//!
//! A block fenced as `console` holds commands, each behind `$ `, and below each what it prints. `…` stands for anything: a line
//! of its own for any lines, within a line for any text; nothing below a command says that it prints nothing. A command that ends
//! otherwise than with 0 says so in a comment.
//!
//! All other commands (they need a server of the reader's own, or stand in a sentence) are not run. The program must know
//! their words: the command and each option.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::place::Place;

/// A page that takes longer hangs; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(240);

/// A command of a page.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
    code: i32,
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The pages of the table of contents.
fn pages() -> Vec<String> {
    let text = std::fs::read_to_string(docs().join("SUMMARY.md")).unwrap();
    let links = text.lines().filter_map(|line| line.split_once("](")?.1.strip_suffix(')'));
    links.map(str::to_owned).collect()
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_in = false;
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if let Some(fence) = bare.strip_prefix("```") {
            is_in = !is_in && fence == "console";
        } else if let (true, Some(command)) = (is_in, bare.strip_prefix("$ ")) {
            let code = command.split_once("# exits with ").map_or(0, |(_, code)| code.trim().parse().unwrap());
            steps.push(Step { line: at + 1, command: command.to_owned(), expected: Vec::new(), code });
        } else if let (true, Some(step)) = (is_in, steps.last_mut()) {
            step.expected.push(line.to_owned());
        }
    }
    steps
}

/// Whether a line is the one expected, `…` standing for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        let Some(place) = rest.find(part) else { return false };
        rest = &rest[place + part.len()..];
    }
    rest.is_empty()
}

/// Whether all lines are there, in order; between two of them others only where there is a `…`.
fn matches(printed: &[&str], expected: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first.trim() == "…" => {
            (0..=printed.len()).any(|skipped| matches(&printed[skipped..], rest))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, more)| is_like(line, first) && matches(more, rest))
        }
    }
}

/// A port that stays free until a page comes to its sandbox: not one of those that systems give to connections and to
/// listeners on port 0 (Linux: from 32768), of which other tests use many meanwhile; and each is given once.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 10_000) as u16;
    (0..10_000)
        .map(|_| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("one of ten thousand ports is free")
}

/// Types all commands of a page into one shell, in a folder of its own; gives what each printed, and its exit code.
fn type_all(steps: &[Step]) -> Vec<(String, i32)> {
    let place = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::os::unix::fs::symlink(root.join("samples"), place.path().join("samples")).unwrap();
    let ports = [("127.0.0.1:8025", free_port()), ("127.0.0.1:8026", free_port())];
    let real = |text: &str| {
        ports.iter().fold(text.to_owned(), |text, (shown, port)| text.replace(shown, &format!("127.0.0.1:{port}")))
    };
    let mut script = String::from("trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n");
    for (at, step) in steps.iter().enumerate() {
        let mut command = real(&step.command);
        let is_sandbox = command.starts_with("foxferry sandbox");
        if is_sandbox && !command.contains("--listen") {
            command = command.replacen("sandbox", &format!("sandbox --listen 127.0.0.1:{}", ports[0].1), 1);
        }
        writeln!(script, "{command}\necho \"@@ {at} $?\"").unwrap();
        if is_sandbox {
            let port = if command.contains(&ports[1].1.to_string()) { ports[1].1 } else { ports[0].1 };
            writeln!(
                script,
                "for i in $(seq 100); do (echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && break; sleep 0.1; done"
            )
            .unwrap();
        }
    }
    std::fs::write(place.path().join("typed.sh"), script).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_foxferry"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    for (name, _) in std::env::vars() {
        // A proxy would be asked for the sandbox.
        let is_ours = name.starts_with("FREESCOUT") || name.starts_with("FOXFERRY");
        if is_ours || name.to_ascii_lowercase().ends_with("_proxy") {
            shell.env_remove(name);
        }
    }
    let printed = place.path().join("printed.txt");
    let out = File::create(&printed).unwrap();
    shell.arg("typed.sh").current_dir(place.path()).env("PATH", path).stdin(Stdio::null());
    // A group of its own, so that nothing that a page has started outlives the test.
    shell.stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
    let mut process = shell.spawn().unwrap();
    let begun = Instant::now();
    while process.try_wait().unwrap().is_none() {
        if begun.elapsed() > PATIENCE {
            let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", process.id())]).status();
            let _ = process.wait();
            panic!("the page hangs; until then: {}", String::from_utf8_lossy(&std::fs::read(&printed).unwrap()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let shown = String::from_utf8_lossy(&std::fs::read(&printed).unwrap()).into_owned();
    // As it would read at the addresses that the page names.
    let shown = ports.iter().fold(shown, |text, (name, port)| text.replace(&format!("127.0.0.1:{port}"), name));
    let mut printed = Vec::new();
    let mut current = String::new();
    for line in shown.lines() {
        match line.strip_prefix("@@ ").and_then(|rest| rest.split_once(' ')) {
            Some((_, code)) => printed.push((std::mem::take(&mut current), code.parse().unwrap())),
            None => writeln!(current, "{line}").unwrap(),
        }
    }
    assert_eq!(printed.len(), steps.len(), "the shell ended early: {shown}");
    printed
}

/// The text of a page.
fn read(page: &str) -> String {
    std::fs::read_to_string(docs().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// Types a page's commands, and says what was otherwise than the page says.
fn differences(page: &str, steps: &[Step]) -> String {
    let mut wrong = String::new();
    for (step, (printed, code)) in steps.iter().zip(type_all(steps)) {
        let Step { line, command, expected, .. } = step;
        let lines: Vec<&str> = printed.lines().collect();
        if code != step.code || !matches(&lines, expected) {
            writeln!(wrong, "{page}:{line}: $ {command}\nended with {code} and printed:\n{printed}").unwrap();
        }
    }
    wrong
}

/// The commands of a page that are only shown, each with its line: in blocks of other kinds, and as code in a sentence.
fn shown(text: &str) -> Vec<(usize, String)> {
    let mut commands = Vec::new();
    let mut fence: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        if let Some(name) = bare.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(name) };
        } else if fence.is_some() || line.starts_with("    foxferry ") {
            // What is behind `$ ` in a console is typed by the other test.
            if !bare.starts_with("$ ") && bare.starts_with("foxferry ") {
                commands.push((at + 1, bare.to_owned()));
            }
        } else {
            // Every second piece between backticks is code.
            let code = line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("foxferry "));
            commands.extend(code.map(|code| (at + 1, code.to_owned())));
        }
    }
    commands
}

/// What a command line asks of the program: the command with its sub-command, and the options.
fn words(command: &str) -> (String, Vec<String>) {
    // Further programs of the line, and remarks, are not ours.
    let end = command.find(['|', '#', '>', ';', '&']).unwrap_or(command.len());
    let words: Vec<&str> = command[..end].split_whitespace().skip(1).collect();
    let is_name = |word: &&&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    let mut name = words.first().filter(is_name).map_or(String::new(), |word| (*word).to_owned());
    if [("backup", "verify list diff prune drill"), ("mapping", "lint test schema list show case")]
        .iter()
        .any(|(of, subs)| *of == name && words.get(1).is_some_and(|word| subs.split(' ').any(|sub| sub == *word)))
    {
        name = format!("{name} {}", words[1]);
    }
    let options = words.iter().filter(|word| word.starts_with("--"));
    (name, options.map(|word| word.split(['=', '…', ',']).next().unwrap_or_default().to_owned()).collect())
}

#[test]
fn the_words_of_commands_that_are_only_shown_are_known_to_the_program() {
    let place = Place::new();
    let mut helps: HashMap<String, String> = HashMap::new();
    let mut wrong = String::new();
    let mut seen = 0;
    for page in pages().into_iter().chain(["../README.md".to_owned()]) {
        for (line, command) in shown(&read(&page)) {
            let (name, options) = words(&command);
            seen += 1;
            let help = helps.entry(name.clone()).or_insert_with(|| {
                let ran = place.run(&format!("{name} --help"));
                if ran.code == 0 { ran.stdout } else { String::new() }
            });
            if help.is_empty() {
                writeln!(wrong, "{page}:{line}: `{command}`: there is no command `{name}`").unwrap();
            }
            let known: Vec<&str> = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect();
            for option in options.iter().filter(|option| !known.contains(&option.as_str())) {
                writeln!(wrong, "{page}:{line}: `{command}`: `{name}` has no option `{option}`").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(seen >= 60, "only {seen} commands are shown");
    println!("{seen} commands are shown and not typed");
}

#[test]
fn commands_in_blocks_and_sentences_are_told_apart_and_cut_into_words() {
    let text = "Say `foxferry check --json` or `x`.\n```\nfoxferry status\n```\n```console\n$ foxferry import a\nfoxferry b\n```\n    foxferry ledger\n";
    let lines: Vec<(usize, String)> = shown(text);
    let expected = [(1, "foxferry check --json"), (3, "foxferry status"), (7, "foxferry b"), (9, "foxferry ledger")];
    assert_eq!(lines, expected.map(|(line, command)| (line, command.to_owned())));
    let options = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(words("foxferry backup drill D --json | jq --raw"), ("backup drill".to_owned(), options(&["--json"])));
    assert_eq!(words("foxferry backup D --also csv=x # --no"), ("backup".to_owned(), options(&["--also"])));
    assert_eq!(words("foxferry COMMAND --help"), (String::new(), options(&["--help"])));
}

#[test]
fn every_command_of_the_handbook_does_what_the_handbook_says() {
    let pages: Vec<(String, Vec<Step>)> = pages().into_iter().map(|page| (page.clone(), steps(&read(&page)))).collect();
    let typed: usize = pages.iter().map(|(_, steps)| steps.len()).sum();
    // Pages do not know of each other; each has a folder, a shell and ports of its own.
    let wrong: String = std::thread::scope(|scope| {
        let pages = pages.iter().filter(|(_, steps)| !steps.is_empty());
        let running: Vec<_> = pages.map(|(page, steps)| scope.spawn(|| differences(page, steps))).collect();
        running.into_iter().map(|page| page.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{wrong}");
    assert!(typed >= 70, "only {typed} commands were typed");
    println!("{typed} commands of the handbook were typed");
}

#[test]
fn every_page_is_in_the_table_of_contents_and_every_link_leads_somewhere() {
    let pages = pages();
    for folder in ["", "guide"] {
        for file in std::fs::read_dir(docs().join(folder)).unwrap().flatten() {
            let name = file.file_name().into_string().unwrap();
            let page = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if name.ends_with(".md") && name != "SUMMARY.md" {
                assert!(pages.contains(&page), "docs/SUMMARY.md lacks {page}");
            }
        }
    }
    for page in &pages {
        let text = std::fs::read_to_string(docs().join(page)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || link.contains("://") || file.contains(' ') || file.starts_with('^') {
                continue;
            }
            let there = docs().join(page).parent().unwrap().join(file);
            assert!(there.exists(), "docs/{page} links to `{link}`, and there is no such file");
        }
    }
}

#[test]
fn expected_lines_may_be_cut_short() {
    for (line, expected, is) in [
        ("a b c", "a b c", true),
        ("a b c", "a … c", true),
        ("a b c", "…c", true),
        ("a b c", "a…", true),
        ("a b c", "a b", false),
        ("a b c", "… d", false),
    ] {
        assert_eq!(is_like(line, expected), is, "{line} / {expected}");
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(matches(&["a", "b", "c"], &lines("a\n…\nc")));
    assert!(!matches(&["a", "b", "c"], &lines("a\nc")));
    assert!(!matches(&["a", "b"], &lines("a\n…\nc")));
}
