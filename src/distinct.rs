//! Counts things, and keeps the most frequent and the largest of them, in bounded memory.

use std::collections::hash_map::{DefaultHasher, HashMap};
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Up to this many are counted exactly: some 2 MB.
const EXACT: usize = 1 << 17;

/// How many different values of one field are told apart.
const VALUES: usize = 200;

/// Up to this many different things are told apart while the most frequent are looked for: some 4 MB.
const TRACKED: usize = 1 << 15;

/// Nothing that is counted needs to be longer to be recognised, in bytes.
const LONGEST: usize = 200;

/// Counts distinct things: exactly at first, then by a sample of their hashes.
#[derive(Debug, Default)]
pub struct Distinct {
    sample: HashSet<u64>,
    /// Only hashes that end in this many zero bits are in the sample.
    level: u32,
    limit: Option<usize>,
}

impl Distinct {
    /// Counts exactly only up to `limit` things, for where many counters live side by side; 8 bytes each.
    pub fn limited(limit: usize) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.level = self.level.max(other.level);
        let level = self.level;
        self.sample.retain(|hash| hash.trailing_zeros() >= level);
        self.sample.extend(other.sample.iter().filter(|hash| hash.trailing_zeros() >= level));
        self.thin();
    }

    fn thin(&mut self) {
        while self.sample.len() > self.limit.unwrap_or(EXACT) {
            self.level += 1;
            let level = self.level;
            self.sample.retain(|hash| hash.trailing_zeros() >= level);
        }
    }

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
        self.thin();
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

    /// Adds what another has counted.
    pub fn merge(&mut self, other: Self) {
        self.others += other.others;
        for (value, count) in other.counts {
            if let Some(known) = self.counts.get_mut(&value) {
                *known += count;
            } else if self.counts.len() < VALUES {
                self.counts.insert(value, count);
            } else {
                self.others += count;
            }
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

/// Which things occur most often: exactly while few are different, then those that stand out.
///
/// What is rare among very many different things is forgotten from time to time, so that a count may be too low
/// afterwards, but never too high.
#[derive(Debug, Default)]
pub struct Frequent {
    counts: HashMap<String, u64>,
    has_forgotten: bool,
    limit: Option<usize>,
}

impl Frequent {
    /// One occurrence. Of a long text only the beginning counts.
    pub fn add(&mut self, thing: &str) {
        let thing = &thing[..thing.floor_char_boundary(LONGEST)];
        if let Some(count) = self.counts.get_mut(thing) {
            *count += 1;
            return;
        }
        if self.counts.len() >= self.limit.unwrap_or(TRACKED) {
            self.forget();
        }
        self.counts.insert(thing.to_owned(), 1);
    }

    /// Drops the rarer half.
    fn forget(&mut self) {
        let mut all: Vec<u64> = self.counts.values().copied().collect();
        let half = all.len() / 2;
        let (_, &mut rare, _) = all.select_nth_unstable(half);
        self.counts.retain(|_, count| *count > rare);
        self.has_forgotten = true;
    }

    /// The most frequent ones, at most so many.
    pub fn top(&self, most: usize) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.counts.iter().map(|(thing, count)| (thing.as_str(), *count)).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(most);
        all
    }

    /// How many different ones are known; more there were if [`Frequent::has_forgotten`].
    pub fn known(&self) -> usize {
        self.counts.len()
    }

    /// Whether rare ones have been forgotten, so that counts may be too low.
    pub fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }
}

/// The largest things by some weight, the first of equals.
#[derive(Debug)]
pub struct Largest<T> {
    most: usize,
    items: Vec<(u64, T)>,
}

impl<T> Largest<T> {
    /// Keeps at most so many.
    pub fn new(most: usize) -> Self {
        Self { most, items: Vec::new() }
    }

    /// Takes a thing of this weight if it is among the largest; only then it is made.
    pub fn offer(&mut self, weight: u64, make: impl FnOnce() -> T) {
        if self.items.len() >= self.most && self.items.last().is_none_or(|(least, _)| weight <= *least) {
            return;
        }
        let at = self.items.partition_point(|(known, _)| *known >= weight);
        self.items.insert(at, (weight, make()));
        self.items.truncate(self.most);
    }

    /// The largest first, with their weights.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.items.iter().map(|(weight, thing)| (*weight, thing))
    }
}

/// How many things fall into each month (UTC) of 1970 to 2038.
#[derive(Debug, Clone, Default)]
pub struct Months {
    counts: BTreeMap<(i16, i8), u64>,
    /// Times outside these years, and no times at all.
    pub elsewhen: u64,
}

impl Months {
    /// One thing of this time.
    pub fn add(&mut self, at: Option<Timestamp>) {
        let date = at.map(|at| TimeZone::UTC.to_datetime(at));
        match date.filter(|date| (1970..=2038).contains(&date.year())) {
            Some(date) => *self.counts.entry((date.year(), date.month())).or_default() += 1,
            None => self.elsewhen += 1,
        }
    }

    /// Every month from the first to the last that has any, with those between that have none: year, month, count.
    pub fn all(&self) -> Vec<(i16, i8, u64)> {
        let (Some((first, _)), Some((last, _))) = (self.counts.first_key_value(), self.counts.last_key_value()) else {
            return Vec::new();
        };
        let months = (first.0..=last.0).flat_map(|year| (1..=12).map(move |month| (year, month)));
        let counted = |month: (i16, i8)| (month.0, month.1, self.counts.get(&month).copied().unwrap_or_default());
        months.filter(|month| month >= first && month <= last).map(counted).collect()
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
        let mut distinct = Distinct::limited(4096);
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
    #[test]
    fn what_stands_out_is_found_among_many() {
        let mut frequent = Frequent { limit: Some(64), ..Frequent::default() };
        for n in 0..5_000 {
            frequent.add(&format!("rare {n}"));
            frequent.add(if n % 3 == 0 { "often" } else { "oftener" });
        }
        let top: Vec<&str> = frequent.top(2).into_iter().map(|(thing, _)| thing).collect();
        assert_eq!(top, ["oftener", "often"]);
        assert!(frequent.has_forgotten() && frequent.known() <= 64);
        assert!(frequent.top(1)[0].1 <= 3_334, "a count is never too high");
    }

    #[test]
    fn long_texts_are_counted_by_their_beginning() {
        let mut frequent = Frequent::default();
        frequent.add(&"ä".repeat(1_000));
        assert_eq!(frequent.top(1), [("ä".repeat(100).as_str(), 1)]);
    }

    #[test]
    fn the_largest_are_kept_and_the_first_of_equals() {
        let mut largest = Largest::new(2);
        for (weight, name) in [(1, "a"), (5, "b"), (3, "c"), (5, "d"), (5, "e")] {
            largest.offer(weight, || name);
        }
        assert_eq!(largest.iter().collect::<Vec<_>>(), [(5, &"b"), (5, &"d")]);
    }

    #[test]
    fn months_without_anything_are_between_those_with_something() {
        let mut months = Months::default();
        for time in ["2023-11-30T23:59:59Z", "2024-01-01T00:00:00Z", "2024-01-31T00:00:00Z", "0001-01-01T00:00:00Z"] {
            months.add(time.parse().ok());
        }
        months.add(None);
        assert_eq!(months.all(), [(2023, 11, 1), (2023, 12, 0), (2024, 1, 2)]);
        assert_eq!(months.elsewhen, 2);
    }
}
