//! Why a command failed.

use std::io;
use std::path::PathBuf;

use hotshelf_accounts::AuthError;
use hotshelf_database::OpenError;
use hotshelf_domain::{Invalid, StoreError};
use hotshelf_lifecycle::{StartError, StopError};
use hotshelf_product::{ProductError, WarmError};
use hotshelf_stats::MetricsError;
use hotshelf_telemetry::TraceError;

/// One sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Stop(#[from] StopError),
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    #[error("cannot run asynchronous tasks: {0}")]
    Runtime(#[source] io::Error),
    #[error("cannot import {file}: {cause}")]
    Import { file: String, cause: String },
    #[error("{imported} products were imported from {file}, then reading it failed: {cause}")]
    ReadAborted { file: String, imported: usize, cause: String },
    #[error("{imported} products were imported from {file}, then no more could be stored: {cause}")]
    StoreAborted {
        file: String,
        imported: usize,
        #[source]
        cause: ProductError,
    },
    #[error("nothing was imported: {bad} bad rows, and --strict allows none")]
    Strict { bad: usize },
    #[error("nothing was imported: every row is bad")]
    NothingImported,
    #[error("the products could not be stored: {0}")]
    Products(#[from] ProductError),
    #[error("a generated product is not valid: {0}")]
    InvalidSeed(#[from] Invalid),
    #[error("the products could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Database(#[from] OpenError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("the work broke off: {0}")]
    Died(String),
    #[error("there is no database at {}", .path.display())]
    NothingToCopy { path: PathBuf },
    #[error(
        "`hotshelf warm` loads into Redis, and CACHE_BACKEND={backend} uses none: start the service, which warms itself"
    )]
    NothingToWarm { backend: &'static str },
    #[error("Redis cannot be warmed: {condition}")]
    NoRedisToWarm { condition: String },
    #[error(
        "{database} is in use by another process. If that is the service, ask it to warm its cache: \
         curl -X POST http://{address}/api/v1/cache/warm"
    )]
    DatabaseInUse { database: String, address: String },
    #[error("the cache could not be warmed: {0}")]
    Warm(#[from] WarmError),
    #[error("the name of the file does not tell its format: name it .csv or .jsonl, or use --format")]
    NoExportFormat,
    #[error("there is no database at {}: set DB_PATH", .path.display())]
    NoDatabase { path: PathBuf },
    #[error("cannot write {file}: {cause}")]
    Export {
        file: String,
        #[source]
        cause: io::Error,
    },
    #[error("nothing was changed: {0}")]
    Admin(#[from] AuthError),
    #[error("{0}")]
    BadAdmin(#[source] Invalid),
    #[error("cannot read the password from standard input: {0}")]
    Password(#[source] io::Error),
    #[error(transparent)]
    Traces(#[from] TraceError),
    #[error("{address}: {cause}")]
    Health { address: String, cause: String },
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}
