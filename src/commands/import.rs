//! `hotshelf import`: reads products from a file into the catalogue.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use clap::builder::TypedValueParser;
use hotshelf_cache::WriteError;
use hotshelf_database::Database;
use hotshelf_domain::{Invalid, OrganizationId, SchemaId, StoreError};
use hotshelf_formats::{ExportFormat, Format, Home, ProductReader, Row};
use hotshelf_product::{ProductError, ProductService};
use indicatif::ProgressBar;

use super::progress;
use crate::cli::one_of;
use crate::config::Config;
use crate::eprint_error;
use crate::failure::Failure;
use crate::wiring::{self, Catalogue};

/// Products in one transaction.
const BATCH: usize = 4_000;

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file to read; - for standard input
    pub(crate) file: PathBuf,
    /// Format of the file [default: recognized from its first lines]
    #[arg(long, value_parser = format())]
    pub(crate) format: Option<Format>,
    /// Import nothing if any row is bad, instead of reporting bad rows and skipping them
    #[arg(long)]
    pub(crate) strict: bool,
    /// Organization of the products that do not name one
    #[arg(long, value_name = "ID", default_value = "1", value_parser = id(OrganizationId::new))]
    pub(crate) organization: OrganizationId,
    /// Schema of the products that do not name one
    #[arg(long, value_name = "ID", default_value = "1", value_parser = id(SchemaId::new))]
    pub(crate) schema: SchemaId,
}

fn format() -> impl TypedValueParser<Value = Format> {
    let names = [
        ["csv", "CSV with the header name,description,price,stock,category"],
        ["jsonl", "One JSON product per line"],
        ["shopify", "Product export of Shopify (CSV)"],
        ["woocommerce", "Product export of WooCommerce (CSV)"],
    ];
    one_of(names).try_map(|name| name.parse::<Format>())
}

fn id<T>(new: fn(i64) -> Option<T>) -> impl Fn(&str) -> Result<T, &'static str> + Clone {
    move |text| text.parse().ok().and_then(new).ok_or("must be a positive integer")
}

/// Counts of rows.
#[derive(Default)]
struct Summary {
    imported: usize,
    bad: usize,
}

impl Import {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let begin = Instant::now();
        // First, so that no database is created for a file that cannot be read.
        let (mut reader, progress) = self.open()?;
        let Catalogue { container, products, .. } = wiring::catalogue(config).await?;
        let summary = wiring::run(container, self.copy(&mut reader, &products, &progress)).await;
        progress.finish_and_clear();
        let Summary { imported, bad } = summary?;
        let taken = begin.elapsed().as_secs_f64();
        println!(
            "{imported} products imported from {} as {}, {bad} bad rows, {taken:.1} s",
            self.name(),
            reader.format()
        );
        if imported == 0 && bad > 0 { Err(Failure::NothingImported) } else { Ok(()) }
    }

    fn name(&self) -> String {
        if self.is_stdin() { "standard input".to_owned() } else { self.file.display().to_string() }
    }

    fn is_stdin(&self) -> bool {
        self.file == Path::new("-")
    }

    fn open(&self) -> Result<(ProductReader, ProgressBar), Failure> {
        let unreadable = |cause: String| Failure::Import { file: self.name(), cause };
        let (input, size): (Box<dyn Read + Send>, Option<u64>) = if self.is_stdin() {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(&self.file).map_err(|error| unreadable(error.to_string()))?;
            let size = file.metadata().map(|metadata| metadata.len()).ok();
            (Box::new(file), size)
        };
        let reader = ProductReader::open(input, self.format.or_else(|| self.format_of_name()))
            .map_err(|error| unreadable(error.to_string()))?;
        Ok((
            reader.with_home(Home { organization: self.organization, schema: self.schema }),
            progress::bar(size, "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        ))
    }

    /// JSON lines by the extension: an empty file does not show its format.
    fn format_of_name(&self) -> Option<Format> {
        ExportFormat::of_path(&self.file).filter(|format| *format == ExportFormat::JsonLines).map(Format::from)
    }

    /// Fails before anything is stored if the organization or the schema does not exist: otherwise, every row would.
    async fn check_home(&self, repository: &Database) -> Result<(), Failure> {
        let (organization, schema) = (self.organization, self.schema);
        let error = |cause: String| Err(Failure::Import { file: self.name(), cause });
        if repository.organization(organization).await?.is_none() {
            return error(format!("organization {organization} does not exist"));
        }
        match repository.schema(schema).await? {
            None => error(format!("schema {schema} does not exist")),
            Some(found) if !found.serves(organization) => error(format!(
                "schema {schema} belongs to organization {}, not to {organization}",
                found.organization_id
            )),
            Some(_) => Ok(()),
        }
    }

    async fn copy(
        &self,
        reader: &mut ProductReader,
        products: &ProductService,
        progress: &ProgressBar,
    ) -> Result<Summary, Failure> {
        self.check_home(products.repository()).await?;
        let mut summary = Summary::default();
        let mut waiting = Vec::new();
        let mut read_error = None;
        while let Some(row) = reader.next() {
            match row {
                Ok(row) => waiting.push(row),
                // The rows before it are imported, unless --strict is set.
                Err(error) if error.ends_reading() => read_error = Some(error),
                Err(error) => {
                    summary.bad += 1;
                    progress.suspend(|| eprint_error(&format_args!("{}: {error}", self.name())));
                }
            }
            if waiting.len() >= BATCH && !self.strict {
                self.store(products, &mut waiting, &mut summary, progress).await?;
            }
            progress.set_position(reader.bytes_read());
        }
        if self.strict && (summary.bad > 0 || read_error.is_some()) {
            read_error.iter().for_each(|error| eprint_error(&format_args!("{}: {error}", self.name())));
            return Err(Failure::Strict { bad: summary.bad + usize::from(read_error.is_some()) });
        }
        // With --strict these are all rows, in one transaction.
        self.store(products, &mut waiting, &mut summary, progress).await?;
        match read_error {
            None => Ok(summary),
            Some(error) => {
                Err(Failure::ReadAborted { file: self.name(), imported: summary.imported, cause: error.to_string() })
            }
        }
    }

    async fn store(
        &self,
        products: &ProductService,
        waiting: &mut Vec<Row>,
        summary: &mut Summary,
        progress: &ProgressBar,
    ) -> Result<(), Failure> {
        if waiting.is_empty() {
            return Ok(());
        }
        let (lines, new): (Vec<_>, Vec<_>) = waiting.drain(..).map(|row| (row.line, row.product)).unzip();
        let bad = |place: usize, invalid: &Invalid| {
            progress.suspend(|| eprint_error(&format_args!("{}: line {}: {invalid}", self.name(), lines[place])));
        };
        match products.create_many(new, self.strict).await {
            Ok(stored) => {
                for (place, stored) in stored.iter().enumerate() {
                    match stored {
                        Ok(_) => summary.imported += 1,
                        Err(invalid) => {
                            summary.bad += 1;
                            bad(place, invalid);
                        }
                    }
                }
                Ok(())
            }
            Err(ProductError::Write(WriteError::Store(StoreError::InvalidMany(wrong)))) => {
                wrong.iter().for_each(|(place, invalid)| bad(*place, invalid));
                Err(Failure::Strict { bad: wrong.len() })
            }
            // The number tells which products a second import would duplicate.
            Err(cause) if summary.imported > 0 => {
                Err(Failure::StoreAborted { file: self.name(), imported: summary.imported, cause })
            }
            Err(error) => Err(error.into()),
        }
    }
}
