//! Clients that write and read continuously, at a moderate rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::history::{Change, Field, Source};
use crate::workload::{Freshness, Workload, redis_is_up};

const UPDATERS: usize = 3;
const SHOPKEEPERS: usize = 2;
const READERS: usize = 6;
/// The shortest pauses between two writes of one client; some are a hundred times as long. Without long pauses, the
/// next write would hide a value that the last one left stale.
const UPDATE_PAUSE: Duration = Duration::from_millis(10);
const SHOPKEEPER_PAUSE: Duration = Duration::from_millis(20);
/// A pause, so that the services get processor time.
const READ_PAUSE: Duration = Duration::from_millis(1);
/// The pause after a request without an answer, probably because the instance was killed.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const WATCH_PAUSE: Duration = Duration::from_millis(25);
/// The number of products of a shopkeeper at a time.
const SHORT_LIVED: usize = 3;
/// The number of products that are sometimes created and deleted in bulk.
const BULK: usize = 4;
const BULK_RATE: f64 = 0.1;

/// Clients that run until they are stopped.
pub(crate) struct Load {
    stopping: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

struct Worker {
    workload: Arc<Workload>,
    stopping: Arc<AtomicBool>,
    random: SmallRng,
}

impl Load {
    pub(crate) fn start(workload: &Arc<Workload>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let worker =
            || Worker { workload: Arc::clone(workload), stopping: Arc::clone(&stopping), random: workload.random() };
        let mut clients = JoinSet::new();
        (0..UPDATERS).for_each(|_| drop(clients.spawn(worker().update_products())));
        (0..SHOPKEEPERS).for_each(|_| drop(clients.spawn(worker().come_and_go())));
        (0..READERS).for_each(|_| drop(clients.spawn(worker().read())));
        (0..workload.instances()).for_each(|instance| drop(clients.spawn(worker().watch(instance))));
        Load { stopping, clients }
    }

