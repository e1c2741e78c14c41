//! Reads back what a journal says was carried, and compares it with what was sent, field by field.
//!
//! Neither archive nor mapping is needed: the journal keeps a digest of each field (`design.md`, decision 11). Nothing in
//! FreeScout or in the journal is changed.
//!
//! What FreeScout alters by design is no difference: blanks around texts, times in the hour that comes twice when summer
//! time ends, names of files, rewritten drawings (SVG), the mark of an import.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use crate::freescout::{ApiError, Client, Embed, Verdict, wire};
use crate::journal::{AttachmentSeen, Carried, ThreadSeen};
use crate::upload::readback;

/// How often something that cannot be read is asked for.
const TRIES: u32 = 3;

/// A conversation with more custom fields than this is compared with all of them set, and else not at all.
const MOST_FIELDS: usize = 12;

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// As it was sent.
    Equal,
    /// There is more than was sent: somebody has worked on it since.
    Extra,
    /// Something is other than it was sent.
    Altered,
    /// Something is gone.
    Missing,
    /// It could not be read.
    Unreadable,
}

impl Mark {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Equal, Self::Missing, Self::Altered, Self::Extra, Self::Unreadable];

    /// As one character.
    pub fn sign(self) -> char {
        match self {
            Self::Equal => '=',
            Self::Missing => '-',
            Self::Altered => '*',
            Self::Extra => '+',
            Self::Unreadable => '!',
        }
    }

    /// As a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Extra => "extra",
            Self::Unreadable => "unreadable",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One thing that is not as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What kind.
    pub mark: Mark,
    /// A short phrase that names the field.
    pub what: String,
}

/// What a comparison of one record shows. No differences: it is equal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// In the order in which they were found.
    pub differences: Vec<Difference>,
    /// The whole conversation does not exist any more.
    pub is_gone: bool,
}

impl Compared {
    /// The worst of its differences.
    pub fn mark(&self) -> Mark {
        self.differences.iter().map(|one| one.mark).max().unwrap_or(Mark::Equal)
    }

    fn add(&mut self, mark: Mark, what: impl Into<String>) {
        self.differences.push(Difference { mark, what: what.into() });
    }
}

/// Why a verification cannot go on: the target turns everybody away, or is gone.
#[derive(Debug, thiserror::Error)]
#[error("the target cannot be read any more")]
pub struct Stopped {
    /// What it said.
    #[source]
    pub cause: ApiError,
}

/// Reads one record's conversation and compares it. `has_files`: attachments are downloaded and compared by their bytes.
///
/// `Err`: there is no point in going on. What only this conversation cannot be read for is [`Mark::Unreadable`].
pub async fn compare(client: &Client, record: &Carried, has_files: bool) -> Result<Compared, Stopped> {
    let mut compared = Compared::default();
    let Some(conversation) = record.conversation else {
        compared.add(Mark::Missing, "the journal knows no conversation of it");
        return Ok(compared);
    };
    let embed = Embed { threads: true, tags: true, ..Embed::default() };
    let found = match patiently(|| client.conversation(conversation, embed)).await {
        Ok(answer) => answer.value,
        Err(error) if error.is_not_found() => {
            compared.add(Mark::Missing, format!("conversation {conversation} is gone"));
            compared.is_gone = true;
            return Ok(compared);
        }
        Err(error) => {
            unless_hopeless(error, &mut compared, &format!("conversation {conversation}"))?;
            return Ok(compared);
        }
    };
    if found.state == "deleted" {
        compared.add(Mark::Missing, format!("conversation {conversation} is in the folder Deleted"));
    }
    threads(record, &found, &mut compared);
    head(record, &found, &mut compared);
    files(client, record, &found, has_files, &mut compared).await?;
    Ok(compared)
}

