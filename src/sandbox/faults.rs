//! Faults on demand: what to do wrong, to which requests, how often.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One scripted fault, written `KIND[:VALUE]@METHOD PATH[*COUNT][%CHANCE]`.
///
/// `lose-answer@POST /conversations*3` loses the answers of the next three creates;
/// `delay:200ms@GET /conversations%10` slows every tenth list. METHOD may be `*`; PATH counts from `/api`, has `{id}`
/// (or any number) for ids, matches everything below it when it ends in `/`, and everything at all as `/`. Without
/// COUNT a fault stays; without CHANCE it always happens. Several faults can hit one request: delays add up, and the
/// first of the others decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// In capitals, or `*` for all.
    pub method: String,
    /// As in [`Fault`]'s description.
    pub path: String,
    /// How many requests it hits; none: all.
    pub count: Option<u32>,
    /// In percent of the matching requests, 0 to 100.
    pub chance: f64,
}

/// What a [`Fault`] does to the request that it hits. The word in brackets is its name in a SPEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The answer comes this much later; nothing has happened before (`delay:DUR`).
    Delay(Duration),
    /// 429 without effect, with `Retry-After` in seconds or without (`429`, `429:SECONDS`).
    TooManyRequests(Option<u64>),
    /// 500 without effect (`500-before`).
    FailBefore,
    /// 500 after the full effect (`500-after`).
    FailAfter,
    /// A proxy's HTML 502 without effect (`502`).
    BadGateway,
    /// A proxy's HTML 504 at once, while the work goes on and takes effect after the duration, or at once
    /// (`504`, `504:DUR`).
    GatewayTimeout(Duration),
    /// The connection is closed before anything of the request is read; for PATH `/` already as it is accepted
    /// (`refuse`).
    Refuse,
    /// The connection is reset after the request was read, without effect (`reset-before`).
    ResetBefore,
    /// The connection is reset after the full effect (`lose-answer`).
    LoseAnswer,
    /// The connection is reset in the middle of the answer, after the full effect (`cut-answer`).
    CutAnswer,
    /// 200 with a blank body, after the full effect (`blank-200`).
    Blank,
    /// The true status and headers without a body, after the full effect (`no-body`).
    NoBody,
    /// The connection is reset when this many bytes of the request's body have arrived, without effect; a shorter body is
    /// read to its end (`cut-body:BYTES`, with `k` or `m`).
    CutBody(u64),
    /// A proxy's HTML 413 for bodies of more bytes than this (`413:BYTES`, with `k` or `m`).
    TooLarge(u64),
    /// The worker is killed when this many threads of a create are committed: HTML 502 (`die-after-thread:N`).
    DieAfterThread(u32),
    /// The worker is killed inside the N-th thread, counted from 1: its row is there, what follows the row is not:
    /// attachments unlisted, `createdBy` or `threadsCount` left behind (`die-inside-thread:N`).
    DieInsideThread(u32),
    /// The client is hung up at once and the full effect comes after this (`late:DUR`).
    Late(Duration),
    /// The client is hung up at once and the threads of the create appear one by one, this far apart (`grow:DUR`).
    Grow(Duration),
    /// From this request on writes wait this long, while reads answer (`write-lock:DUR`).
    WriteLock(Duration),
    /// 503, without effect (`maintenance`).
    Maintenance,
    /// 500 without effect for bodies of more bytes than this (`fail-above:BYTES`, with `k` or `m`).
    FailAbove(u64),
    /// From this request on so many workers do all the work, and what comes meanwhile waits (`queue:N`).
    Queue(u32),
}

/// A SPEC that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultError {
    /// The text is not of the form at all.
    #[error("`{found}` is not a fault: expected `KIND[:VALUE]@METHOD PATH[*COUNT][%CHANCE]`")]
    Form {
        /// The whole SPEC.
        found: String,
    },
    /// No fault has this name.
    #[error("no fault is called `{found}`: there are {}", KINDS.join(", "))]
    Unknown {
        /// The name.
        found: String,
    },
    /// A value is missing or not of its kind.
    #[error("`{kind}` needs {wanted}, not `{found}`")]
    Value {
        /// The fault's name.
        kind: String,
        /// What would be right.
        wanted: &'static str,
        /// What was there.
        found: String,
    },
}

