//! The tasks of a run: as many at a time as there are places, and an orderly end of all of them.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};

use super::UploadError;
use super::line::{Halt, Line};
use crate::report::Event;

/// What works on the records of a run. The first task that fails fatally ends the others.
pub(super) struct Crew<'a> {
    line: &'a Line,
    places: Arc<Semaphore>,
    tasks: JoinSet<Result<(), Halt>>,
    fatal: Option<UploadError>,
}

impl<'a> Crew<'a> {
    pub(super) fn new(line: &'a Line, places: usize) -> Self {
        Self { line, places: Arc::new(Semaphore::new(places)), tasks: JoinSet::new(), fatal: None }
    }

    /// Waits for a place, then for an item. `None`: the stream is at its end, or nothing new is to be begun.
    pub(super) async fn next<T>(&mut self, item: impl Future<Output = Option<T>>) -> Option<(T, OwnedSemaphorePermit)> {
        while let Some(ended) = self.tasks.try_join_next() {
            self.took(ended);
        }
        let places = Arc::clone(&self.places);
        let next = async {
            let place = places.acquire_owned().await.expect("the places are never closed");
            item.await.map(|item| (item, place))
        };
        self.line.unless_asked(next).await.ok().flatten()
    }

    /// Gives a task to the crew.
    pub(super) fn take_on(&mut self, task: impl Future<Output = Result<(), Halt>> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for all tasks, and says once that the run is being stopped, if it is.
    pub(super) async fn finish(mut self) -> Result<(), UploadError> {
        let mut has_told = false;
        loop {
            tokio::select! {
                // What was asked for before is told before the tasks that end because of it.
                biased;
                () = self.line.stop.asked(), if !has_told => {
                    has_told = true;
                    self.line.reporter.event(&Event::Stopping { in_flight: self.line.limiter.in_flight() });
                }
                ended = self.tasks.join_next() => match ended {
                    Some(ended) => self.took(ended),
                    None => break,
                },
            }
        }
        self.fatal.map_or(Ok(()), Err)
    }

    fn took(&mut self, ended: Result<Result<(), Halt>, JoinError>) {
        let error = match ended {
            Ok(Ok(()) | Err(Halt::Interrupted)) => return,
            Ok(Err(Halt::Fatal(error))) => error,
            Err(panic) => UploadError::Bug { what: panic.to_string() },
        };
        self.line.halt.cancel();
        self.fatal.get_or_insert(error);
    }
}
