//! Counts distinct things in bounded memory.

use std::collections::HashSet;
use std::collections::hash_map::{DefaultHasher, HashMap};
use std::hash::{Hash, Hasher};

/// Up to this many are counted exactly: some 16 MB.
const EXACT: usize = 1 << 19;

/// How many different values of one field are told apart.
const VALUES: usize = 200;

/// Counts distinct things: exactly at first, then by a sample of their hashes.
#[derive(Debug, Default)]
pub struct Distinct {
    sample: HashSet<u64>,
    /// Only hashes that end in this many zero bits are in the sample.
    level: u32,
    limit: Option<usize>,
}

impl Distinct {
    /// One thing more, or one seen before.
    pub fn add(&mut self, thing: &impl Hash) {
        // Not for secrets, and equal in every run: the default hasher has fixed keys.
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        let hash = hasher.finish();
        if hash.trailing_zeros() < self.level {
            return;
        }
        self.sample.insert(hash);
        while self.sample.len() > self.limit.unwrap_or(EXACT) {
            self.level += 1;
            let level = self.level;
            self.sample.retain(|hash| hash.trailing_zeros() >= level);
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        (self.sample.len() as u64) << self.level
    }

    /// Whether the count is an estimate, good to about a half per cent.
    pub fn is_estimate(&self) -> bool {
        self.level > 0
    }
}

/// How often each value of a field occurs, up to a number of different values.
#[derive(Debug, Default)]
pub struct Values {
    counts: HashMap<String, u64>,
    /// Occurrences of values beyond the limit.
    pub others: u64,
}

impl Values {
    /// One occurrence.
    pub fn add(&mut self, value: &str) {
        if let Some(count) = self.counts.get_mut(value) {
            *count += 1;
        } else if self.counts.len() < VALUES {
            self.counts.insert(value.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The values, most frequent first.
    pub fn most_frequent(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(value, count)| (value.as_str(), *count)).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_exactly() {
        let mut distinct = Distinct::default();
        for n in 0..10_000 {
            distinct.add(&(n % 5_000));
        }
        assert_eq!((distinct.count(), distinct.is_estimate()), (5_000, false));
    }

    #[test]
    fn many_are_estimated_in_bounded_memory() {
        let mut distinct = Distinct { limit: Some(4096), ..Distinct::default() };
        for n in 0..100_000 {
            distinct.add(&n);
        }
        assert!(distinct.is_estimate() && distinct.sample.len() <= 4096);
        assert!((90_000..110_000).contains(&distinct.count()), "{}", distinct.count());
    }

    #[test]
    fn values_beyond_the_limit_are_counted_together() {
        let mut values = Values::default();
        for n in 0..VALUES + 5 {
            values.add(&n.to_string());
        }
        values.add("7");
        assert_eq!(values.most_frequent()[0], ("7", 2));
        assert_eq!(values.others, 5);
    }
}
