//! Fuzz targets for libFuzzer: `just fuzz`, or `cargo +nightly fuzz run TARGET` in this repository.

use std::path::Path;
use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

pub mod targets;

use targets::Target;

/// A megabyte of anything is read within so much of the processor's time.
///
/// A second is what is promised; coverage, debug assertions and the watched comparisons make the library several times
/// slower than it is for others.
const MOST_SECONDS: f64 = 8.0;

const MEGABYTE: usize = 1 << 20;

/// Gives the search something to begin with: what the samples hold, laid into the target's corpus.
pub fn prepare(name: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seeds = Target::named(name).seeds(&here.join("../samples"));
    // What is to be grown says first which part of it.
    let (folder, beginnings) = match is_growing() {
        true => (format!("grown-{name}"), &[&[0, 0, 255, 255][..], &[30, 0, 7, 0]][..]),
        false => (name.to_owned(), &[&[][..]][..]),
    };
    let corpus = here.join("corpus").join(folder);
    if std::fs::create_dir_all(&corpus).is_err() {
        // libFuzzer itself will say so.
        return;
    }
    for (number, seed) in seeds.iter().enumerate() {
        for (which, beginning) in beginnings.iter().enumerate() {
            let _ = std::fs::write(corpus.join(format!("seed-{number}-{which}")), [*beginning, seed].concat());
        }
    }
}

fn is_growing() -> bool {
    static IS_GROWING: OnceLock<bool> = OnceLock::new();
    *IS_GROWING.get_or_init(|| std::env::args().any(|arg| arg == "--grown"))
}

/// Runs a target; with `--grown` on the command line it is given a megabyte made of the bytes, and must not take long.
pub fn run(name: &str, bytes: &[u8]) {
    let target = Target::named(name);
    if !is_growing() {
        return (target.run)(bytes);
    }
    let grown = targets::grown(bytes, MEGABYTE);
    let before = processor_seconds();
    (target.run)(&grown);
    let seconds = processor_seconds() - before;
    if seconds > MOST_SECONDS {
        let path = std::env::temp_dir().join(format!("foxferry-slow-{name}"));
        let _ = std::fs::write(&path, &grown);
        panic!("{} bytes took {seconds:.1} s; they are in `{}`", grown.len(), path.display());
    }
}

/// Seconds of processor time that this program has taken, on all OS threads.
fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
