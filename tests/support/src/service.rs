//! The service's binary, run by a test.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client::Client;
use crate::port::free_port;
use crate::postgres::{self, PostgresServer};
use crate::process::Process;
use crate::redis::RedisServer;
use crate::wait::{PATIENCE, POLL};

/// No server listens on the lowest port: connections are refused at once.
const NOBODY: &str = "127.0.0.1:1";

/// The settings of a service to start. By default it has memory and Redis as tiers, no reachable Redis, a database of
/// its own, and no warming of the cache. The environment contains only the settings made here, and the working
/// directory is empty.
#[derive(Clone, Debug)]
pub struct ServiceBuilder {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    on_sqlite: bool,
}

impl ServiceBuilder {
    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// Uses that Redis.
    pub fn redis(self, redis: &RedisServer) -> Self {
        self.env("REDIS_ADDR", redis.address())
    }

    /// Uses an address of Redis that refuses connections.
    pub fn without_redis(self) -> Self {
        self.env("REDIS_ADDR", NOBODY)
    }

    /// Sets the backend: `tiered`, `redis`, `memory` or `none`.
    pub fn backend(self, name: &str) -> Self {
        self.env("CACHE_BACKEND", name)
    }

    /// Uses the database in that file, which outlives the service.
    pub fn database(self, path: &Path) -> Self {
        self.env("DB_PATH", path.display())
    }

    /// Uses the database in that file together with other instances.
    pub fn shared_db(self, path: &Path) -> Self {
        self.database(path).env("SHARED_DB", true)
    }

    /// Keeps its SQLite file, whichever database the tests run on: for what only SQLite does.
    pub fn on_sqlite(mut self) -> Self {
        self.on_sqlite = true;
        self
    }

    /// Runs a command of the service with these settings, and `input` as its standard input. Returns its exit status
    /// and its output.
    ///
    /// # Panics
    /// When the binary cannot be run.
    pub fn command(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_clear().envs(&self.environment);
        if let Some(path) = self.environment.get("DB_PATH") {
            self.choose_database(&mut command, Path::new(path));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut stdin = child.stdin.take().expect("a standard input");
        // A command that does not read its input has closed it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("the command ends")
    }

    /// Starts it and returns when it is ready.
    ///
    /// # Panics
    /// With its log, when it ends or is not ready in time.
    pub async fn start(self) -> Service {
        self.try_start().await.unwrap_or_else(|exit| panic!("{exit}"))
    }

    /// Starts it, for tests in which it may refuse to start.
    ///
    /// # Errors
    /// [`EarlyExit`] when it ends before it is ready.
    ///
    /// # Panics
    /// When it neither ends nor is ready in time.
    pub async fn try_start(self) -> Result<Service, EarlyExit> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // A directory of its own, so that no file of another service in the working directory is used.
        fs::create_dir(directory.path().join("work")).expect("a directory to work in");
        let running = self.launch(directory.path()).await?;
        Ok(Service { builder: self, running: Some(running.process), client: running.client, directory })
    }

    /// With `HOTSHELF_TEST_DATABASE=postgres`, a database of a server stands for each file. A service that keeps its
    /// cache in memory alone has its database alone, too, and keeps its file.
    fn choose_database(&self, command: &mut Command, file: &Path) {
        let alone = self.environment.get("CACHE_BACKEND").is_some_and(|backend| backend == "memory");
        if postgres::is_chosen() && !alone && !self.on_sqlite && !self.environment.contains_key("DATABASE_URL") {
            let server = PostgresServer::shared();
            let url = server.url(&server.database_instead_of(file));
            command.env_remove("DB_PATH").env_remove("SHARED_DB").env("DATABASE_URL", url);
        }
    }

    async fn launch(&self, directory: &Path) -> Result<Running, EarlyExit> {
        for _ in 0..5 {
            match self.launch_on(free_port(), directory).await {
                // Another process may take the port between its choice and its use.
                Err(exit) if exit.lost_its_port() && !self.environment.contains_key("HTTP_PORT") => {}
                outcome => return outcome,
            }
        }
        panic!("five ports in a row were taken by others before the service came to listen");
    }

    async fn launch_on(&self, port: u16, directory: &Path) -> Result<Running, EarlyExit> {
        let Running { mut process, client } = self.spawn(port, directory);
        let started = Instant::now();
        loop {
            if let Some(status) = process.exited() {
                return Err(EarlyExit { status, log: process.log() });
            }
            if client.get("/health/ready").try_send().await.is_ok_and(|reply| reply.status == 200) {
                return Ok(Running { process, client });
            }
            assert!(started.elapsed() < PATIENCE, "not ready after {PATIENCE:?}:\n{}", process.log());
            tokio::time::sleep(POLL).await;
        }
    }

