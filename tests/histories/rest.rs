//! At rest, when nobody writes any more: every instance and the database must say the same.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::history::Claim;
use crate::workload::{Freshness, Workload};

/// Offsets and limits of the pages that are compared: those that were read, and some others.
const PAGES: [(usize, usize); 8] = [(0, 100), (0, 20), (20, 20), (0, 5), (5, 5), (35, 5), (40, 5), (3, 4)];
const RETRY: Duration = Duration::from_millis(500);

/// What the instances and the database do not agree on, after having been given `patience` to do so.
pub(crate) async fn disagreements(workload: &Workload, patience: Duration) -> Vec<String> {
    let started = Instant::now();
    loop {
        let found = compare(workload).await;
        if found.is_empty() || started.elapsed() > patience {
            settle(workload).await;
            return found;
        }
        sleep(RETRY).await;
    }
}

/// Compares each product that lives or has lived, with its details, and lists, as cached by each instance and as in the
/// database; and the database with the history.
async fn compare(workload: &Workload) -> Vec<String> {
    let mut ids = workload.history().ids();
    // One that has never been.
    ids.push(ids.last().map_or(1, |last| last + 1));
    let products = ids.iter().map(|id| Asked::Product(*id));
    let pages = PAGES.iter().map(|(offset, limit)| Asked::page(*offset, *limit));
    let of_service = workload.schemas().map(|schemas| {
        let details = workload.lasting().into_iter().map(Asked::Details);
        details.chain(Asked::lists(schemas)).chain(Asked::sets(schemas)).collect::<Vec<_>>()
    });
    let mut found = Vec::new();
    for asked in products.chain(pages).chain(of_service.into_iter().flatten()) {
        let target = asked.target();
        let truth = look(workload, 0, &target, true).await;
        for instance in 0..workload.instances() {
            let cached = look(workload, instance, &target, false).await;
            if cached != truth {
                found.push(format!("{target}: instance {instance} says {cached:?}, the database {truth:?}"));
            }
        }
    }
    found
}

/// Status and body without what differs from answer to answer.
async fn look(workload: &Workload, instance: usize, target: &str, from_database: bool) -> (u16, Value) {
    let mut request = workload.client(instance).get(target);
    if from_database {
        request = request.header("cache-control", "no-cache");
    }
    let reply = request.await;
    let mut body = if reply.status == 200 { reply.json() } else { Value::Null };
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "from_cache" | "duration_ms"));
    }
    (reply.status, body)
}

/// Forgets what is settled, by what the database shows. That no acknowledged write is lost has been checked with these
/// reads.
async fn settle(workload: &Workload) {
    let Claim::Page(mut page) = read(workload, Asked::all()).await else { panic!("a page") };
    let lasting = workload.lasting();
    if workload.schemas().is_some() {
        for seen in page.products.iter_mut().filter(|seen| lasting.contains(&seen.id)) {
            let Claim::There(with_details) = read(workload, Asked::Details(seen.id)).await else { panic!("it lasts") };
            *seen = with_details;
        }
    }
    workload.history().settle(&page.products);
    // Of creates that came about without an acknowledgement: nobody else ever deletes them.
    for id in page.ids.iter().filter(|id| !lasting.contains(id)) {
        assert!(workload.delete(0, *id).await, "at rest products can be deleted");
    }
}

async fn read(workload: &Workload, asked: Asked) -> Claim {
    workload.read(0, &asked, Freshness::NoCache).await.expect("at rest the database answers")
}
