//! Which lists a change of products invalidates: the one place where both sides are named, what a list depends on and
//! what a write changes.
//!
//! A list is of everything, of an organization or of a schema, its *scope*. It depends on the scope's membership, and
//! on each field that its order and its filters look at. So a change of stock leaves a list by name alone.

use std::collections::HashSet;
use std::hash::Hash;

use hotshelf_cache::Tag;
use hotshelf_domain::{Changes, Filter, Order, OrderBy, OrganizationId, Product, SchemaId};

const EVERYTHING: &str = "products";

// What a list may look at beside which products there are.
const NAME: &str = "name";
/// Name, description or category: what a search reads.
const TEXT: &str = "text";
const PRICE: &str = "price";
const STOCK: &str = "stock";
/// Whether there is any stock.
const AVAILABILITY: &str = "availability";
const CATEGORY: &str = "category";
/// The time of the last change.
const UPDATED: &str = "updated";

/// Where a product belongs.
pub(crate) type Home = (OrganizationId, SchemaId);

pub(crate) fn home(product: &Product) -> Home {
    (product.organization_id, product.schema_id)
}

/// All products, of which those that do not exist may become some.
pub(crate) fn everything() -> Tag {
    Tag::new(EVERYTHING)
}

/// The membership of an organization.
pub(crate) fn of_organization(id: OrganizationId) -> Tag {
    Tag::new(format!("org:{id}"))
}

/// The membership of a schema.
pub(crate) fn of_schema(id: SchemaId) -> Tag {
    Tag::new(format!("schema:{id}"))
}

fn field_of(scope: &Tag, field: &str) -> Tag {
    Tag::new(format!("{}:{}", scope.name(), field))
}

/// What the size of a list depends on.
pub(crate) fn of_filter(filter: &Filter) -> Vec<Tag> {
    let scope = scope_of(filter);
    let fields = [
        (filter.category.is_some(), CATEGORY),
        (filter.min_price.is_some() || filter.max_price.is_some(), PRICE),
        (filter.in_stock.is_some(), AVAILABILITY),
        (filter.search.is_some(), TEXT),
    ];
    let fields = fields.into_iter().filter(|(looks, _)| *looks).map(|(_, field)| field_of(&scope, field));
    std::iter::once(scope.clone()).chain(fields).collect()
}

/// What the pages of a list depend on.
pub(crate) fn of_list(filter: &Filter, order: Order) -> Vec<Tag> {
    let tags = of_filter(filter);
    let field = match order.by {
        // Neither ever changes; the relevance is that of the texts, which the search depends on already.
        OrderBy::Id | OrderBy::CreatedAt | OrderBy::Relevance => return tags,
        OrderBy::Name => NAME,
        OrderBy::Price => PRICE,
        OrderBy::Stock => STOCK,
        OrderBy::UpdatedAt => UPDATED,
    };
    // The price may be in the filter and in the order.
    distinct(tags.into_iter().chain([field_of(&scope_of(filter), field)]))
}

/// Each once, in the order in which they first appear.
pub(crate) fn distinct<T: Clone + Eq + Hash>(items: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}

/// No product follows a schema without being in some organization: the narrower of both is enough.
fn scope_of(filter: &Filter) -> Tag {
    match (filter.schema, filter.organization) {
        (Some(schema), _) => of_schema(schema),
        (None, Some(organization)) => of_organization(organization),
        (None, None) => everything(),
    }
}

/// What products of these homes change by coming or going.
pub(crate) fn memberships(homes: &[Home]) -> Vec<Tag> {
    let membership = |home: &Home| [everything(), of_organization(home.0), of_schema(home.1)];
    distinct(homes.iter().flat_map(membership))
}

