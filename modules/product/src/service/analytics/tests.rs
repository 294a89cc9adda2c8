use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use hotshelf_cache::{Cache, CacheOptions, Consistency, RedisOptions, Tiers, WriteStrategy};
use hotshelf_database::DatabaseOptions;
use hotshelf_domain::ProductDraft;
use hotshelf_stats::Registry;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::*;
use crate::Ttls;

struct Fixture {
    products: ProductService,
    _directory: TempDir,
}

impl Fixture {
    async fn open() -> Self {
        let (directory, registry) = (tempfile::tempdir().unwrap(), Registry::new().unwrap());
        let database = DatabaseOptions::at(directory.path().join("products.db"));
        let repository = Database::open(database, &registry).await.unwrap();
        let options = CacheOptions {
            tiers: Tiers::Memory,
            shared_database: false,
            consistency: Consistency::Linearizable,
            memory_bytes: 1 << 20,
            write_strategy: WriteStrategy::Invalidate,
            redis: RedisOptions::default(),
            key_prefix: String::new(),
            seal_key: None,
        };
        let cache = Cache::new(options, Arc::new(repository.clone()), StoreError::changed_nothing).unwrap();
        Fixture {
            products: ProductService::new(cache, repository, Ttls::default(), 0.0).unwrap(),
            _directory: directory,
        }
    }

    async fn create(&self) {
        let draft = ProductDraft::from_json(br#"{"name": "Cup", "price": 4.5}"#).unwrap();
        self.products.create(draft.into_new().unwrap()).await.unwrap();
    }

    /// Until no rebuilding is under way.
    async fn at_rest(&self) {
        drop(self.products.0.rebuilds.turn.lock().await);
        assert!(self.products.0.rebuilds.next.lock().is_none());
    }
}

/// How many products the report counts.
fn total(report: Result<Found, ProductError>) -> i64 {
    let mut json = report.unwrap().value.unwrap().payload.to_vec();
    json.push(b'}');
    serde_json::from_slice::<Json>(&json).unwrap()["total"].as_i64().unwrap()
}

#[tokio::test]
async fn a_report_that_nobody_waited_for_is_no_answer_to_who_asks_later() {
    let fixture = Fixture::open().await;
    // It hangs up.
    assert!(fixture.products.rebuild_analytics().now_or_never().is_none());
    let entry = fixture.products.0.analytics.entry(keys::analytics());
    while !fixture.products.0.cache.holds(&entry).await {
        tokio::task::yield_now().await;
    }
    fixture.at_rest().await;
    fixture.create().await;
    assert_eq!(total(fixture.products.rebuild_analytics().await), 1);
}

#[tokio::test]
async fn an_error_is_shared_with_those_who_waited_and_with_nobody_later() {
    let fixture = Fixture::open().await;
    let entry = fixture.products.0.analytics.entry(keys::analytics());
    let turn = fixture.products.0.cache.lock_keys(vec![entry]).await.unwrap();
    let other = turn.fenced(Vec::new(), async |write| Ok(write)).await.unwrap();
    let asked = join_all((0..5).map(|_| fixture.products.rebuild_analytics())).await;
    assert!(asked.iter().all(|answer| matches!(answer, Err(ProductError::Write(WriteError::Locked)))), "{asked:?}");
    // Another one hangs up before it fails.
    assert!(fixture.products.rebuild_analytics().now_or_never().is_none());
    while fixture.products.0.rebuilds.next.lock().is_some() {
        tokio::task::yield_now().await;
    }
    other.unchanged().await;
    assert_eq!(total(fixture.products.rebuild_analytics().await), 0);
}

/// Whoever has written and then asks sees the write, however many others have asked just before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_is_never_older_than_the_request_for_it() {
    let fixture = Arc::new(Fixture::open().await);
    let others: Vec<_> = (0..4)
        .map(|_| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                loop {
                    fixture.products.rebuild_analytics().await.unwrap();
                }
            })
        })
        .collect();
    for created in 1..=100 {
        fixture.create().await;
        assert_eq!(total(fixture.products.rebuild_analytics().await), created);
    }
    others.iter().for_each(|other| other.abort());
}
