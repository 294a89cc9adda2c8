//! What a search finds.

use hotshelf_domain::{Filter, Invalid, OrderBy, Place, ProductId, Search, StoreError, words};

use super::List;
use super::column;
use super::counts::{self, OrganizationCount};
use super::index_scan::{IndexScan, Window};
use super::indexes::in_order;
use super::sorted_subset::Subset;
use crate::backend::ListReader;
use crate::error::SqlError;
use crate::search_words::{begins, query};

/// What a search may cost, in entries of lists that are read in their order: some tenth of a second.
const COST_MAX: i64 = 5_000_000;
/// A beginning of so many characters has a list of its own in the index. The lists of all words with a longer one are
/// put together first, at several times the cost.
const LISTED_CHARS: usize = 3;
const LONGER_COST: i64 = 5;
/// The cost of looking for one list in one organization.
const SEEK_COST: i64 = 2_000;

/// What a search finds in an organization, in the language of the index. Schema and category are in it.
pub(super) struct Part {
    organization: i64,
    query: String,
}

/// What a search finds, prices and stock aside.
pub(super) enum Hits {
    /// These, all of them.
    Few(Vec<ProductId>),
    /// Too many to be looked at.
    Many(Vec<Part>),
}

/// Finds up to so many; if there are more, where they are.
pub(super) fn find(list: &List<'_>, search: &Search, few: i64) -> Result<Hits, SqlError> {
    check_cost(list, search)?;
    let Filter { schema, category, .. } = list.filter;
    let part = |&OrganizationCount { organization, .. }: &_| Part {
        organization,
        query: query(list.conn.dialect(), organization, search.words(), *schema, category.as_deref()),
    };
    let parts: Vec<Part> = list.counts.iter().map(part).collect();
    let mut ids: Vec<ProductId> = Vec::new();
    for part in &parts {
        let left = few + 1 - ids.len() as i64;
        let found = list.conn.statement("SELECT rowid FROM product_search WHERE ").matching(&part.query);
        let found = found.sql(" LIMIT ").bind(left);
        ids.extend(list.conn.rows(&found, |row| Ok(ProductId::from_row(row.integer(0)?)))?);
        if ids.len() as i64 > few {
            return match list.narrow_subset()? {
                // Fewer rows than hits: these are looked at.
                Some(set) => Ok(Hits::Few(matching(list, set, search)?)),
                None => Ok(Hits::Many(parts)),
            };
        }
    }
    Ok(Hits::Few(ids))
}

/// Those in the set whose texts have the words.
fn matching(list: &List<'_>, set: Subset<'_>, search: &Search) -> Result<Vec<ProductId>, SqlError> {
    let words: Vec<&str> = search.words().collect();
    let texts = set.texts(list)?;
    let found = texts.iter().filter(|texts| {
        let stored = words::stored([&texts.name, &texts.description, &texts.category]);
        words::find(&stored, &words)
    });
    Ok(found.map(|texts| texts.id).collect())
}

/// Refuses a search that would take too long. What it costs is known from the counters or, where
/// they do not tell, by the length of the lists that it would read, of which no more are read than it may cost.
fn check_cost(List { conn, filter, counts }: &List<'_>, search: &Search) -> Result<(), SqlError> {
    let terms: Vec<(String, i64)> = search.words().flat_map(terms_of).collect();
    let seeks = SEEK_COST.saturating_mul((terms.len() * counts.len()) as i64);
    let mut left = COST_MAX - seeks;
    let weights: i64 = terms.iter().map(|(_, weight)| weight).sum();
    let whole = Filter { organization: filter.organization, ..Filter::default() };
    let products = counts::total(*conn, &whole)?;
    if weights.saturating_mul(products) <= left {
        return Ok(());
    }
    for (begin, weight) in &terms {
        for count in counts {
            if left < 0 {
                return Err(too_broad());
            }
            let listed = conn.statement("SELECT count(*) FROM (SELECT 1 FROM product_search WHERE ");
            let listed = listed.matching(&begins(conn.dialect(), count.organization, begin));
            left -= weight * listed.sql(" LIMIT ").bind(left / weight + 1).sql(") listed").number(*conn)?;
        }
    }
    if left < 0 { Err(too_broad()) } else { Ok(()) }
}

/// The prefixes of a word that have lists in the index, each with the cost of an entry of its list.
fn terms_of(word: &str) -> Vec<(String, i64)> {
    let mut terms: Vec<String> = words::parts(word).map(str::to_owned).collect();
    if terms.len() > 1 {
        terms.push(words::as_one(word).into_owned());
    }
    let term = |term: String| match term.char_indices().nth(LISTED_CHARS) {
        Some((end, _)) => (term[..end].to_owned(), LONGER_COST),
        None => (term, 1),
    };
    terms.into_iter().map(term).collect()
}

fn too_broad() -> SqlError {
    let message = "finds too much to be answered in time: leave out words that many products have, add letters to short \
                   ones, or name an organization";
    StoreError::Invalid(Invalid::one("search", message)).into()
}

impl Hits {
    /// How many of the hits match the filter.
    pub(super) fn count(&self, list: &List<'_>) -> Result<i64, SqlError> {
        let List { conn, filter, .. } = *list;
        let by_row = filter.has_price() || filter.in_stock.is_some();
        match self {
            Hits::Few(ids) if by_row => Subset::These(ids).count(list),
            Hits::Few(ids) => Ok(ids.len() as i64),
            Hits::Many(parts) => parts.iter().try_fold(0, |sum, part| {
                let by = if filter.has_price() { OrderBy::Price } else { OrderBy::Stock };
                let counted = if by_row { part.scan(filter, by).count(conn) } else { part.count(conn) };
                Ok(sum + counted?)
            }),
        }
    }
}

impl Part {
    fn count(&self, conn: &dyn ListReader) -> Result<i64, SqlError> {
        conn.statement("SELECT count(*) FROM product_search WHERE ").matching(&self.query).number(conn)
    }

    /// The list of what is found in the order of the column.
    pub(super) fn scan<'a>(&'a self, filter: &'a Filter, by: OrderBy) -> IndexScan<'a> {
        let organization = Some(self.organization);
        IndexScan { filter, by, index: in_order(by, filter), organization, search: Some(&self.query) }
    }
}

/// What a query of the index finds, in order of id, which is the order of the index. The rows are looked at only when
/// the filter asks for what the index does not know.
pub(super) fn found_by_id(
    conn: &dyn ListReader,
    filter: &Filter,
    query: &str,
    window: Window<'_>,
) -> Result<Vec<Place>, SqlError> {
    let statement = conn.statement("SELECT s.rowid, s.rowid FROM product_search s");
    let by_row = filter.has_price() || filter.in_stock.is_some();
    let mut statement = if by_row {
        let joined = statement.looking_up("products p ON p.id = s.rowid WHERE ").matching(query);
        joined.sql(" AND p.deleted_at IS NULL").restrict(filter, None)
    } else {
        statement.sql(" WHERE ").matching(query)
    };
    let (beyond, order) = window.direction();
    if let Some(row) = window.after {
        statement = statement.and("s.rowid", beyond, row.id.get());
    }
    let statement = statement.sql(" ORDER BY s.rowid").sql(order).page(window.limit, window.offset);
    column::load(OrderBy::Id, statement, conn)
}
