//! A request that stays in flight for as long as a test wants: a write, while the database accepts none.

use std::future::IntoFuture;

use crate::{PATIENCE, Reply, Service, wait_until};
use tokio::task::JoinHandle;

use crate::catalogue::{PRODUCTS, laptop};
use crate::external_writer::ExternalWriter;

/// A write in flight.
pub struct HeldWrite {
    writer: ExternalWriter,
    request: JoinHandle<Reply>,
}

impl HeldWrite {
    /// Returns when the request is in flight.
    pub async fn at(service: &Service) -> Self {
        let mut writer = ExternalWriter::on_database_of(service);
        writer.hold_writes_up();
        let request = tokio::spawn(service.post(PRODUCTS).json(&laptop()).into_future());
        // The other request is the one for the metrics.
        let under_way = async || service.metrics().await.value("http_requests_under_way", &[]) >= 2.0;
        wait_until("the write is in flight", PATIENCE, under_way).await;
        HeldWrite { writer, request }
    }

    /// Lets the write continue and returns its answer.
    pub async fn finish(mut self) -> Reply {
        self.writer.let_write();
        self.request.await.expect("the request is answered")
    }
}
