//! For programs made of modules: starts, watches and stops them in a known order. May depend on no other crate of this
//! workspace.
//!
//! A [`Module`] is built with what it needs (`init`); a missing dependency does not compile. `start` opens and spawns,
//! `stop` drains, `health` says how it is. A [`Container`] starts the modules in the order in which they were built and
//! stops them in reverse; when one fails, those before it are stopped again and the failure names the module.
//!
//! ```
//! use std::time::Duration;
//! use hotshelf_lifecycle::{Container, Health, Module, async_trait};
//!
//! struct Greeter { word: &'static str }
//!
//! #[async_trait]
//! impl Module for Greeter {
//!     async fn health(&self) -> Health { Health::healthy(format!("ready to say {}", self.word)) }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let mut container = Container::new(Duration::from_secs(30));
//! let health = container.health();
//! container.init("greeter", async { Ok(Greeter { word: "hello" }) }).await?;
//! let running = container.start().await?;
//! assert_eq!(health.of("greeter").await, Some(Health::healthy("ready to say hello")));
//! running.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod container;
mod health;
mod module;
mod request;
mod tasks;
mod trace;
mod trouble;

pub use async_trait::async_trait;
pub use container::{Container, Running, StartError, StopError};
pub use health::{Health, HealthBoard, Phase, Report, Status};
pub use module::{Failure, Module};
pub use request::{at_once_for_request, current_request, for_request};
pub use tasks::Tasks;
pub use trace::TRACED;
pub use trouble::Trouble;
