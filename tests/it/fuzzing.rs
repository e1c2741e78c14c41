//! The fuzz targets in short: what libFuzzer does for hours is tried with the samples, damaged a little.
//!
//! The damage is the same on every run, unless `FOXFERRY_SEED` says otherwise; `FOXFERRY_FUZZ` is how many inputs each
//! target is given. `just fuzz` looks further, and knows where it has been.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::targets::{TARGETS, Target, grown};

/// How many damaged inputs each target is given, if nothing else is said.
const RUNS: usize = 150;

/// How many inputs each target is given that are blown up, and to how many bytes.
const GROWN: (usize, usize) = (4, 24 * 1024);

/// What parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"'",
    b"\\",
    b",",
    b":",
    b";",
    b"<",
    b">",
    b"&",
    b"%",
    b"=",
    b"=?",
    b"?=",
    b"--",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\xf0\x9f",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"0.1e-400",
    b"NaN",
    b"\\ud800",
    b"\\u0000",
    b"2024-02-30T25:61:61Z",
    b"9999-12-31T23:59:59+99:99",
    b"\nFrom ",
    b"\n>From ",
    b"==> users.json\n",
    b"Content-Type: multipart/mixed; boundary=\"",
    b"Content-Transfer-Encoding: base64\n",
    b"<![CDATA[",
    b"<!DOCTYPE",
    b"&#x0;",
    b"&amp;",
    b"<b><p>",
    b"</",
    b"/*",
    b"INSERT INTO `ost_ticket` VALUES (",
    b"PK\x03\x04",
    b"\x1f\x8b\x08",
    b"../../",
    b"{{",
    b"}}",
    b"{%",
    b"[[",
    b"'''",
    b"\"\"\"",
];

fn samples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/samples"))
}

/// The input with one to four damages of the kinds that real files have, and those that only an enemy thinks of.
fn damaged(whole: &[u8], other: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=bytes.len());
        let end = (at + random.usize(..64)).min(bytes.len());
        match random.u8(..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].repeat(random.usize(1..40));
                bytes.splice(at..at, part);
            }
            4 => {
                let from = random.usize(..=other.len());
                let part = &other[from..(from + random.usize(..400)).min(other.len())];
                bytes.splice(at..at, part.iter().copied());
            }
            5 => drop(bytes.splice(at..at, TOKENS[random.usize(..TOKENS.len())].iter().copied())),
            6 => {
                let part = TOKENS[random.usize(..TOKENS.len())].repeat(random.usize(1..1_000));
                bytes.splice(at..at, part);
            }
            // A token in place of a number or a word, so that it is met as one.
            7 => {
                let is_word = |byte: &u8| byte.is_ascii_alphanumeric();
                let start = bytes[at..].iter().position(is_word).map_or(at, |found| at + found);
                let end = bytes[start..].iter().position(|byte| !is_word(byte)).map_or(bytes.len(), |it| start + it);
                bytes.splice(start..end, TOKENS[random.usize(..TOKENS.len())].iter().copied());
            }
            // The beginning of this one, and the end of another.
            _ => {
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.usize(..=other.len())..]);
            }
        }
    }
    bytes
}

/// Gives an input to a target, and keeps it if it breaks a promise.
#[track_caller]
fn keeps_its_promises(target: &Target, what: &str, bytes: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let path = std::env::temp_dir().join(format!("foxferry-fuzz-{}", target.name));
        std::fs::write(&path, bytes).unwrap();
        panic!("`{}` breaks a promise, {what}; the input is in `{}`", target.name, path.display());
    }
}

fn try_all(of: impl Fn(usize) -> bool) {
    let said = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let runs = said("FOXFERRY_FUZZ").map_or(RUNS, |runs| runs as usize);
    for (_, target) in TARGETS.iter().enumerate().filter(|(number, _)| of(*number)) {
        let mut random = fastrand::Rng::with_seed(said("FOXFERRY_SEED").unwrap_or(8));
        let seeds = target.seeds(samples());
        assert!(!seeds.is_empty(), "{}", target.name);
        for (number, seed) in seeds.iter().enumerate() {
            keeps_its_promises(target, &format!("seed {number}"), seed);
        }
        for number in 0..runs {
            let seed = &seeds[number % seeds.len()];
            let other = &seeds[random.usize(..seeds.len())];
            keeps_its_promises(target, &format!("run {number}"), &damaged(seed, other, &mut random));
        }
        for number in 0..GROWN.0.max(runs / 20) {
            let seed = &seeds[random.usize(..seeds.len())];
            let choice: [u8; 4] = random.u32(..).to_le_bytes();
            let bytes = grown(&[&choice, seed.as_slice()].concat(), GROWN.1);
            keeps_its_promises(target, &format!("grown {number}"), &bytes);
        }
    }
}

// In two parts, so that they run side by side.

#[test]
fn whatever_the_bytes_are_readers_keep_their_promises() {
    try_all(|number| number % 2 == 0);
}

#[test]
fn whatever_the_bytes_are_the_other_readers_keep_theirs() {
    try_all(|number| number % 2 == 1);
}

#[test]
fn what_fuzzing_has_found_is_mended() {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    let mut count = 0;
    for target in TARGETS {
        let Ok(files) = std::fs::read_dir(found.join(target.name)) else { continue };
        for file in files.flatten() {
            count += 1;
            let bytes = std::fs::read(file.path()).unwrap();
            keeps_its_promises(target, &file.file_name().to_string_lossy(), &bytes);
        }
    }
    assert!(count > 0, "nothing lies in {}", found.display());
}

#[test]
fn every_target_can_be_run_by_its_name() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest: toml::Table = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let binaries = manifest["bin"].as_array().unwrap();
    let binaries: BTreeSet<&str> = binaries.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(binaries, TARGETS.iter().map(|target| target.name).collect());
    for name in binaries {
        let text = std::fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert_eq!(text.matches(&format!("\"{name}\"")).count(), 2, "{name}: {text}");
        assert_eq!(Target::named(name).name, name);
    }
}

#[test]
fn an_input_is_grown_by_repeating_a_part_of_it() {
    let bytes = grown(&[1, 0, 1, 0, b'a', b'b', b'c', b'd'], 12);
    assert_eq!(bytes, b"abcbcbcbcbcd");
    assert_eq!(grown(b"abc", 12), b"abc");
}
