//! What became of records: told to the listeners before sending, and summed up on the screen at the end of a run.

use foxferry::finding::{Finding, Levels};
use foxferry::mapping::Converted;
use foxferry::record::{Origin, RecordId};
use foxferry::report::{Event, Outcome, Reporter, Summary};
use foxferry::sandbox::Sandbox;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::{Listeners, Screen};

/// Tells findings and outcome of one record, and counts them.
pub fn tell(converted: &Converted, reporter: &dyn Reporter, sums: &mut Summary) {
    reporter.event(&Event::Converted(converted));
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
        sums.findings[finding.severity as usize] += 1;
        reporter.event(&Event::Finding(finding));
    }
    sums.count(outcome);
    reporter.event(&Event::Outcome { record, origin, outcome, conversation: None, reason, is_from_before: false });
}

/// Tells one finding that is about no record, as it is to be taken, and counts it.
pub fn find(finding: Finding, levels: &Levels, reporter: &dyn Reporter, sums: &mut Summary) {
    if let Some(finding) = levels.judged(finding) {
        sums.findings[finding.severity as usize] += 1;
        reporter.event(&Event::Finding(&finding));
    }
}

/// Shows what was noticed and the sums.
pub fn close(
    screen: &Screen,
    listeners: &Listeners,
    sums: &Summary,
    sandbox: Option<&Sandbox>,
) -> Result<Exit, Failure> {
    screen.show_findings(&listeners.tally.counts());
    if let Some(sandbox) = sandbox {
        let state = sandbox.state();
        let count = |name: &str| state[name].as_u64().unwrap_or_default();
        screen.say(&format!(
            "the sandbox holds {} conversations with {} threads and {} attachments, {} customers; {} mails queued",
            count("conversations"),
            count("threads"),
            count("attachments"),
            count("customers"),
            count("outbox"),
        ));
    }
    if sums.is_interrupted {
        let kept = if sandbox.is_some() { "" } else { "; the journal is in order and the same command goes on" };
        screen.say(&format!("interrupted{kept}"));
    }
    screen.show_sums(sums)?;
    Ok(match sums {
        Summary { is_interrupted: true, .. } => Exit::Interrupted,
        Summary { rejected: 0, dead: 0, .. } => Exit::Done,
        _ => Exit::Incomplete,
    })
}
