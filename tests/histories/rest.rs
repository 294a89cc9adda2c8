//! At rest, when all writers have stopped: every instance must agree with the database.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::history::Claim;
use crate::workload::{Freshness, Workload};

/// Offsets and limits of the pages that are compared: those that were read, and some others.
const PAGES: [(usize, usize); 8] = [(0, 100), (0, 20), (20, 20), (0, 5), (5, 5), (35, 5), (40, 5), (3, 4)];
const RETRY: Duration = Duration::from_millis(500);

/// The differences between the instances and the database that are left after `patience`.
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

/// Compares the answers of each instance with the database, for each product that exists or was deleted, its details,
/// and lists; and the database with the history.
async fn compare(workload: &Workload) -> Vec<String> {
    let mut ids = workload.history().ids();
    // An id that was never used.
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

/// Status and body without the parts that differ from answer to answer.
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

/// Settles the history by the state of the database. The same reads have checked that no acknowledged write is lost.
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
    // Products of creates that happened without an acknowledgement: no other client deletes them.
    for id in page.ids.iter().filter(|id| !lasting.contains(id)) {
        assert!(workload.delete(0, *id).await, "at rest products can be deleted");
    }
}

async fn read(workload: &Workload, asked: Asked) -> Claim {
    workload.read(0, &asked, Freshness::NoCache).await.expect("at rest the database answers")
}
