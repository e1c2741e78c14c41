//! What a server does to imported conversations, learnt from a few that are made in a scratch mailbox and removed again.
//!
//! The first has one customer thread: made so it mails nobody whether `imported` is honoured or not
//! (`freescout-behaviour.md`, section 20), as long as the mailbox sends no auto-reply; the address is one that cannot exist.
//! Nothing else is made unless that one came back with the times it was sent with.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::content::Content;
use crate::conversation::{Kind, Status, ThreadKind};
use crate::freescout::{
    ApiError, Client, ConversationFilter, CustomerFilter, Deleted, Directory, Embed, Labelled, NewAttachment,
    NewConversation, NewCustomer, NewThread, Page, Verdict, wire,
};
use crate::upload::Stop;

use crate::report::figures::chain;

use super::{Desk, Grade, Learnt, holdings, shown};

/// The address of the customer to whom the experiments belong. `.invalid` exists nowhere (RFC 2606).
pub const ADDRESS: &str = "foxferry-doctor@probe.invalid";

/// How the subjects of experiments begin.
const SUBJECT: &str = "foxferry doctor";

/// How long a create whose outcome is unknown may go on working.
const LATE: Duration = Duration::from_secs(3);

/// A text with everything that servers are known to spoil: four-byte letters, an HTML comment, entities.
const TEXT: &str = "<p>Grüße, 12 € &amp; 🦊</p><!-- foxferry:doctor -->";

/// Where the experiments are made, and with whom.
struct Lab {
    mailbox: u64,
    customer: u64,
    user: Option<u64>,
}

