//! For tests of the whole service: they start its binary as a user does, with a `redis-server` of their own. This crate
//! may depend on no other crate of the service.
//!
//! Everything here reports a failure by a panic with a sentence that says what was done and what happened. Every
//! process that a test starts ends with the test, by process id, also when the test panics; then the service's log is
//! printed.
//!
//! ```
//! use hotshelf_testkit::RedisServer;
//!
//! let redis = RedisServer::start();
//! redis.command(&["SET", "product:id:1", "Laptop"]);
//! assert_eq!(redis.get("product:id:1").as_deref(), Some("Laptop"));
//! redis.restart();
//! assert_eq!(redis.keys("*"), Vec::<String>::new());
//! ```
//!
//! Starting and stopping a process blocks the calling thread for some milliseconds: a test with background tasks needs
//! the runtime with several threads.
#![expect(clippy::expect_used, reason = "a harness reports by panicking, inside the test that uses it")]

mod background_load;
pub mod catalogue;
mod client;
mod clock_fault;
mod coding;
mod disk_fault;
mod external_writer;
mod half_sent;
mod held_write;
mod http2;
mod metrics;
mod monitor;
mod old_redis;
mod pooler;
mod port;
mod postgres;
mod preload;
mod process;
mod proxy;
mod psql;
mod raw_http;
mod redis;
mod redis_cluster;
mod redis_sentinels;
mod resp;
mod service;
pub mod shapes;
pub mod token_issuer;
pub mod users;
mod wait;

pub use background_load::{BackgroundLoad, Outcome};
pub use client::{Client, Reply, Request};
pub use clock_fault::ClockFault;
pub use disk_fault::{DiskFault, Fault};
pub use external_writer::ExternalWriter;
pub use half_sent::HalfSentRequest;
pub use held_write::HeldWrite;
pub use http2::{Http2, Http2Reply, RequestHead};
pub use metrics::{Metrics, Sample};
pub use monitor::Monitor;
pub use old_redis::OldRedis;
pub use pooler::Pooler;
pub use postgres::PostgresServer;
pub use proxy::{Network, Proxy};
pub use raw_http::exchange;
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use resp::RedisReply;
pub use service::{EarlyExit, Service, ServiceBuilder};
pub use wait::{PATIENCE, wait_until};
