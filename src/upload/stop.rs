//! How a run is asked to end: once to finish what is in flight, twice to stop at once.

use tokio_util::sync::CancellationToken;

/// The operator's wish to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// Nothing new is begun; requests in flight are finished and written down.
    drain: CancellationToken,
    /// Requests in flight are dropped; the journal has them as in flight.
    abort: CancellationToken,
}

impl Stop {
    /// Nobody has asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks: the first time to finish what is in flight, every further time to stop at once.
    pub fn ask(&self) {
        if self.drain.is_cancelled() {
            self.abort.cancel();
        }
        self.drain.cancel();
    }

    /// Asks to stop at once.
    pub fn now(&self) {
        self.drain.cancel();
        self.abort.cancel();
    }

    /// Whether anybody has asked.
    pub fn is_asked(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Whether to stop at once.
    pub fn is_now(&self) -> bool {
        self.abort.is_cancelled()
    }

    /// Returns when nothing new is to be begun.
    pub async fn asked(&self) {
        self.drain.cancelled().await;
    }

    /// Returns when everything is to be dropped.
    pub async fn at_once(&self) {
        self.abort.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_wish_drains_and_the_second_stops() {
        let stop = Stop::new();
        assert!(!stop.is_asked());
        stop.ask();
        assert!(stop.is_asked() && !stop.is_now());
        stop.ask();
        assert!(stop.is_now());
    }
}
