//! The counterparts: minimal processes that serve one route. They run like the service, on the same kind of runtime and
//! with the same socket options.

use std::ffi::OsStr;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::{env, process, thread};

use axum::Router;
use axum::serve::ListenerExt;
use clap::Subcommand;
use tokio::net::TcpListener;

use crate::failure::Failure;
use crate::{create, hit, miss, mixed, postgres, redis};

/// The kind of counterpart of this process, with its arguments.
#[derive(Subcommand)]
pub(crate) enum Counterpart {
    /// Answers with the bytes in that file
    Hit { body: PathBuf },
    /// Answers with what one GET finds
    Redis { url: String },
    /// Answers by one query of diesel-async
    MissAsync { database: String },
    /// Answers by one query of diesel on a blocking thread
    MissBlocking { database: String },
    /// Stores each product in a transaction of its own
    Create { database: PathBuf },
    /// Answers by one query of diesel-async on PostgreSQL
    PostgresMiss { url: String },
    /// Stores each product in a transaction of its own in PostgreSQL
    PostgresCreate { url: String },
    /// Keeps products and pages, and drops all pages at every write
    Aside { database: PathBuf },
}

/// Serves until the process that started it has ended.
pub(crate) fn run(counterpart: &Counterpart) -> Result<(), Failure> {
    match counterpart {
        Counterpart::Hit { body } => serve(hit::bare(body)),
        Counterpart::Redis { url } => serve(redis::bare(url)),
        Counterpart::MissAsync { database } => serve(miss::asynchronous::bare(database)),
        Counterpart::MissBlocking { database } => serve(miss::blocking::bare(database)),
        Counterpart::Create { database } => serve(create::bare(database)),
        Counterpart::PostgresMiss { url } => serve(postgres::bare_miss(url)),
        Counterpart::PostgresCreate { url } => serve(postgres::bare_create(url)),
        Counterpart::Aside { database } => serve(mixed::aside::bare(database)),
    }
}

fn serve(router: impl Future<Output = Result<Router, Failure>>) -> Result<(), Failure> {
    thread::spawn(end_with_parent);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let router = router.await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                eprintln!("cannot set TCP_NODELAY: {error}");
            }
        });
        Ok(axum::serve(listener, router).await?)
    })
}

/// Standard input ends when the other process has ended, for any reason.
fn end_with_parent() {
    let _ = io::stdin().read_to_end(&mut Vec::new());
    process::exit(0);
}

/// A running counterpart. Dropping it kills it.
pub(crate) struct BareProcess {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl BareProcess {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Starts this executable as `counterpart`, named as on the command line, and returns when it listens.
    pub(crate) fn start(counterpart: &str, argument: impl AsRef<OsStr>) -> Result<Self, Failure> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["bare", counterpart]).arg(argument).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        match announced(&mut child) {
            Ok(address) => Ok(BareProcess { child, address }),
            Err(failure) => {
                child.kill()?;
                let status = child.wait()?;
                Err(format!("the bare {counterpart} did not come to listen ({failure}, {status})").into())
            }
        }
    }
}

/// The address that the process prints once it listens there.
fn announced(child: &mut Child) -> Result<SocketAddr, Failure> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut line)?;
    Ok(line.trim_end().parse()?)
}

impl Drop for BareProcess {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
