//! What `check` says of every sample and every real archive: exit code, sums, and how often which finding. And what a rehearsal makes
//! of it: the same sums.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{Place, Ran, archive};

/// One archive's line, and one for each kind of finding.
fn figures(shown: &str, path: &Path, options: &str) -> String {
    let place = Place::new();
    let run = |command: &str, more: &str| {
        let mut words = place.command([command.as_ref(), path.as_os_str()]);
        words.args(options.split_whitespace()).args(more.split_whitespace()).arg("--json");
        Ran::of(&mut words)
    };
    let sums = |ran: &Ran| -> Option<[u64; 5]> {
        let last: Value = serde_json::from_str(ran.stdout.lines().last()?).ok()?;
        assert_eq!(last["event"], "finished", "{shown}: {}", ran.stdout);
        let all = ["read", "done", "skipped", "rejected", "dead"].map(|name| last[name].as_u64().unwrap());
        assert_eq!(all[0], all[1..].iter().sum::<u64>(), "{shown} does not add up");
        Some(all)
    };
    let checked = run("check", "--findings f.jsonl");
    let found = sums(&checked);
    let mut text = format!("{shown}: exit {}", checked.code);
    match found {
        Some([read, done, skipped, rejected, dead]) => {
            write!(text, ", {read} read: {done} done, {skipped} skipped, {rejected} rejected, {dead} dead").unwrap();
        }
        None => {
            let why = checked.stderr.lines().find(|line| line.starts_with("error")).unwrap_or_default();
            let why = why.replace(path.to_str().unwrap(), "ARCHIVE");
            return format!("{text}, {}\n", why.split(':').next_back().unwrap_or_default().trim());
        }
    }
    text.push('\n');
    let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
    let findings = std::fs::read_to_string(place.path().join("f.jsonl")).unwrap();
    for line in findings.lines() {
        let finding: Value = serde_json::from_str(line).unwrap();
        let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        *counts.entry((word("severity"), word("code"))).or_default() += 1;
    }
    for ((severity, code), count) in &counts {
        writeln!(text, "    {severity} {code} {count}").unwrap();
    }
    let has_errors = counts.keys().any(|(severity, _)| severity == "error");
    let [.., rejected, dead] = found.unwrap();
    assert_eq!(checked.code, if has_errors || rejected + dead > 0 { 3 } else { 0 }, "{shown}: {text}");
    // The dry run has said what happens.
    let imported = run("import", "--sandbox");
    assert_eq!(sums(&imported), found, "{shown}: the rehearsal differs from the dry run: {}", imported.stderr);
    text
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.retain(|path| path.extension().is_none_or(|extension| extension != "md"));
    all.sort();
    all
}

#[test]
fn every_sample_is_judged_as_expected() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut text = String::new();
    for path in entries(&samples).into_iter().chain(entries(&samples.join("broken"))) {
        if path.ends_with("broken") {
            continue;
        }
        let shown = path.strip_prefix(&samples).unwrap().to_str().unwrap().to_owned();
        let desk = path.join("desk.toml");
        let options = if desk.exists() { format!("--mapping {}", desk.display()) } else { String::new() };
        text.push_str(&figures(&shown, &path, &options));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn every_real_archive_is_judged_as_expected() {
    let mut text = String::new();
    for folder in ["csv", "eml", "freshdesk", "helpscout", "intercom", "mbox", "zammad", "zendesk"] {
        let Some(path) = archive(folder) else { return };
        for path in entries(&path) {
            let shown = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
            text.push_str(&figures(&shown, &path, ""));
        }
    }
    insta::assert_snapshot!(text);
}
