//! `foxferry completions`: scripts for shells.

use std::io::Write as _;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;

pub const EXAMPLES: &str = "\
Examples:
  foxferry completions bash > ~/.local/share/bash-completion/completions/foxferry
  foxferry completions zsh > ~/.zfunc/_foxferry
  foxferry completions fish > ~/.config/fish/completions/foxferry.fish";

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Completions, screen: &Screen) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "foxferry", &mut script);
    screen.out().write_all(&script)?;
    Ok(Exit::Done)
}
