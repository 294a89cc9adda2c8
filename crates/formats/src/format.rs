//! What a product file may hold.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The formats that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// CSV with the columns `name` and `price`, and, if wanted, `description`, `stock` and `category`. Separated by
    /// semicolons, a price may be written with a decimal comma, as the same spreadsheets do.
    Csv,
    /// One product per line, a JSON object as the API takes it. What only the service sets (`id`, `version`,
    /// `created_at`, `updated_at`) is passed over.
    JsonLines,
    /// Shopify's product export: one product for all rows of a `Handle`.
    ///
    /// The name is the `Title`, the description the text of `Body (HTML)`, the category the `Type` or else the first
    /// of the `Tags`. The price is the lowest of the variants' (what a shop window calls "from"), the stock their sum,
    /// in which an oversold variant counts as 0. A description over 1,000 characters is shortened between two words
    /// and ends in "…". Unpublished products are read like all others. If one row of a product is bad, the whole
    /// product is. Products are held in memory until the end of the file.
    Shopify,
    /// WooCommerce's product export in English: one product per row, `variation` rows added to their `Parent`.
    ///
    /// The description is the text of `Description` or else of `Short description`, the category the first of the
    /// `Categories` with its path (`Clothing > Hoodies`). The price is the `Regular price` or else the `Sale price`,
    /// since sales end; the rest is as in [`Shopify`](Format::Shopify). A stock that the shop does not count is 0. A
    /// `grouped` product has no price of its own and is reported as bad.
    WooCommerce,
}

impl Format {
    const ALL: [Format; 4] = [Format::Csv, Format::JsonLines, Format::Shopify, Format::WooCommerce];

    fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
            Format::Shopify => "shopify",
            Format::WooCommerce => "woocommerce",
        }
    }

    /// What a file of this format looks like, for people.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Format::Csv => "CSV with the header name,description,price,stock,category",
            Format::JsonLines => "JSON lines (one product object per line)",
            Format::Shopify => "a product export of Shopify (CSV with the columns Handle, Title, Variant Price)",
            Format::WooCommerce => "a product export of WooCommerce (CSV with the columns Type, Name, Regular price)",
        }
    }

    /// What a file should be that is to be of the `wanted` format or, when that is open, of any.
    pub(crate) fn expected(wanted: Option<Format>) -> String {
        match wanted {
            Some(format) => format.description().to_owned(),
            None => Format::ALL.map(Format::description).join("; or "),
        }
    }
}

/// By the names `csv`, `jsonl`, `shopify` and `woocommerce`.
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no format's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a known format; expected {expected}")]
pub struct UnknownFormat {
    /// What was given.
    pub name: String,
    expected: &'static str,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let unknown = || UnknownFormat { name: name.to_owned(), expected: "csv, jsonl, shopify or woocommerce" };
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(unknown)
    }
}

/// The formats that can be written. Both keep the five fields `name`, `description`, `price`, `stock` and `category`,
/// exactly: a text that a spreadsheet would take for a formula is not altered either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// CSV with a header, separated by commas.
    Csv,
    /// One JSON object per line.
    JsonLines,
}

impl ExportFormat {
    /// The format that the file's ending asks for: `.csv`, `.jsonl` or `.ndjson` in any case.
    pub fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        match ending.as_str() {
            "csv" => Some(ExportFormat::Csv),
            "jsonl" | "ndjson" => Some(ExportFormat::JsonLines),
            _ => None,
        }
    }
}

/// The format to read the file back with; its name is also this format's.
impl From<ExportFormat> for Format {
    fn from(format: ExportFormat) -> Self {
        match format {
            ExportFormat::Csv => Format::Csv,
            ExportFormat::JsonLines => Format::JsonLines,
        }
    }
}

impl fmt::Display for ExportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Format::from(*self).fmt(f)
    }
}

impl FromStr for ExportFormat {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        match name {
            "csv" => Ok(ExportFormat::Csv),
            "jsonl" => Ok(ExportFormat::JsonLines),
            _ => Err(UnknownFormat { name: name.to_owned(), expected: "csv or jsonl" }),
        }
    }
}
