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
pub(crate) mod audit_log;
mod column;
mod counts;
mod fulltext;
mod index_scan;
pub(crate) mod indexes;
mod merge;
pub(crate) mod organizations;
mod rank;
mod sorted_subset;
#[cfg(test)]
mod tests;

use hotshelf_domain::{
    Filter, OrderBy, PageError, PageIds, PageRequest, PageStart, Place, PlaceKey, ProductId, ProductPage, ProductScope,
    Search,
};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::rows::find_listed;
pub(crate) use analytics::report;
use counts::OrganizationCount;
use fulltext::Hits;
use index_scan::{IndexScan, Window};
use indexes::in_order;
use sorted_subset::Subset;

/// A set of so many products is small: to read and sort them takes about as long as to find the first page of a list
/// of so many along an index of a million.
const SMALL: i64 = 1_500;

pub(crate) fn page_ids(conn: &dyn ListReader, request: &PageRequest) -> Result<PageIds, SqlError> {
    // One transaction, so that the total and the ids are of the same moment.
    conn.moment(|conn| find(conn, request))
}

pub(crate) fn page(conn: &dyn ListReader, request: &PageRequest) -> Result<ProductPage, SqlError> {
    // One transaction, so that all of it is of the same moment.
    conn.moment(|conn| {
        let PageIds { ids, total, has_more, next } = find(conn, request)?;
        let total = total.map_or_else(|| matching(conn, &request.filter), Ok)?;
        let mut found = find_listed(conn, &ids)?;
        let products = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(ProductPage { products, total, has_more, next })
    })
}

/// How many products match the filter.
pub(crate) fn count(conn: &dyn ListReader, filter: &Filter) -> Result<i64, SqlError> {
    conn.moment(|conn| {
        counts::check_exists(conn, filter)?;
        matching(conn, filter)
    })
}

/// The next ids, in their order.
pub(crate) fn ids(
    conn: &dyn ListReader,
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

fn matching(conn: &dyn ListReader, filter: &Filter) -> Result<i64, SqlError> {
    let list = List::new(conn, filter)?;
    match &filter.search {
        Some(search) if search.finds_nothing() => Ok(0),
        Some(search) => fulltext::find(&list, search, SMALL)?.count(&list),
        None if filter.has_price() => Subset::Prices.count(&list),
        None => Ok(list.counted()),
    }
}

fn find(conn: &dyn ListReader, request: &PageRequest) -> Result<PageIds, SqlError> {
    request.check()?;
    let filter = &request.filter;
    counts::check_exists(conn, filter)?;
    let list = List::new(conn, filter)?;
    let counted = list.counted();
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
    let mut rows = if nothing || offset >= counted { Vec::new() } else { list.rows(request.order.by, window)? };
    let has_more = rows.len() as i64 == limit;
    rows.truncate(request.limit as usize);
    let ids = rows.iter().map(|row| row.id).collect();
    Ok(PageIds { ids, total, has_more, next: rows.pop() })
}

/// A list, and what the counters say of it.
struct List<'a> {
    conn: &'a dyn ListReader,
    filter: &'a Filter,
    counts: Vec<OrganizationCount>,
}

impl<'a> List<'a> {
    fn new(conn: &'a dyn ListReader, filter: &'a Filter) -> Result<Self, SqlError> {
        Ok(List { conn, filter, counts: counts::by_organization(conn, filter)? })
    }

    fn counted(&self) -> i64 {
        self.counts.iter().map(|count| count.products).sum()
    }

    fn rows(&self, by: OrderBy, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        if let Some(search) = &self.filter.search {
            return self.found(search, by, window);
        }
        match self.small_subset(by)? {
            Some(set) => set.rows(self, by, window),
            None => merge::rows(self.conn, &scans(self.filter, by, &self.counts), window),
        }
    }

