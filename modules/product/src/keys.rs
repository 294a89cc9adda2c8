//! The names of the entries, without the prefix that all keys share. Those of lists read back, for the audit.

use std::fmt::Write;

use hotshelf_cache::{Key, Keys};
use hotshelf_domain::{
    Filter, Order, OrganizationId, PageRequest, PageStart, Place, ProductId, ProductScope, SchemaId, Search,
};
use sha2::{Digest, Sha256};

use crate::cursor::{place_from_text, place_text};

/// Of products.
pub(crate) const PRODUCTS: Keys = Keys::Beginning("id:");
/// Of products with their details.
pub(crate) const DETAILS: Keys = Keys::NumberThen(":details");
/// Of pages of all products.
pub(crate) const PAGES: Keys = Keys::Beginning("list:");
/// Of pages of organizations and schemas.
pub(crate) const MEMBER_PAGES: Keys = Keys::Beginning("products:");
/// Of sizes of lists.
pub(crate) const TOTALS: Keys = Keys::Beginning("total");
/// Of all ids of an organization, or of those of them that follow a schema.
pub(crate) const ORGANIZATION_IDS: Keys = Keys::Beginning("org:");
/// Of all ids of a schema.
pub(crate) const SCHEMA_IDS: Keys = Keys::Beginning("schema:");
/// Of analytics.
pub(crate) const ANALYTICS: Keys = Keys::Beginning("analytics:");

/// A text of clients' longer than this is in a key by its hash.
const TEXT_MAX: usize = 64;

/// `id:<id>`.
pub(crate) fn product(id: ProductId) -> Key {
    Key::numbered("id:", id.get())
}

/// The product whose entry that is.
pub(crate) fn product_of(key: &Key) -> Option<ProductId> {
    ProductId::new(key.as_str().strip_prefix("id:")?.parse().ok()?)
}

/// `<id>:details`.
pub(crate) fn details(id: ProductId) -> Key {
    Key::new(format!("{id}:details"))
}

/// The product whose details that are.
pub(crate) fn details_of(key: &Key) -> Option<ProductId> {
    ProductId::new(key.as_str().strip_suffix(":details")?.parse().ok()?)
}

/// `org:<id>:products`, `schema:<id>:products` or `org:<id>:schema:<id>:products`: all their ids.
pub(crate) fn ids(members: ProductScope) -> Key {
    Key::new(format!("{}:products", whose(members)))
}

fn whose(members: ProductScope) -> String {
    match members {
        ProductScope::Organization(id) => format!("org:{id}"),
        ProductScope::Schema(id) => format!("schema:{id}"),
        ProductScope::Both(organization, schema) => format!("org:{organization}:schema:{schema}"),
    }
}

fn members_of(parts: &[&str]) -> Option<ProductScope> {
    let organization = |id: &str| OrganizationId::new(id.parse().ok()?);
    let schema = |id: &str| SchemaId::new(id.parse().ok()?);
    match parts {
        ["org", id] => organization(id).map(ProductScope::Organization),
        ["schema", id] => schema(id).map(ProductScope::Schema),
        ["org", organization_id, "schema", schema_id] => {
            Some(ProductScope::Both(organization(organization_id)?, schema(schema_id)?))
        }
        _ => None,
    }
}

/// Whose ids those are.
pub(crate) fn ids_of(key: &Key) -> Option<ProductScope> {
    match &key.as_str().split(':').collect::<Vec<_>>()[..] {
        [members @ .., "products"] => members_of(members),
        _ => None,
    }
}

/// `analytics:catalogue`.
pub(crate) fn analytics() -> Key {
    Key::new("analytics:catalogue")
}

/// `list:<offset>:<limit>`, `list:after:<place>:<position>:<limit>`, and behind either what is not the default:
/// `:org=7:search=cup+red:order=-price`.
pub(crate) fn page(request: &PageRequest) -> Key {
    let mut key = match &request.start {
        PageStart::Offset(offset) => format!("list:{offset}:{}", request.limit),
        PageStart::After { place, position } => {
            format!("list:after:{}:{position}:{}", place_text(place), request.limit)
        }
    };
    key.push_str(&list(&request.filter, request.order));
    Key::new(key)
}

