//! Ctrl-C and SIGTERM: once to finish what is in flight, twice to stop now.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::cli::exit::{Exit, Failure};

/// How often the operator has asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    times: Arc<AtomicU8>,
}

impl Interrupt {
    /// Listens on this runtime; `heard` is called at each signal with how many there were.
    ///
    /// Listening has begun when this returns, so that no signal ends the process any more.
    pub fn listen(runtime: &tokio::runtime::Runtime, heard: impl Fn(u8) + Send + 'static) -> Result<Self, Failure> {
        let interrupt = Self::default();
        let times = Arc::clone(&interrupt.times);
        let _entered = runtime.enter();
        let failed = |cause| Failure::new(Exit::Stopped, format_args!("signals cannot be heard: {cause}"));
        let mut signals = Signals::new().map_err(failed)?;
        runtime.spawn(async move {
            loop {
                signals.next().await;
                let now = times.load(Ordering::Relaxed).saturating_add(1);
                times.store(now, Ordering::Relaxed);
                heard(now);
            }
        });
        Ok(interrupt)
    }

    /// Whether the operator has asked to stop.
    pub fn is_asked(&self) -> bool {
        self.times.load(Ordering::Relaxed) > 0
    }

    /// For loops that can be left.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The runtime of a command.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|cause| Failure::new(Exit::Stopped, format_args!("the async runtime cannot start: {cause}")))
}
