use std::sync::OnceLock;
use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_product::ProductService;
use hotshelf_stats::Stats;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::warmer::{WarmError, WarmOptions, Warmer};

/// So often, what was counted since is kept: a process that is killed forgets no more than this.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// After a run that broke off, if the next is not due sooner.
const RETRY: Duration = Duration::from_secs(60);

/// The life of the [`Warmer`], which it offers to the other modules.
pub struct WarmModule {
    options: WarmOptions,
    warmer: OnceLock<Warmer>,
}

impl WarmModule {
    /// Warms nothing yet.
    pub fn new(options: WarmOptions) -> Self {
        WarmModule { options, warmer: OnceLock::new() }
    }
}

#[async_trait]
impl Module for WarmModule {
    fn name(&self) -> &'static str {
        "warm"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let products = services.require::<ProductService>("product")?;
        let warmer = Warmer::new(products, services.require::<Stats>("stats")?, self.options);
        services.provide(warmer.clone())?;
        let _ = self.warmer.set(warmer);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        let warmer = self.warmer.get().ok_or("started before it was initialized")?;
        warmer.recall().await?;
        let (tasks, stopping) = (&warmer.0.tasks, warmer.0.tasks.stopping());
        let (keeper, stop_keeping) = (warmer.clone(), stopping.clone());
        tasks.spawn_loop("counts of reads", async move {
            stop_keeping.run_until_cancelled(keep_on(&keeper)).await;
        });
        if !self.options.interval.is_zero() {
            let warmer = warmer.clone();
            tasks.spawn_loop("warming", async move {
                stopping.run_until_cancelled(warm_on(&warmer)).await;
            });
        }
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        let Some(warmer) = self.warmer.get() else { return Ok(()) };
        if !warmer.0.tasks.stop(patience / 2).await {
            return Err("a run was still under way".into());
        }
        timeout(patience / 2, warmer.keep()).await.map_err(|_| "the counts of reads could not be kept in time".into())
    }

    async fn health(&self) -> Health {
        self.warmer.get().map_or_else(|| Health::unhealthy("not initialized"), Warmer::health)
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
