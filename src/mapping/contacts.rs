//! A person whom the archive lists, into a customer without any conversation.

use std::sync::Arc;

use super::Mapping;
use super::convert::{Notes, fill_profile};
use super::expression::Context;
use super::people;
use crate::conversation::Customer;
use crate::finding::{Finding, codes};
use crate::record::Record;
use crate::source::contacts::Contact;

/// What became of a person.
#[derive(Debug)]
pub enum ConvertedContact {
    /// A customer, with what was noticed on the way.
    Ready(Box<Customer>, Vec<Finding>),
    /// Nobody who becomes a customer, and why.
    Skipped(String, Vec<Finding>),
}

impl Mapping {
    /// Turns a listed person into a customer, by the same rules as a record's requester.
    pub fn convert_contact(&self, contact: Contact) -> ConvertedContact {
        let Contact { id, origin, person } = contact;
        let rules = &self.rules;
        if rules.people.is_staff(&person) && !rules.people.staff_as_customers {
            return ConvertedContact::Skipped("staff do not become customers".to_owned(), Vec::new());
        }
        if people::is_unknown(&person) {
            return ConvertedContact::Skipped("nothing is known but an id".to_owned(), Vec::new());
        }
        // The rules speak of a record's requester, so the person becomes that of an empty one.
        let record = Arc::new(Record {
            id: id.clone(),
            origin: origin.clone(),
            subject: None,
            status: None,
            channel: None,
            requester: Some(person),
            assignee: None,
            cc: Vec::new(),
            tags: Vec::new(),
            created_at: None,
            updated_at: None,
            closed_at: None,
            url: None,
            entries: Vec::new(),
            fields: serde_json::Map::new(),
            oddities: Vec::new(),
        });
        let mut notes = Notes::default();
        let context = Context::new(&record, None);
        let requester = record.requester.as_ref().expect("it has just been put there");
        let mut customer = people::customer(&record, requester, &mut notes.findings);
        fill_profile(rules, &context, &mut customer, &mut notes);
        for path in rules.coverage.lost(&record) {
            notes.note_in(codes::MAP_LOST_FIELD, path, "the field is neither mapped nor ignored");
        }
        let findings = notes.findings.into_iter().map(|finding| finding.about(&id, &origin)).collect();
        ConvertedContact::Ready(Box::new(customer), findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Origin, Person, RecordId};

    fn contact(person: Person) -> Contact {
        let origin = Origin::whole(&Arc::from("people.csv"));
        Contact { id: RecordId::new("csv", "person-7"), origin, person }
    }

    fn mapping() -> Mapping {
        let text = "source = \"csv\"\n[people]\nown = [\"@us.example.org\"]\n[customer]\njob_title = \"{{ requester.Title }}\"\n";
        Mapping::parse("test", text).unwrap()
    }

    #[test]
    fn a_listed_person_becomes_a_customer_by_the_mappings_rules() {
        let mut person = Person::with_email("Ada@Example.org", Some("Ada Lovelace".to_owned()));
        person.fields.insert("Title".to_owned(), "Countess".into());
        person.fields.insert("Colour".to_owned(), "red".into());
        let ConvertedContact::Ready(customer, findings) = mapping().convert_contact(contact(person)) else {
            panic!("not a customer")
        };
        assert_eq!((&*customer.key, &*customer.first_name), ("ada@example.org", "Ada"));
        assert_eq!(customer.job_title.as_deref(), Some("Countess"));
        let lost: Vec<_> = findings.iter().map(|finding| (finding.code, finding.field.as_deref())).collect();
        assert_eq!(lost, [(codes::MAP_LOST_FIELD, Some("person.Colour"))]);
    }

    #[test]
    fn staff_and_the_unknown_are_left_out_with_a_reason() {
        let staff = Person::with_email("grace@us.example.org", None);
        let unknown = Person { id: Some("9".to_owned()), ..Person::default() };
        for (person, expected) in [(staff, "staff do not"), (unknown, "nothing is known")] {
            match mapping().convert_contact(contact(person)) {
                ConvertedContact::Skipped(reason, _) => assert!(reason.starts_with(expected), "{reason}"),
                ConvertedContact::Ready(customer, _) => panic!("{customer:?}"),
            }
        }
    }

    #[test]
    fn somebody_without_an_address_gets_the_same_stand_in_every_time() {
        let person = Person { id: Some("7".to_owned()), name: Some("Ada".to_owned()), ..Person::default() };
        let key = |person: Person| match mapping().convert_contact(contact(person)) {
            ConvertedContact::Ready(customer, _) => customer.key,
            ConvertedContact::Skipped(reason, _) => panic!("{reason}"),
        };
        assert_eq!(key(person.clone()), "csv-7@no-address.invalid");
        assert_eq!(key(person.clone()), key(person));
    }
}
