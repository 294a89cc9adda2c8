//! How SQLite writes a group: one transaction, one flush to disk and one addition to the search index for the lot.

use std::sync::Arc;

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use hotshelf_domain::StoreError;

use super::connect::connect_writer;
use super::identity::Identity;
use super::search_index;
use crate::backend::WriteConnection;
use crate::engine::writer::{Group, Job};
use crate::error::SqlError;

/// While another process holds the database: nothing was changed.
const NOT_BEGUN: StoreError = StoreError::Overloaded("no write can be begun");

pub(super) struct Writer {
    conn: SqliteConnection,
    identity: Arc<Identity>,
}

impl Writer {
    pub(super) fn open(url: &str, identity: Arc<Identity>) -> Result<Self, StoreError> {
        let conn = connect_writer(url).map_err(|error| {
            tracing::debug!(%error, "the database cannot be opened for writing");
            StoreError::failed(error.to_string())
        })?;
        Ok(Writer { conn, identity })
    }
}

impl WriteConnection for Writer {
    fn write(&mut self, group: &mut Group) -> bool {
        // Before the lock is waited for, which may take as long as a write may wait.
        if group.timely().is_empty() {
            return true;
        }
        let outcome = write_group(&mut self.conn, &self.identity, group);
        // When the transaction could not even begin, none was run.
        group.settle(&outcome);
        outcome.is_ok()
    }
}

fn write_group(conn: &mut SqliteConnection, identity: &Identity, group: &mut Group) -> Result<(), StoreError> {
    let mut begun = false;
    let committed = identity.begin_group(conn).and_then(|commits| {
        let written = conn.immediate_transaction(|conn| {
            begun = true;
            identity.enter(conn, commits)?;
            run_all(conn, &mut group.timely())?;
            search_index::catch_up(conn)?;
            Identity::leave(conn)
        });
        written.map_err(SqlError::into)
    });
    // Acknowledged is only what is in the file that will be opened after the next start.
    match committed.and_then(|record| identity.end_group(conn, record)) {
        // Any other cause concerns the health of the database: that the file has become read-only shows here as well.
        Err(StoreError::Unavailable(error)) if !begun && error.contains("database is locked") => {
            tracing::debug!(%error, "no write can be begun, another process holds the database");
            Err(NOT_BEGUN)
        }
        outcome => outcome,
    }
}

/// Mostly all of them succeed, and share one savepoint: with each, SQLite sets every page aside that is written after
/// it, which is a third of what a create costs. If one fails, all are undone and each is run again in a savepoint of
/// its own.
fn run_all(conn: &mut SqliteConnection, jobs: &mut [&mut Job]) -> Result<(), SqlError> {
    if !in_savepoint(conn, |conn| jobs.iter_mut().try_for_each(|job| job.run(conn)))? {
        for job in jobs {
            in_savepoint(conn, |conn| job.run(conn))?;
        }
    }
    Ok(())
}

/// `false` when the work has failed and was undone.
///
/// # Errors
/// When the disk is full or fails, SQLite undoes the whole transaction by itself, and there is no savepoint left:
/// nothing more may be run then, since it would be committed by itself.
fn in_savepoint(
    conn: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> Result<(), StoreError>,
) -> Result<bool, SqlError> {
    let mut failure = None;
    // Inside the group's transaction, diesel makes this one a savepoint.
    let savepoint = conn.transaction(|conn| {
        work(conn).map_err(|error| {
            failure = Some(error);
            diesel::result::Error::RollbackTransaction
        })
    });
    match savepoint {
        Ok(()) => Ok(true),
        Err(diesel::result::Error::RollbackTransaction) => Ok(false),
        // What was wrong with the write says more than that its transaction is gone.
        Err(error) => Err(failure.map_or_else(|| error.into(), SqlError::from)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use diesel::connection::SimpleConnection;
    use hotshelf_cache::Epoch;
    use hotshelf_domain::{History, OrganizationDraft, OrganizationId};
    use tokio::sync::oneshot;
    use tokio_util::sync::CancellationToken;

    use super::super::connect::connect;
    use super::*;

    type Reply<T> = oneshot::Receiver<Result<T, StoreError>>;

    fn job(begin_before: Instant) -> (Job, Reply<Epoch>) {
        Job::new(begin_before, History::new(1), 1, |tx| tx.advance_epoch())
    }

    fn overloaded(reply: Reply<Epoch>) -> bool {
        let refused = reply.blocking_recv().unwrap();
        matches!(&refused, Err(StoreError::Overloaded(_))) && refused.is_err_and(|error| error.changed_nothing())
    }

    fn write(writer: &mut Writer, job: Job, ending: &CancellationToken) -> bool {
        let mut group = Group::new(vec![job], ending.clone());
        let usable = writer.write(&mut group);
        group.answer();
        usable
    }

    #[test]
    fn what_cannot_be_begun_has_changed_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap();
        let (identity, _first) = crate::sqlite::identity::opened(&path);
        let (mut writer, mut other) = (Writer::open(url, identity).unwrap(), connect(url).unwrap());
        writer.conn.batch_execute("PRAGMA busy_timeout = 0").unwrap();
        let going_on = CancellationToken::new();
        let soon = Instant::now() + Duration::from_secs(60);

        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let (locked_out, reply) = job(soon);
        assert!(!write(&mut writer, locked_out, &going_on));
        assert!(overloaded(reply), "another process holds the database");
        // Those that nobody waits for any more do not wait for the lock.
        let (late, reply) = job(Instant::now());
        assert!(write(&mut writer, late, &going_on));
        assert!(overloaded(reply));
        other.batch_execute("ROLLBACK").unwrap();

        let ending = CancellationToken::new();
        ending.cancel();
        let (not_begun, reply) = job(soon);
        assert!(write(&mut writer, not_begun, &ending));
        assert!(overloaded(reply));

        let (written, reply) = job(soon);
        assert!(write(&mut writer, written, &going_on));
        assert_eq!(reply.blocking_recv().unwrap().unwrap().get(), 2);
    }

    #[test]
    fn a_write_that_fails_undoes_itself_and_none_of_those_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let (identity, _first) = crate::sqlite::identity::opened(&path);
        let mut writer = Writer::open(path.to_str().unwrap(), identity).unwrap();
        let soon = Instant::now() + Duration::from_secs(60);
        let enter = |number: i64| {
            let draft = OrganizationDraft { name: Some(number.to_string()), ..OrganizationDraft::default() };
            let new = draft.into_new().unwrap();
            Job::new(soon, History::new(1), 1, move |tx| {
                tx.insert_organization(&new)?;
                if number == 3 { Err(StoreError::Overloaded("after it has written").into()) } else { Ok(()) }
            })
        };
        let (jobs, told): (Vec<_>, Vec<_>) = (1..=4).map(enter).unzip();
        let mut group = Group::new(jobs, CancellationToken::new());
        assert!(writer.write(&mut group));
        group.answer();

        let succeeded: Vec<_> = told.into_iter().map(|told| told.blocking_recv().unwrap().is_ok()).collect();
        assert_eq!(succeeded, [true, true, false, true]);
        let conn: &mut dyn crate::port::Tx = &mut writer.conn;
        let mut names = Vec::new();
        for id in 2..=5 {
            names.extend(conn.organization(OrganizationId::new(id).unwrap()).unwrap().map(|found| found.name));
        }
        assert_eq!(names, ["1", "2", "4"]);
    }
}
