//! WooCommerce's product export: one row per product and one per variation of a variable product.

use std::collections::HashMap;

use crate::error::{RowError, RowFault};
use crate::html;
use crate::listing::{Listing, in_file_order};
use crate::reader::Parsed;
use crate::table::{Columns, Record, Table};

pub(crate) const REQUIRED: [&str; 3] = ["Type", "Name", "Regular price"];

/// Reads the whole file; variations join their parents at the end, wherever those are.
pub(crate) fn gather(mut table: Table) -> Vec<Parsed> {
    let fields = Fields::of(table.columns());
    let mut listings: Vec<Listing> = Vec::new();
    let mut by_reference: HashMap<String, usize> = HashMap::new();
    let mut variations: Vec<Variation> = Vec::new();
    let mut rows: Vec<Parsed> = Vec::new();

    while let Some(record) = table.next() {
        match record {
            Err(error) => rows.push(Parsed { position: table.position(), result: Err(error) }),
            Ok(record) if fields.is_variation(&record) => variations.push(fields.variation(&record)),
            Ok(record) => {
                for reference in fields.references(&record) {
                    by_reference.entry(reference).or_insert(listings.len());
                }
                listings.push(fields.listing(&record));
            }
        }
    }
    for variation in variations {
        match by_reference.get(&variation.parent) {
            Some(&index) => listings[index].add_offer(variation.line, &variation.price, &variation.stock),
            None => {
                let orphan = RowError::new(variation.line, RowFault::NoParent { parent: variation.parent });
                rows.push(Parsed { position: variation.position, result: Err(orphan) });
            }
        }
    }
    rows.extend(listings.into_iter().map(Listing::finish));
    in_file_order(rows)
}

struct Variation {
    line: u64,
    position: u64,
    parent: String,
    price: String,
    stock: String,
}

/// Where the columns are that matter here.
struct Fields {
    id: Option<usize>,
    kind: Option<usize>,
    sku: Option<usize>,
    parent: Option<usize>,
    name: Option<usize>,
    short_description: Option<usize>,
    description: Option<usize>,
    stock: Option<usize>,
    regular_price: Option<usize>,
    sale_price: Option<usize>,
    categories: Option<usize>,
}

impl Fields {
    fn of(columns: &Columns) -> Self {
        Fields {
            id: columns.find("ID"),
            kind: columns.find("Type"),
            sku: columns.find("SKU"),
            parent: columns.find("Parent"),
            name: columns.find("Name"),
            short_description: columns.find("Short description"),
            description: columns.find("Description"),
            stock: columns.find("Stock"),
            regular_price: columns.find("Regular price"),
            sale_price: columns.find("Sale price"),
            categories: columns.find("Categories"),
        }
    }

    /// `Type` is a list such as `variation, virtual`.
    fn is_variation(&self, record: &Record) -> bool {
        record.text(self.kind).split(',').any(|kind| kind.trim().eq_ignore_ascii_case("variation"))
    }

    /// What a variation may call this product: `id:12`, or its SKU when it has one.
    fn references(&self, record: &Record) -> impl Iterator<Item = String> {
        let id = Some(record.text(self.id).trim()).filter(|id| !id.is_empty()).map(|id| format!("id:{id}"));
        let sku = Some(unescaped(record.text(self.sku)).trim()).filter(|sku| !sku.is_empty()).map(str::to_owned);
        id.into_iter().chain(sku)
    }

    fn variation(&self, record: &Record) -> Variation {
        Variation {
            line: record.line,
            position: record.position,
            parent: unescaped(record.text(self.parent)).trim().to_owned(),
            price: self.price(record).to_owned(),
            stock: self.stock(record).to_owned(),
        }
    }

    fn listing(&self, record: &Record) -> Listing {
        let mut listing = Listing::new(record);
        let text = |field| html::to_text_with_line_breaks(&with_line_breaks(unescaped(record.text(field))));
        let description = Some(text(self.description)).filter(|text| !text.is_empty());
        listing.name = Some(html::to_line(unescaped(record.text(self.name))));
        listing.description = html::shortened(description.unwrap_or_else(|| text(self.short_description)));
        listing.category = html::to_line(&first_of_list(unescaped(record.text(self.categories))));
        listing.add_offer(record.line, self.price(record), self.stock(record));
        listing
    }

    fn price<'a>(&self, record: &'a Record) -> &'a str {
        let regular = record.text(self.regular_price).trim();
        if regular.is_empty() { record.text(self.sale_price) } else { regular }
    }

    /// A variation whose pieces are counted with its parent says `parent`.
    fn stock<'a>(&self, record: &'a Record) -> &'a str {
        let stock = unescaped(record.text(self.stock)).trim();
        if stock == "parent" { "" } else { stock }
    }
}

/// Without the apostrophe that the export puts before texts that a spreadsheet might take for a formula, negative
/// numbers included.
fn unescaped(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => text,
    }
}

/// The export writes a line break as `\n` and a real backslash before an n as `\\n`.
fn with_line_breaks(description: &str) -> String {
    let parts: Vec<String> = description.split(r"\\n").map(|part| part.replace(r"\n", "\n")).collect();
    parts.join(r"\n")
}

/// The first of a list in which a comma that belongs to a name is written `\,`.
fn first_of_list(list: &str) -> String {
    let end = list.match_indices(',').map(|(at, _)| at).find(|&at| !list[..at].ends_with('\\'));
    list[..end.unwrap_or(list.len())].trim().replace(r"\,", ",")
}
