//! The line to FreeScout: every request of an upload passes here, and here all waiting happens.
//!
//! Reads are simply sent again. Writes are not: what becomes of one that was
//! not answered is decided by whoever sent it, after asking FreeScout.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedMutexGuard, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::facts;
use super::limiter::{Asks, Like, Limiter, Permit, Reply};
use super::{Options, Stop, UploadError, retry};
use crate::finding::{Finding, codes};
use crate::freescout::{ApiError, Client, Directory, ErrorKind, Verdict};
use crate::journal::{Intent, Journal, JournalError, RecordRow, RunId, StepId, StepKind};
use crate::record::{Origin, RecordId};
use crate::report::forecast::Forecast;
use crate::report::{Event, Reporter, Summary};

/// Why a task ends without an outcome for its record.
#[derive(Debug)]
pub(super) enum Halt {
    /// The operator, or an error elsewhere, has ended the run.
    Interrupted,
    /// This ends the run.
    Fatal(UploadError),
}

impl From<JournalError> for Halt {
    fn from(error: JournalError) -> Self {
        Self::Fatal(UploadError::Journal(error))
    }
}

/// A request that did not succeed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It had no effect, and would be refused again.
    Refused(ApiError),
    /// Nobody knows whether it had an effect. It was sent at this time.
    Unknown(StepId, Instant, ApiError),
    /// The run ends.
    Halt(Halt),
}

impl<E: Into<Halt>> From<E> for Failure {
    fn from(halt: E) -> Self {
        Self::Halt(halt.into())
    }
}

/// Which record something is done for.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) id: RecordId,
    pub(super) origin: Origin,
}

/// What all tasks of a run share.
pub(super) struct Line {
    pub(super) client: Client,
    pub(super) directory: Directory,
    pub(super) journal: Journal,
    pub(super) options: Options,
    pub(super) limiter: Arc<Limiter>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) stop: Stop,
    /// Set by the first fatal error.
    pub(super) halt: CancellationToken,
    pub(super) run: RunId,
    begun: Instant,
    /// What the client had sent when the run began.
    requests_before: u64,
    /// Writes that are in flight.
    writes: AtomicUsize,
    /// The right to have an intent on disk and wait for a place in flight.
    ahead: Semaphore,
    /// Findings so far, by severity.
    findings: [AtomicU64; 3],
    /// Whether creates go one at a time.
    is_single_file: AtomicBool,
    /// Held by the create that is in flight, if they go one at a time.
    create: tokio::sync::Mutex<()>,
}

/// When a run first tells how far it is.
const FIRST_PROGRESS: Duration = Duration::from_secs(1);

/// How often it does from then on.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// What fails alone is tried for this part of the time that a silent target is waited for.
const ALONE: u32 = 3;

impl Line {
    /// Begins a run, and writes it into the journal.
    pub(super) async fn begin(
        client: &Client,
        directory: &Directory,
        journal: &Journal,
        options: &Options,
        reporter: Arc<dyn Reporter>,
        stop: &Stop,
    ) -> Result<Self, UploadError> {
        let begun = Instant::now();
        let requests_before = client.requests_sent();
        let run = journal.begin_run(&options.command).await.map_err(UploadError::Journal)?;
        let limiter = Limiter::new(options, Arc::clone(&reporter));
        let most = options.concurrency;
        Ok(Self {
            client: client.clone(),
            directory: directory.clone(),
            journal: journal.clone(),
            options: options.clone(),
            limiter,
            reporter,
            stop: stop.clone(),
            halt: CancellationToken::new(),
            run,
            begun,
            requests_before,
            writes: AtomicUsize::new(0),
            ahead: Semaphore::new(most_ahead(most)),
            findings: Default::default(),
            is_single_file: AtomicBool::new(false),
            create: tokio::sync::Mutex::new(()),
        })
    }

