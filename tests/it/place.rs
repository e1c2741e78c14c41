//! A folder to run the program in, and a sandbox in a process of its own.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What waits for another process gives up after this long; nothing is measured by it.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder to run the program in; gone at the end of the test.
pub struct Place {
    folder: tempfile::TempDir,
}

/// How a run of the program ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The program, without this machine's settings.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foxferry"));
        command.current_dir(self.path()).args(args).stdin(Stdio::null());
        for name in [
            "FREESCOUT_URL",
            "FREESCOUT_API_KEY",
            "FREESCOUT_HTTP_USER",
            "FREESCOUT_HTTP_PASSWORD",
            "FOXFERRY_IDENTITY",
        ] {
            command.env_remove(name);
        }
        for name in ["FOXFERRY_LOG", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs the program; words are separated by spaces.
    pub fn run(&self, words: &str) -> Ran {
        Ran::of(&mut self.command(words.split_whitespace()))
    }
}

impl Ran {
    pub fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails with everything that was printed unless the exit code is this.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// The last line on stdout.
    #[track_caller]
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_else(|| panic!("nothing on stdout; stderr:\n{}", self.stderr))
    }

    /// The sums of the last line, after making sure that they add up.
    #[track_caller]
    pub fn sums(&self) -> Sums {
        let line = self.last_line();
        let numbers: Vec<u64> = line
            .split(|c: char| !c.is_ascii_digit())
            .filter(|word| !word.is_empty())
            .map(|word| word.parse().unwrap())
            .collect();
        let [read, done, skipped, rejected, dead] = numbers[..] else { panic!("not a summary: {line}") };
        let letters = if dead == 1 { "dead letter" } else { "dead letters" };
        let expected = format!("{read} read: {done} done, {skipped} skipped, {rejected} rejected, {dead} {letters}");
        assert_eq!(line, expected);
        assert_eq!(read, done + skipped + rejected + dead, "{line}");
        Sums { read, done, skipped, rejected, dead }
    }

    /// The only JSON object on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// The JSON objects on stdout, one a line.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }
}

/// What the last line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sums {
    pub read: u64,
    pub done: u64,
    pub skipped: u64,
    pub rejected: u64,
    pub dead: u64,
}

/// The project's own samples.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)
}

/// A real archive, if there are any on this machine.
pub fn archive(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("FOXFERRY_ARCHIVES").filter(|folder| !folder.is_empty()) else {
        println!("skipped: FOXFERRY_ARCHIVES does not name a folder with real archives");
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    assert!(path.exists(), "{} is not among the real archives", path.display());
    Some(path)
}

/// A sandbox in a process of its own, which ends with the test.
pub struct Sandbox {
    pub process: Child,
    pub url: String,
}

pub const KEY: &str = "test-key";

impl Sandbox {
    /// Starts one; `options` are further words of the command line.
    pub fn start(place: &Place, options: &[&str]) -> Self {
        let mut command = place.command(["sandbox", "--listen", "127.0.0.1:0", "--key", KEY]);
        let mut process = command.args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("not an address: {line}"));
        Self { url: url.to_owned(), process }
    }

    /// An import into it.
    pub fn import(&self, place: &Place, archive: &Path, options: &str) -> Command {
        let mut command = place.command(["import".as_ref(), archive.as_os_str(), "--url".as_ref(), self.url.as_ref()]);
        command.args(options.split_whitespace()).env("FREESCOUT_API_KEY", KEY);
        command
    }

    /// What it holds.
    pub fn state(&self) -> Value {
        let answer = self.request("GET", "/__sandbox/state", "");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Takes the scripted faults away.
    pub fn clear_faults(&self) {
        self.script(&[]);
    }

    /// Puts these faults in place of the scripted ones.
    pub fn script(&self, faults: &[&str]) {
        let answer = self.request("POST", "/__sandbox/faults", &serde_json::json!(faults).to_string());
        assert!(answer.starts_with("HTTP/1.1 2"), "{answer}");
    }

    /// One request with the key; the answer is empty when the connection breaks.
    pub fn request(&self, method: &str, path: &str, body: &str) -> String {
        self.plain_request(method, path, &format!("X-FreeScout-API-Key: {KEY}"), body)
    }

    /// One request in plain words, so that it shares nothing with our client.
    pub fn plain_request(&self, method: &str, path: &str, header: &str, body: &str) -> String {
        let host = self.url.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{header}\r\n");
        let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        // A fault may break the connection at any point: what has come until then is the answer.
        let mut answer = Vec::new();
        let _ = stream.write_all(format!("{head}{rest}").as_bytes());
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A number of its state.
    pub fn count(&self, name: &str) -> u64 {
        self.state()[name].as_u64().unwrap_or_else(|| panic!("no `{name}` in {}", self.state()))
    }

    /// How many requests of this kind it got.
    pub fn requests(&self, name: &str) -> u64 {
        self.state()["requests"][name].as_u64().unwrap_or_default()
    }

    /// Waits until it holds this many conversations.
    pub fn wait_for_conversations(&self, wanted: u64) {
        self.wait_for("conversations", wanted);
    }

    /// Waits until it has got so many requests of this kind.
    pub fn wait_for_requests(&self, name: &str, wanted: u64) {
        let begun = Instant::now();
        while self.requests(name) < wanted {
            assert!(begun.elapsed() < PATIENCE, "only {} `{name}` came", self.requests(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it holds so many of something.
    pub fn wait_for(&self, name: &str, wanted: u64) {
        let begun = Instant::now();
        while self.count(name) < wanted {
            assert!(begun.elapsed() < PATIENCE, "only {} {name} came", self.count(name));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal by its name.
pub fn signal(process: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &process.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A mail archive of so many conversations of two messages each.
pub fn mbox_of(conversations: usize) -> String {
    let mut text = String::new();
    for n in 0..conversations {
        let (day, hour) = (1 + n / 24 % 28, n % 24);
        text.push_str(&format!(
            "From ann{n}@example.net Mon Jan {day:2} {hour:02}:00:00 2024\n\
             From: Ann {n} <ann{n}@example.net>\nTo: support@example.org\nSubject: Question number {n}\n\
             Date: Mon, {day} Jan 2024 {hour:02}:00:00 +0000\nMessage-ID: <q{n}@example.net>\n\nWhat about {n}?\n\n\
             From support@example.org Mon Jan {day:2} {hour:02}:30:00 2024\n\
             From: Support <support@example.org>\nTo: ann{n}@example.net\nSubject: Re: Question number {n}\n\
             Date: Mon, {day} Jan 2024 {hour:02}:30:00 +0000\nMessage-ID: <a{n}@example.org>\n\
             In-Reply-To: <q{n}@example.net>\n\nHere is the answer to {n}.\n\n",
        ));
    }
    text
}
