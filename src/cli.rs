//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use hotshelf_domain::{OrganizationId, SchemaId};
use hotshelf_formats::{ExportFormat, Format};

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
    Import {
        /// The file to read; - for standard input
        file: PathBuf,
        /// Format of the file [default: recognized from its first lines]
        #[arg(long, value_parser = import_format())]
        format: Option<Format>,
        /// Import nothing if any row is bad, instead of reporting bad rows and skipping them
        #[arg(long)]
        strict: bool,
        /// Organization of the products that do not name one
        #[arg(long, value_name = "ID", default_value = "1", value_parser = id(OrganizationId::new))]
        organization: OrganizationId,
        /// Schema of the products that do not name one
        #[arg(long, value_name = "ID", default_value = "1", value_parser = id(SchemaId::new))]
        schema: SchemaId,
    },
    /// Write all products to a file that `import` can read
    Export {
        /// The file to write; - for standard output
        file: PathBuf,
        /// Format of the file [default: by its extension]
        #[arg(long, value_parser = export_format())]
        format: Option<ExportFormat>,
    },
    /// Add generated products to the database
    Seed {
        /// Number of products
        #[arg(long)]
        products: u64,
        /// Seed of the generator: the same seed makes the same products
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Load the most read products into Redis, before the service starts or while it runs
    Warm,
    /// Manage the admins of the service
    #[command(subcommand)]
    Admin(AdminCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Create an admin of organization 1; the password is read from standard input
    Create {
        /// The e-mail address to log in with
        #[arg(long)]
        email: String,
    },
}

fn id<T>(new: fn(i64) -> Option<T>) -> impl Fn(&str) -> Result<T, &'static str> + Clone {
    move |text| text.parse().ok().and_then(new).ok_or("must be a positive integer")
}

const CSV: [&str; 2] = ["csv", "CSV with the header name,description,price,stock,category"];
const JSON_LINES: [&str; 2] = ["jsonl", "One JSON product per line"];

fn import_format() -> impl TypedValueParser<Value = Format> {
    let shopify = ["shopify", "Product export of Shopify (CSV)"];
    one_of([CSV, JSON_LINES, shopify, ["woocommerce", "Product export of WooCommerce (CSV)"]])
        .try_map(|name| name.parse::<Format>())
}

fn export_format() -> impl TypedValueParser<Value = ExportFormat> {
    one_of([CSV, JSON_LINES]).try_map(|name| name.parse::<ExportFormat>())
}

/// These names, each with its help.
fn one_of<const N: usize>(names: [[&'static str; 2]; N]) -> PossibleValuesParser {
    names.map(|[name, help]| PossibleValue::new(name).help(help)).into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
        let Ok(Command::Run(Task::Import { file, format, strict, organization, schema })) = parse(line) else {
            panic!("not an import");
        };
        assert_eq!((file, format, strict), ("p.csv".into(), Some(Format::WooCommerce), true));
        assert_eq!((organization, schema), (OrganizationId::BUILT_IN, SchemaId::BUILT_IN));
    }

    #[test]
    fn import_takes_an_organization_and_a_schema() {
        let line = "hotshelf import - --organization 7 --schema 3";
        let Ok(Command::Run(Task::Import { organization, schema, .. })) = parse(line) else { panic!("not an import") };
        assert_eq!((organization.get(), schema.get()), (7, 3));
        for bad in ["0", "-1", "x", ""] {
            assert!(parse(&format!("hotshelf import - --schema={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn export_takes_standard_output_and_only_formats_that_it_can_write() {
        let Ok(Command::Run(Task::Export { file, format })) = parse("hotshelf export - --format jsonl") else {
            panic!("not an export");
        };
        assert_eq!((file, format), ("-".into(), Some(ExportFormat::JsonLines)));
        assert!(parse("hotshelf export - --format shopify").is_err());
    }
}
