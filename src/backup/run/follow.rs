//! A copy that is minutes behind instead of a night.
//!
//! 1. A webhook is made at FreeScout, and its calls are listened to.
//! 2. A whole run, as every night.
//! 3. From then on: what a call names is read again after it has settled. At each interval, what was written since the last
//!    one is listed too (a question or two), so that a lost call costs an interval and no more; and if anything differs, a
//!    snapshot is sealed. Nothing is read back from the disk for it: what was sealed is kept in `work/` by ids and digests.
//! 4. At a longer interval everything is listed, for what no call and no time shows: merges, tags, custom fields.
//! 5. Once a day another whole run, with all that belongs to it; old snapshots are thinned after each.
//!
//! However it ends, the webhook is removed. A run that is killed leaves a note of it, and what it had read; the next
//! run removes the one and goes on with the other.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, sleep_until};

use super::gather::CUSTOMER_FIELDS;
use super::{IsFollowed, Options, Outcome, Progress, Run};
use crate::backup::calls::{Calls, Due, Tally};
use crate::backup::prune::{self, Keep, Mode};
use crate::backup::seal::Short;
use crate::backup::webhook::{self, Webhook};
use crate::backup::{Backup, BackupError};
use crate::freescout::{Client, Verdict};
use crate::upload::Stop;

/// How a FreeScout is followed.
#[derive(Debug, Clone)]
pub struct Following {
    /// The address by which FreeScout reaches the listener; each webhook gets a mark of its own behind it.
    pub public_url: String,
    /// What FreeScout signs its calls with.
    pub secret: SecretString,
    /// How long what a call names is left alone before it is read: a reply comes with several calls.
    pub settle: Duration,
    /// How often a snapshot is sealed, if anything differs.
    pub every: Duration,
    /// How often everything is listed.
    pub list_every: Duration,
    /// How often there is a whole run.
    pub whole_every: Duration,
    /// Which snapshots of whole runs stay, and which days, weeks and months; empty: all of them.
    pub keep: Keep,
}

impl Following {
    /// With the usual intervals: settled after 10 seconds, sealed every 5 minutes, listed every hour, a whole run each day.
    pub fn new(public_url: impl Into<String>, secret: SecretString) -> Self {
        Self {
            public_url: public_url.into(),
            secret,
            settle: Duration::from_secs(10),
            every: Duration::from_secs(5 * 60),
            list_every: Duration::from_secs(3600),
            whole_every: Duration::from_secs(24 * 3600),
            keep: Keep::default(),
        }
    }

    /// Whether FreeScout stores the public address whole: with the mark behind it it has to have at most 255 bytes.
    pub fn fits(public_url: &str) -> bool {
        webhook::fits(public_url)
    }
}

/// What following came to.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    /// Snapshots that were sealed.
    pub snapshots: u64,
    /// The newest of them.
    pub last: Option<Outcome>,
    /// What could not be had and may be had another time, over all snapshots.
    pub failed: u64,
    /// Calls that came.
    pub calls: Tally,
    /// Requests sent.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
}

type Done<T> = Result<T, BackupError>;

