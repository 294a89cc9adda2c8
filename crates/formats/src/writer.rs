//! The writer: products as a file that can be read back.

use std::io::{self, BufWriter, Write};

use hotshelf_domain::{Price, Product};
use serde::Serialize;

use crate::format::ExportFormat;

/// What is kept of a product, in the order of the columns.
#[derive(Serialize)]
struct Exported<'a> {
    name: &'a str,
    description: &'a str,
    price: Price,
    stock: i64,
    category: &'a str,
}

/// Writes products to a file, buffered.
///
/// ```
/// use hotshelf_formats::{ExportFormat, ProductWriter};
///
/// let writer = ProductWriter::new(Vec::new(), ExportFormat::Csv)?;
/// assert_eq!(writer.finish()?, b"name,description,price,stock,category\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ProductWriter<W: Write>(Sink<W>);

enum Sink<W: Write> {
    Csv(Box<csv::Writer<W>>),
    JsonLines(BufWriter<W>),
}

impl<W: Write> ProductWriter<W> {
    /// Begins the file, with the header if the format has one.
    ///
    /// # Errors
    /// Of the output.
    pub fn new(output: W, format: ExportFormat) -> io::Result<Self> {
        Ok(ProductWriter(match format {
            ExportFormat::JsonLines => Sink::JsonLines(BufWriter::new(output)),
            ExportFormat::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(output);
                writer.write_record(["name", "description", "price", "stock", "category"])?;
                Sink::Csv(Box::new(writer))
            }
        }))
    }

    /// Adds a product.
    ///
    /// # Errors
    /// Of the output.
    pub fn write(&mut self, product: &Product) -> io::Result<()> {
        let Product { name, description, price, stock, category, .. } = product;
        match &mut self.0 {
            Sink::Csv(writer) => {
                writer.write_record([name, description, &price.to_string(), &stock.to_string(), category])?;
            }
            Sink::JsonLines(output) => {
                let exported = Exported { name, description, price: *price, stock: *stock, category };
                serde_json::to_writer(&mut *output, &exported)?;
                output.write_all(b"\n")?;
            }
        }
        Ok(())
    }

    /// Flushes, and gives the output back. Whoever leaves this out does not learn of the last errors.
    ///
    /// # Errors
    /// Of the output.
    pub fn finish(self) -> io::Result<W> {
        let mut output = match self.0 {
            Sink::Csv(writer) => writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?,
            Sink::JsonLines(output) => output.into_inner().map_err(io::IntoInnerError::into_error)?,
        };
        output.flush()?;
        Ok(output)
    }
}
