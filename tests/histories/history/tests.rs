//! Tests of the checker: it finds stale reads, and accepts the others. A checker that never finds anything proves
//! nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Change, Claim, Field, Filter, History, Kind, Order, Page, Read, Seen, Source, Start, Test, Verdict};

const LEASE: Duration = Duration::from_millis(400);
const PASSED: Duration = Duration::from_millis(500);

/// The products 1 to 3 in version 1, created by instance 0; the stock of each is its id.
fn three() -> History {
    let mut history = History::new(LEASE);
    for id in 1..=3 {
        create(&mut history, id, 0);
    }
    sleep(PASSED);
    history
}

fn create(history: &mut History, id: i64, by: usize) {
    let name = format!("Product {id}");
    let ticket = history.creating(&name, at(id, 1).fields);
    history.created(&name, id, ticket, by);
}

/// The second version, with another stock.
fn update(history: &mut History, id: i64, by: usize) {
    set(history, id, 2, at(id, 2).fields, by);
}

fn set(history: &mut History, id: i64, version: i64, changes: Vec<Change>, by: usize) {
    let ticket = history.updating(id, changes);
    history.updated(id, version, ticket, by);
}

fn delete(history: &mut History, id: i64, by: usize) {
    let sent = history.deleting(id);
    history.deleted(id, sent, by);
}

fn at(id: i64, version: i64) -> Seen {
    showing(id, version, Field::Stock, id * version)
}

fn showing(id: i64, version: i64, field: Field, value: i64) -> Seen {
    Seen { id, version, fields: vec![(field, value)] }
}

/// A read that is sent at this moment.
fn read(of: usize, claim: Claim) -> Read {
    // No write was acknowledged at exactly the time of sending.
    sleep(Duration::from_micros(10));
    Read { sent: Instant::now(), answered: Instant::now(), of, kind: Kind::Plain, claim }
}

fn page(start: Start, limit: usize, ids: &[i64], total: usize) -> Claim {
    let products = ids.iter().map(|&id| at(id, 1)).collect();
    let (filters, order) = (Vec::new(), Order::default());
    Claim::Page(Page { ids: ids.to_vec(), products, total, limit, start, filters, order })
}

/// A page by stock, descending, from that offset.
fn by_stock(offset: usize, limit: usize, ids: &[i64], total: usize) -> Claim {
    let order = Order { by: Some(Field::Stock), descending: true };
    let start = Start::Offset(offset);
    Claim::Page(Page { ids: ids.to_vec(), products: Vec::new(), total, limit, start, filters: Vec::new(), order })
}

/// The ids of products with at least this stock.
fn well_stocked(stock: i64, ids: &[i64]) -> Claim {
    let filters = vec![Filter { field: Field::Stock, test: Test::AtLeast(stock) }];
    let (start, order) = (Start::Offset(0), Order::default());
    let (products, total, limit) = (Vec::new(), ids.len(), usize::MAX);
    Claim::Page(Page { ids: ids.to_vec(), products, total, limit, start, filters, order })
}

fn is_stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Stale(_))
}

#[test]
fn an_acknowledged_state_is_fresh_and_an_earlier_one_is_stale() {
    let mut history = three();
    let early = read(0, Claim::There(at(1, 1)));
    update(&mut history, 1, 0);
    assert_eq!(history.judge(&early), Verdict::Fresh);
    assert_eq!(history.judge(&read(0, Claim::There(at(1, 2)))), Verdict::Fresh);
    assert!(is_stale(&history.judge(&read(0, Claim::There(at(1, 1))))));
}

#[test]
fn a_write_without_an_acknowledgement_may_have_happened_or_not() {
    let mut history = three();
    history.updating(1, at(1, 2).fields);
    for version in [1, 2] {
        assert_eq!(history.judge(&read(0, Claim::There(at(1, version)))), Verdict::Fresh);
    }
    assert_eq!(history.judge(&read(0, Claim::There(at(1, 3)))), Verdict::Stale(None), "the value was never written");
    history.deleting(2);
    assert_eq!(history.judge(&read(0, Claim::There(at(2, 1)))), Verdict::Fresh);
    assert_eq!(history.judge(&read(0, Claim::NotThere(2))), Verdict::Fresh);
    for ids in [&[1, 3][..], &[1, 2, 3]] {
        assert_eq!(history.judge(&read(0, page(Start::Offset(0), 9, ids, ids.len()))), Verdict::Fresh);
    }
}

#[test]
fn a_version_with_the_content_of_another_is_stale() {
    let history = three();
    let mixed = showing(1, 1, Field::Stock, 7);
    assert!(is_stale(&history.judge(&read(0, Claim::There(mixed)))));
}

