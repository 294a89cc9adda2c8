//! PostgreSQL as the engine sees it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use hotshelf_cache::{Epoch, Instance, Sharers};
use hotshelf_domain::{History, StoreError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::history::{self, Look, Row};
use super::identity::{Before, Found, Identity};
use super::instances;
use super::link::{CONNECT_TIMEOUT, Link, Purpose, Server, said};
use super::migrations::{self, Migrated};
use super::place::Connections;
use super::reader::Reader;
use super::url::ServerUrl;
use super::writer::{self, Writer};
use crate::backend::{Backend, KeyedConnection, ListReader, ReadConnection, WriteConnection};
use crate::error::{OpenError, SqlError};
use crate::port::Tx;
use crate::tables::write_probe;

/// Between two connections for heartbeats.
const ASK_ALL: Duration = Duration::from_secs(5);

/// A database of a PostgreSQL server.
pub(crate) struct Postgres {
    server: Arc<Server>,
    identity: Arc<Identity>,
    runtime: Handle,
    /// For the heartbeats.
    watch: Mutex<Option<(Connection, Instant)>>,
    /// For the row of this process.
    instances: Mutex<Option<Connection>>,
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
        let looked = history::look(&mut conn).map_err(|error| failed(StoreError::from(error).to_string()));
        let Look { row, epoch, .. } = looked?;
        let identity = Arc::new(Identity::new(&row, epoch));
        let postgres = Postgres { server, identity, runtime, watch: Mutex::default(), instances: Mutex::default() };
        postgres.settle(&row, epoch).map_err(|error| failed(error.to_string()))?;
        tracing::info!(server = %postgres.server.url(), history = %postgres.progress().0, "database open");
        Ok(postgres)
    }

    /// Begins a history where that has to be, in a group with nothing else in it.
    fn settle(&self, row: &Row, epoch: i64) -> Result<(), StoreError> {
        if self.identity.judge(row, epoch, self.identity.before()) == Found::Current {
            return Ok(());
        }
        let mut conn = open_connection(&self.server, &self.identity, Purpose::Writing, &self.runtime)?;
        let begun = writer::begin(&mut conn, &self.identity)?;
        history::forget_writers(&mut conn)?;
        conn.commit(CONNECT_TIMEOUT).map_err(StoreError::failed)?;
        writer::acknowledge(&self.identity, &begun);
        Ok(())
    }

    fn look(&self, conn: &mut Connection) -> Result<Found, SqlError> {
        let before = self.identity.before();
        let Look { row, epoch, .. } = history::look(conn)?;
        Ok(self.identity.judge(&row, epoch, before))
    }

    /// A connection that leads to the database of now.
    fn read_link(&self) -> Result<Link, StoreError> {
        let before = self.identity.before();
        let opening = async {
            let link = connect(&self.server, &self.identity, Purpose::Reading).await?;
            let Look { row, epoch, .. } = history::look_on(&link.client).await?;
            match self.identity.judge(&row, epoch, before) {
                Found::Current => Ok(link),
                Found::Unsettled | Found::Older => Err(not_of_now()),
            }
        };
        bounded(&self.runtime, opening)
    }
}

impl Postgres {
    /// On the connection for the rows of instances.
    fn with_instances(&self, work: impl FnOnce(&mut Connection) -> Result<(), SqlError>) -> Result<(), StoreError> {
        let mut instances = self.instances.lock();
        let usable = instances.take().filter(|conn| conn.is_usable() && self.identity.confirm(conn.place).is_ok());
        let mut conn = match usable {
            Some(conn) => conn,
            None => {
                let mut conn = open_connection(&self.server, &self.identity, Purpose::Watching, &self.runtime)?;
                conn.batch_execute(instances::SETTINGS).map_err(|error| StoreError::failed(error.to_string()))?;
                self.identity.confirm(conn.place)?;
                conn
            }
        };
        work(&mut conn)?;
        *instances = Some(conn);
        Ok(())
    }
}

fn not_of_now() -> StoreError {
    StoreError::failed("the connection does not lead to the database of now".to_owned())
}

/// The first one, whatever place it leads to.
///
/// A pooler that gives its connections to transactions, and not to sessions, is refused: settings would be those of
/// others, and a connection could lead to another server from one statement to the next. While a second session holds a
/// transaction, the first one is served by another process of the server then, or by that one.
fn first_connection(server: &Server, runtime: &Handle) -> Result<Connection, String> {
    let connections = Connections::default();
    let connect = async || server.connect(Purpose::Migrating, None, &connections).await;
    let process = async |link: &Link| {
        let row = link.client.query_one("SELECT pg_backend_pid()", &[]).await.map_err(said)?;
        Ok::<i32, String>(row.get(0))
    };
    let opening = async {
        let first = connect().await.map_err(|error| error.to_string())?;
        let alone = process(&first).await?;
        let second = connect().await.map_err(|error| error.to_string())?;
        second.client.batch_execute("BEGIN").await.map_err(said)?;
        let (beside, other) = (process(&first).await?, process(&second).await?);
        if alone != beside || alone == other {
            return Err(
                "a pooler between it and this service gives its connections to transactions: let it give them \
                        to sessions (pool_mode = session), or connect to the server itself"
                    .to_owned(),
            );
        }
        Ok(first)
    };
    let first = runtime.block_on(async { timeout(3 * CONNECT_TIMEOUT, opening).await });
    let first = first.unwrap_or_else(|_| Err("it does not answer".to_owned()))?;
    Connection::new(first, runtime.clone()).map_err(|error| error.to_string())
}

