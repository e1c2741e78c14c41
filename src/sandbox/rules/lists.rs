//! Reading: single rows, and pages with their filters and orders.
//!
//! A filter with an empty or unknown value filters nothing: the answer then holds everything, as a real server's does.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::others::normal_tag;
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::dates::Instant;
use crate::sandbox::input::{id, int, is_array, is_empty, leading_int, text};
use crate::sandbox::show::{self, Embed};
use crate::sandbox::store::{Conversation, Customer, Store, digits};
use crate::sandbox::{Server, dates};

/// How many rows a page has when nothing is said.
const PAGE_SIZE: usize = 50;

/// One page's bounds.
#[derive(Debug, Clone, Copy)]
struct Page {
    number: usize,
    size: usize,
    /// What the answer says; older modules say what was asked for and keep to 50.
    said: usize,
}

impl Page {
    /// Words and negative sizes are exceptions, 0 and blank mean 50, and there is no upper bound.
    fn of(query: &Map<String, Value>) -> Result<Page, Stop> {
        let number = usize::try_from(int(query.get("page"))).unwrap_or(0).max(1);
        let size = match query.get("pageSize").filter(|given| !is_empty(Some(given))) {
            None => PAGE_SIZE,
            Some(given) if is_array(given) => return Err(Stop::crash()),
            Some(given) => {
                let text = text(Some(given)).ok().flatten().unwrap_or_default();
                let is_number = text.parse::<f64>().is_ok();
                usize::try_from(leading_int(&text)).ok().filter(|s| is_number && *s > 0).ok_or_else(Stop::crash)?
            }
        };
        Ok(Page { number, size, said: size })
    }

    /// For the lists in which older modules do not honour a size.
    fn fixed_when(self, is_old: bool) -> Page {
        if is_old { Page { size: PAGE_SIZE, ..self } } else { self }
    }

    fn skip(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }

    fn envelope(self, name: &str, rows: &[Value], total: usize) -> Answer {
        Answer::ok(json!({
            "_embedded": {name: rows},
            "page": {
                "size": self.said, "totalElements": total, "totalPages": total.div_ceil(self.size).max(1),
                "number": self.number,
            },
        }))
    }

    fn cut(self, name: &str, rows: impl ExactSizeIterator<Item = Value>) -> Answer {
        let total = rows.len();
        self.envelope(name, &rows.skip(self.skip()).take(self.size).collect::<Vec<_>>(), total)
    }
}

impl Server {
    pub(in crate::sandbox) fn get_conversation(&self, id: u64, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let store = self.store();
        let row = store.conversation(id).ok_or_else(Stop::not_found)?;
        let embed = match query.get("embed") {
            given if is_empty(given) => Embed::THREADS,
            given => Embed::listed(given.and_then(Value::as_str).unwrap_or("")),
        };
        Ok(Answer::ok(show::conversation(self, &store, row, embed)))
    }

    pub(in crate::sandbox) fn list_conversations(&self, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let page = Page::of(query)?;
        let is_ascending = query.get("sortOrder").and_then(Value::as_str) == Some("asc");
        let field = query.get("sortField").and_then(Value::as_str).unwrap_or("createdAt");
        let store = self.store();
        let filter = Filter::of(self, &store, query)?;
        let embed = Embed::listed(query.get("embed").and_then(Value::as_str).unwrap_or(""));

        let (ids, total) = match field {
            "mailboxId" => filter.sorted(&store, page, is_ascending, |a, b| a.mailbox.cmp(&b.mailbox)),
            "subject" => filter
                .sorted(&store, page, is_ascending, |a, b| a.subject.to_lowercase().cmp(&b.subject.to_lowercase())),
            "updatedAt" => filter.sorted(&store, page, is_ascending, |a, b| a.updated.cmp(&b.updated)),
            "waitingSince" => filter.sorted(&store, page, is_ascending, |a, b| a.last_reply.cmp(&b.last_reply)),
            "number" => filter.in_order_of_ids(&store, page, is_ascending),
            _ => filter.in_order_of_creation(&store, page, is_ascending),
        };
        let rows = ids.into_iter().filter_map(|id| store.conversation(id));
        let rows: Vec<Value> = rows.map(|row| show::conversation(self, &store, row, embed)).collect();
        Ok(page.envelope("conversations", &rows, total))
    }

