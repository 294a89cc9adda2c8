//! Pushes of all servers of a layout, as one stream.

use async_trait::async_trait;
use fred::interfaces::TrackingInterface;
use fred::types::client::Invalidation;
use futures_util::future::{select_all, try_join_all};
use hotshelf_redis_client::{Connection, Layout, RedisError, RedisOptions};
use tokio::sync::broadcast::Receiver;

use crate::redis::link::InvalidationStream;

/// The pushes of the servers of one layout. If that is not the layout of the link any more, the heartbeats of the link
/// do not all come back here, and that is noticed.
pub(crate) struct FredInvalidationStream(Vec<NodeStream>);

struct NodeStream {
    connection: Connection,
    pushes: Receiver<Invalidation>,
}

impl FredInvalidationStream {
    pub(super) async fn open(options: &RedisOptions, layout: &Layout, markers: &str) -> Result<Self, RedisError> {
        let streams = layout.shards().iter().map(async |shard| {
            let connection = Connection::open(options, &shard.address).await?;
            // Before it is switched on: a push that comes at once is not missed.
            let pushes = connection.client().invalidation_rx();
            connection.client().start_tracking(markers, true, false, false, false).await?;
            Ok::<_, RedisError>(NodeStream { connection, pushes })
        });
        Ok(FredInvalidationStream(try_join_all(streams).await?))
    }
}

impl NodeStream {
    async fn next(&mut self) -> Result<Vec<String>, RedisError> {
        tokio::select! {
            // Pushes that came before the end count; what came after them is missed anyway.
            biased;
            push = self.pushes.recv() => match push {
                Ok(push) => Ok(push.keys.into_iter().map(|key| key.as_str_lossy().into_owned()).collect()),
                Err(error) => Err(RedisError::new(format!("pushes were missed: {error}"))),
            },
            error = self.connection.ended() => Err(error),
        }
    }
}

#[async_trait]
impl InvalidationStream for FredInvalidationStream {
    /// In the order of the changes on each server. Nothing has an order over several.
    async fn next(&mut self) -> Result<Vec<String>, RedisError> {
        match &mut self.0[..] {
            [only] => only.next().await,
            several => select_all(several.iter_mut().map(|stream| Box::pin(stream.next()))).await.0,
        }
    }
}
