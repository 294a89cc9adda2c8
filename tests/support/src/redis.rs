//! A real `redis-server` that belongs to one test.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use tempfile::TempDir;

use crate::monitor::Monitor;
use crate::port::free_port;
use crate::process::Process;
use crate::resp::{self, RedisReply};
use crate::wait::{PATIENCE, POLL};

const SNAPSHOT: &str = "dump.rdb";
const AUTHORITY: &str = "authority.pem";
/// The files from `tls/make.sh`, with their names in the server's directory.
const TLS_FILES: [(&str, &str); 3] = [
    (AUTHORITY, include_str!("../tls/authority.pem")),
    ("server.pem", include_str!("../tls/server.pem")),
    ("server.key", include_str!("../tls/server.key")),
];

/// A Redis on a loopback port and in a directory of its own, without persistence unless requested. The address stays
/// the same when it is stopped and started.
///
/// Shared by reference: tasks of a test may use it while another task restarts it.
pub struct RedisServer {
    directory: TempDir,
    address: String,
    port: u16,
    tls_port: Option<u16>,
    /// The port of the cluster bus of a node, else empty.
    bus_port: String,
    arguments: Vec<String>,
    // `None` while it is stopped. Held while it starts and stops, so that these do not overlap.
    process: Mutex<Option<Process>>,
}

impl RedisServer {
    /// Starts an empty server and returns when it answers.
    ///
    /// # Panics
    /// When there is no `redis-server` on this machine, or it does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](RedisServer::start), with further arguments such as `["--maxmemory", "1mb"]`.
    ///
    /// # Panics
    /// As [`start`](RedisServer::start).
    pub fn start_with(arguments: &[&str]) -> Self {
        Self::start_prepared(|| Self::prepare(arguments))
    }

    /// As [`start`](RedisServer::start), with a second port for TLS: see [`tls_url`](RedisServer::tls_url).
    ///
    /// # Panics
    /// As [`start`](RedisServer::start); also when this `redis-server` knows no TLS.
    pub fn start_with_tls() -> Self {
        Self::start_prepared(|| {
            let mut server = Self::prepare(&[]);
            for (name, content) in TLS_FILES {
                fs::write(server.directory.path().join(name), content).expect("the directory takes files");
            }
            let port = free_port();
            let options =
                ["--tls-port", &port.to_string(), "--tls-auth-clients", "no", "--tls-cert-file", "server.pem"];
            server.arguments = options.into_iter().chain(["--tls-key-file", "server.key"]).map(str::to_owned).collect();
            server.tls_port = Some(port);
            server
        })
    }

    /// An empty node of a cluster that has no others yet. The cluster bus has a free port, too.
    pub(crate) fn start_node(arguments: &[&str]) -> Self {
        Self::start_prepared(|| {
            let bus = free_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let mut node = Self::prepare(&[&own, arguments].concat());
            node.bus_port = bus;
            node
        })
    }

    fn start_prepared(prepare: impl Fn() -> Self) -> Self {
        let mut failure = String::new();
        // Another process may take the port between its choice and its use.
        for _ in 0..5 {
            let server = prepare();
            match server.launch() {
                Ok(()) => return server,
                Err(log) => failure = log,
            }
        }
        panic!("redis-server does not start:\n{failure}");
    }

    /// An address at which no server answers yet: the first [`restart`](RedisServer::restart) starts one.
    pub fn not_started() -> Self {
        Self::prepare(&[])
    }

    fn prepare(arguments: &[&str]) -> Self {
        let port = free_port();
        RedisServer {
            directory: tempfile::tempdir().expect("a temporary directory"),
            address: format!("127.0.0.1:{port}"),
            port,
            tls_port: None,
            bus_port: String::new(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            process: Mutex::new(None),
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn bus_port(&self) -> &str {
        &self.bus_port
    }

    /// Whether it runs.
    pub(crate) fn runs(&self) -> bool {
        self.process().is_some()
    }

    /// Whether the text of `INFO section` has this line.
    pub(crate) fn informs(&self, section: &str, line: &str) -> bool {
        let info = resp::call(&self.address, &["INFO", section]);
        matches!(info, Ok(RedisReply::Bytes(info)) if String::from_utf8_lossy(&info).lines().any(|held| held == line))
    }

    /// The address as a `redis://` URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The address for TLS. The server's certificate is for `127.0.0.1`, by the authority of
    /// [`authority`](RedisServer::authority).
    ///
    /// # Panics
    /// When it was not started by [`start_with_tls`](RedisServer::start_with_tls).
    pub fn tls_url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.tls_port.expect("Redis was started with TLS"))
    }

    /// The certificate of the authority that has signed the server's certificate, in PEM.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join(AUTHORITY)
    }

