//! Reads and converts on OS threads, and hands on over one bounded channel.
