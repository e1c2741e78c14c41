//! A rehearsal that stays up to be looked at, and the browser that shows it.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use foxferry::sandbox::Sandbox;
use foxferry::upload::Stop;
use tokio::runtime::Runtime;

use crate::cli::exit::Exit;
use crate::cli::screen::Screen;
use crate::env;

/// With `--open`: says where the rehearsal can be looked at, and waits there for Ctrl-C.
///
/// The exit code is the run's own, whatever ends the looking. A run that was interrupted stays so: whoever pressed Ctrl-C
/// wants to be gone.
pub fn hold(ended: Exit, runtime: &Runtime, stop: &Stop, sandbox: &Sandbox, screen: &Screen) -> Exit {
    let Some(page) = sandbox.page().filter(|_| ended != Exit::Interrupted) else { return ended };
    // Said with `-q` too: it was asked for, and nobody could guess the port.
    let _ = writeln!(anstream::stderr(), "the rehearsal can be looked at: {page} (Ctrl-C ends it)");
    show(&page, screen);
    runtime.block_on(stop.asked());
    ended
}

/// Opens a browser if there is a person at a terminal and a desktop to open it on; nothing fails when there is not.
pub fn show(page: &str, screen: &Screen) {
    if screen.is_json || !io::stderr().is_terminal() {
        return;
    }
    let Some(mut command) = opener() else { return };
    command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // In a group of its own: the Ctrl-C that ends the rehearsal is not for the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    // Without such a program the address on the screen is enough.
    let _ = command.spawn();
}

/// What opens an address on this system; none without a desktop, where it would be a browser inside the terminal.
fn opener() -> Option<Command> {
    if cfg!(target_os = "macos") {
        return Some(Command::new("open"));
    }
    if cfg!(windows) {
        let mut command = Command::new("rundll32");
        command.arg("url.dll,FileProtocolHandler");
        return Some(command);
    }
    let has_desktop = [env::DISPLAY, env::WAYLAND_DISPLAY].iter().any(|name| matches!(env::text(name), Ok(Some(_))));
    has_desktop.then(|| Command::new("xdg-open"))
}
