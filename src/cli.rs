//! The command line.

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Parser, Subcommand};

use crate::commands::admin::Admin;
use crate::commands::copy::Copy;
use crate::commands::export::Export;
use crate::commands::health::HealthCheck;
use crate::commands::import::Import;
use crate::commands::seed::Seed;
use crate::config;

/// A product-catalogue service whose heart is a cache that never lies.
#[derive(Debug, Parser)]
#[command(
    name = "hotshelf",
    version,
    after_help = "Settings come from environment variables and hotshelf.toml: `hotshelf --help` lists them, \
                  `hotshelf check-config` prints the effective values.",
    after_long_help = config::help()
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// The chosen command: `serve` unless another one is named.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Run(Task::Serve))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Run(Task),
    /// Ask the service on this machine whether it is ready: exit code 0 if it is, 1 if not
    Health(HealthCheck),
    /// Print the effective configuration and where each value comes from, then exit
    CheckConfig,
    /// Print a configuration file with all settings, their defaults and meanings, then exit
    Config {
        /// Print the page of the documentation instead
        #[arg(long)]
        markdown: bool,
    },
}

/// What runs with a configuration, a log and a runtime.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run the service until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Read products from a file into the database
    Import(Import),
    /// Write all products to a file that `import` can read
    Export(Export),
    /// Add generated products to the database
    Seed(Seed),
    /// Load the most read products into Redis, before the service starts or while it runs
    Warm,
    /// Bring the tables of the database up to date, then exit. The service does so at its start
    Migrate,
    /// Copy everything from one database into another, such as from a file to PostgreSQL. Stop the service first
    Copy(Copy),
    /// Create admins, and manage organizations and users
    #[command(subcommand)]
    Admin(Admin),
}

/// The argument is one of these names, each with its help.
pub(crate) fn one_of<const N: usize>(names: [[&'static str; 2]; N]) -> PossibleValuesParser {
    names.map(|[name, help]| PossibleValue::new(name).help(help)).into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use hotshelf_domain::{OrganizationId, SchemaId};
    use hotshelf_formats::{ExportFormat, Format};

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(Cli::command)
    }

    #[test]
    fn the_definition_is_consistent() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default() {
        assert!(matches!(parse("hotshelf"), Ok(Command::Run(Task::Serve))));
        assert!(matches!(parse("hotshelf serve"), Ok(Command::Run(Task::Serve))));
    }

    #[test]
    fn import_takes_a_file_a_format_and_strictness() {
        let line = "hotshelf import p.csv --format woocommerce --strict";
        let Ok(Command::Run(Task::Import(Import { file, format, strict, organization, schema }))) = parse(line) else {
            panic!("not an import");
        };
        assert_eq!((file, format, strict), ("p.csv".into(), Some(Format::WooCommerce), true));
        assert_eq!((organization, schema), (OrganizationId::BUILT_IN, SchemaId::BUILT_IN));
    }

    #[test]
    fn import_takes_an_organization_and_a_schema() {
        let line = "hotshelf import - --organization 7 --schema 3";
        let Ok(Command::Run(Task::Import(Import { organization, schema, .. }))) = parse(line) else {
            panic!("not an import")
        };
        assert_eq!((organization.get(), schema.get()), (7, 3));
        for bad in ["0", "-1", "x", ""] {
            assert!(parse(&format!("hotshelf import - --schema={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn export_takes_standard_output_and_only_formats_that_it_can_write() {
        let Ok(Command::Run(Task::Export(Export { file, format }))) = parse("hotshelf export - --format jsonl") else {
            panic!("not an export");
        };
        assert_eq!((file, format), ("-".into(), Some(ExportFormat::JsonLines)));
        assert!(parse("hotshelf export - --format shopify").is_err());
    }
}
