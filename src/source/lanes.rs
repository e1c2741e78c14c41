//! Makes records on several OS threads, and gives them out in the order of their groups.
//!
//! One OS thread reads the index and deals groups to the others in turn; each makes records of its share. Nothing
//! starts before the first record is asked for, and all of it ends when nobody asks any more.
//!
//! Promises:
//!
//! - Records come in the order of the groups, whoever made them.
//! - What waits is bounded: so many groups and so many bytes in each lane.
//! - An end that nobody meant is an error, never the end of the archive.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::catalog::{Catalog, CatalogError, Group, Groups};
use crate::input::Input;
use crate::record::{Origin, Record};
use crate::source::{Facts, ReadError, Reader, SourceError};

/// How many groups travel together, so that OS threads are not woken for each.
const BATCH: usize = 64;

/// How many bytes of the archive travel together, so that memory stays bounded.
const BATCH_BYTES: u64 = 256 * 1024;

/// How many batches may wait at each end of an OS thread.
const WAITING: usize = 2;

/// More OS threads than this wait for the one that reads the index.
const MOST_THREADS: usize = 4;

/// Parsing is bounded in depth; this is plenty, whatever the platform's default.
const STACK_BYTES: usize = 8 << 20;

pub(super) type Answer = Result<Record, ReadError>;

/// Makes records of groups, on an OS thread of its own.
pub(super) trait Maker: Send + 'static {
    /// The record of a group; `None` if there is none in it.
    fn record(&mut self, group: &Group) -> Option<Answer>;

    /// How many bytes it has read so far.
    fn read(&self) -> u64;
}

/// A reader whose records come from makers on OS threads of their own, each with the catalog at hand.
///
/// The makers give records the seats of their groups.
pub(super) fn reader<M: Maker>(
    name: &'static str,
    facts: Facts,
    input: &Input,
    mut groups: Groups,
    make: impl Fn(Catalog) -> M,
) -> Result<Reader, SourceError> {
    let makers = (0..useful(facts.records)).map(|_| groups.another_catalog().map(&make));
    let makers = makers.collect::<Result<_, _>>()?;
    let passing = groups.passing();
    Ok(Reader::new(facts, Lanes::new(name, input, groups, makers)).passing(passing))
}

/// How many makers are worth having for so many records.
pub(super) fn useful(records: u64) -> usize {
    let most = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    usize::try_from(records.div_ceil(BATCH as u64)).unwrap_or(most).clamp(1, most)
}

/// Records in order, of makers that work side by side.
pub(super) struct Lanes<M> {
    /// Until the first record is asked for.
    idle: Option<(Groups, Vec<M>)>,
    name: &'static str,
    /// The next batch comes from the first; after its last part it goes to the back.
    lanes: VecDeque<Receiver<Batch>>,
    end: Option<Receiver<End>>,
    current: std::vec::IntoIter<Answer>,
    origin: Origin,
}

/// Records of one batch of groups, or some of them.
struct Batch {
    answers: Vec<Answer>,
    is_whole: bool,
}

/// How dealing ended.
enum End {
    /// Every group was dealt.
    Whole,
    /// The index failed on the way.
    Failed(CatalogError),
}

impl<M: Maker> Lanes<M> {
    /// `name` is that of the source, for the names of OS threads.
    pub(super) fn new(name: &'static str, input: &Input, groups: Groups, makers: Vec<M>) -> Self {
        let file = input.files().first().map_or_else(|| Arc::from("-"), |file| Arc::clone(&file.shown));
        Self {
            idle: Some((groups, makers)),
            name,
            lanes: VecDeque::new(),
            end: None,
            current: Vec::new().into_iter(),
            origin: Origin::whole(&file),
        }
    }

    fn start(&mut self, groups: Groups, makers: Vec<M>) {
        let mut jobs = Vec::new();
        for (number, maker) in makers.into_iter().enumerate() {
            let (job_sender, job_receiver) = sync_channel::<Vec<Group>>(WAITING);
            let (answer_sender, answers) = sync_channel(WAITING);
            let spawned = thread::Builder::new()
                .name(format!("{}-{number}", self.name))
                .stack_size(STACK_BYTES)
                .spawn(move || work(maker, &job_receiver, &answer_sender));
            if spawned.is_ok() {
                jobs.push(job_sender);
                self.lanes.push_back(answers);
            }
        }
        let (end_sender, end) = sync_channel(1);
        self.end = Some(end);
        if !jobs.is_empty() {
            // If this OS thread cannot be had, its end of the channels goes away, and the records end with an error.
            let name = format!("{}-index", self.name);
            let _ = thread::Builder::new().name(name).spawn(move || deal(groups, &jobs, &end_sender));
        }
    }
}

impl<M: Maker> Iterator for Lanes<M> {
    type Item = Answer;

