//! Cuts tickets out of the archive and makes records of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::beside::{self, Beside};
use super::index::{self, ticket_key, unlinked_key};
use super::people::{self, Directory, party_of, sender_of, text};
use super::shape::{self, Kind, id_of, time_of};
use crate::catalog::{Catalog, CatalogError, Group, Piece};
use crate::content::Content;
use crate::finding::codes;
use crate::input::Input;
use crate::json::Forgiven;
use crate::record::{Attachment, Body, Entry, Oddity, Origin, Person, Record, RecordId};
use crate::source::lanes::{Answer, Maker};
use crate::source::shelf::Shelf;
use crate::source::{ReadError, problem};

/// Makes records of an indexed archive.
pub(super) struct Tickets {
    catalog: Catalog,
    shelf: Shelf,
    directory: Directory,
    /// Whether comments that name no ticket belong to the only one.
    is_single: bool,
    /// Whether there are comments that only an audit ties to a ticket.
    has_unlinked: bool,
}

impl Tickets {
    pub(super) fn new(catalog: Catalog, input: Input, is_single: bool, has_unlinked: bool) -> Self {
        Self { catalog, shelf: Shelf::new(input), directory: Directory::default(), is_single, has_unlinked }
    }
}

impl Maker for Tickets {
    fn record(&mut self, group: &Group) -> Option<Answer> {
        if let Some(piece) = group.pieces.iter().find(|piece| piece.kind >= problem::FIRST) {
            return Some(Err(problem::unreadable(&mut self.shelf, piece, problem::ELEMENT)));
        }
        let mut desk = Desk {
            catalog: &self.catalog,
            shelf: &mut self.shelf,
            directory: &mut self.directory,
            is_single: self.is_single,
            has_unlinked: self.has_unlinked,
            embedded: HashMap::new(),
            shown: HashSet::new(),
            oddities: Vec::new(),
        };
        Some(desk.record(group).map(|mut record| {
            record.origin.seat = Some(Box::new(group.seat));
            record
        }))
    }

    fn read(&self) -> u64 {
        self.shelf.bytes_read
    }
}

fn index_failed(shelf: &Shelf, piece: Option<&Piece>, error: CatalogError) -> ReadError {
    let origin = match piece {
        Some(piece) => shelf.origin(piece),
        None => Origin::whole(&Arc::from("the archive's index")),
    };
    ReadError::Io { origin, cause: std::io::Error::other(error) }
}

/// What is at hand while one record is made.
struct Desk<'a> {
    catalog: &'a Catalog,
    shelf: &'a mut Shelf,
    directory: &'a mut Directory,
    is_single: bool,
    has_unlinked: bool,
    /// People that the ticket itself describes, by id.
    embedded: HashMap<String, Person>,
    /// People whose further fields stand in the record already.
    shown: HashSet<String>,
    oddities: Vec<Oddity>,
}

/// A comment on its way to becoming an entry.
struct Comment {
    object: Map<String, Value>,
    origin: Origin,
    /// What an audit event takes from its audit.
    created_at: Option<Value>,
    author_id: Option<Value>,
    via: Option<Value>,
    /// Which of the ticket's comments it is, as they stand in the archive.
    place: usize,
}

impl Comment {
    fn new(object: Map<String, Value>, origin: Origin) -> Self {
        Self { object, origin, created_at: None, author_id: None, via: None, place: 0 }
    }
}