    pub(in crate::sandbox) fn get_customer(&self, id: u64) -> Result<Answer, Stop> {
        let store = self.store();
        let row = store.customers.get(&id).ok_or_else(Stop::not_found)?;
        Ok(Answer::ok(show::customer(self, &store, row)))
    }

    pub(in crate::sandbox) fn list_customers(&self, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        let is_ascending = query.get("sortOrder").and_then(Value::as_str) == Some("asc");
        let since = self.since(query, "updatedSince")?;
        let given =
            |key: &str| query.get(key).filter(|v| !is_empty(Some(v))).and_then(|v| text(Some(v)).ok().flatten());
        let (email, first, last) = (given("email"), given("firstName"), given("lastName"));
        let phone = given("phone").map(|p| digits(&p));
        let store = self.store();
        let same = |have: &Option<String>, want: &Option<String>| match want {
            Some(want) => have.as_deref().is_some_and(|have| have.to_lowercase() == want.to_lowercase()),
            None => true,
        };
        let is_shown = |c: &&Customer| {
            same(&c.first_name, &first)
                && same(&c.last_name, &last)
                && since.is_none_or(|since| c.updated >= since)
                && phone.as_ref().is_none_or(|p| has_phone(c, p))
        };
        let mut rows: Vec<&Customer> = match &email {
            Some(email) => store
                .customer_by_email(email)
                .and_then(|id| store.customers.get(&id))
                .into_iter()
                .filter(is_shown)
                .collect(),
            None => store.customers.values().filter(is_shown).collect(),
        };
        if !is_ascending {
            rows.reverse();
        }
        let name = |name: &Option<String>| name.as_deref().map(str::to_lowercase);
        let directed = |order: Ordering| if is_ascending { order } else { order.reverse() };
        match query.get("sortField").and_then(Value::as_str) {
            Some("firstName") => rows.sort_by(|a, b| directed(name(&a.first_name).cmp(&name(&b.first_name)))),
            Some("lastName") => rows.sort_by(|a, b| directed(name(&a.last_name).cmp(&name(&b.last_name)))),
            Some("updatedAt") => rows.sort_by(|a, b| directed(a.updated.cmp(&b.updated))),
            _ => {}
        }
        let total = rows.len();
        let shown = rows.into_iter().skip(page.skip()).take(page.size).map(|c| show::customer(self, &store, c));
        Ok(page.envelope("customers", &shown.collect::<Vec<_>>(), total))
    }

    pub(in crate::sandbox) fn get_user(&self, id: u64) -> Result<Answer, Stop> {
        let store = self.store();
        Ok(Answer::ok(show::user(store.users.get(&id).ok_or_else(Stop::not_found)?)))
    }

    pub(in crate::sandbox) fn list_users(&self, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        let email = query.get("email").filter(|v| !is_empty(Some(v))).and_then(Value::as_str);
        let store = self.store();
        let users = store.users.values().rev().filter(|u| email.is_none_or(|e| u.email.eq_ignore_ascii_case(e)));
        let users: Vec<Value> = users.map(show::user).collect();
        Ok(page.cut("users", users.into_iter()))
    }

