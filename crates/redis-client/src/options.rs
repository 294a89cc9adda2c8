use std::fmt;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ServerConfig, TcpConfig, TlsConnector, UnresponsiveConfig,
};
use fred::types::{Builder, RespVersion};

use crate::address::Address;

/// Commands that may wait for their answer at a time; more fail at once.
const MAX_WAITING: usize = 16_384;
/// Pushes that may wait to be taken.
const MAX_PUSHES: usize = 4_096;

/// Where Redis is, and how to talk to it (version 7 or newer).
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Where it is.
    pub servers: Servers,
    /// Whether connections are encrypted, those to sentinels included.
    pub tls: bool,
    /// With these at the servers that hold data.
    pub credentials: Credentials,
    /// Logical database. A cluster has none but 0.
    pub database: u8,
    /// Connections for commands to each server, at least 1.
    pub pool_size: usize,
    /// What a command may take.
    pub command_timeout: Duration,
    /// What opening a connection may take.
    pub connect_timeout: Duration,
}

/// How the servers of a Redis are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One server, always the same.
    One(Address),
    /// A master with replicas, of which sentinels know which is the master.
    Sentinel {
        /// Any of them will do.
        sentinels: Vec<Address>,
        /// What the sentinels call the master.
        service: String,
        /// With these at the sentinels.
        credentials: Credentials,
    },
    /// A cluster, of which these are some nodes: any of them knows the others.
    Cluster(Vec<Address>),
}

/// Who one is at a server. Without a password, nobody in particular.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user of the access list, if it is not the default one.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// [`RedisOptions::new`] for one server at `localhost:6379`.
impl Default for RedisOptions {
    fn default() -> Self {
        Self::new(Servers::One(Address::new("localhost", 6379)))
    }
}

/// Neither goes into logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.password.is_some() { "***" } else { "none" })
    }
}

impl RedisOptions {
    /// Without credentials and TLS, one connection to each server, 100 ms for a command and 1 s for a connection.
    pub fn new(servers: Servers) -> Self {
        RedisOptions {
            servers,
            tls: false,
            credentials: Credentials::default(),
            database: 0,
            pool_size: 1,
            command_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_secs(1),
        }
    }

    /// A client of these servers that is not connected yet. It sends a command once: what it does after that has failed
    /// is for its user to say.
    pub(crate) fn builder(&self, server: ServerConfig, credentials: &Credentials) -> Result<Builder, Error> {
        let database = (self.database != 0 && !server.is_clustered()).then_some(self.database);
        let config = Config {
            server,
            version: RespVersion::RESP3,
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            database,
            tls: if self.tls { Some(TlsConnector::default_rustls()?.into()) } else { None },
            ..Config::default()
        };
        let performance = PerformanceConfig {
            default_command_timeout: self.command_timeout,
            broadcast_channel_capacity: MAX_PUSHES,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: self.connect_timeout,
            internal_command_timeout: self.connect_timeout,
            max_command_attempts: 1,
            max_command_buffer_len: MAX_WAITING,
            unresponsive: UnresponsiveConfig {
                max_timeout: Some(self.connect_timeout),
                interval: self.connect_timeout / 4,
            },
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            // No answer ends a connection by itself.
            reconnect_errors: Vec::new(),
            ..ConnectionConfig::default()
        };
        let mut builder = Builder::from_config(config);
        builder.set_performance_config(performance).set_connection_config(connection);
        Ok(builder)
    }

    pub(crate) fn client_of_one(&self, address: &Address, credentials: &Credentials) -> Result<Client, Error> {
        self.builder(ServerConfig::Centralized { server: address.server() }, credentials)?.build()
    }
}