    fn spawn(&self, port: u16, directory: &Path) -> Running {
        let mut command = Command::new(&self.binary);
        command.current_dir(directory.join("work")).env_clear();
        // The cache is not warmed unless a test requests it, because tests expect an empty cache.
        command.env("WARM_INTERVAL", "0s");
        command.env("HTTP_PORT", port.to_string()).env("DB_PATH", own_database(directory)).envs(&self.environment);
        let path = self.environment.get("DB_PATH").map_or_else(|| own_database(directory), PathBuf::from);
        self.choose_database(&mut command, &path);
        let process = Process::start(&mut command, log_file(directory))
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", self.binary.display()));
        Running { process, client: Client::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) }
    }
}

fn own_database(directory: &Path) -> PathBuf {
    directory.join("products.db")
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("service.log")
}

struct Running {
    process: Process,
    client: Client,
}

/// The service ended before it was ready.
#[derive(Clone, Debug)]
pub struct EarlyExit {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output and standard error.
    pub log: String,
}

impl EarlyExit {
    fn lost_its_port(&self) -> bool {
        self.log.to_lowercase().contains("address already in use")
    }
}

impl fmt::Display for EarlyExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service ended at its start ({}):\n{}", self.status, self.log)
    }
}

/// A running service, and a [`Client`] of it.
///
/// Dropping it kills the service. The test fails if the service had ended by itself, or if its log contains a panic.
pub struct Service {
    builder: ServiceBuilder,
    // Dropped before the directory, which is removed when it is not used any more. `None` once the test has ended the
    // service.
    running: Option<Process>,
    client: Client,
    directory: TempDir,
}

impl Service {
    /// Returns a builder for a service with this `binary`; in the tests of a package with a binary `hotshelf`, that is
    /// `env!("CARGO_BIN_EXE_hotshelf")`.
    pub fn builder(binary: impl Into<PathBuf>) -> ServiceBuilder {
        ServiceBuilder { binary: binary.into(), environment: BTreeMap::new(), on_sqlite: false }.without_redis()
    }

    /// The client, which tasks can clone. A restart replaces it.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The file of its database.
    pub fn database(&self) -> PathBuf {
        match self.builder.environment.get("DB_PATH") {
            Some(path) => PathBuf::from(path),
            None => own_database(self.directory.path()),
        }
    }

    /// The output of the running process so far; if none runs, that of all processes of this service.
    pub fn log(&self) -> String {
        match &self.running {
            Some(process) => process.log(),
            None => fs::read_to_string(log_file(self.directory.path())).expect("the log is readable"),
        }
    }

    /// The id of the running process.
    pub fn pid(&self) -> u32 {
        self.process().id()
    }

    /// Sends a signal by its short name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        self.process().signal(name);
    }

    /// Kills it (SIGKILL), at any point of its work.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.running.take() {
            process.kill();
        }
    }

    /// Asks it to stop (SIGTERM) and returns how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.exit(PATIENCE).await
    }

    /// Waits until it ends and returns how it ended.
    ///
    /// # Panics
    /// When it does not end within `deadline`.
    pub async fn exit(&mut self, deadline: Duration) -> ExitStatus {
        let mut process = self.running.take().expect("the service is running");
        let started = Instant::now();
        loop {
            if let Some(status) = process.exited() {
                check_log(&process.log());
                return status;
            }
            assert!(started.elapsed() < deadline, "still running after {deadline:?}:\n{}", process.log());
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts it again with the same settings on the same database, killing it first if it runs. The port is
    /// another one.
    ///
    /// # Panics
    /// As [`ServiceBuilder::start`].
    pub async fn restart(&mut self) {
        self.kill();
        let running = self.builder.launch(self.directory.path()).await.unwrap_or_else(|exit| panic!("{exit}"));
        self.running = Some(running.process);
        self.client = running.client;
    }

    /// Starts it again like [`restart`](Service::restart), but returns at once, for tests of the time before it is
    /// ready.
    pub fn begin(&mut self) {
        self.kill();
        let Running { process, client } = self.builder.spawn(free_port(), self.directory.path());
        (self.running, self.client) = (Some(process), client);
    }

    fn process(&self) -> &Process {
        self.running.as_ref().expect("the service is running")
    }
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let Some(process) = &mut self.running else { return };
        let ended = process.exited();
        process.kill();
        let log = process.log();
        if thread::panicking() {
            eprintln!("--- log of the service\n{log}--- end of the log");
            return;
        }
        assert!(ended.is_none(), "the service had ended by itself ({ended:?}):\n{log}");
        check_log(&log);
    }
}

/// A panic in a handler is answered with 500, and one in a task ends the task. Both are defects, even if the test did
/// not notice.
fn check_log(log: &str) {
    assert!(!log.contains("panicked at"), "the service panicked:\n{log}");
}
