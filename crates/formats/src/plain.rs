//! Plain CSV: a row is a product.

use std::borrow::Cow;

use hotshelf_domain::ProductDraft;

use crate::error::UnreadableFile;
use crate::number::with_decimal_point;
use crate::reader::{Parsed, Unchecked};
use crate::table::{Record, Table};

pub(crate) const REQUIRED: [&str; 2] = ["name", "price"];
const COLUMNS: [&str; 5] = ["name", "description", "price", "stock", "category"];

/// The rows of a plain CSV file.
pub(crate) struct PlainCsv {
    table: Table,
    decimal_comma: bool,
    /// Where each of [`COLUMNS`] is.
    columns: [Option<usize>; 5],
}

impl PlainCsv {
    /// Refuses columns it does not know: dropping them in silence would lose data.
    pub(crate) fn new(table: Table, decimal_comma: bool) -> Result<Self, UnreadableFile> {
        let columns = table.columns();
        let unknown = columns.others(&COLUMNS);
        if !unknown.is_empty() {
            return Err(UnreadableFile::UnknownColumns(unknown));
        }
        if let Some(column) = columns.repeated(&COLUMNS) {
            return Err(UnreadableFile::RepeatedColumn(column));
        }
        let columns = COLUMNS.map(|column| columns.find(column));
        Ok(PlainCsv { table, decimal_comma, columns })
    }

    fn row<'a>(&self, record: &'a Record) -> Unchecked {
        let [name, description, price, stock, category] = self.columns.map(|column| record.text(column));
        let given = |text: &'a str| Some(text.trim()).filter(|text| !text.is_empty());
        let price = given(price).map(|price| if self.decimal_comma { with_decimal_point(price) } else { price.into() });
        let mut draft = ProductDraft {
            name: Some(name.to_owned()),
            description: Some(description.to_owned()),
            price: price.map(Cow::into_owned),
            stock: given(stock).and_then(|stock| stock.parse().ok()),
            category: Some(category.to_owned()),
            ..ProductDraft::default()
        };
        if draft.stock.is_none() && given(stock).is_some() {
            draft.errors.add("stock", "must be an integer");
        }
        Unchecked::new(record.line, draft)
    }
}

impl Iterator for PlainCsv {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        let result = self.table.next()?.map(|record| self.row(&record));
        Some(Parsed { position: self.table.position(), result })
    }
}
