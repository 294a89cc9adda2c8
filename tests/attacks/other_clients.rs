//! Requests of other clients during an attack.

use std::time::{Duration, Instant};

use hotshelf_testkit::{Request, Service};

/// Far more than a client should wait, and far less than an attack takes.
const LONGEST: Duration = Duration::from_secs(5);

/// The times of one kind of request.
pub(crate) struct Times {
    what: &'static str,
    times: Vec<Duration>,
}

impl Times {
    pub(crate) fn of(what: &'static str) -> Self {
        Times { what, times: Vec::new() }
    }

    /// Sends a request that must succeed.
    pub(crate) async fn take(&mut self, request: Request, status: u16) {
        let begun = Instant::now();
        request.await.expect(status);
        self.times.push(begun.elapsed());
    }

    /// Prints the times, and checks that no request took too long.
    pub(crate) fn report(mut self) {
        self.times.sort();
        let at = |share: usize| self.times[(self.times.len() * share / 100).min(self.times.len() - 1)];
        let (p50, p99, count) = (at(50), at(99), self.times.len());
        println!("{}: {count} requests, p50 {p50:.1?}, p99 {p99:.1?}", self.what);
        assert!(p99 < LONGEST, "{}: p99 {p99:?}", self.what);
    }
}

/// Memory of the process, now and at its peak, in MiB.
pub(crate) fn memory(service: &Service) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let of = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}
