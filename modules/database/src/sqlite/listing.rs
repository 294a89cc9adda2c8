//! Lists: which products, in which order, from where on. However many products there are, a page is read from as few
//! of them as its filter allows.
//!
//! | the filter leaves | how a page is read |
//! |---|---|
//! | at most [`SMALL`] products that an index has together | all of them, sorted ([`sorted_subset`]) |
//! | more, in the order of a column | along the index of that order, passing over the others ([`index_scan`]), the lists of several organizations side by side ([`merge`]) |
//! | what a search finds, if it is few | from the full-text index ([`fulltext`]), sorted, or ranked by their texts ([`rank`]) |
//! | what a search finds, if it is many | from the full-text index by id, else along the index of the order, passing over the others |
//!
//! The counters say which of these it is before a product is read ([`counts`]).

mod analytics;
mod column;
mod counts;
mod fulltext;
mod index_scan;
mod merge;
mod rank;
mod sorted_subset;
#[cfg(test)]
mod tests;

use hotshelf_domain::{
    Filter, Order, PageError, PageIds, PageRequest, PageStart, PlaceKey, ProductId, ProductPage, ProductScope, Search,
};

use super::reader::Reader;
use super::rows::find_listed;
use crate::sqlite::error::SqlError;
pub(crate) use analytics::report;
use column::{Column, Row};
use counts::Share;
use fulltext::Hits;
use index_scan::{IndexScan, Window};
use sorted_subset::Subset;

/// As many products are read and sorted in about the time in which, of a million, the index of an order finds the
/// first ones of a list that is this rare in it.
const SMALL: i64 = 1_500;

pub(crate) fn page_ids(conn: &Reader, request: &PageRequest) -> Result<PageIds, SqlError> {
    // One transaction, so that the total and the ids are of the same moment.
    conn.transaction(|conn| find(conn, request))
}

pub(crate) fn page(conn: &Reader, request: &PageRequest) -> Result<ProductPage, SqlError> {
    // One transaction, so that all of it is of the same moment.
    conn.transaction(|conn| {
        let PageIds { ids, total, has_more, next } = find(conn, request)?;
        let total = total.map_or_else(|| matching(conn, &request.filter), Ok)?;
        let ids: Vec<i64> = ids.into_iter().map(ProductId::get).collect();
        let mut found = find_listed(conn, &ids)?;
        let products = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(ProductPage { products, total, has_more, next })
    })
}

/// How many products the filter lets through.
pub(crate) fn count(conn: &Reader, filter: &Filter) -> Result<i64, SqlError> {
    conn.transaction(|conn| {
        counts::check_exists(conn, filter)?;
        matching(conn, filter)
    })
}

/// The next ids, in their order.
pub(crate) fn ids(
    conn: &Reader,
    members: ProductScope,
    after: Option<ProductId>,
    limit: u32,
) -> Result<Vec<ProductId>, SqlError> {
    let filter = members.filter();
    counts::check_exists(conn, &filter)?;
    let after = after.map(|id| Row { key: PlaceKey::Id, id: id.get() });
    let window = Window { descending: false, after: after.as_ref(), offset: 0, limit: i64::from(limit) };
    let rows = merge::rows(conn, &scans(&filter, Column::Id, &[]), window)?;
    Ok(rows.into_iter().map(|row| ProductId::from_row(row.id)).collect())
}

fn matching(conn: &Reader, filter: &Filter) -> Result<i64, SqlError> {
    match &filter.search {
        Some(search) if search.finds_nothing() => Ok(0),
        Some(search) => {
            let shares = counts::shares(conn, filter)?;
            fulltext::find(conn, filter, search, &shares, SMALL)?.count(conn, filter)
        }
        None if filter.has_price() => Subset::Prices.count(conn, filter),
        None => counts::total(conn, filter),
    }
}

fn find(conn: &Reader, request: &PageRequest) -> Result<PageIds, SqlError> {
    request.check()?;
    let filter = &request.filter;
    counts::check_exists(conn, filter)?;
    let shares = counts::shares(conn, filter)?;
    let counted: i64 = shares.iter().map(|share| share.products).sum();
    let nothing = counted == 0 || filter.search.as_ref().is_some_and(|search| search.finds_nothing());
    let known = nothing || (filter.search.is_none() && !filter.has_price());
    let total = known.then_some(if nothing { 0 } else { counted });

    let (after, offset) = match &request.start {
        PageStart::Offset(offset) => (None, *offset),
        PageStart::After { place, .. } => (Some(Row::of(place)), 0),
    };
    let limit = i64::from(request.limit) + 1;
    let window = Window { descending: request.order.descending, after: after.as_ref(), offset, limit };
    // No list is longer than its organizations' and schemas' shares; nobody scans all of it to find its end.
    let beyond = offset >= counted;
    let mut rows = if beyond || nothing { Vec::new() } else { rows(conn, filter, request.order, &shares, window)? };
    let has_more = rows.len() as i64 == limit;
    rows.truncate(request.limit as usize);
    let ids = rows.iter().map(|row| ProductId::from_row(row.id)).collect();
    Ok(PageIds { ids, total, has_more, next: rows.pop().map(Row::place) })
}

fn rows(
    conn: &Reader,
    filter: &Filter,
    order: Order,
    shares: &[Share],
    window: Window<'_>,
) -> Result<Vec<Row>, SqlError> {
    if let Some(search) = &filter.search {
        return found(conn, filter, search, order, shares, window);
    }
    let column = Column::of(order.by).ok_or(PageError::RelevanceWithoutSearch)?;
    match small_subset(conn, filter, column, shares)? {
        Some(set) => set.rows(conn, filter, column, window),
        None => merge::rows(conn, &scans(filter, column, shares), window),
    }
}

