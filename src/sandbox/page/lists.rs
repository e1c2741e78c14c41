//! The pages that list: mailboxes, conversations, people, the outbox, orphans.

use std::collections::{BTreeSet, HashMap};

use minijinja::{Value, context};
use url::form_urlencoded;

use super::find::{self, PER_PAGE, Standing, Wanted};
use super::{Shown, Stopped, page, part};
use crate::html;
use crate::sandbox::Server;
use crate::sandbox::dates::{self, Instant, ZERO};
use crate::sandbox::show;
use crate::sandbox::store::{Conversation, Customer, Store, User};

/// Tags that are proposed while somebody types; all others can be typed.
const PROPOSED_TAGS: usize = 300;

/// Customers, mails or orphans of one page.
const PEOPLE: usize = 100;

/// Other conversations of a customer that are shown beside one.
const OTHERS: usize = 8;

/// A time for machines and for people; both empty when there is none.
pub(super) fn time(instant: Option<Instant>) -> Value {
    let Some(instant) = instant else { return context! { iso => "", said => "" } };
    if instant == ZERO {
        return context! { iso => "", said => "date lost" };
    }
    let iso = dates::show(instant);
    let said = format!("{} {}", &iso[..10], &iso[11..16]);
    context! { iso, said }
}

/// What a customer is called, and what stands below it.
pub(super) fn customer_name(customer: &Customer) -> String {
    match customer.shown_name() {
        name if name.is_empty() => format!("customer {}", customer.id),
        name => name,
    }
}

/// A line of a list of conversations.
pub(super) fn row(server: &Server, store: &Store, row: &Conversation) -> Value {
    let customer = row.customer.and_then(|id| store.customers.get(&id));
    let tags = row.tags.iter().filter_map(|id| store.tags.get(id));
    let tags: Vec<Value> = tags.map(|tag| Value::from(&*tag.name)).collect();
    context! {
        id => row.id,
        number => show::number(server, row),
        subject => subject_of(row),
        // A preview is text with character references in it.
        preview => html::to_text(&row.preview),
        customer => customer.map(customer_name).unwrap_or_default(),
        email => &*row.customer_email,
        assignee => row.assignee.and_then(|id| store.users.get(&id)).map(User::shown_name).unwrap_or_default(),
        status => Standing::of(row).word(),
        threads => row.threads_count,
        has_files => row.threads.iter().any(|thread| thread.has_attachments),
        tags,
        time => time(Some(find::last_activity(row))),
    }
}

pub(super) fn subject_of(row: &Conversation) -> &str {
    if row.subject.trim().is_empty() { "(no subject)" } else { &row.subject }
}

/// The way to the other pages of a list; `link` gives the address of one.
fn pages(page: usize, per_page: usize, total: usize, link: impl Fn(usize) -> String) -> Result<Value, Stopped> {
    let last = total.div_ceil(per_page).max(1);
    let way = |there: usize, is_there: bool| if is_there { link(there) } else { String::new() };
    part(
        "pages",
        context! {
            first => way(1, page > 1),
            before => way(page.saturating_sub(1).min(last), page > 1),
            after => way(page + 1, page < last),
            last => way(last, page < last),
            page, pages => last,
            from => ((page - 1) * per_page + 1).min(total),
            to => (page.saturating_mul(per_page)).min(total),
            total,
        },
    )
}

