//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use hotshelf_domain::{OrganizationId, SchemaId};
use hotshelf_formats as transfer;

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
        self.command.unwrap_or(Command::Serve)
    }
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Run the service until SIGTERM or Ctrl-C (the default)
    Serve,
    /// Print the effective configuration and where each value comes from, then exit
    CheckConfig,
    /// Print a configuration file with all settings, their defaults and meanings, then exit
    Config {
        /// Print the page of the documentation instead
        #[arg(long)]
        markdown: bool,
    },
    /// Read products from a file into the database
    Import {
        /// The file to read; - for standard input
        file: PathBuf,
        /// What the file holds [default: recognized from its header]
        #[arg(long, value_enum)]
        format: Option<ImportFormat>,
        /// Import nothing if any row is bad, instead of reporting bad rows and going on
        #[arg(long)]
        strict: bool,
        /// Whose the products become that do not name their own organization
        #[arg(long, value_name = "ID", default_value = "1", value_parser = id(OrganizationId::new))]
        organization: OrganizationId,
        /// The schema of the products that do not name their own
        #[arg(long, value_name = "ID", default_value = "1", value_parser = id(SchemaId::new))]
        schema: SchemaId,
    },
    /// Fill the database with made-up products
    Seed {
        /// How many
        #[arg(long)]
        products: u64,
        /// Which: the same number makes the same products
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Manage those who run the service
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Load what is read most into Redis, before the service starts or beside it
    Warm,
    /// Write all products to a file, in a form that `import` takes back
    Export {
        /// The file to write; - for standard output
        file: PathBuf,
        /// How to write [default: by the file's ending]
        #[arg(long, value_enum)]
        format: Option<ExportFormat>,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make an admin of organization 1; the password is read from standard input
    Create {
        /// The address to log in by
        #[arg(long)]
        email: String,
    },
}

/// Reads what is named by a positive number.
fn id<T>(new: fn(i64) -> Option<T>) -> impl Fn(&str) -> Result<T, &'static str> + Clone {
    move |text| text.parse().ok().and_then(new).ok_or("must be a positive integer")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// CSV with the header name,description,price,stock,category
    Csv,
    /// One JSON product per line
    Jsonl,
    /// Product export of Shopify (CSV)
    Shopify,
    /// Product export of WooCommerce (CSV)
    #[value(name = "woocommerce")]
    WooCommerce,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// CSV with a header
    Csv,
    /// One JSON product per line
    Jsonl,
}

impl From<ImportFormat> for transfer::Format {
    fn from(format: ImportFormat) -> Self {
        match format {
            ImportFormat::Csv => transfer::Format::Csv,
            ImportFormat::Jsonl => transfer::Format::JsonLines,
            ImportFormat::Shopify => transfer::Format::Shopify,
            ImportFormat::WooCommerce => transfer::Format::WooCommerce,
        }
    }
}

impl From<ExportFormat> for transfer::ExportFormat {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => transfer::ExportFormat::Csv,
            ExportFormat::Jsonl => transfer::ExportFormat::JsonLines,
        }
    }
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
        assert!(matches!(parse("hotshelf"), Ok(Command::Serve)));
        assert!(matches!(parse("hotshelf serve"), Ok(Command::Serve)));
    }

    #[test]
    fn import_takes_a_file_a_format_and_strictness() {
        let line = "hotshelf import p.csv --format woocommerce --strict";
        let Ok(Command::Import { file, format, strict, organization, schema }) = parse(line) else {
            panic!("not an import");
        };
        assert_eq!((file, format, strict), ("p.csv".into(), Some(ImportFormat::WooCommerce), true));
        assert_eq!((organization, schema), (OrganizationId::BUILT_IN, SchemaId::BUILT_IN));
    }

    #[test]
    fn import_takes_an_organization_and_a_schema() {
        let line = "hotshelf import - --organization 7 --schema 3";
        let Ok(Command::Import { organization, schema, .. }) = parse(line) else { panic!("not an import") };
        assert_eq!((organization.get(), schema.get()), (7, 3));
        for bad in ["0", "-1", "x", ""] {
            assert!(parse(&format!("hotshelf import - --schema={bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn export_takes_standard_output_and_only_formats_that_it_can_write() {
        let Ok(Command::Export { file, format }) = parse("hotshelf export - --format jsonl") else {
            panic!("not an export");
        };
        assert_eq!((file, format), ("-".into(), Some(ExportFormat::Jsonl)));
        assert!(parse("hotshelf export - --format shopify").is_err());
    }
}
