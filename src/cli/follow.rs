//! `foxferry backup --follow`: a copy that is minutes behind.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use foxferry::backup::{self, Followed, Following, Keep, Progress};
use foxferry::freescout::Client;
use foxferry::upload::Stop;
use secrecy::SecretString;
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use crate::cli::backup::{View, duration, failure_of, line_of};
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::{self, Interrupt};
use crate::cli::screen::{Screen, counted};
use crate::cli::settings;
use crate::env;

#[derive(Debug, Args)]
#[command(next_help_heading = "Following")]
pub struct FollowArgs {
    /// Go on after the first snapshot: FreeScout calls whenever something happens, and the copy stays minutes behind
    #[arg(long, conflicts_with = "also")]
    follow: bool,
    /// Where FreeScout's calls arrive; best on this machine alone, behind its web server
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8026", requires = "follow")]
    listen: SocketAddr,
    /// The address by which FreeScout reaches it; left out: `http://ADDR:PORT`
    #[arg(long, value_name = "URL", requires = "follow")]
    public_url: Option<String>,
    /// Seal a snapshot this often, if anything differs
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration, requires = "follow")]
    every: Duration,
    /// List everything this often, for what no call tells of
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration, requires = "follow")]
    list_every: Duration,
}

impl FollowArgs {
    pub fn is_asked(&self) -> bool {
        self.follow
    }

    /// How to follow, and the listener.
    fn following(&self, keep: Keep, runtime: &tokio::runtime::Runtime) -> Result<(Following, TcpListener), Failure> {
        let secret = settings::variable(env::WEBHOOK_SECRET)?.map(|secret| secret.trim().to_owned());
        let Some(secret) = secret.filter(|secret| !secret.is_empty()) else {
            return Err(Failure::new(Exit::Usage, "there is no secret to check FreeScout's calls with").hint(
                format_args!(
                    "set {}; FreeScout signs with the MD5 of its `APP_KEY` followed by `webhook_key` (docs/backup.md)",
                    env::WEBHOOK_SECRET
                ),
            ));
        };
        let public = self.public_url.as_deref().map(public).transpose()?;
        if public.is_none() && self.listen.ip().is_unspecified() {
            return Err(Failure::new(Exit::Usage, format_args!("`{}` is no address that can be called", self.listen))
                .hint("say with `--public-url` how FreeScout reaches it"));
        }
        let listener = runtime.block_on(TcpListener::bind(self.listen)).map_err(|cause| {
            Failure::new(Exit::Stopped, format_args!("cannot listen on `{}`: {cause}", self.listen))
                .hint("is another one running? `--listen ADDR:PORT` takes another port")
        })?;
        let public = match public {
            Some(public) => public,
            None => format!("http://{}/", listener.local_addr()?),
        };
        let mut following = Following::new(public, SecretString::from(secret));
        following.every = self.every;
        following.list_every = self.list_every.max(self.every);
        following.settle = following.settle.min(self.every);
        following.keep = keep;
        Ok((following, listener))
    }
}

/// An address for FreeScout.
fn public(text: &str) -> Result<String, Failure> {
    let wrong = |why: &str| Failure::new(Exit::Usage, format_args!("`--public-url` {why}"));
    let url = Url::parse(text).map_err(|cause| wrong(&format!("is no address: {cause}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("has to begin with `https://` or `http://`"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a name or password, which FreeScout would show to its administrators")
            .hint("calls are signed; let the web server pass them on without a password"));
    }
    if url.fragment().is_some() {
        return Err(wrong("has a fragment (`#…`), which is never sent"));
    }
    if !Following::fits(url.as_str()) {
        return Err(wrong("is too long: FreeScout keeps 255 bytes of it"));
    }
    Ok(url.into())
}

/// Follows until somebody asks to stop.
pub fn run(
    args: &FollowArgs,
    screen: &Screen,
    folder: &backup::Backup,
    client: &Client,
    options: &backup::Options,
    keep: Keep,
    max_duration: Option<Duration>,
) -> Result<Exit, Failure> {
    let runtime = interrupt::runtime()?;
    let (following, listener) = args.following(keep, &runtime)?;
    let stop = Stop::new();
    let asked = stop.clone();
    let view = View::new(screen);
    let _interrupt = Interrupt::listen(&runtime, move |_| asked.ask())?;
    if let Some(time) = max_duration {
        let stop = stop.clone();
        runtime.spawn(async move {
            tokio::time::sleep(time).await;
            stop.ask();
        });
    }
    let tell = |progress: Progress<'_>| {
        if let Progress::Sealed(outcome) = &progress
            && !screen.is_json
            && !screen.is_quiet
        {
            view.aside(|| {
                // Nobody is left to tell when stdout is closed; the copy is what counts.
                let _ = writeln!(screen.out(), "{}", line_of(outcome, None));
            });
        }
        view.show(&progress);
    };
    let done = runtime.block_on(backup::follow(folder, client, options, &following, listener, &stop, &tell));
    view.clear();
    report(screen, &done.map_err(|error| failure_of(&error))?)?;
    // It goes on until it is stopped; the next one goes on where this one was.
    Ok(Exit::Interrupted)
}

fn report(screen: &Screen, followed: &Followed) -> Result<(), Failure> {
    let calls = followed.calls;
    if screen.is_json {
        let counts = followed.last.as_ref().map(|last| last.counts).unwrap_or_default();
        let event = json!({
            "event": "finished", "read": counts.conversations + followed.failed, "done": counts.conversations, "skipped": 0,
            "rejected": 0, "dead": followed.failed, "snapshot": followed.last.as_ref().map(|last| &last.name),
            "sealed": followed.last.is_some(), "snapshots": followed.snapshots, "counts": counts, "calls": calls,
            "requests": followed.requests, "seconds": followed.seconds, "is_interrupted": true,
        });
        writeln!(screen.out(), "{event}")?;
        return Ok(());
    }
    let (snapshots, signed) = (counted(followed.snapshots, "snapshot"), counted(calls.signed, "signed call"));
    let mut text = format!("stopped after {snapshots} and {signed}");
    let ignored = calls.unsigned + calls.wrongly_signed + calls.broken;
    if ignored > 0 {
        text.push_str(&format!(", {ignored} others were ignored"));
    }
    screen.say(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_table() {
        for (text, expected) in [
            ("https://backup.example.org/hook", Some("https://backup.example.org/hook")),
            ("http://10.0.0.5:8026", Some("http://10.0.0.5:8026/")),
            ("https://backup.example.org/hook?to=1", Some("https://backup.example.org/hook?to=1")),
            ("ftp://backup.example.org/", None),
            ("backup.example.org", None),
            ("https://ann:secret@backup.example.org/", None),
            ("https://backup.example.org/#top", None),
            (&format!("https://backup.example.org/{}", "x".repeat(230)), None),
        ] {
            assert_eq!(public(text).ok().as_deref(), expected, "{text}");
        }
    }
}