    pub(in crate::sandbox) fn list_mailboxes(&self, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        let store = self.store();
        // An administrator and a user that nobody knows see everything.
        let user = query.get("userId").filter(|v| !is_empty(Some(v))).and_then(id);
        let user = user.and_then(|id| store.users.get(&id)).filter(|u| !u.is_admin).map(|u| u.id);
        let rows: Vec<Value> = store
            .mailboxes
            .values()
            .filter(|m| user.is_none_or(|u| m.users.contains(&u)))
            .map(|m| {
                let created = dates::show(m.created);
                json!({"id": m.id, "name": m.name, "email": m.email, "createdAt": created, "updatedAt": created})
            })
            .collect();
        Ok(page.cut("mailboxes", rows.into_iter()))
    }

    pub(in crate::sandbox) fn list_fields(&self, mailbox: u64, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let store = self.store();
        let mailbox = store.mailboxes.get(&mailbox).ok_or_else(Stop::not_found)?;
        if !self.profile.has_custom_fields {
            return Err(Stop::module_off("Custom Fields"));
        }
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        Ok(page.cut("custom_fields", mailbox.fields.iter().map(show::field)))
    }

    pub(in crate::sandbox) fn list_folders(&self, mailbox: u64, query: &Map<String, Value>) -> Result<Answer, Stop> {
        let store = self.store();
        let mailbox = store.mailboxes.get(&mailbox).ok_or_else(Stop::not_found)?;
        let page = Page::of(query)?;
        let wanted = |key: &str| query.get(key).filter(|v| !is_empty(Some(v))).and_then(id);
        let (user, folder) = (wanted("userId"), wanted("folderId"));
        let mut folders: Vec<_> = mailbox
            .folders
            .iter()
            .filter(|f| user.is_none_or(|u| f.user == Some(u)) && folder.is_none_or(|id| f.id == id))
            .collect();
        folders.sort_by_key(|f| (f.kind, f.id));
        let counts = store.folder_counts(mailbox.id);
        let rows = folders.into_iter().map(|f| {
            let (total, active) = counts.get(&f.id).copied().unwrap_or_default();
            json!({
                "id": f.id, "name": folder_name(f.kind), "type": f.kind, "userId": f.user, "totalCount": total,
                "activeCount": active, "meta": null,
            })
        });
        Ok(page.cut("folders", rows))
    }

    pub(in crate::sandbox) fn list_tags(&self, query: &Map<String, Value>) -> Result<Answer, Stop> {
        if !self.profile.has_tags {
            return Err(Stop::module_off("Tags"));
        }
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        let store = self.store();
        let of = query.get("conversationId").filter(|v| !is_empty(Some(v)));
        let attached = of.map(|v| id(v).and_then(|id| store.conversation(id)).map_or(&[][..], |c| &c.tags));
        let rows: Vec<Value> = store
            .tags
            .values()
            .filter(|t| attached.is_none_or(|tags| tags.contains(&t.id)))
            .map(|t| json!({"id": t.id, "name": t.name, "counter": t.counter, "color": 0}))
            .collect();
        Ok(page.cut("tags", rows.into_iter()))
    }

    pub(in crate::sandbox) fn list_timelogs(
        &self,
        conversation: u64,
        query: &Map<String, Value>,
    ) -> Result<Answer, Stop> {
        if !self.profile.has_time_tracking {
            return Err(Stop::module_off("Time Tracking"));
        }
        let page = Page::of(query)?.fixed_when(self.profile.pages_are_fixed);
        Ok(page.cut("timelogs", show::timelogs(&self.store(), conversation).into_iter()))
    }

    /// The instant of a date filter; none when it is blank, an exception when it is no date.
    fn since(&self, query: &Map<String, Value>, key: &str) -> Result<Option<Instant>, Stop> {
        match query.get(key) {
            given if is_empty(given) => Ok(None),
            given => self.date(given).map(Some),
        }
    }
}

fn folder_name(kind: u8) -> &'static str {
    match kind {
        1 => "Unassigned",
        20 => "Mine",
        25 => "Starred",
        30 => "Drafts",
        40 => "Assigned",
        60 => "Closed",
        70 => "Deleted",
        80 => "Spam",
        _ => "",
    }
}

