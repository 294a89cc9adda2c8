//! The parameters of lists.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hotshelf_domain::{
    FieldErrors, Filter, Order, OrganizationId, PageRequest, PageStart, Price, ProductId, ProductScope, Search,
};
use hotshelf_product::{Cursor, MemberPage};

use super::{QueryReader, id_of};
use crate::caller::{Caller, foreign};
use crate::problem::Problem;

const DEFAULT_LIMIT: u32 = 20;
const MAX_LIMIT: u32 = 100;
/// Maximum number of ids in one request.
const MAX_IDS: usize = 1_000;

/// The parameters of the list of products.
#[derive(Debug, PartialEq)]
pub(crate) enum ListQuery {
    Page(PageRequest),
    /// These products, without duplicates.
    Products(Vec<ProductId>),
}

/// The parameters of a page of an organization or a schema.
pub(crate) struct MemberPageQuery {
    page: i64,
    limit: u32,
    search: Option<Search>,
    order: Order,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let query = QueryReader::from_request_parts(parts, state).await?;
        let list = list(query, caller.scope()).map_err(Problem::bad_parameters)?;
        match (&list, caller.scope()) {
            (ListQuery::Page(page), Some(own)) if page.filter.organization != Some(own) => Err(foreign(own)),
            _ => Ok(list),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        member_page(QueryReader::from_request_parts(parts, state).await?).map_err(Problem::bad_parameters)
    }
}

impl MemberPageQuery {
    pub(crate) fn of(self, members: ProductScope) -> MemberPage {
        let MemberPageQuery { page, limit, search, order } = self;
        MemberPage { members, page, limit, search, order }
    }
}

/// `scope`: the only organization whose products the list may show.
fn list(mut query: QueryReader, scope: Option<OrganizationId>) -> Result<ListQuery, FieldErrors> {
    if let Some(ids) = query.take("ids", ids) {
        query.finish()?;
        return Ok(ListQuery::Products(ids));
    }
    let offset = query.take_if("offset", |offset| *offset >= 0, "must be an integer of 0 or more");
    let limit = take_limit(&mut query);
    let cursor: Option<Cursor> = query.take("cursor", |text| text.parse().map_err(|error| format!("{error}")));
    let mut filter = take_filter(&mut query);
    filter.organization = filter.organization.or(scope);
    let order = take_order(&mut query, &filter);
    if cursor.is_some() && offset.is_some() {
        query.error("offset", "must be left out when there is a cursor");
    }
    let start = match cursor.map(|cursor| cursor.start(&filter, order)) {
        None => PageStart::Offset(offset.unwrap_or(0)),
        Some(Ok(start)) => start,
        Some(Err(error)) => {
            query.error("cursor", &error.to_string());
            PageStart::default()
        }
    };
    query.finish()?;
    Ok(ListQuery::Page(PageRequest { filter, order, start, limit }))
}

/// No list is as long.
const MAX_PAGE: i64 = 1_000_000_000_000;

fn member_page(mut query: QueryReader) -> Result<MemberPageQuery, FieldErrors> {
    let limit = take_limit(&mut query);
    let fits = |page: &i64| (1..=MAX_PAGE).contains(page);
    let page = query.take_if("page", fits, "must be an integer from 1 to 1000000000000").unwrap_or(1);
    let search = take_search(&mut query);
    let filter = Filter { search, ..Filter::default() };
    let order = take_order(&mut query, &filter);
    query.finish()?;
    Ok(MemberPageQuery { page, limit, search: filter.search, order })
}