/// What a change of a product changes, beside the product itself.
pub(crate) fn changed(product: &Product, changes: &Changes, new_schema: Option<SchemaId>) -> Vec<Tag> {
    let fields = [
        (changes.name, NAME),
        (changes.name || changes.description || changes.category, TEXT),
        (changes.price, PRICE),
        (changes.stock, STOCK),
        (changes.availability, AVAILABILITY),
        (changes.category, CATEGORY),
        (true, UPDATED),
    ];
    let scopes = memberships(&[home(product)]);
    let fields = fields.iter().filter(|(changed, _)| *changed).map(|(_, field)| *field);
    let mut tags: Vec<_> = fields.flat_map(|field| scopes.iter().map(move |scope| field_of(scope, field))).collect();
    if let Some(new_schema) = new_schema.filter(|_| changes.schema) {
        tags.extend([of_schema(product.schema_id), of_schema(new_schema)]);
    }
    tags
}

#[cfg(test)]
mod tests {
    use hotshelf_domain::Search;

    use super::*;

    fn names(tags: &[Tag]) -> Vec<&str> {
        tags.iter().map(Tag::name).collect()
    }

    fn order(text: &str) -> Order {
        text.parse().unwrap()
    }

    fn product() -> Product {
        let json = r#"{"id":1,"name":"Cup","description":"","price":4.5,"stock":3,"category":"","organization_id":7,
            "schema_id":3,"version":1,"created_at":"2026-01-15T10:30:00Z","updated_at":"2026-01-15T10:30:00Z"}"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_list_depends_on_its_scope_and_on_what_it_looks_at() {
        let all = Filter::default();
        assert_eq!(names(&of_list(&all, order("id"))), ["products"]);
        assert_eq!(names(&of_list(&all, order("-price"))), ["products", "products:price"]);
        let some = Filter {
            organization: OrganizationId::new(7),
            category: Some("books".to_owned()),
            in_stock: Some(true),
            search: Search::parse("red").unwrap(),
            ..Filter::default()
        };
        let expected = ["org:7", "org:7:category", "org:7:availability", "org:7:text"];
        assert_eq!(names(&of_filter(&some)), expected);
        assert_eq!(names(&of_list(&some, order("stock")))[4..], ["org:7:stock"]);
        assert_eq!(names(&of_list(&some, order("relevance"))), expected);
    }

    #[test]
    fn a_list_names_nothing_twice() {
        let found = Filter { search: Search::parse("red").unwrap(), ..Filter::default() };
        assert_eq!(names(&of_list(&found, order("relevance"))), ["products", "products:text"]);
        let cheap = Filter { max_price: Some("5".parse().unwrap()), ..Filter::default() };
        assert_eq!(names(&of_list(&cheap, order("price"))), ["products", "products:price"]);
    }

    #[test]
    fn a_change_touches_only_lists_that_look_at_it() {
        let stock = Changes { stock: true, ..Changes::default() };
        let changed_by_stock = changed(&product(), &stock, None);
        let touches =
            |filter: &Filter, by: &str| of_list(filter, order(by)).iter().any(|tag| changed_by_stock.contains(tag));
        let filters = [
            Filter::default(),
            Filter { organization: OrganizationId::new(7), ..Filter::default() },
            Filter { schema: SchemaId::new(3), ..Filter::default() },
        ];
        for filter in &filters {
            for (by, touched) in
                [("id", false), ("name", false), ("-price", false), ("stock", true), ("-updated_at", true)]
            {
                assert_eq!(touches(filter, by), touched, "{filter:?} by {by}");
            }
            let available = Filter { in_stock: Some(true), ..filter.clone() };
            assert!(!touches(&available, "id"), "there still is some");
        }
        let other = Filter { organization: OrganizationId::new(8), ..Filter::default() };
        assert!(!touches(&other, "stock"), "another organization's");
    }

    #[test]
    fn who_changes_the_schema_leaves_one_and_comes_to_another() {
        let changes = Changes { schema: true, ..Changes::default() };
        let changed = changed(&product(), &changes, SchemaId::new(4));
        assert!(names(&changed).ends_with(&["schema:3", "schema:4"]));
        assert!(!names(&changed).contains(&"org:7"), "the organization's products stay the same");
    }
}