/// The page whose entry that is, if its key says so.
pub(crate) fn page_of(key: &Key) -> Option<PageRequest> {
    let parts: Vec<&str> = key.as_str().split(':').collect();
    let (start, limit, list) = match parts[..] {
        ["list", "after", place, position, limit, ref list @ ..] => {
            let place: Place = place_from_text(place)?;
            (PageStart::After { place, position: position.parse().ok()? }, limit, list)
        }
        ["list", offset, limit, ref list @ ..] => (PageStart::Offset(offset.parse().ok()?), limit, list),
        _ => return None,
    };
    let (filter, order) = list_of(list)?;
    Some(PageRequest { filter, order, start, limit: limit.parse().ok()? })
}

/// `products:org:<id>:page:<page>:limit:<limit>:search:<search>:order:<order>`, or `products:schema:…`, or both.
pub(crate) fn member_page(members: ProductScope, page: i64, limit: u32, search: Option<&Search>, order: Order) -> Key {
    let whose = whose(members);
    let search = search.map(|search| text(search.as_str())).unwrap_or_default();
    Key::new(format!("products:{whose}:page:{page}:limit:{limit}:search:{search}:order:{order}"))
}

/// The page whose entry that is, if its key says so.
pub(crate) fn member_page_of(key: &Key) -> Option<PageRequest> {
    let parts: Vec<&str> = key.as_str().split(':').collect();
    let [_, ref members @ .., "page", page, "limit", limit, "search", search, "order", order] = parts[..] else {
        return None;
    };
    let (page, limit): (i64, u32) = (page.parse().ok()?, limit.parse().ok()?);
    let search = if search.is_empty() { None } else { Search::parse(&text_of(search)?).ok()? };
    let filter = Filter { search, ..members_of(members)?.filter() };
    let start = PageStart::Offset(page.checked_sub(1)?.checked_mul(i64::from(limit))?);
    Some(PageRequest { filter, order: order.parse().ok()?, start, limit })
}

/// `total:…`, of the products that a filter lets through.
pub(crate) fn total(filter: &Filter) -> Key {
    Key::new(format!("total{}", list(filter, Order::default())))
}

/// The filter whose total that is, if its key says so.
pub(crate) fn total_of(key: &Key) -> Option<Filter> {
    let parts: Vec<&str> = key.as_str().split(':').collect();
    let ("total", list) = parts.split_first().map(|(first, list)| (*first, list))? else { return None };
    Some(list_of(list)?.0)
}

/// What tells a list from the one of all products by id: `:org=7:order=-price`; empty for that one.
pub(crate) fn list(filter: &Filter, order: Order) -> String {
    let mut key = String::new();
    let mut add = |name: &str, value: String| {
        // Writing to a string does not fail.
        let _ = write!(key, ":{name}={value}");
    };
    let Filter { organization, schema, category, min_price, max_price, in_stock, search } = filter;
    organization.iter().for_each(|id| add("org", id.to_string()));
    schema.iter().for_each(|id| add("schema", id.to_string()));
    category.iter().for_each(|category| add("category", text(category)));
    min_price.iter().for_each(|price| add("min", price.to_string()));
    max_price.iter().for_each(|price| add("max", price.to_string()));
    in_stock.iter().for_each(|in_stock| add("stock", in_stock.to_string()));
    search.iter().for_each(|search| add("search", text(search.as_str())));
    if order != Order::default() {
        add("order", order.to_string());
    }
    key
}

