//! Conversations in, outcomes out: ordered steps to FreeScout, journalled on both sides of each.
