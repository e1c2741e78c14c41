//! Asks a FreeScout what it is and can do, and says what would go wrong before anything is sent.
//!
//! Promises:
//!
//! - [`examine`] changes nothing: what is not a question is a request that FreeScout refuses.
//! - [`experiment`] works in one mailbox, mails nobody, and removes every conversation it made, also those that an
//!   earlier experiment left behind. The one customer it needs stays, since the API cannot delete customers.
//! - Every [`Diagnosis`] that is not fine says what to do.
//!
//! What was [`Learnt`] is kept in the journal, where the uploader finds it.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::freescout::{ApiError, Client, Directory, ErrorKind, Verdict};
use crate::journal::{Journal, JournalError};
use crate::report::figures::chain;
use crate::upload::facts;

mod experiments;
mod generation;
mod holdings;
mod sizes;

pub use experiments::{ADDRESS, experiment};
pub use sizes::LARGEST;

/// How long a request that failed waits for its second try.
const SECOND_TRY: Duration = Duration::from_secs(1);

/// An answer that takes longer than this is worth a word.
const SLOW: Duration = Duration::from_millis(1500);

/// Clocks that differ by more than this many seconds are worth a word.
const SKEW: i64 = 60;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Note,
    /// An import works, and something of it will be other than expected.
    Warning,
    /// An import would fail, lose something or mail somebody.
    Error,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// What was looked at, as `docs/doctor.md` lists it.
    pub topic: &'static str,
    /// How bad it is.
    pub grade: Grade,
    /// What was found.
    pub text: String,
    /// What to do; always there unless it is fine.
    pub advice: Option<String>,
}

/// What the journal keeps for the uploader. `None`: nothing was learnt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Learnt {
    /// The largest request that was taken, in bytes.
    pub taken: Option<u64>,
    /// The smallest request that was refused for its size, in bytes.
    pub refused: Option<u64>,
    /// Whether FreeScout numbers conversations by itself.
    pub has_custom_numbers: Option<bool>,
    /// Whether `imported` reaches FreeScout.
    pub takes_imports: Option<bool>,
}

impl Learnt {
    /// Keeps it in a journal.
    pub async fn keep(&self, journal: &Journal) -> Result<(), JournalError> {
        if let Some(taken) = self.taken {
            journal.set_fact(facts::REQUEST_TAKEN, &taken.to_string()).await?;
            journal.set_fact(facts::REQUEST_BUDGET, &facts::budget(taken, self.refused)).await?;
        }
        if self.has_custom_numbers == Some(true) {
            journal.set_fact(facts::CUSTOM_NUMBERS, "yes").await?;
        }
        if let Some(takes) = self.takes_imports {
            journal.set_fact(facts::TAKES_IMPORTS, if takes { "yes" } else { "no" }).await?;
        }
        Ok(())
    }

    /// Takes over what another part of the examination has learnt.
    pub fn and(self, other: Self) -> Self {
        Self {
            taken: other.taken.or(self.taken),
            refused: other.refused.or(self.refused),
            has_custom_numbers: other.has_custom_numbers.or(self.has_custom_numbers),
            takes_imports: other.takes_imports.or(self.takes_imports),
        }
    }
}

/// How far an examination goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest request that is offered, in bytes; 0: none is.
    pub largest_request: u64,
    /// This machine's clock.
    pub now: fn() -> Timestamp,
}

impl Default for Options {
    fn default() -> Self {
        Self { largest_request: LARGEST, now: Timestamp::now }
    }
}

/// An examination cannot go on: the address is not a FreeScout that lets us in. Its diagnosis has been told.
#[derive(Debug, thiserror::Error)]
#[error("the examination cannot go on")]
pub struct Hopeless {
    /// What was answered.
    #[source]
    pub cause: ApiError,
}

/// The examination's desk: asks, keeps the time, and tells what was found.
pub(crate) struct Desk<'a> {
    client: &'a Client,
    tell: &'a mut (dyn FnMut(Diagnosis) + Send),
    asked: u64,
    /// What failed once and worked when it was asked again.
    shaky: Vec<String>,
    /// How long each answer took.
    times: Vec<Duration>,
}

