//! `hotshelf warm`: loads the most read products into Redis, so that a service that starts finds them there.

use std::pin::pin;
use std::time::Instant;

use hotshelf_cache::{Cache, Tiers};
use hotshelf_database::OpenError;
use hotshelf_domain::StoreError;
use hotshelf_lifecycle::StartError;
use hotshelf_product::{Condition, WarmOptions, Warmed, Warmer};
use indicatif::ProgressBar;
use tokio::time::{Duration, sleep};

use super::progress;
use crate::config::Config;
use crate::failure::Failure;
use crate::wiring;

/// How long the command waits for Redis to be up.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    match config.cache.tiers {
        Tiers::Tiered | Tiers::Redis => {}
        Tiers::Memory => return Err(Failure::NothingToWarm { backend: "memory" }),
        Tiers::None => return Err(Failure::NothingToWarm { backend: "none" }),
    }
    let begin = Instant::now();
    let mut catalogue = wiring::catalogue(config).await.map_err(|error| open_error(error, config))?;
    let once = WarmOptions { interval: Duration::ZERO, ..config.warm };
    let warmer = catalogue.warmer(once).await?;
    let cache = catalogue.cache;
    let Warmed { loaded, present } = wiring::run(catalogue.container, warm(&warmer, &cache)).await?;
    println!("{loaded} entries loaded, {present} were there already, {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

async fn warm(warmer: &Warmer, cache: &Cache<StoreError>) -> Result<Warmed, Failure> {
    wait_for_redis(cache).await?;
    let bar = progress::bar(Some(0), "{bar:40} {human_pos}/{human_len} entries {per_sec} {eta}");
    let mut condition = warmer.condition();
    let mut warming = pin!(warmer.run());
    let warmed = loop {
        tokio::select! {
            warmed = &mut warming => break warmed,
            Ok(()) = condition.changed() => show(&condition.borrow_and_update(), &bar),
        }
    };
    bar.finish_and_clear();
    Ok(warmed?)
}

fn show(condition: &Condition, bar: &ProgressBar) {
    if let Condition::Running { done, total } = condition {
        bar.set_length(*total);
        bar.set_position(*done);
    }
}

async fn wait_for_redis(cache: &Cache<StoreError>) -> Result<(), Failure> {
    let begin = Instant::now();
    loop {
        let condition = cache.condition();
        if condition.is_healthy() {
            return Ok(());
        }
        if begin.elapsed() >= REDIS_TIMEOUT {
            return Err(Failure::NoRedisToWarm { condition: condition.to_string() });
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// If the service has the database, it can warm its cache itself, memory included.
fn open_error(error: StartError, config: &Config) -> Failure {
    match error.cause.downcast_ref::<OpenError>() {
        Some(OpenError::InUse { database, .. }) => Failure::DatabaseInUse {
            database: database.display().to_string(),
            address: format!("{}:{}", config.api.host, config.api.port),
        },
        _ => Failure::Start(error),
    }
}
