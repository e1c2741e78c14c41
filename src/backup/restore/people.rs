//! Customers of a snapshot as they are sent: with everything that the API can set.

use std::collections::HashSet;

use serde_json::{Map, Value};
use tokio::sync::mpsc;

use crate::backup::BackupError;
use crate::backup::convert::customer_of;
use crate::backup::read::Snapshot;
use crate::freescout::{Labelled, NewCustomer, PostalAddress, wire};
use crate::record::RecordId;
use crate::upload::{PersonItem, Wanted};

/// Kinds of addresses (`freescout-api`: the first is FreeScout's own default).
const EMAILS: &[&str] = &["work", "home", "other"];

/// Kinds of telephone numbers.
const PHONES: &[&str] = &["work", "home", "other", "mobile", "fax", "pager"];

/// Networks of profiles.
const PROFILES: &[&str] = &[
    "other",
    "twitter",
    "facebook",
    "telegram",
    "linkedin",
    "aboutme",
    "google",
    "googleplus",
    "tungleme",
    "quora",
    "foursquare",
    "youtube",
    "flickr",
];

/// Hands on all customers of a snapshot, or those with these ids, until nobody takes them.
pub(super) fn feed(
    snapshot: &Snapshot,
    ids: Option<&HashSet<u64>>,
    out: &mpsc::Sender<PersonItem>,
) -> Result<(), BackupError> {
    for row in snapshot.customers()? {
        let row = row?;
        if ids.is_some_and(|ids| !ids.contains(&row.id)) {
            continue;
        }
        // What is no customer is met again, and named, where a conversation is about it.
        let Ok(known) = row.customer() else { continue };
        if out.blocking_send(person_of(&known, row.origin)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn person_of(known: &wire::Customer, origin: crate::record::Origin) -> PersonItem {
    let mut customer = customer_of(known);
    // Options of dropdowns go by their ids, and no list of the target names them.
    customer.fields = values_of(known);
    let kinds: Vec<(String, Option<String>)> =
        known.embedded.emails.iter().map(|entry| (entry.value.trim().to_lowercase(), entry.kind.clone())).collect();
    let emails = customer.emails.iter().map(|email| {
        let kind = kinds.iter().find(|(known, _)| known == email).and_then(|(_, kind)| kind.as_deref());
        Labelled { value: email.clone(), kind: word(EMAILS, kind) }
    });
    let labelled = |entries: &[wire::Entry], words: &[&'static str]| -> Vec<Labelled> {
        let filled = entries.iter().filter(|entry| !entry.value.trim().is_empty());
        filled.map(|entry| Labelled { value: entry.value.clone(), kind: word(words, entry.kind.as_deref()) }).collect()
    };
    let address = &known.embedded.address;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let profile = NewCustomer {
        first_name: customer.first_name.clone(),
        last_name: customer.last_name.clone(),
        emails: emails.collect(),
        phones: labelled(&known.embedded.phones, PHONES),
        company: known.company.clone(),
        job_title: known.job_title.clone(),
        notes: known.notes.clone(),
        websites: customer.websites.clone(),
        social_profiles: labelled(&known.embedded.social_profiles, PROFILES),
        address: Some(PostalAddress {
            street: text(&address.address),
            city: text(&address.city),
            state: text(&address.state),
            zip: text(&address.zip),
            country: text(&address.country),
        }),
        photo_url: None,
        photo_type: None,
    };
    PersonItem {
        id: RecordId::new(super::SOURCE, format!("customer-{}", known.id)),
        origin,
        findings: Vec::new(),
        wanted: Wanted::Whole(Box::new(customer), Box::new(profile)),
    }
}

fn values_of(known: &wire::Customer) -> Map<String, Value> {
    let set = known.customer_fields.iter().flatten().filter(|field| !field.value.is_empty());
    set.map(|field| (field.name.clone(), Value::from(field.value.clone()))).collect()
}

/// A kind as FreeScout knows it; its default for one that it does not.
fn word(words: &[&'static str], kind: Option<&str>) -> &'static str {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    words.iter().find(|known| **known == kind).unwrap_or(&words[0])
}
