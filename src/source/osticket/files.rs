//! Attachments: bytes in chunks in the dump, or in files beside it.

use std::io::Read;

use super::desk::Desk;
use super::tables::{self, FILE, kind, name_key};
use super::values::{Writing, decoded};
use crate::catalog::CatalogError;
use crate::content::{Chunk, Content};
use crate::input;
use crate::record::{Attachment, Body, Origin};

/// How long a text may be that osTicket keeps as a file because it is too long for the table, in bytes.
const TEXT_LIMIT: u64 = 16 * 1024 * 1024;

/// What a row of `attachment` says about a file.
pub(super) struct Named {
    pub file: String,
    /// Another name than the file's own.
    pub name: Option<String>,
    pub is_inline: bool,
}

/// An attachment with its bytes, as far as they are there.
pub(super) fn attachment(
    desk: &mut Desk<'_>,
    prefix: &str,
    named: Named,
    body: &Body,
    origin: &Origin,
) -> Result<Attachment, CatalogError> {
    let Some(row) = desk.rows(prefix, FILE, &named.file, &[kind::FILE])?.pop() else {
        let name = named.name.unwrap_or_else(|| format!("file-{}", named.file));
        let content = Content::Missing { reason: "the dump does not name the file".to_owned(), claimed_length: None };
        return Ok(Attachment { name, mime: None, content_id: None, is_inline: false, content });
    };
    let key = ["key", "hash"].iter().find_map(|column| desk.text(&row, column));
    let own = desk.text(&row, "name");
    let name = named.name.or(own).unwrap_or_else(|| format!("file-{}", named.file));
    let mime = desk.text(&row, "type");
    let size = row.id("size").and_then(|size| size.parse().ok());
    let store = desk.text(&row, "bk").unwrap_or_else(|| "D".to_owned());
    let mut content = match &*store {
        "D" => in_dump(desk, prefix, &named.file, size)?,
        _ => missing("osTicket kept it outside the database", size),
    };
    if let (Content::Missing { .. }, Some(key)) = (&content, &key)
        && let Some(found) = beside(desk, key)?
    {
        content = found;
    }
    if let (Content::Missing { reason, .. }, "D") = (&content, &*store) {
        let message = format!("{reason}: `{name}`");
        desk.odd(crate::finding::codes::READ_MISSING_PART, origin, message);
    }
    // Texts show images by the file's key.
    let shows = |key: &String| matches!(body, Body::Html(html) if html.contains(&format!("cid:{key}")));
    let is_inline = named.is_inline || key.as_ref().is_some_and(shows);
    Ok(Attachment { name, mime, content_id: key.filter(|_| is_inline), is_inline, content })
}

fn missing(reason: &str, claimed_length: Option<u64>) -> Content {
    Content::Missing { reason: reason.to_owned(), claimed_length }
}

/// The bytes that the dump has in chunks.
fn in_dump(desk: &mut Desk<'_>, prefix: &str, file: &str, size: Option<u64>) -> Result<Content, CatalogError> {
    let mut chunks: Vec<(u64, Chunk)> = Vec::new();
    let pieces = desk.catalog.named(name_key(prefix, FILE, file))?;
    for piece in pieces.iter().filter(|piece| piece.kind == kind::CHUNK) {
        let Ok(row) = desk.row(piece) else { return Ok(missing("its bytes in the dump are damaged", size)) };
        let number = row.id("chunk_id").and_then(|number| number.parse().ok()).unwrap_or(0);
        let Some((range, writing)) = row.written("filedata") else { continue };
        let archive = &desk.input().files()[piece.file as usize];
        let place = input::Place {
            path: archive.path.clone(),
            start: archive.start + piece.offset + range.start as u64,
            length: range.len() as u64,
        };
        let length = match writing {
            Writing::Plain => range.len(),
            Writing::Hex => range.len().div_ceil(2),
            Writing::Quoted => decoded(row.slice(range), writing).len(),
        };
        // Of two dumps of one database the later counts.
        chunks.retain(|(other, _)| *other != number);
        chunks.push((number, Chunk { place, writing, length: length as u64 }));
    }
    chunks.sort_by_key(|(number, _)| *number);
    let length = chunks.iter().map(|(_, chunk)| chunk.length).sum();
    let is_whole = chunks.iter().enumerate().all(|(at, (number, _))| at as u64 == *number);
    Ok(match size {
        // A size of zero is one that nobody noted.
        Some(size) if size != length && chunks.is_empty() => missing("the dump holds no bytes of it", Some(size)),
        Some(size) if size != length => missing(&format!("the dump holds only {length} of its bytes"), Some(size)),
        _ if !is_whole => missing("the dump holds only parts of it", size),
        None if chunks.is_empty() => missing("the dump holds no bytes of it", None),
        _ => Content::Chunks { chunks: chunks.into_iter().map(|(_, chunk)| chunk).collect(), length },
    })
}

/// The file that is stored under its key beside the dump.
fn beside(desk: &mut Desk<'_>, key: &str) -> Result<Option<Content>, CatalogError> {
    let found = desk.catalog.named(name_key("", tables::STORED, key))?;
    let piece = found.iter().find(|piece| piece.kind == kind::STORED);
    Ok(piece.map(|piece| desk.input().files()[piece.file as usize].content()))
}

/// A text that was too long for its table and lies in a file: osTicket shows it as the text of its entry.
pub(super) fn long_text(attachments: &mut Vec<Attachment>) -> Option<Body> {
    let is_text = |it: &Attachment| it.is_inline && matches!(it.mime.as_deref(), Some("text/html" | "text/plain"));
    let at = attachments.iter().position(|it| is_text(it) && it.content.length().is_some_and(|it| it <= TEXT_LIMIT))?;
    let mut bytes = Vec::new();
    attachments[at].content.open().ok()?.take(TEXT_LIMIT).read_to_end(&mut bytes).ok()?;
    let (text, _) = super::values::text(&bytes);
    let is_html = attachments.remove(at).mime.as_deref() == Some("text/html");
    Some(if is_html { Body::Html(text) } else { Body::Text(text) })
}
