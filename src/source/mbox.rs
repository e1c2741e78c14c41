//! The `mbox` source.

use crate::input::{Head, Input};
use crate::source::{Reader, Reading, Source, SourceError};

/// The `mbox` source.
pub struct Mbox;

impl Source for Mbox {
    fn name(&self) -> &'static str {
        "mbox"
    }

    fn recognises(&self, _head: &Head) -> bool {
        false
    }

    fn open(&self, _input: Input, _reading: &Reading<'_>) -> Result<Reader, SourceError> {
        todo!("mbox")
    }
}

/// A mapping's `[shape.mail]` section.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailShape {}