fn ids(text: &str) -> Result<Vec<ProductId>, String> {
    let mut ids = Vec::new();
    for (place, id) in text.split(',').enumerate() {
        // One that comes again counts, too: each is compared with those before it.
        if place == MAX_IDS {
            return Err(format!("must be at most {MAX_IDS} ids"));
        }
        let id = id_of(id.trim()).ok_or("must be positive integers, separated by commas")?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

pub(super) fn take_limit(query: &mut QueryReader) -> u32 {
    let fits = |limit: &u32| (1..=MAX_LIMIT).contains(limit);
    query.take_if("limit", fits, "must be an integer from 1 to 100").unwrap_or(DEFAULT_LIMIT)
}

fn take_filter(query: &mut QueryReader) -> Filter {
    const POSITIVE: &str = "must be a positive integer";
    let filter = Filter {
        organization: query.take("organization_id", |text| id_of(text).ok_or_else(|| POSITIVE.to_owned())),
        schema: query.take("schema_id", |text| id_of(text).ok_or_else(|| POSITIVE.to_owned())),
        category: query.take("category", category).flatten(),
        min_price: query.take("min_price", price).flatten(),
        max_price: query.take("max_price", |text| text.parse().map_err(|error| format!("{error}"))),
        in_stock: query.take_if("in_stock", |_| true, "must be true or false"),
        search: take_search(query),
    };
    if let (Some(min), Some(max)) = (filter.min_price, filter.max_price)
        && min > max
    {
        query.error("min_price", "must not be above max_price");
    }
    filter
}

/// 0 is no lower bound.
fn price(text: &str) -> Result<Option<Price>, String> {
    match text.parse::<f64>() {
        Ok(0.0) => Ok(None),
        _ => text.parse().map(Some).map_err(|error| format!("{error}")),
    }
}

/// At most 100 characters, as in a product. Empty, as HTML forms send it, means any category.
fn category(text: &str) -> Result<Option<String>, String> {
    if text.chars().count() > 100 {
        return Err("must be at most 100 characters".to_owned());
    }
    if text.contains('\0') {
        return Err("must have no null character".to_owned());
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn take_search(query: &mut QueryReader) -> Option<Search> {
    query.take("search", |text| Search::parse(text).map_err(|error| error.to_string())).flatten()
}

fn take_order(query: &mut QueryReader, filter: &Filter) -> Order {
    let order = query.take("order", |text| match text {
        "" => Ok(Order::default()),
        text => text.parse().map_err(|error| format!("{error}")),
    });
    let order = order.unwrap_or_default();
    let request = PageRequest { filter: filter.clone(), order, ..PageRequest::default() };
    if let Err(error) = request.check() {
        query.error("order", &error.to_string());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<PageRequest, Vec<String>> {
        match list(QueryReader::from_pairs(query), None) {
            Ok(ListQuery::Page(request)) => Ok(request),
            Ok(ListQuery::Products(ids)) => panic!("{ids:?}"),
            Err(errors) => Err(errors.into_iter().map(|error| error.field).collect()),
        }
    }

    fn fields(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn parameters_have_defaults_and_bounds() {
        let first = PageRequest { limit: 20, ..PageRequest::default() };
        assert_eq!(read(&[]), Ok(first.clone()));
        assert_eq!(read(&[("search", ""), ("order", "")]), Ok(first));
        let last = [("offset", "40"), ("limit", "100")];
        assert_eq!(read(&last), Ok(PageRequest { start: PageStart::Offset(40), limit: 100, ..PageRequest::default() }));
        for limit in ["0", "101", "-1", "ten", "", "1.5"] {
            assert_eq!(read(&[("limit", limit)]), Err(fields(&["limit"])), "{limit}");
        }
        assert_eq!(read(&[("offset", "-1"), ("limit", "x"), ("page", "2")]), Err(fields(&["offset", "limit", "page"])));
        assert_eq!(read(&[("limit", "5"), ("limit", "6")]), Err(fields(&["limit"])));
        assert_eq!(read(&[("cursor", "nonsense")]), Err(fields(&["cursor"])));
    }

    #[test]
    fn filters_and_orders() {
        let request = read(&[
            ("organization_id", "7"),
            ("category", "Books"),
            ("min_price", "0"),
            ("max_price", "9.99"),
            ("in_stock", "true"),
            ("search", "red cup"),
            ("order", "-price"),
        ]);
        let request = request.unwrap();
        assert_eq!(request.filter.organization.map(|id| id.get()), Some(7));
        assert_eq!((request.filter.min_price, request.filter.in_stock), (None, Some(true)));
        assert_eq!(request.order.to_string(), "-price");
        for (name, value) in [
            ("organization_id", "0"),
            ("schema_id", "x"),
            ("min_price", "-1"),
            ("max_price", "1.999"),
            ("in_stock", "yes"),
            ("order", "colour"),
            ("order", "relevance"),
        ] {
            assert_eq!(read(&[(name, value)]), Err(fields(&[name])), "{name}={value}");
        }
        assert_eq!(read(&[("min_price", "5"), ("max_price", "4")]), Err(fields(&["min_price"])));
    }

    #[test]
    fn ids_are_given_in_order_and_once() {
        let read = |text: &str| ids(text).map(|ids| ids.into_iter().map(ProductId::get).collect::<Vec<_>>());
        assert_eq!(read("3,1, 2,1"), Ok(vec![3, 1, 2]));
        assert!(read("3,,1").is_err() && read("-1").is_err() && read("a").is_err());
        let many = |count: i64| (1..=count).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        assert!(read(&many(1_000)).is_ok() && read(&many(1_001)).is_err());
        assert!(read(&vec!["7"; 1_000].join(",")).is_ok() && read(&vec!["7"; 1_001].join(",")).is_err());
    }

    #[test]
    fn pages_of_members_are_numbered() {
        let page = |query: &[(&str, &str)]| member_page(QueryReader::from_pairs(query)).map(|query| query.page);
        assert_eq!(page(&[]), Ok(1));
        assert_eq!(page(&[("page", "3")]), Ok(3));
        for bad in ["0", "-1", "x", "9223372036854775807"] {
            assert!(page(&[("page", bad)]).is_err(), "{bad}");
        }
        assert!(page(&[("offset", "1")]).is_err());
    }
}
