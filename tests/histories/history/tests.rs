//! The judge convicts and acquits as it should: a checker that never finds anything proves nothing.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Claim, History, Kind, Page, Read, Seen, Source, Start, Verdict};

const LEASE: Duration = Duration::from_millis(20);
const PASSED: Duration = Duration::from_millis(30);

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
    let sent = history.creating(&name);
    history.created(&name, at(id, 1), sent, by);
}

/// The second version has another stock.
fn update(history: &mut History, id: i64, by: usize) {
    let sent = history.updating(id);
    history.updated(at(id, 2), sent, by);
}

fn delete(history: &mut History, id: i64, by: usize) {
    let sent = history.deleting(id);
    history.deleted(id, sent, by);
}

fn at(id: i64, version: i64) -> Seen {
    Seen { id, version, stock: id * version }
}

/// A read that is sent now.
fn read(of: usize, claim: Claim) -> Read {
    // Nothing has been acknowledged in the very instant in which it is sent.
    sleep(Duration::from_micros(10));
    Read { sent: Instant::now(), answered: Instant::now(), of, kind: Kind::Plain, claim }
}

fn page(start: Start, limit: usize, ids: &[i64], total: usize) -> Claim {
    Claim::Page(Page { products: ids.iter().map(|&id| at(id, 1)).collect(), total, limit, start })
}

fn is_stale(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Stale(_))
}

#[test]
fn what_was_acknowledged_is_fresh_and_what_was_before_it_is_stale() {
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
    history.updating(1);
    for version in [1, 2] {
        assert_eq!(history.judge(&read(0, Claim::There(at(1, version)))), Verdict::Fresh);
    }
    assert_eq!(history.judge(&read(0, Claim::There(at(1, 3)))), Verdict::Stale(None), "nobody wrote that");
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
    let mixed = Seen { id: 1, version: 1, stock: 7 };
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

/// It is the oldest missing write that counts: a stream of newer ones does not make an old copy younger.
#[test]
fn a_newer_write_does_not_renew_the_lease() {
    let mut history = three();
    update(&mut history, 1, 0);
    sleep(PASSED);
    let sent = history.updating(1);
    history.updated(at(1, 3), sent, 0);
    assert!(is_stale(&history.judge(&read(1, Claim::There(at(1, 1))))));
    assert!(matches!(history.judge(&read(1, Claim::There(at(1, 2)))), Verdict::Lagging(_)));
}

#[test]
fn what_was_written_without_redis_is_excepted_until_its_writer_reaches_redis() {
    let mut history = three();
    history.cut_off(0, Instant::now(), Source::Fault);
    update(&mut history, 1, 0);
    update(&mut history, 2, 1);
    sleep(PASSED);
    let behind = |of, id| read(of, Claim::There(at(id, 1)));
    assert!(matches!(history.judge(&behind(1, 1)), Verdict::Excepted(_)));
    assert!(is_stale(&history.judge(&behind(0, 1))), "not for the one who wrote it");
    assert!(is_stale(&history.judge(&behind(0, 2))), "not for what the others wrote");
    history.outages[0].to = Some(Instant::now());
    assert!(is_stale(&history.judge(&behind(1, 1))), "not any longer");
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
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3], 3))), "the total counts it still");
    assert_eq!(judge(&history, page(whole, 9, &[1, 3], 2)), Verdict::Fresh);
    create(&mut history, 4, 0);
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3], 2))));
    update(&mut history, 3, 0);
    assert!(is_stale(&judge(&history, page(whole, 9, &[1, 3, 4], 3))), "3 in its first version");
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
    let sent = history.creating("Product 4");
    let with_it = || page(Start::Offset(0), 9, &[1, 2, 3, 4], 4);
    history.sighted(4, "Product 4");
    assert_eq!(history.judge(&read(1, with_it())), Verdict::Fresh);
    assert_eq!(history.judge(&read(1, Claim::NotThere(4))), Verdict::Fresh);
    history.created("Product 4", at(4, 1), sent, 0);
    assert!(is_stale(&history.judge(&read(0, Claim::NotThere(4)))));
}
