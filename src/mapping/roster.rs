//! `[people] file`: a table that says who is customer, agent or nobody, taken into the rules.

use std::fs;
use std::ops::Range;
use std::path::Path;

use super::fault::Fault;
use super::file::Loader;
use super::lint::Naming;
use super::rules::{Agent, People, fold};
use crate::roster::{self, Role};
use crate::source::Shape;

impl Loader<'_> {
    /// Reads the table beside the mapping `by` and adds its rows. What `[people.agents]` says of somebody stays.
    ///
    /// Gives a hash of the table, since what it says is part of the rules.
    pub(super) fn roster(
        &mut self,
        by: &str,
        name: &str,
        span: &Range<usize>,
        people: &mut People,
        shape: &mut Shape,
    ) -> Option<blake3::Hash> {
        let path = Path::new(by).parent().unwrap_or(Path::new("")).join(name);
        let bytes = match fs::metadata(&path) {
            Ok(found) if found.len() > roster::LARGEST_FILE => {
                self.fault(
                    span.clone(),
                    format!("`{name}` is larger than any list of people: {} bytes", found.len()),
                    None,
                );
                return None;
            }
            Ok(_) => fs::read(&path),
            Err(error) => Err(error),
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(error) => {
                let hint =
                    "`foxferry init ARCHIVE -o FILE --people people.csv` writes one; the path counts from this mapping";
                let problem = format!("`{}` cannot be read: {error}", path.display());
                self.fault(span.clone(), problem, Some(hint.to_owned()));
                return None;
            }
        };
        let rows = match roster::read(&bytes) {
            Ok(rows) => rows,
            Err(wrong) => {
                for fault in wrong {
                    let problem = format!("`{name}`, line {}: {}", fault.line, fault.problem);
                    self.faults.push(Fault { hint: fault.hint, ..Fault::error(span.clone(), problem) });
                }
                return None;
            }
        };
        for row in rows {
            let other_key = row.name.clone().or(row.old_id);
            let agent = match row.role {
                Role::Customer => {
                    people.customers.extend(row.addresses);
                    continue;
                }
                Role::Agent => {
                    // Reading has made sure that there is one of the two.
                    let Some(user) = row.user.or_else(|| row.addresses.first().cloned()) else { continue };
                    self.name(Naming::User, &user, span.clone());
                    Agent::User(user)
                }
                Role::Nobody => {
                    let Some(name) = row.name.or_else(|| row.addresses.first().cloned()) else { continue };
                    Agent::Departed(name)
                }
            };
            // The reader of mail has to know who we are.
            shape.own.extend(row.addresses.iter().cloned());
            let keys = if row.addresses.is_empty() { other_key.into_iter().collect() } else { row.addresses };
            for key in keys {
                people.agents.entry(fold(&key)).or_insert_with(|| agent.clone());
            }
        }
        Some(blake3::hash(&bytes))
    }
}