fn list_of(parts: &[&str]) -> Option<(Filter, Order)> {
    let (mut filter, mut order) = (Filter::default(), Order::default());
    for part in parts {
        let (name, value) = part.split_once('=')?;
        match name {
            "org" => filter.organization = Some(OrganizationId::new(value.parse().ok()?)?),
            "schema" => filter.schema = Some(SchemaId::new(value.parse().ok()?)?),
            "category" => filter.category = Some(text_of(value)?),
            "min" => filter.min_price = Some(value.parse().ok()?),
            "max" => filter.max_price = Some(value.parse().ok()?),
            "stock" => filter.in_stock = Some(value.parse().ok()?),
            "search" => filter.search = Search::parse(&text_of(value)?).ok()?,
            "order" => order = value.parse().ok()?,
            _ => return None,
        }
    }
    Some((filter, order))
}

/// Free text, so that no client can make keys of a shape of its own: as it is if it is short and plain, else by its
/// hash. By one that nobody can find two texts for: they would share an entry.
fn text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_' | b'.');
    // No text is not the same as none: a search that finds nothing is no list without a search.
    if !text.is_empty() && text.len() <= TEXT_MAX && text.bytes().all(plain) {
        text.replace(' ', "+")
    } else {
        let mut key = "#".to_owned();
        for byte in Sha256::digest(text.as_bytes()) {
            let _ = write!(key, "{byte:02x}");
        }
        key
    }
}

