//! Attachments, images in texts, and photos: each stored once under the hash of its bytes.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize as _;
use serde_json::{Map, Value, json};
use url::{Host, Url};

use super::BackupError;
use super::ask::Asker;
use super::crypt::{Keys, Sink, Sunk};
use super::format::{self, Held};
use super::tree::Tree;
use crate::freescout::{ApiError, ErrorKind};

/// Texts may be as long as FreeScout stores them; addresses in them are short.
const LONGEST_ADDRESS: usize = 2000;

/// One file that a row names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Named {
    /// What it is called in `_backup.files`: an attachment's id, or the address as it stands in the row.
    pub key: String,
    /// Where it is fetched from.
    pub url: String,
    /// The length that the row claims.
    pub claimed: Option<u64>,
}

/// Which hosts a target has: the one that is called, and the one that it calls itself by.
#[derive(Debug, Clone)]
pub(super) struct OwnHosts {
    hosts: BTreeSet<String>,
}

impl OwnHosts {
    pub fn of(url: &str) -> Self {
        Self { hosts: host_of(url).into_iter().collect() }
    }

    /// FreeScout makes the addresses of attachments itself, with its own name in them.
    fn learn(&mut self, file_url: &str) {
        self.hosts.extend(host_of(file_url));
    }

    /// Whether an address leads to the target's storage: its host is one of ours, or it has none.
    fn has(&self, address: &str) -> bool {
        let is_path = address.starts_with('/') && !address.starts_with("//");
        let whole = if address.starts_with("//") { format!("https:{address}") } else { address.to_owned() };
        is_path || host_of(&whole).is_some_and(|host| self.hosts.contains(&host))
    }
}

fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(())?;
    url.host().map(|host: Host<&str>| host.to_string().to_lowercase())
}

/// What a row names that may be a file of the target's, whatever its hosts are.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    attachments: Vec<Named>,
    /// Addresses as they stand in texts.
    images: Vec<String>,
    photo: Option<String>,
}

impl Names {
    /// Of a conversation: attachments, and images in its texts. Of a customer or user: the photo.
    pub fn of(row: &Tree<'_>) -> Self {
        let mut names = Self::default();
        for thread in row.get("_embedded").and_then(|parts| parts.get("threads")).into_iter().flat_map(Tree::items) {
            let attachments = thread.get("_embedded").and_then(|parts| parts.get("attachments"));
            for attachment in attachments.into_iter().flat_map(Tree::items) {
                let url = attachment.get("fileUrl").and_then(Tree::as_str).unwrap_or_default().to_owned();
                let key = match attachment.get("id") {
                    Some(Tree::Number(id)) => id.to_string(),
                    Some(Tree::Text(id)) => id.to_string(),
                    _ => url.clone(),
                };
                let claimed = attachment.get("size").map(Tree::scalar).and_then(|size| size.as_u64());
                names.attachments.push(Named { key, url, claimed });
            }
            let text = thread.get("body").and_then(Tree::as_str).unwrap_or_default();
            names.images.extend(addresses_in(text).into_iter().map(str::to_owned));
        }
        let photo = row.get("photoUrl").and_then(Tree::as_str).filter(|url| url.contains("/storage/"));
        names.photo = photo.map(str::to_owned);
        names
    }

    /// Those that lie at the target, each once.
    pub fn at(&self, own: &OwnHosts) -> Vec<Named> {
        let mut named = BTreeSet::new();
        let mut learnt = None;
        for attachment in &self.attachments {
            learnt.get_or_insert_with(|| own.clone()).learn(&attachment.url);
            if !attachment.key.is_empty() {
                named.insert(attachment.clone());
            }
        }
        let own = learnt.as_ref().unwrap_or(own);
        for address in self.images.iter() {
            let plain = address.replace("&amp;", "&");
            if own.has(&plain) {
                named.insert(Named { key: address.clone(), url: plain, claimed: None });
            }
        }
        if let Some(url) = self.photo.as_ref().filter(|url| own.has(url)) {
            named.insert(Named { key: url.clone(), url: url.clone(), claimed: None });
        }
        named.into_iter().collect()
    }
}

/// Everything in a text that looks like an address into a storage.
fn addresses_in(text: &str) -> BTreeSet<&str> {
    places_in(text).into_iter().map(|place| &text[place]).collect()
}

