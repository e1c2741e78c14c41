//! What FreeScout would refuse, alter or lose of a conversation, said before anything is sent.

use crate::conversation::Conversation;
use crate::finding::Finding;

/// Everything that FreeScout is known to do to this conversation.
///
/// Pure; facts from `freescout-behaviour.md` (core 1.8.235, module 1.0.87).
pub fn check(_conversation: &Conversation) -> Vec<Finding> {
    todo!("check")
}
