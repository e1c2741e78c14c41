//! Connections that can be made to break: refused, reset, or cut in the middle of an answer.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use super::Server;

const SOUND: u8 = 0;
const RESET: u8 = 1;
const CUT: u8 = 2;
const DONE: u8 = 3;

/// What becomes of one connection's next bytes. The request's handler holds one end, the connection the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Line {
    fate: Arc<AtomicU8>,
    /// Whether it was made to a loopback address of this machine, which nobody else can reach.
    pub is_local: bool,
}

impl Line {
    /// Nothing more is written, and the peer gets a reset.
    pub fn reset(&self) {
        self.fate.store(RESET, Ordering::SeqCst);
    }

    /// Half of the next piece is written, then the connection ends.
    pub fn cut(&self) {
        self.fate.store(CUT, Ordering::SeqCst);
    }
}

/// Accepts connections, unless a fault refuses them.
pub(super) struct Door {
    pub listener: TcpListener,
    pub server: Arc<Server>,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) if self.server.refuses_connection() => {
                    let _ = stream.set_zero_linger();
                    drop((stream, peer));
                }
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let is_local = stream.local_addr().is_ok_and(|own| own.ip().to_canonical().is_loopback());
                    return (Wire { stream, line: Line { is_local, ..Line::default() } }, peer);
                }
                // Out of file handles, or a peer gone before it was accepted: wait a little and go on.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Line {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Line {
        stream.io().line.clone()
    }
}

/// A connection and what is to become of it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    line: Line,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.line.fate.load(Ordering::SeqCst) {
            SOUND => Pin::new(&mut self.stream).poll_write(cx, bytes),
            CUT => {
                self.line.fate.store(DONE, Ordering::SeqCst);
                Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len() / 2])
            }
            state => {
                if state == RESET {
                    let _ = self.stream.set_zero_linger();
                }
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
