//! The `json` source: any help desk's JSON, as the mapping's `[shape.json]` describes it.
//!
//! Arrays, JSON lines, one file for each ticket, pages, documents one after the other; messages, people, attachments
//! and names inside of the tickets or in files of their own. [`super::joined`] puts the records together.
//!
//! No archive is recognised as `json`: a mapping with `source = "json"` says what it is.

use std::sync::Arc;

use crate::input::{Head, Input};
use crate::record::Origin;
use crate::source::{Reader, Reading, Source, SourceError, joined};

/// The `json` source.
pub struct Json;

impl Source for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn recognises(&self, _: &Head) -> bool {
        false
    }

    fn open(&self, input: Input, reading: &Reading<'_>) -> Result<Reader, SourceError> {
        let joins = &reading.shape.json;
        if !joins.is_used() {
            return Err(SourceError::Shape {
                origin: Origin::whole(&Arc::from("[shape.json]")),
                problem: "nothing says where the tickets are".to_owned(),
                hint:
                    "name a mapping with `--mapping` that describes the files: `source = \"json\"` and `[shape.json]`, \
                       as docs/sources.md shows"
                        .to_owned(),
            });
        }
        joined::open(self.name(), joins, input, reading)
    }
}
