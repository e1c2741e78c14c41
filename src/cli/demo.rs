//! `--demo`: the few records that show everything an archive holds.

use std::io::Write as _;

use foxferry::demo::{Chosen, Demo};
use foxferry::pipeline::{Flow, Selection};

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::Interrupt;
use crate::cli::screen::{Screen, counted, shortened};

/// How many reasons are shown for a record.
const SHOWN_REASONS: usize = 4;

/// Goes over everything once, and selects the set.
pub fn select(mut flow: Flow, interrupt: &Interrupt, screen: &Screen) -> Result<Selection, Failure> {
    let mut demo = Demo::default();
    while let Some(converted) = flow.records.blocking_recv() {
        demo.add(&converted);
        if interrupt.is_asked() {
            return Err(Failure::new(Exit::Interrupted, "interrupted; nothing was sent"));
        }
    }
    drop(flow.records);
    flow.crew.join();
    let records = demo.records();
    let chosen = demo.choose();
    say(&chosen, records, screen);
    // Nothing at all would mean everything.
    let nothing = chosen.is_empty().then_some(0);
    Ok(Selection {
        limit: nothing,
        only: chosen.into_iter().map(|it| it.id.to_string()).collect(),
        ..Selection::default()
    })
}

fn say(chosen: &[Chosen], records: u64, screen: &Screen) {
    screen.say(&format!(
        "demo: {} of {records} show every rule, finding and extreme of the archive",
        counted(chosen.len() as u64, "record")
    ));
    if screen.verbose == 0 {
        return;
    }
    for Chosen { id, because } in chosen {
        let shown = because.iter().take(SHOWN_REASONS).map(String::as_str).collect::<Vec<_>>().join(", ");
        let rest = because.len().saturating_sub(SHOWN_REASONS);
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let _ = writeln!(anstream::stderr(), "  {id}: {}{rest}", shortened(&shown));
    }
}