/// Copies what FreeScout holds, and keeps the copy up to date until `stop` asks.
///
/// Needs the backup's [lock](Backup::lock). `listener` is where FreeScout's calls arrive. A FreeScout that is away for a
/// while is waited for, once the first snapshot is sealed; errors are for what ends it.
pub async fn follow(
    backup: &Backup,
    client: &Client,
    options: &Options,
    following: &Following,
    listener: TcpListener,
    stop: &Stop,
    tell: &dyn Fn(Progress<'_>),
) -> Result<Followed, BackupError> {
    let begun = std::time::Instant::now();
    let sent_before = client.requests_sent();
    let calls = Calls::new(&following.secret).map_err(|_| BackupError::Bug { what: "random numbers".to_owned() })?;
    let calls = Arc::new(calls);
    let mut follower = Follower {
        run: Run::open(backup, client, options, tell)?,
        client,
        following,
        calls: Arc::clone(&calls),
        tell,
        customer_fields: Vec::new(),
        is_midway: true,
        is_behind: false,
        is_secret_doubted: false,
        sent_for_last: sent_before,
        followed: Followed::default(),
    };
    webhook::remove_left(backup, client, tell).await?;
    // Before the webhook is made, so that no call is lost; after it, calls are known by its mark.
    let _listening = calls.listen(listener);
    let webhook = tokio::select! {
        biased;
        () = stop.at_once() => return Ok(follower.end(begun, sent_before)),
        // Not left halfway at the first Ctrl-C: then nobody would know its id.
        webhook = Webhook::create(backup, client, &following.public_url, stop, tell) => webhook?,
    };
    let Some(webhook) = webhook else { return Ok(follower.end(begun, sent_before)) };
    calls.expect(&webhook.mark);
    tell(Progress::Listening { url: &following.public_url });
    let ended = tokio::select! {
        biased;
        () = stop.asked() => Ok(()),
        ended = follower.go() => ended,
    };
    follower.complain();
    let removed = tokio::select! {
        biased;
        () = stop.at_once() => Ok(()),
        removed = webhook.remove(client, tell) => removed,
    };
    ended.and(removed)?;
    Ok(follower.end(begun, sent_before))
}

struct Follower<'a> {
    run: Run<'a>,
    client: &'a Client,
    following: &'a Following,
    calls: Arc<Calls>,
    tell: &'a dyn Fn(Progress<'_>),
    /// From the last whole list of customers.
    customer_fields: Vec<String>,
    /// A whole run has begun (here or in a process that was killed) and has not ended.
    is_midway: bool,
    /// Something was missed: only a whole list will find it.
    is_behind: bool,
    is_secret_doubted: bool,
    /// Requests sent when the last snapshot was sealed.
    sent_for_last: u64,
    followed: Followed,
}

