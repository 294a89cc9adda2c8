//! `hotshelf copy`: moves everything from one database to another, such as from a file to PostgreSQL.

use std::path::PathBuf;

use clap::Args;
use hotshelf_database::{Database, DatabaseOptions, Location};
use hotshelf_stats::Registry;

use crate::config::Config;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The database to copy: the path of a SQLite file, or a postgres:// address
    #[arg(long, value_parser = location)]
    pub(crate) from: Location,
    /// The database to copy into, which has nothing in it [default: the configured one]
    #[arg(long, value_parser = location)]
    pub(crate) to: Option<Location>,
}

fn location(text: &str) -> Result<Location, String> {
    if text.contains("://") {
        return text.parse().map(Location::Server).map_err(|error| format!("the address {error}"));
    }
    Ok(Location::File { path: PathBuf::from(text), shared: false })
}

impl Copy {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        if let Location::File { path, .. } = &self.from
            && !path.exists()
        {
            return Err(Failure::NothingToCopy { path: path.clone() });
        }
        let to = self.to.as_ref().unwrap_or(&config.database.location);
        let open = async |location: &Location| {
            let registry = Registry::new()?;
            Ok::<_, Failure>(Database::open(DatabaseOptions::from(location.clone()), &registry).await?)
        };
        let (source, target) = (open(&self.from).await?, open(to).await?);
        let copied = source.copy_into(&target).await;
        source.close(config.shutdown_timeout).await?;
        target.close(config.shutdown_timeout).await?;
        for table in copied? {
            println!("{:>12} {}", table.rows, table.table);
        }
        println!("copied from {} to {to}: as many rows there as here", self.from);
        Ok(())
    }
}
