use hotshelf_domain::{
    Filter, Order, OrderBy, OrganizationId, PageRequest, PageStart, Price, ProductId, ProductScope, SchemaId,
};
use rand::RngExt;

use crate::adapter::Adapter;
use crate::plain::{is_in, list, orders};
use crate::shop::{CATEGORIES, Shop, searched};

const SEARCHES: [&str; 8] = ["red", "creme", "blue brul", "obsidian", "cafe red", "usb c", "lamps", "n"];

fn random_filter(shop: &mut Shop) -> Filter {
    let mut maybe = |share: f64| shop.random.random_bool(share);
    let (organization, schema, category, min, max, stock, search) =
        (maybe(0.4), maybe(0.3), maybe(0.3), maybe(0.3), maybe(0.3), maybe(0.3), maybe(0.3));
    let price = |shop: &mut Shop| Price::from_minor_units(shop.random.random_range(1..3_200)).ok();
    Filter {
        organization: organization.then(|| shop.pick(&[1, 2, 3, 4])).and_then(OrganizationId::new),
        schema: schema.then(|| shop.pick(&[1, 2, 3, 4])).and_then(SchemaId::new),
        category: category.then(|| shop.pick(&CATEGORIES).to_owned()),
        min_price: min.then(|| price(shop)).flatten(),
        max_price: max.then(|| price(shop)).flatten(),
        in_stock: stock.then(|| shop.random.random_bool(0.5)),
        search: search.then(|| shop.pick(&SEARCHES)).and_then(searched),
    }
}

/// More products than are ever sorted, so that every way to read a page is taken.
pub(crate) async fn filters_leave_what_they_say_in_every_order(adapter: Adapter) {
    let mut shop = Shop::stocked(adapter, 6_000).await;
    let all = shop.all().await;
    for round in 0..400 {
        let filter = random_filter(&mut shop);
        let order = shop.pick(&orders());
        let expected = list(&all, &filter, order);
        let limit = shop.random.random_range(50..3_000);
        assert_eq!(shop.walk(&filter, order, limit).await, expected, "round {round}: {filter:?} by {order}");

        let offset = shop.random.random_range(0..=expected.len());
        let page = shop.page(&filter, order, PageStart::Offset(offset as i64), 20).await;
        assert_eq!(
            page.ids,
            expected[offset..(offset + 20).min(expected.len())],
            "{filter:?} by {order} from {offset}"
        );
        assert_eq!(shop.products.count(filter.clone()).await.unwrap(), expected.len() as i64, "{filter:?}");
        assert!(page.total.is_none_or(|total| total == expected.len() as i64), "{filter:?}");
    }
}

pub(crate) async fn relevance_orders_exactly_what_is_found(adapter: Adapter) {
    let mut shop = Shop::stocked(adapter, 3_000).await;
    let all = shop.all().await;
    for _ in 0..100 {
        let filter = Filter { search: searched(shop.pick(&SEARCHES)), ..random_filter(&mut shop) };
        let order = Order { by: OrderBy::Relevance, descending: shop.random.random_bool(0.5) };
        let mut ids = shop.walk(&filter, order, 150).await;
        ids.sort();
        assert_eq!(ids, list(&all, &filter, Order::default()), "{filter:?} by {order}");
    }
}

pub(crate) async fn a_page_has_its_products_and_their_number(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 500).await;
    let all = shop.all().await;
    let filter = Filter { search: searched("red"), in_stock: Some(true), ..Filter::default() };
    let order = Order { by: OrderBy::Name, descending: true };
    let request = PageRequest { filter: filter.clone(), order, start: PageStart::Offset(3), limit: 5 };
    let page = shop.products.page(request).await.unwrap();
    let expected = list(&all, &filter, order);
    assert_eq!(page.total, expected.len() as i64);
    assert!(page.has_more && page.products.iter().all(|product| is_in(product, &filter) && all.contains(product)));
    assert_eq!(page.products.iter().map(|product| product.id).collect::<Vec<_>>(), expected[3..8]);
}

pub(crate) async fn ids_come_in_chunks_that_leave_nothing_out(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 500).await;
    let all = shop.all().await;
    let organizations = [1, 2, 3, 4].map(|id| ProductScope::Organization(OrganizationId::new(id).unwrap()));
    let schemas = [1, 2, 3, 4].map(|id| ProductScope::Schema(SchemaId::new(id).unwrap()));
    for members in organizations.into_iter().chain(schemas) {
        let mut ids: Vec<ProductId> = Vec::new();
        loop {
            let chunk = shop.products.ids(members, ids.last().copied(), 33).await.unwrap();
            ids.extend(&chunk);
            if chunk.len() < 33 {
                break;
            }
        }
        assert_eq!(ids, list(&all, &members.filter(), Order::default()), "{members:?}");
    }
}
