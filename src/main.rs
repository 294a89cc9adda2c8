//! The `hotshelf` binary: parse the command line, load the configuration, run, turn the outcome into an exit code.
//!
//! Exit codes: 0 done, 1 the command failed, 2 the command line or the configuration is wrong.

mod cli;
mod commands;
mod config;
mod logging;
mod wiring;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hotshelf_accounts::AuthError;
use hotshelf_domain::{Invalid, StoreError};
use hotshelf_formats::Home;
use hotshelf_lifecycle::{StartError, StopError};
use hotshelf_product::{ProductError, WarmError};
use hotshelf_telemetry::{Exporter, TraceError};
use mimalloc::MiMalloc;

use cli::{AdminCommand, Cli, Command};
use commands::export::Export;
use commands::import::Import;
use commands::seed::Seed;
use commands::{admin, serve, warm};
use config::{Config, Values};

/// A hit in Redis takes some twenty-five pieces of memory, and other threads give back what one has taken. glibc's allocator
/// spends several times as long on them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// For what blocks a thread when all has stopped.
const LAST_WORK: Duration = Duration::from_secs(1);
/// How long the end may take for the traces that have not been sent.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// Why a command failed: one sentence for the person at the terminal.
#[derive(Debug, thiserror::Error)]
enum Failure {
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
    #[error("{imported} products were imported from {file}, then it could not be read further: {cause}")]
    BrokenOff { file: String, imported: usize, cause: String },
    #[error("{imported} products were imported from {file}, then no more could be stored: {cause}")]
    StoppedShort {
        file: String,
        imported: usize,
        #[source]
        cause: ProductError,
    },
    #[error("nothing was imported: {bad} bad rows, and --strict wants none")]
    Strict { bad: usize },
    #[error("nothing was imported: every row is bad")]
    NothingImported,
    #[error("the products could not be stored: {0}")]
    Products(#[from] ProductError),
    #[error("a made-up product is not valid: {0}")]
    Made(#[from] Invalid),
    #[error("the products could not be read: {0}")]
    Store(#[from] StoreError),
    #[error(
        "there is nothing to warm from outside with CACHE_BACKEND={backend}: start the service, which warms itself"
    )]
    NothingToWarm { backend: &'static str },
    #[error("Redis cannot be warmed: {condition}")]
    NoRedisToWarm { condition: String },
    #[error(
        "{database} is in use by another process. If that is the service, let it warm itself, memory included: \
         curl -X POST http://{address}/api/v1/cache/warm"
    )]
    WarmItself { database: String, address: String },
    #[error("the cache could not be warmed: {0}")]
    Warm(#[from] WarmError),
    #[error("cannot tell the format from the file's name: name it .csv or .jsonl, or use --format")]
    NoExportFormat,
    #[error("there is no database at {}: set DB_PATH", .path.display())]
    NoDatabase { path: PathBuf },
    #[error("cannot write {file}: {cause}")]
    Export {
        file: String,
        #[source]
        cause: io::Error,
    },
    #[error("the admin could not be made: {0}")]
    Admin(#[from] AuthError),
    #[error("{0}")]
    BadAdmin(#[source] Invalid),
    #[error("cannot read the password from standard input: {0}")]
    Password(#[source] io::Error),
    #[error(transparent)]
    Traces(#[from] TraceError),
    #[error("cannot write to standard output: {0}")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let command = Cli::parse().command();
    if let Command::Config { markdown } = command {
        return exit(print(&if markdown { config::markdown() } else { config::example() }));
    }
    let (config, values) = match Config::load() {
        Ok(loaded) => loaded,
        Err(problems) => {
            problems.iter().for_each(complain);
            return ExitCode::from(2);
        }
    };
    if let (Command::Serve | Command::CheckConfig, Some(error)) = (&command, config.insecure_bind_error()) {
        complain(&error);
        return ExitCode::from(2);
    }
    exit(watched(&command, &config, || run(command.clone(), &config, &values)))
}

fn exit(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Runs the command with a log and, if it is the service, with traces. Both before the runtime, and the last traces after it.
fn watched(command: &Command, config: &Config, run: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let traces = config.traces.as_ref().filter(|_| matches!(command, Command::Serve));
    let exporter = traces.map(Exporter::start).transpose()?;
    logging::start(&config.log, exporter.as_ref());
    let outcome = run();
    if let Some(exporter) = exporter {
        exporter.stop(LAST_TRACES);
    }
    outcome
}

fn run(command: Command, config: &Config, values: &Values) -> Result<(), Failure> {
    if let Command::CheckConfig = command {
        return print(&values.to_string());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve => {
                values.without_effect().for_each(|setting| tracing::warn!("{setting}"));
                serve::run(config).await
            }
            Command::Import { file, format, strict, organization, schema } => {
                let home = Home { organization, schema };
                Import { file: &file, format: format.map(Into::into), strict, home }.run(config).await
            }
            Command::Export { file, format } => {
                Export { file: &file, format: format.map(Into::into) }.run(config).await
            }
            Command::Seed { products, seed } => Seed { products, seed }.run(config).await,
            Command::Admin(AdminCommand::Create { email }) => admin::create(&email, config).await,
            Command::Warm => warm::run(config).await,
            Command::CheckConfig | Command::Config { .. } => Ok(()),
        }
    });
    // Dropped, it would wait for work in the database that had no time left: what is open there is rolled back.
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

/// A reader that has seen enough (`hotshelf check-config | head -1`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// One line on standard error. That it cannot be written is no reason to panic.
pub(crate) fn complain(message: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "hotshelf: {message}");
}
