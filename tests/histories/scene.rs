//! What the clients do, each request noted in the history before it is sent and after it is answered.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, Reply};
use serde::Deserialize;
use serde_json::json;

use crate::history::{Claim, History, Kind, Page, Read, Seen, Start};
use crate::report::Tally;

pub(crate) const PRODUCTS: &str = "/api/v1/products";
/// Products that are updated and never deleted. Few, so that reads and writes meet; with the others, fewer than the largest
/// page shows.
const LASTING: usize = 36;

/// The history of a catalogue and those who make it.
pub(crate) struct Scene {
    history: Mutex<History>,
    tally: Mutex<Tally>,
    clients: Vec<Mutex<Client>>,
    /// Whether `X-Min-Version` is understood.
    pub(crate) knows_versions: bool,
    lasting: Mutex<Vec<i64>>,
    /// Names and stocks are never used twice.
    next: AtomicI64,
}

/// What is asked for: one product, or a page.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Product(i64),
    /// From an offset, at most so many.
    Page(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    Cached,
    NoCache,
    /// With the highest version that was acknowledged as `X-Min-Version`.
    MinVersion,
}

#[derive(Deserialize)]
struct Product {
    id: i64,
    name: String,
    version: i64,
    stock: i64,
}

#[derive(Deserialize)]
struct ProductBody {
    product: Product,
}

#[derive(Deserialize)]
struct PageBody {
    products: Vec<Product>,
    total: usize,
    limit: usize,
    next_cursor: Option<String>,
}

impl Product {
    fn seen(&self) -> Seen {
        Seen { id: self.id, version: self.version, stock: self.stock }
    }
}

