//! Authentication under load: users log in and out, get other roles, create API keys, use tokens of an outside issuer
//! until they are revoked, reset passwords, open too many sessions and are removed, their organization is suspended and
//! resumed, their addresses are taken over, on any instance, while other clients try every instance with their tokens.
//! After the acknowledgement, a revoked right must be refused.

mod staff;
mod timeline;
mod visits;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotshelf_testkit::{Client, Reply, Request};
use rand::RngExt;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Row, publish};
use crate::workload::Workload;
pub(crate) use staff::Staff;
use timeline::{Probe, State, Timeline};

/// Sessions that are opened and ended at the same time. A login is the most expensive operation of the service.
const VISITORS: usize = 1;
/// The pause between two attempts on one instance.
const PROBE_PAUSE: Duration = Duration::from_millis(6);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// The pause before a right is granted or revoked.
const CHANGE_PAUSES: std::ops::Range<u64> = 20..400;
/// After a logout, the token is tried for longer than any memory may lag.
const AFTERWARDS: Duration = Duration::from_millis(1_300);

/// Clients that run until they are stopped.
pub(crate) struct AuthWorkload {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    timelines: Arc<Mutex<Vec<Timeline>>>,
}

impl AuthWorkload {
    pub(crate) fn open(workload: &Arc<Workload>, staff: &Arc<Staff>) -> Self {
        let (stopping, timelines) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut tasks = JoinSet::new();
        let worker = || Worker {
            workload: Arc::clone(workload),
            stopping: Arc::clone(&stopping),
            timelines: Arc::clone(&timelines),
            random: workload.random(),
        };
        for _ in 0..VISITORS {
            tasks.spawn(worker().come_and_go());
        }
        for index in 0..staff.users.len() {
            tasks.spawn(worker().promote_and_demote(Arc::clone(staff), index));
        }
        tasks.spawn(worker().suspend_and_resume(Arc::clone(staff)));
        tasks.spawn(worker().register_and_take_over());
        tasks.spawn(worker().crowd_out(Arc::clone(staff)));
        tasks.spawn(worker().make_keys_and_lose_them(Arc::clone(staff)));
        tasks.spawn(worker().take_in_and_remove());
        tasks.spawn(worker().show_and_revoke());
        tasks.spawn(worker().make_keys_that_end());
        AuthWorkload { stopping, tasks, timelines }
    }

    /// Stops the clients and checks all their observations.
    pub(crate) async fn close(mut self, topology: &str, fault: &'static str) -> Row {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
        let mut row = Row { topology: format!("{topology}: accounts"), fault, strikes: 1, ..Row::default() };
        for timeline in self.timelines.lock().unwrap().iter() {
            timeline.judge(&mut row.tally);
        }
        publish(&row);
        row
    }
}

struct Worker {
    workload: Arc<Workload>,
    stopping: Arc<AtomicBool>,
    timelines: Arc<Mutex<Vec<Timeline>>>,
    random: SmallRng,
}

impl Worker {
    fn working(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    fn any_instance(&mut self) -> usize {
        self.random.random_range(0..self.workload.instances())
    }

    async fn pause(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(CHANGE_PAUSES))).await;
    }

    /// Sends the request to the instances in turn until one acknowledges it.
    async fn until_acknowledged(&mut self, request: impl Fn(Client) -> Request, done: &[u16]) -> Acknowledged {
        let begun = Instant::now();
        loop {
            let instance = self.any_instance();
            let reply = request(self.workload.client(instance)).try_send().await;
            match reply {
                Ok(reply) if done.contains(&reply.status) => {
                    return Acknowledged { begun, at: Instant::now(), instance, reply };
                }
                Ok(reply) if reply.status < 500 && reply.status != 409 => {
                    panic!("the request should have succeeded: {reply:?}")
                }
                _ => sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// One attempt on one instance.
    async fn try_once(&mut self, request: impl Fn(Client) -> Request, done: u16) -> Option<Acknowledged> {
        let (begun, instance) = (Instant::now(), self.any_instance());
        match request(self.workload.client(instance)).try_send().await {
            Ok(reply) if reply.status == done => Some(Acknowledged { begun, at: Instant::now(), instance, reply }),
            _ => {
                sleep(RETRY_PAUSE).await;
                None
            }
        }
    }

    /// Tries the right with these tokens on all instances, until some time after the request has revoked it.
    async fn until_taken(
        &mut self,
        given: State,
        tokens: &[&str],
        take: impl Fn(Client) -> Request,
        done: &[u16],
    ) -> Acknowledged {
        let start = |token: &&str| Probing::of_token(&self.workload, token);
        let probings: Vec<_> = tokens.iter().map(start).collect();
        self.pause().await;
        let taken = self.until_acknowledged(take, done).await;
        sleep(AFTERWARDS).await;
        for probing in probings {
            let timeline = Timeline::beginning(given).then(taken.state(false)).seen(probing.stop().await);
            self.timelines.lock().unwrap().push(timeline);
        }
        taken
    }
}

/// An acknowledged request.
struct Acknowledged {
    begun: Instant,
    at: Instant,
    instance: usize,
    reply: Reply,
}

impl Acknowledged {
    /// The result of the request.
    fn state(&self, granted: bool) -> State {
        State { granted, begun: self.begun, acknowledged: self.at, instance: self.instance }
    }
}

/// Tries one token on all instances.
struct Probing {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Probe>>,
}

impl Probing {
    /// By an operation that is allowed to every user and needs only the identity.
    fn of_token(workload: &Arc<Workload>, token: &str) -> Self {
        Self::start(workload, token, |client| client.get("/api/v1/products?limit=1"), [200, 401])
    }

    fn start(
        workload: &Arc<Workload>,
        token: &str,
        request: impl Fn(&Client) -> Request + Clone + Send + 'static,
        [granted, refused]: [u16; 2],
    ) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for instance in 0..workload.instances() {
            let (workload, stopping) = (Arc::clone(workload), Arc::clone(&stopping));
            let (token, request) = (token.to_owned(), request.clone());
            tasks.spawn(async move {
                let mut probes = Vec::new();
                while !stopping.load(Ordering::Relaxed) {
                    let (client, sent) = (workload.client(instance).with_token(&token), Instant::now());
                    let status = request(&client).try_send().await.map(|reply| reply.status).ok();
                    if let Some(status) = status.filter(|status| [granted, refused].contains(status)) {
                        probes.push(Probe { sent, answered: Instant::now(), instance, granted: status == granted });
                    }
                    sleep(PROBE_PAUSE).await;
                }
                probes
            });
        }
        Probing { stopping, tasks }
    }

    async fn stop(self) -> Vec<Probe> {
        self.stopping.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.concat()
    }
}
