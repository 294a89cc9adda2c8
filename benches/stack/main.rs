//! `cargo bench`: compares hotshelf with minimal programs on the same libraries.
//!
//! Each case lets the service and its bare counterpart answer the same load over real HTTP, in turns within one run,
//! and prints their ratio. Both are processes of their own: the service is the binary of this package, a counterpart is
//! this executable started again with `bare …`. See `docs/benchmarks.md` for what is compared and how to read it.
//!
//! Exit codes: 0 all cases were measured, whatever the ratios; 2 measured while other processes used the machine, so do
//! not trust the figures; any other: the benchmark failed.

mod bare;
mod builds;
mod catalogue;
mod create;
mod failure;
mod hit;
mod http;
mod limits;
mod load;
mod machine;
mod miss;
mod mixed;
mod pages;
mod postgres;
mod redis;
mod report;
mod rounds;
mod rows;
mod scale;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use failure::Failure;
use report::Comparison;
use rounds::Plan;

/// Compares the service with the bare stack.
#[derive(Parser)]
#[command(name = "cargo bench --", args_conflicts_with_subcommands = true)]
struct Options {
    /// The cases to run [default: all]
    #[arg(value_enum)]
    cases: Vec<Case>,
    /// Two rounds of one second, to see that everything works; too short to believe
    #[arg(long)]
    quick: bool,
    /// Measures that binary of the service instead of the counterparts: another build of it
    #[arg(long, value_name = "BINARY")]
    against: Option<PathBuf>,
    /// What cargo passes for `cargo bench`, and for nothing else
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Be a counterpart
    #[command(subcommand, hide = true)]
    Bare(bare::Counterpart),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Case {
    /// The service against itself: whether this machine can tell equal from different just now
    Same,
    /// A product from the memory tier, against axum with ready bytes
    Hit,
    /// A product from Redis, against axum and one GET
    Redis,
    /// A product from the database, against axum and the same query
    Miss,
    /// Durable creates, against axum and one transaction per row
    Create,
    /// 90 % reads, 5 % lists, 5 % updates, against a plain cache-aside
    Mixed,
    /// Pages from the memory tier, compressed, against the same as they are
    Pages,
    /// A product from the memory tier under a rate limit, against the service without limits
    Limits,
    /// The same, with a thousand callers
    Callers,
    /// The same, with users: each request shows the token of a session
    Users,
    /// A million products against a thousand, without a cache
    Scale,
    /// A product from PostgreSQL, against axum and the same query
    PostgresMiss,
    /// A product from the memory of two instances on PostgreSQL, against one instance
    PostgresHits,
    /// Durable creates in PostgreSQL, against axum and one transaction per row
    PostgresCreate,
    /// A million products against a thousand in PostgreSQL, without a cache
    PostgresScale,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Case::Same => "same",
            Case::Hit => "hit",
            Case::Redis => "redis",
            Case::Miss => "miss",
            Case::Create => "create",
            Case::Mixed => "mixed",
            Case::Pages => "pages",
            Case::Limits => "limits",
            Case::Callers => "callers",
            Case::Users => "users",
            Case::Scale => "scale",
            Case::PostgresMiss => "postgres-miss",
            Case::PostgresHits => "postgres-hits",
            Case::PostgresCreate => "postgres-create",
            Case::PostgresScale => "postgres-scale",
        }
    }

    /// There is nothing to compare if the service is measured against itself.
    async fn run(self, plan: &Plan) -> Result<Option<Comparison>, Failure> {
        Ok(Some(match self {
            Case::Same => builds::same(plan).await?,
            Case::Hit => hit::run(plan).await?,
            Case::Redis => redis::run(plan).await?,
            Case::Miss => miss::run(plan).await?,
            Case::Create => create::run(plan).await?,
            Case::Mixed => mixed::run(plan).await?,
            Case::Pages => pages::run(plan).await?,
            Case::Limits => limits::one_caller(plan).await?,
            Case::Callers => limits::many_callers(plan).await?,
            Case::Users => limits::users(plan).await?,
            Case::PostgresMiss => postgres::misses(plan).await?,
            Case::PostgresHits => postgres::hits(plan).await?,
            Case::PostgresCreate => postgres::creates(plan).await?,
            Case::Scale => {
                scale::run(plan).await?;
                return Ok(None);
            }
            Case::PostgresScale => {
                scale::on_postgres(plan).await?;
                return Ok(None);
            }
        }))
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = match &options.role {
        Some(Role::Bare(counterpart)) => bare::run(counterpart).map(|()| ExitCode::SUCCESS),
        None if options.bench => compare(&options),
        // `cargo test --all-targets` runs benchmarks too, in a build that says nothing about speed.
        None => {
            println!("nothing is measured here: use cargo bench");
            Ok(ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|failure| {
        eprintln!("the benchmark failed: {failure}");
        ExitCode::FAILURE
    })
}

fn compare(options: &Options) -> Result<ExitCode, Failure> {
    let plan = if options.quick { Plan::QUICK } else { Plan::FULL };
    let chosen = |case: &&Case| match &options.cases[..] {
        [] => options.against.is_none() || builds::compares(**case),
        cases => cases.contains(case),
    };
    // One thread: the load must leave the machine to the servers.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    report::print_conditions(&plan);
    let mut comparisons = Vec::new();
    for case in Case::value_variants().iter().filter(chosen) {
        let comparison = match &options.against {
            Some(other) => Some(runtime.block_on(builds::against(*case, &plan, other))?),
            None => runtime.block_on(case.run(&plan))?,
        };
        if let Some(comparison) = comparison {
            comparison.print();
            comparisons.push(comparison);
        }
    }
    if !comparisons.is_empty() {
        report::print_ratios(&comparisons);
    }
    let busy = comparisons.iter().any(Comparison::is_doubtful);
    Ok(if busy { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
