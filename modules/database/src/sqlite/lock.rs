//! The lock file beside the database: one process alone, or several that all know that they share. It also records
//! how far the database has come, so that one that was put back to an earlier state is recognized.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hotshelf_domain::History;

use super::permissions::OWNER_ALONE;
use crate::error::OpenError;

/// A record is padded to this, so that it replaces the one before as a whole.
const RECORD: usize = 192;

/// A start needs more room than that, for the index of the write-ahead log alone.
const ROOM: usize = 32 << 10;

/// Held as long as the database is open; the system releases it when the process ends, however it ends.
pub(crate) struct DatabaseLock {
    file: File,
    place: Place,
}

/// Tells this file from a copy of it. Where the file system does not know when a file was made, the inode has to do.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    inode: u64,
    /// In nanoseconds since 1970, 0 if it is not known.
    made: u128,
}

/// How far the database has come.
///
/// Written after each commit and not flushed: it may be behind the database, after a loss of power, and never ahead
/// of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) history: History,
    pub(crate) commits: i64,
    /// The highest id that was given to anything.
    pub(crate) highest_id: i64,
}

impl DatabaseLock {
    pub(crate) fn acquire(database: &Path, shared: bool) -> Result<Self, OpenError> {
        let path = beside(database, ".lock");
        let failed = |cause| OpenError::Lock { lock: path.clone(), cause };
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).read(true).mode(OWNER_ALONE);
        let file = options.open(&path).map_err(failed)?;
        let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
        match locked {
            Ok(()) => Ok(DatabaseLock { place: Place::of(&file.metadata().map_err(failed)?), file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { database: database.to_owned(), lock: path }),
            Err(TryLockError::Error(cause)) => Err(failed(cause)),
        }
    }

    /// What was recorded last, and whether in this file and not in one that it was copied from. `None` when there is
    /// nothing that can be read.
    pub(crate) fn read(&self) -> Option<(Record, bool)> {
        let mut text = [0; RECORD];
        self.file.read_exact_at(&mut text, 0).ok()?;
        let (record, place) = parse(std::str::from_utf8(&text).ok()?)?;
        Some((record, place == self.place))
    }

    /// Whether the system lets something be written beside the database, behind the record. Of a disk that is full,
    /// SQLite may say what it says of one that is broken.
    pub(crate) fn try_room(&self) -> io::Result<()> {
        // Another process may be writing the first record just now.
        let length = self.file.metadata()?.len().max(RECORD as u64);
        let written = self.file.write_all_at(&[b'\n'; ROOM], RECORD as u64);
        self.file.set_len(length)?;
        written
    }

    pub(crate) fn write(&self, record: Record) -> io::Result<()> {
        let Record { history, commits, highest_id } = record;
        let Place { inode, made } = self.place;
        let text = format!("history {history} commits {commits} highest-id {highest_id} inode {inode} made {made}\n");
        self.file.write_all_at(format!("{text:\n<RECORD$}").as_bytes(), 0)
    }
}

/// The file of the same name with a suffix.
pub(crate) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Place {
    fn of(file: &Metadata) -> Self {
        let since_1970 = file.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
        Place { inode: file.ino(), made: since_1970.map_or(0, |made| made.as_nanos()) }
    }
}

fn parse(text: &str) -> Option<(Record, Place)> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["history", history, "commits", commits, "highest-id", highest_id, "inode", inode, "made", made] = words[..]
    else {
        return None;
    };
    let history = History::new(u64::from_str_radix(history, 16).ok()?);
    let record = Record { history, commits: commits.parse().ok()?, highest_id: highest_id.parse().ok()? };
    Some((record, Place { inode: inode.parse().ok()?, made: made.parse().ok()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_is_not_of_a_copy() {
        let directory = tempfile::tempdir().unwrap();
        let (database, copy) = (directory.path().join("products.db"), directory.path().join("copy.db"));
        let lock = DatabaseLock::acquire(&database, false).unwrap();
        assert_eq!(lock.read(), None);
        for commits in [i64::MAX, 7] {
            let record = Record { history: History::new(u64::MAX), commits, highest_id: i64::MAX };
            lock.write(record).unwrap();
            assert_eq!(lock.read(), Some((record, true)), "a shorter one replaces a longer one");
            std::fs::copy(beside(&database, ".lock"), beside(&copy, ".lock")).unwrap();
            assert_eq!(DatabaseLock::acquire(&copy, false).unwrap().read(), Some((record, false)));
        }
    }
}
