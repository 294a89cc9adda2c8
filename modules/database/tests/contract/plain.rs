//! What a list ought to be.

use std::cmp::Ordering;

use hotshelf_domain::{Filter, Order, OrderBy, Product, ProductId};

/// The list of these products, all of it.
pub(crate) fn list(products: &[Product], filter: &Filter, order: Order) -> Vec<ProductId> {
    let mut listed: Vec<&Product> = products.iter().filter(|product| is_in(product, filter)).collect();
    listed.sort_by(|one, other| compare(one, other, order));
    listed.iter().map(|product| product.id).collect()
}

pub(crate) fn is_in(product: &Product, filter: &Filter) -> bool {
    filter.organization.is_none_or(|organization| organization == product.organization_id)
        && filter.schema.is_none_or(|schema| schema == product.schema_id)
        && filter.category.as_ref().is_none_or(|category| *category == product.category)
        && filter.min_price.is_none_or(|price| price <= product.price)
        && filter.max_price.is_none_or(|price| price >= product.price)
        && filter.in_stock.is_none_or(|in_stock| in_stock == (product.stock > 0))
        && filter.search.as_ref().is_none_or(|search| is_found(product, search.as_str()))
}

fn is_found(product: &Product, search: &str) -> bool {
    let texts = format!("{} {} {}", product.name, product.description, product.category);
    let texts = folded(&texts);
    // `usb-c` is also found as `usbc`.
    let words: Vec<String> = texts
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .flat_map(|word| word.split('-').map(str::to_owned).chain([word.replace('-', "")]).collect::<Vec<_>>())
        .collect();
    let begun = |wanted: &str| words.iter().any(|word| word.starts_with(wanted));
    !search.is_empty()
        && search.split(' ').all(|wanted| wanted.split('-').all(begun) || begun(&wanted.replace('-', "")))
}

/// Enough for the letters of these tests.
fn folded(text: &str) -> String {
    let lower = text.to_lowercase();
    let plain = lower.chars().filter(|c| *c != '\u{301}').map(|c| match c {
        'é' | 'è' | 'ê' => 'e',
        'ï' => 'i',
        'û' | 'ü' => 'u',
        'ä' => 'a',
        'ö' => 'o',
        other => other,
    });
    plain.collect()
}

fn compare(one: &Product, other: &Product, order: Order) -> Ordering {
    let keys = match order.by {
        OrderBy::Id | OrderBy::Relevance => return direction(one.id.cmp(&other.id), order),
        OrderBy::Name => name_key(&one.name).cmp(&name_key(&other.name)),
        OrderBy::Price => one.price.cmp(&other.price),
        OrderBy::Stock => one.stock.cmp(&other.stock),
        OrderBy::CreatedAt => one.created_at.cmp(&other.created_at),
        OrderBy::UpdatedAt => one.updated_at.cmp(&other.updated_at),
    };
    direction(keys, order).then(one.id.cmp(&other.id))
}

/// Compares as the root collation of Unicode does, as far as the names of these tests go: without punctuation first.
fn name_key(name: &str) -> (Vec<(u8, char)>, String, Vec<bool>) {
    let primary = |c: char| match c {
        '_' => (0, c),
        ' ' => (0, '\0'),
        '[' | ']' => (1, c),
        c if c.is_ascii_digit() => (2, c),
        c => (3, c),
    };
    let plain = folded(name);
    let accents: String = name.to_lowercase();
    (plain.chars().map(primary).collect(), accents, name.chars().map(char::is_uppercase).collect())
}

fn direction(keys: Ordering, order: Order) -> Ordering {
    if order.descending { keys.reverse() } else { keys }
}

/// Every order but that by relevance, both ways.
pub(crate) fn orders() -> Vec<Order> {
    let columns = [OrderBy::Id, OrderBy::Name, OrderBy::Price, OrderBy::Stock, OrderBy::CreatedAt, OrderBy::UpdatedAt];
    columns.into_iter().flat_map(|by| [false, true].map(|descending| Order { by, descending })).collect()
}
