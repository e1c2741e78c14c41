//! The handbook: every command in it is typed as it is printed, and what it prints is compared.
//!
//! A block fenced as `console` holds commands, each behind `$ `, and below each what it prints. `…` stands for anything: a line
//! of its own for any lines, within a line for any text. A command that ends otherwise than with 0 says so in a comment.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

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

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
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
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("FREESCOUT") || name.starts_with("FOXFERRY"))
    {
        shell.env_remove(name);
    }
    let ran = shell.args(["-c", "bash typed.sh 2>&1"]).current_dir(place.path()).env("PATH", path).output().unwrap();
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
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

#[test]
fn every_command_of_the_handbook_does_what_the_handbook_says() {
    let mut typed = 0;
    let mut wrong = String::new();
    for page in pages() {
        let text = std::fs::read_to_string(docs().join(&page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        let steps = steps(&text);
        if steps.is_empty() {
            continue;
        }
        for (step, (printed, code)) in steps.iter().zip(type_all(&steps)) {
            typed += 1;
            let Step { line, command, expected, .. } = step;
            let lines: Vec<&str> = printed.lines().collect();
            let is_silent = expected.is_empty();
            if code != step.code || (!is_silent && !matches(&lines, expected)) {
                writeln!(wrong, "{page}:{line}: $ {command}\nended with {code} and printed:\n{printed}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(typed >= 40, "only {typed} commands were typed");
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
