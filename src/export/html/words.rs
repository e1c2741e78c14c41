//! The index for searching without a server: which words stand in which conversations, in shards that are small enough to be fetched.
//!
//! Words are collected in temporary files, one for each shard, so that memory is bounded by the largest shard. `search.js`
//! cuts words and chooses shards in the same way as this file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use tempfile::TempDir;

/// How many shards the words are in.
const SHARDS: usize = 256;

/// How many conversations' headlines are in one file.
const DOCS: usize = 500;

/// When a shard's words go to disk, in bytes.
const FLUSH: usize = 32 * 1024;

/// Longest word, in characters.
const LONGEST: usize = 40;

/// Most words of one conversation: logs and tables of numbers would fill the index.
const MOST_WORDS: usize = 20_000;

/// An index that is being made.
pub(super) struct Index {
    folder: TempDir,
    pending: Vec<Vec<u8>>,
    docs: Vec<String>,
    count: usize,
}

impl Index {
    /// With its temporary files inside this folder.
    pub(super) fn new(inside: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix(".words").tempdir_in(inside)?;
        fs::create_dir_all(inside.join("search"))?;
        Ok(Self { folder, pending: vec![Vec::new(); SHARDS], docs: Vec::new(), count: 0 })
    }

    /// Adds a conversation: what is shown of it as a JSON array, and all its words.
    pub(super) fn add(&mut self, root: &Path, headline: String, words: &BTreeSet<String>) -> io::Result<()> {
        let doc = u32::try_from(self.count).map_err(io::Error::other)?;
        self.count += 1;
        for word in words.iter().take(MOST_WORDS) {
            let shard = shard_of(word);
            let pending = &mut self.pending[shard];
            pending.extend_from_slice(&doc.to_le_bytes());
            pending.push(word.len() as u8);
            pending.extend_from_slice(word.as_bytes());
            if pending.len() >= FLUSH {
                flush(self.folder.path(), shard, pending)?;
            }
        }
        self.docs.push(headline);
        if self.docs.len() == DOCS {
            self.write_docs(root)?;
        }
        Ok(())
    }

    fn write_docs(&mut self, root: &Path) -> io::Result<()> {
        if self.docs.is_empty() {
            return Ok(());
        }
        let shard = (self.count - 1) / DOCS;
        let text = format!("foxferry.docs({shard},[\n{}\n]);\n", self.docs.join(",\n"));
        self.docs.clear();
        fs::write(root.join(format!("search/d{shard}.js")), text)
    }

    /// Writes all shards.
    pub(super) fn finish(mut self, root: &Path) -> io::Result<()> {
        self.write_docs(root)?;
        for shard in 0..SHARDS {
            let mut bytes = fs::read(self.folder.path().join(shard.to_string()))
                .or_else(|cause| if cause.kind() == io::ErrorKind::NotFound { Ok(Vec::new()) } else { Err(cause) })?;
            bytes.append(&mut self.pending[shard]);
            if bytes.is_empty() {
                continue;
            }
            let mut words: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
            let mut rest = &bytes[..];
            while let Some((head, tail)) = rest.split_at_checked(5) {
                let doc = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
                let (word, tail) = tail.split_at(usize::from(head[4]));
                rest = tail;
                words.entry(std::str::from_utf8(word).unwrap_or_default()).or_default().push(doc);
            }
            let mut out = BufWriter::new(File::create(root.join(format!("search/w{shard}.js")))?);
            write!(out, "foxferry.words({shard},[")?;
            for (at, (word, docs)) in words.iter().enumerate() {
                let mut before = 0;
                // Conversations come in order, so that gaps are small numbers.
                let gaps: Vec<u32> = docs.iter().map(|doc| doc - std::mem::replace(&mut before, *doc)).collect();
                let comma = if at == 0 { "" } else { "," };
                write!(out, "{comma}\n{}", serde_json::to_string(&(word, gaps)).map_err(io::Error::other)?)?;
            }
            out.write_all(b"]);\n")?;
            out.flush()?;
        }
        Ok(())
    }
}

fn flush(folder: &Path, shard: usize, pending: &mut Vec<u8>) -> io::Result<()> {
    // Opened anew each time: so many files at once are more than some systems allow.
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join(shard.to_string()))?;
    file.write_all(pending)?;
    pending.clear();
    Ok(())
}

/// The shard of a word, by its first two UTF-16 units.
fn shard_of(word: &str) -> usize {
    let mut units = word.encode_utf16().map(usize::from);
    let first = units.next().unwrap_or_default();
    (first * 31 + units.next().unwrap_or(first)) % SHARDS
}

/// Scripts that part words by no blanks: they are found by pairs of characters.
fn is_dense(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}')
}

/// Adds the words of a text.
pub(super) fn collect(text: &str, words: &mut BTreeSet<String>) {
    let lower = text.to_lowercase();
    for run in lower.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty()) {
        if words.len() >= MOST_WORDS {
            return;
        }
        let chars: Vec<char> = run.chars().collect();
        if chars.iter().any(|c| is_dense(*c)) {
            if chars.len() == 1 {
                words.insert(run.to_owned());
            }
            words.extend(chars.windows(2).map(|pair| pair.iter().collect()));
        } else if chars.len() > 1 {
            words.insert(chars.iter().take(LONGEST).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_person_looks_for_them() {
        let mut words = BTreeSet::new();
        collect("Re: Straße ann@Example.net, 2024! ランタン a 猫", &mut words);
        let expected = ["2024", "ann", "example", "net", "re", "straße", "ラン", "ンタ", "タン", "猫"];
        assert_eq!(words, expected.iter().map(|word| (*word).to_owned()).collect());
    }

    #[test]
    fn shards_are_those_of_the_script() {
        // In a browser: (word.charCodeAt(0) * 31 + word.charCodeAt(1 % word.length)) % 256.
        for (word, shard) in [
            ("ann", (97 * 31 + 110) % 256),
            ("猫", (0x732b * 31 + 0x732b) % 256),
            ("ラン", (0x30e9 * 31 + 0x30f3) % 256),
        ] {
            assert_eq!(shard_of(word), shard, "{word}");
        }
    }
}