fn has_phone(customer: &Customer, wanted: &str) -> bool {
    // Looked for inside the stored list: no digits at all match whoever has a list.
    customer.phones.iter().any(|(value, _)| digits(value).contains(wanted))
}

/// Which conversations a list shows.
#[derive(Default)]
struct Filter {
    mailboxes: Option<Vec<u64>>,
    customer: Option<u64>,
    customer_email: Option<String>,
    phone: Option<Vec<u64>>,
    folder: Option<u64>,
    statuses: Option<Vec<u8>>,
    state: Option<u8>,
    kind: Option<u8>,
    assignee: Option<Option<u64>>,
    updated_since: Option<Instant>,
    created_since: Option<Instant>,
    number: Option<u64>,
    subject: Option<Pattern>,
    by_user: Option<u64>,
    by_customer: Option<u64>,
    /// An unknown tag is 0, which no conversation has.
    tag: Option<u64>,
    has_custom_numbers: bool,
}

impl Filter {
    fn of(server: &Server, store: &Store, query: &Map<String, Value>) -> Result<Filter, Stop> {
        let given = |key: &str| query.get(key).filter(|v| !is_empty(Some(v)));
        let words = |key: &str| given(key).and_then(|v| text(Some(v)).ok().flatten());
        // An id that cannot be one matches nothing.
        let id_of = |key: &str| given(key).map(|v| id(v).unwrap_or(0));
        let profile = &server.profile;
        let statuses = words("status").and_then(|list| {
            let is_list = profile.lists_statuses && list.contains(',');
            let known: Vec<u8> = if is_list {
                list.split(',').filter_map(|w| show::code_of(&show::STATUSES, w.trim())).collect()
            } else {
                show::code_of(&show::STATUSES, &list).into_iter().collect()
            };
            Some(known).filter(|known| !known.is_empty())
        });
        let creator = |key: &str| query.get(key).filter(|_| profile.filters_creator).map(|v| id(v).unwrap_or(0));
        let tag = words("tag").filter(|_| profile.has_tags).map(|t| normal_tag(&t)).filter(|t| !t.is_empty());
        Ok(Filter {
            mailboxes: words("mailboxId")
                .map(|list| list.split(',').map(|id| u64::try_from(leading_int(id)).unwrap_or(0)).collect()),
            customer: id_of("customerId"),
            customer_email: words("customerEmail").map(|e| e.to_lowercase()),
            phone: words("customerPhone").map(|phone| {
                let wanted = digits(&phone);
                store.customers.values().filter(|c| has_phone(c, &wanted)).map(|c| c.id).collect()
            }),
            folder: id_of("folderId"),
            statuses,
            state: words("state").and_then(|w| show::code_of(&show::STATES, &w)),
            kind: words("type").and_then(|w| show::code_of(&show::TYPES[..3], &w)),
            assignee: query.get("assignedTo").map(id),
            updated_since: server.since(query, "updatedSince")?,
            created_since: server.since(query, "createdSince")?,
            number: id_of("number"),
            subject: words("subject").map(|s| Pattern::new(&s, profile.finds_in_subject)),
            by_user: creator("createdByUserId"),
            by_customer: creator("createdByCustomerId"),
            tag: tag.map(|name| store.tag_by_name(&name).unwrap_or(0)),
            has_custom_numbers: profile.has_custom_numbers,
        })
    }

