//! The `zendesk` source.

use crate::input::{Head, Input};
use crate::source::{Reader, Reading, Source, SourceError};

/// The `zendesk` source.
pub struct Zendesk;

impl Source for Zendesk {
    fn name(&self) -> &'static str {
        "zendesk"
    }

    fn recognises(&self, _head: &Head) -> bool {
        false
    }

    fn open(&self, _input: Input, _reading: &Reading<'_>) -> Result<Reader, SourceError> {
        todo!("zendesk")
    }
}