    /// Returns when every client has had its last answer.
    pub(crate) async fn stop(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
    }
}

impl Worker {
    fn working(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    fn any_instance(&mut self) -> usize {
        self.random.random_range(0..self.workload.instances())
    }

    fn any_of(&mut self, ids: &[i64]) -> i64 {
        ids[self.random.random_range(0..ids.len())]
    }

    /// Most writes follow each other closely, some after a long pause.
    async fn pause(&mut self, shortest: Duration) {
        sleep(shortest.div_f64(self.random.random_range(0.01..1.0))).await;
    }

    /// A product to update, and the instance for it. A few products are updated continuously, most of them sometimes.
    /// Some are updated on any instance, the others always on the same one, so that the other instance never writes
    /// them itself.
    fn update(&mut self, lasting: &[i64]) -> (usize, i64) {
        let skewed = self.random.random_range(0.0_f64..1.0).powi(3);
        let index = (skewed * lasting.len() as f64) as usize;
        let instance = if index.is_multiple_of(3) { self.any_instance() } else { index % self.workload.instances() };
        (instance, lasting[index])
    }

    /// Mostly one field at a time: a change of several fields would hide a dependency on the wrong field.
    fn changes(&mut self) -> Vec<Change> {
        if self.workload.schemas().is_none() {
            return vec![(Field::Stock, self.workload.value(Field::Stock))];
        }
        let fields = match self.random.random_range(0..100) {
            0..30 => &[Field::Stock][..],
            30..55 => &[Field::Price],
            55..65 => &[Field::Category],
            65..75 => &[Field::Schema],
            75..80 => &[Field::Stock, Field::Price],
            80..88 => &[Field::Note],
            88..94 => &[Field::Image],
            _ => &[Field::Note, Field::Image],
        };
        fields.iter().map(|field| (*field, self.workload.value(*field))).collect()
    }

    /// Changes a product and reads it: the writer itself must see its change.
    async fn update_products(mut self) {
        let lasting = self.workload.lasting();
        while self.working() {
            let (instance, id) = self.update(&lasting);
            let changes = self.changes();
            let details = changes.iter().any(|(field, _)| matches!(field, Field::Note | Field::Image));
            if !self.workload.update(instance, id, changes).await {
                sleep(RETRY_PAUSE).await;
                continue;
            }
            let other = self.any_instance();
            for reader in [instance, other] {
                let asked = if details { Asked::Details(id) } else { Asked::Product(id) };
                self.workload.read(reader, &asked, Freshness::Cached).await;
            }
            self.look_at_a_list(instance).await;
            self.pause(UPDATE_PAUSE).await;
        }
    }

    async fn look_at_a_list(&mut self, instance: usize) -> bool {
        let asked = match self.workload.schemas() {
            Some(schemas) => Asked::any_list(&mut self.random, schemas),
            None => return true,
        };
        self.workload.read(instance, &asked, Freshness::Cached).await.is_some()
    }

    /// Creates, updates and deletes products, and reads each before, between and after.
    async fn come_and_go(mut self) {
        let mut own = Vec::new();
        while self.working() {
            let instance = self.any_instance();
            if self.workload.schemas().is_some() && self.random.random_bool(BULK_RATE) {
                self.come_and_go_together(instance).await;
            } else if own.len() < SHORT_LIVED {
                let next = self.workload.history().ids().last().map_or(1, |last| last + 1);
                self.workload.read(instance, &Asked::Product(next), Freshness::Cached).await;
                own.extend(self.workload.create(instance, None).await);
            } else {
                let id = own.remove(0);
                let stock = self.workload.value(Field::Stock);
                self.workload.update(instance, id, vec![(Field::Stock, stock)]).await;
                self.look_for(id).await;
                self.delete(id).await;
                self.look_for(id).await;
            }
            if let Some(&newest) = own.last() {
                self.look_for(newest).await;
            }
            self.pause(SHOPKEEPER_PAUSE).await;
        }
        for id in own {
            self.delete(id).await;
        }
    }

    async fn come_and_go_together(&mut self, instance: usize) {
        let schema = self.workload.schemas().map(|schemas| schemas[self.random.random_range(0..schemas.len())]);
        let Some(ids) = self.workload.create_many(instance, schema, BULK).await else { return };
        self.look_for_all(&ids, schema).await;
        loop {
            let instance = self.any_instance();
            if self.workload.delete_many(instance, &ids).await {
                break;
            }
            sleep(RETRY_PAUSE).await;
        }
        self.look_for_all(&ids, schema).await;
    }

    /// Repeats the delete until it is acknowledged: a product in an unknown state cannot be checked.
    async fn delete(&mut self, id: i64) {
        loop {
            let instance = self.any_instance();
            if self.workload.delete(instance, id).await {
                return;
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn look_for(&mut self, id: i64) {
        let instance = self.any_instance();
        self.workload.read(instance, &Asked::Product(id), Freshness::Cached).await;
        self.workload.read(instance, &Asked::all(), Freshness::Cached).await;
        if self.workload.schemas().is_some() {
            self.workload.read(instance, &Asked::Ids(None), Freshness::Cached).await;
            self.look_at_a_list(instance).await;
        }
    }

    async fn look_for_all(&mut self, ids: &[i64], schema: Option<i64>) {
        let instance = self.any_instance();
        for asked in [Asked::Several(ids.to_vec()), Asked::Details(ids[0]), Asked::Ids(None), Asked::Ids(schema)] {
            self.workload.read(instance, &asked, Freshness::Cached).await;
        }
        self.look_at_a_list(instance).await;
    }

    /// Notes the outages that an instance reports: on a busy machine, commands may time out without a fault of the
    /// test. Writes at that time are made without Redis.
    async fn watch(self, instance: usize) {
        let (mut last_up, mut down) = (Instant::now(), false);
        while self.working() {
            let asked = Instant::now();
            let up = redis_is_up(&self.workload.client(instance)).await;
            if up == Some(false) && !down {
                let mut history = self.workload.history();
                self.workload.tally().unasked += usize::from(!history.is_cut_off(instance));
                history.cut_off(instance, last_up, Source::Report);
                down = true;
            } else if up == Some(true) {
                if down {
                    self.workload.history().reached(instance, Source::Report);
                }
                (last_up, down) = (asked, false);
            }
            sleep(WATCH_PAUSE).await;
        }
    }

    async fn read(mut self) {
        let lasting = self.workload.lasting();
        while self.working() {
            let answered = self.read_something(&lasting).await;
            sleep(if answered { READ_PAUSE } else { RETRY_PAUSE }).await;
        }
    }

    async fn read_something(&mut self, lasting: &[i64]) -> bool {
        let (instance, id) = (self.any_instance(), self.any_of(lasting));
        let (asked, freshness) = match self.workload.schemas() {
            Some(schemas) => self.any_question(id, lasting, schemas),
            None => self.any_plain_question(id),
        };
        match asked {
            Some(asked) => self.workload.read(instance, &asked, freshness).await.is_some(),
            None => self.workload.walk(instance, 20).await.is_some(),
        }
    }

    /// The read and the requested freshness; `None` for reading all pages in turn.
    fn any_question(&mut self, id: i64, lasting: &[i64], schemas: [i64; 2]) -> (Option<Asked>, Freshness) {
        let freshness = match self.random.random_range(0..100) {
            0..7 => Freshness::NoCache,
            7..14 => Freshness::MinVersion,
            _ => Freshness::Cached,
        };
        let asked = match self.random.random_range(0..100) {
            0..38 => Asked::Product(id),
            38..55 => Asked::Details(id),
            55..58 => Asked::Several((0..5).map(|_| self.any_of(lasting)).collect()),
            58..63 => Asked::all(),
            63..66 => Asked::page(self.random.random_range(0..9) * 5, 5),
            66..68 => return (None, Freshness::Cached),
            _ => Asked::any_list(&mut self.random, schemas),
        };
        // Lists have no version.
        let by_version = matches!(asked, Asked::Product(_) | Asked::Details(_));
        match freshness {
            Freshness::MinVersion if !by_version => (Some(asked), Freshness::Cached),
            freshness => (Some(asked), freshness),
        }
    }

    fn any_plain_question(&mut self, id: i64) -> (Option<Asked>, Freshness) {
        let asked = match self.random.random_range(0..100) {
            0..60 => Asked::Product(id),
            60..66 => return (Some(Asked::Product(id)), Freshness::NoCache),
            66..84 => Asked::all(),
            84..87 => return (Some(Asked::all()), Freshness::NoCache),
            87..90 => return (None, Freshness::Cached),
            _ => Asked::page(self.random.random_range(0..9) * 5, 5),
        };
        (Some(asked), Freshness::Cached)
    }
}
