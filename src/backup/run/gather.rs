//! What a run asks for, in which order, until everything is there.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio_util::task::AbortOnDropHandle;

use super::{Progress, Run, Sums, name_of, seconds};
use crate::backup::BackupError;
use crate::backup::ask;
use crate::backup::files::{self, Kept, OwnHosts, Store};
use crate::backup::format::{self, Ours, Selection};
use crate::backup::row::Row;
use crate::backup::seal::Short;
use crate::backup::walk::{Fetch, Listed, Turn, Walk};
use crate::backup::work::{Collection, Todo};
use crate::freescout::walk::Ids;
use crate::freescout::{
    ApiError, ConversationFilter, ConversationSort, CustomerFilter, CustomerSort, Embed, Page, Rows, SortOrder, wire,
};

/// Rows of a page with threads: each costs the server a dozen queries, and one answer has to fit into its memory.
const PAGE_WITH_THREADS: u64 = 50;

/// Rows of a page without.
const PAGE: u64 = 200;

/// How many conversations are asked for between two savings.
const BATCH: usize = 64;

/// How long a conversation has to be left alone before its answer is believed to be of one moment, in seconds.
const CALM: i64 = 2;

/// How often a conversation that does not hold still is read.
const MOST_ATTEMPTS: u32 = 5;

/// How often is looked for what has changed meanwhile. Each look takes a fraction of the one before.
const MOST_ROUNDS: u32 = 4;

/// Clocks of the web server and the database may differ a little.
const OVERLAP: SignedDuration = SignedDuration::from_secs(5);

/// The short list that is read off a customer.
pub(super) const CUSTOMER_FIELDS: &str = "customer_fields";

/// What was read within this time is not read again without a reason.
const RECENT: SignedDuration = SignedDuration::from_hours(20);

/// A list that is older than this when a stopped run goes on is made again.
const STALE: SignedDuration = SignedDuration::from_hours(6);

/// A row that is ready to be saved.
struct Taken {
    id: u64,
    ours: Ours,
    line: String,
    /// How many threads the line has.
    threads: u64,
    /// Until when it has to be left alone, if it was written to just before.
    due: Option<i64>,
}

/// What tasks need to complete a row.
#[derive(Clone)]
struct Taker {
    store: Option<Store>,
    own: OwnHosts,
    sums: Arc<Sums>,
}

type Done<T> = Result<T, BackupError>;

/// The rows of a page while their files are fetched.
type Completing = AbortOnDropHandle<Done<Vec<Taken>>>;

/// What came of asking for one conversation; the outer error ends the run.
type Asked = Result<Taken, ApiError>;

