//! The `foxferry` program: parse, run, exit.

mod cli;

fn main() {}