    fn shows(&self, row: &Conversation) -> bool {
        let number = if self.has_custom_numbers { row.number } else { row.id };
        self.mailboxes.as_ref().is_none_or(|all| all.contains(&row.mailbox))
            && self.customer.is_none_or(|id| row.customer == Some(id))
            && self.customer_email.as_ref().is_none_or(|e| row.customer_email.to_lowercase() == *e)
            && self.phone.as_ref().is_none_or(|all| row.customer.is_some_and(|c| all.contains(&c)))
            && self.folder.is_none_or(|id| row.folder == id)
            && self.statuses.as_ref().is_none_or(|all| all.contains(&row.status))
            && self.state.is_none_or(|state| row.state == state)
            && self.kind.is_none_or(|kind| row.kind == kind)
            && self.assignee.is_none_or(|assignee| row.assignee == assignee)
            && self.updated_since.is_none_or(|since| row.updated >= since)
            && self.created_since.is_none_or(|since| row.created >= since)
            && self.number.is_none_or(|wanted| number == wanted)
            && self.subject.as_ref().is_none_or(|pattern| pattern.matches(&row.subject))
            && self.by_user.is_none_or(|id| row.created_by_user == Some(id))
            && self.by_customer.is_none_or(|id| row.created_by_customer == Some(id))
            && self.tag.is_none_or(|tag| row.tags.contains(&tag))
    }

    /// Whether nothing but mailbox and creation date is asked for, which the index answers without looking at rows.
    fn is_indexed(&self) -> bool {
        let Filter { mailboxes, created_since: _, has_custom_numbers: _, .. } = self;
        mailboxes.as_ref().is_none_or(|all| all.len() == 1) && {
            let rest = [
                self.customer.is_some(),
                self.customer_email.is_some(),
                self.phone.is_some(),
                self.folder.is_some(),
                self.statuses.is_some(),
                self.state.is_some(),
                self.kind.is_some(),
                self.assignee.is_some(),
                self.updated_since.is_some(),
                self.number.is_some(),
                self.subject.is_some(),
                self.by_user.is_some(),
                self.by_customer.is_some(),
                self.tag.is_some(),
            ];
            !rest.contains(&true)
        }
    }

    /// The rows that can match at all, in the order of creation dates with ids ascending among equals.
    fn candidates<'a>(&self, store: &'a Store) -> Vec<&'a Conversation> {
        if let Some(number) = self.number.filter(|_| !self.has_custom_numbers) {
            return store.conversation(number).into_iter().filter(|row| self.shows(row)).collect();
        }
        let mut rows: Vec<&Conversation> = if let Some(customer) = self.customer {
            store.of_customer(customer).into_iter().flatten().filter_map(|id| store.conversation(*id)).collect()
        } else {
            let mailbox = self.mailboxes.as_ref().and_then(|all| if let [one] = all[..] { Some(one) } else { None });
            let from = (self.created_since.unwrap_or(Instant::MIN), 0);
            let order = store.created_order(mailbox);
            order.into_iter().flat_map(|o| o.range(from..)).filter_map(|(_, id)| store.conversation(*id)).collect()
        };
        rows.retain(|row| self.shows(row));
        if self.customer.is_some() {
            rows.sort_by_key(|row| (row.created, row.id));
        }
        rows
    }

    fn in_order_of_creation(&self, store: &Store, page: Page, is_ascending: bool) -> (Vec<u64>, usize) {
        if self.is_indexed() {
            let mailbox = self.mailboxes.as_ref().map(|all| all[0]);
            let Some(order) = store.created_order(mailbox) else { return (Vec::new(), 0) };
            let from = (self.created_since.unwrap_or(Instant::MIN), 0);
            let total = if self.created_since.is_some() { order.range(from..).count() } else { order.len() };
            let ids = if is_ascending {
                order.range(from..).skip(page.skip()).take(page.size).map(|(_, id)| *id).collect()
            } else {
                newest_first(order, from, page)
            };
            return (ids, total);
        }
        let mut rows = self.candidates(store);
        if !is_ascending {
            rows.sort_by_key(|row| Reverse(row.created));
        }
        cut(rows.len(), rows.into_iter(), page, true)
    }

    fn in_order_of_ids(&self, store: &Store, page: Page, is_ascending: bool) -> (Vec<u64>, usize) {
        if self.is_indexed() && self.mailboxes.is_none() && self.created_since.is_none() {
            return cut(store.conversation_count(), store.conversations(), page, is_ascending);
        }
        let mut rows = self.candidates(store);
        rows.sort_unstable_by_key(|row| if self.has_custom_numbers { (row.number, row.id) } else { (row.id, 0) });
        cut(rows.len(), rows.into_iter(), page, is_ascending)
    }

    /// Any other order: only as much is sorted as the page needs.
    fn sorted(
        &self,
        store: &Store,
        page: Page,
        is_ascending: bool,
        order: impl Fn(&Conversation, &Conversation) -> Ordering,
    ) -> (Vec<u64>, usize) {
        let mut rows = self.candidates(store);
        let compare = |a: &&Conversation, b: &&Conversation| {
            let both = order(a, b);
            if is_ascending { both } else { both.reverse() }.then(a.id.cmp(&b.id))
        };
        let total = rows.len();
        let end = page.skip().saturating_add(page.size).min(total);
        if end < total {
            rows.select_nth_unstable_by(end, compare);
            rows.truncate(end);
        }
        rows.sort_unstable_by(compare);
        (rows.into_iter().skip(page.skip()).map(|row| row.id).collect(), total)
    }
}

