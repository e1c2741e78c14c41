//! Creating and deleting conversations.

use serde_json::{Map, Value};

use super::customers::check_country;
use super::threads::Scope;
use super::{Course, require};
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::dates;
use crate::sandbox::input::{cut, id, int, is_array, is_empty, members, snake_map, text};
use crate::sandbox::show::{self, Embed};
use crate::sandbox::store::{Conversation, code};
use crate::sandbox::{Core, Server};

/// How long a subject can be.
pub(super) const LONGEST_SUBJECT: usize = 998;

impl Server {
    /// The order of steps matters, since each stays when a later one fails: keys, customer, mailbox, dates, row,
    /// threads from the oldest, customer restored, custom fields.
    pub(in crate::sandbox) async fn create_conversation(
        &self,
        data: Map<String, Value>,
        course: &Course,
    ) -> Result<Answer, Stop> {
        require(&data, &["subject", "type", "mailboxId", "customer", "threads"])?;
        let are_objects = is_array(&data["threads"]) && members(&data["threads"]).into_iter().all(is_array);
        if !are_objects {
            return Err(Stop::refuse("threads", "'threads' parameter must be an array"));
        }
        let data = snake_map(data);
        let kind = coded(data.get("type"), &show::TYPES, 1)?;
        let status = data.get("status").map(|s| coded(Some(s), &show::STATUSES, code::ACTIVE)).transpose()?;
        let state = coded(data.get("state"), &show::STATES, code::PUBLISHED)?;

        let empty = Map::new();
        // A list of one is unwrapped, as some senders wrap everything.
        let wrapped = data["customer"].get(0).or_else(|| data["customer"].get("0")).filter(|c| !is_empty(Some(c)));
        let given = wrapped.unwrap_or(&data["customer"]).as_object().unwrap_or(&empty);
        check_country(given)?;
        let customer = self.resolve_customer(given).await?;

        let mailbox = id(&data["mailbox_id"]).filter(|_| !is_array(&data["mailbox_id"]));
        let mailbox = mailbox.filter(|id| self.store().mailboxes.contains_key(id));
        let mailbox = mailbox.ok_or_else(|| Stop::refuse("mailboxId", "Mailbox not found"))?;
        let subject = text(data.get("subject")).map_err(|_| Stop::crash())?.unwrap_or_default();
        let is_imported = self.profile.takes_imports && int(data.get("imported")) != 0;
        let created = match data.get("created_at") {
            date if is_empty(date) => dates::now(),
            date => dates::stored(self.date(date)?),
        };
        let closed = match data.get("closed_at") {
            date if is_imported && !is_empty(date) => Some(dates::stored(self.date(date)?)),
            _ => None,
        };

        self.gate().await;
        let number = self.store().next_number();
        if self.profile.has_custom_numbers {
            // Read here, written there: two at once can get the same one.
            self.yield_to_others().await;
        }
        let conversation = {
            let mut store = self.store();
            let assignee = data.get("assign_to").filter(|a| !is_empty(Some(a))).and_then(id);
            let assignee = assignee.filter(|id| store.users.contains_key(id));
            let folder = store.folder_for(mailbox, state, status.unwrap_or(code::ACTIVE), assignee);
            let email = store.customers.get(&customer).map_or("", |c| c.main_email()).into();
            store.insert(Conversation {
                id: 0,
                number,
                kind,
                folder,
                status: status.unwrap_or(code::ACTIVE),
                state,
                subject: cut(&subject, LONGEST_SUBJECT).into(),
                preview: Box::default(),
                mailbox,
                assignee,
                created_by_user: None,
                created_by_customer: None,
                created,
                updated: dates::now(),
                closed_by: None,
                closed,
                user_updated: None,
                last_reply: None,
                last_reply_from: 0,
                via: code::BY_CUSTOMER,
                cc: Box::default(),
                bcc: Box::default(),
                customer: Some(customer),
                customer_email: email,
                threads_count: 0,
                is_imported,
                threads: Vec::new(),
                fields: Vec::new(),
                tags: Vec::new(),
            })
        };

        let last_customer = self.create_threads(conversation, &data, is_imported, status, course).await?;
        self.gate().await;
        {
            let mut store = self.store();
            if last_customer.is_some_and(|last| last != customer) {
                let email = store.customers.get(&customer).map_or("", |c| c.main_email()).to_owned();
                store.change(conversation, |row| {
                    row.customer = Some(customer);
                    row.customer_email = email.into();
                    row.updated = dates::now();
                });
            }
            if self.profile.has_custom_fields && data.get("custom_fields").is_some_and(is_array) {
                for entry in members(&data["custom_fields"]) {
                    let Some(field) = entry.get("id") else { return Err(Stop::crash()) };
                    let is_numeric = field.is_number() || field.as_str().is_some_and(|t| t.parse::<f64>().is_ok());
                    if let (Some(field), Some(value)) = (id(field).filter(|_| is_numeric), entry.get("value")) {
                        super::others::set_field(&mut store, conversation, field, value);
                    }
                }
            }
        }
        let store = self.store();
        let row = store.conversation(conversation).ok_or_else(|| Stop::Failed(Answer::page(404, "")))?;
        Ok(Answer::created(conversation, show::conversation(self, &store, row, Embed::THREADS)))
    }

