//! A shop's product that is put together from several rows.

use hotshelf_domain::{FieldErrors, Price, PriceError, ProductDraft};

use crate::number::with_decimal_point;
use crate::reader::{Parsed, Unchecked};
use crate::table::Record;

/// The product so far.
pub(crate) struct Listing {
    /// Of the first row.
    line: u64,
    /// Of the first row.
    position: u64,
    pub(crate) name: Option<String>,
    pub(crate) description: String,
    pub(crate) category: String,
    lowest_price: Option<Price>,
    stock: i64,
    errors: FieldErrors,
    /// The line of the first error.
    wrong_line: Option<u64>,
}

impl Listing {
    /// Starts with `record` as its first row.
    pub(crate) fn new(record: &Record) -> Self {
        Listing {
            line: record.line,
            position: record.position,
            name: None,
            description: String::new(),
            category: String::new(),
            lowest_price: None,
            stock: 0,
            errors: FieldErrors::default(),
            wrong_line: None,
        }
    }

    /// Adds something that can be bought: the lowest price counts, and the sum of the stocks, of which a negative one
    /// (oversold) is 0. An empty text says nothing.
    pub(crate) fn add_offer(&mut self, line: u64, price: &str, stock: &str) {
        if let Err(error) = self.add_price(price.trim()) {
            self.wrong(line, "price", &error.to_string());
        }
        if let Err(message) = self.add_stock(stock.trim()) {
            self.wrong(line, "stock", message);
        }
    }

    fn add_price(&mut self, price: &str) -> Result<(), PriceError> {
        if !price.is_empty() {
            let price: Price = with_decimal_point(price).parse()?;
            self.lowest_price = Some(self.lowest_price.map_or(price, |lowest| lowest.min(price)));
        }
        Ok(())
    }

    fn add_stock(&mut self, stock: &str) -> Result<(), &'static str> {
        if !stock.is_empty() {
            let pieces: i64 = stock.parse().map_err(|_| "must be an integer")?;
            self.stock = self.stock.checked_add(pieces.max(0)).ok_or("is too large in sum")?;
        }
        Ok(())
    }

    fn wrong(&mut self, line: u64, field: &str, message: &str) {
        self.wrong_line.get_or_insert(line);
        self.errors.add(field, message);
    }

    /// The product. What is wrong with it is at the line of the first bad row, or else of the first row.
    pub(crate) fn finish(self) -> Parsed {
        let draft = ProductDraft {
            name: self.name,
            description: Some(self.description),
            price: self.lowest_price.map(|price| price.to_string()),
            stock: Some(self.stock),
            category: Some(self.category),
            errors: self.errors,
            ..ProductDraft::default()
        };
        let product = Unchecked::new(self.line, draft).at_fault(self.wrong_line.unwrap_or(self.line));
        Parsed { position: self.position, result: Ok(product) }
    }
}

/// Products and complaints in the order of the file.
pub(crate) fn in_file_order(mut rows: Vec<Parsed>) -> Vec<Parsed> {
    rows.sort_by_key(|parsed| match &parsed.result {
        Ok(product) => product.fault_line,
        Err(error) => error.line,
    });
    rows
}
