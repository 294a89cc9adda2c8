//! One process that a test started: its signals, its log, its end.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running process whose output goes to a file. Dropping it kills it.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    log_starts_at: usize,
}

impl Process {
    /// Starts `command` without standard input; both outputs are appended to the file `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(&log)?;
        let log_starts_at = fs::read(&log)?.len();
        let child = command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).spawn()?;
        Ok(Process { child, log, log_starts_at })
    }

    /// The output of this process so far.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(&self.log).expect("the log of the process is readable");
        String::from_utf8_lossy(bytes.get(self.log_starts_at..).unwrap_or_default()).into_owned()
    }

    /// The exit status if it has ended.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the process is our child")
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its short name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        // The shell has `kill` built in; the program of that name is missing on small systems.
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status().expect("there is a shell");
        assert!(status.success(), "`{command}` failed: {status}");
    }

    /// Kills it (SIGKILL), also when it is suspended, and waits until it has ended.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.kill().expect("our child can be killed");
        self.child.wait().expect("our child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
