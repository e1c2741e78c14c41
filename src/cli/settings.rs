//! The target and its secrets, put together from options and environment; an option goes before a variable.

use std::fs;
use std::path::{Path, PathBuf};

use foxferry::freescout::{ApiError, Client, ClientError, Target};
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
    pub ca_file: Option<PathBuf>,
}

impl Destination {
    /// From options and environment.
    pub fn choose(args: &TargetArgs) -> Result<Self, Failure> {
        if args.sandbox {
            return Ok(Self::Sandbox);
        }
        let place =
            Place { url: args.url.as_deref(), key_file: args.key_file.as_deref(), ca_file: args.ca_file.as_deref() };
        let Some(server) = Server::choose(&place)? else {
            return Err(Failure::new(Exit::Usage, "there is nowhere to send to")
                .hint(format_args!("name a FreeScout with `--url` (or {}), or rehearse with `--sandbox`", env::URL)));
        };
        Ok(Self::Server(server))
    }
}

/// What options say about a FreeScout; the environment says the rest.
#[derive(Debug)]
pub struct Place<'a> {
    /// `--url`.
    pub url: Option<&'a str>,
    /// `--key-file`.
    pub key_file: Option<&'a Path>,
    /// `--ca-file`.
    pub ca_file: Option<&'a Path>,
}

impl Server {
    /// From options and environment; `None`: neither names one.
    pub fn choose(place: &Place<'_>) -> Result<Option<Self>, Failure> {
        let named = place.url.map(str::to_owned);
        let Some(url) = named.map_or_else(|| variable(env::URL), |url| Ok(Some(url)))? else { return Ok(None) };
        let key = match place.key_file {
            Some(path) => key_of(path)?,
            None => variable(env::API_KEY)?.map(|key| SecretString::from(key.trim())).ok_or_else(|| {
                Failure::new(Exit::Usage, "there is no API key for the target").hint(format_args!(
                    "set {} or name a file with `--key-file`; FreeScout shows the key under Manage » API & Webhooks",
                    env::API_KEY
                ))
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
        if let Some(path) = place.ca_file {
            fs::File::open(path).map_err(|cause| unreadable("--ca-file", path, &cause))?;
        }
        Ok(Some(Self { url, key, basic, ca_file: place.ca_file.map(Path::to_path_buf) }))
    }

    /// A sandbox in this process.
    pub fn sandbox(url: &str, key: &str) -> Self {
        Self { url: url.to_owned(), key: SecretString::from(key), basic: None, ca_file: None }
    }

    /// A client for it.
    pub fn client(&self, concurrency: usize) -> Result<Client, Failure> {
        let wrong = |error| Failure::of(Exit::Usage, &error);
        let mut target = Target::new(&self.url, self.key.clone()).map_err(wrong)?;
        // The environment goes before a name and password in the address, which others can see.
        if let Some(basic) = &self.basic {
            target.http_login = Some(basic.clone());
        }
        target.ca_file.clone_from(&self.ca_file);
        target.connections = concurrency;
        Client::new(target).map_err(|error| match error {
            ClientError::BadUrl { .. } | ClientError::BadKey { .. } | ClientError::CaFile { .. } => wrong(error),
            _ => Failure::of(Exit::Stopped, &error),
        })
    }
}

/// Why a target cannot be used, with advice.
pub fn failure_of(error: &ApiError) -> Failure {
    Failure::of(Exit::Stopped, error).hint(foxferry::doctor::advice_for(error))
}

pub fn variable(name: &str) -> Result<Option<String>, Failure> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
