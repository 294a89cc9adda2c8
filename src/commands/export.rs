//! `hotshelf export`: writes the products of the catalogue to a file that `import` can read.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::TypedValueParser;
use hotshelf_database::{Database, Location};
use hotshelf_domain::{PageRequest, PageStart};
use hotshelf_formats::{ExportFormat, ProductWriter};

use crate::cli::one_of;
use crate::config::Config;
use crate::eprint_error;
use crate::failure::Failure;
use crate::wiring::{self, Catalogue};

/// Products read at a time.
const BATCH: u32 = 1_000;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to write; - for standard output
    pub(crate) file: PathBuf,
    /// Format of the file [default: by its extension]
    #[arg(long, value_parser = format())]
    pub(crate) format: Option<ExportFormat>,
}

fn format() -> impl TypedValueParser<Value = ExportFormat> {
    one_of([["csv", "CSV with a header"], ["jsonl", "One JSON product per line"]])
        .try_map(|name| name.parse::<ExportFormat>())
}

impl Export {
    pub(crate) async fn run(&self, config: &Config) -> Result<(), Failure> {
        let format = self.format.or_else(|| ExportFormat::of_path(&self.file)).ok_or(Failure::NoExportFormat)?;
        if let Location::File { path, .. } = &config.database.location
            && !path.exists()
        {
            return Err(Failure::NoDatabase { path: path.clone() });
        }
        let Catalogue { container, repository, .. } = wiring::catalogue(config).await?;
        let exported = wiring::run(container, self.write(&repository, format)).await?;
        // On standard error: standard output may be the export.
        eprint_error(&format_args!("{exported} products exported to {}", self.name()));
        Ok(())
    }

    fn name(&self) -> String {
        if self.is_stdout() { "standard output".to_owned() } else { self.file.display().to_string() }
    }

    fn is_stdout(&self) -> bool {
        self.file == Path::new("-")
    }

    /// A new file is readable for its owner alone: it has the products of all organizations.
    fn create(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.file)
    }

    async fn write(&self, repository: &Database, format: ExportFormat) -> Result<u64, Failure> {
        let failed = |cause: io::Error| Failure::Export { file: self.name(), cause };
        let output: Box<dyn Write + Send> =
            if self.is_stdout() { Box::new(io::stdout()) } else { Box::new(self.create().map_err(failed)?) };
        let mut writer = ProductWriter::new(output, format).map_err(failed)?;
        let (mut start, mut written) = (PageStart::Offset(0), 0);
        loop {
            let page = repository.page(PageRequest { start, limit: BATCH, ..PageRequest::default() }).await?;
            for product in &page.products {
                writer.write(product).map_err(failed)?;
                written += 1;
            }
            match page.next {
                Some(place) if page.has_more => start = PageStart::After { place, position: written },
                _ => break,
            }
        }
        writer.finish().map_err(failed)?.flush().map_err(failed)?;
        Ok(written.unsigned_abs())
    }
}
