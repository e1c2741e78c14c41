//! Remembers what has happened to every record.
