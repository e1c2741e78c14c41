//! Reads and converts on OS threads, and hands on over one bounded channel.
//!
//! Promises:
//!
//! - Records come out in the reader's order, each with exactly one outcome.
//! - A bug that one record meets rejects that record; the run goes on.
//! - Everything between reader and consumer is bounded: a slow consumer slows the reader.
//! - When the receiver is dropped, the threads end.
//!
//! One thread reads and several convert, in small batches, since a wake-up for
//! each record would cost more than converting it. A batch is converted by one
//! thread, and batches are handed on in turn.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashSet;
use std::num::NonZero;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver as WorkQueue, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::catalog::PassOver;
use crate::check;
use crate::finding::{Finding, Levels};
use crate::mapping::account::Account;
use crate::mapping::{Converted, Mapping, Rejected};
use crate::record::{Body, Oddity, Origin, Record, RecordId};
use crate::source::{ReadError, Reader};

pub mod passing;

/// How many records travel together.
const BATCH_RECORDS: usize = 32;

/// A batch is closed early when its texts and small attachments reach this many bytes.
const BATCH_BYTES: usize = 512 * 1024;

/// How many converted records may wait for the consumer.
const WAITING_RECORDS: usize = 64;

/// More threads than this only wait for each other: one thread reads.
const MOST_CONVERTERS: usize = 8;

/// A reader that fails this often in a row without yielding anything is not asked again.
const MOST_PANICS_IN_A_ROW: usize = 8;

/// Which records of an archive are wanted.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// At most this many, counted after the other rules.
    pub limit: Option<u64>,
    /// Opened at this time or later. A record without any time is wanted whatever stands here.
    pub since: Option<Timestamp>,
    /// Opened before this time. A record without any time is wanted whatever stands here.
    pub until: Option<Timestamp>,
    /// Only these original ids (`4711`, or `zendesk:4711`); empty: all.
    pub only: HashSet<String>,
}

impl Selection {
    /// When a record was opened, as far as this selection is concerned.
    fn opened(record: &Record) -> Option<Timestamp> {
        record.created_at.or_else(|| record.entries.iter().filter_map(|e| e.created_at).min())
    }

    fn wants_id(&self, id: &RecordId) -> bool {
        self.only.is_empty() || self.only.contains(&id.original) || self.only.contains(&id.to_string())
    }

    /// Whether a record is wanted, its place in the limit aside.
    pub fn wants(&self, record: &Record) -> bool {
        if !self.wants_id(&record.id) {
            return false;
        }
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(opened) = Self::opened(record) else { return true };
        self.since.is_none_or(|since| opened >= since) && self.until.is_none_or(|until| opened < until)
    }
}

/// The accounts that converters keep, each of the records that it had.
#[derive(Debug, Clone, Default)]
pub struct Accounts(Arc<Mutex<Vec<Account>>>);

impl Accounts {
    /// Looks at what became of the fields and values of all records so far.
    pub fn sum<T>(&self, look: impl FnOnce(&Account) -> T) -> T {
        let mut accounts = lock(&self.0);
        let mut sum = accounts.pop().unwrap_or_default();
        accounts.drain(..).for_each(|account| sum.merge(account));
        let seen = look(&sum);
        accounts.push(sum);
        seen
    }

    /// Converts with an account that nobody else has at the moment. One that a panic interrupts is lost with it.
    fn with(&self, convert: impl FnOnce(&mut Account) -> Converted) -> Converted {
        let mut account = lock(&self.0).pop().unwrap_or_default();
        let converted = convert(&mut account);
        lock(&self.0).push(account);
        converted
    }
}

/// Records on their way to a consumer.
pub struct Flow {
    /// What became of each record, in the reader's order.
    pub records: mpsc::Receiver<Converted>,
    /// What became of their fields, if anybody asked; complete when the crew has ended.
    pub accounts: Accounts,
    /// How many records are passed over on the way (see [`passing`]).
    pub passed: PassOver,
    /// The threads that work on them.
    pub crew: Crew,
}

/// The threads of a [`Flow`].
///
/// Dropping it leaves the threads to themselves; they end when the receiver is gone.
pub struct Crew {
    threads: Vec<JoinHandle<()>>,
}

