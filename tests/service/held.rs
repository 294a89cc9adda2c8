//! A request that stays under way for as long as a test wants: a write, while the database takes none.

use std::future::IntoFuture;

use hotshelf_testkit::{PATIENCE, Reply, Service, wait_until};
use tokio::task::JoinHandle;

use crate::catalogue::{PRODUCTS, laptop};
use crate::outsider::Outsider;

pub(crate) struct Held {
    outsider: Outsider,
    request: JoinHandle<Reply>,
}

impl Held {
    /// Returns when it has its place.
    pub(crate) async fn at(service: &Service) -> Self {
        let mut outsider = Outsider::on_database_of(service);
        outsider.hold_writes_up();
        let request = tokio::spawn(service.post(PRODUCTS).json(&laptop()).into_future());
        // The other one is that which asks.
        let under_way = async || service.metrics().await.value("http_requests_under_way", &[]) >= 2.0;
        wait_until("the write is under way", PATIENCE, under_way).await;
        Held { outsider, request }
    }

    /// Lets it go on and returns its answer.
    pub(crate) async fn finish(mut self) -> Reply {
        self.outsider.let_write();
        self.request.await.unwrap()
    }
}
