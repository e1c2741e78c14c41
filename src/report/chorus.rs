//! Several reporters that hear the same events.

use std::sync::Arc;

use crate::finding::Levels;
use crate::report::{Event, Reporter};

/// Tells every event to each of them, in order; findings as they are to be taken.
pub struct Chorus {
    /// Who hears.
    pub reporters: Vec<Arc<dyn Reporter>>,
    /// How findings are taken. Those of records come here judged already, and are not changed by it again.
    pub levels: Levels,
}

impl Chorus {
    fn tell(&self, event: &Event<'_>) {
        for reporter in &self.reporters {
            reporter.event(event);
        }
    }
}

impl Reporter for Chorus {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Finding(finding) if self.levels.concern(finding.code) => {
                if let Some(finding) = self.levels.judged((*finding).clone()) {
                    self.tell(&Event::Finding(&finding));
                }
            }
            event => self.tell(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Finding, Severity, codes};
    use crate::report::tally::Tally;

    #[test]
    fn a_finding_that_no_record_has_is_taken_as_the_operator_wants_it() {
        let tally = Arc::new(Tally::default());
        let mut levels = Levels::default();
        levels.set("target-automation", "ignore").unwrap();
        levels.set("target-shared", "error").unwrap();
        let chorus = Chorus { reporters: vec![Arc::<Tally>::clone(&tally)], levels };
        for code in [codes::TARGET_AUTOMATION, codes::TARGET_SHARED, codes::TARGET_NEW_USER] {
            chorus.event(&Event::Finding(&Finding::new(code, "x")));
        }
        let kinds: Vec<_> = tally.counts().kinds.iter().map(|(code, kind)| (*code, kind.severity)).collect();
        assert_eq!(kinds, [("target-new-user", Severity::Info), ("target-shared", Severity::Error)]);
    }
}
