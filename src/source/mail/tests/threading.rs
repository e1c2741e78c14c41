//! Conversations of real archives beside those that `References` and `In-Reply-To` alone give.

use std::collections::{BTreeMap, HashMap};

use super::*;

/// Which messages one way of reading puts together.
#[derive(Default)]
struct Parts {
    /// The part of each message, by Message-ID.
    of: BTreeMap<String, usize>,
}

impl Parts {
    fn count(&self) -> usize {
        self.of.values().collect::<BTreeSet<_>>().len()
    }

    /// Pairs that are together here.
    fn pairs(&self) -> BTreeSet<(&str, &str)> {
        let mut by_part: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        for (id, part) in &self.of {
            by_part.entry(*part).or_default().push(id);
        }
        let mut pairs = BTreeSet::new();
        for ids in by_part.values() {
            for (at, one) in ids.iter().enumerate() {
                pairs.extend(ids[at + 1..].iter().map(|other| (*one, *other)));
            }
        }
        pairs
    }
}

/// The reader's own.
fn ours(path: &Path, window_days: u32) -> Parts {
    let shape = Shape { mail: MailShape { window_days, ..MailShape::default() }, ..Shape::default() };
    let reader = open_with(&[path.to_owned()], &shape, Order::Oldest).unwrap();
    let mut parts = Parts::default();
    for (part, record) in reader.enumerate() {
        for entry in record.unwrap().entries {
            let id = entry.id.split('~').next().unwrap_or_default().to_owned();
            parts.of.insert(id, part);
        }
    }
    parts
}

/// What stands in angle brackets in these fields, and nothing else: no envelope, subject or date is looked at.
fn by_references(path: &Path) -> Parts {
    fn root(parents: &mut HashMap<String, String>, id: &str) -> String {
        let mut at = id.to_owned();
        while let Some(parent) = parents.get(&at).filter(|parent| **parent != at) {
            at = parent.clone();
        }
        parents.insert(id.to_owned(), at.clone());
        at
    }
    let bytes = std::fs::read(path).unwrap();
    let mut parents: HashMap<String, String> = HashMap::new();
    let mut here: Vec<String> = Vec::new();
    let mut messages = Messages::open(std::fs::File::open(path).unwrap()).unwrap().unwrap();
    while let Some(message) = messages.next_message().unwrap() {
        let end = usize::try_from(message.offset + message.length).unwrap().min(bytes.len());
        let head = String::from_utf8_lossy(&bytes[message.offset as usize..end]);
        let head = head.split("\n\n").next().unwrap_or_default().replace("\n ", " ").replace("\n\t", " ");
        let head = head.replace('\r', "");
        let ids_of = |name: &str| -> Vec<String> {
            let line = head.lines().find(|line| line.to_lowercase().starts_with(name)).unwrap_or_default();
            let pieces = line.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
            pieces.map(|(id, _)| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
        };
        // Some programs leave out the brackets.
        let bare = || head.lines().find_map(|line| line.strip_prefix("Message-ID: ")).map(|id| id.trim().to_owned());
        let Some(own) = ids_of("message-id:").into_iter().next().or_else(bare) else { continue };
        for other in ids_of("references:").into_iter().chain(ids_of("in-reply-to:")) {
            let (one, other) = (root(&mut parents, &own), root(&mut parents, &other));
            parents.insert(one, other);
        }
        here.push(own);
    }
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut parts = Parts::default();
    for id in here {
        let root = root(&mut parents, &id);
        let next = numbers.len();
        parts.of.insert(id, *numbers.entry(root).or_insert(next));
    }
    parts
}

/// A list's archive keeps no receivers, so that no subject joins here, and nothing differs: `docs/sources.md`.
#[test]
fn real_conversations_are_those_of_references() {
    let Some(archives) = archives() else { return };
    let mut found = Vec::new();
    for month in ["2002-October", "2005-May", "2008-April", "2010-February", "2012-January", "2014-June"] {
        let path = archives.join(format!("mbox/pipermail-twisted-python/{month}.txt"));
        let (theirs, ours, without_subjects) = (by_references(&path), ours(&path, 30), ours(&path, 0));
        let is_same = ours.of.keys().eq(theirs.of.keys());
        assert!(is_same, "{month}: the same messages are known");
        let (our_pairs, their_pairs) = (ours.pairs(), theirs.pairs());
        let only_ours = our_pairs.difference(&their_pairs).count();
        let only_theirs = their_pairs.difference(&our_pairs).count();
        let by_subject = our_pairs.difference(&without_subjects.pairs()).count();
        found.push((month, ours.of.len(), theirs.count(), ours.count(), only_ours, only_theirs, by_subject));
    }
    // The month, its mails, conversations by references and ours, pairs that only we join, that only references join, and that
    // only the subject joins.
    assert_eq!(
        found,
        [
            ("2002-October", 388, 128, 128, 0, 0, 0),
            ("2005-May", 357, 64, 64, 0, 0, 0),
            ("2008-April", 357, 97, 97, 0, 0, 0),
            ("2010-February", 278, 55, 55, 0, 0, 0),
            ("2012-January", 94, 38, 38, 0, 0, 0),
            ("2014-June", 93, 21, 21, 0, 0, 0),
        ]
    );
}
