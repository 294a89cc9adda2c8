//! Lists: which products, in which order, from where on. However many products there are, a page is read from as few
//! of them as its filter allows.
//!
//! | the filter leaves | how a page is read |
//! |---|---|
//! | at most [`SMALL`] products that an index has together | all of them, sorted ([`sorted_subset`]) |
//! | more, in the order of a column | along the index of that order, skipping the others ([`index_scan`]), the lists of several organizations merged ([`merge`]) |
//! | what a search finds, if it is few | from the full-text index ([`fulltext`]), sorted, or ranked by their texts ([`rank`]) |
//! | what a search finds, if it is many | from the full-text index by id, else along the index of the order, skipping the others |
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
    Filter, Order, OrderBy, PageError, PageIds, PageRequest, PageStart, Place, PlaceKey, ProductId, ProductPage,
    ProductScope, Search,
};

use super::reader::Reader;
use super::rows::find_listed;
use crate::sqlite::error::SqlError;
pub(crate) use analytics::report;
use counts::OrganizationCount;
use fulltext::Hits;
use index_scan::{IndexScan, Window};
use sorted_subset::Subset;

/// A set of so many products is small: to read and sort them takes about as long as to find the first page of a list
/// of so many along an index of a million.
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
        let mut found = find_listed(conn, &ids)?;
        let products = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(ProductPage { products, total, has_more, next })
    })
}

/// How many products match the filter.
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
    let after = after.map(Place::of_id);
    let window = Window { descending: false, after: after.as_ref(), offset: 0, limit: i64::from(limit) };
    let rows = merge::rows(conn, &scans(&filter, OrderBy::Id, &[]), window)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn matching(conn: &Reader, filter: &Filter) -> Result<i64, SqlError> {
    match &filter.search {
        Some(search) if search.finds_nothing() => Ok(0),
        Some(search) => {
            let counts = counts::by_organization(conn, filter)?;
            fulltext::find(conn, filter, search, &counts, SMALL)?.count(conn, filter)
        }
        None if filter.has_price() => Subset::Prices.count(conn, filter),
        None => counts::total(conn, filter),
    }
}

fn find(conn: &Reader, request: &PageRequest) -> Result<PageIds, SqlError> {
    request.check()?;
    let filter = &request.filter;
    counts::check_exists(conn, filter)?;
    let counts = counts::by_organization(conn, filter)?;
    let counted = counts::sum(&counts);
    let nothing = counted == 0 || filter.search.as_ref().is_some_and(|search| search.finds_nothing());
    let known = nothing || (filter.search.is_none() && !filter.has_price());
    let total = known.then_some(if nothing { 0 } else { counted });

    let (after, offset) = match &request.start {
        PageStart::Offset(offset) => (None, *offset),
        PageStart::After { place, .. } => (Some(place), 0),
    };
    let limit = i64::from(request.limit) + 1;
    let window = Window { descending: request.order.descending, after, offset, limit };
    // No list is longer than what the counters say; nobody scans all of it to find its end.
    let beyond = offset >= counted;
    let mut rows = if beyond || nothing { Vec::new() } else { rows(conn, filter, request.order, &counts, window)? };
    let has_more = rows.len() as i64 == limit;
    rows.truncate(request.limit as usize);
    let ids = rows.iter().map(|row| row.id).collect();
    Ok(PageIds { ids, total, has_more, next: rows.pop() })
}

fn rows(
    conn: &Reader,
    filter: &Filter,
    order: Order,
    counts: &[OrganizationCount],
    window: Window<'_>,
) -> Result<Vec<Place>, SqlError> {
    if let Some(search) = &filter.search {
        return found(conn, filter, search, order, counts, window);
    }
    match small_subset(conn, filter, order.by, counts)? {
        Some(set) => set.rows(conn, filter, order.by, window),
        None => merge::rows(conn, &scans(filter, order.by, counts), window),
    }
}

