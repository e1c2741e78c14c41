//! `foxferry mapping`: work with mapping files.

use std::io::Write as _;

use clap::{Args, Subcommand};
use foxferry::mapping::Mapping as Rules;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{cases, lint};

pub const EXAMPLES: &str = "\
Examples:
  foxferry mapping list
  foxferry mapping show zendesk > acme.toml
  foxferry mapping lint acme.toml
  foxferry mapping test acme.toml --mutate
  foxferry mapping case export/ --only 4711 -m acme.toml >> acme.cases.toml
  foxferry mapping schema > mapping.schema.json    editors find it by the line `#:schema ./mapping.schema.json`";

/// Arguments of `mapping`.
#[derive(Debug, Args)]
pub struct Mapping {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check mapping files: everything that is wrong or looks wrong, with its place
    #[command(after_help = lint::EXAMPLES)]
    Lint(lint::Lint),
    /// Run the cases of mapping files: records, and what must become of them
    #[command(after_help = cases::EXAMPLES)]
    Test(cases::Test),
    /// Print records of an archive as cases, with names, addresses, numbers and texts replaced
    #[command(after_help = cases::CASE_EXAMPLES)]
    Case(cases::Case),
    /// Print the JSON Schema of mapping files, for editors
    Schema,
    /// List the built-in mappings
    List,
    /// Print a built-in mapping, to start your own from
    Show {
        /// Its name
        name: String,
    },
}

/// Checks, lists or prints.
pub fn run(args: &Mapping, screen: &Screen) -> Result<Exit, Failure> {
    let mut out = screen.out();
    match &args.command {
        Command::Lint(args) => return lint::run(args, screen),
        Command::Test(args) => return cases::test(args, screen),
        Command::Case(args) => return cases::case(args, screen),
        Command::Schema => writeln!(out, "{:#}", foxferry::mapping::schema())?,
        Command::List => {
            let width = Rules::built_in().iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            for (name, text) in Rules::built_in() {
                let first = first_sentence(text);
                if screen.is_json {
                    writeln!(out, "{}", json!({"name": name, "about": first}))?;
                } else {
                    writeln!(out, "{name:width$}  {first}")?;
                }
            }
        }
        Command::Show { name } => {
            let Some((_, text)) = Rules::built_in().iter().find(|(known, _)| known == name) else {
                return Err(Failure::new(Exit::Usage, format_args!("there is no built-in mapping `{name}`"))
                    .hint("`foxferry mapping list` names them"));
            };
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// What a mapping's opening comment says it is for.
fn first_sentence(text: &str) -> String {
    let comment: Vec<&str> = text
        .lines()
        .map_while(|line| line.strip_prefix('#'))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let comment = comment.join(" ");
    comment.split_once(". ").map_or(comment.as_str(), |(first, _)| first).trim_end_matches(['.', ':']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_described_by_its_first_sentence() {
        for (text, expected) in [
            ("# Mail folders: mbox\n# files. Copy it.\n\nversion = 1", "Mail folders: mbox files"),
            ("# One.\n#\n# Two.", "One"),
            ("version = 1", ""),
        ] {
            assert_eq!(first_sentence(text), expected);
        }
    }
}
