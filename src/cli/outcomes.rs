//! What became of records before sending, told to the listeners.

use foxferry::finding::{Finding, Severity};
use foxferry::mapping::Converted;
use foxferry::record::{Origin, RecordId};
use foxferry::report::{Event, Outcome, Reporter, Summary};

/// Tells findings and outcome of one record, and counts them.
pub fn tell(converted: &Converted, reporter: &dyn Reporter, sums: &mut Summary) {
    let (findings, record, origin, outcome, reason): (&[Finding], &RecordId, &Origin, Outcome, Option<&str>) =
        match converted {
            Converted::Ready(mapped) => {
                let conversation = &mapped.conversation;
                (&mapped.findings, &conversation.id, &conversation.origin, Outcome::Done, None)
            }
            Converted::Skipped(it) => (&it.findings, &it.id, &it.origin, Outcome::Skipped, Some(&it.reason)),
            Converted::Rejected(it) => (&it.findings, &it.id, &it.origin, Outcome::Rejected, Some(&it.reason)),
        };
    for finding in findings {
        count_finding(finding.severity, sums);
        reporter.event(&Event::Finding(finding));
    }
    sums.count(outcome);
    reporter.event(&Event::Outcome { record, origin, outcome, conversation: None, reason, is_from_before: false });
}

/// Adds a finding to the sums.
pub fn count_finding(severity: Severity, sums: &mut Summary) {
    sums.findings[severity as usize] += 1;
}
