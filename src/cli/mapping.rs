//! `foxferry mapping`: the built-in mapping files.

use std::io::Write as _;

use clap::{Args, Subcommand};
use foxferry::mapping::Mapping as Rules;
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;

pub const EXAMPLES: &str = "\
Examples:
  foxferry mapping list
  foxferry mapping show zendesk > acme.toml";

/// Arguments of `mapping`.
#[derive(Debug, Args)]
pub struct Mapping {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the built-in mappings
    List,
    /// Print a built-in mapping, to start your own from
    Show {
        /// Its name
        name: String,
    },
}

/// Lists or prints.
pub fn run(args: &Mapping, screen: &Screen) -> Result<Exit, Failure> {
    let mut out = screen.out();
    match &args.command {
        Command::List => {
            let width = Rules::built_in().iter().map(|(name, _)| name.len()).max().unwrap_or_default();
            for (name, text) in Rules::built_in() {
                let first = text.lines().next().unwrap_or_default().trim_start_matches('#').trim();
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
