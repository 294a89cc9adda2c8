//! Clients that write and read all the time, at a moderate pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::history::Source;
use crate::scene::{Asked, Freshness, Scene, redis_is_up};

const UPDATERS: usize = 3;
const SHOPKEEPERS: usize = 2;
const READERS: usize = 6;
/// The shortest pauses between two writes of one client; at times they are a hundred times as long. Where writes never pause,
/// the next one hides what the last one left stale.
const UPDATE_PAUSE: Duration = Duration::from_millis(10);
const SHOPKEEPER_PAUSE: Duration = Duration::from_millis(20);
/// Leaves the machine some time for the services.
const READ_PAUSE: Duration = Duration::from_millis(1);
/// After a request that was not answered, most likely because the instance is gone.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
const WATCH_PAUSE: Duration = Duration::from_millis(25);
/// How many products a shopkeeper has in the catalogue at a time.
const SHORT_LIVED: usize = 3;

/// Clients at work until they are stopped.
pub(crate) struct Load {
    stopping: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

struct Worker {
    scene: Arc<Scene>,
    stopping: Arc<AtomicBool>,
    random: SmallRng,
}

impl Load {
    pub(crate) fn start(scene: &Arc<Scene>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let worker = || Worker {
            scene: Arc::clone(scene),
            stopping: Arc::clone(&stopping),
            random: SmallRng::from_rng(&mut rand::rng()),
        };
        let mut clients = JoinSet::new();
        (0..UPDATERS).for_each(|_| drop(clients.spawn(worker().update_products())));
        (0..SHOPKEEPERS).for_each(|_| drop(clients.spawn(worker().come_and_go())));
        (0..READERS).for_each(|_| drop(clients.spawn(worker().read())));
        (0..scene.instances()).for_each(|instance| drop(clients.spawn(worker().watch(instance))));
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
        self.random.random_range(0..self.scene.instances())
    }

    fn any_of(&mut self, ids: &[i64]) -> i64 {
        ids[self.random.random_range(0..ids.len())]
    }

    /// Most writes follow closely on each other, some a long time after.
    async fn pause(&mut self, shortest: Duration) {
        sleep(shortest.div_f64(self.random.random_range(0.01..1.0))).await;
    }

    /// A product to be updated, and the instance that is asked to. A few products are updated all the time, most of them
    /// now and then. Some by any instance, the others always by the same: no write of its own tells the other of it.
    fn update(&mut self, lasting: &[i64]) -> (usize, i64) {
        let skewed = self.random.random_range(0.0_f64..1.0).powi(3);
        let index = (skewed * lasting.len() as f64) as usize;
        let instance = if index.is_multiple_of(3) { self.any_instance() } else { index % self.scene.instances() };
        (instance, lasting[index])
    }

    /// Changes a product and looks at it: nobody is surer of a change than the one who made it.
    async fn update_products(mut self) {
        let lasting = self.scene.lasting();
        while self.working() {
            let (instance, id) = self.update(&lasting);
            if !self.scene.update(instance, id).await {
                sleep(RETRY_PAUSE).await;
                continue;
            }
            let other = self.any_instance();
            for reader in [instance, other] {
                self.scene.read(reader, Asked::Product(id), Freshness::Cached).await;
            }
            self.pause(UPDATE_PAUSE).await;
        }
    }

    /// Creates products, updates and deletes them, and looks for each before, between and after.
    async fn come_and_go(mut self) {
        let mut own = Vec::new();
        while self.working() {
            let instance = self.any_instance();
            if own.len() < SHORT_LIVED {
                let next = self.scene.history().ids().last().map_or(1, |last| last + 1);
                self.scene.read(instance, Asked::Product(next), Freshness::Cached).await;
                own.extend(self.scene.create(instance).await);
            } else {
                let id = own.remove(0);
                self.scene.update(instance, id).await;
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

    /// Deletes it for certain: what may or may not be there cannot be checked.
    async fn delete(&mut self, id: i64) {
        loop {
            let instance = self.any_instance();
            if self.scene.delete(instance, id).await {
                return;
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    async fn look_for(&mut self, id: i64) {
        let instance = self.any_instance();
        self.scene.read(instance, Asked::Product(id), Freshness::Cached).await;
        self.scene.read(instance, Asked::Page(0, 100), Freshness::Cached).await;
    }

    /// Notes the outages that an instance reports: on a machine that is busy enough, Redis may miss its deadlines without any
    /// fault of the test. What it writes then, it writes without Redis.
    async fn watch(self, instance: usize) {
        let (mut last_up, mut down) = (Instant::now(), false);
        while self.working() {
            let asked = Instant::now();
            let up = redis_is_up(&self.scene.client(instance)).await;
            if up == Some(false) && !down {
                let mut history = self.scene.history();
                self.scene.tally().unasked += usize::from(!history.is_cut_off(instance));
                history.cut_off(instance, last_up, Source::Report);
                down = true;
            } else if up == Some(true) {
                if down {
                    self.scene.history().reached(instance, Source::Report);
                }
                (last_up, down) = (asked, false);
            }
            sleep(WATCH_PAUSE).await;
        }
    }

    async fn read(mut self) {
        let lasting = self.scene.lasting();
        while self.working() {
            let (instance, id) = (self.any_instance(), self.any_of(&lasting));
            let answered = match self.random.random_range(0..100) {
                0..60 => self.scene.read(instance, Asked::Product(id), Freshness::Cached).await.is_some(),
                60..66 => self.scene.read(instance, Asked::Product(id), Freshness::NoCache).await.is_some(),
                66..72 if self.scene.knows_versions => {
                    self.scene.read(instance, Asked::Product(id), Freshness::MinVersion).await.is_some()
                }
                72..84 => self.scene.read(instance, Asked::Page(0, 100), Freshness::Cached).await.is_some(),
                84..87 => self.scene.read(instance, Asked::Page(0, 100), Freshness::NoCache).await.is_some(),
                87..90 => self.scene.walk(instance, 20).await.is_some(),
                _ => {
                    let page = Asked::Page(self.random.random_range(0..9) * 5, 5);
                    self.scene.read(instance, page, Freshness::Cached).await.is_some()
                }
            };
            sleep(if answered { READ_PAUSE } else { RETRY_PAUSE }).await;
        }
    }
}