/// `/`
pub(super) fn overview(server: &Server) -> Result<Shown, Stopped> {
    let state = server.state();
    let store = server.store();
    let mut counts: HashMap<u64, [usize; 7]> = HashMap::new();
    for row in store.conversations() {
        let of = counts.entry(row.mailbox).or_default();
        of[Standing::of(row) as usize] += 1;
        let is_open = matches!(Standing::of(row), Standing::Active | Standing::Pending);
        of[6] += usize::from(is_open && row.assignee.is_none());
    }
    let mailboxes: Vec<Value> = store
        .mailboxes
        .values()
        .map(|mailbox| {
            let counts = counts.remove(&mailbox.id).unwrap_or_default();
            let wanted = Wanted { mailbox: Some(mailbox.id), ..Wanted::default() };
            let standings: Vec<Value> = Standing::ALL
                .into_iter()
                .map(|standing| {
                    let link = Wanted { standing: Some(standing), ..wanted.clone() }.link(1);
                    context! { word => standing.word(), count => counts[standing as usize], link }
                })
                .collect();
            let unassigned = context! {
                count => counts[6],
                link => Wanted { assignee: Some(None), ..wanted.clone() }.link(1),
            };
            let total: usize = counts[..6].iter().sum();
            context! { name => &*mailbox.name, email => &*mailbox.email, link => wanted.link(1), standings, unassigned, total }
        })
        .collect();
    drop(store);
    let count = |name: &str| state[name].as_u64().unwrap_or_default();
    let values = context! {
        mailboxes,
        words => Standing::ALL.map(Standing::word),
        conversations => count("conversations"), threads => count("threads"), customers => count("customers"),
        attachments => count("attachments"), mails => count("outbox"), orphans => count("orphans"),
    };
    page("Mailboxes", "overview", values)
}

/// `/conversations`
pub(super) fn conversations(server: &Server, query: &str) -> Result<Shown, Stopped> {
    let wanted = Wanted::of(query).map_err(Stopped::NotUnderstood)?;
    let found = wanted.find(server);
    let store = server.store();
    let rows: Vec<Value> =
        found.ids.iter().filter_map(|id| store.conversation(*id)).map(|it| row(server, &store, it)).collect();
    let mailboxes: Vec<Value> =
        store.mailboxes.values().map(|mailbox| context! { id => mailbox.id, name => &*mailbox.name }).collect();
    let users: Vec<Value> =
        store.users.values().map(|user| context! { id => user.id, name => user.shown_name() }).collect();
    let mut tags: Vec<(i64, &str)> = store.tags.values().map(|tag| (-tag.counter, &*tag.name)).collect();
    tags.sort_unstable();
    let tags: Vec<Value> = tags.into_iter().take(PROPOSED_TAGS).map(|(_, name)| Value::from(name)).collect();
    let shown = store.mailboxes.values().filter(|mailbox| wanted.mailbox.is_none_or(|id| mailbox.id == id));
    let mut fields: Vec<&str> = shown.flat_map(|mailbox| &mailbox.fields).map(|field| &*field.name).collect();
    fields.sort_unstable();
    fields.dedup();
    let fields: Vec<Value> = fields.into_iter().map(Value::from).collect();
    let mailbox = wanted.mailbox.and_then(|id| store.mailboxes.get(&id)).map(|mailbox| mailbox.name.clone());
    let title = match (&mailbox, wanted.standing) {
        (Some(name), Some(standing)) => format!("{name}: {}", standing.word()),
        (Some(name), None) => name.clone(),
        (None, Some(standing)) => format!("All mailboxes: {}", standing.word()),
        (None, None) => "All mailboxes".to_owned(),
    };
    let customer = wanted.customer.and_then(|id| store.customers.get(&id));
    let assignee = match wanted.assignee {
        None => String::new(),
        Some(None) => "none".to_owned(),
        Some(Some(id)) => id.to_string(),
    };
    let values = context! {
        title => &*title,
        rows => part("rows", context! { rows })?,
        is_empty => found.ids.is_empty(),
        pages => pages(wanted.page, PER_PAGE, found.total, |page| wanted.link(page))?,
        total => found.total,
        words => Standing::ALL.map(Standing::word),
        mailboxes, users, tags, fields,
        is_filtered => wanted.is_filtered(),
        customer => customer.map(|it| context! { id => it.id, name => customer_name(it) }),
        asked => context! {
            mailbox => wanted.mailbox, status => wanted.standing.map_or("", Standing::word), assignee, tag => &*wanted.tag,
            field => &*wanted.field, value => &*wanted.value, is_oldest_first => wanted.is_oldest_first, q => &*wanted.search,
        },
    };
    drop(store);
    let shown = page(title, "conversations", values)?;
    Ok(match shown {
        Shown::Page { status, title, main, .. } => Shown::Page { status, title, main, search: wanted.search },
        other => other,
    })
}

