//! Two builds of the service against each other under one load: the effect of a change of the code. And one build
//! against itself: the precision of such a comparison on this machine.

use std::path::Path;

use crate::Case;
use crate::failure::Failure;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Measurement, Plan};
use crate::service::{BINARY, Running};
use crate::{create, hit, limits, miss, mixed, pages, redis};

/// How often each build is started. Two processes of one build differ by some percent for as long as they run, by where
/// their code and data lie in memory.
const STARTS: usize = 8;

/// How far the ratio of equal builds may be from 1, so that the other ratios are meaningful.
const EQUAL: f64 = 0.03;

/// The same build twice.
pub(crate) async fn same(plan: &Plan) -> Result<Comparison, Failure> {
    let build = Path::new(BINARY);
    let measured = measure(Case::Same, plan, [("hotshelf", build), ("hotshelf again", build)]).await?;
    Ok(Comparison::new("same", Aim::Equal { within: EQUAL }, measured))
}

/// This build and the other one, in that case of the benchmark.
pub(crate) async fn against(case: Case, plan: &Plan, other: &Path) -> Result<Comparison, Failure> {
    let measured = measure(case, plan, [("hotshelf", Path::new(BINARY)), ("the other build", other)]).await?;
    Ok(Comparison::new(case.name(), Aim::Any, measured))
}

/// Several processes of each build, one pair after the other.
async fn measure(case: Case, plan: &Plan, builds: [(&'static str, &Path); 2]) -> Result<Measurement, Failure> {
    let part = Plan { rounds: plan.rounds.div_ceil(4), repeats: plan.repeats.div_ceil(4), ..*plan };
    let mut all: Option<Measurement> = None;
    for _ in 0..STARTS.min(plan.rounds) {
        let [(one_name, one), (other_name, other)] = builds;
        let (one, other) = (start(case, one).await?, start(case, other).await?);
        let contenders = [Contender::service(one_name, &one), Contender::service(other_name, &other)];
        let measured = rounds::in_turns(&part, &contenders).await?;
        all = Some(match all {
            Some(before) => before.and(measured),
            None => measured,
        });
    }
    Ok(all.ok_or("no process was started")?)
}

async fn start(case: Case, build: &Path) -> Result<Running, Failure> {
    match case {
        Case::Same | Case::Hit => hit::start(build).await,
        Case::Redis => redis::start(build).await,
        Case::Miss => miss::start(build).await,
        Case::Create => create::start(build).await,
        Case::Mixed => mixed::start(build).await,
        Case::Pages => pages::start(build).await,
        Case::Limits => limits::one_limited(build).await,
        Case::Callers => limits::many_limited(build).await,
        Case::Users => limits::guarded(build).await,
        Case::Scale | Case::PostgresMiss | Case::PostgresHits | Case::PostgresCreate | Case::PostgresScale => {
            Err("this case is not measured against another build: run it with each of them".into())
        }
    }
}

/// Whether the case can be measured against another build.
pub(crate) fn compares(case: Case) -> bool {
    !matches!(case, Case::Scale | Case::PostgresMiss | Case::PostgresHits | Case::PostgresCreate | Case::PostgresScale)
}