    /// Ends the run as `result` says: completes its sums, writes them into the journal and tells them.
    pub(super) async fn end(&self, result: Result<(), UploadError>, mut sums: Summary) -> Result<Summary, UploadError> {
        sums.findings = self.findings();
        sums.requests = self.client.requests_sent() - self.requests_before;
        sums.is_interrupted = self.stop.is_asked();
        sums.seconds = self.begun.elapsed().as_secs_f64();
        let ending = match &result {
            Err(error) => error.to_string(),
            Ok(()) if sums.is_interrupted => "interrupted".to_owned(),
            Ok(()) => "finished".to_owned(),
        };
        let text = serde_json::to_string(&sums).unwrap_or_default();
        let ended = self.journal.end_run(self.run, &ending, text).await.map_err(UploadError::Journal);
        result?;
        ended?;
        self.options.accounts.sum(|account| {
            if account.records() > 0 {
                self.reporter.event(&Event::Accounted(account));
            }
        });
        self.reporter.event(&Event::Finished(&sums));
        Ok(sums)
    }

    /// Tells how far the run is, now and then: `sums` gives the records with an outcome, and those of earlier runs among
    /// them.
    pub(super) async fn tell_progress(&self, sums: impl Fn() -> (u64, u64)) -> std::convert::Infallible {
        let mut forecast = Forecast::new(self.options.total, self.options.rate, self.options.window.clone());
        let mut wait = FIRST_PROGRESS;
        loop {
            tokio::time::sleep(wait).await;
            wait = PROGRESS_EVERY;
            let (done, before) = sums();
            let progress = forecast.progress(self.limiter.awake_for(), done, before, Timestamp::now());
            self.reporter.event(&Event::Progress(&progress));
        }
    }

    /// Takes up what the doctor and earlier runs have learnt about the target. Gives what they learnt of the size of requests.
    pub(super) async fn recall(&self) -> Result<Budget, UploadError> {
        let fact = async |name| self.journal.fact(name).await.map_err(UploadError::Journal);
        if fact(facts::TAKES_IMPORTS).await?.as_deref() == Some("no") {
            return Err(UploadError::LosesImported);
        }
        let is_custom = fact(facts::CUSTOM_NUMBERS).await?.is_some();
        self.is_single_file.store(is_custom, Ordering::Relaxed);
        let most = facts::most(self.options.request_budget, fact(facts::REQUEST_TAKEN).await?.as_deref());
        Ok(Budget::new(most, fact(facts::REQUEST_BUDGET).await?.as_deref()))
    }

    /// Keeps what was learnt of the size of requests for the next run.
    pub(super) async fn remember_budget(&self, budget: &Budget) -> Result<(), Halt> {
        Ok(self.journal.set_fact(facts::REQUEST_BUDGET, &budget.fact()).await?)
    }

    /// Looks at the number of a conversation that was made. If FreeScout does not show the id as number, it counts by
    /// itself, and gives creates that run side by side the same number (`freescout-behaviour.md`, section 19): from then
    /// on they go one at a time.
    pub(super) async fn saw_number(&self, who: &Who, id: u64, number: Option<u64>) -> Result<(), Halt> {
        let is_custom = number.is_some_and(|number| number != id);
        if !is_custom || self.is_single_file.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        self.journal.set_fact(facts::CUSTOM_NUMBERS, "yes").await?;
        let message = "FreeScout numbers conversations by itself and can give one number to two that are made at the \
                       same time; from here on they are made one after the other"
            .to_owned();
        self.note_one(who, codes::TARGET_CUSTOM_NUMBERS, message).await
    }

    /// Waits for the right to send. What is already begun is finished after the first wish to stop, but not waited for
    /// while nothing is sent for long.
    async fn permit(&self, asks: Asks, is_new: bool) -> Result<Permit, Halt> {
        self.unless_held(is_new, self.limiter.permit(asks), asks).await
    }

