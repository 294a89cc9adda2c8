//! One run of the warming.

use std::time::Duration;

use hotshelf_cache::RedisState;
use hotshelf_domain::{ProductId, ProductScope};
use tokio::time::{Instant, sleep};

use super::pace::Pace;
use super::{Condition, Warmer};
use crate::error::ProductError;
use crate::service::Warmed;

/// Entries in one step at most.
const BATCH: usize = 100;
/// A second of the rate is spread over so many steps, if they are not smaller than one entry.
const STEPS_A_SECOND: usize = 10;
/// Organizations whose first page is warmed, in the order of their ids.
const ORGANIZATIONS: usize = 100;
/// What a page counts for: itself and its products.
const PAGE: usize = 21;
/// After a start, so long is waited for Redis: what is loaded before would not get there.
const REDIS_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// A long run tells the log how far it is.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// There is one at a time. Dropped before its end, it has broken off.
pub(crate) struct Run {
    warmer: Warmer,
    begin: Instant,
    last_log: Instant,
    warmed: Warmed,
    done: u64,
    total: u64,
}

impl Run {
    /// `None` while there is another one. Of two who ask at the same time, one gets the turn.
    pub(crate) fn take_turn(warmer: &Warmer) -> Option<Run> {
        let taken = warmer.0.condition.send_if_modified(|condition| {
            let free = !matches!(condition, Condition::Running { .. });
            if free {
                *condition = Condition::Running { done: 0, total: 0 };
            }
            free
        });
        let now = Instant::now();
        let run =
            || Run { warmer: warmer.clone(), begin: now, last_log: now, warmed: Warmed::default(), done: 0, total: 0 };
        taken.then(run)
    }

    pub(crate) async fn finish(mut self) -> Result<Warmed, ProductError> {
        let outcome = self.warm().await;
        let Run { warmed, done, total, .. } = self;
        let (counters, taken, at) = (&self.warmer.0.counters, self.begin.elapsed(), Instant::now());
        let condition = match &outcome {
            Ok(()) => {
                counters.runs_ok.inc();
                tracing::info!(loaded = warmed.loaded, present = warmed.present, ?taken, "the cache is warm");
                Condition::Done { warmed, taken, at }
            }
            Err(error) => {
                counters.runs_error.inc();
                tracing::warn!(%error, done, total, "the warming of the cache broke off");
                Condition::Failed { cause: error.to_string(), at }
            }
        };
        self.warmer.0.condition.send_replace(condition);
        outcome.map(|()| warmed)
    }

    async fn warm(&mut self) -> Result<(), ProductError> {
        self.wait_for_redis().await;
        let (service, options) = (self.warmer.0.products.clone(), self.warmer.0.options);
        let mut pace = Pace::new(options.rate, || service.repository().is_busy());
        let pages = self.pages().await?;
        let products: Vec<ProductId> = service.most_read(options.products).into_iter().map(|(id, _)| id).collect();
        self.total = (pages.len() + products.len()) as u64;
        tracing::info!(pages = pages.len(), products = products.len(), "warming the cache");
        for page in pages {
            pace.turn(PAGE).await;
            self.note(service.warm_first_page(page).await?);
        }
        let batch = (options.rate as usize / STEPS_A_SECOND).clamp(1, BATCH);
        for batch in products.chunks(batch) {
            pace.turn(batch.len()).await;
            self.note(service.warm_products(batch).await?);
        }
        Ok(())
    }

    /// The first pages that are worth it: of the list of all products, and of organizations.
    async fn pages(&self) -> Result<Vec<Option<ProductScope>>, ProductError> {
        let organizations = self.warmer.0.products.repository().organizations().await?;
        let of_organization = organizations.iter().map(|organization| ProductScope::Organization(organization.id));
        Ok(std::iter::once(None).chain(of_organization.map(Some).take(ORGANIZATIONS)).collect())
    }

    /// Also returns when it does not come: then memory is warmed alone.
    async fn wait_for_redis(&self) {
        let give_up = Instant::now() + REDIS_TIMEOUT;
        while self.warmer.0.products.redis_state() == RedisState::Down && Instant::now() < give_up {
            sleep(POLL_INTERVAL).await;
        }
    }

    fn note(&mut self, some: Warmed) {
        let counters = &self.warmer.0.counters;
        counters.loaded.inc_by(some.loaded);
        counters.present.inc_by(some.present);
        self.warmed.loaded += some.loaded;
        self.warmed.present += some.present;
        self.done += some.loaded + some.present;
        let (done, total) = (self.done, self.total);
        self.warmer.0.condition.send_replace(Condition::Running { done, total });
        if self.last_log.elapsed() >= LOG_INTERVAL {
            self.last_log = Instant::now();
            tracing::info!(done, total, "still warming the cache");
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.warmer.0.condition.send_if_modified(|condition| {
            let broken_off = matches!(condition, Condition::Running { .. });
            if broken_off {
                *condition = Condition::Failed { cause: "it was ended".to_owned(), at: Instant::now() };
            }
            broken_off
        });
    }
}
