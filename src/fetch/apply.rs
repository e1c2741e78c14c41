//! Puts fetched files where a record has only links to them.

use std::path::PathBuf;
use std::sync::Arc;

use super::FetchError;
use super::cache::{Cache, Held};
use super::links;
use crate::content::Content;
use crate::finding::codes;
use crate::html;
use crate::record::{Attachment, Body, Entry, Oddity, Record};

impl Cache {
    /// Puts fetched files in place of a record's links, and into its texts the images that are shown by their address.
    ///
    /// A link that was asked for in vain stays one, with an oddity that says why and when. A link that was never asked for
    /// stays as it is. Fails only when the index cannot be read.
    pub fn fill(&self, record: &mut Record) -> Result<(), FetchError> {
        for entry in &mut record.entries {
            let mut failures = Vec::new();
            let mut known: Vec<(String, usize)> = Vec::new();
            for (at, attachment) in entry.attachments.iter_mut().enumerate() {
                let Content::Link { url, .. } = &attachment.content else { continue };
                let Some(key) = links::key(url) else { continue };
                match self.find(&key)? {
                    Some(Held::Here { path, bytes, mime, .. }) => {
                        attachment.content = file(path, bytes);
                        if attachment.mime.as_deref().is_none_or(|mime| mime.trim().is_empty()) {
                            attachment.mime = mime;
                        }
                        known.push((key, at));
                    }
                    Some(Held::Failed { reason, at }) => {
                        let name = attachment.name.trim();
                        failures.push(format!("`{name}` ({}) was asked for on {at}: {reason}", links::shown(url)));
                    }
                    None => {}
                }
            }
            for message in failures {
                let origin = entry.origin.clone();
                record.oddities.push(Oddity { code: codes::ATTACHMENT_UNFETCHED, origin, message });
            }
            self.show_inside(entry, &known)?;
        }
        Ok(())
    }

    /// Ties images in the text to files that are here: their addresses will be gone.
    fn show_inside(&self, entry: &mut Entry, known: &[(String, usize)]) -> Result<(), FetchError> {
        let Body::Html(text) = &mut entry.body else { return Ok(()) };
        if memchr::memmem::find(text.as_bytes(), b"http").is_none() {
            return Ok(());
        }
        let attachments = &mut entry.attachments;
        let mut broken = None;
        let shown = html::with_linked_images(text, |url| {
            let key = links::key(url)?;
            let content_id = |key: &str| format!("fetched-{}", &blake3::hash(key.as_bytes()).to_hex()[..24]);
            if let Some((key, at)) = known.iter().find(|(known, _)| *known == key) {
                let attachment = &mut attachments[*at];
                attachment.is_inline = true;
                let id = attachment.content_id.get_or_insert_with(|| content_id(key));
                return Some(format!("cid:{id}"));
            }
            let id = content_id(&key);
            if attachments.iter().any(|attachment| attachment.content_id.as_deref() == Some(&id)) {
                return Some(format!("cid:{id}"));
            }
            let found = self.find(&key).unwrap_or_else(|error| {
                broken.get_or_insert(error);
                None
            });
            let Some(Held::Here { path, bytes, mime, .. }) = found else { return None };
            let name = links::parsed(url).map(|url| links::name_in(&url)).unwrap_or_default();
            attachments.push(Attachment {
                name,
                mime,
                content_id: Some(id.clone()),
                is_inline: true,
                content: file(path, bytes),
            });
            Some(format!("cid:{id}"))
        });
        *text = shown;
        broken.map_or(Ok(()), Err)
    }
}

fn file(path: PathBuf, length: u64) -> Content {
    Content::File { path: Arc::from(path), length }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Origin, RecordId};

    const PNG: &str = "https://desk.example.org/a.png?id=1&name=a";
    const LOOSE: &str = "https://desk.example.org/loose%20one.png";

    fn link(name: &str, url: &str) -> Attachment {
        let content = Content::Link { url: url.to_owned(), claimed_length: Some(3) };
        Attachment { name: name.to_owned(), mime: None, content_id: None, is_inline: false, content }
    }

    fn record(body: &str, attachments: Vec<Attachment>) -> Record {
        let origin = Origin::line(&Arc::from("t.json"), 1);
        let entry = Entry {
            id: "1".to_owned(),
            origin: origin.clone(),
            kind: "Comment".to_owned(),
            is_public: true,
            author: None,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            body: Body::Html(body.to_owned()),
            created_at: None,
            attachments,
            fields: serde_json::Map::new(),
        };
        Record {
            id: RecordId::new("test", "1"),
            origin,
            subject: None,
            status: None,
            channel: None,
            requester: None,
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
            closed_at: None,
            url: None,
            entries: vec![entry],
            fields: serde_json::Map::new(),
            oddities: Vec::new(),
        }
    }

    fn put(cache: &Cache, url: &str, bytes: &[u8]) {
        let key = links::key(url).unwrap();
        let part = cache.part(&key).unwrap();
        drop(cache.begin(&key, &part, None).unwrap());
        std::fs::write(&part.path, bytes).unwrap();
        cache.keep(&key, &part.path, Some("image/png")).unwrap();
    }

    #[test]
    fn links_become_files_and_images_in_texts_are_tied_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_or_create(folder.path()).unwrap();
        put(&cache, PNG, b"abc");
        put(&cache, LOOSE, b"def");
        cache.fail("https://desk.example.org/gone.pdf?token=sesame", "404 Not Found").unwrap();
        let body = "<img src='https://desk.example.org/a.png?id=1&amp;name=a'><img src=https://desk.example.org/loose%20one.png>\
                    <img src='https://desk.example.org/loose%20one.png'><img src='https://elsewhere.example/x.png'>";
        let mut given = record(
            body,
            vec![
                link("a.png", PNG),
                link("gone.pdf", "https://desk.example.org/gone.pdf?token=sesame"),
                link("new.pdf", "https://desk.example.org/new.pdf"),
            ],
        );
        cache.fill(&mut given).unwrap();
        let entry = &given.entries[0];
        let names: Vec<&str> = entry.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.png", "gone.pdf", "new.pdf", "loose one.png"]);
        let lengths: Vec<Option<u64>> = entry.attachments.iter().map(|file| file.content.length()).collect();
        assert_eq!(lengths, [Some(3), None, None, Some(3)]);
        assert_eq!(entry.attachments[0].mime.as_deref(), Some("image/png"));
        let ids: Vec<&str> = entry.attachments.iter().filter_map(|file| file.content_id.as_deref()).collect();
        let Body::Html(text) = &entry.body else { panic!("no text") };
        let expected = format!(
            "<img src='cid:{}'><img src=cid:{}><img src='cid:{}'><img src='https://elsewhere.example/x.png'>",
            ids[0], ids[1], ids[1]
        );
        assert_eq!(text, &expected);
        let [oddity] = &given.oddities[..] else { panic!("{:?}", given.oddities) };
        assert_eq!(oddity.code, codes::ATTACHMENT_UNFETCHED);
        let message = &oddity.message;
        assert!(
            message.contains("`gone.pdf` (https://desk.example.org/gone.pdf)") && message.ends_with("404 Not Found")
        );
        assert!(!message.contains("sesame"));

        // A second time, over what is filled already, nothing changes.
        let before = format!("{:?}", given.entries);
        given.oddities.clear();
        cache.fill(&mut given).unwrap();
        assert_eq!(format!("{:?}", given.entries), before);
    }
}
