//! Attachments: what a file is called afterwards, and where its bytes are.
//!
//! Bytes stay in memory up to a total, then go to one temporary file; size and hash are kept always.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;
use memchr::memmem;
use serde::{Deserialize, Serialize};

use super::Core;

/// How many bytes of attachments stay in memory before the rest goes to a temporary file.
const IN_MEMORY: u64 = 256 << 20;

/// One attachment's row.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored {
    pub id: u64,
    pub name: String,
    pub mime: String,
    pub size: u64,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub hash: String,
    #[serde(skip)]
    place: Place,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Lost,
    Memory(Bytes),
    Disk(u64),
}

/// All attachments.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Files {
    rows: BTreeMap<u64, Stored>,
    last: u64,
    #[serde(skip)]
    in_memory: u64,
    #[serde(skip)]
    spill: Option<Spill>,
}

#[derive(Debug)]
struct Spill {
    file: File,
    end: u64,
}

impl Files {
    /// Keeps the bytes and gives the row's id.
    pub fn insert(&mut self, name: String, mime: String, bytes: Bytes) -> u64 {
        self.last += 1;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let size = bytes.len() as u64;
        let place = self.keep(bytes);
        self.rows.insert(self.last, Stored { id: self.last, name, mime, size, hash, place });
        self.last
    }

