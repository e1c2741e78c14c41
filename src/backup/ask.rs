//! Questions to FreeScout: limited, and asked again as long as that may help.
//!
//! Everything here only reads, so every request may be repeated.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use serde::de::DeserializeOwned;

use super::walk::{Fetch, Listed};
use crate::freescout::{ApiError, Client, ErrorKind, Page, Rows, Verdict};
use crate::report::{Reporter, Silence};
use crate::upload;
use crate::upload::limiter::{Asks, Limiter, Permit, Reply};

/// How often a question is asked that the server meets with a fault. What fails four times fails for a reason of its own.
const FAULTS: u32 = 4;

/// How long a server that cannot be reached is waited for: longer than a restart or an update takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Asks under the operator's limits.
#[derive(Clone)]
pub(crate) struct Asker {
    pub client: Client,
    limiter: Arc<Limiter>,
}

impl Asker {
    pub fn new(client: Client, options: &super::Options) -> Self {
        let (concurrency, rate, window) = (options.concurrency, options.rate, options.window.clone());
        let limits = upload::Options { concurrency, rate, window, ..upload::Options::default() };
        Self::within(client, &limits, Arc::new(Silence))
    }

    /// Within these limits; pauses are told.
    pub fn within(client: Client, limits: &upload::Options, reporter: Arc<dyn Reporter>) -> Self {
        Self { client, limiter: Limiter::new(limits, reporter) }
    }

    /// Pages of a list, for a [`Walk`](super::walk::Walk).
    pub fn pages<T: Listed + DeserializeOwned>(&self, rows: Rows) -> Fetch<T> {
        let asker = self.clone();
        let rows = Arc::new(rows);
        Arc::new(move |page: Page| {
            let (asker, rows) = (asker.clone(), Arc::clone(&rows));
            async move {
                asker
                    .ask(|client| {
                        let rows = Arc::clone(&rows);
                        async move { client.rows(&rows, page).await }
                    })
                    .await
            }
            .boxed()
        })
    }

    /// The right to ask. Nobody has it while the target is ill but those who try whether it still is; who has
    /// seen it fail gives up when it stays away.
    async fn permit(&self, seen: &mut Option<ApiError>) -> Result<Permit, ApiError> {
        loop {
            if let Ok(permit) = tokio::time::timeout(LONGEST_PAUSE, self.limiter.permit(Asks::Read)).await {
                return Ok(permit);
            }
            if self.limiter.silent_for() > PATIENCE
                && let Some(error) = seen.take()
            {
                return Err(error);
            }
        }
    }

    /// Asks until there is an answer, a refusal, or no hope.
    pub async fn ask<T, F, Fut>(&self, question: F) -> Result<T, ApiError>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, ApiError>>,
    {
        let begun = tokio::time::Instant::now();
        let mut seen = None;
        let mut faults = 0;
        let mut tries = 0_u32;
        loop {
            let permit = self.permit(&mut seen).await?;
            let error = match question(self.client.clone()).await {
                Ok(answer) => {
                    permit.give_back(Reply::Fine);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            tries += 1;
            let pause = Duration::from_millis(200 << tries.min(8)).min(LONGEST_PAUSE).mul_f64(0.5 + fastrand::f64());
            match error.verdict() {
                Verdict::Throttled { retry_after } => {
                    permit.give_back(Reply::Strained);
                    if begun.elapsed() > PATIENCE * 4 {
                        return Err(error);
                    }
                    self.limiter.pause(retry_after.unwrap_or(pause));
                }
                Verdict::Refused | Verdict::Unauthorised => {
                    permit.give_back(Reply::Fine);
                    return Err(error);
                }
                Verdict::Transient | Verdict::Unknown => {
                    let is_there = error.status().is_some();
                    permit.give_back(if is_there { Reply::Failing } else { Reply::Unreachable });
                    faults += u32::from(is_there);
                    if faults >= FAULTS || begun.elapsed() > PATIENCE {
                        return Err(error);
                    }
                    seen = Some(error);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Whether the server cannot answer this one question, and may well answer others.
pub(crate) fn is_about_this(error: &ApiError) -> bool {
    matches!(error.kind(), ErrorKind::ServerFault | ErrorKind::BadAnswer | ErrorKind::Puzzling)
}

/// FreeScout's clock when it answered; this machine's if it does not say.
pub(crate) fn clock(date: Option<Timestamp>) -> Timestamp {
    date.unwrap_or_else(Timestamp::now)
}
