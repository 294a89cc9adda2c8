//! A real PgBouncer in front of a PostgreSQL server.

use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::process::Process;
use crate::wait::block_until;

/// Between two looks whether it has ended.
const AGAIN: Duration = Duration::from_millis(20);

/// A PgBouncer. Dropping it ends it. When it ends by itself, as version 1.18 does now and then under load, it is
/// started again, as a service manager does.
pub struct Pooler {
    port: u16,
    ending: Arc<AtomicBool>,
    keeper: Option<JoinHandle<()>>,
}

impl Pooler {
    /// Returns when it listens on that port.
    pub(crate) fn start(mut command: Command, log: PathBuf, port: u16) -> Self {
        let mut start = move || Process::start(&mut command, log.clone()).expect("there is pgbouncer");
        let mut process = start();
        let ending = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ending);
        let keep = move || {
            while !told.load(Ordering::Relaxed) {
                if process.exited().is_some() {
                    process = start();
                }
                thread::sleep(AGAIN);
            }
        };
        let pooler = Pooler { port, ending, keeper: Some(thread::spawn(keep)) };
        block_until("PgBouncer listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        pooler
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        self.keeper.take().map(JoinHandle::join);
    }
}