impl Crew {
    /// Waits until all threads have ended, and with them the reader and its temporary files.
    ///
    /// Call it only after the receiver is dropped or drained.
    pub fn join(self) {
        for thread in self.threads {
            // A panic outside the guarded parts has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Reads, selects, converts and checks records on OS threads.
///
/// What [`check::check`] finds in a conversation and what the reader found odd
/// in a record are among the findings of the outcome, taken as the mapping wants them.
pub fn spawn(reader: Reader, mapping: Arc<Mapping>, selection: Selection) -> Flow {
    let (source, levels) = (Arc::from(mapping.source()), mapping.levels().clone());
    spawn_with(reader, source, levels, selection, move |record| checked(mapping.convert(record)))
}

/// The same, and accounts are kept.
pub fn spawn_accounting(reader: Reader, mapping: Arc<Mapping>, selection: Selection) -> Flow {
    let accounts = Accounts::default();
    let kept = accounts.clone();
    let (source, levels) = (Arc::from(mapping.source()), mapping.levels().clone());
    let convert = move |record| checked(kept.with(|account| mapping.convert_accounting(record, account)));
    Flow { accounts, ..spawn_with(reader, source, levels, selection, convert) }
}

fn checked(mut converted: Converted) -> Converted {
    if let Converted::Ready(mapped) = &mut converted {
        let findings = check::check(&mapped.conversation);
        mapped.findings.extend(findings);
    }
    converted
}

fn spawn_with(
    reader: Reader,
    source: Arc<str>,
    levels: Levels,
    selection: Selection,
    convert: impl Fn(Record) -> Converted + Send + Sync + 'static,
) -> Flow {
    let (sender, records) = mpsc::channel(WAITING_RECORDS);
    let passed = reader.passing.clone();
    let shared = Arc::new(Shared {
        source,
        levels,
        is_over: AtomicBool::new(false),
        turn: Mutex::new(0),
        turned: Condvar::new(),
    });
    let converters = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_CONVERTERS);
    let (work, queue) = sync_channel(converters);
    let queue = Arc::new(Mutex::new(queue));
    let convert = Arc::new(convert);
    let mut threads = Vec::new();
    for _ in 0..converters {
        let (shared, queue, convert, sender) = (shared.clone(), queue.clone(), convert.clone(), sender.clone());
        threads.push(start("foxferry-convert", move || convert_batches(&shared, &queue, &*convert, &sender)));
    }
    threads.push(start("foxferry-read", move || read_batches(&shared, reader, &selection, &work)));
    Flow { records, accounts: Accounts::default(), passed, crew: Crew { threads } }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).expect("the system can start a few OS threads")
}

struct Shared {
    source: Arc<str>,
    levels: Levels,
    /// Nobody listens any more.
    is_over: AtomicBool,
    /// The number of the batch that may be handed on.
    turn: Mutex<u64>,
    turned: Condvar,
}

/// Some records in a row, and which turn they have.
struct Batch {
    turn: u64,
    items: Vec<Result<Record, Rejected>>,
}

fn read_batches(shared: &Shared, mut reader: Reader, selection: &Selection, work: &SyncSender<Batch>) {
    let mut batch = Batch { turn: 0, items: Vec::new() };
    let mut weight = 0;
    let mut taken = 0;
    let mut panics = 0;
    while selection.limit.is_none_or(|limit| taken < limit) && !shared.is_over.load(Ordering::Relaxed) {
        let item = match guarded(|| reader.next()) {
            Ok(None) => break,
            Ok(Some(item)) => {
                panics = 0;
                item.map_err(|error| unreadable(&shared.source, &error))
            }
            Err(panic) => {
                panics += 1;
                Err(broken_reader(&shared.source, &panic, panics))
            }
        };
        let mut item = item;
        if let Ok(record) = &mut item {
            passing::note_time(record);
        }
        let is_wanted = match &item {
            Ok(record) => selection.wants(record),
            Err(rejected) => selection.wants_id(&rejected.id),
        };
        if is_wanted {
            taken += 1;
            weight += item.as_ref().map_or(0, weight_of);
            batch.items.push(item);
        }
        if batch.items.len() >= BATCH_RECORDS || weight >= BATCH_BYTES {
            let next = Batch { turn: batch.turn + 1, items: Vec::with_capacity(BATCH_RECORDS) };
            if work.send(std::mem::replace(&mut batch, next)).is_err() {
                return;
            }
            weight = 0;
        }
        if panics >= MOST_PANICS_IN_A_ROW {
            break;
        }
    }
    if !batch.items.is_empty() {
        // An error means that nobody listens, and then there is nobody to tell.
        let _ = work.send(batch);
    }
}

fn convert_batches(
    shared: &Shared,
    queue: &Mutex<WorkQueue<Batch>>,
    convert: &(impl Fn(Record) -> Converted + Sync),
    out: &mpsc::Sender<Converted>,
) {
    loop {
        // The lock is held while waiting, so that batches are taken in turn.
        let Ok(batch) = lock(queue).recv() else { return };
        let turn = Turn { shared, number: batch.turn };
        let mut done = Vec::with_capacity(batch.items.len());
        for item in batch.items {
            if shared.is_over.load(Ordering::Relaxed) {
                break;
            }
            done.push(match item {
                Ok(record) => convert_one(record, convert, &shared.levels),
                Err(rejected) => Converted::Rejected(rejected),
            });
        }
        turn.wait();
        for converted in done {
            if out.blocking_send(converted).is_err() {
                shared.is_over.store(true, Ordering::Relaxed);
                break;
            }
        }
    }
}

/// A converter's place in the row; dropping it, even by a panic, lets the next one on.
struct Turn<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Turn<'_> {
    fn wait(&self) {
        let turn = lock(&self.shared.turn);
        let is_early = |turn: &mut u64| *turn < self.number;
        drop(self.shared.turned.wait_while(turn, is_early).unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.wait();
        *lock(&self.shared.turn) = self.number + 1;
        self.shared.turned.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn convert_one(mut record: Record, convert: &impl Fn(Record) -> Converted, levels: &Levels) -> Converted {
    let (id, origin) = (record.id.clone(), record.origin.clone());
    let oddities = std::mem::take(&mut record.oddities);
    let mut converted = guarded(|| convert(record)).unwrap_or_else(|panic| {
        let reason = format!("a bug in foxferry was met while converting it: {panic}");
        Converted::Rejected(Rejected { id: id.clone(), origin, reason, findings: Vec::new() })
    });
    let findings = match &mut converted {
        Converted::Ready(mapped) => &mut mapped.findings,
        Converted::Skipped(skipped) => &mut skipped.findings,
        Converted::Rejected(rejected) => &mut rejected.findings,
    };
    findings.splice(0..0, oddities.into_iter().map(|oddity| finding_of(oddity, Some(&id))));
    levels.judge(findings);
    converted
}

/// What a reader noticed, as a finding.
pub fn finding_of(oddity: Oddity, record: Option<&RecordId>) -> Finding {
    let mut finding = Finding::new(oddity.code, oddity.message);
    finding.record = record.cloned();
    finding.origin = Some(oddity.origin);
    finding
}

fn unreadable(source: &str, error: &ReadError) -> Rejected {
    let origin = error.origin().clone();
    let id = error.record_id().cloned().unwrap_or_else(|| RecordId::new(source, format!("unreadable@{origin}")));
    // The message begins with the place, which the rejection names by itself.
    let mut reason = error.to_string();
    if let Some(rest) = reason.strip_prefix(&format!("{origin}: ")) {
        reason = rest.to_owned();
    }
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        reason = format!("{reason}: {inner}");
        cause = inner.source();
    }
    Rejected { id, origin, reason, findings: Vec::new() }
}

fn broken_reader(source: &str, panic: &str, times: usize) -> Rejected {
    let origin = Origin::whole(&Arc::from("archive"));
    let rest = if times >= MOST_PANICS_IN_A_ROW { "; the rest of the archive was not read" } else { "" };
    Rejected {
        id: RecordId::new(source, format!("unreadable@{origin}#{times}")),
        origin,
        reason: format!("a bug in foxferry was met while reading a record: {panic}{rest}"),
        findings: Vec::new(),
    }
}

fn weight_of(record: &Record) -> usize {
    let text = |body: &Body| match body {
        Body::Html(text) | Body::Text(text) => text.len(),
        Body::Empty => 0,
    };
    let small = |content: &crate::content::Content| match content {
        crate::content::Content::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    record.entries.iter().map(|e| text(&e.body) + e.attachments.iter().map(|a| small(&a.content)).sum::<usize>()).sum()
}

thread_local! {
    /// Where the last panic of this thread happened, left here by [`note_panic`].
    static PANIC_PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For the program's panic hook: keeps the place for the message of the rejection.
///
/// Gives whether this thread guards its panics, so that the hook need not print anything.
pub fn note_panic(place: Option<&panic::Location<'_>>) -> bool {
    let is_guarded = thread::current().name().is_some_and(|name| name.starts_with("foxferry-"));
    if is_guarded {
        PANIC_PLACE.with_borrow_mut(|kept| *kept = place.map(ToString::to_string));
    }
    is_guarded
}

/// Runs something, and gives a panic's message with its place.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let message = panic_message(&*panic);
        match PANIC_PLACE.with_borrow_mut(Option::take) {
            Some(place) => format!("{message} ({place})"),
            None => message,
        }
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::mapping::Skipped;
    use crate::source::Facts;

    fn record(id: u64, at: Option<i64>) -> Record {
        Record {
            id: RecordId::new("test", id.to_string()),
            origin: Origin::line(&Arc::from("t.json"), id),
            subject: None,
            status: None,
            channel: None,
            requester: None,
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at: at.map(|second| Timestamp::from_second(second).unwrap()),
            updated_at: None,
            closed_at: None,
            url: None,
            entries: Vec::new(),
            fields: serde_json::Map::new(),
            oddities: Vec::new(),
        }
    }

    fn skip(record: Record) -> Converted {
        Converted::Skipped(Skipped {
            id: record.id,
            origin: record.origin,
            reason: String::new(),
            findings: Vec::new(),
        })
    }

    fn run(
        records: impl Iterator<Item = Result<Record, ReadError>> + Send + 'static,
        selection: Selection,
        convert: impl Fn(Record) -> Converted + Send + Sync + 'static,
    ) -> Vec<Converted> {
        let mut flow = spawn_with(
            Reader::new(Facts::default(), records),
            Arc::from("test"),
            Levels::default(),
            selection,
            convert,
        );
        let mut all = Vec::new();
        while let Some(converted) = flow.records.blocking_recv() {
            all.push(converted);
        }
        flow.crew.join();
        all
    }

    fn ids(all: &[Converted]) -> Vec<&str> {
        all.iter()
            .map(|converted| match converted {
                Converted::Ready(mapped) => mapped.conversation.id.original.as_str(),
                Converted::Skipped(skipped) => &skipped.id.original,
                Converted::Rejected(rejected) => &rejected.id.original,
            })
            .collect()
    }

    #[test]
    fn records_come_out_in_the_readers_order() {
        let all = run((0..1000).map(|n| Ok(record(n, None))), Selection::default(), |record| {
            // Every third batch is slow, so that later ones overtake it if they can.
            if record.origin.to_string().ends_with('7') {
                thread::yield_now();
            }
            skip(record)
        });
        let expected: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        assert_eq!(ids(&all), expected);
    }

    #[test]
    fn a_panic_while_converting_rejects_that_record_alone() {
        let all = run((0..5).map(|n| Ok(record(n, None))), Selection::default(), |record| {
            assert!(record.id.original != "3", "three is broken");
            skip(record)
        });
        assert_eq!(ids(&all), ["0", "1", "2", "3", "4"]);
        let Converted::Rejected(rejected) = &all[3] else { panic!("not rejected: {:?}", all[3]) };
        assert!(rejected.reason.contains("a bug in foxferry") && rejected.reason.contains("three is broken"));
    }

    #[test]
    fn a_panic_while_reading_rejects_one_record_and_the_rest_goes_on() {
        let mut n = 0;
        let records = std::iter::from_fn(move || {
            n += 1;
            assert!(n != 2, "cannot read two");
            (n < 4).then(|| Ok(record(n, None)))
        });
        let all = run(records, Selection::default(), skip);
        assert_eq!(ids(&all), ["1", "unreadable@archive#1", "3"]);
    }

    #[test]
    fn a_reader_that_only_panics_is_given_up() {
        let records = std::iter::from_fn(|| -> Option<Result<Record, ReadError>> { panic!("always") });
        let all = run(records, Selection::default(), skip);
        assert_eq!(all.len(), MOST_PANICS_IN_A_ROW);
        let Some(Converted::Rejected(last)) = all.last() else { panic!("not rejected") };
        assert!(last.reason.ends_with("the rest of the archive was not read"), "{}", last.reason);
    }

    #[test]
    fn an_unreadable_record_is_rejected_under_its_place_or_its_own_id() {
        let origin = Origin::line(&Arc::from("t.json"), 7);
        let errors = [
            ReadError::Truncated { origin: origin.clone() },
            ReadError::BadTime {
                origin,
                id: Some(RecordId::new("test", "12")),
                field: "created_at".into(),
                found: "soon".into(),
            },
        ];
        let all = run(errors.into_iter().map(Err), Selection::default(), skip);
        assert_eq!(ids(&all), ["unreadable@t.json:7", "12"]);
        let Converted::Rejected(second) = &all[1] else { panic!("not rejected") };
        assert_eq!(second.reason, "`created_at` is not a time: `soon`");
    }

    #[test]
    fn a_readers_oddities_are_findings_of_the_outcome() {
        let mut odd = record(1, None);
        odd.oddities.push(Oddity {
            code: crate::finding::codes::READ_DATE,
            origin: Origin::line(&Arc::from("t.json"), 9),
            message: "no date".into(),
        });
        let all = run(std::iter::once(Ok(odd)), Selection::default(), skip);
        let Converted::Skipped(skipped) = &all[0] else { panic!("not skipped") };
        assert_eq!(skipped.findings.len(), 1);
        assert_eq!(skipped.findings[0].origin.as_ref().unwrap().to_string(), "t.json:9");
        assert_eq!(skipped.findings[0].record.as_ref().unwrap().original, "1");
    }

    #[test]
    fn selection_table() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        let only = |ids: &[&str]| ids.iter().map(ToString::to_string).collect();
        let all = || Selection::default();
        for (name, selection, expected) in [
            ("everything", all(), vec!["0", "1", "2", "3", "4"]),
            ("limit", Selection { limit: Some(2), ..all() }, vec!["0", "1"]),
            ("limit of nothing", Selection { limit: Some(0), ..all() }, vec![]),
            ("since is included, no time is wanted", Selection { since: at(20), ..all() }, vec!["2", "3", "4"]),
            ("until is left out", Selection { until: at(20), ..all() }, vec!["0", "1", "4"]),
            ("limit counts what is selected", Selection { limit: Some(1), since: at(20), ..all() }, vec!["2"]),
            ("only by id", Selection { only: only(&["3", "0"]), ..all() }, vec!["0", "3"]),
            ("only by printed id", Selection { only: only(&["test:1"]), ..all() }, vec!["1"]),
        ] {
            let records = (0..5).map(|n| Ok(record(n, (n < 4).then_some(n as i64 * 10))));
            assert_eq!(ids(&run(records, selection, skip)), expected, "{name}");
        }
    }

    #[test]
    fn a_limit_stops_the_reader() {
        let read = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&read);
        let records = (0..).map(move |n| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(record(n, None))
        });
        assert_eq!(run(records, Selection { limit: Some(3), ..Selection::default() }, skip).len(), 3);
        assert_eq!(read.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn dropping_the_receiver_ends_the_threads() {
        let endless = (0..).map(|n| Ok(record(n, None)));
        let mut flow = spawn_with(
            Reader::new(Facts::default(), endless),
            Arc::from("test"),
            Levels::default(),
            Selection::default(),
            skip,
        );
        assert!(flow.records.blocking_recv().is_some());
        drop(flow.records);
        flow.crew.join();
    }
}
