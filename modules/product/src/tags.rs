//! Which lists a change of products makes void: the one place where both sides are named, what a list depends on and
//! what a write changes.
//!
//! A list is of everything, of an organization or of a schema, its *scope*. It depends on the scope's membership, and
//! on each field that its order and its filters look at. So a change of stock leaves a list by name alone.

use hotshelf_cache::Tag;
use hotshelf_domain::{Changes, Filter, Order, OrderBy, OrganizationId, Product, SchemaId};

const EVERYTHING: &str = "products";

/// What a list may look at beside which products there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Name,
    /// Name, description or category: what a search reads.
    Text,
    Price,
    Stock,
    /// Whether there is any stock.
    Availability,
    Category,
    /// The time of the last change.
    Updated,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Name => "name",
            Field::Text => "text",
            Field::Price => "price",
            Field::Stock => "stock",
            Field::Availability => "availability",
            Field::Category => "category",
            Field::Updated => "updated",
        }
    }
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

fn field_of(scope: &Tag, field: Field) -> Tag {
    Tag::new(format!("{}:{}", scope.name(), field.name()))
}

/// What the size of a list depends on.
pub(crate) fn of_filter(filter: &Filter) -> Vec<Tag> {
    let scope = scope_of(filter);
    let fields = [
        (filter.category.is_some(), Field::Category),
        (filter.min_price.is_some() || filter.max_price.is_some(), Field::Price),
        (filter.in_stock.is_some(), Field::Availability),
        (filter.search.is_some(), Field::Text),
    ];
    let fields = fields.into_iter().filter(|(looks, _)| *looks).map(|(_, field)| field_of(&scope, field));
    let fields: Vec<_> = fields.collect();
    std::iter::once(scope).chain(fields).collect()
}

/// What the pages of a list depend on.
pub(crate) fn of_list(filter: &Filter, order: Order) -> Vec<Tag> {
    let mut tags = of_filter(filter);
    let scope = tags[0].clone();
    match order.by {
        // Neither ever changes; the relevance is that of the texts, which the search depends on already.
        OrderBy::Id | OrderBy::CreatedAt | OrderBy::Relevance => {}
        OrderBy::Name => tags.push(field_of(&scope, Field::Name)),
        OrderBy::Price => tags.push(field_of(&scope, Field::Price)),
        OrderBy::Stock => tags.push(field_of(&scope, Field::Stock)),
        OrderBy::UpdatedAt => tags.push(field_of(&scope, Field::Updated)),
    }
    distinct(tags)
}

/// Each once. A search of all products by relevance names its own two twice, and not beside each other.
fn distinct(tags: Vec<Tag>) -> Vec<Tag> {
    let mut distinct = Vec::with_capacity(tags.len());
    for tag in tags {
        if !distinct.contains(&tag) {
            distinct.push(tag);
        }
    }
    distinct
}

/// No product follows a schema without being in some organization: the narrower of both is enough.
fn scope_of(filter: &Filter) -> Tag {
    match (filter.schema, filter.organization) {
        (Some(schema), _) => of_schema(schema),
        (None, Some(organization)) => of_organization(organization),
        (None, None) => everything(),
    }
}

/// What a product of these changes by coming or going.
pub(crate) fn membership(organization: OrganizationId, schema: SchemaId) -> [Tag; 3] {
    [everything(), of_organization(organization), of_schema(schema)]
}

/// What a change of a product changes, beside the product itself.
pub(crate) fn changed(product: &Product, changes: &Changes, new_schema: Option<SchemaId>) -> Vec<Tag> {
    let fields = [
        (changes.name, Field::Name),
        (changes.name || changes.description || changes.category, Field::Text),
        (changes.price, Field::Price),
        (changes.stock, Field::Stock),
        (changes.availability, Field::Availability),
        (changes.category, Field::Category),
        (true, Field::Updated),
    ];
    let scopes = membership(product.organization_id, product.schema_id);
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
        let all = Filter { search: Search::parse("red").unwrap(), ..Filter::default() };
        assert_eq!(names(&of_list(&all, order("relevance"))), ["products", "products:text"]);
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
