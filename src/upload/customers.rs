//! One FreeScout customer for each person, found or made, before any conversation names it.
//!
//! Promises:
//!
//! - A person is worked on by one task at a time, whichever conversations ask:
//!   parallel creates for one address fail, and leave customers without any address behind
//!   (`freescout-behaviour.md`, section 19).
//! - A customer who is there is used as it is: never altered, never merged with another.
//! - Every address of a person is asked for before a customer is made.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{OnceCell, OwnedMutexGuard};
use tokio::time::Instant;

use super::line::{Attempts, Failure, Halt, KeyedLocks, Line, Who};
use crate::conversation::Customer;
use crate::finding::codes;
use crate::freescout::{ApiError, CustomerFilter, Directory, Labelled, NewCustomer, Page, Verdict, wire};

/// People remembered in memory; the journal knows all of them.
const REMEMBERED: usize = 50_000;

/// Finds and makes customers.
pub(super) struct Customers {
    locks: KeyedLocks<String>,
    known: Mutex<HashMap<String, u64>>,
    /// The target, when its customer fields were read off the first customer.
    fields: OnceCell<Directory>,
}

/// What came of looking a person up.
pub(super) struct Resolved {
    /// FreeScout's id.
    pub(super) id: u64,
    /// Whether it was made just now.
    pub(super) is_new: bool,
}

impl Customers {
    pub(super) fn new() -> Self {
        Self { locks: KeyedLocks::new(), known: Mutex::new(HashMap::new()), fields: OnceCell::new() }
    }

