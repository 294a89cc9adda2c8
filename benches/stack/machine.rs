//! The processor time that other processes used during a measurement: the used time in the kernel's statistics, minus
//! that of the benchmark and of the processes that it has started.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use std::{fs, process};

use crate::failure::Failure;

/// Above this share of all processors, other processes disturb the measurement.
pub(crate) const TOO_BUSY: f64 = 0.05;
/// The kernel reports hundredths of a second here, independent of its own clock (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// The parent of the kernel's own threads. Their work during a measurement is writing the data of the benchmark.
const KERNEL: u32 = 2;

/// The processor time until now, in ticks.
pub(crate) struct Spent {
    /// Idle time as well.
    all: u64,
    /// The time used by all processes, and the time that the host of a virtual machine took away (steal).
    busy: u64,
    /// The time used by this process, those that it has started, and the kernel's threads.
    own: u64,
}

struct Process {
    parent: u32,
    own: u64,
    /// With the time of its children that have ended.
    all: u64,
}

impl Spent {
    pub(crate) fn now() -> Result<Self, Failure> {
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("/proc/stat has no totals")?;
        let ticks: Vec<u64> = line.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        // user, nice, system, idle, iowait, irq, softirq, steal; guests are counted as users already.
        let [user, nice, system, idle, waiting, irq, softirq, steal] = ticks[..8] else {
            return Err("/proc/stat counts less than it should".into());
        };
        let busy = user + nice + system + irq + softirq + steal;
        Ok(Spent { all: busy + idle + waiting, busy, own: own(&processes()?) })
    }

    /// The share of all processors that other processes have used since.
    pub(crate) fn others_since(&self, begin: &Spent) -> f64 {
        let since = |end: u64, begin: u64| end.saturating_sub(begin) as f64;
        let others = since(self.busy, begin.busy) - since(self.own, begin.own);
        others.max(0.0) / since(self.all, begin.all).max(1.0)
    }
}

/// The processor time of that process until now.
pub(crate) fn spent_by(pid: u32) -> Result<Duration, Failure> {
    let process = read(&Path::new("/proc").join(pid.to_string())).ok_or("a process that is measured has ended")?;
    Ok(TICK * u32::try_from(process.own)?)
}

fn own(processes: &HashMap<u32, Process>) -> u64 {
    let this = process::id();
    let is_own = |pid: u32| {
        let mut next = Some(pid);
        while let Some(pid) = next {
            if pid == this || pid == KERNEL {
                return true;
            }
            next = processes.get(&pid).map(|process| process.parent);
        }
        false
    };
    processes.iter().filter(|(pid, _)| is_own(**pid)).map(|(_, process)| process.all).sum()
}

fn processes() -> Result<HashMap<u32, Process>, Failure> {
    let mut all = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        // A process that has ended in the meantime is counted by its parent.
        if let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && let Some(process) = read(&entry.path())
        {
            all.insert(pid, process);
        }
    }
    Ok(all)
}

/// The fields are those of proc_pid_stat(5), counted from behind the name, which may hold anything.
fn read(directory: &Path) -> Option<Process> {
    let stat = fs::read_to_string(directory.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    let own = ticks(11)? + ticks(12)?;
    Some(Process { parent: fields.get(1)?.parse().ok()?, own, all: own + ticks(13)? + ticks(14)? })
}
