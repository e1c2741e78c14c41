//! How long to wait before something is tried again: a pure function of verdict and attempt.

use std::time::Duration;

use crate::freescout::Verdict;

/// The first wait; doubles with each attempt.
const FIRST: Duration = Duration::from_millis(500);

/// No wait of our own is longer. What `Retry-After` asks for may be.
const LONGEST: Duration = Duration::from_secs(60);

/// A server that asks for more than this is taken at this: an hour is what maintenance takes, more is a mistake.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// How long to wait before the `attempt`-th repetition, counted from 1; `None`: do not send it again.
///
/// `Unknown` waits like the others, but whoever asks has to look up first. `random` gives
/// numbers from 0 to 1, so that tasks that failed together do not come back together.
pub(crate) fn wait(verdict: &Verdict, attempt: u32, mut random: impl FnMut() -> f64) -> Option<Duration> {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(LONGEST);
    // Half of it is certain, so that a wait is never next to nothing.
    let jittered = doubled.mul_f64(0.5 + random() / 2.0);
    match verdict {
        Verdict::Refused | Verdict::Unauthorised => None,
        Verdict::Throttled { retry_after: Some(asked) } => Some((*asked).min(LONGEST_ASKED)),
        Verdict::Throttled { retry_after: None } | Verdict::Transient | Verdict::Unknown => Some(jittered),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_never_fall_below_half() {
        for (attempt, random, expected) in
            [(1, 0.0, 250), (1, 1.0, 500), (2, 1.0, 1_000), (4, 1.0, 4_000), (8, 1.0, 60_000), (40, 0.0, 30_000)]
        {
            let wait = wait(&Verdict::Transient, attempt, || random);
            assert_eq!(wait, Some(Duration::from_millis(expected)), "attempt {attempt}");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_obeyed_and_a_refusal_is_final() {
        let asked = |seconds| Verdict::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(wait(&asked(7), 1, || 0.0), Some(Duration::from_secs(7)));
        assert_eq!(wait(&asked(1_000_000), 1, || 0.0), Some(LONGEST_ASKED));
        assert_eq!(wait(&Verdict::Refused, 1, || 0.0), None);
        assert_eq!(wait(&Verdict::Unauthorised, 1, || 0.0), None);
    }
}
