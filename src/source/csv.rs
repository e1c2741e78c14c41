//! The `csv` source.

use crate::input::{Head, Input};
use crate::source::{Reader, Reading, Source, SourceError};

/// The `csv` source.
pub struct Csv;

impl Source for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn recognises(&self, _head: &Head) -> bool {
        false
    }

    fn open(&self, _input: Input, _reading: &Reading<'_>) -> Result<Reader, SourceError> {
        todo!("csv")
    }
}

/// A mapping's `[shape.csv]` section.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CsvShape {}