    /// Waits for `work` as long as the end of the run allows: see [`Line::permit`].
    async fn unless_held<T>(&self, is_new: bool, work: impl Future<Output = T>, asks: Asks) -> Result<T, Halt> {
        let asked = async {
            self.stop.asked().await;
            if !is_new {
                self.limiter.held_for_long(asks).await;
            }
        };
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Halt::Interrupted),
            () = self.stop.at_once() => Err(Halt::Interrupted),
            () = asked => Err(Halt::Interrupted),
            done = work => Ok(done),
        }
    }

    /// Whether something that failed again is given up. What failed while the target took nothing at all is not held
    /// against it. Nor is what failed while nothing else was taken since it first did, as the last records of a run
    /// may: nobody can tell then whether it is the record or the target, and only time decides.
    pub(super) fn is_given_up(&self, attempts: &Attempts) -> bool {
        let Some((first, last)) = attempts.first_and_last else { return false };
        if attempts.count < self.options.max_attempts || self.limiter.excuses(last) {
            return false;
        }
        self.limiter.has_written_since(Some(first)) || self.limiter.awake_since(first) >= self.options.patience / ALONE
    }

    /// Counts what is tried once more.
    pub(super) fn try_again(&self, attempts: &mut Attempts) {
        let is_excused = attempts.first_and_last.is_some_and(|(_, last)| self.limiter.excuses(last));
        attempts.count += u32::from(!is_excused);
    }

    /// How much was noticed so far, by severity: info, warning, error.
    pub(super) fn findings(&self) -> [u64; 3] {
        [0, 1, 2].map(|severity: usize| self.findings[severity].load(Ordering::Relaxed))
    }

    /// Waits for `work` unless everything is to be dropped.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Halt::Interrupted),
            () = self.stop.at_once() => Err(Halt::Interrupted),
            done = work => Ok(done),
        }
    }

    /// Waits for `work` unless nothing new is to be begun.
    pub(super) async fn unless_asked<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.halt.cancelled() => Err(Halt::Interrupted),
            () = self.stop.asked() => Err(Halt::Interrupted),
            done = work => Ok(done),
        }
    }

    /// Whether no write is in flight.
    pub(super) fn has_no_writes(&self) -> bool {
        self.writes.load(Ordering::Relaxed) == 0
    }

    /// How long look-ups wait: long enough for the slowest create that was seen.
    pub(super) fn settle_time(&self) -> Duration {
        self.options.settle.max(self.limiter.slowest_create() * 2)
    }

    /// Tells what was noticed, and has the journal count it.
    pub(super) async fn note(&self, mut findings: Vec<Finding>) -> Result<(), Halt> {
        self.options.levels.judge(&mut findings);
        for finding in &findings {
            self.findings[finding.severity as usize].fetch_add(1, Ordering::Relaxed);
            self.reporter.event(&Event::Finding(finding));
        }
        self.journal.note(self.run, findings).await?;
        Ok(())
    }

    /// Notes one finding about a record.
    pub(super) async fn note_one(&self, who: &Who, code: &'static str, message: String) -> Result<(), Halt> {
        self.note(vec![Finding::new(code, message).about(&who.id, &who.origin)]).await
    }

    /// Sends a request that changes nothing, as often as it takes.
    ///
    /// Fails with `Refused` for what FreeScout does not want to answer, and for what it keeps failing at
    /// while it answers others.
    pub(super) async fn read<T, F>(&self, who: &Who, call: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut attempt = 1;
        let mut first_failure = None;
        loop {
            let permit = self.permit(Asks::Read, false).await?;
            let since = permit.since;
            let error = match self.unless_stopped(call()).await? {
                Ok(value) => {
                    permit.give_back(Reply::Fine);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let verdict = self.hear(permit, who, &error)?;
            // While nobody gets an answer it is the target that is ill, not this request.
            let first = *first_failure.get_or_insert(since);
            let others_are_answered = self.limiter.silent_since().is_none_or(|silent| silent > first);
            let is_hopeless =
                attempt >= self.options.max_attempts && matches!(verdict, Verdict::Unknown) && others_are_answered;
            if matches!(verdict, Verdict::Refused) || is_hopeless {
                return Err(Failure::Refused(error));
            }
            self.wait_to_ask(Asks::Read, who, &verdict, attempt, &error).await?;
            attempt += 1;
        }
    }

    /// Waits as long as a step of this kind may wait: a create is something new; the steps after it belong to
    /// what is already there.
    async fn unless_ended<T>(&self, kind: StepKind, work: impl Future<Output = T>) -> Result<T, Halt> {
        match kind {
            StepKind::Create => self.unless_asked(work).await,
            _ => self.unless_stopped(work).await,
        }
    }

    /// Sends a request that changes something, with its intent durable before the first byte leaves.
    ///
    /// The disk's sync costs no place in flight: the intents of the next few are made durable while all places are
    /// taken. Few, since a killed run leaves them behind, and nobody can tell them from those that were sent.
    ///
    /// What certainly had no effect (throttled, no connection) is sent again here; all else is for the caller.
    pub(super) async fn write<T, F>(
        &self,
        who: &Who,
        record: RecordRow,
        intent: &Intent,
        call: impl Fn() -> F,
    ) -> Result<(StepId, T), Failure>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut attempt = 1;
        loop {
            // A create is something new; the steps after it belong to what is already there.
            let is_new = intent.kind == StepKind::Create;
            let _turn = if is_new && self.is_single_file.load(Ordering::Relaxed) {
                Some(self.unless_asked(self.create.lock()).await?)
            } else {
                None
            };
            let ahead = self.unless_ended(intent.kind, self.ahead.acquire()).await?;
            // No intent lies on disk while nothing may be sent for long.
            self.unless_held(is_new, self.limiter.wait_while_held(Asks::Write), Asks::Write).await?;
            let step = self.journal.start(record, intent.clone()).await?;
            let mut permit = match self.permit(Asks::Write, is_new).await {
                Ok(permit) => permit,
                Err(halt) => {
                    self.journal.refused(step, "not sent: the run ended before").await?;
                    return Err(halt.into());
                }
            };
            drop(ahead);
            let _in_flight = InFlight::new(&self.writes);
            let sent_at = Instant::now();
            permit.sends(Like::of(intent));
            let error = match self.unless_stopped(call()).await? {
                Ok(value) => {
                    permit.give_back(Reply::Written { is_create: intent.kind == StepKind::Create });
                    return Ok((step, value));
                }
                Err(error) => error,
            };
            let verdict = match self.hear(permit, who, &error) {
                Ok(verdict) => verdict,
                Err(halt) => {
                    // Whoever turned it away has not executed it.
                    if !matches!(error.verdict(), Verdict::Unknown) {
                        self.journal.refused(step, &error.to_string()).await?;
                    }
                    return Err(halt.into());
                }
            };
            match verdict {
                Verdict::Refused => {
                    self.journal.refused(step, &error.to_string()).await?;
                    return Err(Failure::Refused(error));
                }
                Verdict::Unknown => {
                    self.journal.unknown(step, &error.to_string()).await?;
                    return Err(Failure::Unknown(step, sent_at, error));
                }
                Verdict::Throttled { .. } | Verdict::Transient | Verdict::Unauthorised => {
                    self.journal.refused(step, &error.to_string()).await?;
                    drop(_in_flight);
                    self.wait_to_retry(who, &verdict, attempt, &error).await?;
                    attempt += 1;
                }
            }
        }
    }

    /// Sends a request about a customer: it has a row of its own in the journal instead of a step.
    pub(super) async fn write_person<T, F>(&self, who: &Who, call: impl Fn() -> F) -> Result<Result<T, ApiError>, Halt>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let permit = self.permit(Asks::Write, false).await?;
        let _in_flight = InFlight::new(&self.writes);
        match self.unless_stopped(call()).await? {
            Ok(value) => {
                permit.give_back(Reply::Written { is_create: false });
                Ok(Ok(value))
            }
            Err(error) => {
                self.hear(permit, who, &error)?;
                Ok(Err(error))
            }
        }
    }

    /// Tells the limiter what an error means, and finds out whether it ends the run.
    fn hear(&self, permit: Permit, who: &Who, error: &ApiError) -> Result<Verdict, Halt> {
        let verdict = error.verdict();
        let failed = match &verdict {
            Verdict::Unauthorised => {
                permit.give_back(Reply::Fine);
                return Err(Halt::Fatal(UploadError::TurnedAway { cause: error.to_string() }));
            }
            Verdict::Refused => {
                permit.give_back(Reply::Fine);
                None
            }
            Verdict::Throttled { .. } => {
                permit.give_back(Reply::Strained);
                None
            }
            Verdict::Unknown if matches!(error.kind(), ErrorKind::ServerFault | ErrorKind::Puzzling) => {
                permit.fail(Reply::Failing, &who.id)
            }
            Verdict::Transient | Verdict::Unknown => permit.fail(Reply::Unreachable, &who.id),
        };
        let patience = self.options.patience;
        let (silence, unwritten) = (self.limiter.silent_for(), self.limiter.unwritten_for());
        if silence > patience {
            return Err(Halt::Fatal(UploadError::TargetGone { seconds: silence.as_secs(), cause: error.to_string() }));
        }
        if unwritten > patience {
            return Err(Halt::Fatal(UploadError::TakesNothing {
                seconds: unwritten.as_secs(),
                cause: error.to_string(),
            }));
        }
        if let Some(wait) = failed {
            let reason = format!("the target fails whatever is sent, and no record is given up for it: {error}");
            self.reporter.event(&Event::Paused { wait, reason: &reason });
        }
        Ok(verdict)
    }

    /// Waits before a write is sent again. What is about the target as a whole makes everybody wait.
    pub(super) async fn wait_to_retry(
        &self,
        who: &Who,
        verdict: &Verdict,
        attempt: u32,
        error: &ApiError,
    ) -> Result<(), Halt> {
        self.wait_to_ask(Asks::Write, who, verdict, attempt, error).await
    }

    async fn wait_to_ask(
        &self,
        asks: Asks,
        who: &Who,
        verdict: &Verdict,
        attempt: u32,
        error: &ApiError,
    ) -> Result<(), Halt> {
        let Some(wait) = retry::wait(verdict, attempt, fastrand::f64) else { return Ok(()) };
        let reason = error.to_string();
        if matches!(verdict, Verdict::Throttled { .. } | Verdict::Transient) && self.limiter.pause(wait) {
            self.reporter.event(&Event::Paused { wait, reason: &reason });
        }
        self.reporter.event(&Event::Retry { record: &who.id, after: wait, reason: &reason });
        let waits = async {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The gate says when, to everybody: nobody who waits by himself is late when the target is well again.
                () = self.limiter.held_for_long(asks) => {}
            }
        };
        self.unless_asked(waits).await
    }

    /// Waits while a record is parked; ends at the first wish to stop, since the journal knows all about it.
    pub(super) async fn sleep(&self, wait: Duration) -> Result<(), Halt> {
        self.unless_asked(tokio::time::sleep(wait)).await
    }
}

