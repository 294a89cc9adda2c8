//! A PostgreSQL database behind a PgBouncer, which gives each connection a server's own (`pool_mode = session`).

use hotshelf_testkit::{Pooler, PostgresServer};

use crate::testbed::Testbed;

pub(crate) struct Pooled {
    server: PostgresServer,
    database: String,
    port: u16,
    pooler: Option<Pooler>,
}

impl Pooled {
    pub(crate) fn start() -> Self {
        let server = PostgresServer::start();
        let (database, pooler) = (server.database(), server.pooler("session"));
        Pooled { server, database, port: pooler.port(), pooler: Some(pooler) }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url_at(&self.database, &[self.port])
    }

    /// Every connection is cut.
    pub(crate) fn end(&mut self) {
        self.pooler = None;
    }

    pub(crate) fn start_again(&mut self) {
        self.pooler = Some(self.server.pooler_at("session", self.port));
    }
}

impl Testbed {
    /// The database behind a PgBouncer, in the faults that are its own.
    pub(crate) fn pooled(&mut self) -> &mut Pooled {
        self.pooled.as_mut().expect("the testbed has a PgBouncer")
    }
}
