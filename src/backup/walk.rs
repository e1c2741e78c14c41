//! Lists read page by page, several pages at a time, while they change.
//!
//! As `freescout::walk`, whose rule it shares: pages overlap by at least a row, and where no row of a page has been seen
//! before, rows may have slipped through between, and the walk steps back. That the rule holds for pages that are asked
//! for before the one in front of them has come: take a row that is there throughout, between a row `r` that two
//! neighbouring pages share and the end of the later one. The later page holds everything between `r` and its end
//! as it was at its moment, so it holds that row, whichever of the two was read first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

use super::ask;
use super::row::Row;
use crate::freescout::walk::{Ids, Pace};
use crate::freescout::{ApiError, List, Page, wire};

/// Gets one page, asking as often as it takes.
pub(crate) type Fetch<T> = Arc<dyn Fn(Page) -> BoxFuture<'static, Result<List<T>, ApiError>> + Send + Sync>;

/// A page on its way.
type Answer<T> = AbortOnDropHandle<Result<List<T>, ApiError>>;

/// What a list can hold.
pub(crate) trait Listed: Send + 'static {
    /// By what it is known; none in what is no row.
    fn id(&self) -> Option<u64>;
}

impl Listed for Value {
    fn id(&self) -> Option<u64> {
        self.get("id").and_then(wire::as_id)
    }
}

impl Listed for Row {
    fn id(&self) -> Option<u64> {
        self.id
    }
}

/// Rows that have not been given before.
pub(crate) struct Turn<T> {
    pub rows: Vec<T>,
    /// How many rows of the list lie behind this turn.
    pub passed: u64,
    /// How many there are.
    pub total: u64,
    /// Rows that the server cannot show at all.
    pub unreadable: u64,
    /// FreeScout's clock when it answered.
    pub date: Timestamp,
    /// How long the answer took.
    pub took: Duration,
}

/// A walk over one list.
pub(crate) struct Walk<T> {
    fetch: Fetch<T>,
    pace: Pace,
    overlaps: bool,
    ahead: usize,
    passed: u64,
    planned: u64,
    seen: Ids,
    total: Option<u64>,
    coming: VecDeque<(Page, Answer<T>)>,
    is_done: bool,
}

impl<T: Listed> Walk<T> {
    /// From the beginning.
    pub fn new(fetch: Fetch<T>, page_size: u64, ahead: usize) -> Self {
        Self::from(fetch, page_size, ahead, 0, Ids::default())
    }

    /// Over a short list, fifty a page: modules up to 1.0.67 know no other size for most of them.
    pub fn short(fetch: Fetch<T>) -> Self {
        let mut walk = Self::new(fetch, 50, 1);
        walk.overlaps = false;
        walk.pace.size = 50;
        walk
    }

    /// From where an earlier walk stopped, which had passed so many rows and given these.
    pub fn from(fetch: Fetch<T>, page_size: u64, ahead: usize, passed: u64, seen: Ids) -> Self {
        Self {
            fetch,
            pace: Pace::overlapping(page_size),
            overlaps: true,
            ahead: ahead.max(1),
            passed,
            planned: passed,
            seen,
            total: None,
            coming: VecDeque::new(),
            is_done: false,
        }
    }

    /// The next rows; none at the end.
    pub async fn turn(&mut self) -> Result<Option<Turn<T>>, ApiError> {
        while !self.is_done {
            self.plan();
            let Some((page, handle)) = self.coming.pop_front() else { break };
            let answer = handle.await.unwrap_or_else(|_| {
                // The task can end without an answer only by a panic, which the hook has told.
                Ok(List { items: Vec::new(), page: wire::PageInfo::default(), server_date: None, took: Duration::ZERO })
            });
            let (list, unreadable) = match answer {
                Ok(list) => (list, 0),
                Err(error) if ask::is_about_this(&error) => self.row_by_row(page, error).await?,
                Err(error) => return Err(error),
            };
            if let Some(turn) = self.accept(page, list, unreadable) {
                return Ok(Some(turn));
            }
        }
        self.coming.clear();
        Ok(None)
    }

