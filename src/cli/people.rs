//! `import --people-only`: listed people on their way to the uploader.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use foxferry::mapping::{ConvertedContact, Mapping};
use foxferry::pipeline::Selection;
use foxferry::record::{Origin, RecordId};
use foxferry::report::Summary;
use foxferry::source::ReadError;
use foxferry::source::contacts::{Contact, Contacts};
use foxferry::upload::{PersonItem, Wanted};
use tokio::sync::mpsc;

use crate::cli::exit;
use crate::cli::screen::Screen;

/// How many people may wait for the uploader.
const WAITING: usize = 256;

/// Reads and converts people on an OS thread of its own.
pub fn spawn(
    contacts: Contacts,
    mapping: Arc<Mapping>,
    selection: Selection,
) -> (mpsc::Receiver<PersonItem>, JoinHandle<()>) {
    let (sender, items) = mpsc::channel(WAITING);
    let reader = thread::spawn(move || {
        let mut taken = 0;
        for contact in contacts {
            if selection.limit.is_some_and(|limit| taken >= limit) {
                break;
            }
            let item = item(contact, &mapping);
            // An unreadable row has no id to be asked for by.
            let id = item.id.original.trim_start_matches("person-");
            if !selection.only.is_empty() && !selection.only.contains(id) && !selection.only.contains(&item.id.original)
            {
                continue;
            }
            taken += 1;
            if sender.blocking_send(item).is_err() {
                break;
            }
        }
    });
    (items, reader)
}

fn item(contact: Result<Contact, ReadError>, mapping: &Mapping) -> PersonItem {
    match contact {
        Ok(contact) => {
            let (id, origin) = (contact.id.clone(), contact.origin.clone());
            let (wanted, findings) = match mapping.convert_contact(contact) {
                ConvertedContact::Ready(customer, findings) => (Wanted::Customer(customer), findings),
                ConvertedContact::Skipped(reason, findings) => (Wanted::Skipped(reason), findings),
            };
            PersonItem { id, origin, findings, wanted }
        }
        Err(error) => {
            let origin: Origin = error.origin().clone();
            let id = RecordId::new(mapping.source(), format!("unreadable@{origin}"));
            let reason = exit::chain(&error);
            let reason = reason.strip_prefix(&format!("{origin}: ")).unwrap_or(&reason).to_owned();
            PersonItem { id, origin, findings: Vec::new(), wanted: Wanted::Rejected(reason) }
        }
    }
}

/// What became of the people, beside the sums.
pub fn say(sums: &Summary, screen: &Screen) {
    let made = sums.customers;
    let were_there = sums.done.saturating_sub(sums.done_before).saturating_sub(made);
    let before =
        if sums.done_before > 0 { format!(", {} done in an earlier run", sums.done_before) } else { String::new() };
    screen.say(&format!("people: {made} customers made, {were_there} were there already and are as they were{before}"));
}
