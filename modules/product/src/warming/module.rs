use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::warmer::{WarmError, Warmer};

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
        Warmer::health(self)
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
    let mut aged = products.reads_changed();
    loop {
        let broke_off = match products.most_read(1).is_empty() {
            true => false,
            false => matches!(warmer.run().await, Err(WarmError::Product(_))),
        };
        sleep(if broke_off { interval.min(RETRY) } else { interval }).await;
        // Yesterday's fashion fades with what is read today. While nobody reads, nothing does.
        if products.reads_changed() != aged {
            products.age_reads();
            aged = products.reads_changed();
        }
    }
}