    /// Asks for pages ahead of the one that is waited for.
    fn plan(&mut self) {
        while self.coming.len() < self.ahead {
            // How long the list is is known only after the first answer.
            let is_beyond = self.total.map_or(!self.coming.is_empty(), |total| self.planned >= total);
            if is_beyond && !self.coming.is_empty() {
                return;
            }
            let page = if self.overlaps {
                self.pace.page(self.planned)
            } else {
                Page { number: self.planned / self.pace.size + 1, size: self.pace.size }
            };
            self.coming.push_back((page, AbortOnDropHandle::new(tokio::spawn((self.fetch)(page)))));
            self.planned = page.number * page.size;
        }
    }

    fn step_back(&mut self) {
        self.coming.clear();
        self.passed = self.passed.saturating_sub(self.pace.size);
        self.planned = self.passed;
    }

    fn accept(&mut self, page: Page, list: List<T>, unreadable: u64) -> Option<Turn<T>> {
        let total = list.page.total_elements;
        let start = (page.number - 1) * page.size;
        let count = list.items.len() as u64 + unreadable;
        let id = |row: &T| row.id().unwrap_or_default();
        let has_moved = self.passed > 0
            && if self.overlaps {
                unreadable == 0 && !list.items.iter().any(|row| self.seen.contains(id(row)))
            } else {
                self.total.is_some_and(|before| total < before)
            };
        if has_moved {
            self.total = Some(total);
            self.step_back();
            return None;
        }
        if count < page.size && start + count < total && self.overlaps && start == 0 && count > 0 {
            // An old module gives fifty whatever it is asked for.
            self.overlaps = false;
            self.pace = Pace::overlapping(count);
            self.coming.clear();
            self.pace.size = count;
        }
        let size = if self.overlaps { page.size } else { self.pace.size };
        self.total = Some(total);
        self.passed = start + count;
        self.is_done = count < size || self.passed >= total;
        if self.coming.is_empty() {
            self.planned = self.passed;
        }
        let rows = list.items.into_iter().filter(|row| self.seen.insert(id(row))).collect();
        let date = ask::clock(list.server_date);
        Some(Turn { rows, passed: self.passed, total, unreadable, date, took: list.took })
    }