    /// The rows of a search.
    fn found(&self, search: &Search, by: OrderBy, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        let key = window.after.map(|place| &place.key);
        let by_rank = matches!(key, Some(PlaceKey::Rank(_)));
        // Of a page by relevance more are looked at than for the first one, so that a list goes on as it began when
        // some more products have come to be found.
        let hits = fulltext::find(self, search, if by_rank { 2 * SMALL } else { SMALL })?;
        match (by, hits) {
            // A page goes on as the one before it was ordered, also when it is now known how well the products fit.
            (OrderBy::Relevance, Hits::Few(ids)) if !matches!(key, Some(PlaceKey::Id)) => {
                rank::rows(self, search, &ids, window)
            }
            (OrderBy::Relevance, Hits::Many(_)) if by_rank => Err(PageError::PlaceOfAnotherOrder.into()),
            // Nothing is more relevant than anything else, and ties go by id.
            (OrderBy::Relevance, hits) => self.listed(&hits, OrderBy::Id, Window { descending: false, ..window }),
            (by, hits) => self.listed(&hits, by, window),
        }
    }

    fn listed(&self, hits: &Hits, by: OrderBy, window: Window<'_>) -> Result<Vec<Place>, SqlError> {
        match hits {
            Hits::Few(ids) => Subset::These(ids).rows(self, by, window),
            Hits::Many(parts) => {
                let scans: Vec<IndexScan<'_>> = parts.iter().map(|part| part.scan(self.filter, by)).collect();
                merge::rows(self.conn, &scans, window)
            }
        }
    }

    /// A small set that contains the list, whatever is searched for.
    fn narrow_subset(&self) -> Result<Option<Subset<'static>>, SqlError> {
        if self.filter.has_price() && Subset::count_prices(self, SMALL + 1)? <= SMALL {
            return Ok(Some(Subset::Prices));
        }
        let out_of_stock = self.filter.in_stock == Some(false) && self.out_of_stock()? <= SMALL;
        Ok(out_of_stock.then_some(Subset::OutOfStock))
    }

    /// The smallest set that contains the list, if it is small and the index of the order does not lead there by
    /// itself.
    fn small_subset(&self, by: OrderBy) -> Result<Option<Subset<'static>>, SqlError> {
        let (conn, filter) = (self.conn, self.filter);
        if filter.has_price() && by != OrderBy::Price && Subset::count_prices(self, SMALL + 1)? <= SMALL {
            return Ok(Some(Subset::Prices));
        }
        // No set that contains the list is smaller than the list.
        let leads_there = by == OrderBy::Id || (by == OrderBy::Price && filter.category.is_some());
        if self.counted() > SMALL || leads_there {
            return Ok(None);
        }
        let mut sets = Vec::new();
        if filter.category.is_some() {
            let Filter { organization, ref category, .. } = *filter;
            let members = Filter { organization, category: category.clone(), ..Filter::default() };
            sets.push((counts::total(conn, &members)?, Subset::Category));
        }
        if let Some(schema) = filter.schema {
            sets.push((counts::total(conn, &Filter::of_schema(schema))?, Subset::Schema));
        }
        if filter.in_stock == Some(false) && by != OrderBy::Stock {
            sets.push((self.out_of_stock()?, Subset::OutOfStock));
        }
        let smallest = sets.into_iter().min_by_key(|(size, _)| *size);
        Ok(smallest.filter(|(size, _)| *size <= SMALL).map(|(_, set)| set))
    }

    /// How many products of the organization are out of stock.
    fn out_of_stock(&self) -> Result<i64, SqlError> {
        let organization = self.filter.organization;
        counts::total(self.conn, &Filter { organization, in_stock: Some(false), ..Filter::default() })
    }
}

/// The indexes that have the list in order.
fn scans<'a>(filter: &'a Filter, by: OrderBy, counts: &[OrganizationCount]) -> Vec<IndexScan<'a>> {
    let scan = |organization| IndexScan { filter, by, index: in_order(by, filter), organization, search: None };
    if by == OrderBy::Id && filter.category.is_none() {
        return vec![scan(filter.organization.map(|id| id.get()))];
    }
    counts.iter().map(|count| scan(Some(count.organization))).collect()
}