    fn recall(&self, key: &str) -> Option<u64> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn remember(&self, key: &str, id: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key.to_owned(), id);
    }

    /// FreeScout's id of a person as far as this journal knows it; FreeScout is not asked.
    pub(super) async fn known(&self, line: &Line, person: &Customer) -> Result<Option<u64>, Halt> {
        if let Some(id) = self.recall(&person.key) {
            return Ok(Some(id));
        }
        Ok(line.journal.person(&person.key).await?.and_then(|row| row.customer))
    }

    /// FreeScout's id of a person. Fails with `Refused` if FreeScout will not have this person.
    pub(super) async fn resolve(&self, line: &Line, who: &Who, person: &Customer) -> Result<Resolved, Failure> {
        self.resolve_as(line, who, person, None).await
    }

    /// As [`Customers::resolve`]; somebody who is not there is made with this profile.
    pub(super) async fn resolve_as(
        &self,
        line: &Line,
        who: &Who,
        person: &Customer,
        profile: Option<&NewCustomer>,
    ) -> Result<Resolved, Failure> {
        if let Some(id) = self.recall(&person.key) {
            return Ok(Resolved { id, is_new: false });
        }
        let _locks = self.lock(line, person).await?;
        if let Some(id) = self.recall(&person.key) {
            return Ok(Resolved { id, is_new: false });
        }
        let row = line.journal.person(&person.key).await?;
        if let Some(id) = row.and_then(|row| row.customer) {
            self.remember(&person.key, id);
            return Ok(Resolved { id, is_new: false });
        }
        // A person with one address who was never asked for is made without a look-up: FreeScout refuses
        // an address that is taken, and then the look-up follows. Half the requests of a first import.
        let mut found = None;
        if person.emails.len() > 1 || row.is_some() {
            found = self.find(line, who, person).await?;
        }
        let (id, is_new) = match found {
            Some(id) => (id, false),
            None => self.make(line, who, person, profile).await?,
        };
        line.journal.settle_person(&person.key, id, is_new).await?;
        self.remember(&person.key, id);
        if is_new {
            self.set_fields(line, who, person, id).await?;
        }
        Ok(Resolved { id, is_new })
    }

    /// Locks every address of a person, in one order for everybody, so that nobody waits in a circle.
    async fn lock(&self, line: &Line, person: &Customer) -> Result<Vec<OwnedMutexGuard<()>>, Halt> {
        let mut keys = person.emails.clone();
        keys.push(person.key.clone());
        keys.sort();
        keys.dedup();
        let mut guards = Vec::with_capacity(keys.len());
        for key in &keys {
            guards.push(line.unless_stopped(self.locks.lock(key)).await?);
        }
        Ok(guards)
    }

    /// The customer with any of the person's addresses: the main one's if there are several.
    async fn find(&self, line: &Line, who: &Who, person: &Customer) -> Result<Option<u64>, Failure> {
        let mut found: Vec<u64> = Vec::new();
        for email in &person.emails {
            let filter = CustomerFilter::email(email.as_str());
            let list = line.read(who, || line.client.list_customers(&filter, Page::FIRST)).await?;
            // A server that does not know the filter gives everybody (trap 20).
            let has = |customer: &&wire::Customer| customer.emails().any(|known| known.eq_ignore_ascii_case(email));
            if let Some(customer) = list.items.iter().find(has)
                && !found.contains(&customer.id)
            {
                found.push(customer.id);
            }
        }
        if found.len() > 1 {
            let message = format!(
                "FreeScout has {} customers for the one person `{}`; {} is used, none is merged",
                found.len(),
                person.key,
                found[0]
            );
            line.note_one(who, codes::PERSON_SEVERAL, message).await?;
        }
        Ok(found.first().copied())
    }

    /// Makes the customer, or finds the one that has the address already.
    async fn make(
        &self,
        line: &Line,
        who: &Who,
        person: &Customer,
        profile: Option<&NewCustomer>,
    ) -> Result<(u64, bool), Failure> {
        let new = profile.cloned().unwrap_or_else(|| new_customer(person));
        let mut attempts = Attempts::new();
        loop {
            // From here on an answer may be lost: the next run looks before it makes.
            line.journal.ask_person(&person.key).await?;
            let error = match line.write_person(who, || line.client.create_customer(&new)).await? {
                Ok(created) => return Ok((created.id, true)),
                Err(error) => error,
            };
            attempts.failed(Instant::now());
            match error.verdict() {
                Verdict::Refused if is_taken(&error) => {
                    return match self.find(line, who, person).await? {
                        Some(id) => Ok((id, false)),
                        None => Err(Failure::Refused(error)),
                    };
                }
                Verdict::Refused => return Err(Failure::Refused(error)),
                Verdict::Unknown if line.is_given_up(&attempts) => {
                    return Err(Failure::Refused(error));
                }
                verdict => {
                    line.wait_to_retry(who, &verdict, attempts.count, &error).await?;
                    // FreeScout keeps an address only once, so that a late effect of the lost request
                    // and of the next one cannot both have it.
                    if verdict == Verdict::Unknown
                        && let Some(id) = self.find(line, who, person).await?
                    {
                        return Ok((id, true));
                    }
                }
            }
            line.try_again(&mut attempts);
        }
    }

    /// What is known of customer fields. FreeScout shows them with customers only: where there was none at the beginning of
    /// the run, the first that was made is asked.
    async fn directory<'a>(&'a self, line: &'a Line, who: &Who, customer: u64) -> &'a Directory {
        if !line.directory.customer_fields.is_empty() {
            return &line.directory;
        }
        let ask = async {
            let answer = line.read(who, || line.client.customer(customer)).await.map_err(|_| ())?;
            let fields = answer.value.customer_fields.into_iter().flatten();
            let customer_fields = fields.map(|field| (field.id, field.name)).collect();
            Ok::<_, ()>(Directory { customer_fields, ..line.directory.clone() })
        };
        self.fields.get_or_try_init(|| ask).await.unwrap_or(&line.directory)
    }

    /// Customer fields are a request of their own; that it fails is no reason to lose conversations.
    async fn set_fields(&self, line: &Line, who: &Who, person: &Customer, id: u64) -> Result<(), Halt> {
        let mut fields = Vec::new();
        for (name, value) in &person.fields {
            let value = match value {
                serde_json::Value::String(text) => text.trim().to_owned(),
                serde_json::Value::Null => continue,
                other => other.to_string(),
            };
            if value.is_empty() {
                continue;
            }
            match self.directory(line, who, id).await.customer_field(name) {
                Some(field) => fields.push((field, value)),
                None => {
                    let message = format!("the target has no customer field `{name}`; its value was left out");
                    line.note_one(who, codes::TARGET_UNKNOWN_FIELD, message).await?;
                }
            }
        }
        if fields.is_empty() {
            return Ok(());
        }
        if let Err(error) = line.write_person(who, || line.client.set_customer_fields(id, &fields)).await? {
            let message = format!("the customer fields of `{}` could not be set: {error}", person.key);
            line.note_one(who, codes::SEND_REFUSED, message).await?;
        }
        Ok(())
    }
}

/// Whether FreeScout refuses a customer because somebody has the address.
fn is_taken(error: &ApiError) -> bool {
    error.path() == Some("emails") && error.message().is_some_and(|message| message.contains("already exist"))
}

fn new_customer(person: &Customer) -> NewCustomer {
    NewCustomer {
        first_name: person.first_name.clone(),
        last_name: person.last_name.clone(),
        emails: person.emails.iter().map(Labelled::work).collect(),
        phones: person.phones.iter().map(Labelled::work).collect(),
        company: person.company.clone(),
        job_title: person.job_title.clone(),
        notes: person.notes.clone(),
        websites: person.websites.clone(),
        ..NewCustomer::default()
    }
}
