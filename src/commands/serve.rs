//! `hotshelf serve`: run until told to stop, then stop in order.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Failure;
use crate::config::Config;
use crate::wiring;

/// What a shell reports of a process that a signal has ended: 128 and the number of SIGINT.
const ENDED_AT_ONCE: i32 = 130;

pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    // Before anything starts, so that a signal during the start is not lost.
    let mut signals = StopSignals::listen().map_err(Failure::Signals)?;
    let running = tokio::select! {
        started = wiring::serve(config) => started?,
        () = signals.next() => return Ok(()),
    };
    tracing::info!("started");
    signals.next().await;
    tracing::info!("stopping; a second signal ends at once");
    tokio::select! {
        stopped = running.stop() => stopped?,
        () = signals.next() => {
            tracing::warn!("ended at once");
            process::exit(ENDED_AT_ONCE);
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// SIGTERM and Ctrl-C.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(StopSignals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
