//! The permissions of the files: a catalogue has addresses and password hashes of its users, and whoever can open the
//! lock file can hold it.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::lock::beside;

/// Of files that are created: read and written by their owner alone.
pub(crate) const OWNER_ALONE: u32 = 0o600;

/// The rights of those who are neither the owner nor of the group.
const OTHERS: u32 = 0o007;

/// Makes files that others may use those of their owner alone: they were created by an older version, or copied. The
/// rights of a group that were granted alone stay, because somebody granted them on purpose.
///
/// Works on the paths. To open a file of the database and close it again would undo the locks of this process.
pub(crate) fn close_to_others(database: &Path) {
    for path in ["", "-wal", "-shm", ".lock"].map(|suffix| beside(database, suffix)) {
        let mode = match fs::metadata(&path) {
            Ok(found) => found.permissions().mode() & 0o777,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the permissions of a file cannot be read");
                continue;
            }
        };
        if mode & OTHERS == 0 {
            continue;
        }
        let closed = fs::set_permissions(&path, Permissions::from_mode(OWNER_ALONE));
        let path = path.display();
        match closed {
            Ok(()) => tracing::warn!("others had access to {path} (mode {mode:o}): now only its owner has"),
            Err(error) => tracing::warn!("others have access to {path} (mode {mode:o}): {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_closed_to_others_and_stay_open_to_a_group() {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("products.db");
        let mode = |suffix: &str| fs::metadata(beside(&database, suffix)).unwrap().permissions().mode() & 0o777;
        for (given, left) in [(0o644, 0o600), (0o666, 0o600), (0o640, 0o640), (0o660, 0o660), (0o600, 0o600)] {
            for suffix in ["", "-wal", ".lock"] {
                fs::write(beside(&database, suffix), b"").unwrap();
                fs::set_permissions(beside(&database, suffix), Permissions::from_mode(given)).unwrap();
            }
            close_to_others(&database);
            assert_eq!(["", "-wal", ".lock"].map(mode), [left; 3], "{given:o}");
        }
    }
}