/// Where they stand, in order.
pub(super) fn places_in(text: &str) -> Vec<Range<usize>> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')' | '\\' | '`');
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in memchr::memmem::find_iter(text.as_bytes(), b"/storage/") {
        let start = text[..at]
            .rfind(|c: char| is_end(c) || c == '=' || c == ',')
            .map_or(0, |end| end + text[end..].chars().next().map_or(1, char::len_utf8));
        // A quote inside a quoted style is written as an entity.
        let start = text[start..at].rfind("&quot;").map_or(start, |quote| start + quote + "&quot;".len());
        let end = text[at..].find(is_end).map_or(text.len(), |end| at + end);
        let end = text[at..end].find("&quot;").map_or(end, |quote| at + quote);
        // One address may name two storages.
        if end - start <= LONGEST_ADDRESS && found.last().is_none_or(|last| last.end <= start) {
            found.push(start..end);
        }
    }
    found
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Kept {
    /// It is here.
    Here { held: Held, bytes: u64 },
    /// FreeScout does not have it: asking again will not help.
    Absent(String),
    /// It could not be had this time.
    Failed(String),
}

impl Kept {
    /// The entry in `_backup.files`.
    pub fn entry(&self) -> Value {
        match self {
            Self::Here { held, .. } => json!(held),
            Self::Absent(why) | Self::Failed(why) => json!({"missing": why}),
        }
    }
}

/// The store of attachments.
#[derive(Clone)]
pub(super) struct Store {
    pub asker: Asker,
    pub dir: PathBuf,
    pub keys: Arc<Keys>,
    /// Encrypted files by what is inside, for those that are attached again and again: no two of them have the same name.
    pub known: Arc<Mutex<HashMap<String, Held>>>,
}

/// How many encrypted files are known by what is inside; some 20 MB.
const MOST_KNOWN: usize = 100_000;