/// To the primary, wherever that is now.
pub(super) fn open_connection(
    server: &Server,
    identity: &Identity,
    purpose: Purpose,
    runtime: &Handle,
) -> Result<Connection, StoreError> {
    Connection::new(bounded(runtime, connect(server, identity, purpose))?, runtime.clone())
}

async fn connect(server: &Server, identity: &Identity, purpose: Purpose) -> Result<Link, StoreError> {
    let link = server.connect(purpose, Some(identity.place()), &identity.connections).await;
    link.map_err(|error| StoreError::failed(format!("no connection to PostgreSQL: {error}")))
}

fn bounded<T>(runtime: &Handle, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let done = runtime.block_on(async { timeout(2 * CONNECT_TIMEOUT, work).await });
    done.unwrap_or_else(|_| Err(StoreError::failed("PostgreSQL does not answer".to_owned())))
}

impl Backend for Postgres {
    fn title(&self) -> String {
        let (timeline, history) = (self.timeline(), self.identity.progress().0);
        format!("PostgreSQL at {} (primary, timeline {timeline}, history {history})", self.server.url())
    }

    fn location(&self) -> String {
        self.server.url().to_string()
    }

    fn timeline(&self) -> u32 {
        self.identity.place().timeline
    }

    fn system(&self) -> &'static str {
        "postgresql"
    }

    fn confirm(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn open_writer(&self) -> Result<Box<dyn WriteConnection>, StoreError> {
        let opened = Writer::open(Arc::clone(&self.server), Arc::clone(&self.identity), self.runtime.clone());
        Ok(Box::new(opened.map_err(writer::not_committed)?))
    }

    fn open_keyed(&self) -> Result<Box<dyn KeyedConnection>, StoreError> {
        let conn = Connection::new(self.read_link()?, self.runtime.clone())?;
        Ok(Box::new(Keyed { conn, identity: Arc::clone(&self.identity) }))
    }

    fn open_lists(&self) -> Result<Box<dyn ListReader>, StoreError> {
        let link = self.read_link()?;
        Ok(Box::new(Reader::new(link, Arc::clone(&self.server), Arc::clone(&self.identity), self.runtime.clone())))
    }

    fn progress(&self) -> (History, i64) {
        self.identity.progress()
    }

    /// Known already, from the group that has begun it.
    fn adopt(&self, _: History) {}

    fn replaced(&self) -> CancellationToken {
        self.identity.replaced()
    }

    fn heartbeat(&self) -> bool {
        let mut watch = self.watch.lock();
        // Now and then, all hosts are asked whether there is a later primary.
        if watch.as_ref().is_none_or(|(_, opened)| opened.elapsed() > ASK_ALL) {
            match open_connection(&self.server, &self.identity, Purpose::Watching, &self.runtime) {
                Ok(conn) => *watch = Some((conn, Instant::now())),
                Err(error) => tracing::debug!(%error, "the database cannot be looked at"),
            }
        }
        let Some((conn, _)) = watch.as_mut() else { return false };
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

    fn store_instance(&self, row: &Instance) -> Result<(), StoreError> {
        self.with_instances(|conn| instances::store(conn, row))
    }

    fn remove_instance(&self, name: &str, beat: u64) -> Result<(), StoreError> {
        self.with_instances(|conn| instances::remove(conn, name, beat))
    }

    fn close(&self) -> Result<(), StoreError> {
        *self.watch.lock() = None;
        *self.instances.lock() = None;
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

    fn is_usable(&self) -> bool {
        self.conn.is_usable()
    }
}

impl KeyedConnection for Keyed {
    fn tx(&mut self) -> &mut dyn Tx {
        &mut self.conn
    }

    fn current_epoch(&mut self) -> Result<(Epoch, String), SqlError> {
        let before = self.identity.before();
        let look = history::look(&mut self.conn)?;
        self.current(look, before)
    }

    fn sharers(&mut self) -> Result<Sharers, SqlError> {
        let before = self.identity.before();
        let (look, instances) = history::look_at_sharers(&mut self.conn)?;
        let (epoch, server) = self.current(look, before)?;
        Ok(Sharers { epoch, server, instances })
    }
}

impl Keyed {
    /// What a look has found, if it is the database of now.
    fn current(&self, look: Look, before: Before) -> Result<(Epoch, String), SqlError> {
        let Look { row, epoch, server } = look;
        match self.identity.judge(&row, epoch, before) {
            Found::Current => {
                let epoch =
                    Epoch::try_from(epoch).map_err(|error| StoreError::from_serialization(error.to_string()))?;
                Ok((epoch, server))
            }
            Found::Unsettled | Found::Older => Err(not_of_now().into()),
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
        diesel::update(write_probe::table).set(write_probe::probes.eq(write_probe::probes + 1)).execute(self)?;
        Ok(())
    }
}
