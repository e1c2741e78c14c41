//! A sandbox in a process of its own, and a proxy that stands before it.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::FOXFERRY;

/// A request as the engine sent it.
#[derive(Clone)]
pub struct Sent {
    /// When it came.
    pub at: Instant,
    /// Its method.
    pub method: Method,
    /// Its path, without a query.
    pub path: String,
    /// Its body.
    pub body: Bytes,
}

/// An HTTP client that goes straight to where it is sent.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a provider is installed")
}

/// A stand-alone sandbox in a process of its own.
pub struct Sandbox {
    process: Child,
    /// Its address.
    pub url: String,
    /// Its API key.
    pub key: String,
}

impl Sandbox {
    /// Starts it. Every answer of an import takes `delay` milliseconds.
    pub fn start(delay: u64) -> io::Result<Self> {
        let key = "0123456789abcdef0123456789abcdef".to_owned();
        let mut command = Command::new(FOXFERRY);
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--key", &key]);
        if delay > 0 {
            for endpoint in ["POST /conversations", "POST /customers", "GET /customers", "PUT /conversations/{id}/tags"]
            {
                command.arg("--fault").arg(format!("delay:{delay}ms@{endpoint}"));
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

/// Stands before a sandbox and keeps every writing request. Ends with its runtime.
pub struct Proxy {
    /// Its own address.
    pub url: String,
    kept: Arc<Mutex<Vec<Sent>>>,
}

impl Proxy {
    /// Starts listening.
    pub async fn start(sandbox: &Sandbox) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let state = Forward { target: sandbox.url.clone(), client: client(), kept: Arc::clone(&kept) };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(
            async move { axum::serve(listener, axum::Router::new().fallback(forward).with_state(state)).await },
        );
        Ok(Self { url, kept })
    }

    /// What was sent so far.
    pub fn kept(&self) -> Vec<Sent> {
        self.kept.lock().expect("no panic holds the lock").clone()
    }

    /// Forgets what was sent.
    pub fn clear(&self) {
        self.kept.lock().expect("no panic holds the lock").clear();
    }
}

#[derive(Clone)]
struct Forward {
    target: String,
    client: reqwest::Client,
    kept: Arc<Mutex<Vec<Sent>>>,
}

async fn forward(State(proxy): State<Forward>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut request = proxy.client.request(method.clone(), format!("{}{uri}", proxy.target)).body(body.clone());
    for name in ["accept", "content-type", "x-freescout-api-key"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    if method != Method::GET {
        let sent = Sent { at: Instant::now(), method, path: uri.path().to_owned(), body };
        proxy.kept.lock().expect("no panic holds the lock").push(sent);
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
