//! How the program ends: exit codes, and errors with their advice.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::process::ExitCode;

pub use foxferry::report::figures::chain;

/// How the program ends; `docs/output.md` promises the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for is done.
    Done = 0,
    /// The command line is wrong.
    Usage = 2,
    /// Finished, but something was rejected or given up, or `check` found errors.
    Incomplete = 3,
    /// Could not go on: target, key, journal or disk.
    Stopped = 4,
    /// The mapping or the archive cannot be used at all.
    Unusable = 5,
    /// Interrupted; the next run goes on.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command could not do what was asked for.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub exit: Exit,
    /// What is wrong and where: one sentence, or a report that is printed as it is.
    message: String,
    /// Whether `message` is a complete report with its own `error:`.
    is_report: bool,
    /// What would help.
    hint: Option<String>,
}

impl Failure {
    /// A failure in one sentence.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string(), is_report: false, hint: None }
    }

    /// An error with everything underneath it, in one line.
    pub fn of(exit: Exit, error: &dyn Error) -> Self {
        Self::new(exit, chain(error))
    }

    /// A complete report, printed as it is.
    pub fn report(exit: Exit, report: String) -> Self {
        Self { exit, message: report, is_report: true, hint: None }
    }

    /// Adds advice; only such as would work.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// What is wrong, without the advice.
    pub fn text(&self) -> &str {
        &self.message
    }

    /// Whether there is advice already.
    pub fn has_hint(&self) -> bool {
        self.hint.is_some()
    }

    /// Prints it to stderr.
    pub fn print(&self) {
        let error = anstyle::AnsiColor::Red.on_default().bold();
        let advice = anstyle::AnsiColor::Cyan.on_default().bold();
        let mut text = String::new();
        if self.is_report {
            let _ = write!(text, "{}", self.message.trim_end());
        } else {
            let _ = write!(text, "{error}error:{error:#} {}", self.message);
        }
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\n{advice}hint:{advice:#} {hint}");
        }
        // Nobody is left to tell when stderr is closed.
        let _ = writeln!(anstream::stderr(), "{text}");
    }
}

/// Output that could not be written: quiet for a closed pipe (`| head`), else an error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { exit: Exit::Done, message: String::new(), is_report: true, hint: None };
        }
        Self::new(Exit::Stopped, format_args!("the output cannot be written: {error}"))
    }
}

impl Failure {
    /// Whether there is anything to print.
    pub fn is_quiet(&self) -> bool {
        self.message.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_error() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(failure.is_quiet());
        assert_eq!(failure.exit, Exit::Done);
    }
}
