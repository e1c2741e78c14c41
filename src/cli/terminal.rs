//! Progress for people: a bar on a terminal, a plain line now and then elsewhere.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foxferry::report::figures::span;
use foxferry::report::forecast::Progress;
use foxferry::report::{Event, Outcome, Reporter, Summary};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::{Timestamp, Zoned};

use crate::cli::screen::shortened;

/// How often a plain line is printed.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How often the bar's counts are formatted anew; drawing is limited by the bar itself.
const COUNTS_EVERY: Duration = Duration::from_millis(100);

/// How many rejected and dead records are named while the run goes on.
const NAMED_RECORDS: u64 = 10;

/// How much is shown.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// A bar, and messages above it.
    Bar,
    /// Messages, and a line of progress every few seconds.
    Lines {
        /// `-v`, counted.
        verbose: u8,
    },
    /// Messages only.
    Messages {
        /// `-v`, counted.
        verbose: u8,
    },
    /// Nothing.
    Quiet,
}

/// The reporter that writes to stderr.
pub struct Terminal {
    style: Style,
    state: Mutex<State>,
}

struct State {
    bar: Option<ProgressBar>,
    phase: Phase,
    sums: Summary,
    before: u64,
    records: u64,
    /// How many records were asked for at most.
    most: Option<u64>,
    started: Instant,
    last_line: Instant,
    last_counts: Instant,
    named: u64,
    /// How far the work says it is.
    progress: Option<Progress>,
    /// Why nothing is sent at present.
    rest: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Nothing,
    Unpacking,
    Indexing,
    Records,
}

impl Terminal {
    /// A reporter of this style.
    pub fn new(style: Style) -> Self {
        let now = Instant::now();
        let state = State {
            bar: None,
            phase: Phase::Nothing,
            sums: Summary::default(),
            before: 0,
            records: 0,
            most: None,
            started: now,
            last_line: now,
            last_counts: now,
            named: 0,
            progress: None,
            rest: None,
        };
        Self { style, state: Mutex::new(state) }
    }

    /// At most this many records will come; the archive may hold more.
    pub fn expect(&self, most: Option<u64>) {
        self.lock().most = most;
    }

    /// Takes the bar away, so that other output can follow.
    pub fn clear(&self) {
        let mut state = self.lock();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        state.phase = Phase::Nothing;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verbose(&self) -> u8 {
        match self.style {
            Style::Lines { verbose } | Style::Messages { verbose } => verbose,
            Style::Bar | Style::Quiet => 0,
        }
    }

    fn message(&self, state: &State, text: &str) {
        if matches!(self.style, Style::Quiet) {
            return;
        }
        let write = || {
            let _ = writeln!(anstream::stderr(), "{}", shortened(text));
        };
        match &state.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// A line of progress, if this style has them and the last one is long enough ago.
    fn line(&self, state: &mut State, text: impl FnOnce(&State) -> String) {
        if matches!(self.style, Style::Lines { .. }) && state.last_line.elapsed() >= LINE_EVERY {
            state.last_line = Instant::now();
            let text = text(state);
            self.message(state, &text);
        }
    }

    fn begin(&self, state: &mut State, phase: Phase, length: u64) {
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        state.phase = phase;
        state.started = Instant::now();
        state.last_line = Instant::now();
        if matches!(self.style, Style::Bar) {
            let template = match phase {
                // How much it will come to is nowhere said.
                Phase::Unpacking => "unpacking {spinner} {bytes} {bytes_per_sec}",
                Phase::Indexing => "indexing {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
                // Rate and forecast are the work's own: it knows of hours of rest.
                _ => "{bar:30} {human_pos}/{human_len}  {msg}",
            };
            let style = ProgressStyle::with_template(template).expect("the templates above are right");
            let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()).with_style(style);
            state.bar = Some(bar);
        }
    }

    fn outcome(&self, state: &mut State, outcome: Outcome, is_from_before: bool) {
        state.sums.count(outcome);
        state.before += u64::from(is_from_before);
        if let Some(bar) = &state.bar {
            bar.inc(1);
            if state.last_counts.elapsed() >= COUNTS_EVERY {
                bar.set_message(standing(state));
                state.last_counts = Instant::now();
            }
        }
        if state.progress.is_none() {
            self.line(state, |state| format!("{} of {} records, {}", state.sums.read, state.records, standing(state)));
        }
    }
}

impl Reporter for Terminal {
    fn event(&self, event: &Event<'_>) {
        if matches!(self.style, Style::Quiet) {
            return;
        }
        let mut guard = self.lock();
        let state = &mut *guard;
        match event {
            Event::Unpacking { bytes } => {
                if state.phase != Phase::Unpacking {
                    self.begin(state, Phase::Unpacking, 0);
                }
                if let Some(bar) = &state.bar {
                    bar.set_position(*bytes);
                }
                self.line(state, |_| format!("unpacking: {}", HumanBytes(*bytes)));
            }
            Event::Unpacked { bytes, folder } => {
                let text = format!("unpacked {} to {} until the end of this run", HumanBytes(*bytes), folder.display());
                self.message(state, &text);
            }
            Event::Indexing { bytes, of } => {
                if state.phase != Phase::Indexing {
                    self.begin(state, Phase::Indexing, *of);
                }
                if let Some(bar) = &state.bar {
                    bar.set_position(*bytes);
                }
                self.line(state, |_| format!("indexing: {} of {}", HumanBytes(*bytes), HumanBytes(*of)));
            }
            Event::Opened { format, records } => {
                state.records = state.most.map_or(*records, |most| most.min(*records));
                let length = state.records;
                self.begin(state, Phase::Records, length);
                self.message(state, &format!("{format} archive with {records} records"));
            }
            Event::Target { url, mailboxes, users } => {
                self.message(state, &format!("target {url}: mailboxes {mailboxes}, users {users}"));
            }
            Event::Outcome { record, origin, outcome, reason, is_from_before, .. } => {
                self.outcome(state, *outcome, *is_from_before);
                let is_bad = matches!(outcome, Outcome::Rejected | Outcome::Dead);
                if is_bad && !is_from_before {
                    state.named += 1;
                    if state.named <= NAMED_RECORDS || self.verbose() > 0 {
                        let word = if *outcome == Outcome::Dead { "dead letter" } else { "rejected" };
                        let reason = reason.unwrap_or("no reason given");
                        self.message(state, &format!("{word} {record} ({origin}): {reason}"));
                    } else if state.named == NAMED_RECORDS + 1 {
                        self.message(state, "further rejected records and dead letters are counted only");
                    }
                }
            }
            Event::PassedOver { records } => {
                state.sums.read += records;
                state.sums.done += records;
                state.before += records;
                if let Some(bar) = &state.bar {
                    bar.inc(*records);
                }
            }
            Event::Finding(finding) if self.verbose() > 1 => {
                let text = foxferry::report::tally::Sample::of(finding);
                self.message(state, &format!("{} {text}", finding.code));
            }
            Event::Retry { record, after, reason } if self.verbose() > 0 => {
                self.message(state, &format!("{record} is tried again in {:.1} s: {reason}", after.as_secs_f64()));
            }
            Event::Paused { wait, reason } => {
                self.message(state, &format!("waiting {:.0} s: {reason}", wait.as_secs_f64()));
            }
            Event::Asleep { until, wait } => {
                let text = format!("asleep until {}, by the window", clock(*until, &Zoned::now()));
                self.message(state, &format!("{text} ({} from now); Ctrl-C stops", span(wait.as_secs_f64())));
                state.rest = Some(text);
            }
            Event::Resumed { after, reason } => {
                self.message(state, &format!("going on after {}: {reason}", span(after.as_secs_f64())));
                state.rest = None;
            }
            Event::Progress(progress) => {
                state.progress = Some(**progress);
                if let Some(bar) = &state.bar {
                    bar.set_message(standing(state));
                }
                self.line(state, |state| {
                    let of = progress.total.map(|total| format!(" of {total}")).unwrap_or_default();
                    format!("{}{of} records, {}", progress.done, standing(state))
                });
            }
            Event::Stopping { in_flight } => {
                let text = format!("stopping: {in_flight} in flight are finished first; Ctrl-C again stops at once");
                self.message(state, &text);
            }
            Event::Finished(_) => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
                state.phase = Phase::Nothing;
            }
            _ => {}
        }
    }
}