const KINDS: [&str; 22] = [
    "delay",
    "429",
    "500-before",
    "500-after",
    "502",
    "504",
    "refuse",
    "reset-before",
    "lose-answer",
    "cut-answer",
    "blank-200",
    "no-body",
    "cut-body",
    "413",
    "die-after-thread",
    "die-inside-thread",
    "late",
    "grow",
    "write-lock",
    "maintenance",
    "fail-above",
    "queue",
];

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(spec: &str) -> Result<Fault, FaultError> {
        let form = || FaultError::Form { found: spec.to_owned() };
        let (what, target) = spec.trim().split_once('@').ok_or_else(form)?;
        let (method, path) = target.trim().split_once(' ').ok_or_else(form)?;
        let (mut path, mut chance, mut count) = (path.trim(), 100.0, None);
        if let Some((rest, percent)) = path.rsplit_once('%') {
            chance = percent.parse().ok().filter(|c| (0.0..=100.0).contains(c)).ok_or_else(form)?;
            path = rest;
        }
        if let Some((rest, times)) = path.rsplit_once('*') {
            count = Some(times.parse().map_err(|_| form())?);
            path = rest;
        }
        if method.is_empty() || !path.starts_with('/') {
            return Err(form());
        }
        let kind = kind(what.trim())?;
        Ok(Fault { kind, method: method.to_ascii_uppercase(), path: path.to_owned(), count, chance })
    }
}

fn kind(what: &str) -> Result<FaultKind, FaultError> {
    let (name, value) = what.split_once(':').map_or((what, ""), |(n, v)| (n, v));
    let wrong = |wanted| FaultError::Value { kind: name.to_owned(), wanted, found: value.to_owned() };
    let time = || duration(value).ok_or_else(|| wrong("a duration such as `200ms` or `2s`"));
    let threads = || value.parse().map_err(|_| wrong("a number of threads"));
    Ok(match name {
        "delay" => FaultKind::Delay(time()?),
        "429" if value.is_empty() => FaultKind::TooManyRequests(None),
        "429" => {
            FaultKind::TooManyRequests(Some(value.trim_end_matches('s').parse().map_err(|_| wrong("whole seconds"))?))
        }
        "500-before" => FaultKind::FailBefore,
        "500-after" => FaultKind::FailAfter,
        "502" => FaultKind::BadGateway,
        "504" if value.is_empty() => FaultKind::GatewayTimeout(Duration::ZERO),
        "504" => FaultKind::GatewayTimeout(time()?),
        "refuse" => FaultKind::Refuse,
        "reset-before" => FaultKind::ResetBefore,
        "lose-answer" => FaultKind::LoseAnswer,
        "cut-answer" => FaultKind::CutAnswer,
        "blank-200" => FaultKind::Blank,
        "no-body" => FaultKind::NoBody,
        "cut-body" => FaultKind::CutBody(bytes(value).ok_or_else(|| wrong("a size such as `20k`"))?),
        "413" => FaultKind::TooLarge(bytes(value).ok_or_else(|| wrong("a size such as `20m`"))?),
        "die-after-thread" => FaultKind::DieAfterThread(threads()?),
        "die-inside-thread" => FaultKind::DieInsideThread(threads()?),
        "late" => FaultKind::Late(time()?),
        "grow" => FaultKind::Grow(time()?),
        "write-lock" => FaultKind::WriteLock(time()?),
        "maintenance" => FaultKind::Maintenance,
        "fail-above" => FaultKind::FailAbove(bytes(value).ok_or_else(|| wrong("a size such as `20m`"))?),
        "queue" => FaultKind::Queue(
            value.parse().ok().filter(|workers| *workers > 0).ok_or_else(|| wrong("a number of workers"))?,
        ),
        _ => return Err(FaultError::Unknown { found: name.to_owned() }),
    })
}

fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let number: f64 = text[..at].parse().ok()?;
    let unit = match &text[at..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}

fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim_end_matches('b');
    let (digits, unit) = match lower.as_bytes().last()? {
        b'k' => (&lower[..lower.len() - 1], 1 << 10),
        b'm' => (&lower[..lower.len() - 1], 1 << 20),
        b'g' => (&lower[..lower.len() - 1], 1 << 30),
        _ => (lower, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.kind, self.method, self.path)?;
        if let Some(count) = self.count {
            write!(f, "*{count}")?;
        }
        if self.chance < 100.0 {
            write!(f, "%{}", self.chance)?;
        }
        Ok(())
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timed = |f: &mut fmt::Formatter<'_>, name, time: &Duration| write!(f, "{name}:{}us", time.as_micros());
        match self {
            FaultKind::Delay(time) => timed(f, "delay", time),
            FaultKind::TooManyRequests(None) => f.write_str("429"),
            FaultKind::TooManyRequests(Some(seconds)) => write!(f, "429:{seconds}"),
            FaultKind::FailBefore => f.write_str("500-before"),
            FaultKind::FailAfter => f.write_str("500-after"),
            FaultKind::BadGateway => f.write_str("502"),
            FaultKind::GatewayTimeout(time) => timed(f, "504", time),
            FaultKind::Refuse => f.write_str("refuse"),
            FaultKind::ResetBefore => f.write_str("reset-before"),
            FaultKind::LoseAnswer => f.write_str("lose-answer"),
            FaultKind::CutAnswer => f.write_str("cut-answer"),
            FaultKind::Blank => f.write_str("blank-200"),
            FaultKind::NoBody => f.write_str("no-body"),
            FaultKind::CutBody(size) => write!(f, "cut-body:{size}"),
            FaultKind::TooLarge(size) => write!(f, "413:{size}"),
            FaultKind::DieAfterThread(n) => write!(f, "die-after-thread:{n}"),
            FaultKind::DieInsideThread(n) => write!(f, "die-inside-thread:{n}"),
            FaultKind::Late(time) => timed(f, "late", time),
            FaultKind::Grow(time) => timed(f, "grow", time),
            FaultKind::WriteLock(time) => timed(f, "write-lock", time),
            FaultKind::Maintenance => f.write_str("maintenance"),
            FaultKind::FailAbove(size) => write!(f, "fail-above:{size}"),
            FaultKind::Queue(workers) => write!(f, "queue:{workers}"),
        }
    }
}

/// The faults still to come, and the dice.
#[derive(Debug)]
pub(super) struct Script {
    faults: Vec<Fault>,
    dice: fastrand::Rng,
}

impl Script {
    pub fn new(faults: Vec<Fault>, seed: u64) -> Script {
        Script { faults, dice: fastrand::Rng::with_seed(seed) }
    }

    pub fn replace(&mut self, faults: Vec<Fault>) {
        self.faults = faults;
    }

    /// What happens to a request; `path` has `{id}` for ids.
    pub fn strike(&mut self, method: &str, path: &str, length: u64) -> Vec<FaultKind> {
        let mut hits = Vec::new();
        for fault in &mut self.faults {
            let is_meant = fault.count != Some(0)
                && (fault.method == "*" || fault.method == method)
                && matches_path(&fault.path, path)
                && !matches!(fault.kind, FaultKind::TooLarge(limit) | FaultKind::FailAbove(limit) if length <= limit);
            if is_meant && (fault.chance >= 100.0 || self.dice.f64() * 100.0 < fault.chance) {
                fault.count = fault.count.map(|left| left - 1);
                hits.push(fault.kind);
            }
        }
        hits
    }

