//! PostgreSQL as the engine sees it.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use hotshelf_cache::Epoch;
use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, wait};
use super::history;
use super::identity::{Found, Identity};
use super::link::{CONNECT_TIMEOUT, Purpose, Server};
use super::migrations::{self, Migrated};
use super::place::Connections;
use super::reader::Reader;
use super::url::ServerUrl;
use super::writer::Writer;
use crate::backend::{Backend, KeyedConnection, ListReader, ReadConnection, WriteConnection};
use crate::error::{OpenError, SqlError};
use crate::port::Tx;

/// A database of a PostgreSQL server.
pub(crate) struct Postgres {
    server: Arc<Server>,
    identity: Arc<Identity>,
    runtime: Handle,
    /// For the heartbeats.
    watch: Mutex<Option<Connection>>,
}

impl Postgres {
    /// Connects and migrates. Names the history of a new database, and begins another where the server is not the one
    /// that the database was on. On a blocking thread of the runtime.
    pub(crate) fn open(url: ServerUrl) -> Result<Self, OpenError> {
        let runtime = Handle::current();
        let title = url.to_string();
        let failed = |cause: String| OpenError::Server { server: title.clone(), cause };
        let server = Arc::new(Server::new(url).map_err(&failed)?);
        let mut conn = first_connection(&server, &runtime).map_err(&failed)?;
        match migrations::run(&mut conn).map_err(|error| failed(format!("migration: {error}")))? {
            Migrated::UpToDate(0) => {}
            Migrated::UpToDate(ran) => tracing::info!(ran, "the database is up to date"),
            Migrated::Newer { found, known } => {
                return Err(OpenError::Newer { database: title.clone().into(), found, known });
            }
        }
        let found = history::look(&mut conn).map_err(|error| failed(StoreError::from(error).to_string()));
        let (row, epoch, _) = found?;
        let identity = Arc::new(Identity::new(&row, epoch));
        let postgres = Postgres { server, identity, runtime, watch: Mutex::default() };
        if postgres.identity.judge(&row, row.commits, Some(epoch), false) != Found::Current {
            postgres.begin_history().map_err(|error| failed(error.to_string()))?;
        }
        tracing::info!(server = %postgres.server.url(), history = %postgres.history(), "database open");
        Ok(postgres)
    }

    /// Writes a group with nothing in it.
    fn begin_history(&self) -> Result<(), StoreError> {
        use crate::engine::writer::{Group, Job};
        let mut writer = self.open_writer()?;
        let soon = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let (job, mut begun) = Job::new(soon, 1, |_| Ok(()));
        let mut group = Group::new(vec![job], CancellationToken::new());
        writer.write(&mut group);
        group.answer();
        begun.try_recv().unwrap_or(Err(StoreError::Closed))
    }

    fn read_connection(&self) -> Result<Connection, StoreError> {
        let conn = open_connection(&self.server, &self.identity, Purpose::Reading, &self.runtime)?;
        self.identity.confirm(conn.place)?;
        Ok(conn)
    }

    /// Looks into the database, and keeps what is found.
    fn look(&self, conn: &mut Connection) -> Result<Found, SqlError> {
        let commits = self.identity.commits();
        let (row, epoch, _) = history::look(conn)?;
        Ok(self.identity.judge(&row, commits, Some(epoch), false))
    }
}

/// The first one, whatever place it leads to. A pooler that gives connections of its own to transactions leads two
/// connections to one process of the server.
fn first_connection(server: &Server, runtime: &Handle) -> Result<Connection, String> {
    let connections = Connections::default();
    let connect = || async {
        let link = server.connect(Purpose::LongWork, &connections).await.map_err(|error| error.to_string())?;
        let process = link.client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(super::link::said)?;
        Ok::<_, String>((process.get::<_, i32>(0), link))
    };
    let (process, link) = runtime.block_on(connect())?;
    let (other, _other) = runtime.block_on(connect())?;
    if process == other {
        return Err("a pooler between it and this service gives its connections to transactions: let it give them to \
                    sessions (pool_mode = session), or connect to the server itself"
            .to_owned());
    }
    Connection::new(link, runtime.clone()).map_err(|error| error.to_string())
}

/// To the primary, wherever that is now.
pub(super) fn open_connection(
    server: &Server,
    identity: &Identity,
    purpose: Purpose,
    runtime: &Handle,
) -> Result<Connection, StoreError> {
    Connection::new(open_link(server, identity, purpose, runtime)?, runtime.clone())
}

