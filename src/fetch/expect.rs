//! Whether what came is what the archive speaks of, and not a login page in its place.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::links::Link;

/// A larger answer is not taken for JSON with a file inside it: it is decoded in memory.
const WRAPPED_LIMIT: u64 = 192 << 20;

/// Media types in which an API says that something is wrong.
const ANSWERS: &[&str] = &["application/json", "application/problem+json", "application/xml", "text/xml"];

/// Endings of files that are web pages.
const PAGES: &[&str] = &["htm", "html", "xhtml", "shtml", "mht", "mhtml"];

/// What an answer says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The media type, without parameters, in lower case.
    pub mime: Option<String>,
    /// Whether its bytes are compressed on the way, asked for or not.
    pub is_gzip: bool,
}

/// Why a file is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A web page came.
    Page,
    /// An answer for programs came, of this media type.
    Answer(String),
    /// Something of another length came.
    Length { came: u64, claimed: u64 },
    /// It is longer than allowed.
    TooLong,
    /// It says that it is compressed or wrapped, and is not.
    Damaged,
}

/// What the archive says that a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Page,
    Text,
    Other,
    Unknown,
}

impl Expected {
    fn of(link: &Link) -> Self {
        let mime = link.mime.as_deref().map(essence).filter(|mime| mime.contains('/'));
        let ending = link.name.rsplit_once('.').map(|(_, ending)| ending.trim().to_lowercase());
        let is_page_by_name = ending.as_deref().is_some_and(|ending| PAGES.contains(&ending));
        match mime.as_deref() {
            Some("text/html" | "application/xhtml+xml" | "multipart/related") => Self::Page,
            // Systems that do not know say this.
            Some("application/octet-stream" | "binary/octet-stream" | "text/plain") if is_page_by_name => Self::Page,
            Some(mime) if mime.starts_with("text/") || mime.starts_with("message/") => Self::Text,
            Some("application/octet-stream" | "binary/octet-stream") | None => match ending {
                _ if is_page_by_name => Self::Page,
                Some(ending) if (1..=5).contains(&ending.len()) => Self::Other,
                _ if mime.is_some() => Self::Other,
                _ => Self::Unknown,
            },
            Some(_) => Self::Other,
        }
    }
}

/// A media type without parameters, in lower case.
pub(super) fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_lowercase()
}

/// Looks at a whole answer, and gives the media type to remember. What stands in `file` afterwards is the attachment.
///
/// `limit` bounds what a compressed answer may grow to.
pub(super) fn settle(link: &Link, said: &Said, file: &Path, limit: u64) -> io::Result<Result<Option<String>, Wrong>> {
    if said.is_gzip
        && let Err(wrong) = unpack(file, limit)?
    {
        return Ok(Err(wrong));
    }
    let expected = Expected::of(link);
    let mut mime = said.mime.clone();
    let is_json = mime.as_deref() == Some("application/json");
    let expects_json =
        link.mime.as_deref().is_some_and(|mime| essence(mime).ends_with("json")) || link.name.ends_with(".json");
    if is_json && !expects_json && unwrap(file)? {
        mime = None;
    }
    let mut start = Vec::new();
    File::open(file)?.take(1024).read_to_end(&mut start)?;
    let came = std::fs::metadata(file)?.len();
    let fits = link.claimed == Some(came);
    let says_page = matches!(mime.as_deref(), Some("text/html" | "application/xhtml+xml"));
    let is_page = match expected {
        Expected::Page => false,
        // The length is a better witness than a careless server.
        Expected::Text | Expected::Unknown => says_page && !fits,
        Expected::Other => (says_page && !fits) || looks_like_page(&start),
    };
    if is_page {
        return Ok(Err(Wrong::Page));
    }
    // APIs say `200 OK` and what is wrong in words of their own.
    if let Some(said) = mime.as_deref().filter(|mime| ANSWERS.contains(mime))
        && expected == Expected::Other
        && !expects_json
        && !link.name.to_lowercase().ends_with(".xml")
        && !link.mime.as_deref().is_some_and(|mime| essence(mime).ends_with("xml"))
        && !fits
    {
        return Ok(Err(Wrong::Answer(said.to_owned())));
    }
    match link.claimed {
        // Some systems write 0 for what they do not know.
        Some(claimed) if claimed != came && claimed > 0 => Ok(Err(Wrong::Length { came, claimed })),
        _ => Ok(Ok(mime.filter(|mime| !says_page || expected == Expected::Page || mime.is_empty()))),
    }
}