    /// Creates the threads, oldest first, and gives the customer that the last customer thread has left there. Those
    /// that are refused are skipped; when all are, the conversation goes and the last refusal is the answer.
    async fn create_threads(
        &self,
        conversation: u64,
        data: &Map<String, Value>,
        is_imported: bool,
        status: Option<u8>,
        course: &Course,
    ) -> Result<Option<u64>, Stop> {
        let (mut last_customer, mut refusal, mut made) = (None, None, 0);
        if course.dies_after == Some(0) {
            return Err(Stop::killed());
        }
        for thread in members(&data["threads"]).into_iter().rev() {
            if made > 0
                && let Some(pause) = course.pause
            {
                tokio::time::sleep(pause).await;
            }
            let mut thread = match thread {
                Value::Object(map) => map.clone(),
                list => members(list).into_iter().cloned().enumerate().map(|(i, v)| (i.to_string(), v)).collect(),
            };
            if is_imported {
                thread.insert("imported".to_owned(), true.into());
            }
            if let Some(status) = status {
                thread.insert("status".to_owned(), status.into());
            }
            let is_customer = thread.get("type").and_then(Value::as_str) == Some("customer");
            match self.insert_thread(conversation, thread, Scope::Internal, course, made + 1).await {
                Ok(created) => {
                    made += 1;
                    if is_customer {
                        last_customer = created.customer;
                    }
                    if course.dies_after == Some(made) {
                        return Err(Stop::killed());
                    }
                }
                Err(Stop::Refused(answer)) => refusal = Some(answer),
                Err(failed) => return Err(failed),
            }
        }
        if made == 0 {
            let mut store = self.store();
            self.hook(&store, "convo.deleted_forever", conversation);
            store.remove(conversation);
            drop(store);
            return Err(match refusal {
                Some(answer) => Stop::Refused(answer),
                None => Stop::refuse("threads", "Could no create thread(s)"),
            });
        }
        Ok(last_customer)
    }

    /// Deletes for good: the row, its threads and its files. Customers stay, and so do rows in the link tables.
    pub(in crate::sandbox) async fn delete_conversation(&self, id: u64) -> Result<Answer, Stop> {
        if self.store().conversation(id).is_none() {
            return Err(Stop::not_found());
        }
        self.gate().await;
        let mut store = self.store();
        self.hook(&store, "convo.deleted_forever", id);
        store.remove(id).ok_or_else(Stop::not_found)?;
        Ok(Answer::no_content())
    }

    /// Whether the core cuts tags out of names.
    pub(in crate::sandbox) fn is_newer_core(&self) -> bool {
        self.profile.core == Core::V1_8_235
    }
}

/// The code for a word; unknown words and null give the fall-back, arrays an exception.
pub(super) fn coded(given: Option<&Value>, words: &[&str], otherwise: u8) -> Result<u8, Stop> {
    match given {
        Some(value) if is_array(value) => Err(Stop::crash()),
        Some(Value::String(word)) => Ok(show::code_of(words, word).unwrap_or(otherwise)),
        _ => Ok(otherwise),
    }
}
