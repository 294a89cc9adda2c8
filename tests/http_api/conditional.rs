//! HTTP caching: `ETag`, `If-None-Match`, `If-Match`, `no-cache`, `X-Min-Version`, `Cache-Status`.

use hotshelf_testkit::Service;
use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, create_named, laptop, lookup, path, read, update};
use hotshelf_testkit::shapes::{cache_status, problem};

/// A service with one product that has not been read yet.
async fn with_one_product() -> (Service, Value) {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    (service, product)
}

async fn etag_of(service: &Service, path: &str) -> String {
    service.get(path).await.expect(200).header("etag").to_owned()
}

#[tokio::test]
async fn answers_have_the_headers_for_caches() {
    let (service, product) = with_one_product().await;
    for path in [path(&product), PRODUCTS.to_owned()] {
        for _ in 0..2 {
            let reply = service.get(&path).await.expect(200);
            assert_eq!(reply.header("cache-control"), "no-cache");
            let etag = reply.header("etag");
            // Answers with the same state differ in `duration_ms`.
            assert!(etag.len() > 4 && etag.starts_with("W/\"") && etag.ends_with('"'), "no weak tag: {etag}");
            cache_status(&reply);
        }
    }
}

#[tokio::test]
async fn cache_status_distinguishes_miss_and_hit() {
    let (service, product) = with_one_product().await;
    for path in [path(&product), PRODUCTS.to_owned()] {
        let miss = service.get(&path).await.expect(200);
        assert_eq!(cache_status(&miss), ["fwd=miss", "stored"]);
        let hit = service.get(&path).await.expect(200);
        let parts = cache_status(&hit);
        let [kind, ttl, detail] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!((kind.as_str(), detail.as_str()), ("hit", "detail=l1"));
        // Five minutes, and up to a tenth more or less, so that entries do not expire together.
        let ttl: u32 = ttl.strip_prefix("ttl=").unwrap().parse().unwrap();
        assert!((260..=330).contains(&ttl), "{ttl} s");
    }
}

#[tokio::test]
async fn the_ttl_of_an_entry_is_the_configured_one() {
    let service = hotshelf().backend("memory").env("CACHE_TTL", "1h30m").start().await;
    let product = create(&service, &laptop()).await;
    lookup(&service, &product).await;
    let status = cache_status(&lookup(&service, &product).await);
    let ttl: u32 = status[1].strip_prefix("ttl=").unwrap().parse().unwrap();
    assert!((4_800..=5_940).contains(&ttl), "{ttl} s");
}

#[tokio::test]
async fn a_tag_that_holds_answers_304_without_a_body() {
    let (service, product) = with_one_product().await;
    create_named(&service, "Desk").await;
    for path in [path(&product), PRODUCTS.to_owned(), format!("{PRODUCTS}?limit=1")] {
        let etag = etag_of(&service, &path).await;
        let holds = [etag.clone(), format!("\"other\", {etag}"), etag.replace("W/", ""), "*".to_owned()];
        for condition in holds {
            let reply = service.get(&path).header("if-none-match", &condition).await.expect(304);
            assert_eq!(reply.text(), "");
            assert_eq!(reply.header("etag"), etag);
            assert_eq!(reply.header("cache-control"), "no-cache");
        }
        let reply = service.get(&path).header("if-none-match", "\"other\"").await.expect(200);
        assert_eq!(reply.header("etag"), etag);
    }
}

#[tokio::test]
async fn a_change_changes_the_entity_tags_of_the_product_and_its_page() {
    let (service, product) = with_one_product().await;
    let paths = [path(&product), PRODUCTS.to_owned()];
    let old = [etag_of(&service, &paths[0]).await, etag_of(&service, &paths[1]).await];
    update(&service, &product, &json!({"stock": 7})).await;
    for (path, old) in paths.iter().zip(old) {
        let reply = service.get(path).header("if-none-match", &old).await.expect(200);
        assert_ne!(reply.header("etag"), old);
    }
}

