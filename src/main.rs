//! The `hotshelf` binary: parse the command line, load the configuration, run, turn the outcome into an exit code.
//!
//! Exit codes: 0 done, 1 the command failed, 2 the command line or the configuration is wrong.

mod cli;
mod commands;
mod config;
mod failure;
mod logging;
mod wiring;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hotshelf_telemetry::Exporter;
use mimalloc::MiMalloc;

use cli::{Cli, Command, Task};
use commands::{migrate, serve, warm};
use config::{Config, Values};
use failure::Failure;

/// A hit in Redis makes some 25 allocations, which other threads free. glibc's allocator takes several times as long
/// for that.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long the process waits for blocking work after everything else has stopped.
const BLOCKING_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the process waits for traces to be sent.
const TRACES_TIMEOUT: Duration = Duration::from_secs(2);

const BAD_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command() {
        Command::Config { markdown: false } => Ok(print(&config::example())),
        Command::Config { markdown: true } => Ok(print(&config::markdown())),
        Command::Health(check) => load(false).map(|(config, _)| check.run(&config).and_then(print)),
        Command::CheckConfig => load(true).map(|(_, values)| print(&values.to_string())),
        Command::Run(task) => load(matches!(task, Task::Serve)).map(|(config, values)| run(task, &config, &values)),
    };
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprint_error(&failure);
            ExitCode::FAILURE
        }
        Err(code) => code,
    }
}

/// Loads the configuration; `to_serve`: it must also be safe to listen with. Prints what is wrong with it.
fn load(to_serve: bool) -> Result<(Config, Values), ExitCode> {
    let (config, values) = Config::load().map_err(|problems| {
        problems.iter().for_each(eprint_error);
        ExitCode::from(BAD_CONFIGURATION)
    })?;
    match config.insecure_bind_error().filter(|_| to_serve) {
        None => Ok((config, values)),
        Some(error) => {
            eprint_error(&error);
            Err(ExitCode::from(BAD_CONFIGURATION))
        }
    }
}

/// Runs a task with a log and, if it is the service, with traces. Both start before the runtime, and the last traces
/// are sent after its end.
fn run(task: Task, config: &Config, values: &Values) -> Result<(), Failure> {
    let traces = config.traces.as_ref().filter(|_| matches!(task, Task::Serve));
    let exporter = traces.map(Exporter::start).transpose()?;
    logging::start(&config.log, exporter.as_ref());
    let outcome = block_on(task, config, values);
    if let Some(exporter) = exporter {
        exporter.stop(TRACES_TIMEOUT);
    }
    outcome
}

fn block_on(task: Task, config: &Config, values: &Values) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::Runtime)?;
    let outcome = runtime.block_on(async {
        match task {
            Task::Serve => {
                values.without_effect().for_each(|setting| tracing::warn!("{setting}"));
                values.exposed_secret().iter().for_each(|warning| tracing::warn!("{warning}"));
                config.insecure_bind_warning().iter().for_each(|warning| tracing::warn!("{warning}"));
                serve::run(config).await
            }
            Task::Import(import) => import.run(config).await,
            Task::Export(export) => export.run(config).await,
            Task::Seed(seed) => seed.run(config).await,
            Task::Admin(admin) => admin.run(config).await,
            Task::Warm => warm::run(config).await,
            Task::Migrate => migrate::run(config).await,
            Task::Copy(copy) => copy.run(config).await,
        }
    });
    // A dropped runtime would wait for blocked database work. Its open transactions are rolled back.
    runtime.shutdown_timeout(BLOCKING_TIMEOUT);
    outcome
}

/// A reader that closes early (`hotshelf check-config | head -1`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// One line on standard error. A failure to write it is ignored, for lack of a place to report it.
pub(crate) fn eprint_error(message: &impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "hotshelf: {message}");
}
