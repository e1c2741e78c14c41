//! `foxferry man`: manual pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use crate::cli::Cli;
use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;

pub const EXAMPLES: &str = "\
Examples:
  foxferry man | man -l -
  foxferry man --dir /usr/share/man/man1";

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct Man {
    /// Write a page for each command into this folder; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the program's own page, or writes all.
pub fn run(args: &Man, screen: &Screen) -> Result<Exit, Failure> {
    let Some(dir) = &args.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(Cli::command()).render(&mut page)?;
        screen.out().write_all(&page)?;
        return Ok(Exit::Done);
    };
    let failed =
        |cause: io::Error| Failure::new(Exit::Stopped, format_args!("`{}` cannot be written: {cause}", dir.display()));
    fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    Ok(Exit::Done)
}