impl Store {
    /// Whether the bytes that an entry of an earlier line names are here.
    pub fn has(&self, entry: &Value) -> bool {
        let place = Held::deserialize(entry).ok().and_then(|held| held.place(&self.dir));
        place.is_some_and(|(path, length)| fs::metadata(path).is_ok_and(|found| found.len() == length))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an encrypted file that an earlier line names and that is here.
    pub fn remember(&self, entry: &Value) {
        if let Ok(held @ Held::Here { .. }) = Held::deserialize(entry)
            && let Held::Here { content: Some(content), .. } = &held
        {
            let mut known = self.known();
            if known.len() < MOST_KNOWN {
                known.insert(content.clone(), held);
            }
        }
    }

    /// Fetches a file and puts it in its place. Errors are about the target or the disk as a whole.
    pub async fn keep(&self, named: &Named) -> Result<Kept, BackupError> {
        let fetched = self
            .asker
            .ask(|client| async move {
                let folder = self.dir.join(format::WORK);
                let mut download = client.download(&named.url).await?;
                let local = |cause: io::Error| Ok(Err(BackupError::Unwritable { path: folder.clone(), cause }));
                let file = match tempfile::Builder::new().prefix("file-").tempfile_in(&folder) {
                    Ok(file) => file,
                    Err(cause) => return local(cause),
                };
                let mut sink = match Sink::new(file, &self.keys) {
                    Ok(sink) => sink,
                    Err(cause) => return local(cause),
                };
                while let Some(piece) = download.piece().await? {
                    if let Err(cause) = sink.write_all(&piece) {
                        return local(cause);
                    }
                }
                match sink.finish() {
                    Ok(sunk) => Ok::<_, ApiError>(Ok(sunk)),
                    Err(cause) => local(cause),
                }
            })
            .await;
        let Sunk { stored, content, to: file } = match fetched {
            Ok(fetched) => fetched?,
            Err(error) => return failed(error),
        };
        let bytes = content.bytes;
        if let Some(claimed) = named.claimed.filter(|claimed| *claimed != bytes) {
            // A login page or a cut answer, but not the file.
            return Ok(Kept::Failed(format!("{bytes} bytes came instead of {claimed}")));
        }
        let mut held = Held::Here { sha256: stored.sha256, bytes, content: None, stored: None };
        if let (Held::Here { content: inside, stored: length, .. }, true) = (&mut held, self.keys.is_encrypted()) {
            if let Some(known) = self.known().get(&content.sha256) {
                return Ok(Kept::Here { held: known.clone(), bytes });
            }
            (*inside, *length) = (Some(content.sha256), Some(stored.bytes));
        }
        let Some((path, length)) = held.place(&self.dir) else {
            return Err(BackupError::Bug { what: "a hash that is none".to_owned() });
        };
        let placed = tokio::task::spawn_blocking(move || {
            format::place(file, &path, length).map_err(BackupError::unwritable(&path))
        })
        .await;
        placed.unwrap_or_else(|_| Err(BackupError::Bug { what: "storing a file".to_owned() }))?;
        self.remember(&json!(held));
        Ok(Kept::Here { held, bytes })
    }
}

/// A file that could not be had, unless nothing can be had at all.
fn failed(error: ApiError) -> Result<Kept, BackupError> {
    let why = error.to_string();
    match error.kind() {
        ErrorKind::Forbidden
        | ErrorKind::HostNotTrusted
        | ErrorKind::NotFound
        | ErrorKind::NotFreeScout
        | ErrorKind::ModuleMissing
        | ErrorKind::Invalid
        | ErrorKind::Redirected { .. }
        | ErrorKind::KeyRefused
        | ErrorKind::LoginRefused => Ok(Kept::Absent(why)),
        ErrorKind::Unreachable => Err(BackupError::of_api(error)),
        _ => Ok(Kept::Failed(why)),
    }
}

/// Entries of an earlier line that need not be fetched again, and those that have to be.
pub(super) fn known(named: Vec<Named>, before: &Map<String, Value>, store: &Store) -> (Map<String, Value>, Vec<Named>) {
    let mut files = Map::new();
    let mut wanted = Vec::new();
    for named in named {
        match before.get(&named.key).filter(|entry| store.has(entry)) {
            Some(entry) => {
                files.insert(named.key, entry.clone());
            }
            None => wanted.push(named),
        }
    }
    (files, wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(row: &Value, own: &OwnHosts) -> Vec<Named> {
        Names::of(&Tree::from(row)).at(own)
    }

    #[test]
    fn images_are_found_in_texts_and_only_those_of_the_target() {
        let own = OwnHosts::of("https://help.example.org/desk");
        let row = |body: &str| json!({"_embedded": {"threads": [{"body": body, "_embedded": {"attachments": []}}]}});
        for (body, expected) in [
            (r#"<img src="https://help.example.org/desk/storage/attachment/1/a.png?id=1&amp;token=t">"#, true),
            (r"<img src='/storage/attachment/1/a.png?id=1'>", true),
            (r"<img src=//help.example.org/storage/a.png>", true),
            (r#"<p style="background:url(&quot;https://HELP.example.org/storage/a.png&quot;)">"#, true),
            (r#"<img src="https://elsewhere.example/storage/a.png">"#, false),
            (r#"<img src="https://help.example.org.evil.example/storage/a.png">"#, false),
            (r#"<img src="javascript:/storage/a.png">"#, false),
            (r#"<img src="https://help.example.org/a.png">"#, false),
        ] {
            let named = named(&row(body), &own);
            assert_eq!(named.len(), usize::from(expected), "{body}: {named:?}");
            for named in named {
                assert!(body.contains(&named.key) && named.url.ends_with(['g', '1', 't']), "{named:?}");
                assert!(!named.url.contains("&amp;"));
            }
        }
    }

    #[test]
    fn a_servers_own_name_is_learnt_from_its_attachments() {
        let own = OwnHosts::of("http://10.0.0.1");
        let row = json!({"_embedded": {"threads": [{
            "body": "<img src=\"https://help.example.org/storage/attachment/1/b.png?id=8\">",
            "_embedded": {"attachments": [{"id": 7, "size": 3,
                "fileUrl": "https://help.example.org/storage/attachment/1/a.pdf?id=7&token=t"}]},
        }]}});
        let keys: Vec<String> = named(&row, &own).into_iter().map(|named| named.key).collect();
        assert_eq!(keys, ["7", "https://help.example.org/storage/attachment/1/b.png?id=8"]);
    }

    #[test]
    fn hostile_texts_do_not_panic() {
        let own = OwnHosts::of("https://help.example.org");
        for body in [
            "/storage/",
            "ü/storage/ü",
            "&quot;/storage/&quot;",
            "=/storage/\"",
            "/storage/ /storage/",
            "\u{a0}/storage/x",
        ] {
            let _ = named(&json!({"_embedded": {"threads": {"0": {"body": body}}}}), &own);
        }
    }
}
