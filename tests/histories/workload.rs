//! The requests of the clients. Each is noted in the history before it is sent and after it is answered.

mod reading;

use std::env;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hotshelf_testkit::catalogue::create_schema;
use hotshelf_testkit::{Client, Reply};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::asked::{Asked, CATEGORIES, PRODUCTS};
use crate::bodies::{CreatedBody, DeletedBody, ProductBody, body, parse};
use crate::history::{Change, Field, History, Ticket};
use crate::report::Tally;
pub(crate) use reading::Freshness;

/// Products that are updated and never deleted. They are few, so that reads and writes concern the same ones; with the
/// others, they fit on the largest page.
const LASTING: usize = 36;
const BULK: &str = "/api/v1/products/bulk";
const BULK_DELETE: &str = "/api/v1/products/bulk-delete";
const BUILT_IN_SCHEMA: i64 = 1;
/// The details of a product before the first write of them.
const NO_DETAILS: [Change; 2] = [(Field::Note, 0), (Field::Image, 0)];

/// The history of a catalogue and its clients.
pub(crate) struct Workload {
    history: Mutex<History>,
    tally: Mutex<Tally>,
    clients: Vec<Mutex<Client>>,
    /// Whether it is the service: the plain cache-aside has only products by their ids, their stocks, and pages of all
    /// products.
    is_service: bool,
    schemas: Mutex<Option<[i64; 2]>>,
    lasting: Mutex<Vec<i64>>,
    /// Names and stocks are never used twice.
    next: AtomicI64,
    /// The source of the clients' random numbers.
    seeds: Mutex<SmallRng>,
}

impl Workload {
    pub(crate) fn new(lease: Duration, clients: Vec<Mutex<Client>>, is_service: bool) -> Arc<Self> {
        Arc::new(Workload {
            history: Mutex::new(History::new(lease)),
            tally: Mutex::default(),
            clients,
            is_service,
            schemas: Mutex::default(),
            lasting: Mutex::default(),
            next: AtomicI64::new(1),
            seeds: Mutex::new(SmallRng::seed_from_u64(seed())),
        })
    }

