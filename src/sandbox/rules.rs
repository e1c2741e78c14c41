//! What each request does to the rows, in the order in which a real server does it.
//!
//! There are no transactions: every step commits, the lock is given back in between, and what fails later leaves what
//! came before. The order of checks, the messages, and what is dropped without a word follow the running server that
//! the recorded cases come from, and otherwise `docs/sandbox.md`.

pub(super) mod conversations;
pub(super) mod customers;
pub(super) mod lists;
pub(super) mod others;
pub(super) mod threads;
pub(super) mod updates;

use std::time::Duration;

use serde_json::{Map, Value};

use super::answer::Stop;

/// How far the worker of one request gets, and how fast.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Course {
    /// Between two threads of a create.
    pub pause: Option<Duration>,
    /// Threads committed before the worker is killed.
    pub dies_after: Option<u32>,
    /// The thread, counted from 1, inside which the worker is killed, and how far inside.
    pub dies_inside: Option<(u32, Depth)>,
}

/// How far inside a thread a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The row is there; the conversation has not heard of it: `threadsCount` stays behind.
    Row,
    /// The conversation counts it; creator, status and attachments are not settled.
    Counted,
}

/// Refuses with the first missing key, in the order given.
fn require(data: &Map<String, Value>, keys: &[&str]) -> Result<(), Stop> {
    match keys.iter().find(|key| !data.contains_key(**key)) {
        Some(key) => Err(Stop::refuse(key, format!("`{key}` parameter is required"))),
        None => Ok(()),
    }
}