/// `None` when only its hash is left.
fn text_of(key: &str) -> Option<String> {
    (!key.starts_with('#')).then(|| key.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> Option<Search> {
        Search::parse(text).unwrap()
    }

    #[test]
    fn entries_of_one_product_read_back() {
        let id = ProductId::new(7).unwrap();
        assert_eq!((product(id).as_str(), details(id).as_str()), ("id:7", "7:details"));
        assert_eq!((product_of(&product(id)), details_of(&details(id))), (Some(id), Some(id)));
        assert_eq!((product_of(&details(id)), details_of(&product(id))), (None, None));
    }

    #[test]
    fn ids_read_back() {
        let organization = ProductScope::Organization(OrganizationId::new(7).unwrap());
        let schema = ProductScope::Schema(SchemaId::new(3).unwrap());
        let both = ProductScope::Both(OrganizationId::new(7).unwrap(), SchemaId::BUILT_IN);
        assert_eq!((ids(both).as_str(), ids_of(&ids(both))), ("org:7:schema:1:products", Some(both)));
        assert_eq!((ids(organization).as_str(), ids(schema).as_str()), ("org:7:products", "schema:3:products"));
        assert_eq!((ids_of(&ids(organization)), ids_of(&ids(schema))), (Some(organization), Some(schema)));
    }

    #[test]
    fn pages_read_back() {
        let request = PageRequest { limit: 20, ..PageRequest::default() };
        assert_eq!(page(&request).as_str(), "list:0:20");
        let filter = Filter {
            organization: OrganizationId::new(7),
            schema: SchemaId::new(3),
            category: Some("Home & Garden".to_owned()),
            min_price: Some("1.50".parse().unwrap()),
            max_price: Some("20".parse().unwrap()),
            in_stock: Some(false),
            search: search("Red, CUP"),
        };
        let order = "-price".parse().unwrap();
        let start = PageStart::After { place: Place::of_id(ProductId::new(9).unwrap()), position: 40 };
        let hashed = PageRequest { filter, order, start, limit: 50 };
        assert_eq!(page_of(&page(&hashed)), None, "the category is not plain");
        let filter = Filter { category: Some("Home".to_owned()), ..hashed.filter.clone() };
        let plain = PageRequest { filter, ..hashed };
        assert_eq!(page_of(&page(&plain)), Some(plain.clone()));
        assert_eq!(total_of(&total(&plain.filter)), Some(plain.filter));
        for other in ["list:x:20", "list:0:20:order=foo", "list:0:20:nonsense", "id:7", "total"] {
            assert_eq!(page_of(&Key::new(other)), None, "{other}");
        }
    }

    #[test]
    fn member_pages_read_back() {
        let id = OrganizationId::new(7).unwrap();
        let key =
            member_page(ProductScope::Organization(id), 3, 20, search("red cup").as_ref(), "-price".parse().unwrap());
        assert_eq!(key.as_str(), "products:org:7:page:3:limit:20:search:cup+red:order:-price");
        let filter = Filter { search: search("red cup"), ..Filter::of_organization(id) };
        let order = "-price".parse().unwrap();
        assert_eq!(member_page_of(&key), Some(PageRequest { filter, order, start: PageStart::Offset(40), limit: 20 }));
        let plain = member_page(ProductScope::Schema(SchemaId::new(1).unwrap()), 1, 20, None, Order::default());
        assert_eq!(plain.as_str(), "products:schema:1:page:1:limit:20:search::order:id");
        assert!(member_page_of(&plain).is_some());
    }

    /// So each entry is where its namespace's are, under the very key.
    #[test]
    fn every_key_is_one_of_its_namespace() {
        let (id, organization) =
            (ProductId::new(7).unwrap(), ProductScope::Organization(OrganizationId::new(7).unwrap()));
        let schema = ProductScope::Schema(SchemaId::BUILT_IN);
        let both = ProductScope::Both(OrganizationId::new(7).unwrap(), SchemaId::BUILT_IN);
        let place = PageStart::After { place: Place::of_id(id), position: 40 };
        let search = || search("list:org:7:details");
        let page_by = |start| PageRequest { start, ..PageRequest::default() };
        let member_page = |members| member_page(members, 1, 20, search().as_ref(), Order::default());
        let kinds = [
            (PRODUCTS, vec![product(id)]),
            (DETAILS, vec![details(id)]),
            (PAGES, vec![page(&page_by(PageStart::Offset(0))), page(&page_by(place))]),
            (MEMBER_PAGES, vec![member_page(organization), member_page(schema), member_page(both)]),
            (TOTALS, vec![total(&Filter::default()), total(&Filter { search: search(), ..organization.filter() })]),
            (ORGANIZATION_IDS, vec![ids(organization), ids(both)]),
            (SCHEMA_IDS, vec![ids(schema)]),
            (ANALYTICS, vec![analytics()]),
        ];
        for (number, (_, keys)) in kinds.iter().enumerate() {
            for key in keys {
                let homes: Vec<_> = (0..kinds.len()).filter(|kind| kinds[*kind].0.contains(key.as_str())).collect();
                assert_eq!(homes, [number], "{key}");
            }
        }
    }

    #[test]
    fn searches_share_a_key_only_if_they_mean_the_same() {
        let members = ProductScope::Organization(OrganizationId::new(7).unwrap());
        let keys = |text: &str| {
            let found = search(text);
            let numbered = member_page(members, 1, 20, found.as_ref(), Order::default());
            let filter = Filter { search: found, ..members.filter() };
            let request = PageRequest { filter: filter.clone(), limit: 20, ..PageRequest::default() };
            [numbered, page(&request), total(&filter)]
        };
        let texts =
            ["", "***", "+", "a", "b", "a b", "a-b", "ab", "é", "ß", "東京", "東 京", "☕", "☕ ★", "$", "a:b", "#"];
        for (index, one) in texts.iter().enumerate() {
            for other in &texts[index + 1..] {
                let same = search(one) == search(other);
                let shared: Vec<bool> = keys(one).iter().zip(&keys(other)).map(|(one, other)| one == other).collect();
                assert_eq!(shared, [same; 3], "{one} and {other}");
            }
        }
        assert_eq!(keys("Cup  RED"), keys("red cup cup*"));
    }

    #[test]
    fn free_text_makes_no_keys_of_its_own_shape() {
        for wild in ["*", "a:order=id", "[x]", "é", "line\nbreak", "#0", "", &"x".repeat(65)] {
            let key = text(wild);
            assert!(key.len() == 65 && key.starts_with('#'), "{wild}: {key}");
        }
        assert_ne!(text("*"), text("?"));
        assert_ne!(text(&"x".repeat(65)), text(&"x".repeat(66)));
    }
}