#[test]
fn another_instance_may_lag_by_the_lease_and_no_more() {
    let mut history = three();
    update(&mut history, 1, 0);
    let behind = || Claim::There(at(1, 1));
    assert!(matches!(history.judge(&read(1, behind())), Verdict::Lagging(lag) if lag < LEASE));
    assert!(is_stale(&history.judge(&Read { kind: Kind::Strict, ..read(1, behind()) })));
    sleep(PASSED);
    assert!(matches!(history.judge(&read(1, behind())), Verdict::Stale(Some(lag)) if lag > LEASE));
}

/// The oldest missing write counts: newer writes do not make an old value younger.
#[test]
fn a_newer_write_does_not_renew_the_lease() {
    let mut history = three();
    update(&mut history, 1, 0);
    sleep(PASSED);
    set(&mut history, 1, 3, at(1, 3).fields, 0);
    assert!(is_stale(&history.judge(&read(1, Claim::There(at(1, 1))))));
    assert!(matches!(history.judge(&read(1, Claim::There(at(1, 2)))), Verdict::Lagging(_)));
}

#[test]
fn a_write_without_redis_is_excepted_until_redis_is_reached() {
    let mut history = three();
    history.cut_off(0, Instant::now(), Source::Fault);
    update(&mut history, 1, 0);
    update(&mut history, 2, 1);
    sleep(PASSED);
    let behind = |of, id| read(of, Claim::There(at(id, 1)));
    assert!(matches!(history.judge(&behind(1, 1)), Verdict::Excepted(_)));
    assert!(is_stale(&history.judge(&behind(0, 1))), "stale on the instance that wrote");
    assert!(is_stale(&history.judge(&behind(0, 2))), "stale by a write of the other instance");
    history.outages[0].to = Some(Instant::now());
    assert!(is_stale(&history.judge(&behind(1, 1))), "stale after the lease");
}

#[test]
fn a_page_must_show_what_is_there_and_nothing_else() {
    let mut history = three();
    let judge = |history: &History, claim| history.judge(&read(0, claim));
    let whole = Start::Offset(0);
    assert_eq!(judge(&history, page(whole, 9, &[1, 2, 3], 3)), Verdict::Fresh);
    assert_eq!(judge(&history, page(whole, 2, &[1, 2], 3)), Verdict::Fresh);
    assert_eq!(judge(&history, page(Start::Offset(1), 2, &[2, 3], 3)), Verdict::Fresh);
    assert_eq!(judge(&history, page(Start::After(1), 1, &[2], 3)), Verdict::Fresh);
    assert_eq!(judge(&history, page(Start::Offset(3), 2, &[], 3)), Verdict::Fresh);
    let wrong = [
        page(whole, 9, &[1, 3], 3),
        page(whole, 9, &[1, 2], 3),
        page(whole, 9, &[1, 2, 3], 2),
        page(whole, 9, &[2, 1, 3], 3),
        page(whole, 9, &[1, 2, 3, 4], 4),
        page(Start::Offset(1), 2, &[1, 2], 3),
        page(Start::After(1), 1, &[3], 3),
        page(Start::After(1), 9, &[], 3),
        page(Start::Offset(1), 9, &[], 3),
    ];
    for claim in wrong {
        assert!(is_stale(&judge(&history, claim.clone())), "{claim:?}");
    }
    delete(&mut history, 2, 0);
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 2, 3], 3))));
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3], 3))), "the total still includes it");
    assert_eq!(judge(&history, page(whole, 9, &[1, 3], 2)), Verdict::Fresh);
    create(&mut history, 4, 0);
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3], 2))));
    update(&mut history, 3, 0);
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3, 4], 3))), "product 3 in its first version");
}

#[test]
fn a_page_of_another_instance_may_lag_as_a_whole() {
    let mut history = three();
    create(&mut history, 4, 0);
    delete(&mut history, 1, 0);
    let before = || page(Start::Offset(0), 9, &[1, 2, 3], 3);
    assert!(matches!(history.judge(&read(1, before())), Verdict::Lagging(_)));
    sleep(PASSED);
    assert!(is_stale(&history.judge(&read(1, before()))));
}

#[test]
fn a_create_under_way_may_show_up_before_it_is_acknowledged() {
    let mut history = three();
    let ticket = history.creating("Product 4", at(4, 1).fields);
    assert_eq!(history.judge(&read(1, well_stocked(1, &[1, 2, 3, 4]))), Verdict::Fresh, "its id");
    assert!(is_stale(&history.judge(&read(1, well_stocked(1, &[1, 2, 3, 4, 5])))), "there is but one");
    let with_it = || page(Start::Offset(0), 9, &[1, 2, 3, 4], 4);
    history.sighted(4, "Product 4");
    assert_eq!(history.judge(&read(1, with_it())), Verdict::Fresh);
    assert_eq!(history.judge(&read(1, Claim::NotThere(4))), Verdict::Fresh);
    history.created("Product 4", 4, ticket, 0);
    assert!(is_stale(&history.judge(&read(0, Claim::NotThere(4)))));
}

