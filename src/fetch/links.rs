//! Which links an archive has: each once, on disk, in the order in which they are met.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};
use url::Url;

use super::FetchError;
use super::cache::{Cache, Held};
use crate::content::Content;
use crate::html;
use crate::record::{Body, Record};

/// A longer address is none.
const LONGEST_ADDRESS: usize = 16 * 1024;

/// Parameters that say until when and for whom an address works, and nothing about what it is of.
const SIGNING: &[&str] = &["awsaccesskeyid", "googleaccessid", "key-pair-id", "policy", "signature", "expires"];

/// What a file is known by: its address without what only permits the download.
///
/// Two exports of one help desk have the same file under addresses that differ in their signature (S3, CloudFront and Google
/// `Expires`/`Signature`, `X-Amz-…`, `X-Goog-…`, Azure `sig`), and it need not be had twice. Everything else stays: in many
/// systems a token *is* the file's name. The part behind `#` and a name and password go.
/// `None`: not an address on the web.
pub fn key(address: &str) -> Option<String> {
    let mut url = parsed(address)?;
    let names: BTreeSet<String> = url.query_pairs().map(|(name, _)| name.to_lowercase()).collect();
    let is_signed = names.contains("signature") || names.contains("policy");
    let is_azure = names.contains("sig") && names.contains("sv");
    let is_permit = |name: &str| {
        let name = name.to_lowercase();
        name.starts_with("x-amz-")
            || name.starts_with("x-goog-")
            || (is_signed && SIGNING.contains(&name.as_str()))
            || (is_azure
                && matches!(
                    &*name,
                    "sig"
                        | "sv"
                        | "se"
                        | "st"
                        | "sp"
                        | "sr"
                        | "spr"
                        | "sip"
                        | "skoid"
                        | "sktid"
                        | "skt"
                        | "ske"
                        | "sks"
                        | "skv"
                ))
    };
    if names.iter().any(|name| is_permit(name)) {
        // As it stands and not as pairs: decoding and encoding again might change what is left.
        let kept = |pair: &&str| {
            let mut parsed = url::form_urlencoded::parse(pair.as_bytes());
            parsed.next().is_none_or(|(name, _)| !is_permit(&name))
        };
        let rest: Vec<&str> = url.query().unwrap_or_default().split('&').filter(kept).collect();
        let rest = rest.join("&");
        url.set_query(Some(rest.as_str()).filter(|rest| !rest.is_empty()));
    }
    Some(url.into())
}

/// An address that can be asked, without name, password and fragment.
pub(super) fn parsed(address: &str) -> Option<Url> {
    let address = address.trim();
    if address.len() > LONGEST_ADDRESS {
        return None;
    }
    let mut url = Url::parse(address).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return None;
    }
    url.set_fragment(None);
    // An archive must not make us log in anywhere.
    let _ = (url.set_username(""), url.set_password(None));
    Some(url)
}

/// An address as it may be shown: without its query, which may hold what permits the download.
pub fn shown(address: &str) -> String {
    match parsed(address) {
        Some(mut url) => {
            url.set_query(None);
            url.into()
        }
        None => address.chars().take(200).collect(),
    }
}

/// One file that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is known by.
    pub key: String,
    /// The address as the archive has it.
    pub url: String,
    /// The length that the archive claims, in bytes.
    pub claimed: Option<u64>,
    /// The media type that the archive claims.
    pub mime: Option<String>,
    /// What the archive calls it; never used as a path.
    pub name: String,
    /// The first record that has it: `zendesk:4711`.
    pub record: String,
}

/// What is wanted of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSums {
    /// The host, with its port if it is no usual one.
    pub host: String,
    /// Links to it.
    pub links: u64,
    /// Of those, already here.
    pub there: u64,
    /// Bytes that the archive claims for those that are not.
    pub claimed: u64,
    /// How many of those have no claimed length.
    pub without_length: u64,
}

/// The links of an archive.
///
/// They lie in a file of their own until the end of the run: an archive may have more of them than memory holds.
#[derive(Debug)]
pub struct Wanted {
    db: Connection,
    image_hosts: Vec<String>,
    next: i64,
    batch: std::collections::VecDeque<Link>,
}

impl Wanted {
    /// None yet. Images in texts are wanted from these hosts (in lower case) only.
    pub fn create(folder: &Path, image_hosts: Vec<String>) -> Result<Self, FetchError> {
        let path = folder.join("links.db");
        let failed = FetchError::index(&path);
        let db = Connection::open(&path).map_err(&failed)?;
        db.execute_batch(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
             CREATE TABLE links (
                 id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, url TEXT NOT NULL, host TEXT NOT NULL,
                 claimed INTEGER, mime TEXT, name TEXT NOT NULL, record TEXT NOT NULL
             ) STRICT;
             -- Never ended: nobody reads the file afterwards, and each row by itself would be a write to the disk.
             BEGIN;",
        )
        .map_err(&failed)?;
        Ok(Self { db, image_hosts, next: 0, batch: std::collections::VecDeque::new() })
    }

