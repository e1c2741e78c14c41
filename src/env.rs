//! Every environment variable that foxferry reads.
//!
//! Beside these, the HTTP client follows `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`
//! and `NO_PROXY` (`fetch-attachments` only with `--use-proxy`), the terminal `NO_COLOR`, `CLICOLOR_FORCE` and `TERM`, and the
//! system's folder for temporary files `TMPDIR`.

use std::env;

/// The target's address; `--url` goes before it.
pub const URL: &str = "FREESCOUT_URL";

/// The target's API key; `--key-file` goes before it. Never an argument, since others can see arguments.
pub const API_KEY: &str = "FREESCOUT_API_KEY";

/// The name for a site behind a web-server password.
pub const HTTP_USER: &str = "FREESCOUT_HTTP_USER";

/// The password for a site behind a web-server password.
pub const HTTP_PASSWORD: &str = "FREESCOUT_HTTP_PASSWORD";

/// What FreeScout signs the calls of its webhooks with. Never an argument, since others can see arguments.
pub const WEBHOOK_SECRET: &str = "FREESCOUT_WEBHOOK_SECRET";

/// The file with the identity that opens an encrypted backup; `--identity` goes before it. It names the file, and is no key itself.
pub const IDENTITY: &str = "FOXFERRY_IDENTITY";

/// Where windows are shown, under X11: without it and the next, `--open` starts no browser.
pub const DISPLAY: &str = "DISPLAY";

/// Where windows are shown, under Wayland.
pub const WAYLAND_DISPLAY: &str = "WAYLAND_DISPLAY";

/// What to log, in the syntax of `tracing-subscriber` (`foxferry=debug`); goes before `-v`.
pub const LOG: &str = "FOXFERRY_LOG";

/// A variable's text; `None` when it is unset or empty.
///
/// An empty variable counts as unset, since shells and CI systems set empty ones.
pub fn text(name: &str) -> Result<Option<String>, NotText> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(NotText { name: name.to_owned() }),
    }
}

/// A variable that holds something other than text. Its value is not shown: it may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable `{name}` is not UTF-8 text")]
pub struct NotText {
    name: String,
}
