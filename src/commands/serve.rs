//! `hotshelf serve`: runs the service until a signal stops it, then stops the modules in reverse order.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::failure::Failure;
use crate::wiring;

/// The exit code that shells give a process that SIGINT has ended: 128 and the number of the signal.
const KILLED: i32 = 130;

pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    // Before anything starts: a signal during the start must not be lost.
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
            process::exit(KILLED);
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
