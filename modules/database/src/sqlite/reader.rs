//! A connection whose statements can be interrupted: those of lists, whose work depends on what is asked for.
//!
//! It uses rusqlite, because diesel cannot interrupt a running statement. Both use one SQLite library.

#[cfg(test)]
use std::cell::RefCell;

use hotshelf_domain::StoreError;
use rusqlite::types::{ToSql, ToSqlOutput};
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::backend::{ListReader, ReadConnection};
use crate::engine::readers::Limit;
use crate::error::SqlError;
use crate::statement::{Dialect, Row, Statement, Value};

/// Steps of SQLite's virtual machine between two looks at the limit: some microseconds of plain ones. One that goes
/// through the full-text index stands for more work: of a search for twenty letters in 400,000 products, so many take
/// 30 ms.
const STEPS: i32 = 250;
/// Texts of statements that are kept prepared.
const STATEMENTS: usize = 512;
const SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA cache_size = -8192; PRAGMA query_only = ON;";

pub(crate) struct Reader {
    conn: Connection,
    /// The texts of the statements it was asked for.
    #[cfg(test)]
    pub(crate) seen: RefCell<Vec<String>>,
}

impl Reader {
    /// Of a database that is there.
    pub(crate) fn open(url: &str) -> Result<Self, SqlError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(url, flags)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.execute_batch(SETTINGS)?;
        Ok(Reader {
            conn,
            #[cfg(test)]
            seen: RefCell::default(),
        })
    }
}

impl ReadConnection for Reader {}

impl ListReader for Reader {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn each_row(
        &self,
        statement: &Statement,
        row: &mut dyn FnMut(&dyn Row) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        #[cfg(test)]
        self.seen.borrow_mut().push(statement.text.clone());
        let mut prepared = self.conn.prepare_cached(&statement.text)?;
        let mut rows = prepared.query(params_from_iter(&statement.parameters))?;
        while let Some(found) = rows.next()? {
            row(found)?;
        }
        Ok(())
    }

    fn run_within(&self, limit: &Limit, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError> {
        let limit = limit.clone();
        self.conn.progress_handler(STEPS, Some(move || limit.is_over()))?;
        let answer = read();
        self.conn.progress_handler(0, None::<fn() -> bool>)?;
        if !self.conn.is_autocommit() {
            return Err(StoreError::failed("a read has left its transaction open".to_owned()).into());
        }
        answer
    }

    fn at_one_moment(&self, read: &mut dyn FnMut() -> Result<(), SqlError>) -> Result<(), SqlError> {
        // Rolled back when it is dropped, which is as good: nothing was written.
        let _moment = self.conn.unchecked_transaction()?;
        read()
    }
}

impl Row for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<i64, SqlError> {
        Ok(self.get(column)?)
    }

    fn integer_or_null(&self, column: usize) -> Result<Option<i64>, SqlError> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: usize) -> Result<String, SqlError> {
        Ok(self.get(column)?)
    }

    fn text_or_null(&self, column: usize) -> Result<Option<String>, SqlError> {
        Ok(self.get(column)?)
    }

    fn bytes(&self, column: usize) -> Result<Vec<u8>, SqlError> {
        Ok(self.get(column)?)
    }

    fn bytes_or_null(&self, column: usize) -> Result<Option<Vec<u8>>, SqlError> {
        Ok(self.get(column)?)
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Value::Integer(number) => Ok(ToSqlOutput::from(*number)),
            Value::Text(text) => Ok(ToSqlOutput::from(text.as_str())),
            Value::Bytes(bytes) => Ok(ToSqlOutput::from(bytes.as_slice())),
            // For `json_each`.
            Value::Ids(ids) => Ok(ToSqlOutput::from(list(ids))),
        }
    }
}

fn list(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(","))
}

/// A statement that would run for ever.
#[cfg(test)]
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[cfg(test)]
impl Reader {
    /// The steps in which SQLite would go about the statement.
    pub(crate) fn plan(&self, statement: &str) -> Vec<String> {
        let mut plan = self.conn.prepare(&format!("EXPLAIN QUERY PLAN {statement}")).unwrap();
        let steps = plan.raw_query().mapped(|row| row.get("detail"));
        steps.collect::<rusqlite::Result<_>>().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::super::connect::connect;
    use super::super::identity::opened;
    use super::*;

    fn reader() -> (tempfile::TempDir, Reader) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        opened(&path);
        let reader = Reader::open(path.to_str().unwrap()).unwrap();
        (directory, reader)
    }

    fn overloaded<T: Clone>(answer: &Result<T, SqlError>) -> bool {
        matches!(answer.clone().map_err(StoreError::from), Err(StoreError::Overloaded(_)))
    }

    #[test]
    fn a_statement_is_interrupted_and_the_connection_goes_on() {
        let (_directory, reader) = reader();
        let begin = Instant::now();
        let limit = Limit::of(Duration::from_millis(50));
        let reader: &dyn ListReader = &reader;
        let endless = reader.within(&limit, |conn| conn.moment(|conn| conn.statement(ENDLESS).number(conn)));
        assert!(overloaded(&endless), "{endless:?}");
        assert!(begin.elapsed() >= Duration::from_millis(50));
        let one = reader.within(&Limit::of(Duration::from_secs(60)), |conn| conn.statement("SELECT 1").number(conn));
        assert_eq!(one.unwrap(), 1);
    }

    /// All of the work is in the full-text index, which is no loop of the virtual machine.
    #[test]
    fn so_is_a_search() {
        let (directory, reader) = reader();
        let mut writer = connect(directory.path().join("products.db").to_str().unwrap()).unwrap();
        diesel::connection::SimpleConnection::batch_execute(
            &mut writer,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
             INSERT INTO product_search (rowid, words) SELECT i, printf('a%x b%x c%x d%x', i, i, i, i) FROM n",
        )
        .unwrap();
        let words = "\"a\"* AND \"b\"* AND \"c\"* AND \"d\"* AND \"nowhere\"";
        let search = |conn: &dyn ListReader| {
            conn.statement("SELECT count(*) FROM product_search WHERE ").matching(words).number(conn)
        };
        let reader: &dyn ListReader = &reader;
        assert_eq!(reader.within(&Limit::of(Duration::from_secs(60)), search).unwrap(), 0);
        let over = Limit::of(Duration::ZERO);
        assert!(overloaded(&reader.within(&over, search)));
    }

    #[test]
    fn it_reads_and_writes_nothing() {
        let (_directory, reader) = reader();
        let write = "DELETE FROM products RETURNING id";
        let reader: &dyn ListReader = &reader;
        let refused = reader.within(&Limit::of(Duration::from_secs(60)), |conn| conn.statement(write).number(conn));
        let refused = refused.map_err(StoreError::from);
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
}
