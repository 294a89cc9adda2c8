//! Ports for the processes a test starts.

use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range from which the kernel takes the ports of outgoing connections. In that range, an outgoing connection
/// may take the port of a server that is stopped for a moment. Even a client of that server may, which then connects to
/// itself.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A loopback port without a listener at this moment. Another process may take it before the caller does; then the
/// caller tries again with the next port.
pub(crate) fn free_port() -> u16 {
    // Parallel test processes start far from each other.
    let start = process::id().wrapping_mul(7_919);
    (0..COUNT)
        .map(|_| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok())
        .expect("no free port on the loopback interface")
}
