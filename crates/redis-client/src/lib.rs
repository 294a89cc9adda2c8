//! For connections to Redis: where it is, how to reach it, and what its errors mean to an operator. Knows no keys and
//! no commands. May depend on nothing of this workspace.
//!
//! There are two ways to use a Redis, for one server, a master that Sentinel looks after, and a cluster alike:
//!
//! - [`Layout`] says which servers take the writes just now, and [`Connection`] is one connection to one server, never
//!   mended. Whoever must know which server's memory an answer comes from opens these, and new ones when they end; the
//!   cache does.
//! - [`Reconnecting`] is a client that finds its way back by itself, for those to whom any server of the configuration
//!   is as good as the one before.
//!
//! ```
//! use hotshelf_redis_client::{Address, Reconnecting, RedisOptions, Servers};
//!
//! let options = RedisOptions::new(Servers::One(Address::new("127.0.0.1", 1)));
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let redis = Reconnecting::start(&options)?;
//! // Nobody answers there. That is no reason to wait.
//! assert!(redis.client().is_err());
//! redis.close().await;
//! # Ok::<(), hotshelf_redis_client::RedisError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access;
mod address;
mod connection;
mod error;
mod layout;
mod options;
mod reconnecting;

pub use access::{data_rules, sentinel_rules};
pub use address::Address;
pub use connection::Connection;
pub use error::RedisError;
pub use layout::{Layout, SLOTS, Shard, slot};
pub use options::{Credentials, RedisOptions, Servers};
pub use reconnecting::Reconnecting;
