//! A real master with replicas and sentinels that belongs to one test.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::port::free_port;
use crate::process::Process;
use crate::redis::RedisServer;
use crate::resp::{self, RedisReply};
use crate::wait::block_until;

const SENTINELS: usize = 3;
const REPLICAS: usize = 2;

/// A master with two replicas, and three sentinels, two of which must agree that the master is down.
pub struct RedisSentinels {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
    password: Option<String>,
}

struct Sentinel {
    address: String,
    // Dropped before the directory, in which it runs.
    _process: Process,
    _directory: TempDir,
}

impl RedisSentinels {
    /// The sentinels' name of the master.
    pub const SERVICE: &str = "shop";

    /// Starts all of them, and returns when the sentinels know each other and the replicas follow the master.
    ///
    /// # Panics
    /// When there is no `redis-server` on this machine, or the set is not ready in time.
    pub fn start() -> Self {
        Self::start_set(&[], "", None)
    }

    /// As [`start`](RedisSentinels::start), with further arguments for the servers, and lines of settings for the
    /// sentinels.
    ///
    /// # Panics
    /// As [`start`](RedisSentinels::start).
    pub fn start_with(arguments: &[&str], settings: &str) -> Self {
        Self::start_set(arguments, settings, None)
    }

    /// As [`start`](RedisSentinels::start), with sentinels that ask for this password.
    ///
    /// # Panics
    /// As [`start`](RedisSentinels::start).
    pub fn start_with_password(password: &str) -> Self {
        let settings = format!("requirepass {password}\nsentinel sentinel-pass {password}\n");
        Self::start_set(&[], &settings, Some(password.to_owned()))
    }

    fn start_set(arguments: &[&str], settings: &str, password: Option<String>) -> Self {
        let arguments = [&["--repl-diskless-sync-delay", "0"], arguments].concat();
        let master = RedisServer::start_with(&arguments);
        let port = master.port().to_string();
        let follows = [&["--replicaof", "127.0.0.1", &port], &arguments[..]].concat();
        let mut servers: Vec<_> = (0..REPLICAS).map(|_| RedisServer::start_with(&follows)).collect();
        block_until("the replicas follow", || {
            servers.iter().all(|replica| replica.informs("replication", "master_link_status:up"))
        });
        servers.insert(0, master);
        let sentinels = (0..SENTINELS).map(|_| Sentinel::start(&servers[0], settings)).collect();
        let set = RedisSentinels { servers, sentinels, password };
        block_until("the sentinels know each other and the replicas", || {
            set.sentinels.iter().all(|sentinel| set.knows_all(sentinel))
        });
        set
    }

    /// The servers, the first master first.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The addresses of the sentinels.
    pub fn sentinels(&self) -> impl Iterator<Item = &str> {
        self.sentinels.iter().map(|sentinel| &sentinel.address[..])
    }

    /// The addresses of all sentinels, as a `redis-sentinel://` URL.
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.sentinels.iter().map(|sentinel| &sentinel.address[..]).collect();
        format!("redis-sentinel://{}/{}", addresses.join(","), Self::SERVICE)
    }

    /// The server that the first sentinel names.
    ///
    /// # Panics
    /// When it names none of them.
    pub fn master(&self) -> &RedisServer {
        let named = self.ask(&self.sentinels[0], &["GET-MASTER-ADDR-BY-NAME", Self::SERVICE]).texts();
        let master = self.servers.iter().find(|server| named.get(1) == Some(&server.port().to_string()));
        master.expect("a sentinel names the master")
    }

    /// Whether every sentinel names the same running server, and it is a master.
    pub fn agree_on_a_master(&self) -> bool {
        let named = |sentinel| self.ask(sentinel, &["GET-MASTER-ADDR-BY-NAME", Self::SERVICE]);
        let first = named(&self.sentinels[0]);
        self.sentinels.iter().all(|sentinel| named(sentinel) == first) && self.master().is_primary()
    }

    /// Promotes a replica while the master is healthy, and makes the former master a replica of it. No connection is
    /// closed. (The sentinels would do the second some seconds later.)
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn fail_over(&self) {
        let former = self.master();
        // Refused while the previous fail-over is being finished.
        block_until("a sentinel begins a fail-over", || {
            self.ask(&self.sentinels[0], &["FAILOVER", Self::SERVICE]) == RedisReply::Bytes(b"OK".to_vec())
        });
        block_until("there is another master", || {
            self.agree_on_a_master() && self.master().address() != former.address()
        });
        former.command(&["REPLICAOF", "127.0.0.1", &self.master().port().to_string()]);
    }

    /// The refused commands of each sentinel, from `ACL LOG`.
    ///
    /// # Panics
    /// When one does not answer.
    pub fn refused(&self) -> Vec<RedisReply> {
        let ask = |sentinel: &Sentinel| resp::call(&sentinel.address, &["ACL", "LOG"]).expect("a sentinel answers");
        self.sentinels.iter().map(ask).collect()
    }

    fn knows_all(&self, sentinel: &Sentinel) -> bool {
        let RedisReply::Array(fields) = self.ask(sentinel, &["MASTER", Self::SERVICE]) else { return false };
        let texts = RedisReply::Array(fields).texts();
        let says =
            |name: &str, count: usize| texts.windows(2).any(|pair| pair[0] == name && pair[1] == count.to_string());
        says("num-slaves", REPLICAS) && says("num-other-sentinels", SENTINELS - 1)
    }

    fn ask(&self, sentinel: &Sentinel, question: &[&str]) -> RedisReply {
        let question = [&["SENTINEL"], question].concat();
        let answer = resp::call_with_password(&sentinel.address, self.password.as_deref(), &question);
        answer.unwrap_or_else(|error| panic!("the sentinel at {} did not answer: {error}", sentinel.address))
    }
}

impl Sentinel {
    fn start(master: &RedisServer, further: &str) -> Self {
        let service = RedisSentinels::SERVICE;
        let mut failure = String::new();
        // Another process may take the port between its choice and its use.
        for _ in 0..5 {
            let (directory, port) = (tempfile::tempdir().expect("a temporary directory"), free_port());
            let settings = format!(
                "bind 127.0.0.1\nport {port}\nsentinel monitor {service} 127.0.0.1 {} 2\nsentinel \
                 down-after-milliseconds {service} 500\nsentinel failover-timeout {service} 4000\n{further}",
                master.port()
            );
            fs::write(directory.path().join("sentinel.conf"), settings).expect("the directory takes files");
            let mut command = Command::new("redis-server");
            command.current_dir(directory.path()).args(["sentinel.conf", "--sentinel"]);
            let process = Process::start(&mut command, directory.path().join("sentinel.log"));
            let mut process = process.expect("redis-server is installed; ./test.sh installs it");
            let address = format!("127.0.0.1:{port}");
            block_until("a sentinel answers or ends", || {
                process.exited().is_some() || resp::call(&address, &["PING"]).is_ok()
            });
            if process.exited().is_none() {
                return Sentinel { address, _process: process, _directory: directory };
            }
            failure = process.log();
        }
        panic!("no sentinel starts:\n{failure}");
    }
}
