//! A real PostgreSQL server that belongs to a test, or to all tests of a process.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use tempfile::TempDir;

use crate::pooler::Pooler;
use crate::port::free_port;
use crate::psql::Psql;
use crate::wait::block_until;

/// The role of the service: an ordinary one, which owns its databases.
const ROLE: &str = "hotshelf";
const PASSWORD: &str = "secret";

const AUTHORITY: &str = "authority.pem";
/// The files from `tls/make.sh`.
const TLS_FILES: [(&str, &str); 3] = [
    (AUTHORITY, include_str!("../tls/authority.pem")),
    ("server.pem", include_str!("../tls/server.pem")),
    ("server.key", include_str!("../tls/server.key")),
];

/// Tests end by themselves, and what is on disk goes with them: nothing has to reach it.
const SETTINGS: [&str; 7] = [
    "fsync=off",
    "full_page_writes=off",
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "shared_buffers=64MB",
    "wal_keep_size=64MB",
    "hot_standby_feedback=on",
];
/// Replication and the tests themselves need no password, the service does.
const ACCESS: &str = "local all all trust
host replication all 127.0.0.1/32 trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";
/// Runs the server until its standard input ends: so it ends with the test, however that ends. With a directory, that
/// goes, too.
const UNTIL_THE_TEST_ENDS: &str = r#"directory=$1; shift
"$@" & server=$!
cat >/dev/null
kill -QUIT "$server" 2>/dev/null; wait "$server" 2>/dev/null
[ -z "$directory" ] || rm -rf "$directory""#;

/// A PostgreSQL server on a loopback port and in a directory of its own. The address stays the same when it is stopped
/// and started.
///
/// Shared by reference: tasks of a test may use it while another task restarts it.
pub struct PostgresServer {
    /// Removed with the server, unless that is shared.
    _directory: Option<TempDir>,
    root: PathBuf,
    port: u16,
    settings: Vec<String>,
    instead_of: Mutex<HashMap<PathBuf, String>>,
    // Held while it starts and stops, so that these do not overlap.
    running: Mutex<Option<Child>>,
}

