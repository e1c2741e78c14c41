//! No crate comes in under a licence that is not on the list of `deny.toml`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Whether one of a licence's choices is allowed: `MIT OR (Apache-2.0 AND ISC)`, in older crates `MIT/Apache-2.0`.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    let expression = expression.trim();
    for (word, any) in [(" OR ", true), (" AND ", false)] {
        let parts = split(expression, word);
        if parts.len() > 1 {
            let mut parts = parts.iter().map(|part| is_allowed(part, allowed));
            return if any { parts.any(|is| is) } else { parts.all(|is| is) };
        }
    }
    match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) => is_allowed(inner, allowed),
        None => allowed.iter().any(|known| known == expression),
    }
}

/// Divides at a word outside parentheses.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut begin, mut depth) = (Vec::new(), 0, 0_i32);
    for (at, byte) in text.bytes().enumerate() {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        if depth == 0 && text[at..].starts_with(word) && at >= begin {
            parts.push(&text[begin..at]);
            begin = at + word.len();
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn allowed() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    let file: toml::Table = std::fs::read_to_string(file).unwrap().parse().unwrap();
    let list = file["licenses"]["allow"].as_array().unwrap();
    list.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed() {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host]);
    let ran = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let metadata: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "{} packages", packages.len());
    let allowed = allowed();
    let mut others: Vec<String> = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none").replace('/', " OR ");
        if !is_allowed(&licence, &allowed) {
            others.push(format!("{}: {licence}", package["name"]));
        }
    }
    assert!(others.is_empty(), "not on the list of deny.toml: {others:?}");
}

#[test]
fn a_licence_is_allowed_if_one_of_its_choices_is() {
    let allowed = ["MIT".to_owned(), "ISC".to_owned()];
    for (expression, is) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(ISC OR MIT) AND GPL-3.0", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), is, "{expression}");
    }
}
