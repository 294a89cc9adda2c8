use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::{ConnectHandle, InfoKind};
use tokio::sync::Mutex;
use tokio::task::JoinError;
use tokio::time::timeout;

use crate::address::Address;
use crate::error::RedisError;
use crate::options::{Credentials, RedisOptions};

/// How long closing a connection may take.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_millis(50);

/// One connection to one server, from its birth to its end. It is never mended, and a command is sent once: sent again
/// on another connection, it would reach a server of which nobody knows what it holds.
///
/// Each command has the deadline of [`RedisOptions::command_timeout`]. Dropped, the connection ends, too.
pub struct Connection {
    client: Client,
    // Locked by whoever waits for the end. Nothing else is done with it but to end it.
    ending: Mutex<ConnectHandle>,
    abort: tokio::task::AbortHandle,
}

impl Connection {
    /// Connects to the server at this address, within [`RedisOptions::connect_timeout`].
    ///
    /// # Errors
    /// When nobody answers there, or refuses.
    pub async fn open(options: &RedisOptions, address: &Address) -> Result<Self, RedisError> {
        Self::open_as(options, address, &options.credentials).await
    }

    pub(crate) async fn open_as(
        options: &RedisOptions,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<Self, RedisError> {
        let client = options.client_of_one(address, credentials)?;
        match timeout(options.connect_timeout, client.init()).await {
            Ok(ending) => {
                let ending = ending?;
                let abort = ending.abort_handle();
                Ok(Connection { client, ending: Mutex::new(ending), abort })
            }
            Err(_) => {
                // fred goes on trying in a task of its own. If that succeeds after all, this is what ends it.
                let _ = timeout(CLOSE_TIMEOUT, client.quit()).await;
                Err(RedisError::new(format!("no connection within {:?}", options.connect_timeout)))
            }
        }
    }

    /// For commands.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What `INFO` says in this section behind each of these names, which end in a colon. One round trip.
    ///
    /// # Errors
    /// When the server does not answer, or leaves out one of them.
    pub async fn info<const N: usize>(
        &self,
        section: InfoKind,
        names: [&'static str; N],
    ) -> Result<[String; N], RedisError> {
        let info: String = self.client.info(Some(section)).await?;
        let mut values = [const { String::new() }; N];
        for (value, name) in values.iter_mut().zip(names) {
            let found = info.lines().find_map(|line| line.strip_prefix(name));
            *value = found.ok_or_else(|| RedisError::new(format!("INFO names no {name}")))?.trim().to_owned();
        }
        Ok(values)
    }

    /// Waits for the end of the connection; then tells why. May be dropped and called again.
    pub async fn ended(&self) -> RedisError {
        let mut ending = self.ending.lock().await;
        if ending.is_finished() {
            return RedisError::new("the connection was closed");
        }
        end_of((&mut *ending).await)
    }

    /// Ends it, without waiting for a server that does not answer.
    pub async fn close(&self) {
        if !self.abort.is_finished() {
            let _ = timeout(CLOSE_TIMEOUT, self.client.quit()).await;
        }
        self.abort.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.abort.is_finished() {
            return;
        }
        self.abort.abort();
        let client = self.client.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { timeout(CLOSE_TIMEOUT, client.quit()).await });
        }
    }
}

fn end_of(ended: Result<Result<(), Error>, JoinError>) -> RedisError {
    match ended {
        Ok(Err(error)) => RedisError::from(error),
        _ => RedisError::new("the connection was closed"),
    }
}
