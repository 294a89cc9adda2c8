//! Lists: which products, in which order, from where on. However many products there are, a page is read from as few
//! of them as its filter allows.
//!
//! | the filter leaves | how a page is read |
//! |---|---|
//! | at most [`SMALL`] products that an index has together | all of them, sorted ([`small`]) |
//! | more, in the order of a column | along the index of that order, passing over the others ([`walk`]), the lists of several organizations side by side ([`merge`]) |
//! | what a search finds, by id or relevance | from the full-text index ([`hits`]) |
//!
//! The counters say which of these it is before a product is read ([`counts`]).

mod analytics;
mod column;
mod counts;
mod hits;
mod merge;
mod small;
#[cfg(test)]
mod tests;
mod walk;

use super::reader::Reader;
use super::rows::find_listed;
use crate::error::StoreError;
use crate::filter::{Filter, Members};
use crate::ids::ProductId;
use crate::order::Order;
use crate::page::{PageError, PageIds, PageRequest, PageStart, ProductPage};
use crate::place::PlaceKey;
pub(super) use analytics::report;
use column::{Column, Row};
use counts::Share;
use hits::{Query, Within};
use small::Set;
use walk::{Walk, Window};

/// As many products are read and sorted in about the time in which, of a million, the index of an order finds the first
/// ones of a list that is this rare in it.
const SMALL: i64 = 1_500;
/// To order more than this by relevance would take longer than anybody waits, and says little: the words are everywhere.
const RANKED: i64 = 10_000;

pub(super) fn page_ids(conn: &Reader, request: &PageRequest) -> Result<PageIds, StoreError> {
    // One transaction, so that the total and the ids are of the same moment.
    conn.transaction(|conn| find(conn, request))
}