    /// Adds the links of a record. `unusable` is told the name and address of each attachment that links to something that is
    /// no address on the web.
    pub fn add(&mut self, record: &Record, unusable: &mut dyn FnMut(&str, &str)) -> Result<(), FetchError> {
        for entry in &record.entries {
            for attachment in &entry.attachments {
                let Content::Link { url, claimed_length } = &attachment.content else { continue };
                match key(url) {
                    Some(key) => self.insert(&Link {
                        key,
                        url: url.trim().to_owned(),
                        claimed: *claimed_length,
                        mime: attachment.mime.clone(),
                        name: attachment.name.clone(),
                        record: record.id.to_string(),
                    })?,
                    None => unusable(&attachment.name, url),
                }
            }
            if let Body::Html(text) = &entry.body
                && !self.image_hosts.is_empty()
            {
                self.add_images(text, record)?;
            }
        }
        Ok(())
    }

    fn add_images(&mut self, text: &str, record: &Record) -> Result<(), FetchError> {
        let mut found = Vec::new();
        html::with_linked_images(text, |url| {
            found.push(url.to_owned());
            None
        });
        for url in found {
            let Some(parsed) = parsed(&url) else { continue };
            let is_wanted = parsed.host_str().is_some_and(|host| self.image_hosts.iter().any(|wanted| wanted == host));
            if let Some(key) = key(&url).filter(|_| is_wanted) {
                let (name, mime) = (name_in(&parsed), Some("image/*".to_owned()));
                self.insert(&Link { key, url, claimed: None, mime, name, record: record.id.to_string() })?;
            }
        }
        Ok(())
    }

    fn insert(&self, link: &Link) -> Result<(), FetchError> {
        let Link { key, url, claimed, mime, name, record } = link;
        let host = parsed(url).map(|url| host_of(&url)).unwrap_or_default();
        self.db
            .prepare_cached(
                "INSERT INTO links (key, url, host, claimed, mime, name, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (key) DO UPDATE SET claimed = coalesce(claimed, excluded.claimed)",
            )
            .and_then(|mut insert| {
                let claimed = claimed.map(|claimed| i64::try_from(claimed).unwrap_or(i64::MAX));
                insert.execute(params![key, url, host, claimed, mime, name, record])
            })
            .map_err(FetchError::index(Path::new("links.db")))?;
        Ok(())
    }

    /// What is wanted of each host, most links first.
    pub fn hosts(&self, cache: Option<&Cache>) -> Result<Vec<HostSums>, FetchError> {
        let failed = FetchError::index(Path::new("links.db"));
        let mut hosts: std::collections::BTreeMap<String, HostSums> = std::collections::BTreeMap::new();
        let mut select = self.db.prepare("SELECT key, host, claimed FROM links").map_err(&failed)?;
        let mut rows = select.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let get = || Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<i64>>(2)?));
            let (key, host, claimed) = get().map_err(&failed)?;
            let is_there = match cache {
                Some(cache) => matches!(cache.find(&key)?, Some(Held::Here { .. })),
                None => false,
            };
            let sums = hosts.entry(host).or_default();
            sums.links += 1;
            match claimed {
                _ if is_there => sums.there += 1,
                Some(claimed) => sums.claimed = sums.claimed.saturating_add(claimed.unsigned_abs()),
                None => sums.without_length += 1,
            }
        }
        let mut hosts: Vec<HostSums> = hosts.into_iter().map(|(host, sums)| HostSums { host, ..sums }).collect();
        hosts.sort_by_key(|host| std::cmp::Reverse(host.links));
        Ok(hosts)
    }

    /// The next one, in the order in which they were added.
    pub(super) fn next(&mut self) -> Result<Option<Link>, FetchError> {
        const AT_ONCE: i64 = 200;
        if self.batch.is_empty() {
            let failed = FetchError::index(Path::new("links.db"));
            let mut select = self
                .db
                .prepare_cached(
                    "SELECT id, key, url, claimed, mime, name, record FROM links WHERE id > ?1 ORDER BY id LIMIT ?2",
                )
                .map_err(&failed)?;
            let rows = select.query_map(params![self.next, AT_ONCE], |row| {
                let claimed = row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs);
                let (mime, name, record) = (row.get(4)?, row.get(5)?, row.get(6)?);
                Ok((row.get(0)?, Link { key: row.get(1)?, url: row.get(2)?, claimed, mime, name, record }))
            });
            for row in rows.map_err(&failed)? {
                let (id, link) = row.map_err(&failed)?;
                self.next = id;
                self.batch.push_back(link);
            }
        }
        Ok(self.batch.pop_front())
    }

    /// How many there are.
    pub fn count(&self) -> Result<u64, FetchError> {
        let count = self.db.query_row("SELECT count(*) FROM links", [], |row| row.get::<_, i64>(0)).optional();
        Ok(count.map_err(FetchError::index(Path::new("links.db")))?.unwrap_or_default().unsigned_abs())
    }
}

