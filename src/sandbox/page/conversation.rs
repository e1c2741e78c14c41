//! One conversation with its threads, as an agent reads it: the newest on top.

use std::collections::HashSet;

use minijinja::{Value, context};
use url::{Url, form_urlencoded};

use super::find::{self, Standing, Wanted};
use super::lists::{customer_name, others, profile, subject_of, time};
use super::{Shown, Stopped, page};
use crate::html;
use crate::html::page::is_picture;
use crate::report::figures::size;
use crate::sandbox::Server;
use crate::sandbox::show;
use crate::sandbox::store::{Addresses, Conversation, Store, Thread, User, code};

/// Most threads of one page.
const THREADS: usize = 100;

/// When a page is full before that: this many bytes of bodies, as they are stored.
const TEXT: usize = 2 << 20;

/// A thread as it was found, to be cleaned when the rows are free again.
struct Found {
    values: Value,
    body: String,
    pictures: HashSet<u64>,
}

/// `/conversation/ID`, from the thread that `from` in the query counts to.
pub(super) fn show(server: &Server, id: u64, query: &str) -> Result<Shown, Stopped> {
    let from = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "from");
    let from: usize = from.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let store = server.store();
    let row = store.conversation(id).ok_or(Stopped::NotFound("This conversation"))?;
    let all = show::published(row);
    let count = all.len();
    let mut found = Vec::new();
    let mut bytes = 0;
    for thread in all.into_iter().skip(from).take(THREADS) {
        let body = thread.body.as_deref().unwrap_or_default();
        bytes += body.len();
        if bytes > TEXT && !found.is_empty() {
            break;
        }
        found.push(thread_of(server, &store, row, thread));
    }
    let subject = subject_of(row).to_owned();
    let head = head(server, &store, row)?;
    drop(store);
    let shown = found.len();
    let threads: Vec<Value> = found
        .into_iter()
        .map(|found| {
            let body = body(server, &found.body, &found.pictures);
            let is_paper = has_colours(&body);
            context! { body => Value::from_safe_string(body), is_paper, ..found.values }
        })
        .collect();
    let values = context! {
        head, threads, count,
        from => from + 1, to => from + shown,
        older => if from + shown < count { format!("/conversation/{id}?from={}", from + shown) } else { String::new() },
        newest => if from > 0 { format!("/conversation/{id}") } else { String::new() },
    };
    page(subject, "conversation", values)
}

fn head(server: &Server, store: &Store, row: &Conversation) -> Result<Value, Stopped> {
    let mailbox = store.mailboxes.get(&row.mailbox);
    let user = |id: Option<u64>| id.and_then(|id| store.users.get(&id)).map(User::shown_name).unwrap_or_default();
    let tags: Vec<Value> = row
        .tags
        .iter()
        .filter_map(|id| store.tags.get(id))
        .map(|tag| context! { name => &*tag.name, link => Wanted { tag: tag.name.clone(), ..Wanted::default() }.link(1) })
        .collect();
    let fields: Vec<Value> = find::fields(store, row)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let link = Wanted { field: name.to_owned(), value: value.to_owned(), ..Wanted::default() }.link(1);
            context! { name, value, link }
        })
        .collect();
    let customer = match row.customer.and_then(|id| store.customers.get(&id)) {
        None => Value::from(()),
        Some(customer) => {
            let (others, count) = others(server, store, customer.id, row.id);
            context! {
                id => customer.id, name => customer_name(customer), profile => profile(server, store, customer)?,
                others, count, all => Wanted { customer: Some(customer.id), ..Wanted::default() }.link(1),
            }
        }
    };
    let minutes: i64 = store.timelogs.iter().filter(|log| log.conversation == row.id).map(|log| log.time_spent).sum();
    let is_closed = row.status == code::CLOSED;
    Ok(context! {
        id => row.id,
        number => show::number(server, row),
        subject => subject_of(row),
        status => Standing::of(row).word(),
        kind => show::word(&show::TYPES, row.kind),
        is_imported => row.is_imported,
        mailbox => mailbox.map_or("", |mailbox| &mailbox.name),
        mailbox_link => Wanted { mailbox: Some(row.mailbox), ..Wanted::default() }.link(1),
        assignee => user(row.assignee),
        email => &*row.customer_email,
        created => time(Some(row.created)),
        closed => time(row.closed.filter(|_| is_closed)),
        closed_by => user(row.closed_by.filter(|_| is_closed)),
        cc => addresses(&row.cc),
        bcc => addresses(&row.bcc),
        hidden => row.threads.iter().filter(|thread| thread.state != code::PUBLISHED).count(),
        minutes => (minutes + 59) / 60,
        tags, fields, customer,
    })
}

