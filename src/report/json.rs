//! Events as JSON lines, for programs that run foxferry.
//!
//! The shapes are promised in `docs/output.md`: fields may be added and are not renamed.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::mapping::account::{Account, Fate};
use crate::report::{Event, Outcome, Reporter, Summary};

/// How many values of a field are written, the most frequent ones.
const SHOWN_VALUES: usize = 20;

/// Writes one JSON object per event and line.
///
/// When the writer fails (a closed pipe), nothing more is written.
pub struct JsonLines<W> {
    /// `None` once writing has failed.
    to: Mutex<Option<W>>,
}

impl<W: Write + Send> JsonLines<W> {
    /// Writes to this writer, and flushes it after every line.
    pub fn new(to: W) -> Self {
        Self { to: Mutex::new(Some(to)) }
    }
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Unpacking {
        bytes: u64,
    },
    Unpacked {
        bytes: u64,
    },
    Indexing {
        bytes: u64,
        of: u64,
    },
    Opened {
        format: &'a str,
        records: u64,
    },
    Target {
        url: &'a str,
        mailboxes: usize,
        users: usize,
    },
    Finding(&'a crate::finding::Finding),
    Outcome {
        record: String,
        origin: String,
        outcome: Outcome,
        #[serde(skip_serializing_if = "Option::is_none")]
        conversation: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        is_from_before: bool,
    },
    PassedOver {
        records: u64,
    },
    Retry {
        record: String,
        after_seconds: f64,
        reason: &'a str,
    },
    Paused {
        seconds: f64,
        reason: &'a str,
    },
    Asleep {
        until: Timestamp,
        seconds: f64,
    },
    Resumed {
        after_seconds: f64,
        reason: &'a str,
    },
    Progress {
        done: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        per_second: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seconds_left: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ends: Option<Timestamp>,
    },
    Stopping {
        in_flight: usize,
    },
    Field {
        field: &'a str,
        fate: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        records: u64,
        distinct: u64,
        distinct_is_estimate: bool,
        values: serde_json::Map<String, serde_json::Value>,
        sample: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
    },
    Value {
        rule: &'a str,
        value: &'a str,
        fate: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        becomes: Option<&'a str>,
        count: u64,
    },
    Finished(&'a Summary),
}

impl<W: Write + Send> Reporter for JsonLines<W> {
    fn event(&self, event: &Event<'_>) {
        let line = match event {
            // For listeners in this process: the whole conversation is no line.
            Event::Converted(_) => return,
            Event::Unpacking { bytes } => Line::Unpacking { bytes: *bytes },
            Event::Unpacked { bytes, .. } => Line::Unpacked { bytes: *bytes },
            Event::Indexing { bytes, of } => Line::Indexing { bytes: *bytes, of: *of },
            Event::Opened { format, records } => Line::Opened { format, records: *records },
            Event::Target { url, mailboxes, users } => Line::Target { url, mailboxes: *mailboxes, users: *users },
            Event::Finding(finding) => Line::Finding(finding),
            Event::Outcome { record, origin, outcome, conversation, reason, is_from_before } => Line::Outcome {
                record: record.to_string(),
                origin: origin.to_string(),
                outcome: *outcome,
                conversation: *conversation,
                reason: *reason,
                is_from_before: *is_from_before,
            },
            Event::PassedOver { records } => Line::PassedOver { records: *records },
            Event::Retry { record, after, reason } => {
                Line::Retry { record: record.to_string(), after_seconds: after.as_secs_f64(), reason }
            }
            Event::Paused { wait, reason } => Line::Paused { seconds: wait.as_secs_f64(), reason },
            Event::Asleep { until, wait } => Line::Asleep { until: to_second(*until), seconds: wait.as_secs_f64() },
            Event::Resumed { after, reason } => Line::Resumed { after_seconds: after.as_secs_f64(), reason },
            Event::Progress(progress) => Line::Progress {
                done: progress.done,
                total: progress.total,
                per_second: progress.rate.map(|rate| (rate * 1000.0).round() / 1000.0),
                seconds_left: progress.left.map(|left| left.as_secs_f64().round()),
                ends: progress.ends.map(to_second),
            },
            Event::Stopping { in_flight } => Line::Stopping { in_flight: *in_flight },
            Event::Accounted(account) => return self.account(account),
            Event::Finished(summary) => Line::Finished(summary),
        };
        self.write(&line);
    }
}

impl<W: Write + Send> JsonLines<W> {
    fn account(&self, account: &Account) {
        for (path, field) in account.fields() {
            let (fate, reason) = match &field.fate {
                Fate::Used => ("used", None),
                Fate::Ignored(reason) => ("ignored", Some(&**reason)),
                Fate::Lost => ("lost", None),
            };
            let frequent = field.values.most_frequent().into_iter().take(SHOWN_VALUES);
            self.write(&Line::Field {
                field: path,
                fate,
                reason,
                records: field.records,
                distinct: field.distinct.count(),
                distinct_is_estimate: field.distinct.is_estimate(),
                values: frequent.map(|(value, count)| (value.to_owned(), count.into())).collect(),
                sample: &field.sample,
                origin: field.origin.as_ref().map(ToString::to_string),
            });
        }
        for (rule, value, became) in account.values() {
            let fate = if became.word.is_some() { "used" } else { "lost" };
            self.write(&Line::Value { rule, value, fate, becomes: became.word.as_deref(), count: became.count });
        }
    }

    fn write(&self, line: &Line<'_>) {
        let mut text = serde_json::to_vec(line).expect("events hold nothing that JSON cannot");
        text.push(b'\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = to.as_mut()
            && writer.write_all(&text).and_then(|()| writer.flush()).is_err()
        {
            *to = None;
        }
    }
}

/// A time without its fractions: nobody forecasts those.
fn to_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::finding::{Finding, codes};
    use crate::record::{Origin, RecordId};
    use crate::report::forecast::Progress;

    fn written(event: &Event<'_>) -> String {
        let mut bytes = Vec::new();
        JsonLines::new(&mut bytes).event(event);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_event_is_one_line_as_promised() {
        let record = RecordId::new("zendesk", "7");
        let origin = Origin::line(&Arc::from("t.json"), 3);
        let finding = Finding::new(codes::READ_DATE, "no date").about(&record, &origin);
        let summary = Summary { read: 3, done: 2, rejected: 1, ..Summary::default() };
        for (event, expected) in [
            (Event::Indexing { bytes: 5, of: 10 }, r#"{"event":"indexing","bytes":5,"of":10}"#),
            (Event::Opened { format: "mbox", records: 4 }, r#"{"event":"opened","format":"mbox","records":4}"#),
            (
                Event::Finding(&finding),
                r#"{"event":"finding","code":"read-date","severity":"warning","record":"zendesk:7","origin":"t.json:3","message":"no date"}"#,
            ),
            (
                Event::Outcome {
                    record: &record,
                    origin: &origin,
                    outcome: Outcome::Done,
                    conversation: Some(12),
                    reason: None,
                    is_from_before: false,
                },
                r#"{"event":"outcome","record":"zendesk:7","origin":"t.json:3","outcome":"done","conversation":12,"is_from_before":false}"#,
            ),
            (
                Event::Paused { wait: Duration::from_millis(1500), reason: "429" },
                r#"{"event":"paused","seconds":1.5,"reason":"429"}"#,
            ),
            (
                Event::Asleep { until: "2026-03-02T20:00:00Z".parse().unwrap(), wait: Duration::from_secs(90) },
                r#"{"event":"asleep","until":"2026-03-02T20:00:00Z","seconds":90.0}"#,
            ),
            (
                Event::Resumed { after: Duration::from_secs(90), reason: "the window is open" },
                r#"{"event":"resumed","after_seconds":90.0,"reason":"the window is open"}"#,
            ),
            (
                Event::Progress(&Progress {
                    done: 5,
                    total: Some(11),
                    rate: Some(2.0),
                    left: Some(Duration::from_secs(3)),
                    ends: "2026-03-02T20:00:03.9Z".parse().ok(),
                }),
                r#"{"event":"progress","done":5,"total":11,"per_second":2.0,"seconds_left":3.0,"ends":"2026-03-02T20:00:03Z"}"#,
            ),
            (
                Event::Progress(&Progress { done: 5, total: None, rate: None, left: None, ends: None }),
                r#"{"event":"progress","done":5}"#,
            ),
            (Event::Stopping { in_flight: 2 }, r#"{"event":"stopping","in_flight":2}"#),
            (
                Event::Finished(&summary),
                r#"{"event":"finished","read":3,"done":2,"skipped":0,"rejected":1,"dead":0,"done_before":0,"unfinished":0,"threads":0,"attachments":0,"customers":0,"requests":0,"findings":[0,0,0],"is_interrupted":false,"seconds":0.0}"#,
            ),
        ] {
            assert_eq!(written(&event), format!("{expected}\n"));
        }
    }

    #[test]
    fn a_closed_pipe_silences_it() {
        struct Closed(usize);
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                self.0 += 1;
                assert_eq!(self.0, 1, "written to after it failed");
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lines = JsonLines::new(Closed(0));
        lines.event(&Event::Stopping { in_flight: 0 });
        lines.event(&Event::Stopping { in_flight: 0 });
    }
}