/// The search text and page of a list that has nothing else; the page counts from 1.
fn asked(query: &str) -> Result<(String, usize), Stopped> {
    let wanted = Wanted::of(query).map_err(Stopped::NotUnderstood)?;
    Ok((wanted.search, wanted.page))
}

fn link(path: &str, search: &str, page: usize) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if !search.is_empty() {
        query.append_pair("q", search);
    }
    if page > 1 {
        query.append_pair("page", &page.to_string());
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// `/people`
pub(super) fn people(server: &Server, query: &str) -> Result<Shown, Stopped> {
    let (search, number) = asked(query)?;
    let store = server.store();
    let mut found: Vec<&Customer> =
        store.customers.values().filter(|customer| find::is_in_customer(&search, customer)).collect();
    let total = found.len();
    found.sort_by_cached_key(|customer| (customer_name(customer).to_lowercase(), customer.id));
    let shown = found.into_iter().skip((number - 1).saturating_mul(PEOPLE)).take(PEOPLE);
    let customers: Vec<Value> = shown
        .map(|customer| {
            context! {
                id => customer.id, name => customer_name(customer), email => customer.main_email(),
                more => customer.emails.len().saturating_sub(1), company => customer.company.as_deref(),
                count => store.of_customer(customer.id).map_or(0, BTreeSet::len),
            }
        })
        .collect();
    let mut assigned: HashMap<u64, usize> = HashMap::new();
    for user in store.conversations().filter_map(|row| row.assignee) {
        *assigned.entry(user).or_default() += 1;
    }
    let users: Vec<Value> = store
        .users
        .values()
        .filter(|user| find::is_in_user(&search, user))
        .map(|user| {
            context! {
                name => user.shown_name(), email => &*user.email, is_admin => user.is_admin, is_deleted => user.is_deleted,
                count => assigned.get(&user.id).copied().unwrap_or_default(),
                link => Wanted { assignee: Some(Some(user.id)), ..Wanted::default() }.link(1),
            }
        })
        .collect();
    let pages = pages(number, PEOPLE, total, |page| link("/people", &search, page))?;
    drop(store);
    page("People", "people", context! { search, customers, users_total => users.len(), users, pages, total })
}

/// `/person/ID`
pub(super) fn person(server: &Server, id: u64) -> Result<Shown, Stopped> {
    let store = server.store();
    let customer = store.customers.get(&id).ok_or(Stopped::NotFound("This customer"))?;
    let name = customer_name(customer);
    let profile = profile(server, &store, customer)?;
    let mut rows: Vec<&Conversation> =
        store.of_customer(id).into_iter().flatten().filter_map(|id| store.conversation(*id)).collect();
    let total = rows.len();
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((find::last_activity(row), row.id)));
    let rows: Vec<Value> = rows.into_iter().take(PER_PAGE).map(|it| row(server, &store, it)).collect();
    let all = Wanted { customer: Some(id), ..Wanted::default() }.link(1);
    drop(store);
    let shown = rows.len();
    page(
        name.clone(),
        "person",
        context! { name, profile, rows => part("rows", context! { rows })?, total, shown, all },
    )
}

