//! Walks over lists that change while they are read.
//!
//! FreeScout pages by offset, without a snapshot: a row that is deleted before the place we have reached moves
//! all later rows forward, and one of them slips through between two pages (`freescout-behaviour.md` 8.3). So a
//! walk goes in an order in which new rows come last, lets every page overlap the one before, and steps
//! back when the overlap is not there. Rows seen before are not given twice.
//!
//! A page is addressed as number times size, so an overlap by one row needs another size: the one, within a
//! quarter of the size asked for, that brings the largest share of new rows.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;

use futures_util::{Stream, StreamExt as _, stream};

use super::error::ApiError;
use super::filter::{ConversationFilter, ConversationSort, CustomerFilter, CustomerSort, Page, SortOrder};
use super::{Client, List, wire};

impl Client {
    /// All conversations that match, oldest number first, each once, also while others come and go.
    ///
    /// The filter's own order is not used. Rows that do not [match](ConversationFilter::matches) are left out, since
    /// a server gives everything for a filter it does not know. `page_size` is a matter of the server's
    /// memory: 50 with threads, 200 without, is comfortable.
    ///
    /// An error does not end the stream: polling it again asks for the same page again.
    ///
    /// ```no_run
    /// use foxferry::freescout::{Client, ConversationFilter, Embed};
    /// use futures_util::TryStreamExt as _;
    ///
    /// # async fn example(client: Client) -> Result<(), foxferry::freescout::ApiError> {
    /// let filter = ConversationFilter { embed: Embed::THREADS, ..Default::default() };
    /// let mut conversations = std::pin::pin!(client.conversations(filter, 50));
    /// while let Some(conversation) = conversations.try_next().await? {
    ///     println!("{}: {} threads", conversation.subject, conversation.threads().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn conversations(
        &self,
        filter: ConversationFilter,
        page_size: u64,
    ) -> impl Stream<Item = Result<wire::Conversation, ApiError>> + Send + use<> {
        let filter = ConversationFilter { sort: ConversationSort::Number, order: SortOrder::Ascending, ..filter };
        let wanted = filter.clone();
        let client = self.clone();
        let fetch = move |page| {
            let (client, filter) = (client.clone(), filter.clone());
            async move { client.list_conversations(&filter, page).await }
        };
        walk(fetch, |row: &wire::Conversation| row.id, Pace::overlapping(page_size))
            .filter(move |row| std::future::ready(row.as_ref().map_or(true, |row| wanted.matches(row))))
    }

    /// All customers that match, by id, each once. As [`conversations`](Self::conversations).
    pub fn customers(
        &self,
        filter: CustomerFilter,
        page_size: u64,
    ) -> impl Stream<Item = Result<wire::Customer, ApiError>> + Send + use<> {
        let filter = CustomerFilter { sort: CustomerSort::CreatedAt, order: SortOrder::Ascending, ..filter };
        let wanted = filter.clone();
        let client = self.clone();
        let fetch = move |page| {
            let (client, filter) = (client.clone(), filter.clone());
            async move { client.list_customers(&filter, page).await }
        };
        walk(fetch, |row: &wire::Customer| row.id, Pace::overlapping(page_size))
            .filter(move |row| std::future::ready(row.as_ref().map_or(true, |row| wanted.matches(row))))
    }

    /// All rows of a short list. Fifty a page: modules up to 1.0.67 know no other size for most lists.
    pub(super) async fn all<T, F, Fut>(&self, fetch: F, id: fn(&T) -> u64) -> Result<Vec<T>, ApiError>
    where
        F: FnMut(Page) -> Fut,
        Fut: Future<Output = Result<List<T>, ApiError>>,
    {
        let mut walk = Walk::new(fetch, id, Pace::fixed(50));
        let mut all = Vec::new();
        while !walk.is_done {
            walk.turn_page().await?;
            all.extend(walk.ready.drain(..));
        }
        Ok(all)
    }
}

fn walk<T, F, Fut>(fetch: F, id: fn(&T) -> u64, pace: Pace) -> impl Stream<Item = Result<T, ApiError>> + Send
where
    T: Send,
    F: FnMut(Page) -> Fut + Send,
    Fut: Future<Output = Result<List<T>, ApiError>> + Send,
{
    stream::unfold(Walk::new(fetch, id, pace), |mut walk| async move {
        loop {
            if let Some(row) = walk.ready.pop_front() {
                return Some((Ok(row), walk));
            }
            if walk.is_done {
                return None;
            }
            if let Err(error) = walk.turn_page().await {
                return Some((Err(error), walk));
            }
        }
    })
}