    /// Kills it (SIGKILL): what is not in a snapshot is lost. Nothing happens when it is not running.
    pub fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Starts it at the same address with nothing in it, killing it first if it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        self.stop();
        match fs::remove_file(self.directory.path().join(SNAPSHOT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("the snapshot cannot be removed: {error}"),
            _ => self.relaunch(),
        }
    }

    /// Writes a snapshot of all keys, to be found again by
    /// [`restart_from_snapshot`](RedisServer::restart_from_snapshot).
    pub fn save_snapshot(&self) {
        self.command(&["SAVE"]);
    }

    /// Starts it at the same address with the keys of the last snapshot, killing it first if it runs.
    ///
    /// # Panics
    /// When there is no snapshot, or it does not start.
    pub fn restart_from_snapshot(&self) {
        self.stop();
        assert!(self.directory.path().join(SNAPSHOT).exists(), "no snapshot was saved");
        self.relaunch();
    }

    /// Suspends it (SIGSTOP): connections stay open, no command is answered.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Resumes a suspended server, which then executes the queued commands.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// The reply to a command, such as `["GET", "key"]`.
    ///
    /// # Panics
    /// When the server refuses it or cannot be reached.
    pub fn command(&self, command: &[&str]) -> RedisReply {
        match resp::call(&self.address, command) {
            Ok(RedisReply::Error(error)) => panic!("Redis refused {command:?}: {error}"),
            Ok(reply) => reply,
            Err(error) => panic!("Redis at {} did not answer {command:?}: {error}", self.address),
        }
    }

    /// Notes every command from now on.
    ///
    /// # Panics
    /// When the server cannot be reached.
    pub fn monitor(&self) -> Monitor<'_> {
        Monitor::of(self)
    }

    /// The keys that match `pattern`, sorted.
    ///
    /// # Panics
    /// As [`command`](RedisServer::command).
    pub fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys = self.command(&["KEYS", pattern]).texts();
        keys.sort();
        keys
    }

    /// The string under `key`, if there is one; bytes that are no UTF-8 are replaced.
    ///
    /// # Panics
    /// As [`command`](RedisServer::command).
    pub fn get(&self, key: &str) -> Option<String> {
        self.command(&["GET", key]).text()
    }

    fn signal(&self, name: &str) {
        self.process().as_ref().expect("Redis is running").signal(name);
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relaunch(&self) {
        if let Err(log) = self.launch() {
            panic!("redis-server does not start again at {}:\n{log}", self.address);
        }
    }

    /// Returns when the server answers; the error is its log.
    fn launch(&self) -> Result<(), String> {
        let mut command = Command::new("redis-server");
        command.current_dir(self.directory.path());
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--dbfilename", SNAPSHOT]).args(&self.arguments);
        let mut process = match Process::start(&mut command, self.directory.path().join("redis.log")) {
            Ok(process) => process,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                panic!("redis-server is not installed; ./test.sh installs it")
            }
            Err(error) => panic!("redis-server cannot be started: {error}"),
        };
        let started = Instant::now();
        while !self.answers() {
            if process.exited().is_some() || started.elapsed() > PATIENCE {
                return Err(process.log());
            }
            thread::sleep(POLL);
        }
        // Another process may have taken the port and may answer instead.
        if process.exited().is_some() {
            return Err(process.log());
        }
        *self.process() = Some(process);
        Ok(())
    }

    /// Whether it answers commands, which it does not while it loads a snapshot. A server that requires a password
    /// counts as up.
    fn answers(&self) -> bool {
        match resp::call(&self.address, &["PING"]) {
            Ok(RedisReply::Error(error)) => error.starts_with("NOAUTH"),
            Ok(_) => true,
            Err(_) => false,
        }
    }
}
