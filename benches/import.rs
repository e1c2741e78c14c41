//! Import into a sandbox that takes 20 ms for every answer, beside a bare loop that posts the same payloads with the
//! same number in flight, in the same run.
//!
//! The payloads are those of a first import, recorded by a proxy. The bare loop posts them and waits for each answer;
//! it looks nothing up, compares nothing and remembers nothing.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod support;

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;

use support::{FOXFERRY, median, run, say, write_text_mbox};

const MEGABYTES: u64 = 12;
const IN_FLIGHT: usize = 8;
const ROUNDS: usize = 3;
const DELAY: &str = "delay:20ms";

/// A request as the engine sent it.
#[derive(Clone)]
struct Sent {
    method: Method,
    path: String,
    body: Bytes,
}

fn main() -> io::Result<()> {
    // An error only says that a provider is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("text.mbox");
    write_text_mbox(&file, MEGABYTES * 1_000_000, 11)?;

    let (recorded, conversations) = runtime.block_on(record(&file))?;
    println!(
        "{conversations} conversations, {} writing requests, {IN_FLIGHT} in flight, 20 ms per answer; median of {ROUNDS} rounds\n",
        recorded.len()
    );

    let (mut imports, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let sandbox = Sandbox::start(true)?;
        imports.push(conversations as f64 / import(&file, &sandbox.url, &sandbox.key)?.as_secs_f64());
        drop(sandbox);
        let sandbox = Sandbox::start(true)?;
        bares.push(conversations as f64 / runtime.block_on(bare_loop(&recorded, &sandbox))?.as_secs_f64());
    }
    let (import, bare) = (median(imports), median(bares));
    say("foxferry import", format!("{import:.0} conv/s"));
    say("bare request loop, same payloads", format!("{bare:.0} conv/s"));
    say("  import beside the bare loop (aim 0.9)", format!("{:.2}", import / bare));
    Ok(())
}

/// Imports the file once, through a proxy that keeps every writing request.
async fn record(file: &Path) -> io::Result<(Vec<Sent>, u64)> {
    let sandbox = Sandbox::start(false)?;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let proxy = Proxy { target: sandbox.url.clone(), client: client(), kept: Arc::clone(&kept) };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server =
        tokio::spawn(
            async move { axum::serve(listener, axum::Router::new().fallback(forward).with_state(proxy)).await },
        );
    let (owned, key) = (file.to_owned(), sandbox.key.clone());
    tokio::task::spawn_blocking(move || import(&owned, &url, &key)).await.map_err(io::Error::other)??;
    server.abort();
    let recorded = kept.lock().expect("no panic holds the lock").clone();
    let conversations = recorded.iter().filter(|sent| sent.path == "/api/conversations").count() as u64;
    Ok((recorded, conversations))
}

#[derive(Clone)]
struct Proxy {
    target: String,
    client: reqwest::Client,
    kept: Arc<Mutex<Vec<Sent>>>,
}

async fn forward(State(proxy): State<Proxy>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut request = proxy.client.request(method.clone(), format!("{}{uri}", proxy.target)).body(body.clone());
    for name in ["accept", "content-type", "x-freescout-api-key"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    if method != Method::GET {
        proxy.kept.lock().expect("no panic holds the lock").push(Sent { method, path: uri.path().to_owned(), body });
    }
    match request.send().await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.unwrap_or_default();
            let mut response = (status, Body::from(body)).into_response();
            for name in ["resource-id", "content-type", "date"] {
                if let Some(value) = headers.get(name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            response
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

fn import(file: &Path, url: &str, key: &str) -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(FOXFERRY);
    command.arg("import").arg(file).args(["--url", url, "--quiet", "--no-progress"]);
    command.args(["--concurrency", &IN_FLIGHT.to_string()]);
    command.env("FREESCOUT_API_KEY", key).current_dir(folder.path());
    let cost = run(&mut command)?;
    assert!(cost.is_success, "the import failed: {}", cost.stdout);
    Ok(cost.wall)
}

/// Customers first, then conversations, then what belongs to them: the ids in the payloads are there by then.
async fn bare_loop(recorded: &[Sent], sandbox: &Sandbox) -> io::Result<Duration> {
    let client = client();
    let start = Instant::now();
    let phase = |sent: &Sent| match sent.path.as_str() {
        "/api/customers" => 0,
        "/api/conversations" => 1,
        _ => 2,
    };
    for wanted in 0..3 {
        let requests = recorded.iter().filter(|sent| phase(sent) == wanted).map(|sent| {
            let request = client
                .request(sent.method.clone(), format!("{}{}", sandbox.url, sent.path))
                .header("accept", "application/json")
                .header("content-type", "application/json")
                .header("x-freescout-api-key", &sandbox.key)
                .body(sent.body.clone());
            async move {
                let answer = request.send().await.map_err(io::Error::other)?;
                let status = answer.status();
                answer.bytes().await.map_err(io::Error::other)?;
                if status.is_success() { Ok(()) } else { Err(io::Error::other(format!("{} {status}", sent.path))) }
            }
        });
        let mut answers = futures_util::stream::iter(requests).buffer_unordered(IN_FLIGHT);
        while let Some(answer) = answers.next().await {
            answer?;
        }
    }
    Ok(start.elapsed())
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a provider is installed")
}

/// A stand-alone sandbox in a process of its own.
struct Sandbox {
    process: Child,
    url: String,
    key: String,
}

impl Sandbox {
    fn start(is_slow: bool) -> io::Result<Self> {
        let key = "0123456789abcdef0123456789abcdef".to_owned();
        let mut command = Command::new(FOXFERRY);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--key", &key]);
        if is_slow {
            for endpoint in ["POST /conversations", "POST /customers", "GET /customers", "PUT /conversations/{id}/tags"]
            {
                command.arg("--fault").arg(format!("{DELAY}@{endpoint}"));
            }
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(process.stdout.take().expect("standard output is piped")).lines();
        let url = loop {
            let line = lines.next().ok_or_else(|| io::Error::other("the sandbox ended without an address"))??;
            if let Some(at) = line.find("http://") {
                break line[at..].split_whitespace().next().unwrap_or_default().trim_end_matches('/').to_owned();
            }
        };
        // Whatever it prints later goes nowhere, and must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, url, key })
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
