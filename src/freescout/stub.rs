//! A server for tests that answers with exactly the bytes it is given.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Auth, Client, Target};

pub(super) const KEY: &str = "5e5a3e5e5a3e5e5a3e5e5a3e5e5a3e00";

/// What the server does with one connection.
#[derive(Clone)]
pub(super) enum Act {
    /// Reads the request, answers and closes.
    Answer(Vec<u8>),
    /// Answers as soon as the head is there, and closes without reading the body.
    AnswerEarly(Vec<u8>),
    /// Reads this many bytes of the body and closes.
    CloseAfter(usize),
    /// Reads the request and says nothing for ever.
    Silence,
    /// Answers and leaves the connection open, as if more were to come.
    AnswerAndStall(Vec<u8>),
}

pub(super) struct Stub {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Stub {
    /// A server that does `acts` one after another, and the last one for ever.
    pub(super) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        tokio::spawn(async move {
            let mut acts = acts.into_iter().peekable();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let act = if acts.len() > 1 { acts.next().unwrap() } else { acts.peek().unwrap().clone() };
                tokio::spawn(serve(stream, act, Arc::clone(&heard)));
            }
        });
        Self { address, requests }
    }

    pub(super) async fn answering(status: &str, headers: &str, body: &str) -> Self {
        Self::start(vec![Act::Answer(answer(status, headers, body))]).await
    }

    pub(super) fn target(&self) -> Target {
        Target::new(&self.address, KEY.into()).unwrap()
    }

    pub(super) fn client(&self) -> Client {
        Client::new(self.target()).unwrap()
    }

    pub(super) fn client_with(&self, auth: Auth) -> Client {
        Client::new(Target { auth, ..self.target() }).unwrap()
    }

    /// The requests so far, head and as much of the body as was read.
    pub(super) fn requests(&self) -> Vec<Vec<u8>> {
        self.requests.lock().unwrap().clone()
    }

    /// The only request, as text.
    pub(super) fn request(&self) -> String {
        let requests = self.requests();
        assert_eq!(requests.len(), 1);
        String::from_utf8(requests[0].clone()).unwrap()
    }
}

/// An answer with its length.
pub(super) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

async fn serve(mut stream: TcpStream, act: Act, heard: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut request = Vec::new();
    let head = loop {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
    let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let wanted = match &act {
        Act::CloseAfter(bytes) => head + bytes,
        Act::AnswerEarly(_) => head,
        _ => head + length.unwrap_or(0),
    };
    while request.len() < wanted {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            break;
        }
    }
    heard.lock().unwrap().push(request);
    match act {
        Act::Answer(bytes) | Act::AnswerEarly(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.shutdown().await.ok();
        }
        Act::CloseAfter(_) => {}
        Act::Silence => std::future::pending::<()>().await,
        Act::AnswerAndStall(bytes) => {
            stream.write_all(&bytes).await.ok();
            std::future::pending::<()>().await;
        }
    }
}
