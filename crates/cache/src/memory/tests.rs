use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::advance;

use super::*;
use crate::key_space::Keys;
use crate::namespace::{Absence, Namespace, NamespaceOptions, Tag};

const TTL: Duration = Duration::from_secs(100);
const NEGATIVE_TTL: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(20);
const EVERYTHING: &str = "things";

struct World {
    tier: MemoryTier,
    write_counters: Arc<WriteCounters>,
    things: Namespace,
    pages: Namespace,
}

impl World {
    fn of_bytes(max_bytes: u64) -> Self {
        let namespace = |name, keys| {
            let (keys, absence) = (Keys::Beginning(keys), Absence::DependsOn(Tag::new(EVERYTHING)));
            let options = NamespaceOptions {
                name,
                keys,
                ttl: TTL,
                negative_ttl: NEGATIVE_TTL,
                grace: GRACE,
                absence,
                in_redis: true,
            };
            Namespace::alone(options)
        };
        let (things, pages) = (namespace("thing", "id:"), namespace("page", "list:"));
        let write_counters = Arc::new(WriteCounters::new());
        let tier = MemoryTier::new(max_bytes, Arc::clone(&write_counters), Arc::new(Lease::endless()), false, false);
        World { tier, write_counters, things, pages }
    }

    fn thing(&self, id: i64) -> EntryRef {
        self.things.entry(Key::numbered("id:", id))
    }

    fn page(&self) -> EntryRef {
        self.pages.tagged_entry(Key::new("list:0:10"), [Tag::new(EVERYTHING)])
    }

    fn snapshot(&self, entry: &EntryRef) -> Snapshot {
        match self.tier.lookup(entry, Until::ItsEnd) {
            Lookup::Miss(snapshot) => snapshot,
            Lookup::Hit(_) => panic!("{} is there already", entry.key),
        }
    }

    fn keep(&self, entry: &EntryRef, value: Option<&Value>) {
        let ttl = if value.is_some() { TTL } else { NEGATIVE_TTL };
        assert_eq!(self.tier.fill(entry, self.snapshot(entry), value, ttl), Fill::Stored);
    }

    /// The copy, if there is one: `Some(None)` is one that says that there is no such thing.
    fn copy(&self, entry: &EntryRef) -> Option<Option<Value>> {
        self.tier.peek(&entry.key, Some(&entry.tags)).map(|hit| hit.value)
    }

    fn write(&self, entry: EntryRef, keep: Option<Value>) {
        let keep = keep.map(|value| (entry.key.clone(), value)).into_iter().collect();
        self.tier.finish(&[entry], &keep);
    }
}

fn value(text: &'static str) -> Value {
    Value { payload: Bytes::from_static(text.as_bytes()), revision: 1, attribute: 42 }
}

#[tokio::test]
async fn what_is_kept_is_found() {
    let world = World::of_bytes(1 << 20);
    let entry = world.thing(1);
    assert_eq!(world.copy(&entry), None);
    world.keep(&entry, Some(&value("one")));
    assert_eq!(world.copy(&entry), Some(Some(value("one"))));
    assert_eq!(world.copy(&world.thing(2)), None);
}

#[tokio::test]
async fn the_bound_in_bytes_holds() {
    const BOUND: u64 = 1 << 20;
    let world = World::of_bytes(BOUND);
    let big = Value { payload: Bytes::from(vec![b'x'; 1_000]), revision: 1, attribute: 42 };
    for id in 0..10_000 {
        world.keep(&world.thing(id), Some(&big));
    }
    let mut levels = TierLevels::default();
    world.tier.report(&mut levels);
    assert!(levels.l1_bytes <= BOUND, "{} bytes", levels.l1_bytes);
    assert!(levels.l1_bytes > BOUND / 2, "only {} bytes of {BOUND} are used", levels.l1_bytes);
    assert!(levels.l1_entries * 1_000 <= BOUND, "{} entries", levels.l1_entries);
    assert!(world.things.counts().get(Event::Eviction) > 0);
}

#[tokio::test(start_paused = true)]
async fn an_entry_ends_with_its_life() {
    let world = World::of_bytes(1 << 20);
    let (there, absent) = (world.thing(1), world.thing(2));
    world.keep(&there, Some(&value("one")));
    world.keep(&absent, None);
    advance(NEGATIVE_TTL - Duration::from_millis(1)).await;
    assert_eq!(world.copy(&absent), Some(None));
    advance(Duration::from_millis(2)).await;
    assert_eq!(world.copy(&absent), None);
    assert_eq!(world.copy(&there), Some(Some(value("one"))));
    advance(TTL - NEGATIVE_TTL).await;
    assert_eq!(world.copy(&there), None);
}