fn looks_like_page(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    ["<!doctype html", "<html"]
        .iter()
        .any(|page| text.get(..page.len()).is_some_and(|it| it.eq_ignore_ascii_case(page)))
}

/// Puts the unpacked bytes in a file's place.
fn unpack(file: &Path, limit: u64) -> io::Result<Result<(), Wrong>> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut unpacked = tempfile::NamedTempFile::new_in(folder)?;
    let mut from = MultiGzDecoder::new(io::BufReader::new(File::open(file)?)).take(limit.saturating_add(1));
    let mut buffer = vec![0; 64 * 1024];
    let mut length = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                unpacked.write_all(&buffer[..count])?;
                length += count as u64;
            }
            Err(_) => return Ok(Err(Wrong::Damaged)),
        }
    }
    if length > limit {
        return Ok(Err(Wrong::TooLong));
    }
    unpacked.persist(file).map_err(|error| error.error)?;
    Ok(Ok(()))
}

/// Help Scout answers `{"data": "BASE64"}` where others give bytes (`source-formats.md`, section 2); puts them in place of it.
fn unwrap(file: &Path) -> io::Result<bool> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wrapped {
        data: String,
    }
    if std::fs::metadata(file)?.len() > WRAPPED_LIMIT {
        return Ok(false);
    }
    let Ok(wrapped) = serde_json::from_slice::<Wrapped>(&std::fs::read(file)?) else { return Ok(false) };
    let compact: Vec<u8> = wrapped.data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let Ok(bytes) = STANDARD.decode(compact) else { return Ok(false) };
    std::fs::write(file, bytes)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(name: &str, mime: Option<&str>, claimed: Option<u64>) -> Link {
        Link {
            key: "https://a.example/1".to_owned(),
            url: "https://a.example/1".to_owned(),
            claimed,
            mime: mime.map(str::to_owned),
            name: name.to_owned(),
            record: "test:1".to_owned(),
        }
    }

    fn settled(link: &Link, says: &str, bytes: &[u8]) -> (Result<Option<String>, Wrong>, Vec<u8>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let is_gzip = says.ends_with("+gzip");
        let says = says.trim_end_matches("+gzip");
        let said = Said { mime: Some(says.to_owned()).filter(|says| !says.is_empty()), is_gzip };
        let result = settle(link, &said, file.path(), 1000).unwrap();
        (result, std::fs::read(file.path()).unwrap())
    }

    #[test]
    fn a_page_is_taken_only_where_one_is_expected() {
        let page = b"\n<!DOCTYPE html><title>Log in</title>".as_slice();
        let length = Some(page.len() as u64);
        for (name, mime, claimed, says, is_taken) in [
            ("a.pdf", Some("application/pdf"), None, "text/html", false),
            ("a.pdf", Some("application/pdf"), None, "application/pdf", false),
            ("a.pdf", None, None, "text/html", false),
            ("a.pdf", None, None, "", false),
            ("a.pdf", Some("application/octet-stream"), None, "application/octet-stream", false),
            ("a.html", None, None, "text/html", true),
            ("a.HTM", Some("application/octet-stream"), None, "text/html", true),
            ("a", Some("text/html; charset=utf-8"), None, "text/html", true),
            ("a.txt", Some("text/plain"), None, "text/html", false),
            ("a.txt", Some("text/plain"), None, "text/plain", true),
            ("a.txt", Some("text/plain"), length, "text/html", true),
            ("a", None, None, "text/html", false),
            ("a", None, length, "text/html", true),
            ("a", None, None, "application/octet-stream", true),
            ("image", Some("image/*"), None, "text/html", false),
        ] {
            let (result, _) = settled(&link(name, mime, claimed), says, page);
            assert_eq!(result.is_ok(), is_taken, "{name} {mime:?} {claimed:?} {says}: {result:?}");
            assert!(result.is_ok() || result == Err(Wrong::Page), "{result:?}");
        }
    }

    #[test]
    fn lengths_have_to_be_as_claimed() {
        let pdf = |claimed| link("a.pdf", Some("application/pdf"), claimed);
        assert_eq!(settled(&pdf(Some(3)), "application/pdf", b"abc").0, Ok(Some("application/pdf".to_owned())));
        assert_eq!(settled(&pdf(None), "application/pdf", b"abc").0.map(|_| ()), Ok(()));
        assert_eq!(settled(&pdf(Some(4)), "application/pdf", b"abc").0, Err(Wrong::Length { came: 3, claimed: 4 }));
        assert_eq!(settled(&pdf(Some(0)), "application/pdf", b"abc").0.map(|_| ()), Ok(()));
        assert_eq!(settled(&pdf(Some(4)), "application/pdf", b"").0, Err(Wrong::Length { came: 0, claimed: 4 }));
    }

    #[test]
    fn an_answer_in_words_is_no_file() {
        let said = br#"{"error":"expired"}"#.as_slice();
        let length = Some(said.len() as u64);
        for (name, mime, claimed, says, is_taken) in [
            ("a.pdf", Some("application/pdf"), None, "application/json", false),
            ("a.pdf", Some("application/pdf"), length, "application/json", true),
            ("a.pdf", None, None, "application/xml", false),
            ("a.json", None, None, "application/json", true),
            ("a.xml", None, None, "text/xml", true),
            ("a", Some("application/atom+xml"), None, "text/xml", true),
            ("a.txt", Some("text/plain"), None, "application/json", true),
            ("a", None, None, "application/json", true),
        ] {
            let (result, _) = settled(&link(name, mime, claimed), says, said);
            assert_eq!(result.is_ok(), is_taken, "{name} {mime:?} {claimed:?} {says}: {result:?}");
        }
    }

    #[test]
    fn wrapped_and_compressed_answers_become_the_file() {
        let png = |claimed| link("a.png", Some("image/png"), claimed);
        let (result, bytes) = settled(&png(Some(3)), "application/json", br#"{"data": "YW\nJj"}"#);
        assert_eq!((result, bytes.as_slice()), (Ok(None), b"abc".as_slice()));
        let (result, bytes) = settled(&png(None), "application/json", br#"{"data":"YWJj","more":1}"#);
        assert!(matches!(result, Err(Wrong::Answer(_))) && bytes.starts_with(b"{"), "{result:?}");
        let (_, bytes) = settled(&link("a.json", None, None), "application/json", br#"{"data":"YWJj"}"#);
        assert!(bytes.starts_with(b"{"), "a JSON file stays as it is");

        let packed = |bytes: &[u8]| {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            to.write_all(bytes).unwrap();
            to.finish().unwrap()
        };
        let (result, bytes) = settled(&png(Some(3)), "image/png+gzip", &packed(b"abc"));
        assert_eq!((result, bytes.as_slice()), (Ok(Some("image/png".to_owned())), b"abc".as_slice()));
        assert_eq!(settled(&png(None), "image/png+gzip", &packed(&[0; 1001])).0, Err(Wrong::TooLong));
        assert_eq!(settled(&png(None), "image/png+gzip", b"abc").0, Err(Wrong::Damaged));
    }
}
