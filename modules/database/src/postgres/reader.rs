//! A connection for lists and for gathered reads. It blocks, as all reads do, and its statements can be interrupted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hotshelf_domain::StoreError;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, private::BytesMut, to_sql_checked};

use super::identity::Identity;
use super::link::{Link, Server, said};
use crate::backend::{ListReader, ReadConnection};
use crate::engine::readers::Limit;
use crate::error::SqlError;
use crate::statement::{Dialect, Row, Statement, Value};

/// For a statement without a limit of its own.
const PATIENCE: Duration = Duration::from_secs(7);
/// Until a statement that was asked to end has ended.
const TO_END: Duration = Duration::from_secs(2);
/// Texts of statements that are kept prepared.
const STATEMENTS: usize = 512;

pub(super) struct Reader {
    link: Link,
    server: Arc<Server>,
    identity: Arc<Identity>,
    runtime: Handle,
    prepared: RefCell<HashMap<String, tokio_postgres::Statement>>,
    /// Of the read that is under way.
    limit: RefCell<Option<Limit>>,
    /// A statement was interrupted too late, or not at all: what comes next may meet its interruption or its answer.
    spoilt: Cell<bool>,
}

impl Reader {
    pub(super) fn new(link: Link, server: Arc<Server>, identity: Arc<Identity>, runtime: Handle) -> Self {
        Reader {
            link,
            server,
            identity,
            runtime,
            prepared: RefCell::default(),
            limit: RefCell::default(),
            spoilt: Cell::default(),
        }
    }

    async fn query(&self, statement: &Statement) -> Result<Vec<tokio_postgres::Row>, StoreError> {
        let prepared = self.prepared(&statement.text).await?;
        let parameters: Vec<&(dyn ToSql + Sync)> =
            statement.parameters.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.link.client.query(&prepared, &parameters).await.map_err(failed)
    }

    async fn prepared(&self, text: &str) -> Result<tokio_postgres::Statement, StoreError> {
        if let Some(prepared) = self.prepared.borrow().get(text) {
            return Ok(prepared.clone());
        }
        let prepared = self.link.client.prepare(text).await.map_err(failed)?;
        let mut kept = self.prepared.borrow_mut();
        if kept.len() >= STATEMENTS {
            kept.clear();
        }
        kept.insert(text.to_owned(), prepared.clone());
        Ok(prepared)
    }

    /// Waits for the answer until the limit, and asks the server to interrupt the statement then.
    async fn within_limit<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let limit = self.limit.borrow().clone();
        let Some(limit) = limit else { return self.without_limit(work).await };
        tokio::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = limit.over() => {}
        }
        let ended = timeout(TO_END, async {
            self.server.cancel(&self.link.client).await;
            work.await
        });
        let ended = ended.await.unwrap_or(Err(StoreError::failed("PostgreSQL does not answer".to_owned())));
        if !matches!(ended, Err(StoreError::Overloaded(_))) {
            // Only where the statement itself has met the interruption, none is on its way any more.
            self.spoilt.set(true);
        }
        ended.map_err(|_| StoreError::Overloaded("the read took too long"))
    }

    async fn without_limit<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        timeout(PATIENCE, work).await.unwrap_or_else(|_| {
            self.spoilt.set(true);
            Err(StoreError::failed("PostgreSQL does not answer".to_owned()))
        })
    }

    /// Begins or ends a transaction, whatever the limit is. If that fails, nobody knows whether one is open.
    fn control(&self, sql: &'static str) -> Result<(), SqlError> {
        let batch = async { self.link.client.batch_execute(sql).await.map_err(failed) };
        let done = self.runtime.block_on(self.without_limit(batch));
        if done.is_err() {
            self.spoilt.set(true);
        }
        Ok(done?)
    }
}

/// The server interrupts a statement when the time is over that any may take.
fn failed(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(code) if *code == SqlState::QUERY_CANCELED => StoreError::Overloaded("the read took too long"),
        _ => StoreError::failed(said(error)),
    }
}

impl ReadConnection for Reader {
    fn confirm(&self) -> Result<(), StoreError> {
        self.identity.confirm(self.link.place)
    }

    fn is_usable(&self) -> bool {
        !self.spoilt.get() && !self.link.client.is_closed()
    }
}

impl ListReader for Reader {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn each_row(
        &self,
        statement: &Statement,
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let rows = self.runtime.block_on(self.within_limit(self.query(statement)))?;
        rows.iter().try_for_each(|found| row(found))
    }

    fn run_within(&self, limit: &Limit, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError> {
        *self.limit.borrow_mut() = Some(limit.clone());
        let answer = read();
        *self.limit.borrow_mut() = None;
        answer
    }

    fn at_one_moment(&self, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError> {
        self.control("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let answer = read();
        // Nothing was written.
        self.control("ROLLBACK").and(answer)
    }
}

impl Row for tokio_postgres::Row {
    fn integer(&self, column: usize) -> Result<i64, SqlError> {
        value(self, column)
    }

    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, SqlError> {
        value(self, column)
    }

    fn text(&self, column: usize) -> Result<String, SqlError> {
        value(self, column)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<String>, SqlError> {
        value(self, column)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, SqlError> {
        value(self, column)
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<Vec<u8>>, SqlError> {
        value(self, column)
    }
}

fn value<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a tokio_postgres::Row,
    column: usize,
) -> Result<T, SqlError> {
    row.try_get(column).map_err(|error| StoreError::corrupt(&error.to_string()).into())
}

impl ToSql for Value {
    fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Value::Integer(number) => number.to_sql(of, out),
            Value::Text(text) => text.to_sql(of, out),
            Value::Bytes(bytes) => bytes.to_sql(of, out),
            Value::Ids(ids) => ids.to_sql(of, out),
        }
    }

    fn accepts(of: &Type) -> bool {
        matches!(*of, Type::INT8 | Type::TEXT | Type::BYTEA | Type::INT8_ARRAY)
    }

    to_sql_checked!();
}