#[tokio::test]
async fn a_new_generation_voids_pages_and_what_was_not_there() {
    let world = World::of_bytes(1 << 20);
    let (there, absent, page) = (world.thing(1), world.thing(2), world.page());
    world.keep(&there, Some(&value("one")));
    world.keep(&absent, None);
    world.keep(&page, Some(&value("[1]")));
    world.write_counters.tag_changed(EVERYTHING);
    assert_eq!(world.copy(&there), Some(Some(value("one"))));
    assert_eq!(world.copy(&absent), None);
    assert_eq!(world.copy(&page), None);
}

#[tokio::test]
async fn a_page_loaded_across_a_new_generation_is_void() {
    let world = World::of_bytes(1 << 20);
    let page = world.page();
    let snapshot = world.snapshot(&page);
    world.write_counters.tag_changed(EVERYTHING);
    world.tier.fill(&page, snapshot, Some(&value("[1]")), TTL);
    assert_eq!(world.copy(&page), None);
}

#[tokio::test]
async fn remove_during_a_running_load() {
    let world = World::of_bytes(1 << 20);
    let entry = world.thing(1);
    let snapshot = world.snapshot(&entry);
    world.write(entry.clone(), None);
    assert_eq!(world.tier.fill(&entry, snapshot, Some(&value("old")), TTL), Fill::Refused);
    assert_eq!(world.copy(&entry), None);
}

#[tokio::test]
async fn what_a_write_leaves_is_not_replaced_by_an_older_load() {
    let world = World::of_bytes(1 << 20);
    let entry = world.thing(1);
    let snapshot = world.snapshot(&entry);
    world.write(entry.clone(), Some(value("new")));
    assert_eq!(world.tier.fill(&entry, snapshot, Some(&value("old")), TTL), Fill::Refused);
    assert_eq!(world.copy(&entry), Some(Some(value("new"))));
}

#[tokio::test]
async fn deletion_by_pattern_takes_what_matches() {
    let world = World::of_bytes(1 << 20);
    for id in [1, 2, 10] {
        world.keep(&world.thing(id), Some(&value("x")));
    }
    world.keep(&world.page(), Some(&value("[]")));
    assert_eq!(world.tier.delete_matching("id:1*").await.unwrap(), 2);
    let left = [1, 2, 10].map(|id| world.copy(&world.thing(id)).is_some());
    assert_eq!(left, [false, true, false]);
    assert_eq!(world.tier.delete_matching("*").await.unwrap(), 2);
    assert_eq!(world.copy(&world.page()), None);
}

/// On the thread of requests it would keep all of them waiting, for as long as the walk takes.
#[tokio::test]
async fn deletion_does_not_walk_on_the_thread_of_requests() {
    let world = World::of_bytes(1 << 20);
    world.keep(&world.thing(1), Some(&value("x")));
    let mut deleting = Box::pin(world.tier.delete_matching("*"));
    // What it needs is held here: it has to wait, and does so elsewhere.
    world.write_counters.advance(&Key::new("another"), || assert!((&mut deleting).now_or_never().is_none()));
    assert_eq!(deleting.await.unwrap(), 1);
}

#[tokio::test]
async fn what_was_loaded_before_a_deletion_is_not_kept_after_it() {
    let world = World::of_bytes(1 << 20);
    let entry = world.thing(1);
    let snapshot = world.snapshot(&entry);
    assert_eq!(world.tier.delete_matching("*").await.unwrap(), 0, "there is nothing yet");
    assert_eq!(world.tier.fill(&entry, snapshot, Some(&value("old")), TTL), Fill::Refused);
    world.keep(&entry, Some(&value("new")));
}

/// Kept without the tags that others name, it would be served after they are void; with them, it is not theirs to serve
/// who name none.
#[tokio::test]
async fn an_entry_is_served_with_the_collections_only_that_it_was_kept_with() {
    let world = World::of_bytes(1 << 20);
    let key = Key::new("list:0:10");
    let (alone, dependent) = (world.pages.entry(key.clone()), world.page());
    world.keep(&alone, Some(&value("old")));
    assert_eq!(world.copy(&dependent), None);
    assert!(world.tier.peek(&key, None).is_none(), "pages have tags");
    assert!(world.tier.overdue(&dependent).is_none() && world.tier.inspect(&dependent).is_none());
    world.keep(&dependent, Some(&value("new")));
    assert_eq!(world.copy(&alone), None);
    assert!(world.tier.peek(&key, None).is_some());
    world.write_counters.tag_changed(EVERYTHING);
    assert!(world.tier.peek(&key, None).is_none());
    assert_eq!((world.copy(&alone), world.copy(&dependent)), (None, None));

    // Where none has any, whoever names none means the same.
    world.keep(&world.thing(1), Some(&value("one")));
    assert!(world.tier.peek(&Key::new("id:1"), None).is_some());
}
