//! `hotshelf seed`: adds generated products, to try the service with a catalogue of real size.

mod products;

use std::time::Instant;

use clap::Args;
use hotshelf_domain::NewProduct;
use hotshelf_product::ProductService;
use indicatif::ProgressBar;

use super::progress;
use crate::config::Config;
use crate::failure::Failure;
use crate::wiring::{self, Catalogue};
use products::Generator;

/// Products in one transaction.
const BATCH: u64 = 4_000;

#[derive(Debug, Args)]
pub(crate) struct Seed {
    /// Number of products
    #[arg(long)]
    products: u64,
    /// Seed of the generator: the same seed makes the same products
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Seed {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let begin = Instant::now();
        let Catalogue { container, products, .. } = wiring::catalogue(config).await?;
        let progress = progress::bar(Some(self.products), "{bar:40} {human_pos}/{human_len} products {per_sec} {eta}");
        let stored = wiring::run(container, self.store(&products, &progress)).await;
        progress.finish_and_clear();
        stored?;
        println!("{} products made from seed {}, {:.1} s", self.products, self.seed, begin.elapsed().as_secs_f64());
        Ok(())
    }

    async fn store(&self, products: &ProductService, progress: &ProgressBar) -> Result<(), Failure> {
        let mut generator = Generator::new(self.seed);
        let (mut made, mut stored) = (0, 0);
        let mut batch = self.batch(&mut generator, &mut made)?;
        while !batch.is_empty() {
            let (count, products) = (batch.len() as u64, products.clone());
            let storing = tokio::spawn(async move { products.create_many(batch, true).await });
            // The next ones are made meanwhile.
            batch = self.batch(&mut generator, &mut made)?;
            storing.await.map_err(|died| Failure::Died(died.to_string()))??;
            stored += count;
            progress.set_position(stored);
        }
        Ok(())
    }

    /// The next products, none when there are enough.
    fn batch(&self, generator: &mut Generator, made: &mut u64) -> Result<Vec<NewProduct>, Failure> {
        let count = BATCH.min(self.products - *made);
        *made += count;
        Ok((0..count).map(|_| generator.product()).collect::<Result<_, _>>()?)
    }
}