pub(super) fn page(conn: &Reader, request: &PageRequest) -> Result<ProductPage, StoreError> {
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
pub(super) fn count(conn: &Reader, filter: &Filter) -> Result<i64, StoreError> {
    conn.transaction(|conn| {
        counts::check_exists(conn, filter)?;
        matching(conn, filter)
    })
}

/// The next ids, in their order.
pub(super) fn ids(
    conn: &Reader,
    members: Members,
    after: Option<ProductId>,
    limit: u32,
) -> Result<Vec<ProductId>, StoreError> {
    let filter = members.filter();
    counts::check_exists(conn, &filter)?;
    let after = after.map(|id| Row { key: PlaceKey::Id, id: id.get() });
    let window = Window { descending: false, after: after.as_ref(), offset: 0, limit: i64::from(limit) };
    let rows = merge::rows(conn, &walks(&filter, Column::Id, &[], None), window)?;
    Ok(rows.into_iter().map(|row| ProductId::from_row(row.id)).collect())
}

fn matching(conn: &Reader, filter: &Filter) -> Result<i64, StoreError> {
    match &filter.search {
        Some(search) if search.finds_nothing() => Ok(0),
        Some(_) => {
            let query = Query::new(filter);
            let many = query.finds_more_than(conn, SMALL, Within::Rows)?;
            query.count(conn, if many { Within::Index } else { Within::Rows })
        }
        None if filter.has_price() => Set::Prices.count(conn, filter),
        None => counts::total(conn, filter),
    }
}

fn find(conn: &Reader, request: &PageRequest) -> Result<PageIds, StoreError> {
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
    // No list is longer than its organizations' and schemas' shares; nobody walks through all of it to find its end.
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
) -> Result<Vec<Row>, StoreError> {
    if filter.search.is_some() {
        return found(conn, filter, order, shares, window);
    }
    let column = Column::of(order.by).ok_or(PageError::RelevanceWithoutSearch)?;
    match small_set(conn, filter, column, shares)? {
        Some(set) => set.rows(conn, filter, column, window),
        None => merge::rows(conn, &walks(filter, column, shares, None), window),
    }
}

/// Of what a search finds.
fn found(
    conn: &Reader,
    filter: &Filter,
    order: Order,
    shares: &[Share],
    window: Window<'_>,
) -> Result<Vec<Row>, StoreError> {
    let query = Query::new(filter);
    let many = query.finds_more_than(conn, SMALL, Within::Rows)?;
    let within = if many { Within::Index } else { Within::Rows };
    match Column::of(order.by) {
        None if is_ranked(conn, &query, within, window)? => query.by_relevance(conn, within, window),
        // Nothing is more relevant than anything else, and ties go by id.
        None => query.by_id(conn, Window { descending: false, ..window }),
        Some(column) if !many => Set::Hits(&query.words).rows(conn, filter, column, window),
        Some(Column::Id) => query.by_id(conn, window),
        // A walk through several organizations would search again in each.
        Some(column) if shares.len() > 1 || !query.finds_more_than(conn, SMALL, within)? => {
            Set::Hits(&query.scoped).rows(conn, filter, column, window)
        }
        Some(column) => merge::rows(conn, &walks(filter, column, shares, Some(&query.scoped)), window),
    }
}

/// A page goes on as the one before it was ordered, also when some more products have come to be found.
fn is_ranked(conn: &Reader, query: &Query<'_>, within: Within, window: Window<'_>) -> Result<bool, StoreError> {
    match window.after {
        Some(Row { key: PlaceKey::Id, .. }) => Ok(false),
        Some(_) if query.finds_more_than(conn, 2 * RANKED, within)? => Err(PageError::PlaceOfAnotherOrder.into()),
        Some(_) => Ok(true),
        None => Ok(within == Within::Rows || !query.finds_more_than(conn, RANKED, within)?),
    }
}

/// The smallest set that all of the list is in, if it is small and the index of the order does not lead there by itself.
fn small_set(
    conn: &Reader,
    filter: &Filter,
    column: Column,
    shares: &[Share],
) -> Result<Option<Set<'static>>, StoreError> {
    if filter.has_price() && column != Column::Price && Set::count_prices(conn, filter, SMALL + 1)? <= SMALL {
        return Ok(Some(Set::Prices));
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
        sets.push((Set::Category, Filter { organization, category: Some(category), ..Filter::default() }));
    }
    if let Some(schema) = filter.schema {
        sets.push((Set::Schema, Filter::of_schema(schema)));
    }
    if filter.in_stock == Some(false) && column != Column::Stock {
        sets.push((Set::OutOfStock, Filter { organization, in_stock: Some(false), ..Filter::default() }));
    }
    let mut sized = Vec::with_capacity(sets.len());
    for (set, members) in sets {
        sized.push((counts::total(conn, &members)?, set));
    }
    let smallest = sized.into_iter().min_by_key(|(size, _)| *size);
    Ok(smallest.filter(|(size, _)| *size <= SMALL).map(|(_, set)| set))
}

/// The indexes that have the list in order.
fn walks<'a>(filter: &'a Filter, column: Column, shares: &[Share], search: Option<&'a str>) -> Vec<Walk<'a>> {
    let walk = |index, organization| Walk { filter, column, index, organization, search };
    let each = |index| shares.iter().map(|share| walk(index, Some(share.organization))).collect();
    let organization = filter.organization.map(|id| id.get());
    match column {
        Column::Id if filter.category.is_some() => each(" INDEXED BY products_of_category"),
        Column::Id if filter.schema.is_some() => vec![walk(" INDEXED BY products_of_schema", organization)],
        Column::Id if organization.is_some() => vec![walk(" INDEXED BY products_of_organization", organization)],
        Column::Id => vec![walk(" INDEXED BY products_live", None)],
        Column::Price if filter.category.is_some() => each(" INDEXED BY products_of_category_by_price"),
        Column::Name => each(" INDEXED BY products_by_name"),
        Column::Price => each(" INDEXED BY products_by_price"),
        Column::Stock => each(" INDEXED BY products_by_stock"),
        Column::CreatedAt => each(" INDEXED BY products_by_created_at"),
        Column::UpdatedAt => each(" INDEXED BY products_by_updated_at"),
    }
}
