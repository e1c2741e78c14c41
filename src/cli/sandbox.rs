//! `foxferry sandbox`: a FreeScout imitation on this machine.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use foxferry::sandbox::{self, Fault, Fixture, Profile};
use serde_json::json;

use crate::cli::exit::{Exit, Failure};
use crate::cli::screen::Screen;
use crate::cli::{browse, interrupt};

pub const EXAMPLES: &str = "\
It answers the API as FreeScout 1.8.235 with module 1.0.87 does, keeps
everything in memory, and mails nobody. Ctrl-C ends it.

Examples:
  foxferry sandbox --key demo
  FREESCOUT_API_KEY=demo foxferry import samples/zendesk --url http://127.0.0.1:8025
  curl http://127.0.0.1:8025/__sandbox/state

  foxferry sandbox --key demo --store rehearsal.json
  foxferry sandbox --store rehearsal.json --open
  foxferry sandbox --profile module-1.0.82+zone:Europe/Berlin
  foxferry sandbox --fault 'lose-answer@POST /conversations*3'
  foxferry sandbox --fault '429:2@* /%10' --fault 'delay:200ms@GET /conversations'

A SPEC is KIND@METHOD PATH. METHOD can be `*`; PATH has {id} for ids, means all
below it when it ends in `/`, and everything as `/`. *3 hits three requests, %10
one in ten. Kinds:
  nothing done        429  429:SECONDS  500-before  502  413:SIZE  maintenance
                      refuse  reset-before  cut-body:SIZE
  done, bad answer    500-after  504  blank-200  no-body  lose-answer  cut-answer
  done later          delay:TIME  late:TIME  504:TIME  write-lock:TIME
  done in part        grow:TIME  die-after-thread:N  die-inside-thread:N
TIME is 200ms, 2s or 1m; SIZE is 20m.

Profiles, to be joined with `+`: default, modules-off, module-1.0.82,
module-1.0.67, core-1.8.175, custom-numbers, ignores-imported, zone:NAME.

While it runs, its pages show what it holds as a help desk would: open the
address after `page` in a browser on this machine. /__sandbox/state tells
what it holds and whom a real server would have mailed; POST to
/__sandbox/faults a list of SPECs, or to /__sandbox/reset.";

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen: address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025", value_parser = super::listen)]
    listen: SocketAddr,
    /// The API key it takes [default: a random one]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// What it holds at the beginning: users, mailboxes and fields, as JSON [default: one of each]
    #[arg(long, value_name = "FILE")]
    fixture: Option<PathBuf>,
    /// A fault on demand: KIND[:VALUE]@METHOD PATH[*COUNT][%CHANCE]; can be repeated
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
    /// Let pages of this origin call it: OPTIONS without a key, and CORS headers
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Option<String>,
    /// Fetch attachments given by `fileUrl` from this host; from all others nothing is fetched
    #[arg(long = "fetch-from", value_name = "HOST")]
    fetch_from: Vec<String>,
    /// Open a browser, if there is one, on the pages that show what it holds
    #[arg(long)]
    open: bool,
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
        allow_origin: args.allow_origin.clone(),
        download_hosts: args.fetch_from.clone(),
        ..sandbox::Options::default()
    };
    let sandbox = runtime.block_on(sandbox::start(options)).map_err(|cause| {
        Failure::new(Exit::Stopped, format_args!("the sandbox cannot start at `{}`: {cause}", args.listen))
    })?;
    let mut out = screen.out();
    if screen.is_json {
        let event = json!({
            "event": "listening", "url": sandbox.url(), "key": sandbox.key(), "page": sandbox.page(),
        });
        writeln!(out, "{event}")?;
    } else {
        writeln!(out, "listening on {}\nkey {}", sandbox.url(), sandbox.key())?;
        if let Some(page) = sandbox.page() {
            writeln!(out, "page {page}")?;
        }
    }
    out.flush()?;
    if let Some(page) = sandbox.page().filter(|_| args.open) {
        browse::show(&page, screen);
    }
    let ended = runtime.block_on(async {
        stop.asked().await;
        sandbox.close().await
    });
    match (ended, &args.store) {
        (Err(cause), Some(file)) => {
            let shown = file.display();
            Err(Failure::new(Exit::Stopped, format_args!("what it held cannot be written to `{shown}`: {cause}")))
        }
        _ => Ok(Exit::Done),
    }
}
