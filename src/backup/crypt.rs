//! Encryption of a backup's files, in the format that the `age` tool reads: <https://age-encryption.org/v1>.
//!
//! Promises:
//!
//! - Whatever is written here is opened by the stock tool, file by file: `age -d -i key.txt FILE.age`.
//! - Files are sealed as they are written and opened as they are read; 64 KiB of one are in memory.
//! - Recipients are public and stand in the folder. Identities come from a file of the operator's, are never written, and
//!   are in no message: an error names a line's number and not the line.
//!
//! What a thief of the folder still sees is in `docs/backup.md`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::stream::StreamWriter;
use age::x25519::{Identity, Recipient};
use age::{DecryptError, Decryptor, Encryptor};
use secrecy::{ExposeSecret as _, SecretString};

use super::format::Hashing;

/// The ending of an encrypted file.
pub(super) const ENDING: &str = ".age";

/// The longest file of recipients or identities: some thousands of them.
const LONGEST_FILE: u64 = 1 << 20;

/// Recipients or identities cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not `age1…`.
    #[error("`{found}` is no recipient: it would be `age1…`, as `age-keygen` prints it")]
    NotARecipient {
        /// What was given; recipients are public.
        found: String,
    },
    /// A line of a file of recipients is none.
    #[error("`{}`, line {line}: not a recipient (`age1…`)", path.display())]
    NotARecipientLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A line of a file of identities is none. The line is not shown.
    #[error("`{}`, line {line}: not an identity (`AGE-SECRET-KEY-1…`)", path.display())]
    NotAnIdentity {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// Nothing is in it.
    #[error("`{}` holds no key", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Who can open a backup, and whoever of them is here.
///
/// The default is nobody: files are plain.
#[derive(Clone, Default)]
pub struct Keys {
    recipients: Vec<Recipient>,
    identities: Vec<Identity>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Keys({} recipients, {} identities)", self.recipients.len(), self.identities.len())
    }
}

/// The lines of a file that are neither empty nor remarks.
fn lines_of(path: &Path) -> Result<SecretString, KeyError> {
    let unreadable = |cause| KeyError::Unreadable { path: path.to_path_buf(), cause };
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(LONGEST_FILE).read_to_string(&mut text)).map_err(unreadable)?;
    Ok(text.into())
}

fn keys_in<T>(path: &Path, wrong: fn(PathBuf, usize) -> KeyError) -> Result<Vec<T>, KeyError>
where
    T: std::str::FromStr,
{
    let text = lines_of(path)?;
    let mut keys = Vec::new();
    for (at, line) in text.expose_secret().lines().enumerate() {
        let line = line.trim();
        if !line.is_empty() && !line.starts_with('#') {
            keys.push(line.parse().map_err(|_| wrong(path.to_path_buf(), at + 1))?);
        }
    }
    if keys.is_empty() {
        return Err(KeyError::Empty { path: path.to_path_buf() });
    }
    Ok(keys)
}

impl Keys {
    /// Those to whom a new backup is encrypted: `age1…`, and files of such lines.
    pub fn of_recipients(named: &[String], files: &[PathBuf]) -> Result<Self, KeyError> {
        let mut recipients = Vec::new();
        for text in named {
            let recipient = text.trim().parse().map_err(|_| {
                // Whoever mixes the two up has not meant to show it.
                let is_secret = text.to_ascii_uppercase().contains("SECRET");
                let found = if is_secret { "AGE-SECRET-KEY-…" } else { text.trim() };
                KeyError::NotARecipient { found: found.to_owned() }
            })?;
            recipients.push(recipient);
        }
        for path in files {
            recipients.extend(keys_in(path, |path, line| KeyError::NotARecipientLine { path, line })?);
        }
        Ok(Self { recipients: in_order(recipients), identities: Vec::new() })
    }

    /// Adds the identities of a file, as `age-keygen` writes it: one `AGE-SECRET-KEY-1…` a line.
    pub fn with_identities(mut self, path: &Path) -> Result<Self, KeyError> {
        self.identities.extend(keys_in::<Identity>(path, |path, line| KeyError::NotAnIdentity { path, line })?);
        Ok(self)
    }

    /// Whether files are encrypted.
    pub fn is_encrypted(&self) -> bool {
        !self.recipients.is_empty()
    }

    /// Whether there is anybody to open files.
    pub(super) fn has_identities(&self) -> bool {
        !self.identities.is_empty()
    }

    /// Whether files can be read.
    pub fn can_read(&self) -> bool {
        !self.is_encrypted() || !self.identities.is_empty()
    }

    /// Whether an identity belongs to a recipient.
    pub(super) fn fits(&self) -> bool {
        self.identities.iter().any(|identity| self.recipients.contains(&identity.to_public()))
    }

    /// Recipients as they stand in the folder, in order.
    pub(super) fn shown(&self) -> Vec<String> {
        self.recipients.iter().map(ToString::to_string).collect()
    }

    /// The ending that files have beside their own.
    pub(super) fn ending(&self) -> &'static str {
        if self.is_encrypted() { ENDING } else { "" }
    }

    /// Takes over who is here.
    pub(super) fn identities_of(mut self, other: &Self) -> Self {
        self.identities.clone_from(&other.identities);
        self
    }

    /// What opens the bytes of an encrypted file.
    pub(super) fn opened<R: Read>(&self, from: R) -> io::Result<age::stream::StreamReader<BufReader<R>>> {
        if self.identities.is_empty() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is encrypted, and there is no identity"));
        }
        let identities = self.identities.iter().map(|identity| identity as &dyn age::Identity);
        let opened = Decryptor::new_buffered(BufReader::with_capacity(1 << 17, from))
            .and_then(|decryptor| decryptor.decrypt(identities));
        opened.map_err(|cause| match cause {
            DecryptError::Io(cause) => cause,
            DecryptError::NoMatchingKeys => {
                io::Error::new(io::ErrorKind::PermissionDenied, "it is encrypted, and the identity does not open it")
            }
            other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
        })
    }

    /// A whole encrypted file.
    pub(crate) fn open(self: &Arc<Self>, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.opened(File::open(path)?)?))
    }
}