impl Run<'_> {
    /// Everything up to the seal.
    pub(super) async fn gather(&mut self) -> Done<Vec<Short>> {
        let (mailboxes, date) = self.mailboxes().await?;
        self.skew = date.duration_since(Timestamp::now());
        self.begin(date)?;
        (self.tell)(Progress::Target { url: self.asker.client.shown_url(), mailboxes: mailboxes.len() });

        let mut shorts = self.shorts(&mailboxes).await?;
        self.conversations().await?;
        self.changes_meanwhile(MOST_ROUNDS).await?;
        self.deletions_meanwhile().await?;
        self.customers(&mut shorts).await?;
        Ok(shorts)
    }

    /// FreeScout's clock now.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.skew).unwrap_or_else(|_| Timestamp::now())
    }

    fn taker(&self) -> Taker {
        Taker { store: self.store.clone(), own: self.own.clone(), sums: Arc::clone(&self.sums) }
    }

    fn fetch<T: Listed + DeserializeOwned>(&self, rows: Rows) -> Fetch<T> {
        self.asker.pages(rows)
    }

    /// A short list as a whole. Nothing, if its module is off.
    async fn short_list<T: Listed + DeserializeOwned>(&self, rows: Rows) -> Done<Vec<T>> {
        let mut walk = Walk::short(self.fetch(rows));
        let mut all = Vec::new();
        loop {
            match walk.turn().await {
                Ok(Some(turn)) => all.extend(turn.rows),
                Ok(None) => return Ok(all),
                Err(error) if error.is_module_off() => return Ok(all),
                Err(error) => return Err(BackupError::of_api(error)),
            }
        }
    }

    /// The mailboxes that are to be copied, and FreeScout's clock.
    pub(super) async fn mailboxes(&mut self) -> Done<(Vec<Value>, Timestamp)> {
        let mut walk = Walk::short(self.fetch(Rows::Mailboxes));
        let (mut all, mut date) = (Vec::<Value>::new(), Timestamp::now());
        while let Some(turn) = walk.turn().await.map_err(BackupError::of_api)? {
            all.extend(turn.rows);
            date = turn.date;
        }
        let mut wanted = Vec::new();
        for name in &self.options.mailboxes {
            let is_it = |row: &&Value, key: &str| {
                row[key].as_str().is_some_and(|text| text.trim().eq_ignore_ascii_case(name.trim()))
            };
            let found =
                all.iter().find(|row| is_it(row, "email")).or_else(|| all.iter().find(|row| is_it(row, "name")));
            match found.and_then(|row| row.get("id").and_then(wire::as_id)) {
                Some(id) => wanted.push(id),
                None => return Err(BackupError::NoMailbox { name: name.clone() }),
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        self.selection = Selection {
            mailboxes: wanted.clone(),
            since: self.options.since.map(|since| seconds(since).to_string()),
            without_attachments: self.options.without_attachments,
        };
        if !wanted.is_empty() {
            all.retain(|row| row.get("id").and_then(wire::as_id).is_some_and(|id| wanted.contains(&id)));
        }
        Ok((all, date))
    }

    /// Goes on with an unfinished run for the same thing, or begins a new one.
    fn begin(&mut self, date: Timestamp) -> Done<()> {
        let asked = self.asked_for()?;
        if self.work.meta("asked")?.as_deref() == Some(asked.as_str())
            && let (Some(name), Some(started)) = (self.work.meta("name")?, self.time("started")?)
            && !self.backup.snapshots_dir().join(&name).exists()
        {
            self.name = name;
            self.started = started;
            (self.tell)(Progress::Resumed { conversations: self.work.count(Collection::Conversations)? });
            return Ok(());
        }
        self.work.clear()?;
        self.name_it(date)?;
        self.hold_base()?;
        self.work.together(|work| {
            work.set_meta("name", &self.name)?;
            work.set_meta("started", &self.started.to_string())?;
            work.set_meta("asked", &asked)
        })
    }

    /// What this run is for, as it is remembered: a run for anything else does not go on with what it has gathered.
    pub(super) fn asked_for(&self) -> Done<String> {
        let base = self.base.as_ref().map_or("", |base| base.name());
        serde_json::to_string(&(&self.selection, self.asker.client.shown_url(), base))
            .map_err(|cause| BackupError::Bug { what: cause.to_string() })
    }

    /// Gives the new snapshot a beginning and a name that comes after all others.
    pub(super) fn name_it(&mut self, date: Timestamp) -> Done<()> {
        let base = self.base.as_ref().map_or("", |base| base.name()).to_owned();
        self.started = seconds(date);
        let mut time = self.started;
        // Two runs in one second, or a clock that was set back.
        while name_of(time) <= base || self.backup.snapshots_dir().join(name_of(time)).exists() {
            time = time.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
            if name_of(time) <= base
                && base.as_str()
                    > name_of(self.started.saturating_add(SignedDuration::from_hours(1)).unwrap_or(time)).as_str()
            {
                return Err(BackupError::Bug {
                    what: format!("the snapshot `{base}` is of the future: is a clock wrong?"),
                });
            }
        }
        self.name = name_of(time);
        Ok(())
    }

    fn time(&self, key: &str) -> Done<Option<Timestamp>> {
        Ok(self.work.meta(key)?.and_then(|text| text.parse().ok()))
    }

    /// Takes over ids and digests from the snapshot before. A file that is damaged is as good as not there: what it held is
    /// read again.
    fn hold_base(&self) -> Done<()> {
        let Some(base) = &self.base else { return Ok(()) };
        let lacks_files = base.manifest().selection.without_attachments && !self.options.without_attachments;
        if lacks_files {
            return Ok(());
        }
        let store = self.store.clone().unwrap_or_else(|| self.backup.store(&self.asker));
        for collection in [Collection::Conversations, Collection::Customers] {
            for file in &base.manifest().files {
                let Some(shard) = format::shard_in(collection.name(), &file.path) else { continue };
                if let Err(why) = super::super::verify::file_fault(&base.dir().join(&file.path), file) {
                    let name = base.name();
                    (self.tell)(Progress::Warning(&format!(
                        "`{}` of the snapshot {name} {why}; what it held is read again",
                        file.path
                    )));
                    continue;
                }
                self.work.together(|work| {
                    for line in base.shard(collection.name(), shard).into_lines() {
                        let mut row = format::Glance::of(&line?).map_err(|cause| BackupError::Unreadable {
                            path: base.dir().join(&file.path),
                            cause: std::io::Error::other(cause),
                        })?;
                        if !row.ours.files.values().all(|entry| entry.get("missing").is_some() || store.has(entry)) {
                            row.ours.incomplete = true;
                        }
                        row.ours.files.values().for_each(|entry| store.remember(entry));
                        let read = row.ours.read.as_deref().and_then(|read| read.parse::<Timestamp>().ok());
                        work.hold(collection, row.id(), &row.ours, read.map_or(0, Timestamp::as_second))?;
                    }
                    Ok(())
                })?;
            }
        }
        Ok(())
    }

    /// The short lists but customer fields, which are read off a customer.
    pub(super) async fn shorts(&self, mailboxes: &[Value]) -> Done<Vec<Short>> {
        let plain = |rows: &[Value]| rows.iter().map(ToString::to_string).collect();
        let users = self.short_list(Rows::Users).await?;
        let tags = self.short_list(Rows::Tags).await?;
        let (mut folders, mut fields) = (Vec::new(), Vec::new());
        for id in mailboxes.iter().filter_map(|row| row.get("id").and_then(wire::as_id)) {
            let ours = Ours { mailbox: Some(id), ..Ours::default() };
            let of_mailbox = |row| format::line_of(row, &ours);
            folders.extend(self.short_list(Rows::Folders(id)).await?.into_iter().map(of_mailbox));
            fields.extend(self.short_list(Rows::CustomFields(id)).await?.into_iter().map(of_mailbox));
        }
        Ok(vec![
            Short { name: "mailboxes", lines: plain(mailboxes) },
            Short { name: "folders", lines: folders },
            Short { name: "custom_fields", lines: fields },
            Short { name: "users", lines: self.with_photos(users).await? },
            Short { name: "tags", lines: plain(&tags) },
        ])
    }

    /// Users with their photos.
    async fn with_photos(&self, mut users: Vec<Row>) -> Done<Vec<String>> {
        // The list comes newest first.
        users.sort_by_key(|row| row.id);
        let mut before = Map::new();
        if let Some(base) = &self.base {
            for stored in base.list("users").unwrap_or_default() {
                before.extend(stored.ours.files);
            }
        }
        let read = self.now();
        let mut lines = Vec::new();
        for user in users {
            lines.push(self.taker().take(&user, read, before.clone(), None).await?.line);
        }
        Ok(lines)
    }

    fn filter(&self, embed: Embed) -> ConversationFilter {
        ConversationFilter {
            embed,
            mailbox_ids: self.selection.mailboxes.clone(),
            created_since: self.options.since,
            sort: ConversationSort::Number,
            order: SortOrder::Ascending,
            ..ConversationFilter::default()
        }
    }

    /// Whether a row is one of those asked for: a server gives everything for a filter that it does not know.
    fn is_wanted(&self, row: &Row) -> bool {
        let mailboxes = &self.selection.mailboxes;
        let is_late = |since: Timestamp| row.created.is_none_or(|created| created.as_second() >= since.as_second());
        (mailboxes.is_empty() || row.mailbox.is_some_and(|id| mailboxes.contains(&id)))
            && self.options.since.is_none_or(is_late)
    }

    /// All conversations, by pages with threads or by a list and what differs from it.
    async fn conversations(&self) -> Done<()> {
        let listed = self.time("listed")?;
        let is_bulk = self.work.held_count(Collection::Conversations)? == 0;
        if let Some(listed) = listed
            && self.now().duration_since(listed) < STALE
        {
            return self.ask_one_by_one().await;
        }
        if self.time("closing")?.is_none() {
            self.work.set_meta("closing", &self.now().to_string())?;
        }
        if is_bulk && listed.is_none() {
            self.read_pages().await?;
        } else {
            self.list().await?;
        }
        self.work.set_meta("listed", &self.now().to_string())?;
        self.ask_one_by_one().await
    }

    /// The first run: pages with everything.
    async fn read_pages(&self) -> Done<()> {
        let passed = self.work.meta("passed")?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let fetch = self.fetch(Rows::Conversations(self.filter(Embed::ALL)));
        // More than may be in flight: while a page is saved, the line is not left idle.
        let ahead = self.options.concurrency.max(1);
        let walk = Walk::from(fetch, PAGE_WITH_THREADS, ahead + ahead / 2 + 1, passed, self.work.ids()?);
        let mut next = Some(Box::pin(step(walk)));
        let mut coming: VecDeque<(u64, u64, Completing)> = VecDeque::new();
        while next.is_some() || !coming.is_empty() {
            tokio::select! {
                biased;
                taken = either(coming.front_mut().map(|(_, _, task)| task)) => {
                    let taken = taken.map_err(|_| BackupError::Bug { what: "reading a page".to_owned() })??;
                    let Some((passed, total, _)) = coming.pop_front() else { continue };
                    self.save_page(&taken, passed)?;
                    (self.tell)(Progress::Listed { done: passed.min(total), of: total });
                }
                (walk, turn) = either(next.as_mut()), if coming.len() < ahead => {
                    next = None;
                    let Some(turn) = turn.map_err(BackupError::of_api)? else { continue };
                    next = Some(Box::pin(step(walk)));
                    let Turn { mut rows, passed, total, unreadable, date, took } = turn;
                    self.count_unreadable(unreadable);
                    rows.retain(|row| self.is_wanted(row));
                    let taker = self.taker();
                    let task = tokio::spawn(async move { taker.take_page(rows, date, took).await });
                    coming.push_back((passed, total, AbortOnDropHandle::new(task)));
                }
            }
        }
        Ok(())
    }

    fn save_page(&self, taken: &[Taken], passed: u64) -> Done<()> {
        self.work.together(|work| {
            for row in taken {
                work.store(Collection::Conversations, row.id, &row.ours, &row.line, row.threads)?;
                if let Some(due) = row.due {
                    work.ask_again(row.id, due)?;
                }
            }
            work.set_meta("passed", &passed.to_string())
        })?;
        Sums::add(&self.sums.read, taken.len() as u64);
        Ok(())
    }

    fn count_unreadable(&self, rows: u64) {
        if rows > 0 {
            Sums::add(&self.sums.failed, rows);
            (self.tell)(Progress::Warning(&format!(
                "FreeScout cannot show {rows} conversations of a list; they are missing unless an earlier snapshot has them"
            )));
        }
    }

    /// Later runs: a list without threads, and what differs is noted.
    async fn list(&self) -> Done<()> {
        let embed = Embed { threads: false, timelogs: true, tags: true };
        let fetch = self.fetch(Rows::Conversations(self.filter(embed)));
        let mut walk = Walk::new(fetch, PAGE, self.options.concurrency);
        while let Some(turn) = walk.turn().await.map_err(BackupError::of_api)? {
            self.count_unreadable(turn.unreadable);
            self.compare(&turn)?;
            (self.tell)(Progress::Listed { done: turn.passed.min(turn.total), of: turn.total });
        }
        // Another selection than last time leaves out what nobody has deleted.
        if self.is_incremental() {
            self.work.ask_for_absent()?;
        }
        let share = self.options.refresh.clamp(0.0, 1.0) * self.work.count(Collection::Conversations)? as f64;
        let read_before = self.now().saturating_sub(RECENT).map_or(0, Timestamp::as_second);
        self.work.ask_for_oldest(share.ceil() as u64, read_before)?;
        Ok(())
    }

    /// Notes which rows of a list differ from what is known.
    fn compare(&self, turn: &Turn<Row>) -> Done<()> {
        self.work.together(|work| {
            for row in turn.rows.iter().filter(|row| self.is_wanted(row)) {
                let Some(id) = row.id else { continue };
                let shown = &row.digests.listed;
                let known = match work.digest(Collection::Conversations, id)? {
                    Some(known) => Some(known),
                    None => work.before(Collection::Conversations, id)?.map(|before| before.digest),
                };
                if known.as_ref() == Some(shown) {
                    work.keep(Collection::Conversations, id, shown)?;
                } else {
                    work.ask(id, due(row, turn.date, turn.took).unwrap_or(0))?;
                }
            }
            Ok(())
        })
    }

    /// Reads every conversation that was noted, when it is due.
    pub(super) async fn ask_one_by_one(&self) -> Done<()> {
        let mut done = 0;
        loop {
            let now = self.now().as_second();
            let (todos, next) = self.work.due(now, BATCH)?;
            if todos.is_empty() {
                let Some(next) = next else { return Ok(()) };
                let wait = u64::try_from(next - now).unwrap_or(0).clamp(1, 10);
                tokio::time::sleep(std::time::Duration::from_secs(wait)).await;
                continue;
            }
            let mut jobs = Vec::new();
            for todo in todos {
                jobs.push((todo, self.work.before(Collection::Conversations, todo.id)?.unwrap_or_default().files));
            }
            let taker = self.taker();
            let answers: Vec<(Todo, Done<Asked>, Option<bool>)> = stream::iter(jobs)
                .map(|(todo, before)| {
                    let taker = taker.clone();
                    async move {
                        let id = todo.id;
                        let answer =
                            self.asker.ask(|client| async move { client.whole_conversation::<Row>(id).await }).await;
                        let answer = match answer {
                            Ok(answer) => answer,
                            Err(error) => return (todo, Ok(Err(error)), None),
                        };
                        let wanted = self.is_wanted(&answer.value);
                        let date = ask::clock(answer.server_date);
                        let due = due(&answer.value, date, answer.took);
                        let taken = taker.take(&answer.value, date, before, due).await;
                        (todo, taken.map(Ok), Some(wanted))
                    }
                })
                .buffer_unordered(self.options.concurrency.max(1))
                .collect()
                .await;
            done += answers.len() as u64;
            self.work.together(|_| {
                for (todo, answer, wanted) in answers {
                    self.settle(todo, answer?, wanted.unwrap_or(true))?;
                }
                Ok(())
            })?;
            (self.tell)(Progress::Read { done, left: self.work.todo_count()? });
        }
    }

    /// Saves what came of asking for one conversation.
    fn settle(&self, todo: Todo, answer: Result<Taken, ApiError>, is_wanted: bool) -> Done<()> {
        let work = &self.work;
        match answer {
            Ok(_) if !is_wanted => work.forget(todo.id),
            Ok(mut taken) => {
                // Read twice is still one conversation.
                Sums::add(&self.sums.read, u64::from(todo.attempts == 0));
                // Twice the same: nobody was in the middle of anything.
                let is_same = work.content(Collection::Conversations, todo.id)?.as_ref() == Some(&taken.ours.content);
                let (id, threads) = (taken.id, taken.threads);
                let store = |ours: &Ours, line: &str| work.store(Collection::Conversations, id, ours, line, threads);
                match taken.due.filter(|_| !is_same) {
                    Some(due) if todo.attempts + 1 < MOST_ATTEMPTS => {
                        store(&taken.ours, &taken.line)?;
                        work.ask_again(todo.id, due)
                    }
                    Some(_) => {
                        let row = format::theirs(&taken.line)
                            .map_err(|cause| BackupError::Bug { what: cause.to_string() })?;
                        taken.ours.unsettled = true;
                        let line = format::line_of(Value::Object(row), &taken.ours);
                        store(&taken.ours, &line)?;
                        work.answered(todo.id)
                    }
                    None => {
                        store(&taken.ours, &taken.line)?;
                        work.answered(todo.id)
                    }
                }
            }
            Err(error) if error.is_not_found() => work.forget(todo.id),
            Err(error) if ask::is_about_this(&error) => {
                Sums::add(&self.sums.failed, 1);
                let is_known = work.digest(Collection::Conversations, todo.id)?.is_some();
                let is_held = work.before(Collection::Conversations, todo.id)?.is_some();
                if !is_known && is_held {
                    work.keep(Collection::Conversations, todo.id, "")?;
                }
                let fate = if is_known || is_held { "its former state is kept" } else { "it is missing" };
                (self.tell)(Progress::Warning(&format!("conversation {} cannot be read, {fate}: {error}", todo.id)));
                work.answered(todo.id)
            }
            Err(error) => Err(BackupError::of_api(error)),
        }
    }

    /// What was written since the run began, until nothing differs any more.
    pub(super) async fn changes_meanwhile(&self, rounds: u32) -> Done<()> {
        for _ in 0..rounds {
            let since = self.time("closing")?.unwrap_or(self.started);
            let begun = self.now();
            let filter = ConversationFilter {
                updated_since: Some(since.saturating_sub(OVERLAP).unwrap_or(since)),
                ..self.filter(Embed { threads: false, timelogs: true, tags: true })
            };
            let mut walk = Walk::<Row>::new(self.fetch(Rows::Conversations(filter)), PAGE, 1);
            while let Some(turn) = walk.turn().await.map_err(BackupError::of_api)? {
                self.compare(&turn)?;
            }
            self.work.set_meta("closing", &begun.to_string())?;
            if self.work.todo_count()? == 0 {
                return Ok(());
            }
            self.ask_one_by_one().await?;
        }
        Ok(())
    }

    /// Conversations that were deleted, or merged into others, while the run went on. They leave no trace but a smaller total.
    async fn deletions_meanwhile(&self) -> Done<()> {
        let fetch = self.fetch::<Row>(Rows::Conversations(self.filter(Embed::NOTHING)));
        let total = fetch(Page { number: 1, size: 1 }).await.map_err(BackupError::of_api)?.page.total_elements;
        if total == self.work.count(Collection::Conversations)? {
            return Ok(());
        }
        self.list_again().await?;
        // What changes after that is compared again by the next run.
        self.changes_meanwhile(MOST_ROUNDS / 2).await
    }

    /// Lists everything, and asks for what differs and for what the list does not show.
    pub(super) async fn list_again(&self) -> Done<()> {
        let embed = Embed { threads: false, timelogs: true, tags: true };
        let fetch = self.fetch::<Row>(Rows::Conversations(self.filter(embed)));
        let mut walk = Walk::new(fetch, PAGE, self.options.concurrency);
        let mut listed = Ids::default();
        while let Some(turn) = walk.turn().await.map_err(BackupError::of_api)? {
            for id in turn.rows.iter().filter_map(|row| row.id) {
                listed.insert(id);
            }
            self.compare(&turn)?;
        }
        self.work.ask_for_unlisted(&listed)?;
        self.ask_one_by_one().await
    }

    /// All customers; each row is in the list as a whole.
    pub(super) async fn customers(&self, shorts: &mut Vec<Short>) -> Done<()> {
        self.work.relist_customers()?;
        let lines = self.customers_since(None).await?;
        shorts.push(Short { name: CUSTOMER_FIELDS, lines });
        Ok(())
    }

    /// Customers that were changed then or later, or all of them; and the customer fields that they have.
    pub(super) async fn customers_since(&self, since: Option<Timestamp>) -> Done<Vec<String>> {
        let filter = CustomerFilter {
            updated_since: since.map(|since| since.saturating_sub(OVERLAP).unwrap_or(since)),
            sort: CustomerSort::CreatedAt,
            order: SortOrder::Ascending,
            ..CustomerFilter::default()
        };
        let mut walk = Walk::<Row>::new(self.fetch(Rows::Customers(filter)), PAGE, self.options.concurrency);
        let mut fields: Option<Vec<String>> = None;
        while let Some(turn) = walk.turn().await.map_err(BackupError::of_api)? {
            if fields.is_none()
                && let Some(first) = turn.rows.first()
                && let Some(known) = first.value().get("customerFields").and_then(Value::as_array)
            {
                fields = Some(known.iter().map(definition).collect());
            }
            let mut new = Vec::new();
            for row in turn.rows {
                let Some(id) = row.id else { continue };
                let shown = &row.digests.listed;
                if self.work.digest(Collection::Customers, id)?.as_ref() == Some(shown) {
                    continue;
                }
                let before = self.work.before(Collection::Customers, id)?;
                match before {
                    Some(before) if before.digest == *shown => self.work.keep(Collection::Customers, id, shown)?,
                    before => new.push((row, before.unwrap_or_default().files)),
                }
            }
            let (taker, date) = (self.taker(), turn.date);
            let taken: Vec<Done<Taken>> = stream::iter(new)
                .map(|(row, before)| {
                    let taker = taker.clone();
                    async move { taker.take(&row, date, before, None).await }
                })
                .buffered(self.options.concurrency.max(1))
                .collect()
                .await;
            self.work.together(|work| {
                for row in taken {
                    let row = row?;
                    work.store(Collection::Customers, row.id, &row.ours, &row.line, row.threads)?;
                }
                Ok(())
            })?;
            (self.tell)(Progress::Customers { done: turn.passed.min(turn.total), of: turn.total });
        }
        Ok(fields.unwrap_or_default())
    }
}

/// What comes of it; without anything it never ends.
async fn either<F: Future + Unpin>(what: Option<F>) -> F::Output {
    match what {
        Some(what) => what.await,
        None => std::future::pending().await,
    }
}

/// The next turn of a walk, and the walk back.
async fn step(mut walk: Walk<Row>) -> (Walk<Row>, Result<Option<Turn<Row>>, ApiError>) {
    let turn = walk.turn().await;
    (walk, turn)
}

/// A customer field without its value.
fn definition(field: &Value) -> String {
    let mut only = Map::new();
    for key in ["id", "name"] {
        only.insert(key.to_owned(), field[key].clone());
    }
    Value::Object(only).to_string()
}

impl Taker {
    /// Completes the rows of a page of the first run.
    async fn take_page(&self, rows: Vec<Row>, date: Timestamp, took: std::time::Duration) -> Done<Vec<Taken>> {
        let mut taken = Vec::with_capacity(rows.len());
        // Files are limited with everything else; rows one after the other would leave the line idle.
        let mut coming = stream::iter(rows)
            .map(|row| async move {
                let due = due(&row, date, took);
                self.take(&row, date, Map::new(), due).await
            })
            .buffered(16);
        while let Some(row) = coming.next().await {
            taken.push(row?);
        }
        Ok(taken)
    }

    /// Fetches the files that a row names and have not been fetched before, and makes its line.
    async fn take(&self, row: &Row, read: Timestamp, before: Map<String, Value>, due: Option<i64>) -> Done<Taken> {
        let mut ours = Ours {
            read: Some(seconds(read).to_string()),
            digest: row.digests.listed.clone(),
            content: row.digests.whole.clone(),
            ..Ours::default()
        };
        if let Some(store) = &self.store {
            let (mut entries, wanted) = files::known(row.names.at(&self.own), &before, store);
            for named in wanted {
                let kept = store.keep(&named).await?;
                match &kept {
                    Kept::Here { bytes, .. } => {
                        Sums::add(&self.sums.files, 1);
                        Sums::add(&self.sums.bytes, *bytes);
                    }
                    // A file that failed in the run before as well is not news each night.
                    Kept::Failed(_) if !before.contains_key(&named.key) => {
                        Sums::add(&self.sums.failed, 1);
                        ours.incomplete = true;
                    }
                    Kept::Absent(_) | Kept::Failed(_) => {}
                }
                entries.insert(named.key, kept.entry());
            }
            ours.files = entries;
        }
        let line = row.line(&ours);
        Ok(Taken { id: row.id.unwrap_or_default(), ours, line, threads: row.threads, due })
    }
}

/// Until when a conversation has to be left alone before it is read (again): it was written to while it was read, or so shortly
/// before that a change in the same second would not show.
fn due(row: &Row, date: Timestamp, took: std::time::Duration) -> Option<i64> {
    let updated = row.updated?.as_second();
    let begun = date.as_second() - took.as_secs() as i64 - 1;
    // A date in the future is a clock or a zone that is wrong, and waiting for it would not help.
    (updated + CALM > begun && updated <= date.as_second() + 60).then_some(updated + CALM + 1)
}