/// What is known of a customer.
pub(super) fn profile(server: &Server, store: &Store, customer: &Customer) -> Result<Value, Stopped> {
    let mut facts: Vec<Value> = Vec::new();
    let mut fact = |name: &str, value: &str| {
        if !value.trim().is_empty() {
            facts.push(Value::from(vec![Value::from(name), Value::from(value)]));
        }
    };
    for email in &customer.emails {
        fact("E-mail", &email.value);
    }
    for (phone, kind) in &customer.phones {
        fact(&format!("Phone ({})", show::word(&show::PHONE_TYPES, *kind)), phone);
    }
    fact("Job", customer.job_title.as_deref().unwrap_or_default());
    fact("Company", customer.company.as_deref().unwrap_or_default());
    let place = [&customer.address, &customer.zip, &customer.city, &customer.state, &customer.country];
    let place: Vec<&str> = place.into_iter().flatten().map(String::as_str).filter(|text| !text.is_empty()).collect();
    fact("Address", &place.join(", "));
    for website in &customer.websites {
        fact("Website", website);
    }
    for (profile, kind) in &customer.social_profiles {
        fact(show::word(&show::SOCIAL_TYPES, *kind), profile);
    }
    for field in store.customer_fields.iter().filter(|_| server.profile.has_crm) {
        fact(&field.name, show::field_text(field, show::value_of(&customer.fields, field.id)));
    }
    fact("Notes", customer.notes.as_deref().unwrap_or_default());
    Ok(Value::from(facts))
}

/// Other conversations of a customer, the newest first, and how many there are.
pub(super) fn others(server: &Server, store: &Store, customer: u64, but: u64) -> (Vec<Value>, usize) {
    let ids = store.of_customer(customer).into_iter().flatten().filter(|id| **id != but);
    let mut rows: Vec<&Conversation> = ids.filter_map(|id| store.conversation(*id)).collect();
    rows.sort_unstable_by_key(|row| std::cmp::Reverse((find::last_activity(row), row.id)));
    let count = rows.len();
    (rows.into_iter().take(OTHERS).map(|it| row(server, store, it)).collect(), count)
}

/// `/outbox`
pub(super) fn outbox(server: &Server, query: &str) -> Result<Shown, Stopped> {
    let (_, number) = asked(query)?;
    let store = server.store();
    let mailed = store.outbox.iter().filter(|mail| mail.is_mailed);
    let mails = mailed.clone().count();
    // Those that would have gone out come first: they are what matters.
    let all = mailed.chain(store.outbox.iter().filter(|mail| !mail.is_mailed));
    let rows: Vec<Value> = all
        .skip((number - 1).saturating_mul(PEOPLE))
        .take(PEOPLE)
        .map(|mail| {
            let about = store.conversation(mail.conversation);
            let thread = about.and_then(|row| row.threads.iter().find(|thread| thread.id == mail.thread));
            let text: String = thread.and_then(|it| it.body.as_deref()).map(html::to_text).unwrap_or_default();
            context! {
                id => mail.conversation, is_there => about.is_some(), subject => about.map_or("(deleted)", subject_of),
                thread => mail.thread, kind => &*mail.kind, to => &*mail.to, is_mailed => mail.is_mailed,
                preview => text.chars().take(200).collect::<String>(),
            }
        })
        .collect();
    let total = store.outbox.len();
    drop(store);
    let pages = pages(number, PEOPLE, total, |page| link("/outbox", "", page))?;
    page("Outbox", "outbox", context! { mails, jobs => total - mails, rows, pages })
}

/// `/orphans`
pub(super) fn orphans(server: &Server, query: &str) -> Result<Shown, Stopped> {
    let (_, number) = asked(query)?;
    let store = server.store();
    let without = || store.customers.values().filter(|customer| customer.emails.is_empty());
    let total = without().count();
    let rows: Vec<Value> = without()
        .skip((number - 1).saturating_mul(PEOPLE))
        .take(PEOPLE)
        .map(|customer| {
            let count = store.of_customer(customer.id).map_or(0, BTreeSet::len);
            context! { id => customer.id, name => customer_name(customer), count }
        })
        .collect();
    let threads = store.orphan_threads;
    drop(store);
    let pages = pages(number, PEOPLE, total, |page| link("/orphans", "", page))?;
    page("Orphans", "orphans", context! { total, threads, rows, pages })
}
