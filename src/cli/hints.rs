//! What to do about a letter, told by its reason.

use foxferry::report::Outcome;

/// Words of a reason, and what to do where they stand; the first that fit count.
const HINTS: &[(&str, &str)] = &[
    (
        "is too large for the server",
        "raise `client_max_body_size` (nginx) and `post_max_size` (PHP), or `upload_max_filesize` for one file; then `foxferry retry ARCHIVE`",
    ),
    ("has no mailbox", "correct the mailbox in the mapping, or make it in FreeScout; then `foxferry import` again"),
    ("no rule names a mailbox", "name the mailbox in the mapping; then `foxferry import` again"),
    ("the API key was refused", "`foxferry doctor` says what is wrong with the key; then `foxferry retry ARCHIVE`"),
    (
        "was cut short: the attachment",
        "the archive changed while it was read: leave it alone, and `foxferry retry ARCHIVE`",
    ),
    (
        "met a fault in the server",
        "look at storage/logs of FreeScout for that time, mend it, and `foxferry retry ARCHIVE`",
    ),
    (
        "was turned away by something before FreeScout",
        "allow this machine in the firewall in front of FreeScout, and `foxferry retry ARCHIVE`",
    ),
    ("was forbidden", "allow this machine in the firewall in front of FreeScout, and `foxferry retry ARCHIVE`"),
    (
        "is not known to this version of API & Webhooks",
        "update the module API & Webhooks, and `foxferry retry ARCHIVE`",
    ),
    ("the connection was closed", BREAKS),
    ("the server stopped reading", BREAKS),
    ("no answer to", BREAKS),
    ("broke off", BREAKS),
    ("took too long", BREAKS),
    ("`retry` that one first", "`foxferry retry ARCHIVE` takes up both, one after the other"),
    (
        "was refused",
        "FreeScout's words stand in the reason: mend the mapping or FreeScout, and `foxferry retry ARCHIVE`; `--bundle` makes a copy to show",
    ),
];

const BREAKS: &str = "the connection breaks: look at the web server's log, its time limits and PHP-FPM's memory, and \
                      `foxferry retry ARCHIVE`";

/// What to do about a record with this outcome, rejected or dead, and this reason.
pub fn hint_for(outcome: Outcome, reason: &str) -> &'static str {
    if let Some((_, hint)) = HINTS.iter().find(|(words, _)| reason.contains(words)) {
        return hint;
    }
    match outcome {
        Outcome::Dead => {
            "`foxferry explain ID` shows what was sent and answered, `foxferry verify --only ID` what FreeScout has; \
             `foxferry retry ARCHIVE` tries again"
        }
        _ => {
            "mend the record at its place in the archive, or the mapping's `reject`; `foxferry import` reads rejected \
             records anew"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_that_fit_decide() {
        let of = |reason| hint_for(Outcome::Dead, reason);
        assert!(of("`POST /conversations` is too large for the server (413)").contains("client_max_body_size"));
        assert!(of("the target has no mailbox `a`; it has none").contains("mailbox"));
        assert!(of("no answer to `POST /conversations` in time").contains("time limits"));
        assert!(of("something new").contains("explain"));
        assert!(hint_for(Outcome::Rejected, "the record has no id").contains("archive"));
    }
}