fn cut<'a>(
    total: usize,
    rows: impl DoubleEndedIterator<Item = &'a Conversation>,
    page: Page,
    is_ascending: bool,
) -> (Vec<u64>, usize) {
    let ids = if is_ascending {
        rows.skip(page.skip()).take(page.size).map(|row| row.id).collect()
    } else {
        rows.rev().skip(page.skip()).take(page.size).map(|row| row.id).collect()
    };
    (ids, total)
}

/// A page of ids from the newest date to the oldest. Among equal dates no order is promised; recorded is the lower id
/// first.
fn newest_first(order: &BTreeSet<(Instant, u64)>, from: (Instant, u64), page: Page) -> Vec<u64> {
    let (mut group, mut group_start, mut is_there) = (None, 0, false);
    for (at, (date, _)) in order.range(from..).rev().enumerate() {
        if group != Some(*date) {
            (group, group_start) = (Some(*date), at);
        }
        if at == page.skip() {
            is_there = true;
            break;
        }
    }
    let mut ids = Vec::new();
    let mut skip = page.skip() - group_start.min(page.skip());
    while let Some(date) = group.filter(|_| is_there && ids.len() < page.size) {
        let equal = order.range((date, 0)..=(date, u64::MAX)).skip(skip);
        ids.extend(equal.take(page.size - ids.len()).map(|(_, id)| *id));
        skip = 0;
        group = order.range(from..(date, 0)).next_back().map(|(date, _)| *date);
    }
    ids
}

/// An SQL pattern: `%` for any text, `_` for any character, case ignored.
struct Pattern(Vec<char>);

impl Pattern {
    fn new(given: &str, is_anywhere: bool) -> Pattern {
        let text = given.to_lowercase();
        Pattern(if is_anywhere { format!("%{text}%") } else { text }.chars().collect())
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        // The usual two-pointer match: on a mismatch the last `%` takes one character more.
        let (mut at, mut p, mut star) = (0, 0, None);
        while at < text.len() {
            match self.0.get(p) {
                Some('%') => {
                    star = Some((p, at));
                    p += 1;
                }
                Some(c) if *c == '_' || *c == text[at] => {
                    p += 1;
                    at += 1;
                }
                _ => match star {
                    Some((back, taken)) => {
                        star = Some((back, taken + 1));
                        p = back + 1;
                        at = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[p..].iter().all(|c| *c == '%')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_matched_like_sql_does() {
        for (given, anywhere, text, want) in [
            ("refund", true, "About a Refund", true),
            ("re_und", true, "refund", true),
            ("a%c", true, "xabbbcx", true),
            ("refund", false, "About a refund", false),
            ("%refund", false, "About a refund", true),
            ("zz", true, "refund", false),
        ] {
            assert_eq!(Pattern::new(given, anywhere).matches(text), want, "{given} in {text}");
        }
    }
}
