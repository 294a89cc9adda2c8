//! For programs made of modules: builds, starts, watches and stops them in a known order. May depend on no other crate
//! of this workspace.
//!
//! A [`Module`] has four moments: `init` builds what it offers and takes what it needs from [`Services`], `start` opens
//! and spawns, `stop` drains, `health` says how it is. A [`Container`] runs them in order of registration and stops
//! them in reverse; when one fails to start, those before it are stopped again and the failure names the module.
//!
//! ```
//! use std::time::Duration;
//! use hotshelf_lifecycle::{Container, Failure, Health, Module, Services, async_trait};
//!
//! #[derive(Clone)]
//! struct Greeting(&'static str);
//!
//! struct Greeter;
//!
//! #[async_trait]
//! impl Module for Greeter {
//!     fn name(&self) -> &'static str { "greeter" }
//!     async fn init(&self, services: &mut Services) -> Result<(), Failure> {
//!         Ok(services.provide(Greeting("hello"))?)
//!     }
//!     async fn health(&self) -> Health { Health::healthy("ready to greet") }
//! }
//!
//! struct Printer;
//!
//! #[async_trait]
//! impl Module for Printer {
//!     fn name(&self) -> &'static str { "printer" }
//!     async fn init(&self, services: &mut Services) -> Result<(), Failure> {
//!         let Greeting(word) = services.require::<Greeting>("greeter")?;
//!         assert_eq!(word, "hello");
//!         Ok(())
//!     }
//!     async fn health(&self) -> Health { Health::healthy("nothing to print") }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let mut container = Container::new(Duration::from_secs(30));
//! container.register(Greeter).register(Printer);
//! let running = container.start().await?;
//! running.stop().await?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod container;
mod health;
mod module;
mod request;
mod services;
mod tasks;
mod trace;
mod trouble;

pub use async_trait::async_trait;
pub use container::{Container, Running, StartError, StopError};
pub use health::{Health, HealthBoard, Phase, Report, Status};
pub use module::{Failure, Module};
pub use request::{at_once_for_request, current_request, for_request};
pub use services::{ServiceError, Services};
pub use tasks::Tasks;
pub use trace::TRACED;
pub use trouble::Trouble;
