//! Which conversations a list shows: filters and search.
//!
//! There is no index: what a list needs is one pass over the rows in memory. The rows are locked for a few hundred of
//! them at a time, so that a search through a large rehearsal does not stop an import that is still going on.

use url::form_urlencoded;

use crate::html;
use crate::sandbox::Server;
use crate::sandbox::dates::Instant;
use crate::sandbox::show;
use crate::sandbox::store::{Conversation, Customer, Store, User, code};

/// Conversations of one page.
pub(super) const PER_PAGE: usize = 50;

/// How many rows are looked at while the lock is held once.
const AT_ONCE: usize = 256;

/// Most words of a search that are looked for; nobody types more.
const MOST_WORDS: usize = 10;

/// Where a conversation stands, as the folders of a help desk tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Pending,
    Closed,
    Spam,
    Draft,
    Deleted,
}

impl Standing {
    /// All, in the order in which they are counted and shown.
    pub const ALL: [Standing; 6] =
        [Standing::Active, Standing::Pending, Standing::Closed, Standing::Spam, Standing::Draft, Standing::Deleted];

    pub fn of(row: &Conversation) -> Standing {
        match (row.state, row.status) {
            (code::DELETED, _) => Standing::Deleted,
            (code::DRAFT, _) => Standing::Draft,
            (_, code::SPAM) => Standing::Spam,
            (_, code::CLOSED) => Standing::Closed,
            (_, code::PENDING) => Standing::Pending,
            _ => Standing::Active,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Standing::Active => "active",
            Standing::Pending => "pending",
            Standing::Closed => "closed",
            Standing::Spam => "spam",
            Standing::Draft => "draft",
            Standing::Deleted => "deleted",
        }
    }
}

/// What a list is asked for, as it stands in its address.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    pub mailbox: Option<u64>,
    pub standing: Option<Standing>,
    /// A user, or `Some(None)` for nobody.
    pub assignee: Option<Option<u64>>,
    pub tag: String,
    pub customer: Option<u64>,
    /// The name of a custom field: the same field has another id in each mailbox.
    pub field: String,
    /// What the field holds, or any field if none is named.
    pub value: String,
    pub search: String,
    pub is_oldest_first: bool,
    /// Counted from 1.
    pub page: usize,
}

/// What was found: the ids of one page, and how many there are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub ids: Vec<u64>,
    pub total: usize,
}