impl Scene {
    pub(crate) fn new(lease: Duration, clients: Vec<Mutex<Client>>, knows_versions: bool) -> Arc<Self> {
        Arc::new(Scene {
            history: Mutex::new(History::new(lease)),
            tally: Mutex::default(),
            clients,
            knows_versions,
            lasting: Mutex::default(),
            next: AtomicI64::new(1),
        })
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    pub(crate) fn lasting(&self) -> Vec<i64> {
        self.lasting.lock().unwrap().clone()
    }

    pub(crate) fn instances(&self) -> usize {
        self.clients.len()
    }

    pub(crate) fn client(&self, instance: usize) -> Client {
        self.clients[instance].lock().unwrap().clone()
    }

    pub(crate) fn replace_client(&self, instance: usize, client: &Client) {
        *self.clients[instance].lock().unwrap() = client.clone();
    }

    pub(crate) async fn set_up(&self) {
        for _ in 0..LASTING {
            let id = self.create(0).await.expect("a healthy service creates products");
            self.lasting.lock().unwrap().push(id);
        }
    }

    fn number(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The id of a new product, if its creation was acknowledged.
    pub(crate) async fn create(&self, instance: usize) -> Option<i64> {
        let number = self.number();
        let name = format!("Product {number}");
        let body = json!({"name": name, "price": 1, "stock": number});
        let sent = self.history().creating(&name);
        let reply = self.client(instance).post(PRODUCTS).json(&body).try_send().await;
        let reply = self.write_answered(reply.ok(), 201)?;
        let seen = parse::<ProductBody>(&reply).product.seen();
        self.history().created(&name, seen, sent, instance);
        Some(seen.id)
    }

    /// Whether the update was acknowledged.
    pub(crate) async fn update(&self, instance: usize, id: i64) -> bool {
        let body = json!({"stock": self.number()});
        let sent = self.history().updating(id);
        let reply = self.client(instance).put(&path(id)).json(&body).try_send().await;
        let Some(reply) = self.write_answered(reply.ok(), 200) else { return false };
        self.history().updated(parse::<ProductBody>(&reply).product.seen(), sent, instance);
        true
    }

    /// Whether the product is gone.
    pub(crate) async fn delete(&self, instance: usize, id: i64) -> bool {
        let sent = self.history().deleting(id);
        let reply = self.client(instance).delete(&path(id)).try_send().await.ok();
        if reply.as_ref().is_some_and(|reply| reply.status == 404) {
            // Deleted by an earlier attempt, which nobody has acknowledged to this day.
            return true;
        }
        let acknowledged = self.write_answered(reply, 200).is_some();
        if acknowledged {
            self.history().deleted(id, sent, instance);
        }
        acknowledged
    }

    fn write_answered(&self, reply: Option<Reply>, success: u16) -> Option<Reply> {
        let acknowledged = reply.filter(|reply| reply.status == success);
        self.tally().note_write(acknowledged.is_some());
        acknowledged
    }

    /// One checked read. Without an answer there is nothing to check, and `None`.
    pub(crate) async fn read(&self, instance: usize, asked: Asked, freshness: Freshness) -> Option<Read> {
        let target = match asked {
            Asked::Product(id) => path(id),
            Asked::Page(offset, limit) => format!("{PRODUCTS}?offset={offset}&limit={limit}"),
        };
        let (read, _) = self.read_target(instance, &target, asked, freshness, None).await?;
        Some(read)
    }

    /// Checked reads of all pages, each by the cursor of the one before; `None` when one is not answered.
    pub(crate) async fn walk(&self, instance: usize, limit: usize) -> Option<()> {
        let mut cursor: Option<(String, i64)> = None;
        loop {
            let (target, after) = match &cursor {
                None => (format!("{PRODUCTS}?limit={limit}"), None),
                Some((cursor, after)) => (format!("{PRODUCTS}?cursor={cursor}&limit={limit}"), Some(*after)),
            };
            let asked = Asked::Page(0, limit);
            let (read, next) = self.read_target(instance, &target, asked, Freshness::Cached, after).await?;
            let Claim::Page(page) = read.claim else { return None };
            let (Some(next), Some(last)) = (next, page.products.last()) else { return Some(()) };
            cursor = Some((next, last.id));
        }
    }

    async fn read_target(
        &self,
        instance: usize,
        target: &str,
        asked: Asked,
        freshness: Freshness,
        after: Option<i64>,
    ) -> Option<(Read, Option<String>)> {
        let mut request = self.client(instance).get(target);
        match (freshness, asked) {
            (Freshness::NoCache, _) => request = request.header("cache-control", "no-cache"),
            (Freshness::MinVersion, Asked::Product(id)) => {
                let version = self.history().acknowledged(id)?;
                request = request.header("x-min-version", &version.to_string());
            }
            _ => {}
        }
        let sent = Instant::now();
        let reply = request.try_send().await.ok();
        let answered = Instant::now();
        let understood = reply.and_then(|reply| self.understand(&reply, asked, after));
        let Some((claim, cursor)) = understood else {
            self.tally().unanswered += 1;
            return None;
        };
        let kind = if freshness == Freshness::Cached { Kind::Plain } else { Kind::Strict };
        let read = Read { sent, answered, of: instance, kind, claim };
        self.check(&read);
        Some((read, cursor))
    }

    /// What the reply says of the catalogue, if it says anything.
    fn understand(&self, reply: &Reply, asked: Asked, after: Option<i64>) -> Option<(Claim, Option<String>)> {
        match (reply.status, asked) {
            (200, Asked::Product(_)) => {
                let product = parse::<ProductBody>(reply).product;
                self.history().sighted(product.id, &product.name);
                Some((Claim::There(product.seen()), None))
            }
            (404, Asked::Product(id)) => Some((Claim::NotThere(id), None)),
            (200, Asked::Page(offset, _)) => {
                let PageBody { products, total, limit, next_cursor } = parse(reply);
                let mut history = self.history();
                products.iter().for_each(|product| history.sighted(product.id, &product.name));
                let products = products.iter().map(Product::seen).collect();
                let start = after.map_or(Start::Offset(offset), Start::After);
                Some((Claim::Page(Page { products, total, limit, start }), next_cursor))
            }
            _ => None,
        }
    }

    fn check(&self, read: &Read) {
        let history = self.history();
        let verdict = history.judge(read);
        self.tally().note_read(read, &verdict, || history.explain(read, &verdict));
    }
}

/// What an instance says of its Redis, if it says anything.
pub(crate) async fn redis_is_up(client: &Client) -> Option<bool> {
    let reply = client.get("/api/v1/cache/stats").try_send().await.ok()?;
    (reply.status == 200).then(|| reply.json()["cache_stats"]["l2"]["state"] == "up")
}

fn path(id: i64) -> String {
    format!("{PRODUCTS}/{id}")
}

fn parse<'a, T: Deserialize<'a>>(reply: &'a Reply) -> T {
    serde_json::from_str(reply.text()).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}