    /// A page that the server cannot answer: one bad row fails a whole page (`freescout-behaviour.md` 3.3, 8.2).
    async fn row_by_row(&self, page: Page, error: ApiError) -> Result<(List<T>, u64), ApiError> {
        let start = (page.number - 1) * page.size;
        let mut rows: Option<List<T>> = None;
        let mut unreadable = 0;
        for at in start..start + page.size {
            match (self.fetch)(Page { number: at + 1, size: 1 }).await {
                Ok(list) => {
                    let is_end = list.items.is_empty();
                    match &mut rows {
                        None => rows = Some(list),
                        Some(rows) => {
                            rows.items.extend(list.items);
                            rows.page = list.page;
                        }
                    }
                    if is_end {
                        break;
                    }
                }
                Err(error) if ask::is_about_this(&error) => {
                    unreadable += 1;
                    // Every row of the beginning failing is a server that is broken, not a row.
                    if rows.is_none() && unreadable >= 5 {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        rows.map(|rows| (rows, unreadable)).ok_or(error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use serde_json::json;

    use super::*;

    /// A list of ids that changes between answers.
    struct Changing {
        rows: Vec<u64>,
        next: u64,
        changes: usize,
        gone: BTreeSet<u64>,
        random: fastrand::Rng,
        pages: usize,
    }

    fn fetch_from(list: Arc<Mutex<Changing>>) -> Fetch<Value> {
        Arc::new(move |page: Page| {
            let list = Arc::clone(&list);
            async move {
                // Answers overtake each other.
                let naps = list.lock().unwrap().random.usize(0..4);
                for _ in 0..naps {
                    tokio::task::yield_now().await;
                }
                let mut list = list.lock().unwrap();
                list.pages += 1;
                assert!(list.pages < 5000, "the walk does not end");
                let start = ((page.number - 1) * page.size) as usize;
                let items: Vec<Value> =
                    list.rows.iter().skip(start).take(page.size as usize).map(|id| json!({"id": id})).collect();
                let total_elements = list.rows.len() as u64;
                for _ in 0..list.random.usize(0..6) {
                    if list.changes == 0 {
                        break;
                    }
                    list.changes -= 1;
                    if list.random.bool() && !list.rows.is_empty() {
                        let (length, list) = (list.rows.len(), &mut *list);
                        let at = list.random.usize(0..length);
                        let id = list.rows.remove(at);
                        list.gone.insert(id);
                    } else {
                        let id = list.next;
                        list.rows.push(id);
                        list.next += 1;
                    }
                }
                let page = wire::PageInfo { size: page.size, total_elements, total_pages: 1, number: page.number };
                Ok(List { items, page, server_date: None, took: Duration::ZERO })
            }
            .boxed()
        })
    }

    #[tokio::test]
    async fn whatever_is_there_throughout_is_given_exactly_once_however_many_pages_are_asked_for_at_a_time() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rows: Vec<u64> = (1..=random.u64(0..700)).collect();
            let before: BTreeSet<u64> = rows.iter().copied().collect();
            let (next, changes) = (rows.len() as u64 + 1, random.usize(0..80));
            let (size, ahead) = (random.u64(20..60), random.usize(1..9));
            let list = Changing { rows, next, changes, gone: BTreeSet::new(), random, pages: 0 };
            let list = Arc::new(Mutex::new(list));
            let mut walk = Walk::new(fetch_from(Arc::clone(&list)), size, ahead);
            let mut found = Vec::new();
            while let Some(turn) = walk.turn().await.unwrap() {
                found.extend(turn.rows.iter().map(|row| row["id"].as_u64().unwrap()));
            }
            let once: BTreeSet<u64> = found.iter().copied().collect();
            assert_eq!(once.len(), found.len(), "seed {seed}: a row twice");
            let gone = list.lock().unwrap().gone.clone();
            let missed: Vec<_> = before.iter().filter(|id| !gone.contains(id) && !once.contains(id)).collect();
            assert!(missed.is_empty(), "seed {seed}, size {size}, ahead {ahead}: missed {missed:?}");
        }
    }

    #[tokio::test]
    async fn a_walk_that_was_stopped_goes_on_and_misses_nothing() {
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let rows: Vec<u64> = (1..=400).collect();
            let stop = random.usize(1..8);
            let list =
                Changing { rows, next: 401, changes: 30, gone: BTreeSet::new(), random: random.clone(), pages: 0 };
            let list = Arc::new(Mutex::new(list));
            let mut found = Vec::new();
            let mut walk = Walk::new(fetch_from(Arc::clone(&list)), 50, 3);
            let mut passed = 0;
            for _ in 0..stop {
                let Some(turn) = walk.turn().await.unwrap() else { break };
                passed = turn.passed;
                found.extend(turn.rows.iter().map(|row| row["id"].as_u64().unwrap()));
            }
            drop(walk);
            let mut seen = Ids::default();
            for id in &found {
                seen.insert(*id);
            }
            // What is deleted while nobody walks moves everything.
            for _ in 0..random.usize(0..5) {
                let mut list = list.lock().unwrap();
                let id = list.rows.remove(0);
                list.gone.insert(id);
            }
            let mut walk = Walk::from(fetch_from(Arc::clone(&list)), 50, 3, passed, seen);
            while let Some(turn) = walk.turn().await.unwrap() {
                found.extend(turn.rows.iter().map(|row| row["id"].as_u64().unwrap()));
            }
            let once: BTreeSet<u64> = found.iter().copied().collect();
            let gone = list.lock().unwrap().gone.clone();
            let missed: Vec<_> = (1..=400).filter(|id| !gone.contains(id) && !once.contains(id)).collect();
            assert!(missed.is_empty(), "seed {seed}: missed {missed:?}");
        }
    }
}
