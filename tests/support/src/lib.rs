//! For tests that run the real thing: the service's own binary, started as its users start it, beside a
//! `redis-server` that belongs to the test alone. May depend on nothing of the service: what it knows, it knows from
//! outside.
//!
//! A harness has one way to report, the test's: everything here panics with a sentence that says what was done and
//! what came of it. Whatever a test starts ends with it, by process id, also when the test panics; the service's log is
//! printed then.
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
//! Starting and stopping a process blocks the calling thread for some milliseconds: a test with tasks of its own in
//! the background wants the runtime with several threads.
#![expect(clippy::expect_used, reason = "a harness reports by panicking, inside the test that uses it")]

mod background_load;
pub mod catalogue;
mod client;
mod disk_fault;
mod external_writer;
mod half_sent;
mod held_write;
mod metrics;
mod monitor;
mod old_redis;
mod port;
mod process;
mod proxy;
mod redis;
mod redis_cluster;
mod redis_sentinels;
mod resp;
mod service;
pub mod shapes;
pub mod users;
mod wait;

pub use background_load::{BackgroundLoad, Outcome};
pub use client::{Client, Reply, Request};
pub use disk_fault::{DiskFault, Fault};
pub use external_writer::ExternalWriter;
pub use half_sent::HalfSentRequest;
pub use held_write::HeldWrite;
pub use metrics::{Metrics, Sample};
pub use monitor::Monitor;
pub use old_redis::OldRedis;
pub use proxy::{Network, Proxy};
pub use redis::RedisServer;
pub use redis_cluster::RedisCluster;
pub use redis_sentinels::RedisSentinels;
pub use resp::RedisReply;
pub use service::{EarlyExit, Service, ServiceBuilder};
pub use wait::{PATIENCE, wait_until};