#[test]
fn an_order_is_that_of_what_was_acknowledged() {
    let mut history = three();
    let judge = |history: &History, of, claim| history.judge(&read(of, claim));
    for fresh in [by_stock(0, 9, &[3, 2, 1], 3), by_stock(0, 2, &[3, 2], 3), by_stock(1, 1, &[2], 3)] {
        assert_eq!(judge(&history, 0, fresh.clone()), Verdict::Fresh, "{fresh:?}");
    }
    for wrong in [by_stock(0, 9, &[1, 2, 3], 3), by_stock(0, 2, &[3, 1], 3), by_stock(1, 1, &[1], 3)] {
        assert!(is_stale(&judge(&history, 0, wrong.clone())), "{wrong:?}");
    }
    set(&mut history, 1, 2, vec![(Field::Stock, 10)], 0);
    assert_eq!(judge(&history, 0, by_stock(0, 2, &[1, 3], 3)), Verdict::Fresh);
    assert!(is_stale(&judge(&history, 0, by_stock(0, 2, &[3, 2], 3))));
    assert!(is_stale(&judge(&history, 0, by_stock(2, 1, &[1], 3))));
    assert!(matches!(judge(&history, 1, by_stock(0, 2, &[3, 2], 3)), Verdict::Lagging(_)));
    // Before the acknowledgement it may be at either place, but not at both.
    history.updating(2, vec![(Field::Stock, 20)]);
    for ids in [&[1, 3, 2], &[2, 1, 3]] {
        assert_eq!(judge(&history, 0, by_stock(0, 9, ids, 3)), Verdict::Fresh, "{ids:?}");
    }
    for ids in [&[1, 2, 3][..], &[2, 1, 3, 2]] {
        assert!(is_stale(&judge(&history, 0, by_stock(0, 9, ids, 3))), "{ids:?}");
    }
}

#[test]
fn a_filter_lets_through_by_what_was_acknowledged() {
    let mut history = three();
    let judge = |history: &History, of, ids: &[i64]| history.judge(&read(of, well_stocked(2, ids)));
    assert_eq!(judge(&history, 0, &[2, 3]), Verdict::Fresh);
    for wrong in [&[2][..], &[1, 2, 3], &[3, 2], &[2, 3, 3], &[2, 3, 4]] {
        assert!(is_stale(&judge(&history, 0, wrong)), "{wrong:?}");
    }
    set(&mut history, 2, 2, vec![(Field::Stock, 0)], 0);
    set(&mut history, 1, 2, vec![(Field::Stock, 5)], 0);
    assert_eq!(judge(&history, 0, &[1, 3]), Verdict::Fresh);
    for outdated in [&[2, 3][..], &[1, 2, 3], &[3]] {
        assert!(is_stale(&judge(&history, 0, outdated)), "{outdated:?}");
        assert!(matches!(judge(&history, 1, outdated), Verdict::Lagging(_)), "{outdated:?}");
    }
    // A write without an answer may have happened between the others; a later read of its value does not make it newer.
    history.updating(3, vec![(Field::Stock, 1)]);
    set(&mut history, 3, 3, vec![(Field::Price, 7)], 0);
    for possible in [&[1, 3][..], &[1]] {
        assert_eq!(judge(&history, 0, possible), Verdict::Fresh, "{possible:?}");
    }
    delete(&mut history, 1, 0);
    assert!(is_stale(&judge(&history, 0, &[1, 3])));
}

#[test]
fn details_are_those_of_their_version() {
    let mut history = three();
    let shown = |version, note| Claim::There(showing(1, version, Field::Note, note));
    set(&mut history, 1, 2, vec![(Field::Note, 7)], 0);
    set(&mut history, 1, 3, vec![(Field::Price, 1)], 0);
    assert_eq!(history.judge(&read(0, shown(3, 7))), Verdict::Fresh);
    assert!(is_stale(&history.judge(&read(0, shown(2, 7)))));
    set(&mut history, 1, 4, vec![(Field::Note, 8)], 0);
    assert_eq!(history.judge(&read(0, shown(4, 8))), Verdict::Fresh);
    assert_eq!(history.judge(&read(0, shown(4, 7))), Verdict::Stale(None), "a new version with old details");
    history.updating(1, vec![(Field::Note, 9)]);
    for (version, note) in [(4, 8), (5, 9)] {
        assert_eq!(history.judge(&read(0, shown(version, note))), Verdict::Fresh);
    }
    // At rest, the database shows that the write happened.
    history.settle(&[showing(1, 5, Field::Note, 9)]);
    assert_eq!(history.judge(&read(0, shown(5, 9))), Verdict::Fresh);
    for outdated in [shown(4, 8), shown(5, 8)] {
        assert!(is_stale(&history.judge(&read(0, outdated))));
    }
}
