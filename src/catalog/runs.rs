//! Pairs of numbers, sorted in bounded memory.
//!
//! Pairs are collected up to a bound, sorted, and written to a temporary file as a run; at the end the runs are
//! merged. Sorting in a database costs ten times as much for pairs as small as these.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// A key, and what it belongs to.
pub type Pair = (i64, i64);

/// How many pairs are held in memory: 2 MiB.
const HELD: usize = 1 << 17;

/// How many bytes of each run are read at once when merging.
const BUFFER: usize = 8 * 1024;

/// This many runs are merged into one, so that open files and buffers stay few.
const MOST_RUNS: usize = 128;

/// Collects pairs in any order, and gives them sorted.
#[derive(Debug)]
pub struct Runs {
    scratch: PathBuf,
    held: Vec<Pair>,
    runs: Vec<File>,
    held_most: usize,
}

impl Runs {
    /// Starts without any; `scratch` is a folder for temporary files, which have no name and end with their handle.
    pub fn new(scratch: PathBuf) -> Self {
        Self { scratch, held: Vec::new(), runs: Vec::new(), held_most: HELD }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.runs.is_empty()
    }

    /// Adds a pair.
    pub fn push(&mut self, pair: Pair) -> io::Result<()> {
        if self.held.len() >= self.held_most {
            self.spill()?;
        }
        self.held.push(pair);
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        self.held.sort_unstable();
        let run = write_run(&self.scratch, self.held.drain(..).map(Ok))?;
        self.runs.push(run);
        if self.runs.len() >= MOST_RUNS {
            let runs = std::mem::take(&mut self.runs);
            let merged = Merged::new(Vec::new(), runs)?;
            self.runs.push(write_run(&self.scratch, merged)?);
        }
        Ok(())
    }

    /// All pairs in order. Nothing is left behind.
    pub fn take(&mut self) -> io::Result<Merged> {
        let mut held = std::mem::take(&mut self.held);
        held.sort_unstable();
        Merged::new(held, std::mem::take(&mut self.runs))
    }
}

fn write_run(scratch: &PathBuf, pairs: impl Iterator<Item = io::Result<Pair>>) -> io::Result<File> {
    let mut out = BufWriter::with_capacity(64 * 1024, tempfile::tempfile_in(scratch)?);
    for pair in pairs {
        let (key, node) = pair?;
        out.write_all(&key.to_le_bytes())?;
        out.write_all(&node.to_le_bytes())?;
    }
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// Sorted pairs.
#[derive(Debug)]
pub struct Merged {
    held: std::vec::IntoIter<Pair>,
    runs: Vec<BufReader<File>>,
    /// The next pair of each source; the last source is what was held.
    heads: BinaryHeap<Reverse<(Pair, usize)>>,
}

impl Merged {
    fn new(held: Vec<Pair>, runs: Vec<File>) -> io::Result<Self> {
        let runs: Vec<_> = runs.into_iter().map(|run| BufReader::with_capacity(BUFFER, run)).collect();
        let mut merged = Self { held: held.into_iter(), heads: BinaryHeap::new(), runs };
        // Without runs what was held is all, and needs no merging.
        if !merged.runs.is_empty() {
            for source in 0..=merged.runs.len() {
                merged.refill(source)?;
            }
        }
        Ok(merged)
    }

    fn refill(&mut self, source: usize) -> io::Result<()> {
        let next = match self.runs.get_mut(source) {
            Some(run) => read_pair(run)?,
            None => self.held.next(),
        };
        self.heads.extend(next.map(|pair| Reverse((pair, source))));
        Ok(())
    }
}

fn read_pair(run: &mut BufReader<File>) -> io::Result<Option<Pair>> {
    let mut bytes = [0; 16];
    match run.read_exact(&mut bytes) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (key, node) = bytes.split_at(8);
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().expect("half of sixteen bytes is eight"));
    Ok(Some((number(key), number(node))))
}

impl Iterator for Merged {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<io::Result<Pair>> {
        if self.runs.is_empty() {
            return self.held.next().map(Ok);
        }
        let Reverse((pair, source)) = self.heads.pop()?;
        Some(self.refill(source).map(|()| pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_out_in_order_however_many_runs_there_are() {
        let scratch = tempfile::tempdir().unwrap();
        for (held_most, count) in [(1_000, 100), (10, 100), (3, 1_000)] {
            let mut runs = Runs { held_most, ..Runs::new(scratch.path().to_owned()) };
            let mut expected: Vec<Pair> = (0..count).map(|n| (n * 7_919 % 101 - 50, n)).collect();
            for pair in &expected {
                runs.push(*pair).unwrap();
            }
            assert_eq!(runs.runs.is_empty(), held_most > 100);
            expected.sort_unstable();
            let merged: Vec<Pair> = runs.take().unwrap().map(Result::unwrap).collect();
            assert_eq!(merged, expected, "{held_most}");
            assert!(runs.is_empty());
        }
    }
}