/// How pages are cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Rows asked for at a time.
    pub(crate) size: u64,
    /// Whether each page overlaps the one before; needs a server that honours `pageSize`.
    overlaps: bool,
}

impl Pace {
    pub(crate) fn overlapping(size: u64) -> Self {
        // Below this there may be no size that makes progress from some place.
        Self { size: size.max(20), overlaps: true }
    }

    fn fixed(size: u64) -> Self {
        Self { size, overlaps: false }
    }

    /// The page that comes after `passed` rows.
    pub(crate) fn page(self, passed: u64) -> Page {
        if !self.overlaps || passed == 0 {
            return Page { number: passed / self.size + 1, size: self.size };
        }
        // The page that holds the last row passed, and the share of it that lies behind that row.
        let page = |size: u64| Page { number: (passed - 1) / size + 1, size };
        let share = |size: &u64| (page(*size).number * size - passed) * 10_000 / size;
        let sizes = self.size - self.size / 4..=self.size + self.size / 4;
        page(sizes.max_by_key(share).unwrap_or(self.size))
    }
}

struct Walk<T, F> {
    fetch: F,
    id: fn(&T) -> u64,
    pace: Pace,
    /// Rows of the list that lie behind us.
    passed: u64,
    seen: Ids,
    /// The length of the list when last heard of.
    total: u64,
    ready: VecDeque<T>,
    is_done: bool,
}

impl<T, F, Fut> Walk<T, F>
where
    F: FnMut(Page) -> Fut,
    Fut: Future<Output = Result<List<T>, ApiError>>,
{
    fn new(fetch: F, id: fn(&T) -> u64, pace: Pace) -> Self {
        Self { fetch, id, pace, passed: 0, seen: Ids::default(), total: 0, ready: VecDeque::new(), is_done: false }
    }

    /// Reads the next page, or the last one again if the list has moved. After an error nothing has changed.
    async fn turn_page(&mut self) -> Result<(), ApiError> {
        let page = self.pace.page(self.passed);
        let List { items, page: info, .. } = (self.fetch)(page).await?;
        let start = (page.number - 1) * page.size;
        let count = items.len() as u64;

        if self.has_moved(&items, info.total_elements) {
            self.total = info.total_elements;
            self.passed = self.passed.saturating_sub(self.pace.size);
            return Ok(());
        }
        if count < page.size && start + count < info.total_elements && self.pace.overlaps && start == 0 && count > 0 {
            // An old module gives fifty whatever it is asked for.
            self.pace = Pace::fixed(count);
        }
        let size = if self.pace.overlaps { page.size } else { self.pace.size };
        self.total = info.total_elements;
        self.passed = start + count;
        self.is_done = count < size || self.passed == info.total_elements;
        for item in items {
            if self.seen.insert((self.id)(&item)) {
                self.ready.push_back(item);
            }
        }
        Ok(())
    }

    /// Whether rows may have slipped in front of the place we have reached.
    fn has_moved(&self, items: &[T], total: u64) -> bool {
        if self.passed == 0 {
            return false;
        }
        if self.pace.overlaps {
            // Rows seen are the beginning of the list, so one of them here means that none lies between.
            !items.iter().any(|item| self.seen.contains((self.id)(item)))
        } else {
            total < self.total
        }
    }
}

/// A set of ids, small when they are nearly consecutive, as FreeScout's are.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// First and last id of each run.
    runs: BTreeMap<u64, u64>,
}