/// Host, and port if it is no usual one.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What an address calls its file.
pub(super) fn name_in(url: &Url) -> String {
    let last = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    // What means something in a form means nothing here.
    let last = last.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    let decoded = url::form_urlencoded::parse(last.as_bytes()).next();
    let name = decoded.map(|(name, _)| name.into_owned()).unwrap_or_default();
    if name.is_empty() { "image".to_owned() } else { name.chars().take(200).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_table() {
        for (address, expected) in [
            (
                "https://desk.example.org/attachments/token/abc/?name=a%20b.pdf",
                Some("https://desk.example.org/attachments/token/abc/?name=a%20b.pdf"),
            ),
            (" https://DESK.example.org:443/a#top ", Some("https://desk.example.org/a")),
            ("https://user:sesame@desk.example.org/a", Some("https://desk.example.org/a")),
            (
                "https://s3.example/a.pdf?X-Amz-Date=1&x-amz-Signature=2&versionId=3",
                Some("https://s3.example/a.pdf?versionId=3"),
            ),
            ("https://s3.example/a.pdf?AWSAccessKeyId=1&Expires=2&Signature=3%2F", Some("https://s3.example/a.pdf")),
            ("https://cdn.example/a?Policy=1&Signature=2&Key-Pair-Id=3&v=1", Some("https://cdn.example/a?v=1")),
            ("https://cdn.example/a?expires=1700000000&signature=ab&req=cd", Some("https://cdn.example/a?req=cd")),
            ("https://blob.example/a?sv=1&se=2&sr=b&sp=r&sig=x", Some("https://blob.example/a")),
            ("https://desk.example.org/a?expires=never&id=1", Some("https://desk.example.org/a?expires=never&id=1")),
            ("https://desk.example.org/a?id=1&token=t", Some("https://desk.example.org/a?id=1&token=t")),
            ("https://desk.example.org/a?sr=5&b=%41", Some("https://desk.example.org/a?sr=5&b=%41")),
            ("/attachments/1", None),
            ("javascript:x", None),
            ("file:///etc/passwd", None),
            ("", None),
        ] {
            assert_eq!(key(address).as_deref(), expected, "{address}");
        }
        assert_eq!(key(&format!("https://x.example/{}", "a".repeat(LONGEST_ADDRESS))), None);
        assert_eq!(shown("https://u:p@cdn.example/a/b.pdf?Signature=sesame#x"), "https://cdn.example/a/b.pdf");
    }

    #[test]
    fn a_link_that_is_met_twice_is_wanted_once_in_the_order_of_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let mut wanted = Wanted::create(folder.path(), Vec::new()).unwrap();
        let link = |n: u32, claimed| Link {
            key: format!("https://a.example/{n}"),
            url: format!("https://a.example/{n}?x"),
            claimed,
            mime: None,
            name: format!("{n}"),
            record: "test:1".to_owned(),
        };
        for n in (0..500).chain(100..200) {
            wanted.insert(&link(n, (n % 2 == 0).then_some(10))).unwrap();
        }
        wanted.insert(&link(1, Some(7))).unwrap();
        assert_eq!(wanted.count().unwrap(), 500);
        let hosts = wanted.hosts(None).unwrap();
        assert_eq!((hosts.len(), hosts[0].links, hosts[0].claimed, hosts[0].without_length), (1, 500, 2507, 249));
        for n in 0..500 {
            let claimed = if n == 1 { Some(7) } else { (n % 2 == 0).then_some(10) };
            assert_eq!(wanted.next().unwrap(), Some(link(n, claimed)));
        }
        assert_eq!(wanted.next().unwrap(), None);
    }

    #[test]
    fn names_in_addresses_are_decoded_and_never_empty() {
        for (url, expected) in [
            ("https://a.example/x/b%20c+d.png?y", "b c+d.png"),
            ("https://a.example/x/", "image"),
            ("https://a.example", "image"),
            ("https://a.example/a=b&c.png", "a=b&c.png"),
            ("https://a.example/..%2f..%2fetc", "../../etc"),
        ] {
            assert_eq!(name_in(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }
}