impl Follower<'_> {
    fn end(mut self, begun: std::time::Instant, sent_before: u64) -> Followed {
        self.followed.calls = self.calls.tally();
        self.followed.requests = self.client.requests_sent() - sent_before;
        self.followed.seconds = begun.elapsed().as_secs_f64();
        self.followed
    }

    /// Until an error ends it.
    async fn go(&mut self) -> Done<()> {
        loop {
            while let Err(error) = self.whole().await {
                if self.followed.snapshots == 0 {
                    return Err(error);
                }
                self.wait_out(error).await?;
            }
            let whole_at = Instant::now() + self.following.whole_every;
            let mut list_at = Instant::now() + self.following.list_every;
            let mut seal_at = Instant::now() + self.following.every;
            while Instant::now() < whole_at {
                let done = self.turn(seal_at.min(list_at).min(whole_at)).await;
                self.complain();
                let now = Instant::now();
                let done = match done {
                    Ok(()) if now >= list_at || self.is_behind => self.tick(true).await,
                    Ok(()) if now >= seal_at => self.tick(false).await,
                    other => other,
                };
                if now >= seal_at {
                    seal_at = Instant::now() + self.following.every;
                }
                match done {
                    Ok(()) if now >= list_at => list_at = Instant::now() + self.following.list_every,
                    Ok(()) => {}
                    Err(error) => {
                        // What was to be read may have been forgotten.
                        self.is_behind = true;
                        self.wait_out(error).await?;
                    }
                }
            }
        }
    }

    /// Errors that pass are told of and waited for.
    async fn wait_out(&self, error: BackupError) -> Done<()> {
        let BackupError::Target { cause } = &error else { return Err(error) };
        if matches!(cause.verdict(), Verdict::Refused | Verdict::Unauthorised) {
            return Err(error);
        }
        (self.tell)(Progress::Warning(&format!("FreeScout cannot be read now, and is asked again later: {cause}")));
        sleep(self.following.every.min(Duration::from_secs(60))).await;
        Ok(())
    }

    /// What the operator should know about the calls.
    fn complain(&mut self) {
        for mark in self.calls.strangers() {
            (self.tell)(Progress::Warning(&format!(
                "a webhook that this run did not make calls too; if its address ends in `foxferry={mark}`, it is left over \
                 from an earlier run, and can be removed under Manage » API & Webhooks"
            )));
        }
        if !self.is_secret_doubted && self.calls.tally().wrongly_signed > 0 {
            self.is_secret_doubted = true;
            (self.tell)(Progress::Warning(
                "a call came whose signature does not fit, and was ignored; if none fits, the secret is not FreeScout's",
            ));
        }
    }

    /// A run as every night.
    async fn whole(&mut self) -> Done<()> {
        let begun = std::time::Instant::now();
        if !self.is_midway {
            self.run.work.clear()?;
            self.is_midway = true;
        }
        let mut shorts = self.run.gather().await?;
        if let Some(at) = shorts.iter().position(|short| short.name == CUSTOMER_FIELDS) {
            self.customer_fields.clone_from(&shorts[at].lines);
            shorts.swap(at, 0);
        }
        self.seal(&shorts, IsFollowed::No, begun)?;
        self.is_midway = false;
        self.is_behind = false;
        if !self.following.keep.is_empty() {
            prune::prune(self.run.backup, self.following.keep, Mode::Remove)?;
        }
        Ok(())
    }

    /// Waits for calls until then, and reads what they name.
    async fn turn(&mut self, until: Instant) -> Done<()> {
        tokio::select! {
            biased;
            () = sleep_until(until) => return Ok(()),
            () = self.calls.heard() => {}
        }
        sleep(self.following.settle).await;
        self.read_due().await
    }

    async fn read_due(&mut self) -> Done<()> {
        let Due { conversations, customers: _, is_too_much } = self.calls.take();
        self.is_behind |= is_too_much;
        self.run.work.together(|work| conversations.iter().try_for_each(|id| work.ask(*id, 0)))?;
        self.run.ask_one_by_one().await
    }

    /// Looks for what no call has told of, and seals if anything differs.
    async fn tick(&mut self, is_list_due: bool) -> Done<()> {
        let begun = std::time::Instant::now();
        self.read_due().await?;
        let since = self.run.time_of("closing")?;
        let now = self.run.now();
        if is_list_due {
            self.is_behind = true;
            self.run.list_again().await?;
        }
        self.run.changes_meanwhile(2).await?;
        if is_list_due {
            let mut shorts = Vec::new();
            self.run.customers(&mut shorts).await?;
            self.customer_fields = shorts.pop().map(|short| short.lines).unwrap_or_default();
            self.is_behind = false;
        } else {
            self.run.customers_since(Some(since.unwrap_or(self.run.started))).await?;
        }
        if !self.run.work.differs()? {
            return Ok(());
        }
        self.run.name_it(now)?;
        let (mailboxes, _) = self.run.mailboxes().await?;
        let mut shorts = self.run.shorts(&mailboxes).await?;
        shorts.push(Short { name: CUSTOMER_FIELDS, lines: self.customer_fields.clone() });
        self.seal(&shorts, IsFollowed::Yes, begun)
    }

    /// Seals what was gathered, and makes it what the next snapshot is compared with.
    fn seal(&mut self, shorts: &[Short], is_followed: IsFollowed, begun: std::time::Instant) -> Done<()> {
        (self.tell)(Progress::Sealing);
        let closing = self.run.time_of("closing")?.unwrap_or(self.run.started);
        let mut outcome = self.run.outcome();
        outcome.is_sealed_as(&self.run.seal(shorts, is_followed)?);
        // What was read as calls came belongs to the snapshot that holds it.
        let sent = self.client.requests_sent();
        outcome.requests = sent - self.sent_for_last;
        outcome.seconds = begun.elapsed().as_secs_f64();
        self.sent_for_last = sent;
        self.run.sums = Arc::default();
        let sealed = self.run.backup.snapshot(&outcome.name)?;
        self.run.turn_over(sealed, closing)?;
        prune::thin(self.run.backup)?;
        self.followed.snapshots += 1;
        self.followed.failed += outcome.failed;
        (self.tell)(Progress::Sealed(&outcome));
        self.followed.last = Some(outcome);
        Ok(())
    }
}

impl Run<'_> {
    fn time_of(&self, key: &str) -> Done<Option<Timestamp>> {
        Ok(self.work.meta(key)?.and_then(|text| text.parse().ok()))
    }

    /// The sealed snapshot is the one before now. A process that is killed from here on leaves a run that the next one
    /// can go on with.
    fn turn_over(&mut self, sealed: crate::backup::read::Snapshot, closing: Timestamp) -> Done<()> {
        self.base = Some(sealed);
        self.name_it(self.now())?;
        let asked = self.asked_for()?;
        self.work.together(|work| {
            work.turn_over()?;
            for key in ["listed", "passed"] {
                work.unset_meta(key)?;
            }
            work.set_meta("asked", &asked)?;
            work.set_meta("name", &self.name)?;
            work.set_meta("started", &self.started.to_string())?;
            work.set_meta("closing", &closing.to_string())
        })?;
        self.work.shrink_log()
    }
}
