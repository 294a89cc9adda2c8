//! Compares acknowledged writes with later reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use hotshelf_testkit::{Client, PATIENCE};
use serde_json::{Value, json};

use hotshelf_testkit::catalogue::{PRODUCTS, path};

/// The history of one product, shared by its writers and readers. The versions of a product grow with each commit, so a
/// read is stale if and only if it shows less than the highest version that had been acknowledged **before the read
/// began**.
#[derive(Clone)]
pub(crate) struct History {
    client: Client,
    product: Value,
    acknowledged: Arc<AtomicI64>,
}

impl History {
    /// Begins with the last acknowledged state of a product.
    pub(crate) fn of(client: &Client, product: &Value) -> Self {
        let version = version_of(product);
        History { client: client.clone(), product: product.clone(), acknowledged: Arc::new(version.into()) }
    }

    /// The same history, written and read through another client.
    pub(crate) fn seen_by(self, client: &Client) -> Self {
        History { client: client.clone(), ..self }
    }

    /// Makes a change. Each contains its number, so that content and version can be compared. If it gets 409, because
    /// another change takes long on a busy disk, it is sent again after `Retry-After`.
    pub(crate) async fn write(&self) {
        let give_up = Instant::now() + PATIENCE;
        let stock = self.acknowledged.load(Ordering::SeqCst);
        loop {
            let reply = self.client.put(&path(&self.product)).json(&json!({"stock": stock})).await;
            if reply.status == 409 && Instant::now() < give_up {
                continue;
            }
            let after = reply.expect(200).json()["product"].take();
            self.acknowledged.fetch_max(version_of(&after), Ordering::SeqCst);
            return;
        }
    }

    /// Reads the product and its page; neither may be stale.
    pub(crate) async fn read(&self) {
        self.read_product().await;
        self.read_page().await;
    }

    pub(crate) async fn read_product(&self) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let reply = self.client.get(&path(&self.product)).await.expect(200);
        let seen = version_of(&reply.json()["product"]);
        assert!(seen >= acknowledged, "stale: version {acknowledged} was acknowledged before {reply:?}");
    }

    pub(crate) async fn read_page(&self) {
        let acknowledged = self.acknowledged.load(Ordering::SeqCst);
        let reply = self.client.get(PRODUCTS).await.expect(200);
        let body = reply.json();
        let products = body["products"].as_array().into_iter().flatten();
        let seen = products.filter(|product| product["id"] == self.product["id"]).map(version_of).max();
        assert!(seen >= Some(acknowledged), "stale: version {acknowledged} was acknowledged before {reply:?}");
    }
}

fn version_of(product: &Value) -> i64 {
    product["version"].as_i64().unwrap()
}