#[tokio::test]
async fn a_change_of_one_product_keeps_the_entity_tag_of_another() {
    let (service, product) = with_one_product().await;
    let other = create_named(&service, "Desk").await;
    let etag = etag_of(&service, &path(&product)).await;
    update(&service, &other, &json!({"stock": 7})).await;
    service.get(&path(&product)).header("if-none-match", &etag).await.expect(304);
}

#[tokio::test]
async fn no_cache_is_answered_from_the_database() {
    let (service, product) = with_one_product().await;
    for path in [path(&product), PRODUCTS.to_owned()] {
        service.get(&path).await.expect(200);
        let reply = service.get(&path).header("cache-control", "no-cache").await.expect(200);
        assert_eq!(reply.json()["from_cache"], false);
        assert_eq!(cache_status(&reply), ["fwd=request", "detail=database"]);
    }
}

#[tokio::test]
async fn a_value_as_new_as_x_min_version_is_a_hit() {
    let (service, product) = with_one_product().await;
    let product = update(&service, &product, &json!({"stock": 7})).await;
    read(&service, &product).await;
    for version in ["1", "2"] {
        let reply = service.get(&path(&product)).header("x-min-version", version).await.expect(200);
        assert_eq!(reply.json()["from_cache"], true, "{reply:?}");
    }
}

#[tokio::test]
async fn a_value_older_than_x_min_version_is_ignored() {
    let (service, product) = with_one_product().await;
    read(&service, &product).await;
    let reply = service.get(&path(&product)).header("x-min-version", "7").await.expect(200);
    assert_eq!(reply.json()["from_cache"], false, "{reply:?}");
}

#[tokio::test]
async fn a_write_with_the_current_entity_tag_succeeds() {
    let (service, product) = with_one_product().await;
    for method in ["PUT", "PATCH", "DELETE"] {
        let etag = etag_of(&service, &path(&product)).await;
        let body = json!({"stock": 1});
        service.request(method, &path(&product)).header("if-match", &etag).json(&body).await.expect(200);
    }
    service.get(&path(&product)).await.expect(404);
}

#[tokio::test]
async fn if_match_takes_lists_and_a_star() {
    let (service, product) = with_one_product().await;
    let etag = etag_of(&service, &path(&product)).await;
    let change = json!({"stock": 1});
    service.put(&path(&product)).header("if-match", &format!("\"other\", {etag}")).json(&change).await.expect(200);
    service.put(&path(&product)).header("if-match", "*").json(&change).await.expect(200);
}

#[tokio::test]
async fn a_lost_race_answers_412_and_changes_nothing() {
    let (service, product) = with_one_product().await;
    let stale = etag_of(&service, &path(&product)).await;
    let current = update(&service, &product, &json!({"stock": 7})).await;
    for method in ["PUT", "PATCH", "DELETE"] {
        let body = json!({"stock": 1});
        let reply = service.request(method, &path(&product)).header("if-match", &stale).json(&body).await;
        problem(reply, 412);
        assert_eq!(read(&service, &product).await, current);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_writers_with_the_same_entity_tag_succeeds() {
    let (service, product) = with_one_product().await;
    let etag = etag_of(&service, &path(&product)).await;
    let writers: Vec<_> = (0..16)
        .map(|stock| service.put(&path(&product)).header("if-match", &etag).json(&json!({"stock": stock})))
        .map(|request| tokio::spawn(request.into_future()))
        .collect();
    let mut outcomes = Vec::new();
    for writer in writers {
        outcomes.push(writer.await.unwrap().status);
    }
    outcomes.sort_unstable();
    assert_eq!((outcomes[0], &outcomes[1..]), (200, &[412; 15][..]));
    assert_eq!(read(&service, &product).await["version"], 2);
}

#[tokio::test]
async fn head_answers_as_get_without_the_body() {
    let (service, product) = with_one_product().await;
    for path in [path(&product), PRODUCTS.to_owned()] {
        let etag = etag_of(&service, &path).await;
        let reply = service.request("HEAD", &path).await.expect(200);
        assert_eq!((reply.header("etag"), reply.text()), (etag.as_str(), ""));
    }
}