impl Ids {
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.runs.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Whether it is new.
    pub(crate) fn insert(&mut self, id: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        let before = self.runs.range(..id).next_back().filter(|(_, last)| **last + 1 == id).map(|(first, _)| *first);
        let after = id.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(before.unwrap_or(id), after.unwrap_or(id));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use futures_util::FutureExt as _;

    use super::super::error::{ErrorKind, Progress};
    use super::*;

    /// A list of ids that pages as FreeScout does.
    fn page_of(rows: &[u64], page: Page) -> List<u64> {
        let start = ((page.number - 1) * page.size) as usize;
        let items = rows.iter().skip(start).take(page.size as usize).copied().collect();
        let total = rows.len() as u64;
        let info = wire::PageInfo {
            size: page.size,
            total_elements: total,
            total_pages: total.div_ceil(page.size).max(1),
            number: page.number,
        };
        List { items, page: info, server_date: None, took: std::time::Duration::ZERO }
    }

    /// Walks to the end; `fetch` is asked for every page.
    fn all(mut fetch: impl FnMut(Page) -> Result<List<u64>, ApiError>, pace: Pace) -> (Vec<u64>, usize) {
        let mut pages = 0;
        let mut walk = Walk::new(
            |page| {
                pages += 1;
                assert!(pages < 10_000, "the walk does not end");
                std::future::ready(fetch(page))
            },
            |id: &u64| *id,
            pace,
        );
        let mut found = Vec::new();
        while !walk.is_done {
            let _ = walk.turn_page().now_or_never().expect("the pages are ready");
            found.extend(walk.ready.drain(..));
        }
        drop(walk);
        (found, pages)
    }

    #[test]
    fn a_quiet_list_is_read_once_with_little_waste() {
        for length in [0, 1, 2, 49, 50, 51, 99, 100, 101, 250, 4999, 5000] {
            let rows: Vec<u64> = (1..=length).collect();
            for pace in [Pace::overlapping(50), Pace::fixed(50)] {
                let mut transferred = 0;
                let (found, pages) = all(
                    |page| {
                        let list = page_of(&rows, page);
                        transferred += list.items.len();
                        Ok(list)
                    },
                    pace,
                );
                assert_eq!(found, rows, "{length} {pace:?}");
                assert!(pages <= length as usize / 38 + 1, "{length}: {pages} pages");
                assert!(transferred <= length as usize + length as usize / 10 + 2, "{length}: {transferred} rows");
            }
        }
    }

    #[test]
    fn whatever_is_there_throughout_is_given_exactly_once() {
        for seed in 0..300 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut rows: Vec<u64> = (1..=random.u64(0..400)).collect();
            let mut next = rows.len() as u64 + 1;
            let before: BTreeSet<u64> = rows.iter().copied().collect();
            let mut changes = random.usize(0..60);
            let gone = RefCell::new(BTreeSet::new());
            let size = random.u64(20..60);
            let (found, _) = all(
                |page| {
                    let answer = page_of(&rows, page);
                    for _ in 0..random.usize(0..8) {
                        if changes == 0 {
                            break;
                        }
                        changes -= 1;
                        if random.bool() && !rows.is_empty() {
                            gone.borrow_mut().insert(rows.remove(random.usize(0..rows.len())));
                        } else {
                            rows.push(next);
                            next += 1;
                        }
                    }
                    Ok(answer)
                },
                Pace::overlapping(size),
            );
            let once: BTreeSet<u64> = found.iter().copied().collect();
            assert_eq!(once.len(), found.len(), "seed {seed}: a row twice");
            let stayed: BTreeSet<u64> = before.difference(&gone.borrow()).copied().collect();
            let missed: Vec<u64> = stayed.difference(&once).copied().collect();
            assert!(missed.is_empty(), "seed {seed}, size {size}: missed {missed:?}");
        }
    }

    #[test]
    fn a_server_that_gives_fifty_whatever_it_is_asked_for_is_read_whole() {
        let rows: Vec<u64> = (1..=333).collect();
        let (found, pages) = all(|page| Ok(page_of(&rows, Page { size: 50, ..page })), Pace::overlapping(200));
        assert_eq!((found, pages), (rows, 7));
    }

    #[test]
    fn a_short_list_that_shrinks_is_read_again() {
        let mut rows: Vec<u64> = (1..=120).collect();
        let mut pages = 0;
        let (found, _) = all(
            |page| {
                let answer = page_of(&rows, page);
                pages += 1;
                if pages == 1 {
                    rows.retain(|id| *id != 3 && *id != 4);
                }
                Ok(answer)
            },
            Pace::fixed(50),
        );
        assert_eq!(found, (1..=120).collect::<Vec<_>>());
    }

    #[test]
    fn an_error_loses_no_row() {
        let rows: Vec<u64> = (1..=250).collect();
        let mut calls = 0;
        let fetch = |page| {
            calls += 1;
            if calls % 2 == 0 {
                Err(ApiError::new("GET /x", ErrorKind::ServerFault, Progress::Answered))
            } else {
                Ok(page_of(&rows, page))
            }
        };
        assert_eq!(all(fetch, Pace::overlapping(50)).0, rows);
    }

    #[test]
    fn ids_are_kept_as_runs() {
        let mut ids = Ids::default();
        let mut order: Vec<u64> = (1..=1000).filter(|id| id % 100 != 0).collect();
        fastrand::Rng::with_seed(1).shuffle(&mut order);
        for id in &order {
            assert!(ids.insert(*id));
            assert!(!ids.insert(*id));
        }
        assert!(
            order.iter().all(|id| ids.contains(*id)) && !ids.contains(100) && !ids.contains(0) && !ids.contains(1001)
        );
        assert_eq!(ids.runs.len(), 10);
        assert!(ids.insert(u64::MAX) && ids.contains(u64::MAX));
    }
}