/// Rate, forecast and counts, or why it rests.
fn standing(state: &State) -> String {
    let (rate, left, ends) = match &state.progress {
        Some(progress) => (progress.rate, progress.left, progress.ends),
        // What sends nothing has nothing to rest for.
        None => {
            let new = state.sums.read - state.before;
            let rate = new as f64 / state.started.elapsed().as_secs_f64().max(0.001);
            let missing = state.records.saturating_sub(state.sums.read);
            let left = (rate > 0.0).then(|| Duration::try_from_secs_f64(missing as f64 / rate).ok()).flatten();
            (Some(rate), left, None)
        }
    };
    let mut parts = Vec::new();
    match (&state.rest, rate) {
        (Some(rest), _) => parts.push(rest.clone()),
        (None, Some(rate)) => parts.push(if rate < 9.95 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }),
        (None, None) => {}
    }
    if let Some(left) = left {
        let ends = ends.map(|ends| format!(", ends {}", clock(ends, &Zoned::now()))).unwrap_or_default();
        parts.push(format!("{} left{ends}", span(left.as_secs_f64())));
    }
    format!("{}: {}", parts.join(", "), counts(state))
}

/// A time by this machine's clock: with the day, if it is not today.
fn clock(time: Timestamp, now: &Zoned) -> String {
    let then = time.to_zoned(now.time_zone().clone());
    let form = match then.date().duration_since(now.date()).as_hours().abs() {
        0 => "%H:%M",
        1..=144 => "%a %H:%M",
        _ => "%Y-%m-%d %H:%M",
    };
    then.strftime(form).to_string()
}

fn counts(state: &State) -> String {
    let Summary { done, skipped, rejected, dead, .. } = &state.sums;
    let mut text = format!("{done} done");
    for (count, word) in [(skipped, "skipped"), (rejected, "rejected"), (dead, "dead")] {
        if *count > 0 {
            text = format!("{text}, {count} {word}");
        }
    }
    if state.before > 0 {
        text = format!("{text} ({} from before)", state.before);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_table() {
        let now: Zoned = "2026-03-02T19:30:00+01:00[Europe/Berlin]".parse().unwrap();
        for (time, expected) in [
            ("2026-03-02T19:00:00Z", "20:00"),
            ("2026-03-03T05:00:00Z", "Tue 06:00"),
            ("2026-03-30T05:00:00Z", "2026-03-30 07:00"),
        ] {
            assert_eq!(clock(time.parse().unwrap(), &now), expected);
        }
    }
}