/// Whether the services of the tests use PostgreSQL, each its own database on one server, instead of SQLite.
pub(crate) fn is_chosen() -> bool {
    match std::env::var("HOTSHELF_TEST_DATABASE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("HOTSHELF_TEST_DATABASE is sqlite or postgres, not {other}"),
    }
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl PostgresServer {
    /// Starts an empty server and returns when it answers.
    ///
    /// # Panics
    /// When there is no PostgreSQL on this machine, or it does not start.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](PostgresServer::start), with further settings such as `["synchronous_standby_names=*"]`.
    ///
    /// # Panics
    /// As [`start`](PostgresServer::start).
    pub fn start_with(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().to_owned();
        let server = Self::in_directory(Some(directory), root, settings);
        server.make();
        server
    }

    /// As [`start`](PostgresServer::start), with TLS, of which [`tls_authority`](PostgresServer::tls_authority) is the
    /// authority.
    ///
    /// # Panics
    /// As [`start`](PostgresServer::start).
    pub fn start_with_tls() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().to_owned();
        let mut server = Self::in_directory(Some(directory), root, &["ssl=on"]);
        for (name, content) in TLS_FILES {
            let path = server.root.join(name);
            fs::write(&path, content).expect("written");
            // PostgreSQL refuses a key that others can read.
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our file");
            server.own(&path);
        }
        for (setting, name) in [("ssl_cert_file", "server.pem"), ("ssl_key_file", "server.key")] {
            server.settings.push(format!("{setting}={}", server.root.join(name).display()));
        }
        server.make();
        server
    }

    /// The file with the certificate of the authority.
    pub fn tls_authority(&self) -> PathBuf {
        self.root.join(AUTHORITY)
    }

    /// Starts a PgBouncer in front of it, with this `pool_mode`, and returns it with its port.
    ///
    /// # Panics
    /// When there is no `pgbouncer` on this machine, or it does not start.
    pub fn pooler(&self, mode: &str) -> Pooler {
        self.pooler_at(mode, free_port())
    }

    /// The same on that port, such as that of one that was dropped.
    ///
    /// # Panics
    /// As [`pooler`](PostgresServer::pooler).
    pub fn pooler_at(&self, mode: &str, port: u16) -> Pooler {
        let (settings, users) = (self.root.join("pgbouncer.ini"), self.root.join("users.txt"));
        fs::write(&users, format!("\"{ROLE}\" \"{PASSWORD}\"\n")).expect("written");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = {mode}\n\
             default_pool_size = 100\nmax_client_conn = 400\n",
            self.port,
            users.display()
        );
        fs::write(&settings, text).expect("written");
        self.own(&settings);
        self.own(&users);
        let mut pgbouncer = self.as_postgres(Path::new("/usr/sbin/pgbouncer"));
        pgbouncer.arg("-q").arg(&settings);
        Pooler::start(pgbouncer, self.root.join("pgbouncer.log"), port)
    }

    /// The server of all tests of this process. It ends with the process.
    ///
    /// # Panics
    /// As [`start`](PostgresServer::start).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(|| {
            let root = tempfile::tempdir().expect("a directory").keep();
            let server = Self::in_directory(None, root, &[]);
            server.make();
            server
        })
    }

    /// A standby that follows the primary.
    ///
    /// # Panics
    /// As [`start`](PostgresServer::start).
    pub fn standby_of(primary: &PostgresServer, settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().to_owned();
        let standby = Self::in_directory(Some(directory), root, settings);
        standby.follow(primary);
        standby
    }

    /// Forgets what it has, while it is stopped, and starts as a standby of the primary.
    ///
    /// # Panics
    /// As [`start`](PostgresServer::start).
    pub fn follow(&self, primary: &PostgresServer) {
        let (port, data) = (primary.port.to_string(), self.data());
        // Of a new one, there is none yet.
        let _ = fs::remove_dir_all(&data);
        let copied = self
            .program("pg_basebackup")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", "fast", "-R", "-D"])
            .arg(&data)
            .output();
        succeeded("pg_basebackup", copied);
        self.start_again();
    }

    fn in_directory(directory: Option<TempDir>, root: PathBuf, settings: &[&str]) -> Self {
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("our directory");
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let (port, instead_of, running) = (free_port(), Mutex::default(), Mutex::default());
        let server = PostgresServer { _directory: directory, root, port, settings, instead_of, running };
        server.own(&server.root);
        server
    }

    /// Makes it a file of the user that PostgreSQL runs as.
    fn own(&self, path: &Path) {
        if is_root() {
            succeeded("chown", Command::new("chown").arg("postgres").arg(path).output());
        }
    }

    /// Makes a cluster, and the role of the service.
    fn make(&self) {
        let made = self
            .program("initdb")
            .args(["-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-A", "trust", "-D"])
            .arg(self.data())
            .output();
        succeeded("initdb", made);
        fs::write(self.data().join("pg_hba.conf"), ACCESS).expect("written");
        self.start_again();
        self.run("postgres", &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"));
    }

    /// Starts it where it was stopped or killed, and returns when it answers.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let mut running = self.running();
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.data()).args(["-p", &self.port.to_string(), "-k"]).arg(&self.root);
        for setting in SETTINGS.iter().copied().chain(self.settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.root.join("log")).expect("a log");
        let leftover = if self._directory.is_none() { self.root.as_path() } else { Path::new("") };
        let mut shell = Command::new("sh");
        shell.args(["-c", UNTIL_THE_TEST_ENDS, "sh"]).arg(leftover).arg(server.get_program()).args(server.get_args());
        shell.stdin(Stdio::piped()).stdout(log.try_clone().expect("a log")).stderr(log);
        *running = Some(shell.spawn().expect("there is a shell"));
        drop(running);
        let port = self.port.to_string();
        block_until("PostgreSQL answers", || {
            let mut asked = self.program("pg_isready");
            asked.args(["-q", "-p", &port, "-h"]).arg(&self.root).status().is_ok_and(|status| status.success())
        });
    }

    /// Stops it: what is under way is ended.
    ///
    /// # Panics
    /// When it does not run.
    pub fn stop(&self) {
        self.end("INT");
    }

    /// Kills it and all its processes, as a loss of power would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        self.end("KILL");
    }

    fn end(&self, signal: &str) {
        let mut running = self.running();
        let mut shell = running.take().expect("it runs");
        let processes = self.processes();
        let (main, others) = processes.split_last().expect("it runs");
        if signal == "KILL" {
            others.iter().for_each(|process| signal_to(*process, signal));
        }
        signal_to(*main, signal);
        block_until("PostgreSQL has ended", || processes.iter().all(|process| !is_alive(*process)));
        drop(shell.stdin.take());
        shell.wait().expect("our child");
    }

    /// Suspends all its processes: it neither answers nor closes its connections.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.processes().iter().rev().for_each(|process| signal_to(*process, "STOP"));
    }

    /// Ends a [`pause`](PostgresServer::pause).
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.processes().iter().for_each(|process| signal_to(*process, "CONT"));
    }

    /// Makes a standby a primary, and returns when it is one.
    ///
    /// # Panics
    /// When it is none.
    pub fn promote(&self) {
        assert_eq!(self.ask("postgres", "SELECT pg_promote(true, 60)"), "t");
    }

    /// Makes an empty database of the role of the service, and returns its name.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"));
        name
    }

    /// The name of the database that stands for this file: the same for the same path, made when it is first asked for.
    ///
    /// # Panics
    /// When it cannot be made.
    pub(crate) fn database_instead_of(&self, file: &Path) -> String {
        let mut known = self.instead_of.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(file.to_owned()).or_insert_with(|| self.database()).clone()
    }

    /// The name of the database that stands for this file, if a service was started with it.
    pub(crate) fn known_instead_of(&self, file: &Path) -> Option<String> {
        self.instead_of.lock().unwrap_or_else(PoisonError::into_inner).get(file).cloned()
    }

    /// A session of the role of the service.
    pub(crate) fn session(&self, database: &str) -> Psql {
        Psql::start(self.program("psql").args(["-d", &self.url(database)]))
    }

    /// The address of a database, with the user and the password of the service.
    pub fn url(&self, database: &str) -> String {
        self.url_at(database, &[self.port])
    }

    /// The address of a database on several loopback ports, such as those of proxies.
    pub fn url_at(&self, database: &str, ports: &[u16]) -> String {
        let hosts: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("postgres://{ROLE}:{PASSWORD}@{}/{database}", hosts.join(","))
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in a database, as its superuser.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, database: &str, sql: &str) {
        self.ask(database, sql);
    }

    /// Runs SQL in a database, as its superuser, and returns what it selects: a line for each row, with `|` between
    /// columns.
    ///
    /// # Panics
    /// When it fails.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let asked = self
            .program("psql")
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-p",
                &self.port.to_string(),
                "-h",
            ])
            .arg(&self.root)
            .args(["-d", database, "-c", sql])
            .output();
        succeeded("psql", asked).trim_end().to_owned()
    }

    /// A copy of all its files, while it is stopped.
    ///
    /// # Panics
    /// When they cannot be copied.
    pub fn snapshot(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a directory");
        let copied = Command::new("cp").arg("-a").arg(self.data()).arg(copy.path().join("data")).output();
        succeeded("cp", copied);
        copy
    }

    /// Puts it back to that state, while it is stopped.
    ///
    /// # Panics
    /// When the files cannot be copied.
    pub fn put_back(&self, snapshot: &TempDir) {
        fs::remove_dir_all(self.data()).expect("our directory");
        let copied = Command::new("cp").arg("-a").arg(snapshot.path().join("data")).arg(self.data()).output();
        succeeded("cp", copied);
    }

    /// All of a database, as SQL.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn dump(&self, database: &str) -> String {
        let mut dump = self.program("pg_dump");
        dump.args(["-U", "postgres", "-p", &self.port.to_string(), "-h"]).arg(&self.root).arg(database);
        succeeded("pg_dump", dump.output())
    }

    /// Runs what [`dump`](PostgresServer::dump) has returned.
    ///
    /// # Panics
    /// When it fails.
    pub fn restore(&self, database: &str, dump: &str) {
        let file = self.root.join("restore.sql");
        fs::write(&file, dump).expect("written");
        let mut restore = self.program("psql");
        restore.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-p", &self.port.to_string(), "-h"]);
        restore.arg(&self.root).args(["-d", database, "-f"]).arg(&file);
        succeeded("psql", restore.output());
    }

    /// What it has logged.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).expect("the log is readable")
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn running(&self) -> MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its processes, the first one last.
    fn processes(&self) -> Vec<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let main: u32 = file.lines().next().and_then(|line| line.trim().parse().ok()).expect("a process id");
        let children = Command::new("ps").args(["-o", "pid=", "--ppid", &main.to_string()]).output();
        let children = String::from_utf8(children.expect("there is ps").stdout).expect("numbers");
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).chain([main]).collect()
    }

    /// A program of PostgreSQL. It refuses to run as root.
    fn program(&self, name: &str) -> Command {
        self.as_postgres(&programs().join(name))
    }

    fn as_postgres(&self, path: &Path) -> Command {
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(&self.root).env_remove("PGOPTIONS").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut shell) = self.running().take() {
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }
}

/// Where Debian installs them, the newest version first; else where the shell finds them.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    newest.map_or_else(PathBuf::new, |version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn signal_to(process: u32, name: &str) {
    // One that ends by itself meanwhile is as good.
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {process} 2>/dev/null")]).status();
}

fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which is in parentheses.
    status.rsplit(')').next().is_some_and(|rest| !matches!(rest.trim_start().chars().next(), None | Some('Z')))
}

fn succeeded(program: &str, output: io::Result<Output>) -> String {
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}: is PostgreSQL installed?"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} failed: {said}");
    String::from_utf8(output.stdout).expect("text")
}
