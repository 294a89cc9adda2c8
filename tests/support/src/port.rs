//! Ports for the processes a test starts.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections. Above that line, a port whose
/// server is stopped for a moment may be taken by any connection, even by the one that looks for the server, which then
/// talks to itself.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback port nobody listens on at this moment. Nothing keeps another process from taking it before the caller
/// does: who starts a server on it tries again with the next when that happens.
pub(crate) fn free_port() -> u16 {
    // Test processes that run side by side start far from each other.
    let start = process::id().wrapping_mul(7_919);
    (0..COUNT)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("no free port on the loopback interface")
}
