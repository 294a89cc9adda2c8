//! `hotshelf migrate`: brings the tables of the database up to date, for whoever does not let the service do that at its
//! start: with nothing pending, the service changes no table.

use hotshelf_database::Database;
use hotshelf_stats::Registry;

use crate::config::Config;
use crate::failure::Failure;

pub(crate) async fn run(config: &Config) -> Result<(), Failure> {
    let registry = Registry::new()?;
    let database = Database::open(config.database.clone(), &registry).await?;
    database.close(config.shutdown_timeout).await?;
    println!("the database is up to date: {}", config.database.location);
    Ok(())
}
