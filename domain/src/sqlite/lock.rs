//! The lock file beside the database: one process alone, or several that all know that they share.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::connect::OWNER_ALONE;
use crate::error::OpenError;

/// Held as long as the database is open; the system lets go of it when the process ends, however it ends.
pub(super) struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    pub(super) fn acquire(database: &Path, shared: bool) -> Result<Self, OpenError> {
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).read(true).mode(OWNER_ALONE);
        let opened = options.open(&lock);
        let file = opened.map_err(|cause| OpenError::Lock { lock: lock.clone(), cause })?;
        let locked = if shared { file.try_lock_shared() } else { file.try_lock() };
        match locked {
            Ok(()) => Ok(DatabaseLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { database: database.to_owned(), lock }),
            Err(TryLockError::Error(cause)) => Err(OpenError::Lock { lock, cause }),
        }
    }
}
