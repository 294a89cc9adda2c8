//! Who is let in: users log in and out, and get other roles, on any instance, while others try every door with their tokens. What
//! was taken away and acknowledged must not be granted any more.

mod course;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotshelf_testkit::users::{PASSWORD, USERS, add_user};
use hotshelf_testkit::{Client, Request};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::report::{Row, publish};
use crate::scene::Scene;
use course::{Course, Probe, State};

/// Sessions that come and go at the same time. A login costs the service more than anything else.
const VISITORS: usize = 2;
/// Between two tries of one door.
const PROBE_PAUSE: Duration = Duration::from_millis(3);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// Before a right is given or taken away.
const CHANGE_PAUSES: std::ops::Range<u64> = 20..400;
/// After a logout, the doors are tried for longer than any memory may lag.
const AFTERWARDS: Duration = Duration::from_millis(1_300);

/// Visitors at work until they are stopped.
pub(crate) struct Doors {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<()>,
    courses: Arc<Mutex<Vec<Course>>>,
}

/// Whom the roles are taken from and given to, and by which token the doors are tried.
pub(crate) struct Clerk {
    path: String,
    token: String,
}

impl Clerk {
    /// One with a session, made by an admin.
    pub(crate) async fn hire(admin: &Client, number: usize) -> Self {
        let email = format!("clerk{number}@one.example");
        let user = add_user(admin, &email, "editor").await;
        let token = log_in(admin, &email).await.expect("a healthy service lets its users in");
        Clerk { path: format!("{USERS}/{}", user["id"]), token }
    }
}

async fn log_in(client: &Client, email: &str) -> Option<String> {
    let credentials = json!({"email": email, "password": PASSWORD});
    let reply = client.post("/api/v1/auth/login").json(&credentials).try_send().await.ok()?;
    (reply.status == 200).then(|| reply.json()["token"].as_str().expect("a token").to_owned())
}

impl Doors {
    pub(crate) fn open(scene: &Arc<Scene>, clerks: &Arc<[Clerk]>) -> Self {
        let (stopping, courses) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let mut tasks = JoinSet::new();
        let world = || World {
            scene: Arc::clone(scene),
            stopping: Arc::clone(&stopping),
            courses: Arc::clone(&courses),
            random: SmallRng::from_rng(&mut rand::rng()),
        };
        for _ in 0..VISITORS {
            tasks.spawn(world().come_and_go());
        }
        for index in 0..clerks.len() {
            tasks.spawn(world().promote_and_demote(Arc::clone(clerks), index));
        }
        Doors { stopping, tasks, courses }
    }

    /// Ends the work and judges all that was seen.
    pub(crate) async fn close(mut self, topology: &str, fault: &'static str) -> Row {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(task) = self.tasks.join_next().await {
            task.unwrap();
        }
        let mut row = Row { topology: format!("{topology}: doors"), fault, strikes: 1, ..Row::default() };
        for course in self.courses.lock().unwrap().iter() {
            course.judge(&mut row.tally);
        }
        publish(&row);
        row
    }
}

struct World {
    scene: Arc<Scene>,
    stopping: Arc<AtomicBool>,
    courses: Arc<Mutex<Vec<Course>>>,
    random: SmallRng,
}

impl World {
    fn working(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    fn any_instance(&mut self) -> usize {
        self.random.random_range(0..self.scene.instances())
    }

    async fn pause(&mut self) {
        sleep(Duration::from_millis(self.random.random_range(CHANGE_PAUSES))).await;
    }

    /// Sends the request to one instance after the other until one acknowledges it.
    async fn until_acknowledged(
        &mut self,
        request: impl Fn(Client) -> Request,
        done: &[u16],
    ) -> (Instant, Instant, usize) {
        let begun = Instant::now();
        loop {
            let instance = self.any_instance();
            let reply = request(self.scene.client(instance)).try_send().await;
            match reply {
                Ok(reply) if done.contains(&reply.status) => return (begun, Instant::now(), instance),
                Ok(reply) if reply.status < 500 && reply.status != 409 => panic!("it should have worked: {reply:?}"),
                _ => sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// Logs in, is let in everywhere, logs out, and is let in nowhere.
    async fn come_and_go(mut self) {
        while self.working() {
            let (begun, instance) = (Instant::now(), self.any_instance());
            let Some(token) = log_in(&self.scene.client(instance), "admin@one.example").await else {
                sleep(RETRY_PAUSE).await;
                continue;
            };
            let course = Course::beginning(State { granted: true, begun, acknowledged: Instant::now(), instance });
            let probing = Probing::start(&self.scene, &token, |client| client.get("/api/v1/auth/session"), [200, 401]);
            self.pause().await;
            let logout = |client: Client| client.with_token(&token).post("/api/v1/auth/logout");
            // By an earlier attempt, it may have ended already.
            let (begun, acknowledged, instance) = self.until_acknowledged(logout, &[204, 401]).await;
            sleep(AFTERWARDS).await;
            let course = course.then(State { granted: false, begun, acknowledged, instance });
            let course = course.seen(probing.stop().await);
            self.courses.lock().unwrap().push(course);
        }
    }

    /// Makes a viewer of an editor, and an editor of the viewer, and so on.
    async fn promote_and_demote(mut self, clerks: Arc<[Clerk]>, index: usize) {
        let Clerk { path, token } = &clerks[index];
        let role = |granted: bool| json!({"role": if granted { "editor" } else { "viewer" }});
        let change = async |world: &mut World, granted: bool| {
            let patch = |client: Client| client.patch(path).json(&role(granted));
            let (begun, acknowledged, instance) = world.until_acknowledged(patch, &[200]).await;
            State { granted, begun, acknowledged, instance }
        };
        let mut course = Course::beginning(change(&mut self, true).await);
        // An editor is told that there is nothing in it, a viewer that it is not for viewers.
        let probe = |client: &Client| client.post("/api/v1/products/bulk").json(&json!({}));
        let probing = Probing::start(&self.scene, token, probe, [400, 403]);
        let mut granted = true;
        while self.working() {
            self.pause().await;
            granted = !granted;
            course = course.then(change(&mut self, granted).await);
        }
        let course = course.seen(probing.stop().await);
        self.courses.lock().unwrap().push(course);
    }
}

/// Tries the doors of all instances with one token.
struct Probing {
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<Vec<Probe>>,
}

impl Probing {
    fn start(
        scene: &Arc<Scene>,
        token: &str,
        request: impl Fn(&Client) -> Request + Clone + Send + 'static,
        [granted, refused]: [u16; 2],
    ) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for instance in 0..scene.instances() {
            let (scene, stopping) = (Arc::clone(scene), Arc::clone(&stopping));
            let (token, request) = (token.to_owned(), request.clone());
            tasks.spawn(async move {
                let mut probes = Vec::new();
                while !stopping.load(Ordering::Relaxed) {
                    let (client, sent) = (scene.client(instance).with_token(&token), Instant::now());
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