/// One who is named twice counts once, and the order in which they were named says nothing.
fn in_order(mut recipients: Vec<Recipient>) -> Vec<Recipient> {
    recipients.sort_by_cached_key(ToString::to_string);
    recipients.dedup();
    recipients
}

/// A file on its way to the disk, plain or sealed, hashed as it lies there.
pub(super) enum Sink<W: Write> {
    Plain(Box<Hashing<W>>),
    Sealed(Box<Hashing<StreamWriter<Hashing<W>>>>),
}

/// Hash and length of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sum {
    pub sha256: String,
    pub bytes: u64,
}

/// What became of a [`Sink`].
pub(super) struct Sunk<W> {
    /// As it lies on the disk.
    pub stored: Sum,
    /// As it was written; the same if it is plain.
    pub content: Sum,
    pub to: W,
}

impl<W: Write> Sink<W> {
    pub fn new(to: W, keys: &Keys) -> io::Result<Self> {
        let to = Hashing::new(to);
        if !keys.is_encrypted() {
            return Ok(Self::Plain(Box::new(to)));
        }
        let recipients = keys.recipients.iter().map(|recipient| recipient as &dyn age::Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(|cause| io::Error::other(cause.to_string()))?;
        Ok(Self::Sealed(Box::new(Hashing::new(encryptor.wrap_output(to)?))))
    }

    /// Writes what is left; without it a sealed file cannot be opened.
    pub fn finish(self) -> io::Result<Sunk<W>> {
        Ok(match self {
            Self::Plain(to) => {
                let (sha256, bytes, to) = to.finish();
                let sum = Sum { sha256, bytes };
                Sunk { stored: sum.clone(), content: sum, to }
            }
            Self::Sealed(to) => {
                let (sha256, bytes, to) = to.finish();
                let content = Sum { sha256, bytes };
                let (sha256, bytes, to) = to.finish()?.finish();
                Sunk { stored: Sum { sha256, bytes }, content, to }
            }
        })
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Sealed(to) => to.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Sealed(to) => to.flush(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;

    /// A new identity in a file, and its recipient.
    pub fn identity(folder: &Path, name: &str) -> (PathBuf, String) {
        let identity = Identity::generate();
        let path = folder.join(name);
        let text = format!("# made for a test\n\n{}\n", identity.to_string().expose_secret());
        std::fs::write(&path, text).unwrap();
        (path, identity.to_public().to_string())
    }

    #[test]
    fn what_is_sealed_is_opened_by_each_recipient_and_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let (one, to_one) = identity(folder.path(), "one");
        let (two, to_two) = identity(folder.path(), "two");
        let (stranger, _) = identity(folder.path(), "stranger");
        let keys = Keys::of_recipients(&[to_one.clone(), to_two, to_one], &[]).unwrap();
        assert_eq!(keys.recipients.len(), 2);
        for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
            let text: Vec<u8> = (0..length).map(|n: u32| (n % 251) as u8).collect();
            let mut sink = Sink::new(Vec::new(), &keys).unwrap();
            sink.write_all(&text).unwrap();
            let sunk = sink.finish().unwrap();
            assert_eq!((sunk.content.bytes, sunk.stored.bytes), (u64::from(length), sunk.to.len() as u64));
            assert!(sunk.to.starts_with(b"age-encryption.org/v1\n"));
            for path in [&one, &two] {
                let keys = keys.clone().with_identities(path).unwrap();
                let mut back = Vec::new();
                keys.opened(&sunk.to[..]).unwrap().read_to_end(&mut back).unwrap();
                assert_eq!(back, text);
                // Cut off at the end of a piece, too: nothing less than all of it is taken for all of it.
                let cut = &sunk.to[..sunk.to.len() - 1];
                assert!(keys.opened(cut).and_then(|mut from| from.read_to_end(&mut Vec::new())).is_err());
            }
            let strange = keys.clone().with_identities(&stranger).unwrap();
            assert!(!strange.fits() && strange.opened(&sunk.to[..]).is_err() && keys.opened(&sunk.to[..]).is_err());
        }
    }

    #[test]
    fn a_wrong_key_is_told_of_without_being_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (path, recipient) = identity(folder.path(), "one");
        let secret = std::fs::read_to_string(&path).unwrap().lines().last().unwrap().to_owned();
        let error = Keys::of_recipients(std::slice::from_ref(&secret), &[]).unwrap_err().to_string();
        assert!(!error.contains(&secret[20..]), "{error}");
        let broken = folder.path().join("broken");
        std::fs::write(&broken, format!("# x\n{}\n", &secret[..40])).unwrap();
        let error = Keys::default().with_identities(&broken).unwrap_err();
        assert!(
            matches!(error, KeyError::NotAnIdentity { line: 2, .. }) && !error.to_string().contains("SECRET-KEY-1Q")
        );
        std::fs::write(&broken, "# nothing\n").unwrap();
        assert!(matches!(Keys::default().with_identities(&broken), Err(KeyError::Empty { .. })));
        std::fs::write(&broken, format!("{recipient}\nage1x\n")).unwrap();
        let wrong = Keys::of_recipients(&[], &[broken]);
        assert!(matches!(wrong, Err(KeyError::NotARecipientLine { line: 2, .. })));
        assert!(!format!("{:?}", Keys::default().with_identities(&path).unwrap()).contains("SECRET"));
    }
}
