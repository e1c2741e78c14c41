//! A few records that show everything an archive holds, for a trial that says as much as the whole.
//!
//! Promises:
//!
//! - Every line of the mapping that any record uses, every kind of finding, every reason for leaving a record out and every outcome is
//!   in the set, and so are the extremes: oldest, newest, longest, with most people, biggest file.
//! - Small: greedy choice, which is seldom more than a few records above the least possible.
//! - Memory is bounded by the number of different features, not by the archive.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::conversation::{Author, Conversation};
use crate::mapping::{Converted, Mapped};
use crate::record::RecordId;

/// More features than this are not told apart: an archive can name millions of values.
const MOST_FEATURES: usize = 5_000;

/// Collects what records show, and chooses.
#[derive(Debug, Default)]
pub struct Demo {
    records: u64,
    features: HashMap<String, u32>,
    /// Records that were the first to show something, with all they show.
    candidates: Vec<Candidate>,
    /// The record that is most of something, with how much.
    extremes: BTreeMap<&'static str, (i128, Candidate)>,
}

#[derive(Debug, Clone)]
struct Candidate {
    id: RecordId,
    shows: Vec<u32>,
}

/// A record of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Which.
    pub id: RecordId,
    /// What no record before it in the set shows: `the oldest`, `status closed`, `finding read-date`, …
    pub because: Vec<String>,
}

impl Demo {
    /// Takes one more record into account.
    pub fn add(&mut self, converted: &Converted) {
        self.records += 1;
        let (id, findings) = match converted {
            Converted::Ready(mapped) => (&mapped.conversation.id, &mapped.findings),
            Converted::Skipped(skipped) => (&skipped.id, &skipped.findings),
            Converted::Rejected(rejected) => (&rejected.id, &rejected.findings),
        };
        let mut names = match converted {
            Converted::Ready(mapped) => features_of(mapped),
            Converted::Skipped(skipped) => vec![format!("skipped: {}", skipped.reason)],
            // Reasons quote values; that something is rejected is what a trial should show.
            Converted::Rejected(_) => vec!["rejected".to_owned()],
        };
        names.extend(findings.iter().map(|finding| match finding.field.as_deref() {
            Some(field) if !field.contains('[') => format!("finding {} {field}", finding.code),
            _ => format!("finding {}", finding.code),
        }));
        let (mut shows, mut is_first) = (Vec::with_capacity(names.len()), false);
        for name in names {
            let next = self.features.len();
            if let Some(&known) = self.features.get(&name) {
                shows.push(known);
            } else if next < MOST_FEATURES {
                let number = u32::try_from(next).unwrap_or(u32::MAX);
                self.features.insert(name, number);
                shows.push(number);
                is_first = true;
            }
        }
        shows.sort_unstable();
        shows.dedup();
        let candidate = Candidate { id: id.clone(), shows };
        if let Converted::Ready(mapped) = converted {
            for (name, measure) in measures(&mapped.conversation) {
                match self.extremes.get_mut(name) {
                    Some((most, kept)) if measure > *most => (*most, *kept) = (measure, candidate.clone()),
                    Some(_) => {}
                    None => {
                        self.extremes.insert(name, (measure, candidate.clone()));
                    }
                }
            }
        }
        if is_first {
            self.candidates.push(candidate);
        }
    }

    /// How many records were taken into account.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The set: the extremes first, then whoever shows most of what is still missing.
    pub fn choose(self) -> Vec<Chosen> {
        let mut names: Vec<String> = vec![String::new(); self.features.len()];
        for (name, number) in self.features {
            names[number as usize] = name;
        }
        let mut shown: HashSet<u32> = HashSet::new();
        let mut chosen: Vec<Chosen> = Vec::new();
        for (name, (_, candidate)) in self.extremes {
            let because = name.to_owned();
            if let Some(known) = chosen.iter_mut().find(|known| known.id == candidate.id) {
                known.because.push(because);
                continue;
            }
            let further = candidate.shows.iter().filter(|feature| shown.insert(**feature));
            let because = std::iter::once(because).chain(further.map(|&feature| names[feature as usize].clone()));
            chosen.push(Chosen { because: because.collect(), id: candidate.id });
        }
        let mut rest = self.candidates;
        loop {
            // In place, so that each round is a look at what is left.
            rest.retain_mut(|candidate| {
                candidate.shows.retain(|feature| !shown.contains(feature));
                !candidate.shows.is_empty()
            });
            // The first of the best: the same archive gives the same set.
            let best = rest.iter().enumerate().max_by_key(|(index, it)| (it.shows.len(), std::cmp::Reverse(*index)));
            let Some((best, _)) = best else { return chosen };
            let Candidate { id, shows } = rest.swap_remove(best);
            let because = shows.iter().map(|&feature| names[feature as usize].clone()).collect();
            shown.extend(shows);
            chosen.push(Chosen { id, because });
        }
    }
}

