use std::sync::atomic::Ordering;
use std::time::Duration;

use hotshelf_domain::StoreError;
use hotshelf_lifecycle::{Failure, Health, Module, async_trait};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{WarmError, Warmer};

/// So often, what was counted since is kept: a process that is killed forgets no more than this.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// After a run that broke off, if the next is not due sooner.
const RETRY: Duration = Duration::from_secs(60);

#[async_trait]
impl Module for Warmer {
    async fn start(&self) -> Result<(), Failure> {
        self.recall().await?;
        let (tasks, stopping) = (&self.0.tasks, self.0.tasks.stopping());
        let (keeper, stop_keeping) = (self.clone(), stopping.clone());
        tasks.spawn_loop("counts of reads", async move {
            stop_keeping.run_until_cancelled(keep_on(&keeper)).await;
        });
        if !self.0.options.interval.is_zero() {
            let warmer = self.clone();
            tasks.spawn_loop("warming", async move {
                stopping.run_until_cancelled(warm_on(&warmer)).await;
            });
        }
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if !self.0.tasks.stop(timeout / 2).await {
            return Err("a run was still under way".into());
        }
        let kept = tokio::time::timeout(timeout / 2, self.keep()).await;
        kept.map_err(|_| "the counts of reads could not be kept in time".into())
    }

    async fn health(&self) -> Health {
        match self.0.tasks.ended_early().first() {
            Some(task) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            None => self.0.condition.borrow().health(),
        }
    }
}

impl Warmer {
    /// Goes on where the last run of the service ended: how often products are read outlives the process.
    async fn recall(&self) -> Result<(), StoreError> {
        let (products, limit) = (&self.0.products, self.0.options.products);
        let counts = products.repository().read_counts(u32::try_from(limit).unwrap_or(u32::MAX)).await?;
        products.reads().add(counts.into_iter().map(|(id, reads)| (id.get(), reads)));
        self.0.kept.store(products.reads().changes(), Ordering::Relaxed);
        Ok(())
    }

    /// Keeps the counts if they have changed. Instances that share a database keep theirs in turn: each has counted a
    /// share of the same reads, and any of them tells what is read most.
    async fn keep(&self) {
        let products = &self.0.products;
        let now = products.reads().changes();
        if self.0.kept.load(Ordering::Relaxed) == now {
            return;
        }
        match products.repository().keep_read_counts(&products.most_read(self.0.options.products)).await {
            Ok(()) => self.0.kept.store(now, Ordering::Relaxed),
            Err(error) => tracing::debug!(%error, "how often products are read could not be kept"),
        }
    }
}

async fn keep_on(warmer: &Warmer) {
    let mut rounds = interval(KEEP_EVERY);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        warmer.keep().await;
    }
}

/// The first run comes at once; a service that nobody has read yet has nothing to warm.
async fn warm_on(warmer: &Warmer) {
    let (products, interval) = (&warmer.0.products, warmer.0.options.interval);
    let mut aged = products.reads().changes();
    loop {
        let broke_off = match products.most_read(1).is_empty() {
            true => false,
            false => matches!(warmer.run().await, Err(WarmError::Product(_))),
        };
        sleep(if broke_off { interval.min(RETRY) } else { interval }).await;
        // Yesterday's fashion fades with what is read today. While nobody reads, nothing does.
        if products.reads().changes() != aged {
            products.reads().age();
            aged = products.reads().changes();
        }
    }
}