/// How many intents may be on disk beyond the requests in flight.
pub(super) fn most_ahead(concurrency: usize) -> usize {
    (concurrency / 2).clamp(1, 8)
}

/// How often something was tried that failed, and when.
#[derive(Debug)]
pub(super) struct Attempts {
    /// The number of the present one, from 1.
    pub(super) count: u32,
    /// When the first and the last that failed were sent.
    first_and_last: Option<(Instant, Instant)>,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { count: 1, first_and_last: None }
    }

    /// What was sent then has failed.
    pub(super) fn failed(&mut self, sent: Instant) {
        let first = self.first_and_last.map_or(sent, |(first, _)| first);
        self.first_and_last = Some((first, sent));
    }
}

/// Counts a write for as long as it is in flight, however it ends.
struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One lock for each key, made when it is asked for and gone when nobody wants it.
pub(super) struct KeyedLocks<K> {
    locks: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

impl<K: Eq + Hash + Clone> KeyedLocks<K> {
    pub(super) fn new() -> Self {
        Self { locks: Mutex::new(HashMap::new()) }
    }

    /// Waits until nobody else has this key.
    pub(super) async fn lock(&self, key: &K) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            // Only the map holds a lock that nobody uses; looking for them now and then keeps the map small.
            if locks.len() >= 256 && locks.len().is_power_of_two() {
                locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_key_is_held_once_and_other_keys_are_free() {
        let locks = KeyedLocks::new();
        let held = locks.lock(&"a").await;
        assert!(tokio::time::timeout(Duration::from_secs(1), locks.lock(&"b")).await.is_ok());
        assert!(tokio::time::timeout(Duration::from_secs(1), locks.lock(&"a")).await.is_err());
        drop(held);
        assert!(tokio::time::timeout(Duration::from_secs(1), locks.lock(&"a")).await.is_ok());
    }

    #[tokio::test]
    async fn keys_that_nobody_wants_are_forgotten() {
        let locks = KeyedLocks::new();
        for key in 0..10_000 {
            drop(locks.lock(&key).await);
        }
        assert!(locks.locks.lock().unwrap().len() <= 512);
    }
}
