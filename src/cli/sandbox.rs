//! `foxferry sandbox`: a FreeScout imitation on this machine.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use foxferry::sandbox::{self, Fault, Fixture, Profile};
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt;
use crate::cli::screen::Screen;

pub const EXAMPLES: &str = "\
Examples:
  foxferry sandbox --key demo
  foxferry sandbox --fault 'lose-answer@POST /conversations*3' --fault 'delay:200ms@GET /conversations%10'
  FREESCOUT_API_KEY=demo foxferry import samples/zendesk --url http://127.0.0.1:8025

What it holds: curl http://127.0.0.1:8025/__sandbox/state. Ctrl-C ends it.";

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen: address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025", value_parser = super::listen)]
    listen: SocketAddr,
    /// The API key it takes [default: a random one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What it holds at the beginning: users, mailboxes and fields, as JSON
    #[arg(long, value_name = "FILE")]
    fixture: Option<PathBuf>,
    /// A fault on demand: KIND[:VALUE]@METHOD PATH[*COUNT][%CHANCE]
    #[arg(long = "fault", value_name = "SPEC")]
    faults: Vec<Fault>,
    /// Refuse fields that FreeScout would ignore
    #[arg(long)]
    strict: bool,
    /// Take the key as HTTP Basic too
    #[arg(long)]
    basic: bool,
    /// Behave as this version or set-up of FreeScout
    #[arg(long, value_name = "NAME")]
    profile: Option<Profile>,
    /// Keep what it holds in FILE, and begin with it the next time
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Answers until Ctrl-C.
pub fn run(args: &SandboxArgs, screen: &Screen) -> Result<Exit, Failure> {
    let fixture = match &args.fixture {
        None => Fixture::default(),
        Some(path) => {
            let shown = path.display();
            let text = fs::read_to_string(path)
                .map_err(|cause| Failure::new(Exit::Usage, format_args!("`{shown}` cannot be read: {cause}")))?;
            serde_json::from_str(&text)
                .map_err(|cause| Failure::new(Exit::Usage, format_args!("`{shown}` is not a fixture: {cause}")))?
        }
    };
    let runtime = interrupt::runtime()?;
    let stop = foxferry::upload::Stop::new();
    let asked = stop.clone();
    interrupt::Interrupt::listen(&runtime, move |_| asked.ask())?;
    let options = sandbox::Options {
        listen: args.listen,
        key: args.key.clone(),
        fixture,
        faults: args.faults.clone(),
        is_strict: args.strict,
        accepts_basic: args.basic,
        profile: args.profile.clone().unwrap_or_default(),
        store: args.store.clone(),
        ..sandbox::Options::default()
    };
    let sandbox = runtime.block_on(sandbox::start(options)).map_err(|cause| {
        Failure::new(Exit::Stopped, format_args!("the sandbox cannot start at `{}`: {cause}", args.listen))
    })?;
    let mut out = screen.out();
    if screen.is_json {
        writeln!(out, "{}", json!({"event": "listening", "url": sandbox.url(), "key": sandbox.key()}))?;
    } else {
        writeln!(out, "listening on {}\nkey {}", sandbox.url(), sandbox.key())?;
    }
    out.flush()?;
    runtime.block_on(async {
        stop.asked().await;
        sandbox.shutdown().await;
    });
    Ok(Exit::Done)
}
