use hotshelf_domain::{Filter, Order, OrderBy, OrganizationId, PageStart, ProductDraft};

use crate::adapter::Adapter;
use crate::plain::{list, orders};
use crate::shop::{Shop, named, searched};

/// Of one organization and of all three together.
fn scopes() -> [Filter; 3] {
    [None, OrganizationId::new(1), OrganizationId::new(3)]
        .map(|organization| Filter { organization, ..Filter::default() })
}

pub(crate) async fn cursors_walk_through_every_order_and_meet_each_product_once(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 600).await;
    let all = shop.all().await;
    for filter in scopes() {
        for order in orders() {
            let expected = list(&all, &filter, order);
            for limit in [1, 2, 7, 100, 1_000] {
                assert_eq!(shop.walk(&filter, order, limit).await, expected, "{filter:?} by {order}, {limit} a page");
            }
        }
    }
}

pub(crate) async fn an_offset_skips_as_many_as_it_says(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 400).await;
    let all = shop.all().await;
    for filter in scopes() {
        for order in orders() {
            let expected = list(&all, &filter, order);
            for offset in [0, 1, 5, 19, 100, 333, expected.len() - 1, expected.len(), 10_000] {
                let page = shop.page(&filter, order, PageStart::Offset(offset as i64), 9).await;
                let rest: Vec<_> = expected.iter().copied().skip(offset).collect();
                assert_eq!(page.ids, rest[..rest.len().min(9)], "{filter:?} by {order} from {offset}");
                assert_eq!((page.has_more, page.total), (rest.len() > 9, Some(expected.len() as i64)));
            }
            let beyond = shop.page(&filter, order, PageStart::Offset(i64::MAX), 9).await;
            assert!(beyond.ids.is_empty() && beyond.next.is_none() && !beyond.has_more);
        }
    }
}

pub(crate) async fn a_place_stays_when_its_product_goes_or_changes(adapter: Adapter) {
    let shop = Shop::stocked(adapter, 100).await;
    for order in orders() {
        let all = shop.all().await;
        let expected = list(&all, &Filter::default(), order);
        let first = shop.page(&Filter::default(), order, PageStart::Offset(0), 10).await;
        let after = PageStart::After { place: first.next.expect("not empty"), position: 10 };
        shop.delete(first.ids[9]).await;
        let next = shop.page(&Filter::default(), order, after, 10).await;
        assert_eq!(next.ids, expected[10..20], "by {order}");
    }
}

pub(crate) async fn relevance_prefers_the_name_to_the_category_and_the_category_to_the_description(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    let lamp = |name: &str, category: &str, description: &str| ProductDraft {
        category: Some(category.to_owned()),
        description: Some(description.to_owned()),
        ..named(name)
    };
    let mut drafts =
        vec![lamp("Shade", "Parts", "for a lamp"), lamp("Shade", "Lamp", "for all"), lamp("Lamp", "Parts", "for all")];
    drafts.extend((0..20).map(|number| named(&format!("Chair {number}"))));
    let ids = shop.create(drafts).await;
    let filter = Filter { search: searched("lamp"), ..Filter::default() };
    for limit in [1, 2, 3] {
        let best = Order { by: OrderBy::Relevance, descending: false };
        assert_eq!(shop.walk(&filter, best, limit).await, [ids[2], ids[1], ids[0]]);
        let worst = Order { descending: true, ..best };
        assert_eq!(shop.walk(&filter, worst, limit).await, [ids[0], ids[1], ids[2]]);
    }
}

pub(crate) async fn what_nearly_all_have_in_common_goes_by_id(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    for _ in 0..11 {
        shop.create((0..1_000).map(|_| named("Cup")).collect()).await;
    }
    let filter = Filter { search: searched("cup"), ..Filter::default() };
    for descending in [false, true] {
        let order = Order { by: OrderBy::Relevance, descending };
        let ids = shop.walk(&filter, order, 4_000).await;
        assert_eq!(ids.len(), 11_000);
        assert!(ids.is_sorted());
    }
}
