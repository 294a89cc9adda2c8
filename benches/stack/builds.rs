//! Two builds of the service against each other under one load: the effect of a change of the code. And one build
//! against itself: the precision of such a comparison on this machine.

use std::path::Path;

use crate::Case;
use crate::failure::Failure;
use crate::report::{Aim, Comparison};
use crate::rounds::{self, Contender, Plan};
use crate::service::{BINARY, Running};
use crate::{create, hit, limits, miss, mixed, pages, redis};

/// How far the ratio of equal builds may be from 1, so that the other ratios are meaningful.
const EQUAL: f64 = 0.03;

/// The same build twice.
pub(crate) async fn same(plan: &Plan) -> Result<Comparison, Failure> {
    let (one, other) = (hit::start(Path::new(BINARY)).await?, hit::start(Path::new(BINARY)).await?);
    let contenders = [Contender::service("hotshelf", &one), Contender::service("hotshelf again", &other)];
    Ok(Comparison::new("same", Aim::Equal { within: EQUAL }, rounds::in_turns(plan, &contenders).await?))
}

/// This build and the other one, in that case of the benchmark.
pub(crate) async fn against(case: Case, plan: &Plan, other: &Path) -> Result<Comparison, Failure> {
    let (ours, theirs) = (start(case, Path::new(BINARY)).await?, start(case, other).await?);
    let contenders = [Contender::service("hotshelf", &ours), Contender::service("the other build", &theirs)];
    Ok(Comparison::new(case.name(), Aim::Any, rounds::in_turns(plan, &contenders).await?))
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
        Case::Scale => Err("scale is not measured against another build: run it with each of them".into()),
    }
}