/// A point in time, in seconds, that no clock shows today.
fn past(seconds: i64) -> Timestamp {
    // 2001-02-03T04:05:06Z
    Timestamp::from_second(981_173_106 + seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Makes a few conversations in this mailbox, says what the server does with them, and removes them.
///
/// Nobody is mailed. The customer with [`ADDRESS`] stays. After a wish to stop, what is in flight is finished and all is
/// removed.
pub async fn experiment(
    client: &Client,
    directory: &Directory,
    mailbox: u64,
    stop: &Stop,
    tell: &mut (dyn FnMut(super::Diagnosis) + Send),
) -> Learnt {
    let mut desk = Desk::new(client, tell);
    let customer = match customer(&mut desk).await {
        Ok(customer) => customer,
        Err(error) => {
            desk.unanswered("probe", "the customer for the experiments cannot be made", &error);
            return Learnt::default();
        }
    };
    let user = directory.first_administrator().or(directory.users.first()).map(|user| user.id);
    let lab = Lab { mailbox, customer, user };
    match remove(client, mailbox, customer).await {
        Ok(0) => {}
        Ok(count) => {
            let text = format!("{count} conversations of an earlier examination were still there and are removed now");
            desk.say("leftovers", Grade::Note, text, "nothing");
        }
        Err(error) => {
            desk.unanswered("leftovers", "what an earlier examination may have left cannot be removed", &error);
        }
    }
    let mut learnt = Learnt::default();
    if lab.canary(&mut desk, &mut learnt).await && !stop.is_asked() {
        lab.threads(&mut desk).await;
        if !stop.is_asked() {
            lab.zone(&mut desk).await;
        }
    }
    match remove(client, mailbox, customer).await {
        Ok(_) => desk.say(
            "cleaned",
            Grade::Note,
            format!("the experiments are removed; the customer {ADDRESS} stays, since the API cannot delete customers"),
            "delete that customer by hand after the import, if it disturbs (Manage » Customers)",
        ),
        Err(error) => desk.unanswered(
            "cleaned",
            &format!("experiments are left in the mailbox: conversations of {ADDRESS}"),
            &error,
        ),
    }
    learnt
}

async fn customer(desk: &mut Desk<'_>) -> Result<u64, ApiError> {
    let wanted = CustomerFilter::email(ADDRESS);
    let found = desk.ask(|client: &Client| client.list_customers(&wanted, Page::of(10))).await?;
    if let Some(known) = found.items.iter().find(|row| row.emails().any(|email| email == ADDRESS)) {
        return Ok(known.id);
    }
    let new = NewCustomer {
        first_name: "foxferry".to_owned(),
        last_name: "doctor".to_owned(),
        emails: vec![Labelled::work(ADDRESS)],
        ..NewCustomer::default()
    };
    // Not by `ask`: a create is not repeated unseen. The address is looked up again by the next examination.
    desk.client.create_customer(&new).await.map(|made| made.id)
}

/// Deletes the experiments' conversations: those of this customer in this mailbox with the subject of one.
async fn remove(client: &Client, mailbox: u64, customer: u64) -> Result<usize, ApiError> {
    let filter =
        ConversationFilter { mailbox_ids: vec![mailbox], customer_id: Some(customer), ..ConversationFilter::default() };
    let mut removed = 0;
    // A few rounds: one that is still being written appears late.
    for _ in 0..5 {
        let found = client.list_conversations(&filter, Page::of(50)).await?;
        // An old server may ignore the filter and give everything.
        let ours = found.items.iter().filter(|row| filter.matches(row) && row.subject.starts_with(SUBJECT));
        let ids: Vec<u64> = ours.map(|row| row.id).collect();
        if ids.is_empty() {
            break;
        }
        for id in ids {
            if client.delete_conversation(id).await? == Deleted::Deleted {
                removed += 1;
            }
        }
    }
    Ok(removed)
}

impl Lab {
    fn conversation(&self, name: &str, status: Status, threads: Vec<NewThread>) -> NewConversation {
        NewConversation {
            subject: format!("{SUBJECT}: {name}"),
            kind: Kind::Email,
            mailbox_id: self.mailbox,
            customer_id: self.customer,
            status,
            assign_to: None,
            created_at: past(0),
            closed_at: (status == Status::Closed).then(|| past(3600)),
            custom_fields: Vec::new(),
            threads,
        }
    }

    fn thread(&self, kind: ThreadKind, at: i64, file: Option<(&str, &[u8])>) -> NewThread {
        NewThread {
            kind,
            text: TEXT.to_owned(),
            user: self.user.filter(|_| kind != ThreadKind::Customer),
            customer_id: (kind != ThreadKind::Note).then_some(self.customer),
            cc: Vec::new(),
            bcc: Vec::new(),
            created_at: past(at),
            status: None,
            attachments: file
                .into_iter()
                .map(|(name, bytes)| NewAttachment {
                    file_name: name.to_owned(),
                    mime_type: "text/plain".to_owned(),
                    content: Content::bytes(bytes),
                    hash: crate::freescout::ContentHash::default(),
                })
                .collect(),
        }
    }

    /// Makes a conversation and reads it back; `None`: it could not be, and that was told.
    async fn make(&self, desk: &mut Desk<'_>, what: &str, new: &NewConversation) -> Option<wire::Conversation> {
        let started = Instant::now();
        match desk.client.create_conversation(new).await {
            Ok(made) => {
                desk.fine("create", format!("{what} was made in {}", shown(started.elapsed())));
                self.read(desk, made.id).await
            }
            Err(error) => {
                self.failed(desk, &format!("{what} could not be made"), &error).await;
                None
            }
        }
    }

    async fn read(&self, desk: &mut Desk<'_>, id: u64) -> Option<wire::Conversation> {
        match desk.ask(|client: &Client| client.conversation(id, Embed { threads: true, ..Embed::default() })).await {
            Ok(answer) => Some(answer.value),
            Err(error) => {
                desk.unanswered("read-back", &format!("conversation {id} cannot be read back"), &error);
                None
            }
        }
    }

    /// A create that failed, and what is left of it, which says how far the server came.
    async fn failed(&self, desk: &mut Desk<'_>, what: &str, error: &ApiError) {
        if error.verdict() != Verdict::Unknown {
            return desk.unanswered("create", what, error);
        }
        tokio::time::sleep(LATE).await;
        let filter = ConversationFilter {
            mailbox_ids: vec![self.mailbox],
            customer_id: Some(self.customer),
            embed: Embed { threads: true, ..Embed::default() },
            ..ConversationFilter::default()
        };
        let left = desk.ask(|client: &Client| client.list_conversations(&filter, Page::of(50))).await;
        let left = left.map_or_else(
            |error| format!("what is left of it cannot be listed: {error}"),
            |list| match list.items.iter().find(|row| filter.matches(row) && row.subject.starts_with(SUBJECT)) {
                Some(row) => format!("it is there all the same, with {} threads", row.threads().len()),
                None => "nothing of it is there".to_owned(),
            },
        );
        let advice = "an import looks such conversations up and stays exact, but slowly; look at the web server's and PHP's \
                      logs and time limits (`fastcgi_read_timeout`, `max_execution_time`, `memory_limit`)";
        desk.say("create", Grade::Error, format!("{what}: {}; {left}", chain(error)), advice);
    }

    /// The first conversation; whether it was taken as imported.
    async fn canary(&self, desk: &mut Desk<'_>, learnt: &mut Learnt) -> bool {
        let new = self.conversation("a closed one", Status::Closed, vec![self.thread(ThreadKind::Customer, 0, None)]);
        let Some(seen) = self.make(desk, "a conversation of one message", &new).await else { return false };
        let first = seen.threads().first();
        let is_imported =
            seen.created_at == Some(past(0)) && first.is_some_and(|first| first.created_at == Some(past(0)));
        learnt.takes_imports = Some(is_imported);
        if !is_imported {
            desk.say(
                "imported",
                Grade::Error,
                format!(
                    "FreeScout did not take a conversation as imported: it was sent with {} and shows {}",
                    past(0),
                    seen.created_at.map_or_else(|| "no time".to_owned(), |time| time.to_string()),
                ),
                "do not import: customers would be mailed. Update the module API & Webhooks, and look for a proxy or plug-in that \
                 rewrites JSON; then ask the doctor again",
            );
            return false;
        }
        desk.fine("imported", "what is imported keeps its times, and nobody is mailed");
        match (seen.status == "closed", seen.closed_at == Some(past(3600))) {
            (true, true) => desk.fine("closed", "a closed conversation stays closed, with its time"),
            (true, false) => desk.say(
                "closed",
                Grade::Warning,
                "a closed conversation loses the time it was closed at, and stands at the head of the folder Closed",
                "update FreeScout and the module API & Webhooks",
            ),
            _ => desk.say(
                "closed",
                Grade::Error,
                format!("a conversation sent as closed is {}", seen.status),
                "look for a workflow that reopens conversations, and pause it",
            ),
        }
        text_of(desk, first.and_then(|first| first.body.as_deref()).unwrap_or_default());
        if let Some(number) = seen.number {
            learnt.has_custom_numbers = Some(number != seen.id);
            if number != seen.id {
                holdings::say_numbers(desk, true);
            }
        }
        true
    }

    /// Threads of each kind with files, and one that is appended.
    async fn threads(&self, desk: &mut Desk<'_>) {
        let Some(_) = self.user else { return };
        let (first, second) = ([b'a'; 3000], [b'b'; 5000]);
        let threads = vec![
            self.thread(ThreadKind::Customer, 0, None),
            self.thread(ThreadKind::Message, 60, Some(("Größe.txt", &first))),
            self.thread(ThreadKind::Note, 120, None),
            self.thread(ThreadKind::Customer, 180, Some(("second.txt", &second))),
        ];
        let sent = threads.len();
        let new = self.conversation("one with answers and files", Status::Closed, threads);
        let Some(seen) = self.make(desk, "a conversation of four threads with files", &new).await else { return };
        let mut rows: Vec<_> = seen.threads().iter().filter(|row| row.kind != "lineitem").collect();
        rows.sort_by_key(|row| row.created_at);
        let times: Vec<_> = rows.iter().map(|row| row.created_at).collect();
        if times == [0, 60, 120, 180].map(|at| Some(past(at))) {
            desk.fine("threads", "messages, answers and notes come back in order, with their times");
        } else {
            let text = format!("of {sent} threads {} came back with their times", times.iter().flatten().count());
            let advice = "update the module API & Webhooks; an import would make dead letters of such conversations";
            desk.say("threads", Grade::Error, text, advice);
        }
        self.files(desk, &rows, [(3000, b'a'), (5000, b'b')]).await;
        let appended = NewThread { status: Some(Status::Closed), ..self.thread(ThreadKind::Note, 240, None) };
        if let Err(error) = desk.client.create_thread(seen.id, &appended).await {
            return desk.unanswered("append", "a note cannot be appended", &error);
        }
        let Some(after) = self.read(desk, seen.id).await else { return };
        let is_there = after.threads().iter().any(|row| row.created_at == Some(past(240)));
        match (is_there, after.status == "closed" && after.closed_at == seen.closed_at) {
            (true, true) => desk.fine("append", "what is appended keeps its time, and the conversation its status"),
            (true, false) => desk.say(
                "append",
                Grade::Warning,
                "what is appended changes the conversation's status or the time it was closed at",
                "conversations too large for one request will show it; raise the limits for requests, so that fewer are divided",
            ),
            (false, _) => desk.say(
                "append",
                Grade::Error,
                "a note that was appended did not come back with its time",
                "update the module API & Webhooks",
            ),
        }
    }

    async fn files(&self, desk: &mut Desk<'_>, rows: &[&wire::Thread], sent: [(u64, u8); 2]) {
        let files: Vec<&wire::Attachment> = rows.iter().flat_map(|row| row.attachments()).collect();
        let sizes: Vec<_> = files.iter().filter_map(|file| file.size).collect();
        if sizes != sent.map(|(size, _)| size) {
            let text = format!("of 2 attachments {} came back", files.len());
            let advice = "look at the space and rights of FreeScout's storage/app/attachment; an import would make dead letters of \
                          conversations with attachments";
            return desk.say("attachments", Grade::Error, text, advice);
        }
        for (file, (size, letter)) in files.iter().zip(sent) {
            match fetched(desk.client, &file.file_url).await {
                Ok(bytes) if bytes.len() as u64 == size && bytes.iter().all(|byte| *byte == letter) => {}
                Ok(bytes) => {
                    let text =
                        format!("the attachment `{}` comes back with {} other bytes", file.file_name, bytes.len());
                    let advice =
                        "look for a proxy that rewrites downloads: neither `verify` nor a backup can work like that";
                    return desk.say("attachments", Grade::Error, text, advice);
                }
                Err(error) => return desk.unanswered("attachments", "attachments cannot be downloaded", &error),
            }
        }
        desk.fine("attachments", "attachments come back as they were sent");
    }

    /// The server's own zone, from times without one.
    async fn zone(&self, desk: &mut Desk<'_>) {
        let [january, july] = ["2020-01-15T12:00:00", "2020-07-15T12:00:00"];
        let thread = |at: &str| json!({"type": "customer", "text": "zone", "customer": {"id": self.customer}, "createdAt": at, "imported": true});
        let body = json!({
            "type": "email", "mailboxId": self.mailbox, "subject": format!("{SUBJECT}: the server's zone"),
            "customer": {"id": self.customer}, "threads": [thread(july), thread(january)], "imported": true,
            "status": "closed", "createdAt": january, "closedAt": july,
        });
        let made = match desk.client.create_as_written(&body).await {
            Ok(made) => made,
            Err(error) => {
                return self.failed(desk, "a conversation with times without a zone could not be made", &error).await;
            }
        };
        let Some(seen) = self.read(desk, made.id).await else { return };
        let offset = |sent: &str, seen: Option<Timestamp>| {
            let sent: Timestamp = format!("{sent}Z").parse().ok()?;
            Some((sent.as_second() - seen?.as_second()) / 60)
        };
        let (Some(winter), Some(summer)) = (offset(january, seen.created_at), offset(july, seen.closed_at)) else {
            return;
        };
        if winter == summer {
            return desk.fine("zone", format!("the server's zone is {}, without summer time", shown_offset(winter)));
        }
        desk.say(
            "zone",
            Grade::Note,
            format!("the server's zone is {} in January and {} in July", shown_offset(winter), shown_offset(summer)),
            "nothing: times in the one hour a year that its clocks show twice come back an hour late, and are looked up so; \
             with `APP_TIMEZONE=UTC` in FreeScout's `.env` none would",
        );
    }
}

/// What became of a text.
fn text_of(desk: &mut Desk<'_>, body: &str) {
    if body.trim() == TEXT {
        return desk.fine("texts", "texts come back as they were sent");
    }
    if !body.contains('🦊') {
        let advice =
            "set DB_CHARSET=utf8mb4 in FreeScout's `.env` and convert its tables; emoji and rare letters are lost else";
        return desk.say("texts", Grade::Error, "letters of four bytes are lost", advice);
    }
    if !body.contains("<!-- foxferry:") {
        let advice = "give `--no-marker`: conversations are then recognised by time, subject and texts, and equal ones are sent one \
                      after the other";
        return desk.say(
            "texts",
            Grade::Warning,
            "HTML comments are removed from texts, and with them the marks of an import",
            advice,
        );
    }
    let advice =
        "look for a plug-in or proxy that rewrites texts; an import would make dead letters of every conversation";
    desk.say("texts", Grade::Error, "texts come back altered", advice);
}

async fn fetched(client: &Client, url: &str) -> Result<Vec<u8>, ApiError> {
    let mut download = client.download(url).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.piece().await? {
        // Some kilobytes were sent; more than that is wrong anyway.
        if bytes.len() < 1 << 20 {
            bytes.extend_from_slice(&piece);
        }
    }
    Ok(bytes)
}

fn shown_offset(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("UTC{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}