async fn patiently<T, F: Future<Output = Result<T, ApiError>>>(ask: impl Fn() -> F) -> Result<T, ApiError> {
    let mut tries = 1;
    loop {
        let error = match ask().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let wait = match error.verdict() {
            Verdict::Throttled { retry_after } => retry_after.unwrap_or(Duration::from_secs(2)),
            Verdict::Transient | Verdict::Unknown => Duration::from_millis(500) * tries,
            _ => return Err(error),
        };
        if tries >= TRIES {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(wait.min(Duration::from_secs(60))).await;
    }
}

fn unless_hopeless(error: ApiError, compared: &mut Compared, what: &str) -> Result<(), Stopped> {
    match error.verdict() {
        Verdict::Unauthorised | Verdict::Transient => Err(Stopped { cause: error }),
        _ => {
            compared.add(Mark::Unreadable, format!("{what} cannot be read: {error}"));
            Ok(())
        }
    }
}

/// The thread that a row of the journal is about: by its id, else the one that reads the same.
fn find<'a>(sent: &ThreadSeen, found: &'a wire::Conversation) -> Option<&'a wire::Thread> {
    match sent.remote {
        Some(id) => found.threads().iter().find(|thread| thread.id == id),
        None => found.threads().iter().find(|thread| {
            let there = readback::thread(thread);
            there.body == sent.digests.body && there.kind == sent.digests.kind
        }),
    }
}

fn threads(record: &Carried, found: &wire::Conversation, compared: &mut Compared) {
    let mut ours = Vec::with_capacity(record.threads.len());
    for (at, sent) in record.threads.iter().enumerate() {
        let place = format!("thread {}", at + 1);
        let Some(there) = find(sent, found) else {
            compared.add(Mark::Missing, format!("{place} is gone"));
            continue;
        };
        ours.push(there.id);
        let digests = readback::thread(there);
        let is_in_time = readback::is_time(there.created_at, &sent.digests.time);
        for (what, is_equal) in [
            ("kind", digests.kind == sent.digests.kind),
            ("author", digests.author == sent.digests.author),
            ("time", is_in_time),
            ("text", digests.body == sent.digests.body),
            ("cc", digests.cc == sent.digests.cc),
            ("bcc", digests.bcc == sent.digests.bcc),
        ] {
            if !is_equal {
                compared.add(Mark::Altered, format!("the {what} of {place}"));
            }
        }
        if matches!(there.state.as_str(), "hidden" | "draft" | "deleted") {
            compared.add(Mark::Altered, format!("{place} is {}", there.state));
        }
    }
    for thread in found.threads().iter().filter(|thread| !ours.contains(&thread.id)) {
        let what = if thread.kind == "lineitem" { "an event".to_owned() } else { format!("a {} thread", thread.kind) };
        let when = thread.created_at.map(|time| format!(" of {time}")).unwrap_or_default();
        compared.add(Mark::Extra, format!("{what}{when}"));
    }
}

fn head(record: &Carried, found: &wire::Conversation, compared: &mut Compared) {
    let Some(sent) = record.digests else {
        compared.add(Mark::Unreadable, "the journal has no digests of it");
        return;
    };
    let there = readback::conversation(found);
    let is_ours = |id: u64| record.threads.iter().any(|thread| thread.remote == Some(id));
    let is_lived_in = found.threads().iter().any(|thread| thread.kind != "lineitem" && !is_ours(thread.id));
    for (what, is_equal) in [
        ("mailbox", there.mailbox == sent.mailbox),
        ("kind", there.kind == sent.kind),
        ("status", there.status == sent.status),
        ("subject", there.subject == sent.subject),
        ("customer", there.customer == sent.customer),
        ("assignee", there.assignee == sent.assignee),
        ("time of opening", readback::is_time(found.created_at, &sent.created_at)),
        (
            "time of closing",
            found
                .closed_at
                .map_or(there.closed_at == sent.closed_at, |time| readback::is_time(Some(time), &sent.closed_at)),
        ),
        // Without the module there is nothing to compare.
        ("tags", found.embedded.tags.is_none() || there.tags == sent.tags),
        ("custom fields", are_fields(found, &sent.fields)),
    ] {
        if !is_equal {
            // Whoever has written in it since has changed these with it: an answer reopens.
            let is_life = is_lived_in && matches!(what, "status" | "assignee" | "time of closing");
            compared.add(if is_life { Mark::Extra } else { Mark::Altered }, format!("the {what}"));
        }
    }
}