    /// The random numbers of one client. They are the same for the same seed, if clients are created in the same order.
    pub(crate) fn random(&self) -> SmallRng {
        SmallRng::from_rng(&mut *self.seeds.lock().unwrap())
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

    /// Two schemas with the same fields, between which products change. `None` for the plain cache-aside.
    pub(crate) fn schemas(&self) -> Option<[i64; 2]> {
        *self.schemas.lock().unwrap()
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
        if self.is_service {
            let (client, fields) = (self.client(0), json!([{"name": "note", "type": "text"}]));
            let schemas = [create_schema(&client, 1, &fields).await, create_schema(&client, 1, &fields).await];
            *self.schemas.lock().unwrap() = Some(schemas);
        }
        for number in 0..LASTING {
            let schema = self.schemas().map(|schemas| schemas[number % 2]);
            let id = self.create(0, schema).await.expect("a healthy service creates products");
            self.lasting.lock().unwrap().push(id);
        }
    }

    fn number(&self) -> i64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// A new value of the field, unique if the field has enough values.
    pub(crate) fn value(&self, field: Field) -> i64 {
        let number = self.number();
        match field {
            // Sometimes none is left.
            Field::Stock if number % 4 == 0 => 0,
            Field::Price => number * 37 % 100 + 1,
            Field::Category => number % CATEGORIES.len() as i64,
            Field::Schema => self.schemas().map_or(BUILT_IN_SCHEMA, |schemas| schemas[number as usize % 2]),
            Field::Stock | Field::Note | Field::Image => number,
        }
    }

    /// A product to be created, noted in the history.
    fn draft(&self, schema: Option<i64>) -> (String, Ticket, Value) {
        let name = format!("Product {}", self.number());
        let mut values = vec![(Field::Stock, self.value(Field::Stock))];
        if self.is_service {
            let of_all = [(Field::Price, self.value(Field::Price)), (Field::Category, self.value(Field::Category))];
            values.extend(of_all);
            values.push((Field::Schema, schema.unwrap_or(BUILT_IN_SCHEMA)));
        }
        let mut body = body(&values);
        body["name"] = name.clone().into();
        let ticket = self.history().creating(&name, [&values[..], &NO_DETAILS].concat());
        (name, ticket, body)
    }

    /// The id of a new product, if its creation was acknowledged.
    pub(crate) async fn create(&self, instance: usize, schema: Option<i64>) -> Option<i64> {
        let (name, ticket, body) = self.draft(schema);
        let reply = self.client(instance).post(PRODUCTS).json(&body).try_send().await;
        let reply = self.write_answered(reply.ok(), 201)?;
        let id = parse::<ProductBody>(&reply).product.id;
        self.history().created(&name, id, ticket, instance);
        Some(id)
    }

    /// The ids of so many new products, if their creation was acknowledged.
    pub(crate) async fn create_many(&self, instance: usize, schema: Option<i64>, count: usize) -> Option<Vec<i64>> {
        let drafts: Vec<_> = (0..count).map(|_| self.draft(schema)).collect();
        let products: Vec<_> = drafts.iter().map(|(_, _, body)| body).collect();
        let request = self.client(instance).post(BULK).json(&json!({"products": products}));
        let reply = self.write_answered(request.try_send().await.ok(), 201)?;
        let CreatedBody { created } = parse(&reply);
        assert_eq!(created.len(), count, "all products were valid: {reply:?}");
        for ((name, ticket, _), id) in drafts.iter().zip(&created) {
            self.history().created(name, *id, *ticket, instance);
        }
        Some(created)
    }

    /// Whether the update was acknowledged. Changes either the product or its details.
    pub(crate) async fn update(&self, instance: usize, id: i64, changes: Vec<Change>) -> bool {
        let mut target = Asked::Product(id).target();
        if changes.iter().any(|(field, _)| matches!(field, Field::Note | Field::Image)) {
            target = Asked::Details(id).target();
        }
        let body = body(&changes);
        let ticket = self.history().updating(id, changes);
        let reply = self.client(instance).put(&target).json(&body).try_send().await;
        let Some(reply) = self.write_answered(reply.ok(), 200) else { return false };
        let version = parse::<ProductBody>(&reply).product.version;
        self.history().updated(id, version, ticket, instance);
        true
    }

    /// Whether the product is deleted.
    pub(crate) async fn delete(&self, instance: usize, id: i64) -> bool {
        let sent = self.history().deleting(id);
        let reply = self.client(instance).delete(&Asked::Product(id).target()).try_send().await.ok();
        if reply.as_ref().is_some_and(|reply| reply.status == 404) {
            // An earlier attempt without an acknowledgement has deleted it.
            return true;
        }
        let acknowledged = self.write_answered(reply, 200).is_some();
        if acknowledged {
            self.history().deleted(id, sent, instance);
        }
        acknowledged
    }

    /// Whether all of these are deleted.
    pub(crate) async fn delete_many(&self, instance: usize, ids: &[i64]) -> bool {
        let sent: Vec<_> = ids.iter().map(|id| (*id, self.history().deleting(*id))).collect();
        let request = self.client(instance).post(BULK_DELETE).json(&json!({"ids": ids}));
        let Some(reply) = self.write_answered(request.try_send().await.ok(), 200) else { return false };
        // An earlier attempt has deleted the others.
        let DeletedBody { deleted } = parse(&reply);
        for (id, sent) in sent.into_iter().filter(|(id, _)| deleted.contains(id)) {
            self.history().deleted(id, sent, instance);
        }
        true
    }

    fn write_answered(&self, reply: Option<Reply>, success: u16) -> Option<Reply> {
        if let Some(refused) = reply.as_ref().filter(|reply| reply.status == 400) {
            panic!("every write is valid: {refused:?}");
        }
        let acknowledged = reply.filter(|reply| reply.status == success);
        self.tally().note_write(acknowledged.is_some());
        acknowledged
    }
}

/// `HOTSHELF_SEED`, or a new seed for each run. It repeats the choices of the clients, but not their timing.
fn seed() -> u64 {
    let given = env::var("HOTSHELF_SEED").ok();
    let seed = given.map_or_else(|| rand::rng().random(), |seed| seed.parse().expect("HOTSHELF_SEED is a number"));
    println!("HOTSHELF_SEED={seed} repeats this workload");
    seed
}

/// The state of Redis in the statistics of an instance, if it answers.
pub(crate) async fn redis_is_up(client: &Client) -> Option<bool> {
    let reply = client.get("/api/v1/cache/stats").try_send().await.ok()?;
    (reply.status == 200).then(|| reply.json()["cache_stats"]["l2"]["state"] == "up")
}
