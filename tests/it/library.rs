//! The library's examples, as programs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `cargo test` has put an example: beside the program.
fn example(name: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_foxferry"));
    program.parent().unwrap().join("examples").join(name)
}

#[test]
fn every_example_runs_and_prints_what_it_should() {
    for (name, lines) in [
        ("own_source", &["workshop:W1: Drill", "unreadable: ", "workshop:W2: Saw"][..]),
        ("client", &["mailbox Support", "1 conversation, `Drill` with 1 thread"]),
        ("import", &[" done, ", "mails: 0"]),
    ] {
        let program = example(name);
        if !program.exists() {
            // `cargo test --test it` builds no examples; `cargo test` does.
            println!("skipped: {} is not built", program.display());
            continue;
        }
        let ran = Command::new(&program).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success(), "{name}: {printed}{}", String::from_utf8_lossy(&ran.stderr));
        for line in lines {
            assert!(printed.contains(line), "{name} does not print `{line}`: {printed}");
        }
    }
}
