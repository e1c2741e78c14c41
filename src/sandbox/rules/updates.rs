//! Changing a conversation: each key of the request in the order it stands there, each change with a line item.

use serde_json::{Map, Value};

use super::conversations::LONGEST_SUBJECT;
use super::threads::refile;
use crate::sandbox::answer::{Answer, Stop};
use crate::sandbox::input::{cut, id, int, is_array, is_empty, text};
use crate::sandbox::store::{Action, Addresses, Store, Thread, code};
use crate::sandbox::{Core, Server, dates, show};

impl Server {
    pub(in crate::sandbox) async fn update_conversation(
        &self,
        conversation: u64,
        data: Map<String, Value>,
    ) -> Result<Answer, Stop> {
        if self.store().conversation(conversation).is_none() {
            return Err(Stop::not_found());
        }
        let mut subject = None;
        for (key, value) in &data {
            let by_user = match key.as_str() {
                "status" | "assignTo" | "mailboxId" => Some(self.acting_user(&data)?),
                _ => None,
            };
            match (key.as_str(), by_user) {
                ("status", Some(user)) => self.change_status(conversation, value, user).await?,
                ("assignTo", Some(user)) => self.change_assignee(conversation, value, user).await?,
                ("mailboxId", Some(user)) => self.move_to(conversation, value, user).await?,
                ("customerId", _) => {
                    let user = data.get("byUser").filter(|u| !is_empty(Some(u))).and_then(id);
                    let user = user.filter(|id| self.store().users.contains_key(id));
                    self.change_customer(conversation, value, user).await?;
                }
                ("subject", _) => subject = Some(text(Some(value)).map_err(|_| Stop::crash())?.unwrap_or_default()),
                _ => {}
            }
        }
        if let Some(subject) = subject {
            let subject = cut(&subject, LONGEST_SUBJECT);
            let is_same = self.store().conversation(conversation).is_some_and(|row| *row.subject == *subject);
            if !is_same {
                self.gate().await;
                self.store().change(conversation, |row| {
                    row.subject = subject.into();
                    row.updated = dates::now();
                });
            }
        }
        Ok(Answer::no_content())
    }

    /// Whoever the request says makes the change.
    fn acting_user(&self, data: &Map<String, Value>) -> Result<u64, Stop> {
        let given = data.get("byUser");
        if is_empty(given) {
            return Err(Stop::refuse("byUser", "byUser parameter is required."));
        }
        let user = given.and_then(id).filter(|id| self.store().users.contains_key(id));
        user.ok_or_else(|| Stop::refuse("byUser", "User not found."))
    }

    async fn change_status(&self, conversation: u64, value: &Value, user: u64) -> Result<(), Stop> {
        if is_array(value) {
            return Err(Stop::crash());
        }
        let status = value.as_str().and_then(|word| show::code_of(&show::STATUSES, word)).unwrap_or(code::ACTIVE);
        if self.store().conversation(conversation).is_none_or(|row| row.status == status) {
            return Ok(());
        }
        self.gate().await;
        let mut store = self.store();
        let now = dates::now();
        store.change(conversation, |row| {
            row.status = status;
            row.user_updated = Some(now);
            if status == code::CLOSED {
                row.closed_by = Some(user);
                row.closed = Some(now);
            }
            row.updated = now;
        });
        refile(&mut store, conversation);
        self.line_item(&mut store, conversation, Some(user), status, Action::Status, None);
        self.hook(&store, "convo.status", conversation);
        Ok(())
    }

    async fn change_assignee(&self, conversation: u64, value: &Value, user: u64) -> Result<(), Stop> {
        if is_array(value) {
            return Err(Stop::crash());
        }
        // Not looked up: an id that no user has is stored, and reads back as nobody.
        let assignee = if int(Some(value)) == -1 { None } else { id(value) };
        if self.store().conversation(conversation).is_none_or(|row| row.assignee == assignee) {
            return Ok(());
        }
        self.gate().await;
        let mut store = self.store();
        store.change(conversation, |row| {
            row.assignee = assignee;
            row.updated = dates::now();
        });
        refile(&mut store, conversation);
        self.line_item(&mut store, conversation, Some(user), code::NO_CHANGE, Action::Assignee(assignee), None);
        self.hook(&store, "convo.assigned", conversation);
        Ok(())
    }

    async fn move_to(&self, conversation: u64, value: &Value, user: u64) -> Result<(), Stop> {
        let wanted = id(value).filter(|_| !is_array(value));
        let here = self.store().conversation(conversation).map(|row| row.mailbox);
        if wanted == here {
            return Ok(());
        }
        let mailbox = wanted.filter(|id| self.store().mailboxes.contains_key(id));
        let mailbox = mailbox.ok_or_else(|| Stop::refuse("mailboxId", "Mailbox not found."))?;
        self.gate().await;
        let mut store = self.store();
        let members = store.mailboxes.get(&mailbox).map_or_else(Vec::new, |m| m.users.clone());
        let is_newer = self.profile.core == Core::V1_8_235;
        let status = store.change(conversation, |row| {
            row.mailbox = mailbox;
            if row.assignee.is_some_and(|a| !members.contains(&a)) {
                row.assignee = Some(user).filter(|u| !is_newer && members.contains(u));
            }
            row.updated = dates::now();
            row.status
        });
        refile(&mut store, conversation);
        let status = status.ok_or_else(Stop::crash)?;
        self.line_item(&mut store, conversation, Some(user), status, Action::Moved, Some(""));
        self.hook(&store, "convo.moved", conversation);
        Ok(())
    }

    async fn change_customer(&self, conversation: u64, value: &Value, user: Option<u64>) -> Result<(), Stop> {
        let wanted = id(value).filter(|_| !is_array(value));
        if self.store().conversation(conversation).is_none_or(|row| row.customer == wanted) {
            return Ok(());
        }
        let customer = wanted.filter(|id| self.store().customers.contains_key(id));
        let customer = customer.ok_or_else(|| Stop::refuse("customerId", "Customer not found."))?;
        self.gate().await;
        let mut store = self.store();
        let (email, name) = store
            .customers
            .get(&customer)
            .map(|c| (c.main_email().to_owned(), c.shown_name()))
            .ok_or_else(Stop::crash)?;
        store.change(conversation, |row| {
            row.customer = Some(customer);
            row.customer_email = email.into();
            row.updated = dates::now();
        });
        if user.is_some() {
            self.line_item(&mut store, conversation, user, code::NO_CHANGE, Action::Customer(name), None);
        }
        Ok(())
    }

    /// Adds the line that tells agents what was done. It is dated now, is never imported, and so counts as the newest
    /// reply when the server asks whether to mail.
    pub(super) fn line_item(
        &self,
        store: &mut Store,
        conversation: u64,
        user: Option<u64>,
        status: u8,
        action: Action,
        body: Option<&str>,
    ) {
        let Some(row) = store.conversation(conversation) else { return };
        let (customer, assignee) = (row.customer, row.assignee);
        let now = dates::now();
        let thread = Thread {
            id: store.next_thread(),
            kind: code::LINE_ITEM,
            state: code::PUBLISHED,
            status,
            is_first: false,
            is_imported: false,
            has_attachments: false,
            body: body.map(Into::into),
            customer,
            created_by_customer: None,
            created_by_user: user,
            assignee,
            to: Addresses::default(),
            cc: Addresses::default(),
            bcc: Addresses::default(),
            created: now,
            action: Some(Box::new(action)),
            attachments: Vec::new(),
        };
        self.save_thread(store, conversation, thread, now, None);
    }
}