/// The rows of a search.
fn found(
    conn: &Reader,
    filter: &Filter,
    search: &Search,
    order: Order,
    counts: &[OrganizationCount],
    window: Window<'_>,
) -> Result<Vec<Place>, SqlError> {
    let key = window.after.map(|place| &place.key);
    let by_rank = matches!(key, Some(PlaceKey::Rank(_)));
    // Of a page by relevance more are looked at than for the first one, so that a list goes on as it began when some
    // more products have come to be found.
    let hits = fulltext::find(conn, filter, search, counts, if by_rank { 2 * SMALL } else { SMALL })?;
    match (order.by, hits) {
        // A page goes on as the one before it was ordered, also when it is now known how well the products fit.
        (OrderBy::Relevance, Hits::Few(ids)) if !matches!(key, Some(PlaceKey::Id)) => {
            rank::rows(conn, filter, search, &ids, window)
        }
        (OrderBy::Relevance, Hits::Many(_)) if by_rank => Err(PageError::PlaceOfAnotherOrder.into()),
        // Nothing is more relevant than anything else, and ties go by id.
        (OrderBy::Relevance, hits) => listed(conn, filter, &hits, OrderBy::Id, Window { descending: false, ..window }),
        (by, hits) => listed(conn, filter, &hits, by, window),
    }
}

fn listed(
    conn: &Reader,
    filter: &Filter,
    hits: &Hits,
    by: OrderBy,
    window: Window<'_>,
) -> Result<Vec<Place>, SqlError> {
    match hits {
        Hits::Few(ids) => Subset::These(ids).rows(conn, filter, by, window),
        Hits::Many(parts) => {
            let scans: Vec<IndexScan<'_>> = parts.iter().map(|part| part.scan(filter, by)).collect();
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
    by: OrderBy,
    counts: &[OrganizationCount],
) -> Result<Option<Subset<'static>>, SqlError> {
    if filter.has_price() && by != OrderBy::Price && Subset::count_prices(conn, filter, SMALL + 1)? <= SMALL {
        return Ok(Some(Subset::Prices));
    }
    // No set that contains the list is smaller than the list.
    let in_order = by == OrderBy::Id || (by == OrderBy::Price && filter.category.is_some());
    if counts::sum(counts) > SMALL || in_order {
        return Ok(None);
    }
    let Filter { organization, in_stock, .. } = *filter;
    let of_category = |category| Filter { organization, category: Some(category), ..Filter::default() };
    let out_of_stock = || Filter { organization, in_stock, ..Filter::default() };
    let sets = [
        filter.category.clone().map(|category| (Subset::Category, of_category(category))),
        filter.schema.map(|schema| (Subset::Schema, Filter::of_schema(schema))),
        (in_stock == Some(false) && by != OrderBy::Stock).then(|| (Subset::OutOfStock, out_of_stock())),
    ];
    let mut sized = Vec::new();
    for (set, members) in sets.into_iter().flatten() {
        sized.push((counts::total(conn, &members)?, set));
    }
    let smallest = sized.into_iter().min_by_key(|(size, _)| *size);
    Ok(smallest.filter(|(size, _)| *size <= SMALL).map(|(_, set)| set))
}

/// The indexes that have the list in order.
fn scans<'a>(filter: &'a Filter, by: OrderBy, counts: &[OrganizationCount]) -> Vec<IndexScan<'a>> {
    let scan = |organization| IndexScan { filter, by, index: index_of(by, filter), organization, search: None };
    if by == OrderBy::Id && filter.category.is_none() {
        return vec![scan(filter.organization.map(|id| id.get()))];
    }
    counts.iter().map(|count| scan(Some(count.organization))).collect()
}

/// ` INDEXED BY …`: the index that has the list of each organization in order or, by id, that of all of them together.
fn index_of(by: OrderBy, filter: &Filter) -> &'static str {
    match by {
        OrderBy::Price if filter.category.is_some() => " INDEXED BY products_of_category_by_price",
        OrderBy::Name => " INDEXED BY products_by_name",
        OrderBy::Price => " INDEXED BY products_by_price",
        OrderBy::Stock => " INDEXED BY products_by_stock",
        OrderBy::CreatedAt => " INDEXED BY products_by_created_at",
        OrderBy::UpdatedAt => " INDEXED BY products_by_updated_at",
        OrderBy::Id | OrderBy::Relevance if filter.category.is_some() => " INDEXED BY products_of_category",
        OrderBy::Id | OrderBy::Relevance if filter.schema.is_some() => " INDEXED BY products_of_schema",
        OrderBy::Id | OrderBy::Relevance if filter.organization.is_some() => " INDEXED BY products_of_organization",
        OrderBy::Id | OrderBy::Relevance => " INDEXED BY products_live",
    }
}