    /// Whether a connection is closed as it is accepted.
    pub fn refuses_connection(&mut self) -> bool {
        for fault in &mut self.faults {
            let is_meant = fault.kind == FaultKind::Refuse && fault.path == "/" && fault.count != Some(0);
            if is_meant && (fault.chance >= 100.0 || self.dice.f64() * 100.0 < fault.chance) {
                fault.count = fault.count.map(|left| left - 1);
                return true;
            }
        }
        false
    }
}

fn matches_path(pattern: &str, path: &str) -> bool {
    if pattern.ends_with('/') {
        return path.starts_with(&normal(pattern)) || pattern == "/";
    }
    normal(pattern) == path
}

/// A path with `{id}` for every part that is a number.
pub(super) fn normal(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .map(|part| if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) { "{id}" } else { part })
        .collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_says_what_where_and_how_often() {
        let fault: Fault = "lose-answer@POST /conversations*3".parse().expect("it is a spec");
        assert_eq!((fault.kind, fault.count, fault.chance), (FaultKind::LoseAnswer, Some(3), 100.0));
        let fault: Fault = "delay:200ms@GET /conversations%10".parse().expect("it is a spec");
        assert_eq!((fault.kind, fault.count, fault.chance), (FaultKind::Delay(Duration::from_millis(200)), None, 10.0));
        let fault: Fault = "413:20m@* /*2%50".parse().expect("it is a spec");
        assert_eq!((fault.kind, fault.path.as_str(), fault.count), (FaultKind::TooLarge(20 << 20), "/", Some(2)));
    }

    #[test]
    fn every_kind_is_written_as_it_is_read() {
        for spec in [
            "delay:5us",
            "429",
            "429:7",
            "500-before",
            "500-after",
            "502",
            "504:0us",
            "refuse",
            "reset-before",
            "lose-answer",
            "cut-answer",
            "blank-200",
            "no-body",
            "cut-body:10",
            "413:10",
            "die-after-thread:1",
            "die-inside-thread:2",
            "late:1us",
            "grow:1us",
            "write-lock:1us",
            "maintenance",
            "fail-above:10",
            "queue:2",
        ] {
            let full = format!("{spec}@POST /conversations/{{id}}/threads*2%12.5");
            let fault: Fault = full.parse().expect(spec);
            assert_eq!(fault.to_string(), full);
        }
    }

    #[test]
    fn a_wrong_spec_says_what_would_be_right() {
        for (spec, part) in [
            ("lose-answer", "expected `KIND"),
            ("lose@POST /x", "no fault is called `lose`"),
            ("delay:soon@POST /x", "needs a duration"),
            ("delay@POST /x", "needs a duration"),
            ("500-before@POST /x*many", "expected `KIND"),
            ("500-before@POST /x%101", "expected `KIND"),
        ] {
            let error = spec.parse::<Fault>().expect_err(spec).to_string();
            assert!(error.contains(part), "{spec}: {error}");
        }
    }

    #[test]
    fn a_counted_fault_runs_out_and_ids_match_their_place() {
        let faults = vec!["500-before@PUT /conversations/{id}/tags*1".parse().expect("it is a spec")];
        let mut script = Script::new(faults, 1);
        assert!(script.strike("GET", "/conversations/{id}/tags", 0).is_empty());
        assert_eq!(script.strike("PUT", "/conversations/{id}/tags", 0), [FaultKind::FailBefore]);
        assert!(script.strike("PUT", "/conversations/{id}/tags", 0).is_empty());
    }

    #[test]
    fn the_same_seed_rolls_the_same_dice() {
        let roll = |seed| {
            let mut script = Script::new(vec!["502@* /%50".parse().expect("it is a spec")], seed);
            (0..64).map(|_| !script.strike("GET", "/x", 0).is_empty()).collect::<Vec<_>>()
        };
        assert_eq!(roll(7), roll(7));
        let hits = roll(7).into_iter().filter(|hit| *hit).count();
        assert!((10..54).contains(&hits), "{hits}");
    }
}