impl Wanted {
    /// From the query of an address. Parts that nobody knows are passed over; a filter that means nothing is an error,
    /// since a list without it would look like its answer.
    pub fn of(query: &str) -> Result<Wanted, String> {
        let mut wanted = Wanted { page: 1, ..Wanted::default() };
        let id = |name: &str, text: &str| {
            text.parse::<u64>().map(Some).map_err(|_| format!("`{name}` is not a number: `{text}`"))
        };
        for (name, text) in form_urlencoded::parse(query.as_bytes()) {
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            match &*name {
                "mailbox" => wanted.mailbox = id("mailbox", text)?,
                "customer" => wanted.customer = id("customer", text)?,
                "assignee" if text == "none" => wanted.assignee = Some(None),
                "assignee" => wanted.assignee = Some(id("assignee", text)?),
                "status" => {
                    let known = Standing::ALL.into_iter().find(|standing| standing.word() == text);
                    wanted.standing = Some(known.ok_or_else(|| format!("`status` is not known: `{text}`"))?);
                }
                "tag" => text.clone_into(&mut wanted.tag),
                "field" => text.clone_into(&mut wanted.field),
                "value" => text.clone_into(&mut wanted.value),
                "q" => text.clone_into(&mut wanted.search),
                "order" => wanted.is_oldest_first = text == "oldest",
                "page" => {
                    let page = text.parse().ok().filter(|page| *page > 0);
                    wanted.page = page.ok_or_else(|| format!("`page` is not a number above 0: `{text}`"))?;
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    /// The address of the same list, another page of it.
    pub fn link(&self, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let mut put = |name: &str, text: &str| {
            if !text.is_empty() {
                query.append_pair(name, text);
            }
        };
        let number = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
        put("q", &self.search);
        put("mailbox", &number(self.mailbox));
        put("status", self.standing.map_or("", Standing::word));
        put(
            "assignee",
            &self.assignee.map_or_else(String::new, |user| user.map_or("none".to_owned(), |id| id.to_string())),
        );
        put("tag", &self.tag);
        put("customer", &number(self.customer));
        put("field", &self.field);
        put("value", &self.value);
        put("order", if self.is_oldest_first { "oldest" } else { "" });
        if page > 1 {
            put("page", &page.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/conversations".to_owned() } else { format!("/conversations?{query}") }
    }

    /// Whether anything is left out.
    pub fn is_filtered(&self) -> bool {
        self.link(1).contains('?')
    }

    /// The page's conversations in order, and the count of all.
    pub fn find(&self, server: &Server) -> Found {
        let candidates: Vec<u64> = {
            let store = server.store();
            match self.customer {
                Some(customer) => store.of_customer(customer).into_iter().flatten().copied().collect(),
                None => store.created_order(self.mailbox).into_iter().flatten().map(|(_, id)| *id).collect(),
            }
        };
        let words = Words::of(&self.search);
        let mut hits: Vec<(Instant, u64)> = Vec::new();
        for some in candidates.chunks(AT_ONCE) {
            let store = server.store();
            let tag = (!self.tag.is_empty()).then(|| self.tag_ids(&store));
            let rows = some.iter().filter_map(|id| store.conversation(*id));
            let kept = rows.filter(|row| {
                self.admits(&store, row)
                    && tag.as_ref().is_none_or(|ids| row.tags.iter().any(|id| ids.contains(id)))
                    && words.are_in(server, &store, row)
            });
            hits.extend(kept.map(|row| (last_activity(row), row.id)));
        }
        if self.is_oldest_first {
            hits.sort_unstable();
        } else {
            hits.sort_unstable_by(|a, b| b.cmp(a));
        }
        let ids =
            hits.iter().skip((self.page - 1).saturating_mul(PER_PAGE)).take(PER_PAGE).map(|(_, id)| *id).collect();
        Found { ids, total: hits.len() }
    }

    fn tag_ids(&self, store: &Store) -> Vec<u64> {
        let wanted = self.tag.to_lowercase();
        store.tags.values().filter(|tag| tag.name.to_lowercase() == wanted).map(|tag| tag.id).collect()
    }

    fn admits(&self, store: &Store, row: &Conversation) -> bool {
        self.mailbox.is_none_or(|mailbox| row.mailbox == mailbox)
            && self.standing.is_none_or(|standing| Standing::of(row) == standing)
            && self.assignee.is_none_or(|assignee| row.assignee == assignee)
            && (self.field.is_empty() && self.value.is_empty() || self.admits_fields(store, row))
    }

    fn admits_fields(&self, store: &Store, row: &Conversation) -> bool {
        let wanted = self.value.to_lowercase();
        fields(store, row).any(|(name, value)| {
            (self.field.is_empty() || name == self.field)
                && if wanted.is_empty() { !value.is_empty() } else { value.to_lowercase().contains(&wanted) }
        })
    }
}

/// Names and shown values of a conversation's custom fields, as far as its mailbox has them.
pub(super) fn fields<'a>(store: &'a Store, row: &'a Conversation) -> impl Iterator<Item = (&'a str, &'a str)> {
    let known = store.mailboxes.get(&row.mailbox).map_or(&[][..], |mailbox| &mailbox.fields);
    known.iter().map(|field| (&*field.name, show::field_text(field, show::value_of(&row.fields, field.id))))
}

/// What lists are sorted by: the last reply, as in a help desk's folders.
pub(super) fn last_activity(row: &Conversation) -> Instant {
    row.last_reply.unwrap_or(row.created)
}

/// The words of a search, in lower case: each has to stand somewhere in a conversation.
struct Words(Vec<String>);

impl Words {
    fn of(search: &str) -> Words {
        Words(search.split_whitespace().take(MOST_WORDS).map(str::to_lowercase).collect())
    }

    fn are_in(&self, server: &Server, store: &Store, row: &Conversation) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let mut left = Left(self.0.iter().map(String::as_str).collect());
        let number = show::number(server, row).to_string();
        left.0.retain(|word| word.strip_prefix('#').unwrap_or(word) != number);
        left.strike(&row.subject);
        left.strike_people(store, row);
        for name in row.tags.iter().filter_map(|id| store.tags.get(id)).map(|tag| &tag.name) {
            left.strike(name);
        }
        for (_, value) in fields(store, row) {
            left.strike(value);
        }
        for thread in row.threads.iter().filter(|thread| thread.state == code::PUBLISHED) {
            if left.0.is_empty() {
                return true;
            }
            if let Some(body) = &thread.body {
                left.strike(&html::to_text(body));
            }
            for file in thread.attachments.iter().filter_map(|id| store.files.get(*id)) {
                left.strike(&file.name);
            }
        }
        left.0.is_empty()
    }
}

/// Words that have not been found yet.
struct Left<'a>(Vec<&'a str>);

impl Left<'_> {
    fn strike(&mut self, text: &str) {
        if !self.0.is_empty() && !text.is_empty() {
            self.0.retain(|word| !holds(text, word));
        }
    }

    fn strike_people(&mut self, store: &Store, row: &Conversation) {
        let threads = row.threads.iter();
        let writers = threads.clone().flat_map(|thread| [thread.created_by_customer, thread.customer]);
        let mut seen: Vec<u64> = writers.chain([row.customer]).flatten().collect();
        seen.sort_unstable();
        seen.dedup();
        for customer in seen.into_iter().filter_map(|id| store.customers.get(&id)) {
            self.strike_customer(customer);
        }
        let mut seen: Vec<u64> =
            threads.clone().filter_map(|thread| thread.created_by_user).chain(row.assignee).collect();
        seen.sort_unstable();
        seen.dedup();
        for user in seen.into_iter().filter_map(|id| store.users.get(&id)) {
            self.strike(&user.shown_name());
            self.strike(&user.email);
        }
        let copies = threads.flat_map(|thread| [&thread.to, &thread.cc, &thread.bcc]).flatten();
        for (_, address) in copies.chain(&row.cc).chain(&row.bcc) {
            self.strike(address);
        }
    }

    fn strike_customer(&mut self, customer: &Customer) {
        let names = [&customer.first_name, &customer.last_name, &customer.company];
        for text in names.into_iter().flatten() {
            self.strike(text);
        }
        for email in &customer.emails {
            self.strike(&email.value);
        }
        for (phone, _) in &customer.phones {
            self.strike(phone);
        }
    }
}

/// Whether all words of a search stand in what is known of a customer.
pub(super) fn is_in_customer(search: &str, customer: &Customer) -> bool {
    let words = Words::of(search);
    let mut left = Left(words.0.iter().map(String::as_str).collect());
    left.strike_customer(customer);
    left.0.is_empty()
}

/// Whether all words of a search stand in what is known of a user.
pub(super) fn is_in_user(search: &str, user: &User) -> bool {
    let words = Words::of(search);
    let mut left = Left(words.0.iter().map(String::as_str).collect());
    left.strike(&user.shown_name());
    left.strike(&user.email);
    left.0.is_empty()
}

/// Whether a text holds a word that is given in lower case, whatever its own case.
fn holds(text: &str, word: &str) -> bool {
    let (Some(first), true) = (word.bytes().next(), word.is_ascii()) else {
        return text.to_lowercase().contains(word);
    };
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let Some(last) = text.len().checked_sub(word.len()) else { return false };
    memchr::memchr2_iter(first, first.to_ascii_uppercase(), &text[..=last])
        .any(|at| text[at..at + word.len()].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        for (text, word, expected) in [
            ("Where is my Parcel?", "parcel", true),
            ("PARCEL", "parcel", true),
            ("parce", "parcel", false),
            ("", "parcel", false),
            ("Straße ÜBUNG", "übung", true),
            ("pa parcel", "parcel", true),
        ] {
            assert_eq!(holds(text, word), expected, "{text} {word}");
        }
    }

    #[test]
    fn an_address_keeps_what_is_asked_for() {
        let query =
            "q=late+%26+lost&mailbox=2&status=closed&assignee=none&tag=a%26b&field=Order%3F&value=1&order=oldest";
        let wanted = Wanted::of(query).expect("it is understood");
        let again = Wanted::of(wanted.link(3).split_once('?').expect("it has a query").1).expect("it is understood");
        assert_eq!((again.page, &*again.search, &*again.tag, &*again.field), (3, "late & lost", "a&b", "Order?"));
        assert_eq!((again.mailbox, again.standing, again.assignee), (Some(2), Some(Standing::Closed), Some(None)));
        assert!(again.is_oldest_first && again.is_filtered());
        assert_eq!(Wanted::of("status=&q=+").expect("blanks are nothing").link(1), "/conversations");
    }

    #[test]
    fn a_filter_that_means_nothing_is_an_error() {
        for query in ["status=open", "mailbox=x", "page=0", "page=-1", "assignee=me", "customer=1x"] {
            assert!(Wanted::of(query).is_err(), "{query}");
        }
    }
}
