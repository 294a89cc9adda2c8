//! What the system knows about this process, under the names and with the meanings that all Prometheus clients share.
//! Read from `/proc` at each scrape; elsewhere than on Linux, there are no such metrics.

use std::fs;
use std::sync::Mutex;

use prometheus::Counter;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

use crate::registry::{MetricsError, Registry};

/// Numbers of `/proc/self/stat`, counted from the state on, which follows the name of the program: see proc(5).
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const THREADS: usize = 17;
const START_TICKS: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

pub(crate) fn register(registry: &Registry) -> Result<(), MetricsError> {
    let time = Counter::new("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")?;
    registry.collector(CpuTime { time, counting: Mutex::default() })?;
    let gauge = |name, help, read: fn() -> u64| registry.watch_gauge(name, help, &[], read);
    gauge("process_open_fds", "Number of open file descriptors.", open_files);
    gauge("process_max_fds", "Maximum number of open file descriptors.", most_open_files);
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", || stat(VIRTUAL_BYTES));
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", || {
        stat(RESIDENT_PAGES) * page_size() as u64
    });
    gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.", start_time);
    gauge("process_threads", "Number of OS threads in the process.", || stat(THREADS));
    Ok(())
}

struct CpuTime {
    time: Counter,
    counting: Mutex<()>,
}

impl Collector for CpuTime {
    fn desc(&self) -> Vec<&Desc> {
        self.time.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Two scrapes at the same time would both count what has been used since the last one.
        let _one_at_a_time = self.counting.lock();
        let used = (stat(USER_TICKS) + stat(SYSTEM_TICKS)) as f64 / clock_ticks_per_second() as f64;
        self.time.inc_by((used - self.time.get()).max(0.0));
        self.time.collect()
    }
}

/// 0 where the system does not tell.
fn stat(field: usize) -> u64 {
    let read = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program is in parentheses, and may have spaces and parentheses itself.
        stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.parse().ok()
    };
    read().unwrap_or(0)
}

fn open_files() -> u64 {
    // One of them is the directory that is read.
    fs::read_dir("/proc/self/fd").map_or(0, |open| open.count().saturating_sub(1) as u64)
}

fn most_open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn start_time() -> u64 {
    let boot = || {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse::<u64>().ok()
    };
    boot().unwrap_or(0) + stat(START_TICKS) / clock_ticks_per_second()
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    fn value(page: &str, name: &str) -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
    }

    #[test]
    fn the_page_tells_what_the_process_uses() {
        let registry = Registry::new().unwrap();
        let kept_open = fs::File::open("/proc/self/stat").unwrap();
        let page = registry.page().unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value(&page, "process_start_time_seconds");
        assert!((-2.0..3_600.0).contains(&age), "the process began {age} s ago");
        let (resident, size) =
            (value(&page, "process_resident_memory_bytes"), value(&page, "process_virtual_memory_bytes"));
        assert!((1e6..size).contains(&resident), "{resident} of {size} bytes are resident");
        // The thread of the test and the one that started it.
        assert!(value(&page, "process_threads") >= 2.0);
        let (open, most) = (value(&page, "process_open_fds"), value(&page, "process_max_fds"));
        assert!((4.0..=most).contains(&open), "{open} of {most} files are open");
        drop(kept_open);
        while value(&registry.page().unwrap(), "process_cpu_seconds_total") <= 0.0 {}
    }
}
