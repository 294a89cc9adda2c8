//! A disk that is full or read-only, for one service and the files of its database.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use crate::preload;
use crate::service::ServiceBuilder;

const SOURCE: &str = include_str!("disk_fault.c");

/// A fault of a disk.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    errno: i32,
    room: u64,
    calls: u64,
    of: &'static str,
}

impl Fault {
    /// There is no space left.
    pub const FULL: Fault = Fault { errno: 28, room: 0, calls: 0, of: "" };

    /// Nothing can be written, and no file can be opened for writing.
    pub const READ_ONLY: Fault = Fault { errno: 30, room: 0, calls: 0, of: "" };

    /// The fault begins after this many written bytes.
    #[must_use]
    pub fn after(self, bytes: u64) -> Self {
        Fault { room: bytes, ..self }
    }

    /// A single write fails; those after it do not.
    #[must_use]
    pub fn once(self) -> Self {
        Fault { calls: 1, ..self }
    }

    /// Only the database file fails; the files beside it can be written.
    #[must_use]
    pub fn of_the_file_alone(self) -> Self {
        Fault { of: DATABASE, ..self }
    }
}

const DATABASE: &str = "products.db";

/// A disk for a database, which fails on request. Only a service that is started with it is affected.
#[derive(Debug)]
pub struct DiskFault {
    directory: TempDir,
    begun: AtomicU64,
}

impl DiskFault {
    /// A disk without a fault. Compiles the library that is loaded between a service and its disk.
    ///
    /// # Panics
    /// When there is no C compiler.
    pub fn new() -> Self {
        let disk = DiskFault { directory: tempfile::tempdir().expect("a directory"), begun: AtomicU64::new(0) };
        fs::create_dir(disk.path("disk")).expect("a directory for the database");
        preload::compile(disk.directory.path(), "disk_fault", SOURCE);
        disk
    }

    /// A service with its database on this disk.
    pub fn preload(&self, service: ServiceBuilder) -> ServiceBuilder {
        let service = service.env("LD_PRELOAD", self.path("disk_fault.so").display());
        service.env("DISK_FAULT", self.path("fault").display()).database(&self.database())
    }

    /// The file of the database.
    pub fn database(&self) -> PathBuf {
        self.path("disk").join(DATABASE)
    }

    /// From now on the disk has this fault.
    pub fn begin(&self, fault: Fault) {
        let Fault { errno, room, calls, of } = fault;
        let (serial, of) = (self.begun.fetch_add(1, Ordering::Relaxed) + 1, self.path("disk").join(of));
        // Written by a rename: the service may read the file at any moment.
        fs::write(self.path("next"), format!("{serial} {errno} {room} {calls} {}", of.display())).expect("written");
        fs::rename(self.path("next"), self.path("fault")).expect("renamed");
    }

    /// From now on it works again.
    pub fn end(&self) {
        fs::remove_file(self.path("fault")).expect("it had a fault");
    }

    /// By its canonical path, which the system reports for open files.
    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().expect("the directory is there").join(name)
    }
}

impl Default for DiskFault {
    fn default() -> Self {
        DiskFault::new()
    }
}
