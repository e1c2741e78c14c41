//! Mail folders: an mbox file (mboxrd), or a Maildir.
//!
//! In an mbox every line of a mail that begins with `From ` behind any number of `>` gets one `>` more (mboxrd), so that the original
//! comes back exactly. Line ends are LF. A Maildir has one file for each mail under `cur`, marked as seen.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::hub::{Exported, Site};
use super::mail::{Mail, Mails};
use super::output::Staged;
use super::{ExportError, Exporter, Form, Notes, Options, Writer};
use crate::freescout::wire;

/// The `mbox` exporter.
pub struct Mbox;

/// The `maildir` exporter.
pub struct Maildir;

impl Exporter for Mbox {
    fn name(&self) -> &'static str {
        "mbox"
    }

    fn form(&self) -> Form {
        Form::Stream
    }

    fn wants_files(&self, _: &Options) -> bool {
        true
    }

    fn create(&self, site: &Site, _: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        Ok(Box::new(One { site: site.clone(), out: place.stream()?, shown: place.shown() }))
    }
}

impl Exporter for Maildir {
    fn name(&self) -> &'static str {
        "maildir"
    }

    fn form(&self) -> Form {
        Form::Folder
    }

    fn wants_files(&self, _: &Options) -> bool {
        true
    }

    fn create(&self, site: &Site, _: &Options, place: &Staged) -> Result<Box<dyn Writer>, ExportError> {
        let folder = place.folder().expect("a Maildir is a folder").to_owned();
        for part in ["cur", "new", "tmp"] {
            let path = folder.join(part);
            fs::create_dir_all(&path).map_err(|cause| ExportError::Io { path, cause })?;
        }
        Ok(Box::new(Many { site: site.clone(), folder }))
    }
}

struct One {
    site: Site,
    out: Box<dyn Write + Send>,
    shown: PathBuf,
}

impl Writer for One {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let failed = |cause| ExportError::Io { path: self.shown.clone(), cause };
        let mut mails = Mails::new(&self.site, exported);
        while let Some(mail) = mails.next(notes).map_err(failed)? {
            write_quoted(&mut self.out, &mail).map_err(failed)?;
        }
        Ok(())
    }

    fn customer(&mut self, _: &wire::Customer, _: &mut Notes) -> Result<(), ExportError> {
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        self.out.flush().map_err(|cause| ExportError::Io { path: self.shown.clone(), cause })
    }
}

/// Writes a mail into an mbox.
fn write_quoted(out: &mut dyn Write, mail: &Mail) -> io::Result<()> {
    let sender = if mail.sender.is_empty() { "MAILER-DAEMON" } else { &mail.sender };
    writeln!(out, "From {sender} {}", mail.at.strftime("%a %b %e %H:%M:%S %Y"))?;
    for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
        let (text, is_ended) = match line.strip_suffix(b"\n") {
            Some(text) => (text.strip_suffix(b"\r").unwrap_or(text), true),
            None => (line, false),
        };
        let quotes = text.iter().take_while(|byte| **byte == b'>').count();
        if text[quotes..].starts_with(b"From ") {
            out.write_all(b">")?;
        }
        out.write_all(text)?;
        if is_ended {
            out.write_all(b"\n")?;
        }
    }
    out.write_all(if mail.bytes.ends_with(b"\n") { b"\n" } else { b"\n\n" })
}

struct Many {
    site: Site,
    folder: PathBuf,
}

impl Writer for Many {
    fn write(&mut self, exported: &Exported, notes: &mut Notes) -> Result<(), ExportError> {
        let mut mails = Mails::new(&self.site, exported);
        let shown = || self.folder.join("cur");
        while let Some(mail) = mails.next(notes).map_err(|cause| ExportError::Io { path: shown(), cause })? {
            // Sorted by time; ids make the name unique. `2,S` says that it was read.
            let name = format!("{}.{}_{}.foxferry:2,S", mail.at.as_second(), exported.conversation.id, mail.thread);
            let path = self.folder.join("cur").join(name);
            let written = File::create(&path).and_then(|file| {
                let mut file = BufWriter::new(file);
                for line in mail.bytes.split_inclusive(|byte| *byte == b'\n') {
                    match line.strip_suffix(b"\r\n") {
                        Some(text) => file.write_all(text).and_then(|()| file.write_all(b"\n"))?,
                        None => file.write_all(line)?,
                    }
                }
                file.flush()
            });
            written.map_err(|cause| ExportError::Io { path, cause })?;
        }
        Ok(())
    }

    fn customer(&mut self, _: &wire::Customer, _: &mut Notes) -> Result<(), ExportError> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Notes) -> Result<(), ExportError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_look_like_separators_are_quoted_once_more() {
        let mail = Mail {
            sender: "ann@example.net".to_owned(),
            at: "2024-01-05T02:03:04Z".parse().unwrap(),
            thread: 1,
            bytes: b"Subject: x\r\n\r\nFrom me\r\n>From you\r\n> From no\r\nFromage\r\nend".to_vec(),
        };
        let mut out = Vec::new();
        write_quoted(&mut out, &mail).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "From ann@example.net Fri Jan  5 02:03:04 2024\nSubject: x\n\n>From me\n>>From you\n> From no\nFromage\nend\n\n"
        );
    }
}
