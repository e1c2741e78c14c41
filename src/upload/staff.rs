//! Who is on FreeScout's own side: its users and mailboxes never become customers.
//!
//! A mapping knows the old system's staff; this knows the target's. A customer with a user's or a mailbox's address would
//! have that user's mail taken for a customer's.

use std::collections::HashSet;

use crate::conversation::{Author, Conversation, Customer};
use crate::finding::{Finding, codes};
use crate::freescout::Directory;
use crate::mapping::stand_in_for;

/// The addresses of a target's users and mailboxes.
pub(super) struct Staff(HashSet<String>);

impl Staff {
    pub(super) fn of(directory: &Directory) -> Self {
        let alternates = directory.users.iter().filter_map(|user| user.alternate_emails.as_deref());
        let users =
            directory.users.iter().map(|user| user.email.as_str()).chain(alternates.flat_map(|all| all.split(',')));
        let mailboxes = directory.mailboxes.iter().map(|entry| entry.mailbox.email.as_str());
        let all = users.chain(mailboxes).map(|address| address.trim().to_lowercase());
        Self(all.filter(|address| !address.is_empty()).collect())
    }

    /// Takes those addresses from every customer of a conversation; who has no other gets a stand-in.
    pub(super) fn keep_out(&self, conversation: &mut Conversation) -> Vec<Finding> {
        let source = conversation.id.source.clone();
        let mut findings: Vec<Finding> = Vec::new();
        let authors = conversation.threads.iter_mut().filter_map(|thread| match &mut thread.author {
            Author::Customer(customer) => Some(customer),
            Author::User(_) => None,
        });
        for customer in std::iter::once(&mut conversation.customer).chain(authors) {
            if let Some(message) = self.keep_out_one(&source, customer)
                && findings.iter().all(|finding| finding.message != message)
            {
                findings.push(Finding::new(codes::PERSON_IS_STAFF, message));
            }
        }
        findings.into_iter().map(|finding| finding.about(&conversation.id, &conversation.origin)).collect()
    }

    /// Whether a customer has the address of a user or mailbox.
    pub(super) fn has(&self, customer: &Customer) -> bool {
        customer.emails.iter().any(|email| self.0.contains(email.as_str()))
    }

    fn keep_out_one(&self, source: &str, customer: &mut Customer) -> Option<String> {
        let address = customer.emails.iter().find(|email| self.0.contains(email.as_str()))?.clone();
        customer.emails.retain(|email| !self.0.contains(email));
        if customer.emails.is_empty() {
            customer.emails.push(stand_in_for(source, &address));
            customer.is_stand_in = true;
        }
        customer.key.clone_from(&customer.emails[0]);
        Some(format!(
            "`{address}` is a user's or a mailbox's in FreeScout and becomes no customer; `{}` was used",
            customer.key
        ))
    }
}
