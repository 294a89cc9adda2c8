//! The reader: a file of any format as an iterator of checked products.

use std::io::Read;
use std::iter;

use hotshelf_domain::{NewProduct, OrganizationId, ProductDraft, SchemaId};

use crate::error::{RowError, UnreadableFile};
use crate::format::Format;
use crate::json_lines::JsonLines;
use crate::line_feed::LineFeed;
use crate::plain::{self, PlainCsv};
use crate::recognize::{Head, Kind};
use crate::shopify;
use crate::table::{Columns, Table};
use crate::woocommerce;

/// A product of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file on which the product starts; the first is 1.
    pub line: u64,
    /// The product, ready to be stored.
    pub product: NewProduct,
}

/// Where the products belong that do not say so themselves. Whether there is such a place, only the database knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Whose they become.
    pub organization: OrganizationId,
    /// What their details follow.
    pub schema: SchemaId,
}

impl Default for Home {
    fn default() -> Self {
        Home { organization: OrganizationId::BUILT_IN, schema: SchemaId::BUILT_IN }
    }
}

/// A product as it stands in the file.
pub(crate) struct Unchecked {
    line: u64,
    /// The line to name if it is not valid.
    pub(crate) fault_line: u64,
    draft: ProductDraft,
}

impl Unchecked {
    pub(crate) fn new(line: u64, draft: ProductDraft) -> Self {
        Unchecked { line, fault_line: line, draft }
    }

    pub(crate) fn at_fault(self, fault_line: u64) -> Self {
        Unchecked { fault_line, ..self }
    }

    fn checked(self, home: Home) -> Result<Row, RowError> {
        let Unchecked { line, fault_line, mut draft } = self;
        draft.organization_id.get_or_insert(home.organization.get());
        draft.schema_id.get_or_insert(home.schema.get());
        let product = draft.into_new().map_err(|invalid| RowError::new(fault_line, invalid))?;
        Ok(Row { line, product })
    }
}

/// A row with the bytes of the file that are dealt with once it is.
pub(crate) struct Parsed {
    pub(crate) position: u64,
    pub(crate) result: Result<Unchecked, RowError>,
}

/// Reads the products of a file one by one, in the order of the file.
///
/// A bad row is an error among the others and the reading goes on, unless [`RowError::ends_reading`] says that it
/// cannot. CSV and JSON lines are streamed: only the current row is in memory, of at most 16 MiB. A shop's export is
/// read to its end before the first product comes out, since the rows of a product may be anywhere in it.
pub struct ProductReader {
    format: Format,
    home: Home,
    position: u64,
    rows: Box<dyn Iterator<Item = Parsed> + Send>,
}

impl ProductReader {
    /// Recognizes the format from the first bytes or, if `format` says which one to expect, holds them against that.
    ///
    /// # Errors
    /// [`UnreadableFile`] says what was found in place of products.
    pub fn open(input: impl Read + Send + 'static, format: Option<Format>) -> Result<Self, UnreadableFile> {
        let (head, rest) = Head::read(input)?;
        let delimiter = match head.kind(format)? {
            Kind::JsonLines => {
                let rows = Box::new(JsonLines::new(rest, head.skipped));
                return Ok(ProductReader { format: Format::JsonLines, home: Home::default(), position: 0, rows });
            }
            Kind::Csv { delimiter } => delimiter,
        };
        let table = Table::open(LineFeed::new(rest, head.skipped), delimiter)?;
        let format = match format {
            Some(format) => expect_columns(format, table.columns()).map(|()| format)?,
            None => recognized(table.columns()).ok_or_else(|| head.unknown_header())?,
        };
        let rows: Box<dyn Iterator<Item = Parsed> + Send> = match format {
            Format::Shopify => Box::new(iter::once_with(move || shopify::gather(table)).flatten()),
            Format::WooCommerce => Box::new(iter::once_with(move || woocommerce::gather(table)).flatten()),
            Format::Csv | Format::JsonLines => Box::new(PlainCsv::new(table, delimiter == b';')?),
        };
        Ok(ProductReader { format, home: Home::default(), position: 0, rows })
    }

    /// With another home for the products that do not name their own organization or schema.
    pub fn with_home(self, home: Home) -> Self {
        ProductReader { home, ..self }
    }

    /// What the file turned out to be.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Bytes of the file up to the end of the row that came last, to drive a progress bar by the file's length. For a
    /// shop's export that is the product's first row, so it stands still while the file is being read and then moves
    /// with the products.
    pub fn bytes_read(&self) -> u64 {
        self.position
    }
}

impl Iterator for ProductReader {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let parsed = self.rows.next()?;
        self.position = parsed.position;
        Some(parsed.result.and_then(|row| row.checked(self.home)))
    }
}

/// The shops first: their columns are the more telling ones.
fn recognized(columns: &Columns) -> Option<Format> {
    let by_header = [Format::Shopify, Format::WooCommerce, Format::Csv];
    by_header.into_iter().find(|&format| columns.missing(required(format)).is_empty())
}

fn expect_columns(format: Format, columns: &Columns) -> Result<(), UnreadableFile> {
    let missing = columns.missing(required(format));
    if missing.is_empty() { Ok(()) } else { Err(UnreadableFile::MissingColumns { format, missing }) }
}

fn required(format: Format) -> &'static [&'static str] {
    match format {
        Format::Csv => &plain::REQUIRED,
        Format::Shopify => &shopify::REQUIRED,
        Format::WooCommerce => &woocommerce::REQUIRED,
        Format::JsonLines => &[],
    }
}
