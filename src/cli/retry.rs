//! `foxferry retry`: dead letters are taken up again.

use clap::Args;
use foxferry::journal::Journal;

use crate::cli::exit::{Exit, Failure};
use crate::cli::import::{self, Import};
use crate::cli::journals;
use crate::cli::screen::Screen;

pub const EXAMPLES: &str = "\
Examples:
  foxferry retry export.json --url https://help.example.org
  foxferry retry export.json --url https://help.example.org --only 4711,4712
  foxferry retry export.json --url https://help.example.org --mapping mended.toml

The archive is read again, since the journal holds no texts. A dead letter that has a conversation goes on with that one and
never gets another. Rejected records are tried too: a mended mapping may send them. All options are those of `import`.";

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub struct Retry {
    #[command(flatten)]
    import: Import,
}

/// Imports what is rejected or a dead letter, and nothing else.
pub fn run(args: Retry, screen: &Screen) -> Result<Exit, Failure> {
    let mut import = args.import;
    let path = import.journal_path();
    let journal = Journal::open_read_only(&path).map_err(|error| journals::failure_of(&error))?;
    let mut letters = Vec::new();
    let asked = journal.ask(|view| view.letters(|letter| letters.push(letter.id.original)));
    asked.map_err(|error| journals::failure_of(&error))?;
    drop(journal);
    if letters.is_empty() {
        screen.say("nothing to take up again: no record is rejected or a dead letter");
        if !screen.is_json {
            return screen.show_sums(&foxferry::report::Summary::default()).map(|()| Exit::Done);
        }
        return Ok(Exit::Done);
    }
    import.take_up(letters)?;
    import::run(&import, screen)
}