fn features_of(mapped: &Mapped) -> Vec<String> {
    let conversation = &mapped.conversation;
    let mut features = vec![
        format!("status {}", conversation.status.word()),
        format!("type {}", conversation.kind.word()),
        format!("mailbox {}", conversation.mailbox.as_deref().unwrap_or("of the target")),
        format!("{} assignee", if conversation.assignee.is_some() { "with an" } else { "without" }),
    ];
    features.extend(mapped.lines.iter().map(|line| format!("mapping rule #{line}")));
    features.extend(mapped.rules.iter().map(|rule| format!("rule {rule}")));
    features.extend(conversation.fields.iter().map(|(name, _)| format!("field {name}")));
    if !conversation.tags.is_empty() {
        features.push("with tags".to_owned());
    }
    for thread in &conversation.threads {
        let author = match thread.author {
            Author::User(_) => "a user",
            Author::Customer(_) => "a customer",
        };
        features.push(format!("{} of {author}", thread.kind.word()));
        if !thread.cc.is_empty() {
            features.push("with copies".to_owned());
        }
        let endings = thread.attachments.iter().map(|file| file.name.rsplit_once('.').map_or("", |(_, ending)| ending));
        features.extend(endings.map(|ending| format!("a file {}", ending.to_ascii_lowercase())));
    }
    features
}

/// What extremes are looked for, and how much of each a conversation is.
fn measures(conversation: &Conversation) -> [(&'static str, i128); 8] {
    let threads = &conversation.threads;
    let opened = i128::from(conversation.created_at.as_second());
    let files = || threads.iter().flat_map(|thread| &thread.attachments);
    let size = |file: &crate::conversation::Attachment| i128::from(file.content.length().unwrap_or(0));
    let people: HashSet<&str> = threads
        .iter()
        .flat_map(|thread| {
            let author = match &thread.author {
                Author::Customer(customer) => Some(customer.key.as_str()),
                Author::User(_) => None,
            };
            author.into_iter().chain(thread.cc.iter().chain(&thread.bcc).map(String::as_str))
        })
        .collect();
    [
        ("the oldest", -opened),
        ("the newest", opened),
        ("the most threads", threads.len() as i128),
        ("the most people", people.len() as i128),
        ("the longest text", threads.iter().map(|thread| thread.body.len()).max().unwrap_or(0) as i128),
        ("the most text that is not ASCII", threads.iter().map(foreign).sum()),
        ("the biggest file", files().map(size).max().unwrap_or(0)),
        ("the most files", files().count() as i128),
    ]
}

fn foreign(thread: &crate::conversation::Thread) -> i128 {
    thread.body.bytes().filter(|byte| !byte.is_ascii()).count() as i128
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::mapping::Mapping;
    use crate::record::{Origin, json};

    fn converted(mapping: &Mapping, line: &str) -> Converted {
        let at = Origin::line(&Arc::from("t.jsonl"), 1);
        let value = serde_json::from_str(line).unwrap();
        mapping.convert(json::read(value, &at, "records", &json::Files::none()).unwrap())
    }

    #[test]
    fn every_feature_of_the_archive_is_in_the_set_and_the_set_is_small() {
        let mapping = Mapping::parse(
            "t",
            "source = \"records\"\n[status]\nfrom = \"status\"\ndefault = \"active\"\ntable = { open = \"active\", done = \"closed\" }\nskip = { gone = \"deleted\" }\n",
        )
        .unwrap();
        let mut demo = Demo::default();
        let mut all = HashSet::new();
        for n in 0..200 {
            let status = ["open", "done", "gone", "odd"][n % 4];
            let line = format!(
                "{{\"id\":\"t:{n}\",\"status\":\"{status}\",\"subject\":\"s\",\"created_at\":\"20{:02}-01-01T00:00:00Z\",\"requester\":{{\"addresses\":[\"a@example.org\"]}},\"entries\":[{{\"id\":\"1\",\"kind\":\"message\",\"text\":\"{}\",\"author\":{{\"addresses\":[\"a@example.org\"]}}}}]}}",
                n % 30,
                "x".repeat(n + 1),
            );
            let converted = converted(&mapping, &line);
            if let Converted::Ready(mapped) = &converted {
                all.extend(features_of(mapped));
            }
            demo.add(&converted);
        }
        assert_eq!(demo.records(), 200);
        let chosen = demo.choose();
        assert!(chosen.len() <= 7, "{chosen:?}");
        let because: HashSet<&str> = chosen.iter().flat_map(|it| it.because.iter().map(String::as_str)).collect();
        for feature in all.iter().map(String::as_str).chain(["skipped: deleted", "finding map-unmapped-value status"]) {
            assert!(because.contains(feature), "{feature} is not in {because:?}");
        }
        for extreme in ["the oldest", "the newest", "the longest text"] {
            assert!(because.contains(extreme), "{extreme}");
        }
    }
}