impl<'a> Desk<'a> {
    fn new(client: &'a Client, tell: &'a mut (dyn FnMut(Diagnosis) + Send)) -> Self {
        Self { client, tell, asked: 0, shaky: Vec::new(), times: Vec::new() }
    }

    fn say(&mut self, topic: &'static str, grade: Grade, text: impl Into<String>, advice: &str) {
        let advice = Some(advice.to_owned()).filter(|advice| !advice.is_empty());
        debug_assert!(advice.is_some() || grade == Grade::Fine, "every trouble comes with advice");
        (self.tell)(Diagnosis { topic, grade, text: text.into(), advice });
    }

    fn fine(&mut self, topic: &'static str, text: impl Into<String>) {
        self.say(topic, Grade::Fine, text, "");
    }

    /// Asks; once more, if the first answer was none.
    async fn ask<T, F>(&mut self, question: impl Fn(&'a Client) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        self.asked += 1;
        let first = self.timed(&question).await;
        let Err(error) = first else { return first };
        let wait = match error.verdict() {
            Verdict::Throttled { retry_after } => retry_after.unwrap_or(SECOND_TRY),
            Verdict::Unknown => SECOND_TRY,
            _ => return Err(error),
        };
        tokio::time::sleep(wait.min(Duration::from_secs(60))).await;
        let second = self.timed(&question).await;
        if second.is_ok() {
            self.shaky.push(error.to_string());
        }
        second
    }

    async fn timed<T, F>(&mut self, question: &impl Fn(&'a Client) -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let started = Instant::now();
        let answer = question(self.client).await;
        self.times.push(started.elapsed());
        answer
    }

    /// Something that could not be found out.
    fn unanswered(&mut self, topic: &'static str, what: &str, error: &ApiError) {
        let advice = advice_for(error);
        self.say(topic, Grade::Error, format!("{what}: {}", chain(error)), &advice);
    }

    /// How the conversation with the server went.
    fn say_manners(&mut self) {
        if let Some(first) = self.shaky.first() {
            let text =
                format!("{} of {} questions failed at first, one of them so: {first}", self.shaky.len(), self.asked);
            self.say(
                "reliability",
                Grade::Warning,
                text,
                "an import repeats such requests and stays exact, but slowly; look at the web server's and PHP's logs, and \
                 give `--concurrency 1` or `--rate` if it is overloaded",
            );
        }
        self.times.sort_unstable();
        let Some(median) = self.times.get(self.times.len() / 2).copied() else { return };
        let slowest = self.times.last().copied().unwrap_or_default();
        let text = format!("answers take {} as a rule, the slowest took {}", shown(median), shown(slowest));
        if median > SLOW {
            let advice = "an import will be slow; run it at night (`--window 20:00-06:00`), and set \
                          APP_UPDATE_FOLDER_COUNTERS_IN_BACKGROUND=true in FreeScout's `.env` while it runs";
            self.say("pace", Grade::Warning, text, advice);
        } else {
            self.fine("pace", text);
        }
    }
}

/// Looks at everything that can be learnt without changing anything.
///
/// Each [`Diagnosis`] is told as soon as it is known. `Err`: the address is no FreeScout that lets us in.
pub async fn examine(
    client: &Client,
    options: &Options,
    tell: &mut (dyn FnMut(Diagnosis) + Send),
) -> Result<(Directory, Learnt), Hopeless> {
    let mut desk = Desk::new(client, tell);
    let directory = match desk.ask(Directory::fetch).await {
        Ok(directory) => directory,
        Err(error) => {
            let topic = topic_of(&error);
            desk.say(topic, Grade::Error, chain(&error), &advice_for(&error));
            return Err(Hopeless { cause: error });
        }
    };
    desk.say_address();
    desk.say_clock(directory.server_date, (options.now)());
    generation::look(&mut desk, &directory).await;
    holdings::look(&mut desk, &directory).await;
    let numbers = holdings::numbers(&mut desk).await;
    let sizes = sizes::look(&mut desk, options.largest_request).await;
    desk.say(
        "automation",
        Grade::Note,
        "webhooks and workflows run for imported conversations too, and the API does not say whether there are any",
        "pause those that act on new conversations, replies or customers until the import is finished (Manage » API & \
         Webhooks, Manage » Mailboxes » Workflows)",
    );
    desk.say_manners();
    Ok((directory, sizes.and(Learnt { has_custom_numbers: numbers, ..Learnt::default() })))
}

impl Desk<'_> {
    fn say_address(&mut self) {
        let url = self.client.shown_url().to_owned();
        let host = url::Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let is_near = matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
        if url.starts_with("http:") && !is_near {
            let advice = "name it with `https://`: whoever sees the traffic can read the key and all mail";
            self.say("address", Grade::Warning, format!("{url} is reached without encryption"), advice);
        } else {
            self.fine("address", format!("{url} is a FreeScout with API & Webhooks, and takes the key"));
        }
    }

    fn say_clock(&mut self, server: Option<Timestamp>, now: Timestamp) {
        let Some(server) = server else {
            let advice = "nothing has to be done: look-ups of requests without an answer only take longer";
            return self.say("clock", Grade::Note, "the server does not tell the time (no `Date` header)", advice);
        };
        let ahead = server.as_second() - now.as_second();
        if ahead.abs() <= SKEW {
            return self.fine("clock", "the server's clock agrees with this machine's");
        }
        let way = if ahead > 0 { "ahead of" } else { "behind" };
        let text = format!("the server's clock is {} s {way} this machine's", ahead.abs());
        let advice = "set the clock that is wrong (`timedatectl`); old times are not touched by it, but backups and deltas ask \
                      for what changed since a time";
        self.say("clock", Grade::Warning, text, advice);
    }
}

/// Which topic an error at the door is about.
fn topic_of(error: &ApiError) -> &'static str {
    match error.kind() {
        ErrorKind::KeyRefused | ErrorKind::LoginRefused => "key",
        ErrorKind::ModuleMissing | ErrorKind::NoSuchMethod => "module",
        ErrorKind::HostNotTrusted => "host",
        _ => "address",
    }
}