    fn next(&mut self) -> Option<Answer> {
        if let Some((groups, makers)) = self.idle.take() {
            self.start(groups, makers);
        }
        loop {
            if let Some(answer) = self.current.next() {
                return Some(answer);
            }
            match self.lanes.front().and_then(|lane| lane.recv().ok()) {
                Some(batch) => {
                    self.current = batch.answers.into_iter();
                    if batch.is_whole {
                        self.lanes.rotate_left(1);
                    }
                }
                None => {
                    // The lane whose turn it is has ended: so has everything, and it must say why.
                    self.lanes.clear();
                    let cause = match self.end.take()?.recv() {
                        Ok(End::Whole) => return None,
                        Ok(End::Failed(error)) => io::Error::other(error),
                        Err(_) => io::Error::other("a reading OS thread ended early"),
                    };
                    return Some(Err(ReadError::Io { origin: self.origin.clone(), cause }));
                }
            }
        }
    }
}

/// Deals batches of groups to the makers in turn.
fn deal(groups: Groups, lanes: &[SyncSender<Vec<Group>>], end: &SyncSender<End>) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut bytes = 0;
    let mut lane = 0;
    let mut outcome = End::Whole;
    for group in groups {
        let group = match group {
            Ok(group) => group,
            Err(error) => {
                outcome = End::Failed(error);
                break;
            }
        };
        bytes += group.pieces.iter().map(|piece| piece.length).sum::<u64>();
        batch.push(group);
        if batch.len() >= BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            if lanes[lane].send(std::mem::take(&mut batch)).is_err() {
                // Nobody reads any more, or a maker is gone, which its reader sees.
                return;
            }
            lane = (lane + 1) % lanes.len();
        }
    }
    if !batch.is_empty() && lanes[lane].send(batch).is_err() {
        return;
    }
    // The reader may be gone; then nobody needs to know.
    let _ = end.send(outcome);
}

fn work<M: Maker>(mut maker: M, jobs: &Receiver<Vec<Group>>, answers: &SyncSender<Batch>) {
    for groups in jobs {
        let mut made = Vec::with_capacity(groups.len());
        let mut before = maker.read();
        for group in &groups {
            made.extend(maker.record(group));
            // What belongs to a group may lie elsewhere, and weigh more than the group itself.
            if maker.read() - before >= BATCH_BYTES {
                before = maker.read();
                let part = Batch { answers: std::mem::take(&mut made), is_whole: false };
                if answers.send(part).is_err() {
                    return;
                }
            }
        }
        if answers.send(Batch { answers: made, is_whole: true }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Piece;
    use crate::record::RecordId;
    use crate::source::Order;

    /// Makes a record of each group, but for every seventh; panics at one, if told so.
    struct Sevens {
        read: u64,
        weight: u64,
        panics_at: Option<i64>,
    }

    impl Maker for Sevens {
        fn record(&mut self, group: &Group) -> Option<Answer> {
            self.read += self.weight;
            let number = group.pieces[0].at;
            assert_ne!(Some(number), self.panics_at, "as it was told");
            (number % 7 != 0).then(|| {
                Ok(Record {
                    id: RecordId::new("test", number.to_string()),
                    origin: Origin::whole(&Arc::from("x")),
                    subject: None,
                    status: None,
                    channel: None,
                    requester: None,
                    assignee: None,
                    cc: Vec::new(),
                    tags: Vec::new(),
                    created_at: None,
                    updated_at: None,
                    closed_at: None,
                    url: None,
                    entries: Vec::new(),
                    fields: serde_json::Map::new(),
                    oddities: Vec::new(),
                })
            })
        }

        fn read(&self) -> u64 {
            self.read
        }
    }

    fn lanes(count: usize, groups: i64, weight: u64, panics_at: Option<i64>) -> Vec<Answer> {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("x");
        std::fs::write(&file, "x").unwrap();
        let input = Input::open(&[file], scratch.path()).unwrap();
        let mut catalog = Catalog::open(None, scratch.path(), "k").unwrap();
        for number in 0..groups {
            catalog.put(number + 1, Piece { at: number, length: 1, ..Piece::default() }).unwrap();
        }
        catalog.seal().unwrap();
        let makers = (0..count).map(|_| Sevens { read: 0, weight, panics_at }).collect();
        Lanes::new("test", &input, catalog.into_groups(Order::Oldest), makers).collect()
    }

    #[test]
    fn records_come_in_order_whoever_makes_them_and_however_heavy_they_are() {
        for (count, groups, weight) in
            [(1, 0, 1), (1, 10, 1), (2, 1_000, 1), (3, 1_000, BATCH_BYTES), (4, 777, BATCH_BYTES / 3)]
        {
            let found: Vec<String> =
                lanes(count, groups, weight, None).into_iter().map(|it| it.unwrap().id.original.to_string()).collect();
            let expected: Vec<String> = (0..groups).filter(|n| n % 7 != 0).map(|n| n.to_string()).collect();
            assert_eq!(found, expected, "{count} lanes, {groups} groups of {weight}");
        }
    }

    #[test]
    fn a_maker_that_dies_is_an_error_and_not_the_end_of_the_archive() {
        let found = lanes(2, 1_000, 1, Some(500));
        assert!(found.len() < 1_000);
        assert!(matches!(found.last(), Some(Err(ReadError::Io { .. }))));
    }
}
