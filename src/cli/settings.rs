//! The target and its secrets, put together from options and environment; an option goes before a variable.

use std::fs;
use std::path::Path;

use secrecy::SecretString;

use crate::cli::TargetArgs;
use crate::cli::exit::{Exit, Failure};
use crate::env;

/// Where an import goes.
#[derive(Debug)]
pub enum Destination {
    /// A sandbox in this process.
    Sandbox,
    /// A FreeScout.
    Server(Server),
}

/// A FreeScout and what it takes to get in.
#[derive(Debug)]
pub struct Server {
    /// As the operator wrote it.
    pub url: String,
    /// The API key.
    pub key: SecretString,
    /// Name and password of the web server in front of it.
    pub basic: Option<(String, SecretString)>,
    /// Certificates of a private authority, PEM.
    pub authority: Option<Vec<u8>>,
}

impl Destination {
    /// From options and environment.
    pub fn choose(args: &TargetArgs) -> Result<Self, Failure> {
        if args.sandbox {
            return Ok(Self::Sandbox);
        }
        let Some(url) = args.url.clone().map_or_else(|| variable(env::URL), |url| Ok(Some(url)))? else {
            return Err(Failure::new(Exit::Usage, "there is nowhere to send to")
                .hint(format_args!("name a FreeScout with `--url` (or {}), or rehearse with `--sandbox`", env::URL)));
        };
        let key = match &args.key_file {
            Some(path) => key_of(path)?,
            None => variable(env::API_KEY)?.map(|key| SecretString::from(key.trim())).ok_or_else(|| {
                Failure::new(Exit::Usage, format_args!("there is no API key for `{}`", without_password(&url))).hint(
                    format_args!(
                        "set {} or name a file with `--key-file`; FreeScout shows the key under Manage » API & Webhooks",
                        env::API_KEY
                    ),
                )
            })?,
        };
        let basic = match (variable(env::HTTP_USER)?, variable(env::HTTP_PASSWORD)?) {
            (Some(user), password) => Some((user, SecretString::from(password.unwrap_or_default()))),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Failure::new(
                    Exit::Usage,
                    format_args!("{} is set and {} is not", env::HTTP_PASSWORD, env::HTTP_USER),
                )
                .hint("a web-server password needs a name; set both or neither"));
            }
        };
        let authority = match &args.ca_file {
            Some(path) => Some(fs::read(path).map_err(|cause| unreadable("--ca-file", path, &cause))?),
            None => None,
        };
        Ok(Self::Server(Server { url, key, basic, authority }))
    }
}

fn variable(name: &str) -> Result<Option<String>, Failure> {
    env::text(name).map_err(|error| Failure::of(Exit::Usage, &error))
}

fn key_of(path: &Path) -> Result<SecretString, Failure> {
    let text = fs::read_to_string(path).map_err(|cause| unreadable("--key-file", path, &cause))?;
    let key = text.trim();
    if key.is_empty() || key.contains(char::is_whitespace) {
        let found = if key.is_empty() { "is empty" } else { "holds more than one word" };
        return Err(Failure::new(Exit::Usage, format_args!("the key file `{}` {found}", path.display()))
            .hint("it should hold the API key and nothing else"));
    }
    Ok(SecretString::from(key))
}

fn unreadable(option: &str, path: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(Exit::Usage, format_args!("`{option} {}` cannot be read: {cause}", path.display()))
}

/// An address for messages: a password in it is left out.
pub fn without_password(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(mut url) if url.password().is_some() || !url.username().is_empty() => {
            // Fails only for addresses without a host, which have no password either.
            let _ = url.set_password(None);
            let _ = url.set_username("");
            url.to_string()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for (text, expected) in [
            ("https://help.example.org/sub", "https://help.example.org/sub"),
            ("https://ada:secret@help.example.org/", "https://help.example.org/"),
            ("not an address", "not an address"),
        ] {
            assert_eq!(without_password(text), expected);
        }
    }

    #[test]
    fn a_key_file_holds_one_word() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (text, is_fine) in [("abc\n", true), ("  abc  ", true), ("", false), ("a b", false), ("a\nb\n", false)] {
            fs::write(&path, text).unwrap();
            assert_eq!(key_of(&path).is_ok(), is_fine, "{text:?}");
        }
    }
}
