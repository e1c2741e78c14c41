//! A whole import from code: `cargo run --example import [ARCHIVE]`. Into a sandbox in this process, with a journal in memory.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use foxferry::freescout::{Client, Directory, Target};
use foxferry::input::Input;
use foxferry::journal::{Identity, Journal};
use foxferry::mapping::Mapping;
use foxferry::pipeline::{self, Selection};
use foxferry::report::Silence;
use foxferry::source::{self, Order, Reading};
use foxferry::{sandbox, upload};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let archive = std::env::args_os().nth(1).filter(|path| PathBuf::from(path).exists());
    run(archive.map_or_else(|| PathBuf::from("samples/mbox"), PathBuf::from))
}

fn run(archive: PathBuf) -> Result<(), Box<dyn std::error::Error>> {
    // The left side is plain code: find the format, load its rules, open a reader.
    let scratch = tempfile::tempdir()?;
    let input = Input::open(&[archive], scratch.path())?;
    let source = source::detect("the archive", &input.head()?)?;
    let mapping = Arc::new(Mapping::load(source.family())?);
    let watch = |_bytes: u64| ControlFlow::Continue(());
    let reading =
        Reading { shape: mapping.shape(), order: Order::Oldest, index: None, scratch: scratch.path(), watch: &watch };
    let reader = source.open(input, &reading)?;

    // The right side is async.
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let sandbox = sandbox::start(sandbox::Options::default()).await?;
        let client = Client::new(Target::new(sandbox.url(), sandbox.key().to_owned().into())?)?;
        let directory = Directory::fetch(&client).await?;
        // With `Journal::open(path, …)` a second run goes on where this one stopped.
        let identity = Identity { target: client.shown_url().to_owned(), source: source.name().to_owned() };
        let journal = Journal::in_memory(&identity)?;
        let flow = pipeline::spawn(reader, Arc::clone(&mapping), Selection::default());
        let options = upload::Options { passed: flow.passed, mapping: Some(mapping.hash()), ..Default::default() };
        // `Stop::ask` from another task ends it in order.
        let stop = upload::Stop::new();
        let sums = upload::run(flow.records, &client, &directory, &journal, &options, Arc::new(Silence), &stop).await?;
        flow.crew.join();
        println!("{sums}");
        println!("mails: {}", sandbox.state()["outbox"]);
        Ok(())
    })
}