/// Whether the custom fields that were sent have their values. Others may be set, and which were sent is not known: some of
/// those that are set have to make up what was sent.
fn are_fields(found: &wire::Conversation, sent: &[u8; 8]) -> bool {
    let set: Vec<String> = found
        .custom_fields
        .iter()
        .flatten()
        .filter(|field| !field.value.trim().is_empty())
        .map(|field| format!("{}={}", field.id, field.value.trim()))
        .collect();
    if readback::fields(set.iter()) == *sent || set.len() > MOST_FIELDS {
        return true;
    }
    (0..1_u32 << set.len()).any(|chosen| {
        readback::fields(set.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, field)| field))
            == *sent
    })
}

async fn files(
    client: &Client,
    record: &Carried,
    found: &wire::Conversation,
    has_files: bool,
    compared: &mut Compared,
) -> Result<(), Stopped> {
    for (at, sent) in record.threads.iter().enumerate() {
        let Some(thread) = find(sent, found) else { continue };
        let place = format!("thread {}", at + 1);
        let mut rest: Vec<&wire::Attachment> = thread.attachments().iter().collect();
        for file in &sent.attachments {
            let by_id = |there: &&wire::Attachment| file.remote.is_some() && there.id == file.remote;
            let by_size = |there: &&wire::Attachment| file.remote.is_none() && there.size == Some(file.size);
            let Some(which) = rest.iter().position(|there| by_id(there) || by_size(there)) else {
                compared.add(Mark::Missing, format!("the attachment `{}` of {place}", file.name));
                continue;
            };
            let there = rest.remove(which);
            // FreeScout rewrites drawings (`freescout-behaviour.md`, trap 14).
            if file.name.to_ascii_lowercase().ends_with(".svg") {
                continue;
            }
            if there.size.is_some_and(|size| size != file.size) {
                compared.add(Mark::Altered, format!("the size of the attachment `{}` of {place}", file.name));
            } else if has_files {
                bytes(client, file, there, &place, compared).await?;
            }
        }
        for there in rest {
            compared.add(Mark::Extra, format!("the attachment `{}` of {place}", there.file_name));
        }
    }
    Ok(())
}

async fn bytes(
    client: &Client,
    sent: &AttachmentSeen,
    there: &wire::Attachment,
    place: &str,
    compared: &mut Compared,
) -> Result<(), Stopped> {
    let what = format!("the attachment `{}` of {place}", sent.name);
    match patiently(|| hash_of(client, &there.file_url)).await {
        Ok((length, hash)) => {
            if length != sent.size || sent.hash.is_some_and(|sent| sent != hash) {
                compared.add(Mark::Altered, format!("the bytes of {what}"));
            }
            Ok(())
        }
        // A file that is gone from the disk is this file's trouble, whatever the server calls it.
        Err(error) if error.status().is_some() => {
            compared.add(Mark::Unreadable, format!("{what} cannot be downloaded: {error}"));
            Ok(())
        }
        Err(error) => unless_hopeless(error, compared, &what),
    }
}

async fn hash_of(client: &Client, url: &str) -> Result<(u64, [u8; 16]), ApiError> {
    let mut download = client.download(url).await?;
    let mut hasher = blake3::Hasher::new();
    let mut length = 0;
    while let Some(piece) = download.piece().await? {
        hasher.update(&piece);
        length += piece.len() as u64;
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Ok((length, hash))
}

/// A manifest's sum: SHA-256 over its lines, each with its line feed, as `sed '$d' FILE | sha256sum` works it out.
#[derive(Clone)]
pub struct Seal(ring::digest::Context);

impl Default for Seal {
    fn default() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }
}

impl Seal {
    /// Adds a line, without its line feed.
    pub fn add(&mut self, line: &str) {
        self.0.update(line.as_bytes());
        self.0.update(b"\n");
    }

    /// The sum, in hexadecimal digits.
    pub fn hex(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Now, for a manifest.
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}