fn open_link(
    server: &Server,
    identity: &Identity,
    purpose: Purpose,
    runtime: &Handle,
) -> Result<super::link::Link, StoreError> {
    let connecting = async {
        let link = server.connect(purpose, &identity.connections).await;
        link.map_err(|error| StoreError::failed(format!("no connection to PostgreSQL: {error}")))
    };
    wait(runtime, 2 * CONNECT_TIMEOUT, connecting)
}

impl Backend for Postgres {
    fn title(&self) -> String {
        format!("PostgreSQL at {} (primary, timeline {})", self.server.url(), self.identity.place().timeline)
    }

    fn system(&self) -> &'static str {
        "postgresql"
    }

    fn confirm(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn open_writer(&self) -> Result<Box<dyn WriteConnection>, StoreError> {
        let opened = Writer::open(Arc::clone(&self.server), Arc::clone(&self.identity), self.runtime.clone());
        Ok(Box::new(opened.map_err(|error| match error {
            // No write was sent.
            StoreError::Unavailable(cause) => StoreError::NotCommitted(cause),
            error => error,
        })?))
    }

    fn open_keyed(&self) -> Result<Box<dyn KeyedConnection>, StoreError> {
        Ok(Box::new(Keyed { conn: self.read_connection()?, identity: Arc::clone(&self.identity) }))
    }

    fn open_lists(&self) -> Result<Box<dyn ListReader>, StoreError> {
        let link = open_link(&self.server, &self.identity, Purpose::Reading, &self.runtime)?;
        self.identity.confirm(link.place)?;
        Ok(Box::new(Reader::new(link, Arc::clone(&self.server), Arc::clone(&self.identity), self.runtime.clone())))
    }

    fn history(&self) -> History {
        self.identity.history()
    }

    fn commits(&self) -> i64 {
        self.identity.commits()
    }

    /// Known already, from the group that has begun it.
    fn adopt(&self, _: History) {}

    fn replaced(&self) -> CancellationToken {
        self.identity.replaced()
    }

    fn heartbeat(&self) -> bool {
        let mut watch = self.watch.lock();
        if watch.is_none() {
            match open_connection(&self.server, &self.identity, Purpose::Reading, &self.runtime) {
                Ok(conn) => *watch = Some(conn),
                Err(error) => tracing::debug!(%error, "the database cannot be looked at"),
            }
        }
        let Some(conn) = watch.as_mut() else { return false };
        match self.look(conn) {
            Ok(Found::Current) => self.identity.is_in_doubt(),
            Ok(Found::Unsettled) => true,
            Ok(Found::Older) => {
                tracing::warn!("a connection leads to an earlier state of the database, such as an old primary");
                *watch = None;
                false
            }
            Err(error) => {
                tracing::debug!(%error, "the history of the database cannot be read");
                *watch = None;
                false
            }
        }
    }

    fn close(&self) -> Result<(), StoreError> {
        *self.watch.lock() = None;
        Ok(())
    }
}

/// A connection for rows by their keys.
struct Keyed {
    conn: Connection,
    identity: Arc<Identity>,
}

impl ReadConnection for Keyed {
    fn confirm(&self) -> Result<(), StoreError> {
        self.identity.confirm(self.conn.place)
    }
}

impl KeyedConnection for Keyed {
    fn tx(&mut self) -> &mut dyn Tx {
        &mut self.conn
    }

    fn current_epoch(&mut self) -> Result<(Epoch, String), SqlError> {
        let commits = self.identity.commits();
        let (row, epoch, server) = history::look(&mut self.conn)?;
        match self.identity.judge(&row, commits, Some(epoch), false) {
            Found::Current => {
                let epoch =
                    Epoch::try_from(epoch).map_err(|error| StoreError::from_serialization(error.to_string()))?;
                Ok((epoch, server))
            }
            Found::Unsettled | Found::Older => {
                Err(StoreError::failed("the connection does not lead to the database of now".to_owned()).into())
            }
        }
    }
}

impl Tx for Connection {
    fn at_one_moment(&mut self, read: &mut dyn FnMut(&mut dyn Tx) -> Result<(), SqlError>) -> Result<(), SqlError> {
        self.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let answer = read(self);
        self.batch_execute("ROLLBACK")?;
        answer
    }

    fn probe_read(&mut self) -> Result<(), SqlError> {
        Ok(self.batch_execute("SELECT 1 FROM organization_counts LIMIT 1")?)
    }

    fn probe_write(&mut self) -> Result<(), SqlError> {
        Ok(self.batch_execute("UPDATE write_probe SET probes = probes + 1")?)
    }
}
