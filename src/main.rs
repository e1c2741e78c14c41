//! The `foxferry` program: parse, run, exit.

use std::process::ExitCode;

mod cli;
mod env;

fn main() -> ExitCode {
    cli::main()
}