/// What helps against it.
pub fn advice_for(error: &ApiError) -> String {
    let text = match error.kind() {
        ErrorKind::Unreachable => "is the address right, and is the server up and reachable from here?",
        ErrorKind::Untrusted => "for a private authority, name its certificates with `--ca-file`",
        ErrorKind::KeyRefused => {
            "FreeScout shows the key under Manage » API & Webhooks; set FREESCOUT_API_KEY or name a file with `--key-file`"
        }
        ErrorKind::LoginRefused => {
            "the web server wants a password of its own: set FREESCOUT_HTTP_USER and FREESCOUT_HTTP_PASSWORD"
        }
        ErrorKind::Redirected { to } => {
            return format!("requests are never sent elsewhere; if `{to}` is the right place, name it with `--url`");
        }
        ErrorKind::HostNotTrusted => {
            "use the host name that FreeScout has as its own (`APP_URL` in its `.env`), or add this one to `APP_TRUSTED_HOSTS`"
        }
        ErrorKind::ModuleMissing => "install and switch on the module API & Webhooks (Manage » Modules)",
        ErrorKind::NotFreeScout | ErrorKind::BadAnswer => {
            "the address is that of FreeScout's start page, with its sub-folder if it has one; a web page in between \
             (a log-in, a firewall) has to be opened for this machine"
        }
        ErrorKind::Forbidden | ErrorKind::Puzzling => {
            "something in front of FreeScout turns requests away: allow this machine in its firewall"
        }
        ErrorKind::Throttled => {
            "something in front of FreeScout limits requests: lift that for this machine, or give `--rate`"
        }
        ErrorKind::ServerFault if error.status() == Some(503) => {
            "FreeScout is in maintenance or overloaded: wait, or end it with `php artisan up`"
        }
        ErrorKind::ServerFault => "look at storage/logs of FreeScout and at the web server's log",
        ErrorKind::HungUp | ErrorKind::TimedOut => {
            "the connection breaks: look at the web server's log, its time limits, and PHP-FPM's memory and restarts"
        }
        ErrorKind::TooLarge => "raise `client_max_body_size` (nginx) and `post_max_size` (PHP)",
        ErrorKind::NoSuchMethod => "update the module API & Webhooks",
        _ => "look at storage/logs of FreeScout",
    };
    text.to_owned()
}

fn shown(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests;
