//! Writes a mapping for one archive: what it holds, what each value becomes, and what is left to decide.
//!
//! Promises:
//!
//! - The mapping works as it stands: it loads, and accounts for every field of the archive.
//! - Nothing is guessed silently: a guess, and whatever would be lost, is marked with the word `decide`; a name that the
//!   target lacks with `TODO`.
//! - Memory is bounded: values, fields and people beyond a limit are counted together.
//!
//! One pass over the archive fills an [`Inventory`] and a [`Census`]; [`Matches`] compares them with a target, if there is
//! one; [`write`](draft::write) makes a text of all that.

pub mod census;
pub mod draft;
pub mod inventory;
pub mod matching;

mod toml_text;

pub use census::{Census, Known};
pub use draft::Draft;
pub use inventory::Inventory;
pub use matching::Matches;
