//! For product files: a reader becomes checked products, and products become a file. Knows no database, no HTTP and no
//! cache. May depend on `domain`.
//!
//! - [`ProductReader`] reads plain CSV, JSON lines and the product exports of Shopify and WooCommerce ([`Format`]). It
//!   recognizes the format from the first bytes and reports a bad row without stopping at it.
//! - [`ProductWriter`] writes CSV or JSON lines ([`ExportFormat`]) that [`ProductReader`] takes back unchanged.
//!
//! Files are UTF-8, with or without a byte order mark. CSV may be separated by commas, semicolons or tabs, its columns
//! may come in any order, and their names are compared without regard to case. Blank rows are passed over.
//!
//! ```
//! use hotshelf_formats::{Format, ProductReader};
//!
//! let file = "name,price,stock\nCup,4.50,12\nPlate,free,1\nBowl,7,3\n";
//! let mut reader = ProductReader::open(file.as_bytes(), None)?;
//! assert_eq!(reader.format(), Format::Csv);
//!
//! let (mut products, mut complaints) = (Vec::new(), Vec::new());
//! for row in &mut reader {
//!     match row {
//!         Ok(row) => products.push(row.product),
//!         Err(error) => complaints.push(error.to_string()),
//!     }
//! }
//! assert_eq!(products.len(), 2);
//! assert_eq!(complaints, ["line 3: price must be a number"]);
//! # Ok::<(), hotshelf_formats::UnreadableFile>(())
//! ```
//!
//! Importing all or nothing is the caller's business: read the file once to see whether a row is bad, and then again.

mod error;
mod format;
mod html;
mod json_lines;
mod line_feed;
mod listing;
mod number;
mod plain;
mod reader;
mod recognize;
mod shopify;
mod table;
mod woocommerce;
mod writer;

pub use error::{RowError, RowFault, UnreadableFile};
pub use format::{ExportFormat, Format, UnknownFormat};
pub use reader::{Home, ProductReader, Row};
pub use writer::ProductWriter;
