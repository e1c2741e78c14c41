//! A FreeScout imitation for benches that measure against one.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::FOXFERRY;

/// The key that it takes.
pub const KEY: &str = "k";

/// A sandbox in a process of its own, which ends with the bench.
pub struct Sandbox {
    pub process: Child,
    pub url: String,
}

impl Sandbox {
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(FOXFERRY)
            .args(["sandbox", "--listen", "127.0.0.1:0", "--key", KEY])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().ok_or("no output")?).read_line(&mut line)?;
        let url = line.trim().strip_prefix("listening on ").ok_or("no address")?.to_owned();
        Ok(Self { process, url })
    }

    /// One call to it, outside the API.
    pub fn post(&self, path: &str, json: &str) -> Result<(), Box<dyn Error>> {
        let mut line = TcpStream::connect(self.url.trim_start_matches("http://"))?;
        write!(
            line,
            "POST {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{json}",
            json.len()
        )?;
        let mut answer = String::new();
        line.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 2") { Ok(()) } else { Err(answer.into()) }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Nothing is left to do when it is gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
