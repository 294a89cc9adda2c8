use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::ConnectHandle;
use fred::types::config::{ClusterDiscoveryPolicy, ReconnectError, ReconnectPolicy, ServerConfig};
use tokio::time::timeout;

use crate::address::Address;
use crate::connection::CLOSE_TIMEOUT;
use crate::error::RedisError;
use crate::options::{RedisOptions, Servers};

/// Between two attempts to connect, in milliseconds: doubled from the first to the second.
const PAUSES: (u32, u32) = (100, 1_000);
/// With these, a server says that another one has its place now, or will have.
const MOVED_ON: [ReconnectError; 4] =
    [ReconnectError::ReadOnly, ReconnectError::Loading, ReconnectError::MasterDown, ReconnectError::ClusterDown];

/// A client of the configured servers that connects again by itself, follows a fail-over, and in a cluster finds the
/// node of each key. For those who need an answer, from whichever server it is just now: what is asked of a server that
/// was just promoted may lack what the one before had acknowledged.
///
/// A command is sent once, has the deadline of [`RedisOptions::command_timeout`], and fails at once when 16,384 wait
/// already.
pub struct Reconnecting {
    client: Client,
    routing: ConnectHandle,
}

impl Reconnecting {
    /// Begins to connect, and goes on in the background.
    ///
    /// # Errors
    /// When the options cannot be carried out, such as with TLS without any trusted certificate.
    pub fn start(options: &RedisOptions) -> Result<Self, RedisError> {
        let mut builder = options.builder(server_config(&options.servers), &options.credentials)?;
        let (first, longest) = PAUSES;
        builder.set_policy(ReconnectPolicy::new_exponential(0, first, longest, 2));
        builder.with_config(|config| config.fail_fast = false);
        builder.with_connection_config(|connection| connection.reconnect_errors = MOVED_ON.to_vec());
        let client = builder.build()?;
        Ok(Reconnecting { routing: client.connect(), client })
    }

    /// For commands. In a cluster, those of a script or with several keys need all of them in one slot.
    ///
    /// # Errors
    /// At once, when there is no connection.
    pub fn client(&self) -> Result<&Client, RedisError> {
        match self.client.is_connected() {
            true => Ok(&self.client),
            false => Err(RedisError::new("not connected")),
        }
    }

    /// Ends all connections, without waiting for servers that do not answer.
    pub async fn close(&self) {
        let _ = timeout(CLOSE_TIMEOUT, self.client.quit()).await;
        self.routing.abort();
    }
}

impl Drop for Reconnecting {
    fn drop(&mut self) {
        self.routing.abort();
    }
}

fn server_config(servers: &Servers) -> ServerConfig {
    let all = |addresses: &[Address]| addresses.iter().map(Address::server).collect();
    match servers {
        Servers::One(address) => ServerConfig::Centralized { server: address.server() },
        Servers::Sentinel { sentinels, service, credentials } => ServerConfig::Sentinel {
            hosts: all(sentinels),
            service_name: service.clone(),
            username: credentials.username.clone(),
            password: credentials.password.clone(),
        },
        Servers::Cluster(nodes) => {
            ServerConfig::Clustered { hosts: all(nodes), policy: ClusterDiscoveryPolicy::default() }
        }
    }
}
