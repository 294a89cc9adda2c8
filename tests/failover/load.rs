//! Writers and readers on two instances, and a checker: no read that began after the acknowledgement of a write may
//! show the state before it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotshelf_testkit::catalogue::{create, create_organization, create_schema, laptop, numbers, path, read};
use hotshelf_testkit::{Client, Reply};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::topology::Pair;

const PRODUCTS: usize = 8;
const READERS: usize = 6;
/// How far the memory of an instance may lag behind the writes of another one: the memory lease.
const LEASE: Duration = Duration::from_secs(1);

/// A number that only grows, by one writer: the stock of a product, or the number of products.
#[derive(Default)]
struct Track {
    /// The acknowledged values with their times, ascending.
    acknowledged: Mutex<Vec<(i64, Instant)>>,
    /// The largest value that was sent.
    sent: Mutex<i64>,
    /// The instance of its writer.
    home: usize,
    /// Whether it is the number of products.
    counts: bool,
}

/// The results of the readers.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) reads: usize,
    pub(crate) writes: usize,
    /// Writes that got no 2xx.
    pub(crate) refused: usize,
    /// Reads on another instance than the writer's that were older than a write, within the lease.
    pub(crate) lagging: usize,
    /// The largest lag of these reads.
    pub(crate) lag: Duration,
    /// Reads that broke the promise.
    pub(crate) stale: Vec<String>,
}

pub(crate) struct Load {
    products: Vec<Value>,
    tracks: Arc<Vec<Track>>,
    verdict: Arc<Mutex<Verdict>>,
    stopping: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Clone)]
struct Hands {
    clients: [Client; 2],
    products: Arc<Vec<Value>>,
    /// The next product to create.
    growing: Arc<Value>,
    tracks: Arc<Vec<Track>>,
    verdict: Arc<Mutex<Verdict>>,
    stopping: Arc<AtomicBool>,
}

impl Load {
    /// Starts writers and readers.
    pub(crate) async fn start(pair: &Pair) -> Self {
        let mut products = Vec::new();
        for _ in 0..PRODUCTS {
            products.push(create(&pair.first, &laptop()).await);
        }
        // No other client creates products there.
        let organization = create_organization(&pair.first, "Growing").await;
        let schema = create_schema(&pair.first, organization, &json!([])).await;
        let growing = json!({"organization_id": organization, "schema_id": schema, "name": "One more", "price": 1});
        let track = |number| Track { home: number % 2, counts: number == PRODUCTS, ..Track::default() };
        let tracks: Vec<_> = (0..=PRODUCTS).map(track).collect();
        let hands = Hands {
            clients: [pair.first.client().clone(), pair.second.client().clone()],
            products: Arc::new(products.clone()),
            growing: Arc::new(growing),
            tracks: Arc::new(tracks),
            verdict: Arc::default(),
            stopping: Arc::default(),
        };
        let mut tasks: Vec<_> = (0..=PRODUCTS).map(|track| tokio::spawn(hands.clone().write(track))).collect();
        tasks.extend((0..READERS).map(|reader| tokio::spawn(hands.clone().read(reader))));
        let Hands { tracks, verdict, stopping, .. } = hands;
        Load { products, tracks, verdict, stopping, tasks }
    }

    /// Writes that were acknowledged so far.
    pub(crate) fn writes(&self) -> usize {
        self.verdict.lock().unwrap().writes
    }

    /// Stops the load, and checks that every acknowledged write is in the database.
    pub(crate) async fn judge(self, pair: &Pair) -> Verdict {
        self.stopping.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        // The memory of the other instance may lag for this long, and no longer.
        sleep(LEASE).await;
        for (track, product) in self.tracks.iter().zip(&self.products) {
            let uncached = pair.second.get(&path(product)).header("Cache-Control", "no-cache").await.expect(200);
            track.assert_holds(stock(&uncached), "in the database");
            for instance in pair.both() {
                track.assert_holds(read(instance, product).await["stock"].as_i64().unwrap(), "at rest");
            }
        }
        std::mem::take(&mut *self.verdict.lock().unwrap())
    }
}

impl Hands {
    async fn write(self, number: usize) {
        let track = &self.tracks[number];
        while !self.stopping.load(Ordering::Relaxed) {
            let value = {
                let mut sent = track.sent.lock().unwrap();
                *sent += 1;
                *sent
            };
            let client = &self.clients[track.home];
            let request = match self.products.get(number) {
                Some(product) => client.put(&path(product)).json(&json!({"stock": value})),
                None => client.post("/api/v1/products").json(&self.growing),
            };
            let done = request.try_send().await.is_ok_and(|reply| reply.status / 100 == 2);
            self.note(track, value, done);
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn note(&self, track: &Track, value: i64, done: bool) {
        let mut verdict = self.verdict.lock().unwrap();
        if done {
            verdict.writes += 1;
            track.acknowledged.lock().unwrap().push((value, Instant::now()));
        } else {
            verdict.refused += 1;
            // The write may have been committed or not. It counts as not acknowledged.
            if track.counts {
                *track.sent.lock().unwrap() -= 1;
            }
        }
    }

    async fn read(self, reader: usize) {
        for round in reader.. {
            if self.stopping.load(Ordering::Relaxed) {
                return;
            }
            let (number, place, uncached) = (round % (PRODUCTS + 1), (round / 3) % 2, round % 10 == 0);
            let track = &self.tracks[number];
            let acknowledged = track.acknowledged.lock().unwrap().len();
            let begin = Instant::now();
            let target = self.products.get(number).map_or_else(|| self.ids(), path);
            let mut request = self.clients[place].get(&target);
            if uncached {
                request = request.header("Cache-Control", "no-cache");
            }
            let Ok(reply) = request.try_send().await else { continue };
            if reply.status != 200 {
                continue;
            }
            let value = if number == PRODUCTS { numbers(&reply.json()["ids"]).len() as i64 } else { stock(&reply) };
            let may_lag = place != track.home && !uncached;
            self.judge(track, value, acknowledged, begin, may_lag, &reply);
            sleep(Duration::from_millis(1)).await;
        }
    }

    fn ids(&self) -> String {
        format!("/api/v1/organizations/{}/product-ids", self.growing["organization_id"])
    }

    /// The age counts from the oldest acknowledged write that the answer misses.
    fn judge(&self, track: &Track, value: i64, acknowledged: usize, begin: Instant, may_lag: bool, reply: &Reply) {
        let missed = {
            let acknowledged = &track.acknowledged.lock().unwrap()[..acknowledged];
            acknowledged.iter().find(|(written, _)| *written > value).copied()
        };
        let mut verdict = self.verdict.lock().unwrap();
        verdict.reads += 1;
        let Some((written, at)) = missed else { return };
        let lag = begin.saturating_duration_since(at);
        if may_lag && lag <= LEASE {
            verdict.lagging += 1;
            verdict.lag = verdict.lag.max(lag);
        } else {
            let status = reply.find_header("cache-status");
            verdict.stale.push(format!("{value}, though {written} was acknowledged {lag:?} before ({status:?})"));
        }
    }
}

impl Track {
    /// No acknowledged write is missing, and no value appears that was never sent.
    fn assert_holds(&self, value: i64, place: &str) {
        let acknowledged = self.acknowledged.lock().unwrap().last().map_or(0, |(value, _)| *value);
        let sent = *self.sent.lock().unwrap();
        assert!((acknowledged..=sent).contains(&value), "{value} {place}; acknowledged {acknowledged}, sent {sent}");
    }
}

fn stock(reply: &Reply) -> i64 {
    reply.json()["product"]["stock"].as_i64().unwrap()
}