    fn keep(&mut self, bytes: Bytes) -> Place {
        if self.in_memory + bytes.len() as u64 <= IN_MEMORY {
            self.in_memory += bytes.len() as u64;
            return Place::Memory(bytes);
        }
        self.write(&bytes).unwrap_or(Place::Lost)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Place> {
        if self.spill.is_none() {
            self.spill = Some(Spill { file: tempfile::tempfile()?, end: 0 });
        }
        let Some(spill) = &mut self.spill else { return Ok(Place::Lost) };
        spill.file.write_all_at(bytes, spill.end)?;
        let place = Place::Disk(spill.end);
        spill.end += bytes.len() as u64;
        Ok(place)
    }

    pub fn get(&self, id: u64) -> Option<&Stored> {
        self.rows.get(&id)
    }

    pub fn remove(&mut self, id: u64) {
        if let Some(Stored { place: Place::Memory(bytes), .. }) = self.rows.remove(&id) {
            self.in_memory -= bytes.len() as u64;
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows by id.
    pub fn rows(&self) -> impl Iterator<Item = &Stored> {
        self.rows.values()
    }

    /// The bytes of an attachment; none when there is no such row or its bytes are gone.
    pub fn bytes(&self, id: u64) -> Option<Bytes> {
        let row = self.rows.get(&id)?;
        match &row.place {
            Place::Lost => None,
            Place::Memory(bytes) => Some(bytes.clone()),
            Place::Disk(at) => {
                let mut bytes = vec![0; usize::try_from(row.size).ok()?];
                self.spill.as_ref()?.file.read_exact_at(&mut bytes, *at).ok()?;
                Some(bytes.into())
            }
        }
    }

    /// Gives a row its bytes back, after the rows were read from a file.
    pub fn restore(&mut self, id: u64, bytes: Bytes) {
        let place = self.keep(bytes);
        if let Some(row) = self.rows.get_mut(&id) {
            row.place = place;
        }
    }
}

/// The name that a file gets. Directories and characters that a file system or a page could misread become `_`,
/// names that a web server could run get a `_` at the end.
pub(super) fn name(given: &str, bytes: &[u8], core: Core) -> String {
    let mut name: String =
        given
            .chars()
            .filter(|c| !c.is_control() && !is_invisible(*c))
            .map(|c| {
                if matches!(c, ' ' | '#' | '/' | '\\' | '?' | '%' | '*' | ':' | '|' | '"' | '<' | '>') {
                    '_'
                } else {
                    c
                }
            })
            .collect();
    if name.len() > 255 {
        // Recorded: 300 letters and `.txt` become 121 letters and `.txt`.
        let (stem, extension) = split(&name);
        let extension: String = extension.chars().take(100).collect();
        let room = 125usize.saturating_sub(extension.chars().count() + 1);
        let stem: String = stem.chars().take(room).collect();
        name = if extension.is_empty() { stem } else { format!("{stem}.{extension}") };
    }
    if is_restricted(&name, core)
        || (split(&name).1.eq_ignore_ascii_case("pdf") && memmem::find(bytes, b"/JavaScript").is_some())
    {
        name.push('_');
    }
    name
}

fn split(name: &str) -> (&str, &str) {
    name.rsplit_once('.').unwrap_or((name, ""))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}')
}

fn is_restricted(name: &str, core: Core) -> bool {
    let extension = split(name).1.to_ascii_lowercase();
    match core {
        // The older rule looks for these letters anywhere in the extension: `plist` and `bash` count.
        Core::V1_8_175 => ["php", "sh", "pl"].iter().any(|bad| extension.contains(bad)),
        Core::V1_8_235 => {
            name.starts_with('.')
                || extension.starts_with("php")
                || ["pht", "phtm", "sh", "pl", "phtml", "phar", "shtml", "cgi", "asp", "aspx", "jsp", "config"]
                    .contains(&extension.as_str())
        }
    }
}

/// What is stored of an SVG: scripts, event handlers and comments are gone and the declaration is written anew, so
/// bytes and size differ from what was sent.
pub(super) fn clean_svg(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut rest = text.as_ref();
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let dropped = [("<!--", "-->"), ("<?", "?>"), ("<script", "</script>"), ("<foreignObject", "</foreignObject>")]
            .into_iter()
            .find(|(open, _)| rest.starts_with(open));
        if let Some((_, close)) = dropped {
            rest = rest.find(close).map_or("", |end| &rest[end + close.len()..]);
            continue;
        }
        let end = rest.find('>').map_or(rest.len(), |e| e + 1);
        out.push_str(&without_handlers(&rest[..end]));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out.into_bytes()
}

fn without_handlers(tag: &str) -> String {
    let mut out = String::with_capacity(tag.len());
    let mut rest = tag;
    while let Some(at) = rest.find(" on") {
        let attribute = &rest[at + 1..];
        let Some(equals) = attribute.find('=') else { break };
        let is_name = attribute[..equals].trim_end().bytes().all(|b| b.is_ascii_alphanumeric());
        let value = attribute[equals + 1..].trim_start();
        let end = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map(|e| e + 2),
            _ => None,
        };
        out.push_str(&rest[..at]);
        match end {
            Some(end) if is_name => rest = &value[end..],
            _ => {
                out.push_str(" on");
                rest = &rest[at + 3..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// What the server's lenient decoder makes of Base64: characters outside the alphabet are skipped, so a `data:` prefix
/// turns into garbage in front of the content.
pub(super) fn decode_base64(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u8);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_renamed_as_recorded() {
        for (given, want) in [
            ("run.sh", "run.sh_"),
            ("a b#c.txt", "a_b_c.txt"),
            ("../../etc/passwd", ".._.._etc_passwd_"),
            ("x.php", "x.php_"),
            (".htaccess", ".htaccess_"),
            ("übung 😀.pdf", "übung_😀.pdf"),
            ("plist.plist", "plist.plist"),
        ] {
            assert_eq!(name(given, b"", Core::V1_8_235), want, "{given}");
        }
        assert_eq!(name("plist.plist", b"", Core::V1_8_175), "plist.plist_");
        assert_eq!(name("form.pdf", b"<< /S /JavaScript >>", Core::V1_8_235), "form.pdf_");
    }

    #[test]
    fn base64_is_decoded_leniently() {
        assert_eq!(decode_base64("Zml s\nZQ=="), b"file");
        assert!(decode_base64("!!!!").is_empty());
    }

    #[test]
    fn an_svg_loses_what_could_run() {
        let kept =
            String::from_utf8(clean_svg(b"<svg onload=\"x()\"><script>y()</script><g/></svg>")).expect("it is text");
        assert_eq!(kept, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg><g/></svg>\n");
    }

    #[test]
    fn bytes_come_back_from_memory() {
        let mut files = Files::default();
        let id = files.insert("a".into(), "b".into(), Bytes::from_static(b"file"));
        assert_eq!(files.bytes(id).as_deref(), Some(&b"file"[..]));
    }
}