impl Desk<'_> {
    fn record(&mut self, group: &Group) -> Result<Record, ReadError> {
        // The newest copy counts; of equal ones the last, since later pages were fetched later.
        let mut pieces: Vec<&Piece> = group.pieces.iter().rev().collect();
        pieces.sort_by_key(|piece| std::cmp::Reverse(piece.version));
        let mut ticket: Option<(Map<String, Value>, Origin)> = None;
        let mut failed = None;
        let mut comments = Vec::new();
        let mut audits = Vec::new();
        let mut is_suspended = false;
        for piece in &pieces {
            let origin = self.shelf.origin(piece);
            let (mut object, forgiven) = match self.shelf.object(piece, None) {
                Ok(found) => found,
                Err(error) => {
                    self.odd(codes::READ_BROKEN_PART, &origin, "a copy of the ticket cannot be read".to_owned());
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            is_suspended = piece.kind == Kind::Suspended as u8;
            self.forgive(forgiven, &origin);
            // Comments of every copy: an older page may hold some that a newer list left out.
            comments.extend(
                objects(object.shift_remove("comments"), "comments")
                    .into_iter()
                    .map(|comment| Comment::new(comment, origin.clone())),
            );
            audits.extend(objects(object.shift_remove("audits"), "audits").into_iter().map(|it| (it, origin.clone())));
            if ticket.is_none() {
                ticket = Some((object, origin));
            }
        }
        let Some((ticket, origin)) = ticket else {
            return Err(failed.expect("a group has at least one piece, and it could not be read"));
        };
        if pieces.len() > 1 {
            let message = format!("the ticket stands {} times in the archive; the newest copy counts", pieces.len());
            self.odd(codes::READ_DUPLICATE, &origin, message);
        }
        let made = match is_suspended {
            true => self.suspended(ticket, &origin),
            false => self.ticket(ticket, &origin, comments, audits),
        };
        made.map_err(|error| index_failed(self.shelf, pieces.first().copied(), error))
    }

    fn ticket(
        &mut self,
        mut ticket: Map<String, Value>,
        origin: &Origin,
        mut comments: Vec<Comment>,
        mut audits: Vec<(Map<String, Value>, Origin)>,
    ) -> Result<Record, CatalogError> {
        let id = ticket.shift_remove("id").as_ref().and_then(id_of).unwrap_or_default();
        let mut solved_at = None;
        let inner = comments.len();
        let mut beside = Beside::of(&mut ticket, origin);
        self.gather(&id, &mut comments, &mut audits, &mut solved_at, &mut beside)?;
        for (index, comment) in comments.iter_mut().enumerate() {
            comment.place = index;
        }
        // The first of an id wins: of the ticket's own comments the newest copy's, which stand first already; of pages
        // the one that was fetched last.
        comments[inner..].reverse();
        let asker = ticket.get("requester_id").and_then(id_of);
        let changes = self.comments_of_audits(audits, &mut comments, asker.as_deref());

        for key in ["requester", "submitter", "assignee"] {
            self.learn(&mut ticket, key);
        }
        for key in ["collaborators", "collaborator", "followers", "email_ccs"] {
            if let Some(Value::Array(people)) = ticket.get(key) {
                let people: Vec<_> = people.iter().filter_map(Value::as_object).cloned().collect();
                for person in people {
                    self.introduce(person);
                }
            }
        }
        let requester_id = self.person_id(&mut ticket, "requester_id", "requester");
        let assignee_id = self.person_id(&mut ticket, "assignee_id", "assignee");
        let submitter_id = ticket.get("submitter_id").and_then(id_of);
        let mut requester = self.person(requester_id.as_deref(), origin, "the requester")?;
        if let Some(requester) = &mut requester
            && requester.emails.is_empty()
            && requester_id == submitter_id
            && let Some(sender) = ticket.get("via").and_then(sender_of)
        {
            requester.emails = sender.emails;
            requester.name = requester.name.take().or(sender.name);
        }
        let assignee = self.person(assignee_id.as_deref(), origin, "the assignee")?;
        let cc = self.copied(&mut ticket, origin)?;

        let created_at = self.time(&mut ticket, "created_at", origin);
        let updated_at = self.time(&mut ticket, "updated_at", origin);
        let status = ticket.shift_remove("status").as_ref().and_then(scalar);
        if status.as_deref() == Some("deleted") {
            self.odd(codes::READ_DELETED, origin, "the ticket is deleted in Zendesk".to_owned());
        }
        let subject = match ticket.shift_remove("subject") {
            Some(Value::String(subject)) => Some(subject),
            _ => None,
        };
        if let Some(raw) = ticket.get("raw_subject").and_then(Value::as_str) {
            match &subject {
                Some(subject) if subject != raw => {}
                _ => drop(ticket.shift_remove("raw_subject")),
            }
        }

        let closed_at = match status.as_deref() {
            Some("solved" | "closed") => {
                let inner =
                    ["metric_set", "metrics", "dates"].iter().find_map(|key| time_of(&ticket.get(*key)?["solved_at"]));
                let own = ticket.get("solved_at").and_then(time_of);
                solved_at.or(inner).or(own).or(changes.closed_at).or(updated_at)
            }
            _ => None,
        };

        let mut entries = self.entries(comments, requester_id.as_deref())?;
        let spoken = entries.len();
        self.settle_description(&mut ticket, &mut entries, origin, &requester, created_at)?;

        for conversation in std::mem::take(&mut beside.conversations) {
            entries.extend(self.side_conversation(conversation)?);
        }
        if entries.len() > spoken {
            entries.sort_by_key(|entry| entry.created_at.unwrap_or(Timestamp::MIN));
        }
        if !beside.ratings.is_empty() {
            ticket.insert("satisfaction_ratings".to_owned(), Value::Array(beside.ratings));
        }
        let channel = channel_of(&ticket);
        let tags = tags_of(ticket.shift_remove("tags"));
        let url = ticket.shift_remove("url").as_ref().and_then(text);
        self.settle_fields(&mut ticket)?;
        Ok(Record {
            id: RecordId::new("zendesk", id),
            origin: origin.clone(),
            subject,
            status,
            channel,
            requester,
            assignee,
            cc,
            tags,
            created_at,
            updated_at,
            closed_at,
            url,
            entries,
            fields: ticket,
            oddities: std::mem::take(&mut self.oddities),
        })
    }

    /// A mail that Zendesk held back: it has no requester's id, no comments and no status of its own.
    fn suspended(&mut self, mut mail: Map<String, Value>, origin: &Origin) -> Result<Record, CatalogError> {
        let id = mail.shift_remove("id").as_ref().and_then(id_of).unwrap_or_default();
        let author = match mail.shift_remove("author") {
            Some(Value::Object(author)) => Some(people::person_of(author)),
            _ => None,
        };
        let created_at = self.time(&mut mail, "created_at", origin);
        let updated_at = self.time(&mut mail, "updated_at", origin);
        let message_id = mail.get("message_id").and_then(text).unwrap_or_else(|| "content".to_owned());
        let attachments = self.attachments(mail.shift_remove("attachments"))?;
        let attachments = attachments.into_iter().map(|(attachment, _)| attachment).collect();
        let entry = Entry {
            id: message_id,
            origin: origin.clone(),
            kind: "suspended".to_owned(),
            is_public: true,
            author: author.clone(),
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            body: body_of(&mut mail, "content"),
            created_at,
            attachments,
            fields: Map::new(),
        };
        Ok(Record {
            id: RecordId::new("zendesk", format!("suspended-{id}")),
            origin: origin.clone(),
            subject: mail.shift_remove("subject").as_ref().and_then(text),
            status: Some("suspended".to_owned()),
            channel: channel_of(&mail),
            requester: author,
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at,
            updated_at,
            closed_at: None,
            url: mail.shift_remove("url").as_ref().and_then(text),
            entries: vec![entry],
            fields: mail,
            oddities: std::mem::take(&mut self.oddities),
        })
    }

    /// Collects what other parts of the archive say about a ticket.
    fn gather(
        &mut self,
        id: &str,
        comments: &mut Vec<Comment>,
        audits: &mut Vec<(Map<String, Value>, Origin)>,
        solved_at: &mut Option<Timestamp>,
        beside: &mut Beside,
    ) -> Result<(), CatalogError> {
        let mut pieces = self.catalog.named(ticket_key(id))?;
        // By time as far as it is known, then as they stand in the archive.
        pieces.sort_by_key(|piece| (piece.file, piece.offset));
        if self.is_single {
            let mut unlinked = self.catalog.named(unlinked_key())?;
            unlinked.sort_by_key(|piece| (piece.file, piece.offset));
            pieces.extend(unlinked);
        }
        for piece in pieces {
            let origin = self.shelf.origin(&piece);
            let (object, forgiven) = match self.shelf.object(&piece, None) {
                Ok(found) => found,
                Err(error) => {
                    self.odd(codes::READ_BROKEN_PART, &origin, format!("a part of the ticket is left out: {error}"));
                    continue;
                }
            };
            self.forgive(forgiven, &origin);
            if piece.kind == Kind::Metric as u8 {
                *solved_at = object.get("solved_at").and_then(time_of).or(*solved_at);
            } else if piece.kind == Kind::Rating as u8 {
                beside.rating(object);
            } else if piece.kind == Kind::Side as u8 {
                beside.conversation(object, origin);
            } else if piece.kind == Kind::Audit as u8 || piece.kind == Kind::Event as u8 {
                if self.has_unlinked
                    && let Some(number) = object.get("id").and_then(id_of)
                {
                    for piece in self.catalog.named(index::name_key(Kind::AuditNumber, &number))? {
                        if piece.kind == Kind::OfAudit as u8
                            && let Ok((object, _)) = self.shelf.object(&piece, None)
                        {
                            comments.push(Comment::new(object, self.shelf.origin(&piece)));
                        }
                    }
                }
                audits.push((object, origin));
            } else {
                comments.push(Comment::new(object, origin));
            }
        }
        Ok(())
    }

    /// Takes the comments out of audits, as far as no page has them, and what the audits say about the status.
    fn comments_of_audits(
        &mut self,
        audits: Vec<(Map<String, Value>, Origin)>,
        comments: &mut Vec<Comment>,
        requester: Option<&str>,
    ) -> Changes {
        let mut changes = Changes::default();
        if audits.is_empty() {
            return changes;
        }
        let mut known: HashSet<String> =
            comments.iter().filter_map(|comment| comment.object.get("id").and_then(id_of)).collect();
        for (mut audit, origin) in audits {
            let at = audit.get("created_at").or(audit.get("timestamp")).cloned();
            let author = audit.get("author_id").or(audit.get("updater_id")).cloned();
            let via = audit.get("via").cloned();
            let events = audit.shift_remove("events").or_else(|| audit.shift_remove("child_events"));
            for event in objects(events, "events") {
                let word = |key: &str| event.get(key).and_then(Value::as_str);
                let kind = word("type").filter(|kind| kind.ends_with("omment")).or(word("event_type"));
                if kind.is_some_and(|kind| kind.ends_with("omment")) {
                    if event.get("id").and_then(id_of).is_none_or(|id| known.insert(id)) {
                        let (created_at, author_id, via) = (at.clone(), author.clone(), via.clone());
                        let (object, origin, place) = (event, origin.clone(), comments.len());
                        comments.push(Comment { object, origin, created_at, author_id, via, place });
                    }
                } else if let Some(messages) = beside::chat_of(&event, requester) {
                    // The transcript may stand in a comment.
                    let texts: Vec<String> = messages.iter().filter_map(|it| it.get("body").and_then(text)).collect();
                    let holds_all = |comment: &Comment| {
                        let body =
                            ["body", "plain_body", "html_body"].map(|key| comment.object.get(key).and_then(text));
                        body.iter().flatten().any(|body| texts.iter().all(|text| body.contains(text.as_str())))
                    };
                    if texts.is_empty() || !comments.iter().any(holds_all) {
                        for object in messages {
                            let place = comments.len();
                            comments.push(Comment { place, ..Comment::new(object, origin.clone()) });
                        }
                    }
                } else {
                    let status = match word("field_name") {
                        Some("status") => word("value"),
                        _ => word("status"),
                    };
                    if matches!(status, Some("solved" | "closed"))
                        && let Some(at) = at.as_ref().and_then(time_of)
                    {
                        changes.closed_at = changes.closed_at.max(Some(at));
                    }
                }
            }
        }
        changes
    }

    /// Makes entries of comments: each once, by time.
    fn entries(&mut self, comments: Vec<Comment>, requester: Option<&str>) -> Result<Vec<Entry>, CatalogError> {
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(comments.len());
        for comment in comments {
            let id = match comment.object.get("id").and_then(id_of) {
                Some(id) => id,
                None => content_id(&comment.object),
            };
            if seen.insert(id.clone()) {
                entries.push((comment.place, self.entry(id, comment, requester)?));
            }
        }
        entries.sort_by_key(|(place, _)| *place);
        // Entries without a time stay behind the one that they follow in the archive.
        let mut last = Timestamp::MIN;
        let mut timed: Vec<(Timestamp, Entry)> = entries
            .into_iter()
            .map(|(_, entry)| {
                last = entry.created_at.unwrap_or(last);
                (last, entry)
            })
            .collect();
        timed.sort_by_key(|(time, _)| *time);
        let mut entries: Vec<Entry> = timed.into_iter().map(|(_, entry)| entry).collect();
        // Only now is known where a person stands first.
        for entry in &mut entries {
            if let Some(author) = entry.author.take() {
                entry.author = Some(self.shown_once(author));
            }
        }
        Ok(entries)
    }

    fn entry(&mut self, id: String, comment: Comment, requester: Option<&str>) -> Result<Entry, CatalogError> {
        let Comment { mut object, origin, created_at, author_id, via, place: _ } = comment;
        for (key, value) in [("created_at", created_at), ("author_id", author_id), ("via", via)] {
            if let Some(value) = value
                && object.get(key).is_none_or(Value::is_null)
            {
                object.insert(key.to_owned(), value);
            }
        }
        object.shift_remove("id");
        object.shift_remove("ticket_id");
        self.learn(&mut object, "author");
        let author_id = self.person_id(&mut object, "author_id", "author");
        let mut author = self.find(author_id.as_deref(), &origin, "the author")?;
        let via = object.get("via").cloned().unwrap_or_default();
        if let Some(author) = &mut author
            && author.emails.is_empty()
            && let Some(sender) = sender_of(&via)
            && author.id.as_deref() == requester
        {
            author.emails = sender.emails;
            author.name = author.name.take().or(sender.name);
        }
        let mut cc = Vec::new();
        for copied in via["source"]["to"]["email_ccs"].as_array().into_iter().flatten() {
            match copied {
                Value::String(address) if address.contains('@') => cc.push(Person::with_email(address.clone(), None)),
                other => {
                    if let Some(person) = self.find(id_of(other).as_deref(), &origin, "a copied person")? {
                        cc.push(Person { fields: Map::new(), ..person });
                    }
                }
            }
        }
        let to = party_of(&via["source"]["to"]).into_iter().collect();
        let created_at = self.time(&mut object, "created_at", &origin);
        let mut attachments = self.attachments(object.shift_remove("attachments"))?;
        let mut body = body_of(&mut object, "body");
        show_inside(&mut body, &mut attachments);
        let kind = object.shift_remove("type").as_ref().and_then(text);
        let kind = kind.or_else(|| object.shift_remove("event_type").as_ref().and_then(text));
        let is_public = object.shift_remove("public").and_then(|value| value.as_bool()).unwrap_or(true);
        Ok(Entry {
            id,
            origin,
            kind: kind.unwrap_or_else(|| "Comment".to_owned()),
            is_public,
            author,
            to,
            cc,
            bcc: Vec::new(),
            body,
            created_at,
            attachments: attachments.into_iter().map(|(attachment, _)| attachment).collect(),
            fields: object,
        })
    }

    /// What was written in a side conversation: customers did not see it. Without its events, what its list says.
    fn side_conversation(&mut self, found: (Map<String, Value>, Origin)) -> Result<Vec<Entry>, CatalogError> {
        let (mut side, origin) = found;
        let id = side.get("id").and_then(id_of).unwrap_or_else(|| content_id(&side));
        let subject = side.get("subject").and_then(text);
        let people: Vec<String> = objects(side.shift_remove("participants"), "participants")
            .iter()
            .filter_map(|it| ["name", "email"].iter().find_map(|key| it.get(*key).and_then(text)))
            .collect();
        let mut events: Vec<(Map<String, Value>, Origin)> =
            objects(side.shift_remove("events"), "events").into_iter().map(|event| (event, origin.clone())).collect();
        for piece in self.catalog.named(index::name_key(Kind::SideEvent, &id))? {
            match self.shelf.object(&piece, None) {
                Ok((event, _)) => events.push((event, self.shelf.origin(&piece))),
                Err(error) => {
                    let message = format!("a part of a side conversation is left out: {error}");
                    self.odd(codes::READ_BROKEN_PART, &origin, message);
                }
            }
        }
        if !events.iter().any(|(event, _)| event.get("message").is_some_and(Value::is_object)) {
            let message = "the archive holds a side conversation without its messages: fetch its `events`, too";
            self.odd(codes::READ_MISSING_PART, &origin, message.to_owned());
            let preview = side.get("preview_text").cloned().unwrap_or_default();
            let event = Map::from_iter([
                ("id".to_owned(), Value::String("preview".to_owned())),
                ("created_at".to_owned(), side.get("created_at").cloned().unwrap_or_default()),
                ("message".to_owned(), serde_json::json!({"body": preview})),
            ]);
            events.push((event, origin));
        }
        let mut entries: Vec<Entry> = Vec::new();
        for (mut event, origin) in events {
            let Some(Value::Object(mut message)) = event.shift_remove("message") else { continue };
            let number = event.get("id").and_then(id_of).unwrap_or_else(|| content_id(&message));
            let entry_id = format!("side-{id}-{number}");
            if entries.iter().any(|known| known.id == entry_id) {
                continue;
            }
            let actor = event.shift_remove("actor").or_else(|| message.shift_remove("from"));
            let mut author = None;
            if let Some(Value::Object(actor)) = actor {
                let person = people::person_of(actor.clone());
                let known = match actor.get("user_id").and_then(id_of) {
                    Some(user) => self.directory.person(self.catalog, self.shelf, &user)?,
                    None => None,
                };
                author = Some(match known {
                    Some(known) => join(Arc::unwrap_or_clone(known), &person),
                    None => Person { fields: Map::new(), ..person },
                });
            }
            let attachments = self.attachments(message.shift_remove("attachments"))?;
            let mut fields = Map::new();
            fields.extend(subject.clone().map(|subject| ("side_subject".to_owned(), Value::String(subject))));
            if !people.is_empty() {
                fields.insert("side_people".to_owned(), Value::from(people.clone()));
            }
            entries.push(Entry {
                id: entry_id,
                kind: "side_conversation".to_owned(),
                is_public: false,
                author,
                to: Vec::new(),
                cc: Vec::new(),
                bcc: Vec::new(),
                body: body_of(&mut message, "body"),
                created_at: self.time(&mut event, "created_at", &origin),
                attachments: attachments.into_iter().map(|(attachment, _)| attachment).collect(),
                fields,
                origin,
            });
        }
        Ok(entries)
    }

    /// The first comment is the description: it is an entry of its own only where there are no comments.
    fn settle_description(
        &mut self,
        ticket: &mut Map<String, Value>,
        entries: &mut Vec<Entry>,
        origin: &Origin,
        requester: &Option<Person>,
        created_at: Option<Timestamp>,
    ) -> Result<(), CatalogError> {
        if !entries.is_empty() {
            ticket.shift_remove("description");
            return Ok(());
        }
        self.odd(codes::READ_NO_ENTRIES, origin, "the archive holds no comments of this ticket".to_owned());
        let Some(description) = ticket.shift_remove("description").as_ref().and_then(text) else { return Ok(()) };
        let is_public = ticket.get("is_public") != Some(&Value::Bool(false));
        // What customers could not see was not written by one.
        let author = match (is_public, ticket.get("submitter_id").and_then(id_of)) {
            (false, Some(submitter)) => self.person(Some(&submitter), origin, "the submitter")?,
            _ => requester.clone().map(|person| self.shown_once(person)),
        };
        entries.push(Entry {
            id: "description".to_owned(),
            origin: origin.clone(),
            kind: "description".to_owned(),
            is_public,
            author,
            to: Vec::new(),
            cc: Vec::new(),
            bcc: Vec::new(),
            body: Body::Text(description),
            created_at,
            attachments: Vec::new(),
            fields: Map::new(),
        });
        Ok(())
    }

    /// Puts names beside ids, and titles over custom fields.
    fn settle_fields(&mut self, ticket: &mut Map<String, Value>) -> Result<(), CatalogError> {
        for (key, id_key, kind) in [
            ("group", "group_id", Kind::Group),
            ("organization", "organization_id", Kind::Organization),
            ("brand", "brand_id", Kind::Brand),
            ("ticket_form", "ticket_form_id", Kind::Form),
            ("custom_status", "custom_status_id", Kind::CustomStatus),
        ] {
            let described = ticket.get(key).and_then(|it| it.get("name")).and_then(text);
            let id = ticket.get(id_key).and_then(id_of).or_else(|| ticket.get(key)?.get("id").and_then(id_of));
            let known = match &id {
                Some(id) if described.is_none() => self.directory.name(self.catalog, self.shelf, kind, id)?,
                _ => None,
            };
            if let Some(name) = described.or_else(|| known.map(|name| name.to_string())) {
                ticket.insert(key.to_owned(), Value::String(name));
            }
        }
        let doubled = ticket.shift_remove("fields");
        let custom = match ticket.get("custom_fields") {
            Some(Value::Array(list)) if !list.is_empty() => ticket.shift_remove("custom_fields"),
            Some(Value::Object(_)) => return Ok(()),
            _ => {
                ticket.shift_remove("custom_fields");
                doubled
            }
        };
        let mut fields = Map::new();
        for field in objects(custom, "custom_fields") {
            let Some(id) = field.get("id").and_then(id_of) else { continue };
            let value = match field.get("value") {
                None | Some(Value::Null) => continue,
                Some(value) => value.clone(),
            };
            let title = self.directory.name(self.catalog, self.shelf, Kind::Field, &id)?;
            let title = title.map_or_else(|| id.clone(), |title| title.to_string());
            // Two fields may have one title.
            let title = if fields.contains_key(&title) { format!("{title} ({id})") } else { title };
            fields.insert(title, value);
        }
        if !fields.is_empty() {
            ticket.insert("custom_fields".to_owned(), Value::Object(fields));
        }
        Ok(())
    }

    /// Copied customers: `email_cc_ids`, else those collaborators who do not merely follow.
    fn copied(&mut self, ticket: &mut Map<String, Value>, origin: &Origin) -> Result<Vec<Person>, CatalogError> {
        let ids = |key: &str| -> Vec<String> {
            ticket.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(id_of).collect()
        };
        let (copied, collaborators, followers) = (ids("email_cc_ids"), ids("collaborator_ids"), ids("follower_ids"));
        let is_told_apart = !copied.is_empty();
        let mut people = Vec::new();
        for id in if is_told_apart { &copied } else { &collaborators } {
            let Some(person) = self.find(Some(id), origin, "a copied person")? else { continue };
            // Followers are agents; accounts without the distinction list everybody as both.
            let is_follower = followers.contains(id) && person.role.as_deref() != Some("end-user");
            if is_told_apart || !is_follower {
                let person = self.shown_once(person);
                people.push(person);
            }
        }
        ticket.shift_remove("email_cc_ids");
        if !is_told_apart || collaborators.iter().all(|id| copied.contains(id) || followers.contains(id)) {
            // Nothing but the two other lists together.
            ticket.shift_remove("collaborator_ids");
        }
        Ok(people)
    }

    /// Takes a description of a person out of an object and remembers it under its id.
    fn learn(&mut self, object: &mut Map<String, Value>, key: &str) {
        if let Some(Value::Object(person)) = object.get(key) {
            let person = person.clone();
            self.introduce(person);
        }
    }

    fn introduce(&mut self, person: Map<String, Value>) {
        let person = people::person_of(person);
        if let Some(id) = person.id.clone() {
            self.embedded.entry(id).or_insert(person);
        }
    }

    /// The id of a person who is named by id, by a description, or both; takes both out.
    fn person_id(&mut self, object: &mut Map<String, Value>, id_key: &str, key: &str) -> Option<String> {
        let by_id = object.shift_remove(id_key).as_ref().and_then(id_of);
        let described = object.get(key).and_then(|it| it.get("id")).and_then(id_of);
        if object.get(key).is_some_and(Value::is_object) {
            object.shift_remove(key);
        }
        by_id.or(described)
    }

    /// A person with all fields at the first place in the record, without the further ones later.
    fn person(&mut self, id: Option<&str>, origin: &Origin, who: &str) -> Result<Option<Person>, CatalogError> {
        let found = self.find(id, origin, who)?;
        Ok(found.map(|person| self.shown_once(person)))
    }

    fn shown_once(&mut self, mut person: Person) -> Person {
        let is_first = person.id.as_ref().is_none_or(|id| self.shown.insert(id.clone()));
        if !is_first {
            person.fields = Map::new();
        }
        person
    }

    fn find(&mut self, id: Option<&str>, origin: &Origin, who: &str) -> Result<Option<Person>, CatalogError> {
        let Some(id) = id else { return Ok(None) };
        if id == "-1" {
            // The system itself; it is in no list of users.
            return Ok(Some(Person { id: Some(id.to_owned()), role: Some("system".to_owned()), ..Person::default() }));
        }
        let known = self.directory.person(self.catalog, self.shelf, id)?;
        let described = self.embedded.get(id);
        let person = match (known, described) {
            (Some(known), None) => Arc::unwrap_or_clone(known),
            (None, Some(described)) => described.clone(),
            (Some(known), Some(described)) => join(Arc::unwrap_or_clone(known), described),
            (None, None) => {
                let message = format!("{who} is user {id}, whom the archive does not hold");
                if !self.oddities.iter().any(|oddity| oddity.message.ends_with(&message[who.len()..])) {
                    self.odd(codes::READ_MISSING_PERSON, origin, message);
                }
                Person { id: Some(id.to_owned()), ..Person::default() }
            }
        };
        Ok(Some(person))
    }

    /// Takes a time out of an object; one that cannot be read stays, with an oddity.
    fn time(&mut self, object: &mut Map<String, Value>, key: &str, origin: &Origin) -> Option<Timestamp> {
        let value = object.get(key)?;
        let time = time_of(value);
        if time.is_some() || value.is_null() {
            object.shift_remove(key);
        } else {
            let found: String = value.to_string().chars().take(60).collect();
            self.odd(codes::READ_DATE, origin, format!("`{key}` is not a time: {found}"));
        }
        time
    }

    /// Attachments, each with the addresses under which a text may show it.
    fn attachments(&mut self, list: Option<Value>) -> Result<Vec<(Attachment, Vec<String>)>, CatalogError> {
        let mut attachments = Vec::new();
        for mut object in objects(list, "attachments") {
            let id = object.get("id").and_then(id_of);
            let name = ["file_name", "filename", "name"].iter().find_map(|key| object.get(*key).and_then(text));
            let name = name.unwrap_or_else(|| format!("attachment-{}", id.as_deref().unwrap_or("unnamed")));
            let size = object.get("size").and_then(Value::as_u64);
            let addresses: Vec<String> = ["content_url", "mapped_content_url"]
                .iter()
                .filter_map(|key| object.get(*key).and_then(text))
                .collect();
            let content = match self.file(id.as_deref(), &name, size)? {
                Some(file) => file,
                None if object.get("deleted") == Some(&Value::Bool(true)) => {
                    Content::Missing { reason: "deleted in Zendesk".to_owned(), claimed_length: size }
                }
                None => match addresses.first() {
                    Some(url) => Content::Link { url: url.clone(), claimed_length: size },
                    None => Content::Missing { reason: "without an address".to_owned(), claimed_length: size },
                },
            };
            let is_here = content.length().is_some();
            let attachment = Attachment {
                name,
                mime: object.shift_remove("content_type").as_ref().and_then(text),
                content_id: id.filter(|_| is_here).map(|id| format!("attachment-{id}@zendesk")),
                is_inline: object.get("inline") == Some(&Value::Bool(true)),
                content,
            };
            attachments.push((attachment, addresses));
        }
        Ok(attachments)
    }

    /// The file of the archive's folder that holds an attachment's bytes.
    fn file(&mut self, id: Option<&str>, name: &str, size: Option<u64>) -> Result<Option<Content>, CatalogError> {
        let Some(id) = id else { return Ok(None) };
        let pieces = self.catalog.named(index::name_key(Kind::File, id))?;
        let files: Vec<_> = pieces.iter().map(|piece| &self.shelf.input.files()[piece.file as usize]).collect();
        // Thumbnails may lie beside the file itself.
        let best = files
            .iter()
            .find(|file| index::file_name(file).ends_with(name))
            .or_else(|| files.iter().find(|file| Some(file.length) == size))
            .or(files.first());
        Ok(best.map(|file| file.content()))
    }

    fn forgive(&mut self, forgiven: Forgiven, origin: &Origin) {
        if let Some(charset) = forgiven.charset {
            self.odd(codes::READ_CHARSET, origin, format!("the text is not UTF-8; it was read as {charset}"));
        }
        if forgiven.has_bad_characters {
            let message = "characters that JSON forbids were replaced or kept as they are".to_owned();
            self.odd(codes::READ_CHARSET, origin, message);
        }
    }

    fn odd(&mut self, code: &'static str, origin: &Origin, message: String) {
        self.oddities.push(Oddity { code, origin: origin.clone(), message });
    }
}

/// What the audits say about a ticket's course.
#[derive(Default)]
struct Changes {
    closed_at: Option<Timestamp>,
}

/// A list's objects; also where the list lies one level deeper, as an API answer does that was put in whole.
fn objects(list: Option<Value>, key: &str) -> Vec<Map<String, Value>> {
    let list = match list {
        Some(Value::Array(list)) => list,
        Some(Value::Object(mut page)) => match page.shift_remove(key) {
            Some(Value::Array(list)) => list,
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    list.into_iter()
        .filter_map(|value| match value {
            Value::Object(object) => Some(object),
            _ => None,
        })
        .collect()
}

/// What the archive's list of users says, with what the ticket says added.
fn join(mut known: Person, described: &Person) -> Person {
    known.name = known.name.or_else(|| described.name.clone());
    known.role = known.role.or_else(|| described.role.clone());
    known.company = known.company.or_else(|| described.company.clone());
    for email in &described.emails {
        if !known.emails.iter().any(|it| it.eq_ignore_ascii_case(email)) {
            known.emails.push(email.clone());
        }
    }
    for phone in &described.phones {
        if !known.phones.contains(phone) {
            known.phones.push(phone.clone());
        }
    }
    known
}

/// The first text of `html_body`, `body` and `plain_body` that is not blank; takes all three out.
fn body_of(object: &mut Map<String, Value>, key: &str) -> Body {
    let html = object.shift_remove("html_body").as_ref().and_then(text);
    let plain = [object.shift_remove(key), object.shift_remove("plain_body")];
    match (html, plain.iter().flatten().find_map(text)) {
        (Some(html), _) => Body::Html(html),
        (None, Some(plain)) => Body::Text(plain),
        (None, None) => Body::Empty,
    }
}

/// Ties images in the text to attachments whose bytes are at hand.
///
/// Zendesk's HTML shows them by their address in Zendesk, which will be gone.
fn show_inside(body: &mut Body, attachments: &mut [(Attachment, Vec<String>)]) {
    let Body::Html(html) = body else { return };
    for (attachment, addresses) in attachments {
        let Some(content_id) = &attachment.content_id else { continue };
        for address in addresses {
            for address in [address.clone(), address.replace('&', "&amp;")] {
                for quote in ['"', '\''] {
                    let (shown, here) =
                        (format!("src={quote}{address}{quote}"), format!("src={quote}cid:{content_id}{quote}"));
                    if html.contains(&shown) {
                        *html = html.replace(&shown, &here);
                        attachment.is_inline = true;
                    }
                }
            }
        }
    }
}

/// A name for a comment that has no id: the same whenever the same text is read.
fn content_id(comment: &Map<String, Value>) -> String {
    let mut hasher = blake3::Hasher::new();
    for key in ["created_at", "author_id", "body", "html_body", "plain_body"] {
        hasher.update(comment.get(key).unwrap_or(&Value::Null).to_string().as_bytes());
        hasher.update(&[0]);
    }
    format!("content-{}", &hasher.finalize().to_hex()[..24])
}

fn channel_of(ticket: &Map<String, Value>) -> Option<String> {
    let channel = ticket.get("via").and_then(|via| via.get("channel")).or_else(|| ticket.get("via_id"))?;
    match channel {
        Value::Number(number) => {
            let known = number.as_i64().and_then(shape::channel);
            Some(known.map_or_else(|| number.to_string(), str::to_owned))
        }
        other => text(other),
    }
}

fn tags_of(tags: Option<Value>) -> Vec<String> {
    match tags {
        Some(Value::Array(tags)) => tags.iter().filter_map(text).collect(),
        // Old exports have one text with blanks between.
        Some(Value::String(tags)) => tags.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        other => text(other),
    }
}