fn addresses(list: &Addresses) -> String {
    list.iter().map(|(_, address)| &**address).collect::<Vec<_>>().join(", ")
}

fn thread_of(server: &Server, store: &Store, row: &Conversation, thread: &Thread) -> Found {
    let user = thread.created_by_user.and_then(|id| store.users.get(&id));
    let customer = thread.created_by_customer.filter(|_| thread.created_by_user.is_none());
    let customer = customer.and_then(|id| store.customers.get(&id));
    let (who, email) = match (user, customer) {
        (Some(user), _) => (user.shown_name(), user.email.clone()),
        (None, Some(customer)) => (customer_name(customer), customer.main_email().to_owned()),
        (None, None) => ("nobody".to_owned(), String::new()),
    };
    let kind = match thread.kind {
        code::MESSAGE => "message",
        code::NOTE => "note",
        code::LINE_ITEM => "lineitem",
        _ => "customer",
    };
    // What is stored beside a thread that does not know of it, FreeScout does not show either.
    let ids = thread.attachments.iter().filter(|_| thread.has_attachments);
    let files: Vec<_> = ids.filter_map(|id| store.files.get(*id)).collect();
    let pictures = files.iter().filter(|file| is_picture(&file.mime.to_lowercase())).map(|file| file.id).collect();
    let shown: Vec<Value> = files
        .into_iter()
        .map(|file| {
            let is_picture = is_picture(&file.mime.to_lowercase());
            context! { id => file.id, name => &*file.name, mime => &*file.mime, size => size(file.size), is_picture }
        })
        .collect();
    let status = if thread.status == code::NO_CHANGE { "" } else { show::word(&show::STATUSES, thread.status) };
    let values = context! {
        id => thread.id, kind, who, email,
        person => customer.map(|customer| customer.id),
        time => time(Some(thread.created)),
        to => addresses(&thread.to), cc => addresses(&thread.cc), bcc => addresses(&thread.bcc),
        is_imported => thread.is_imported,
        status => if thread.kind == code::LINE_ITEM { "" } else { status },
        action => show::action(server, store, row, thread)["text"].as_str().unwrap_or_default(),
        files => shown,
    };
    Found { values, body: thread.body.as_deref().unwrap_or_default().to_owned(), pictures }
}

/// A body that may be shown: cleaned once more, with our own pictures in it and no others.
fn body(server: &Server, stored: &str, pictures: &HashSet<u64>) -> String {
    const ABSENT: &str = "/absent.svg";
    let clean = html::clean(stored).html;
    let clean = html::with_images(&clean, |_| Some(ABSENT.to_owned()));
    html::with_linked_images(&clean, |address| {
        let own = attachment_of(&server.url, address).filter(|id| pictures.contains(id));
        Some(own.map_or_else(|| ABSENT.to_owned(), |id| format!("/image/{id}")))
    })
}

/// The id of an attachment of this sandbox, by its address.
fn attachment_of(site: &str, address: &str) -> Option<u64> {
    let url = Url::parse(address).ok().filter(|_| address.starts_with(&format!("{site}/storage/attachment/")))?;
    url.query_pairs().find(|(name, _)| name == "id").and_then(|(_, id)| id.parse().ok())
}

/// Whether a mail brings colours of its own: they were chosen for white paper, and get it in the dark too.
fn has_colours(body: &str) -> bool {
    ["color:", "color=\"", "bgcolor="]
        .iter()
        .any(|sign| memchr::memmem::find(body.as_bytes(), sign.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_attachments_are_shown_in_a_text() {
        let site = "http://127.0.0.1:8025";
        for (address, expected) in [
            ("http://127.0.0.1:8025/storage/attachment/0/0/7/a.png?id=7&token=x", Some(7)),
            ("http://127.0.0.1:8025.example.org/storage/attachment/0/0/7/a.png?id=7", None),
            ("http://example.org/storage/attachment/0/0/7/a.png?id=7", None),
            ("http://127.0.0.1:8025/api/conversations?id=7", None),
        ] {
            assert_eq!(attachment_of(site, address), expected, "{address}");
        }
    }
}
