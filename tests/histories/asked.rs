//! The kinds of reads, as requests and for the history.

use rand::RngExt;
use rand::rngs::SmallRng;

use crate::history::{Field, Filter, Order, Test};

pub(crate) const PRODUCTS: &str = "/api/v1/products";
/// Categories by their numbers.
pub(crate) const CATEGORIES: [&str; 2] = ["red", "blue"];
/// About half of the products cost less.
const MIDDLE: i64 = 50;
/// The largest page, which shows all products.
const WHOLE: usize = 100;

#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Product(i64),
    /// A product with its details.
    Details(i64),
    /// Several products, in one request.
    Several(Vec<i64>),
    List(List),
    /// The ids of all products, or of those of a schema.
    Ids(Option<i64>),
}

/// A page of a list.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) target: String,
    pub(crate) filters: Vec<Filter>,
    pub(crate) order: Order,
    pub(crate) offset: usize,
}

impl List {
    /// Whether it shows all products by their ids.
    pub(crate) fn is_plain(&self) -> bool {
        self.filters.is_empty() && self.order == Order::default()
    }
}

impl Asked {
    /// A page of all products, by id.
    pub(crate) fn page(offset: usize, limit: usize) -> Self {
        Asked::List(List {
            target: format!("{PRODUCTS}?offset={offset}&limit={limit}"),
            filters: Vec::new(),
            order: Order::default(),
            offset,
        })
    }

    pub(crate) fn all() -> Self {
        Asked::page(0, WHOLE)
    }

    pub(crate) fn target(&self) -> String {
        match self {
            Asked::Product(id) => format!("{PRODUCTS}/{id}"),
            Asked::Details(id) => format!("{PRODUCTS}/{id}/details"),
            Asked::Several(ids) => {
                let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
                format!("{PRODUCTS}?ids={}", ids.join(","))
            }
            Asked::List(list) => list.target.clone(),
            Asked::Ids(None) => "/api/v1/organizations/1/product-ids".to_owned(),
            Asked::Ids(Some(schema)) => format!("/api/v1/schemas/{schema}/product-ids"),
        }
    }

    /// Lists whose products or order depend on the writes, some of each kind, for products of these schemas. They are
    /// few, so that clients read each other's cached entries.
    pub(crate) fn lists([one, other]: [i64; 2]) -> Vec<Self> {
        let is = |field, value| Filter { field, test: Test::Is(value) };
        let price = |test| Filter { field: Field::Price, test };
        let stock = |test| Filter { field: Field::Stock, test };
        let members = |of: &str, page: usize, limit: usize, query: &str| {
            (format!("/api/v1/{of}/products?page={page}&limit={limit}{query}"), (page - 1) * limit)
        };
        let list = |query: String| (format!("{PRODUCTS}?limit={WHOLE}{query}"), 0);
        let organization = "organizations/1";
        let lists = [
            (members(organization, 1, WHOLE, "&order=-price"), vec![], by(Field::Price, true)),
            (members(organization, 1, 10, "&order=-stock"), vec![], by(Field::Stock, true)),
            (list(format!("&min_price={MIDDLE}")), vec![price(Test::AtLeast(MIDDLE))], Order::default()),
            (members(organization, 2, 10, "&order=-stock"), vec![], by(Field::Stock, true)),
            (list("&in_stock=true".to_owned()), vec![stock(Test::AtLeast(1))], Order::default()),
            (members(&format!("schemas/{one}"), 1, WHOLE, ""), vec![is(Field::Schema, one)], Order::default()),
            (list("&category=red".to_owned()), vec![is(Field::Category, 0)], Order::default()),
            (list("&search=blue&order=stock".to_owned()), vec![is(Field::Category, 1)], by(Field::Stock, false)),
            (
                list(format!("&schema_id={other}&max_price={MIDDLE}&order=-price")),
                vec![is(Field::Schema, other), price(Test::AtMost(MIDDLE))],
                by(Field::Price, true),
            ),
            (
                members(organization, 1, 5, "&search=red&order=price"),
                vec![is(Field::Category, 0)],
                by(Field::Price, false),
            ),
            (list("&organization_id=1&in_stock=false".to_owned()), vec![stock(Test::AtMost(0))], Order::default()),
        ];
        let list = |((target, offset), filters, order)| Asked::List(List { target, filters, order, offset });
        lists.into_iter().map(list).collect()
    }

    /// All sets of ids.
    pub(crate) fn sets([one, other]: [i64; 2]) -> [Self; 3] {
        [Asked::Ids(None), Asked::Ids(Some(one)), Asked::Ids(Some(other))]
    }

    /// One of the lists and sets, the first of each more often than the others.
    pub(crate) fn any_list(random: &mut SmallRng, schemas: [i64; 2]) -> Self {
        let mut some = match random.random_bool(0.3) {
            true => Asked::sets(schemas).to_vec(),
            false => Asked::lists(schemas),
        };
        let skewed = random.random_range(0.0_f64..1.0).powi(2);
        some.swap_remove((skewed * some.len() as f64) as usize)
    }
}

fn by(field: Field, descending: bool) -> Order {
    Order { by: Some(field), descending }
}
