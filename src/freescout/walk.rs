//! Walks over lists that change while they are read.
//!
//! FreeScout pages by offset, without a snapshot: a row that is deleted before the place we have reached moves
//! all later rows forward, and one of them slips through between two pages (`freescout-behaviour.md` 8.3). So a
//! walk goes in an order in which new rows come last, lets every page overlap the one before, and steps
//! back when the overlap is not there. Rows seen before are not given twice.
//!
//! A page is addressed as number times size, so an overlap by one row needs another size: the one, between
//! the size asked for and a quarter more, that wastes the fewest rows.

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
struct Pace {
    size: u64,
    /// Whether each page overlaps the one before; needs a server that honours `pageSize`.
    overlaps: bool,
}

impl Pace {
    fn overlapping(size: u64) -> Self {
        Self { size: size.max(2), overlaps: true }
    }

    fn fixed(size: u64) -> Self {
        Self { size, overlaps: false }
    }

    /// The page that comes after `passed` rows.
    fn page(self, passed: u64) -> Page {
        if !self.overlaps || passed == 0 {
            return Page { number: passed / self.size + 1, size: self.size };
        }
        let first = passed - 1;
        let size = (self.size..=self.size + self.size / 4).min_by_key(|size| first % size).unwrap_or(self.size);
        Page { number: first / size + 1, size }
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
struct Ids {
    /// First and last id of each run.
    runs: BTreeMap<u64, u64>,
}

impl Ids {
    fn contains(&self, id: u64) -> bool {
        self.runs.range(..=id).next_back().is_some_and(|(_, last)| *last >= id)
    }

    /// Whether it is new.
    fn insert(&mut self, id: u64) -> bool {
        if self.contains(id) {
            return false;
        }
        let before = self.runs.range(..id).next_back().filter(|(_, last)| **last + 1 == id).map(|(first, _)| *first);
        let after = id.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(before.unwrap_or(id), after.unwrap_or(id));
        true
    }
}
