//! Plain CSV: a row is a product.

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
    name: Option<usize>,
    description: Option<usize>,
    price: Option<usize>,
    stock: Option<usize>,
    category: Option<usize>,
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
        let [name, description, price, stock, category] = COLUMNS.map(|column| columns.find(column));
        Ok(PlainCsv { table, decimal_comma, name, description, price, stock, category })
    }

    fn row(&self, record: &Record) -> Unchecked {
        let price = record.text(self.price).trim();
        let mut draft = ProductDraft {
            name: Some(record.text(self.name).to_owned()),
            description: Some(record.text(self.description).to_owned()),
            category: Some(record.text(self.category).to_owned()),
            ..ProductDraft::default()
        };
        if !price.is_empty() {
            draft.price =
                Some(if self.decimal_comma { with_decimal_point(price).into_owned() } else { price.to_owned() });
        }
        let stock = record.text(self.stock).trim();
        if !stock.is_empty() {
            draft.stock = stock.parse().ok();
            if draft.stock.is_none() {
                draft.errors.add("stock", "must be an integer");
            }
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
