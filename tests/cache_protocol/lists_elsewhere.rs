//! Writes of one instance show in lists, searches and sets of ids of the other, even if these are in its memory, within
//! the memory lease. Only the analytics may be old.

use std::time::Duration;

use hotshelf_testkit::catalogue::{create, delete, id, ids, numbers, update};
use hotshelf_testkit::{Client, PATIENCE, wait_until};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::instances::{Pair, cache_status};

/// The time by which memory may lag behind another instance.
const LEASE: Duration = Duration::from_secs(1);

const IDS: &str = "/api/v1/organizations/1/product-ids";
const BY_PRICE: &str = "/api/v1/organizations/1/products?order=-price";
const SEARCH: &str = "/api/v1/products?search=red+cup";
const DEAR: &str = "/api/v1/products?min_price=50&order=name";
const ANALYTICS: &str = "/api/v1/analytics/catalogue";

async fn look(reader: &Client, target: &str) -> Value {
    reader.get(target).await.expect(200).json()
}

/// Checks that all of them are in memory.
async fn remembers_the_lists(reader: &Client) {
    for target in [IDS, BY_PRICE, SEARCH, DEAR] {
        let remembered = async || cache_status(&reader.get(target).await).ends_with("; detail=l1");
        wait_until(&format!("memory has {target}"), PATIENCE, remembered).await;
    }
}

async fn writes_show_in_lists(strategy: &str) {
    let pair = Pair::start(&[("CACHE_WRITE_STRATEGY", strategy)]).await;
    let (here, there) = (&pair.first, &pair.second);
    // In addition to the probe, whose id is 1.
    let other = create(here, &json!({"name": "Teapot", "price": 60})).await;
    look(there, ANALYTICS).await;

    remembers_the_lists(there).await;
    let cup = create(here, &json!({"name": "Cup", "category": "Red", "price": 40})).await;
    sleep_until(Instant::now() + LEASE).await;
    assert_eq!(numbers(&look(there, IDS).await["ids"]), [1, id(&other), id(&cup)], "{strategy}");
    assert_eq!(ids(&look(there, BY_PRICE).await), [id(&other), id(&cup), 1], "{strategy}");
    assert_eq!(ids(&look(there, SEARCH).await), [id(&cup)], "{strategy}");
    assert_eq!(ids(&look(there, DEAR).await), [id(&other)], "{strategy}");

    remembers_the_lists(there).await;
    let cup = update(here, &cup, &json!({"price": 70, "category": "Blue"})).await;
    sleep_until(Instant::now() + LEASE).await;
    assert_eq!(ids(&look(there, BY_PRICE).await), [id(&cup), id(&other), 1], "{strategy}");
    assert_eq!(ids(&look(there, DEAR).await), [id(&cup), id(&other)], "{strategy}");
    assert_eq!(look(there, SEARCH).await["total"], 0, "{strategy}");

    remembers_the_lists(there).await;
    delete(here, &cup).await;
    sleep_until(Instant::now() + LEASE).await;
    assert_eq!(numbers(&look(there, IDS).await["ids"]), [1, id(&other)], "{strategy}");
    assert_eq!(ids(&look(there, BY_PRICE).await), [id(&other), 1], "{strategy}");
    assert_eq!(ids(&look(there, DEAR).await), [id(&other)], "{strategy}");

    // The report may be a day old, but not after a request for a new one.
    create(here, &json!({"name": "Late", "price": 1})).await;
    look(there, ANALYTICS).await;
    assert_eq!(look(here, &format!("{ANALYTICS}?refresh=true")).await["total"], 3, "{strategy}");
    sleep_until(Instant::now() + LEASE).await;
    assert_eq!(look(there, ANALYTICS).await["total"], 3, "{strategy}: made anew for all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_of_one_instance_show_in_lists_of_the_other() {
    tokio::join!(writes_show_in_lists("invalidate"), writes_show_in_lists("write_through"));
}
