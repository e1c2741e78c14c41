//! Counts findings by kind and keeps a few of each, so that a million of them fit a screen.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::finding::{Finding, Severity};
use crate::report::{Event, Outcome, Reporter};

/// How many findings of a kind, and how many records of each reason of an outcome, are kept for the screen.
pub const SAMPLES: usize = 3;

/// How many different fields of a kind of finding are told apart.
const FIELDS: usize = 200;

/// How many different skip and rejection reasons are told apart; more are counted together.
const REASONS: usize = 50;

/// A listener that adds up findings and the reasons of outcomes.
#[derive(Debug)]
pub struct Tally {
    counts: Mutex<Counts>,
    samples: usize,
}

impl Default for Tally {
    fn default() -> Self {
        Self::keeping(SAMPLES)
    }
}

/// What has been added up so far.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// By code.
    pub kinds: BTreeMap<&'static str, Kind>,
    /// Reasons of records that are not done, with how often each came and the first records.
    pub reasons: BTreeMap<(Outcome, String), Kind>,
}

/// Findings of one kind.
#[derive(Debug, Clone)]
pub struct Kind {
    /// The worst severity among them.
    pub severity: Severity,
    /// How many.
    pub count: u64,
    /// The first few.
    pub samples: Vec<Sample>,
    /// How often each field was named, up to 200 of them; with only one field in all it says nothing new.
    pub fields: BTreeMap<String, u64>,
}

/// One of many: where, which record, which part, and what. Prints as one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sample {
    /// Its place in the archive.
    pub origin: Option<String>,
    /// The record.
    pub record: Option<String>,
    /// The field or part.
    pub field: Option<String>,
    /// What was noticed; empty for an outcome, whose reason all samples share.
    pub message: String,
}

impl Sample {
    /// Of a finding.
    pub fn of(finding: &Finding) -> Self {
        Self {
            origin: finding.origin.as_ref().map(ToString::to_string),
            record: finding.record.as_ref().map(ToString::to_string),
            field: finding.field.clone(),
            message: finding.message.clone(),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.as_ref().map(|field| format!("`{field}`"));
        let message = Some(&self.message).filter(|message| !message.is_empty());
        let parts: Vec<&str> = [self.origin.as_ref(), self.record.as_ref(), field.as_ref(), message]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        f.write_str(&parts.join(": "))
    }
}

impl Kind {
    fn add(&mut self, severity: Severity, most: usize, sample: impl FnOnce() -> Sample) {
        self.severity = self.severity.max(severity);
        self.count += 1;
        if self.samples.len() < most {
            self.samples.push(sample());
        }
    }

    fn add_field(&mut self, field: &str) {
        if let Some(count) = self.fields.get_mut(field) {
            *count += 1;
        } else if self.fields.len() < FIELDS {
            self.fields.insert(field.to_owned(), 1);
        }
    }

    /// The fields, most frequent first.
    pub fn most_frequent_fields(&self) -> Vec<(&str, u64)> {
        let mut fields: Vec<_> = self.fields.iter().map(|(field, count)| (field.as_str(), *count)).collect();
        fields.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        fields
    }
}

impl Default for Kind {
    fn default() -> Self {
        Self { severity: Severity::Info, count: 0, samples: Vec::new(), fields: BTreeMap::new() }
    }
}

impl Tally {
    /// Keeps at most so many samples of each kind and reason.
    pub fn keeping(samples: usize) -> Self {
        Self { counts: Mutex::default(), samples }
    }

    /// What has been added up so far.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Counts {
    /// How many findings have each severity: info, warning, error.
    pub fn by_severity(&self) -> [u64; 3] {
        let mut sums = [0; 3];
        for kind in self.kinds.values() {
            sums[kind.severity as usize] += kind.count;
        }
        sums
    }

    /// The kinds, worst first, then the most frequent.
    pub fn worst_first(&self) -> Vec<(&'static str, &Kind)> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|(code, kind)| (*code, kind)).collect();
        kinds.sort_by(|(_, a), (_, b)| b.severity.cmp(&a.severity).then(b.count.cmp(&a.count)));
        kinds
    }
}

impl Reporter for Tally {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Finding(finding) => {
                let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                let kind = counts.kinds.entry(finding.code).or_default();
                kind.add(finding.severity, self.samples, || Sample::of(finding));
                // Places inside a conversation (`threads[2]`) are as many as there are threads.
                if let Some(field) = finding.field.as_deref().filter(|field| !field.contains('[')) {
                    kind.add_field(field);
                }
            }
            Event::Outcome { record, origin, outcome, reason: Some(reason), .. } if *outcome != Outcome::Done => {
                let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                let mut key = (*outcome, (*reason).to_owned());
                if counts.reasons.len() >= REASONS && !counts.reasons.contains_key(&key) {
                    key.1 = "for other reasons".to_owned();
                }
                let severity = if *outcome == Outcome::Skipped { Severity::Info } else { Severity::Error };
                let sample = || Sample {
                    origin: Some(origin.to_string()),
                    record: Some(record.to_string()),
                    ..Sample::default()
                };
                counts.reasons.entry(key).or_default().add(severity, self.samples, sample);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::codes;

    #[test]
    fn findings_are_counted_by_kind_and_the_first_few_kept() {
        let tally = Tally::default();
        for n in 0..5 {
            tally.event(&Event::Finding(&Finding::new(codes::READ_DATE, format!("date {n}")).in_field("date")));
        }
        tally.event(&Event::Finding(&Finding::new(codes::ATTACHMENT_MISSING, "gone")));
        let counts = tally.counts();
        assert_eq!(counts.by_severity(), [0, 5, 1]);
        let worst = counts.worst_first();
        assert_eq!(
            worst.iter().map(|(code, kind)| (*code, kind.count)).collect::<Vec<_>>(),
            [("attachment-missing", 1), ("read-date", 5)]
        );
        assert_eq!(worst[1].1.most_frequent_fields(), [("date", 5)]);
        let samples: Vec<String> = worst[1].1.samples.iter().map(ToString::to_string).collect();
        assert_eq!(samples, ["`date`: date 0", "`date`: date 1", "`date`: date 2"]);
    }
}
