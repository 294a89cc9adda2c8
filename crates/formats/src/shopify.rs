//! Shopify's product export: one row per variant and one per further image.

use std::collections::HashMap;

use hotshelf_domain::Invalid;

use crate::error::RowError;
use crate::html;
use crate::listing::{Listing, in_file_order};
use crate::reader::Parsed;
use crate::table::Table;

pub(crate) const REQUIRED: [&str; 3] = ["Handle", "Title", "Variant Price"];

/// Reads the whole file; a product is all rows of one handle, wherever they are.
pub(crate) fn gather(mut table: Table) -> Vec<Parsed> {
    let columns = ["Handle", "Title", "Body (HTML)", "Type", "Tags", "Variant Price", "Variant Inventory Qty"];
    let [handle, title, body, kind, tags, price, stock] = columns.map(|name| table.columns().find(name));
    let mut listings: Vec<Listing> = Vec::new();
    let mut by_handle: HashMap<String, usize> = HashMap::new();
    let mut rows: Vec<Parsed> = Vec::new();

    while let Some(record) = table.next() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                rows.push(Parsed { position: table.position(), result: Err(error) });
                continue;
            }
        };
        let key = record.text(handle).trim();
        if key.is_empty() {
            let invalid = Invalid::one("Handle", "is required");
            rows.push(Parsed { position: record.position, result: Err(RowError::new(record.line, invalid)) });
            continue;
        }
        let index = *by_handle.entry(key.to_owned()).or_insert(listings.len());
        if index == listings.len() {
            listings.push(Listing::new(&record));
        }
        let listing = &mut listings[index];
        // Only the first row of a product has a title. Should another one have it too, it says the same.
        if listing.name.is_none() && !record.text(title).trim().is_empty() {
            listing.name = Some(record.text(title).to_owned());
            listing.description = html::shortened(html::to_text(record.text(body)));
            listing.category = category(record.text(kind), record.text(tags)).to_owned();
        }
        listing.add_offer(record.line, record.text(price), record.text(stock));
    }
    rows.extend(listings.into_iter().map(Listing::finish));
    in_file_order(rows)
}

fn category<'a>(kind: &'a str, tags: &'a str) -> &'a str {
    let first_tag = tags.split(',').map(str::trim).find(|tag| !tag.is_empty());
    Some(kind.trim()).filter(|kind| !kind.is_empty()).or(first_tag).unwrap_or_default()
}
