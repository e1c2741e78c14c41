//! The sources of mail: `mbox`, `maildir` and `eml`, which differ in how messages are found and in nothing else.
//!
//! One pass finds the messages (`mail::find`, `mail::split`) and indexes their headers (`mail::threads`); conversations are then
//! read back by position, parsed on OS threads and given out in order. A message counts once however
//! often it stands in the archive. Whatever an archive is called by, every kind of mail in it is read: a tree of mbox files
//! with `.eml` files and a Maildir between them is one archive. Files that are no mail are left out, each with a finding.
//!
//! A record's `fields`: `folder` (the file or folder of its first message), `labels` (Gmail's own labels), `mail_flags`
//! (keywords and flags of all messages), `list` (the address or id of a mailing list), `kind` (`bounce` or `auto-reply`, if every
//! message is one), `no_reply` (the requester says so), `list_id`, `mailing_list`, `auto_submitted`, `precedence`,
//! `x_spam_flag`. Those of an entry are listed in [`crate::mail`]; besides, `from` (if somebody else is the author), `list`,
//! `delivered_to`, `no_reply` and `sent` (it lies among sent mail).

use std::collections::BTreeSet;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::catalog::{Catalog, Piece};
use crate::finding::codes;
use crate::input::{Head, Input, InputFile, Portion};
use crate::mail::threads::{self, Counts, IndexError, Met, ReadAgain, Threads};
use crate::record::{Oddity, Origin};
use crate::source::{Facts, Reader, Reading, Shape, Source, SourceError};

mod find;
mod read;
mod split;
#[cfg(test)]
mod tests;

use find::{Found, Kind, Stranger};
use split::{Dialect, Messages};

/// A message over this size is no message, but a file in another format or one that lost its separators.
const MESSAGE_BYTES: u64 = 512 * 1024 * 1024;

/// The built-in mapping that serves every source of mail.
const FAMILY: &str = "mbox";

/// The `mbox` source: one file, or a folder of them, in any dialect.
pub struct Mbox;

/// The `maildir` source: a Maildir or Maildir++, or a folder of them.
pub struct Maildir;

/// The `eml` source: mails in files of their own, in folders as deep as they like.
pub struct Eml;

/// A mapping's `[shape.mail]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailShape {
    /// How far apart, in days, a message and its answer may be that only subject and people join; 0: none are.
    pub window_days: u32,
    /// Which mails are attached as they came, as `.eml`.
    pub original: Original,
}

/// Which mails are attached as they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Original {
    /// None.
    #[default]
    Never,
    /// Those with a finding: what could not be read is at hand then.
    Odd,
    /// All.
    Always,
}

impl Default for MailShape {
    fn default() -> Self {
        Self { window_days: 30, original: Original::Never }
    }
}

impl Source for Mbox {
    fn name(&self) -> &'static str {
        "mbox"
    }

    fn recognises(&self, head: &Head) -> bool {
        find::kind_of(head) == Some(Kind::Mbox)
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        open(self.name(), &input, reading)
    }

    fn family(&self) -> &'static str {
        FAMILY
    }
}

impl Source for Maildir {
    fn name(&self) -> &'static str {
        "maildir"
    }

    fn recognises(&self, head: &Head) -> bool {
        find::kind_of(head) == Some(Kind::Maildir)
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        open(self.name(), &input, reading)
    }

    fn family(&self) -> &'static str {
        FAMILY
    }
}

impl Source for Eml {
    fn name(&self) -> &'static str {
        "eml"
    }

    fn recognises(&self, head: &Head) -> bool {
        find::kind_of(head) == Some(Kind::Eml)
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        open(self.name(), &input, reading)
    }

    fn family(&self) -> &'static str {
        FAMILY
    }
}

fn open(source: &'static str, input: &Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
    let zone = zone(reading)?;
    let stamp = input.stamp().map_err(|cause| io_error(input.files().first(), cause))?;
    let mut catalog = Catalog::open(reading.index, reading.scratch, &index_key(&stamp, reading.shape))?;
    let facts = match kept_facts(&catalog)? {
        Some(facts) => facts,
        None => index(source, input, reading, &mut catalog, &zone)?,
    };
    let mut facts = Facts { records: catalog.group_count()?, ..facts };
    facts.oddities.extend(chats(&facts, input));
    let groups = catalog.into_groups(reading.order);
    let passing = groups.passing();
    let records = read::records(source, input, groups, reading.shape, &zone, facts.records);
    Ok(Reader::new(facts, records).passing(passing))
}

