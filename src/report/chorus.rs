//! Several reporters that hear the same events.

use std::sync::Arc;

use crate::report::{Event, Reporter};

/// Tells every event to each of them, in order.
pub struct Chorus(pub Vec<Arc<dyn Reporter>>);

impl Reporter for Chorus {
    fn event(&self, event: &Event<'_>) {
        for reporter in &self.0 {
            reporter.event(event);
        }
    }
}
