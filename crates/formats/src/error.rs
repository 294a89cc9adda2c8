//! [`UnreadableFile`] when there is nothing to import at all, [`RowError`] when one row is bad and the rest goes on.

use std::io;

use hotshelf_domain::Invalid;

use crate::format::Format;
use crate::line_feed::ROW_LIMIT;

/// Why a file cannot be imported at all. Each message says what was found and what is expected.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableFile {
    /// Not one byte but white space.
    #[error("the file is empty; expected {expected}")]
    Empty {
        /// What the file should be.
        expected: String,
    },
    /// Something else than a product file.
    #[error("the file is {found}; expected {expected}")]
    NoProductFile {
        /// What it looks like.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// The format that was asked for needs more columns.
    #[error("the header has no column {}; expected {}", .missing.join(", "), .format.description())]
    MissingColumns {
        /// The format that was asked for.
        format: Format,
        /// What its files always have.
        missing: Vec<&'static str>,
    },
    /// Plain CSV with columns that would get lost.
    #[error("the header has the unknown column {}; expected {}", .0.join(", "), Format::Csv.description())]
    UnknownColumns(Vec<String>),
    /// A column that is needed is there twice.
    #[error("the header has the column {0} more than once")]
    RepeatedColumn(&'static str),
    /// The input broke off while the format was being recognized.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// One row that is no product, and why.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct RowError {
    /// The line of the file on which the row starts; the first is 1. A quoted line break counts as one.
    pub line: u64,
    /// What is wrong with it.
    #[source]
    pub fault: RowFault,
}

impl RowError {
    /// Whether nothing comes after this, although the file goes on: the rest could not be read.
    pub fn ends_reading(&self) -> bool {
        matches!(self.fault, RowFault::EndlessRow | RowFault::Read(_))
    }

    pub(crate) fn new(line: u64, fault: impl Into<RowFault>) -> Self {
        RowError { line, fault: fault.into() }
    }
}

/// What is wrong with a row.
#[derive(Debug, thiserror::Error)]
pub enum RowFault {
    /// The product breaks rules; every one is named.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// More or fewer fields than columns.
    #[error("has {found} fields, but the header has {expected}")]
    FieldCount {
        /// Columns of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// Bytes that are no UTF-8.
    #[error("is not valid UTF-8")]
    NotUtf8,
    /// A line that is no JSON object; says where it stops being one.
    #[error("is not a JSON object: {0}")]
    NotAnObject(String),
    /// A quote that would swallow the rest of the file.
    #[error("has a quote that is opened and never closed")]
    UnclosedQuote,
    /// A line of JSON longer than any product; the next line is read again.
    #[error("is longer than {ROW_LIMIT} bytes")]
    TooLong,
    /// A CSV row longer than any product, most likely for a quote that is never closed. Ends the reading.
    #[error("is longer than {ROW_LIMIT} bytes (is a quote never closed?); the rest of the file was not read")]
    EndlessRow,
    /// A WooCommerce variation without the product it varies.
    #[error("is a variation of {parent:?}, which is not in the file")]
    NoParent {
        /// The `Parent` that the row names.
        parent: String,
    },
    /// The input broke off. Ends the reading.
    #[error("cannot be read: {0}; the rest of the file was not read")]
    Read(#[from] io::Error),
}