/// Of what a search finds.
fn found(
    conn: &Reader,
    filter: &Filter,
    search: &Search,
    order: Order,
    shares: &[Share],
    window: Window<'_>,
) -> Result<Vec<Row>, SqlError> {
    let by_rank = matches!(window.after, Some(Row { key: PlaceKey::Rank(_), .. }));
    let hits = fulltext::find(conn, filter, search, shares, fulltext::few(by_rank))?;
    // A page goes on as the one before it was ordered, also when it is now known how well the products fit.
    let by_id = matches!(window.after, Some(Row { key: PlaceKey::Id, .. }));
    match (Column::of(order.by), hits) {
        (None, Hits::Few(ids)) if !by_id => rank::rows(conn, filter, search, &ids, window),
        (None, Hits::Many(_)) if by_rank => Err(PageError::PlaceOfAnotherOrder.into()),
        // Nothing is more relevant than anything else, and ties go by id.
        (None, hits) => listed(conn, filter, &hits, Column::Id, Window { descending: false, ..window }),
        (Some(column), hits) => listed(conn, filter, &hits, column, window),
    }
}

fn listed(
    conn: &Reader,
    filter: &Filter,
    hits: &Hits,
    column: Column,
    window: Window<'_>,
) -> Result<Vec<Row>, SqlError> {
    match hits {
        Hits::Few(ids) => Subset::These(ids).rows(conn, filter, column, window),
        Hits::Many(parts) => {
            let scans: Vec<IndexScan<'_>> = parts.iter().map(|part| part.scan(filter, column)).collect();
            merge::rows(conn, &scans, window)
        }
    }
}

/// Few products that all of the list is in, whatever is searched for: those with its prices, or those out of stock.
fn narrow_subset(conn: &Reader, filter: &Filter) -> Result<Option<Subset<'static>>, SqlError> {
    if filter.has_price() && Subset::count_prices(conn, filter, SMALL + 1)? <= SMALL {
        return Ok(Some(Subset::Prices));
    }
    let Filter { organization, in_stock, .. } = *filter;
    let out_of_stock = Filter { organization, in_stock, ..Filter::default() };
    Ok((in_stock == Some(false) && counts::total(conn, &out_of_stock)? <= SMALL).then_some(Subset::OutOfStock))
}

/// The smallest set that all of the list is in, if it is small and the index of the order does not lead there by
/// itself.
fn small_subset(
    conn: &Reader,
    filter: &Filter,
    column: Column,
    shares: &[Share],
) -> Result<Option<Subset<'static>>, SqlError> {
    if filter.has_price() && column != Column::Price && Subset::count_prices(conn, filter, SMALL + 1)? <= SMALL {
        return Ok(Some(Subset::Prices));
    }
    // Whatever all of the list is in is no smaller than the list.
    let listed: i64 = shares.iter().map(|share| share.products).sum();
    let in_order = column == Column::Id || (column == Column::Price && filter.category.is_some());
    if listed > SMALL || in_order {
        return Ok(None);
    }
    let organization = filter.organization;
    let mut sets = Vec::new();
    if let Some(category) = filter.category.clone() {
        sets.push((Subset::Category, Filter { organization, category: Some(category), ..Filter::default() }));
    }
    if let Some(schema) = filter.schema {
        sets.push((Subset::Schema, Filter::of_schema(schema)));
    }
    if filter.in_stock == Some(false) && column != Column::Stock {
        sets.push((Subset::OutOfStock, Filter { organization, in_stock: Some(false), ..Filter::default() }));
    }
    let mut sized = Vec::with_capacity(sets.len());
    for (set, members) in sets {
        sized.push((counts::total(conn, &members)?, set));
    }
    let smallest = sized.into_iter().min_by_key(|(size, _)| *size);
    Ok(smallest.filter(|(size, _)| *size <= SMALL).map(|(_, set)| set))
}

/// The indexes that have the list in order.
fn scans<'a>(filter: &'a Filter, column: Column, shares: &[Share]) -> Vec<IndexScan<'a>> {
    let scan = |organization| IndexScan { filter, column, index: index_of(column, filter), organization, search: None };
    if column == Column::Id && filter.category.is_none() {
        return vec![scan(filter.organization.map(|id| id.get()))];
    }
    shares.iter().map(|share| scan(Some(share.organization))).collect()
}

/// ` INDEXED BY …`: the index that has the list of each organization in order or, by id, that of all of them together.
fn index_of(column: Column, filter: &Filter) -> &'static str {
    match column {
        Column::Id if filter.category.is_some() => " INDEXED BY products_of_category",
        Column::Id if filter.schema.is_some() => " INDEXED BY products_of_schema",
        Column::Id if filter.organization.is_some() => " INDEXED BY products_of_organization",
        Column::Id => " INDEXED BY products_live",
        Column::Price if filter.category.is_some() => " INDEXED BY products_of_category_by_price",
        Column::Name => " INDEXED BY products_by_name",
        Column::Price => " INDEXED BY products_by_price",
        Column::Stock => " INDEXED BY products_by_stock",
        Column::CreatedAt => " INDEXED BY products_by_created_at",
        Column::UpdatedAt => " INDEXED BY products_by_updated_at",
    }
}