/// Chats that lie among the mails, as one finding for all.
fn chats(facts: &Facts, input: &Input) -> Option<Oddity> {
    let count = facts.counts.iter().find(|(name, count)| *name == "chats" && *count > 0)?.1;
    let message = match count {
        1 => "a chat of Gmail is no mail and was left out".to_owned(),
        count => format!("{count} chats of Gmail are no mails and were left out"),
    };
    Some(Oddity { code: codes::READ_CHAT, origin: Origin::whole(&input.files().first()?.shown), message })
}

/// An index fits the same files, read in the same way.
fn index_key(stamp: &blake3::Hash, shape: &Shape) -> String {
    format!("mail 3 {stamp} {} {:?}", shape.mail.window_days, shape.zone)
}

fn zone(reading: &Reading<'_>) -> Result<TimeZone, SourceError> {
    let Some(name) = &reading.shape.zone else { return Ok(TimeZone::UTC) };
    TimeZone::get(name).map_err(|_| SourceError::Shape {
        origin: Origin::whole(&Arc::from("shape.zone")),
        problem: format!("`{name}` is not a time zone"),
        hint: "use an IANA name such as `Europe/Berlin`".to_owned(),
    })
}

fn io_error(file: Option<&InputFile>, cause: io::Error) -> SourceError {
    SourceError::Io { path: file.map(|file| file.path.to_path_buf()).unwrap_or_default(), cause }
}

/// The pass over all files.
fn index(
    source: &str,
    input: &Input,
    reading: &Reading<'_>,
    catalog: &mut Catalog,
    zone: &TimeZone,
) -> Result<Facts, SourceError> {
    let mut read_again = read::Files::new(input.clone());
    let mut again = |piece: &Piece, most: u64| read_again.read(piece.file, piece.offset, most.min(piece.length));
    let mut facts = Facts::default();
    let (taken, counts) = threads::pass(catalog, zone.clone(), |threads| take_all(input, reading, threads, &mut again))
        .map_err(|error| index_error(&input.files()[0], error))?;
    let Taken { strangers, dialects, forms } = taken?;
    if dialects.is_empty()
        && forms.is_empty()
        && let Some((file, stranger)) = strangers.first()
    {
        return Err(SourceError::WrongFormat {
            origin: Origin::whole(&file.shown),
            expected: match source {
                "mbox" => "an mbox, which starts with a line like `From ann@example.org Mon Jan 15 10:30:00 2024`",
                _ => "a mail, which starts with lines like `From: ann@example.org` and `Subject: Hello`",
            },
            found: match stranger {
                Stranger::Starts(first_line) => format!("it starts with `{first_line}`"),
                Stranger::Empty => "it is empty".to_owned(),
            },
        });
    }
    for (file, stranger) in strangers {
        facts.oddities.push(Oddity {
            code: codes::READ_NO_MAIL,
            origin: Origin::whole(&file.shown),
            message: match stranger {
                Stranger::Starts(first_line) => {
                    format!("the file is no mail and was left out; it starts with `{first_line}`")
                }
                Stranger::Empty => "the file is empty and was left out".to_owned(),
            },
        });
    }
    let counts = threads::finish(catalog, counts, reading.shape.mail.window_days, &mut again);
    facts.counts = counts.map_err(|error| index_error(&input.files()[0], error))?.named();
    facts.variants = variants(&dialects);
    facts.variants.extend(forms.into_iter().map(str::to_owned));
    keep_facts(catalog, &facts)?;
    catalog.seal()?;
    Ok(facts)
}

/// What the files were.
#[derive(Default)]
struct Taken<'i> {
    /// Files that are no mail, with what they are instead.
    strangers: Vec<(&'i InputFile, Stranger)>,
    /// One for each mbox.
    dialects: Vec<Dialect>,
    /// The forms of mails in files of their own.
    forms: BTreeSet<&'static str>,
}

