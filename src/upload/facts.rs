//! What a journal knows of its target: the names of the facts, and how they are written.

/// FreeScout counts conversations by itself.
pub(crate) const CUSTOM_NUMBERS: &str = "custom-numbers";

/// What is known of how many bytes the target takes in a request: see [`budget`].
pub(crate) const REQUEST_BUDGET: &str = "request-budget";

/// So many bytes in a request were seen to be taken, by the doctor.
pub(crate) const REQUEST_TAKEN: &str = "request-taken";

/// Whether `imported` reaches FreeScout, as the doctor saw it: `yes` or `no`.
pub(crate) const TAKES_IMPORTS: &str = "takes-imports";

/// The most that conversations are filled up to, whatever the doctor saw taken. What cannot be divided may be larger.
const MOST: u64 = 8 << 20;

/// A budget as a fact: `BYTES`, or `BYTES below REFUSED`.
pub(crate) fn budget(bytes: u64, refused: Option<u64>) -> String {
    match refused {
        Some(refused) => format!("{bytes} below {refused}"),
        None => bytes.to_string(),
    }
}

/// How much a request may hold, given what the doctor saw taken: a quarter of it, since PHP needs a multiple of a
/// request's size in memory (`freescout-behaviour.md`, 1.7), and never less than `most`.
pub(super) fn most(most: u64, taken: Option<&str>) -> u64 {
    let taken = taken.and_then(|taken| taken.parse::<u64>().ok()).unwrap_or_default();
    most.max((taken / 4).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_taken_raises_the_limit_in_reason() {
        for (taken, expected) in [(None, 100), (Some("nonsense"), 100), (Some("40"), 100), (Some("800"), 200)] {
            assert_eq!(most(100, taken), expected);
        }
        assert_eq!(most(1_000_000, Some("999999999999")), MOST);
    }
}