/// Gives every message of every file to the index.
fn take_all<'i>(
    input: &'i Input,
    reading: &Reading<'_>,
    threads: &mut Threads,
    again: &mut ReadAgain<'_>,
) -> Result<Taken<'i>, SourceError> {
    /// How many bytes are read between two questions whether to stop.
    const TELL_EVERY: u64 = 4 << 20;
    /// How many files, if they are small.
    const TELL_FILES: usize = 256;
    let mut found = Taken::default();
    let names = find::Names::of(input);
    let (mut bytes_before, mut told_at) = (0, 0);
    let tell = |bytes: u64| match (reading.watch)(bytes) {
        ControlFlow::Break(()) => Err(SourceError::Interrupted),
        ControlFlow::Continue(()) => Ok(()),
    };
    for (number, file) in input.files().iter().enumerate() {
        let failed = |cause| io_error(Some(file), cause);
        match names.examine(file).map_err(failed)? {
            Found::Kept => {}
            Found::Stranger(stranger) => found.strangers.push((file, stranger)),
            Found::Mail(single) => {
                let met = Met {
                    head: &single.head,
                    envelope: &single.envelope,
                    file: number as u32,
                    offset: single.offset,
                    length: single.length,
                    is_too_large: single.length > MESSAGE_BYTES,
                    is_alone: true,
                };
                threads.put(met, again).map_err(|error| index_error(file, error))?;
                found.forms.insert(single.form.named());
            }
            Found::Mbox => {
                let open = file.open().map_err(failed)?;
                let mut messages = match Messages::open(open).map_err(failed)? {
                    Ok(messages) => messages,
                    Err(stranger) => {
                        found.strangers.push((file, Stranger::Starts(stranger.first_line)));
                        bytes_before += file.length;
                        continue;
                    }
                };
                while let Some(message) = messages.next_message().map_err(failed)? {
                    let met = Met {
                        head: messages.head(),
                        envelope: messages.envelope(),
                        file: number as u32,
                        offset: message.offset,
                        length: message.length,
                        is_too_large: message.length > MESSAGE_BYTES,
                        is_alone: false,
                    };
                    threads.put(met, again).map_err(|error| index_error(file, error))?;
                    let at = bytes_before + messages.position();
                    if at - told_at >= TELL_EVERY {
                        told_at = at;
                        tell(at)?;
                    }
                }
                found.dialects.push(messages.dialect);
            }
        }
        bytes_before += file.length;
        if bytes_before - told_at >= TELL_EVERY || number % TELL_FILES == 0 {
            told_at = bytes_before;
            tell(bytes_before)?;
        }
    }
    tell(bytes_before)?;
    Ok(found)
}

fn index_error(file: &InputFile, error: IndexError) -> SourceError {
    match error {
        IndexError::Catalog(error) => SourceError::Catalog(error),
        IndexError::Io(cause) => io_error(Some(file), cause),
    }
}

fn variants(dialects: &[Dialect]) -> Vec<String> {
    type Says = fn(&Dialect) -> bool;
    let names: [(&str, Says); 7] = [
        ("CRLF", |dialect| dialect.is_crlf),
        ("byte-order mark", |dialect| dialect.has_bom),
        ("Content-Length", |dialect| dialect.is_counted),
        ("Netscape", |dialect| dialect.is_netscape),
        ("Gmail Takeout", |dialect| dialect.is_takeout),
        ("Pipermail", |dialect| dialect.is_pipermail),
        ("no blank line before separators", |dialect| dialect.lacks_blank_lines),
    ];
    names.iter().filter(|(_, says)| dialects.iter().any(says)).map(|(name, _)| (*name).to_owned()).collect()
}

fn keep_facts(catalog: &mut Catalog, facts: &Facts) -> Result<(), SourceError> {
    let oddities: Vec<Value> = facts.oddities.iter().map(|odd| json!([&*odd.origin.file, odd.message])).collect();
    catalog.note("mail files", &json!({ "variants": facts.variants, "strangers": oddities }).to_string())?;
    Ok(())
}

fn kept_facts(catalog: &Catalog) -> Result<Option<Facts>, SourceError> {
    if !catalog.is_sealed() {
        return Ok(None);
    }
    #[derive(Deserialize)]
    struct Kept {
        variants: Vec<String>,
        strangers: Vec<(String, String)>,
    }
    let counts = catalog.noted("mail")?.and_then(|note| Counts::from_note(&note));
    let kept: Option<Kept> = catalog.noted("mail files")?.and_then(|note| serde_json::from_str(&note).ok());
    let (Some(counts), Some(kept)) = (counts, kept) else { return Ok(None) };
    let oddities = kept.strangers.into_iter().map(|(file, message)| Oddity {
        code: codes::READ_NO_MAIL,
        origin: Origin::whole(&Arc::from(file)),
        message,
    });
    Ok(Some(Facts { records: 0, counts: counts.named(), variants: kept.variants, oddities: oddities.collect() }))
}

/// Reads a stretch of a file.
fn read_at(file: &mut Portion, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}
