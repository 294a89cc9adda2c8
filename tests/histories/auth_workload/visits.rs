//! Rights that are granted and revoked, repeatedly.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use hotshelf_testkit::token_issuer::claims;
use hotshelf_testkit::users::{PASSWORD, USERS};
use hotshelf_testkit::{Client, Request};
use rand::RngExt;
use serde_json::json;
use tokio::time::sleep;

use super::staff::{CROWD, KEEPER, MOST_SESSIONS, Staff, StaffUser, id_of, token_of};
use super::timeline::{State, Timeline};
use super::{AFTERWARDS, Acknowledged, Probing, RETRY_PAUSE, Worker};
use crate::testbed::signing_key;

const SESSION: &str = "/api/v1/auth/session";
const SESSIONS: &str = "/api/v1/auth/sessions";
const KEYS: &str = "/api/v1/auth/api-keys";
const ALL_KEYS: &str = "/api/v1/api-keys";
/// How long a key is good that ends by itself.
const KEY_LIFE: TimeDelta = TimeDelta::milliseconds(1_500);
/// The service keeps the end to the millisecond; the clock that tells the time of day may be corrected meanwhile.
const CLOCK_GRAIN: Duration = Duration::from_millis(5);
/// A mail that has not arrived within this time was lost with its instance.
const MAIL_PATIENCE: Duration = Duration::from_secs(5);

fn login(email: &str) -> impl Fn(Client) -> Request {
    let credentials = json!({"email": email, "password": PASSWORD});
    // A login ends the session of the same user whose token it shows.
    move |client: Client| client.without_token().post("/api/v1/auth/login").json(&credentials)
}

fn new_key(session: &str) -> impl Fn(Client) -> Request {
    let key = json!({"name": "a program", "role": "viewer"});
    move |client: Client| client.with_token(session).post(KEYS).json(&key)
}

impl Worker {
    /// Logs in and is accepted on every instance, logs out and is refused on every instance.
    pub(super) async fn come_and_go(mut self) {
        while self.working() {
            let Some(came) = self.try_once(login("admin@one.example"), 200).await else { continue };
            let token = token_of(&came.reply.json());
            let logout = |client: Client| client.with_token(&token).post("/api/v1/auth/logout");
            // An earlier attempt may have ended it.
            self.until_taken(came.state(true), &[&token], logout, &[204, 401]).await;
        }
    }

    /// Changes the role from editor to viewer and back, repeatedly.
    pub(super) async fn promote_and_demote(mut self, staff: Arc<Staff>, index: usize) {
        let StaffUser { path, token } = &staff.users[index];
        let role = |granted: bool| json!({"role": if granted { "editor" } else { "viewer" }});
        let change = async |worker: &mut Worker, granted: bool| {
            let patch = |client: Client| client.patch(path).json(&role(granted));
            worker.until_acknowledged(patch, &[200]).await.state(granted)
        };
        let mut timeline = Timeline::beginning(change(&mut self, true).await);
        // An editor gets 400 for the empty body, a viewer 403.
        let probe = |client: &Client| client.post("/api/v1/products/bulk").json(&json!({}));
        let probing = Probing::start(&self.workload, token, probe, [400, 403]);
        let mut granted = true;
        while self.working() {
            self.pause().await;
            granted = !granted;
            timeline = timeline.then(change(&mut self, granted).await);
        }
        let timeline = timeline.seen(probing.stop().await);
        self.timelines.lock().unwrap().push(timeline);
    }

    /// Suspends the organization and resumes it, repeatedly.
    pub(super) async fn suspend_and_resume(mut self, staff: Arc<Staff>) {
        let StaffUser { path, token } = &staff.tenant;
        let change = async |worker: &mut Worker, granted: bool| {
            let patch = |client: Client| client.patch(path).json(&json!({"suspended": !granted}));
            worker.until_acknowledged(patch, &[200]).await.state(granted)
        };
        let mut timeline = Timeline::beginning(change(&mut self, true).await);
        let probe = |client: &Client| client.get("/api/v1/products?limit=1");
        let probing = Probing::start(&self.workload, token, probe, [200, 403]);
        let mut granted = true;
        while self.working() {
            self.pause().await;
            granted = !granted;
            timeline = timeline.then(change(&mut self, granted).await);
        }
        let timeline = timeline.seen(probing.stop().await);
        self.timelines.lock().unwrap().push(timeline);
    }

    /// Registers with an address and logs in, and takes the address over by another registration.
    pub(super) async fn register_and_take_over(mut self) {
        while self.working() {
            let email = format!("squat{:x}@three.example", self.random.random::<u64>());
            let registration = json!({"email": email, "password": PASSWORD});
            let register = |client: Client| client.post("/api/v1/auth/register").json(&registration);
            if self.try_once(register, 201).await.is_none() {
                continue;
            }
            let Some(came) = self.try_once(login(&email), 200).await else { continue };
            let session = token_of(&came.reply.json());
            self.until_taken(came.state(true), &[&session], register, &[201]).await;
        }
    }

    /// Of a hundred sessions, the oldest is accepted until the next one begins.
    pub(super) async fn crowd_out(mut self, staff: Arc<Staff>) {
        while self.working() {
            let newest = staff.crowd.lock().unwrap().values().last().expect("there is always one").clone();
            let list = |client: Client| client.with_token(&newest).get(SESSIONS);
            let Some(listed) = self.try_once(list, 200).await else { continue };
            let listed = listed.reply.json();
            let sessions = listed["sessions"].as_array().expect("sessions");
            // A session whose login was not acknowledged has no client.
            let oldest = staff.crowd.lock().unwrap().get(&id_of(&sessions[0])).cloned();
            let came = match oldest.filter(|_| sessions.len() == MOST_SESSIONS) {
                Some(oldest) => self.crowd_out_the(&oldest).await,
                None => self.until_acknowledged(login(CROWD), &[200]).await,
            };
            let token = token_of(&came.reply.json());
            let who = |client: Client| client.with_token(&token).get(SESSION);
            let seen = self.until_acknowledged(who, &[200]).await;
            staff.crowd.lock().unwrap().insert(id_of(&seen.reply.json()["session"]), token);
        }
    }

    async fn crowd_out_the(&mut self, oldest: &str) -> Acknowledged {
        let given = State { granted: true, begun: Instant::now(), acknowledged: Instant::now(), instance: 0 };
        let probing = Probing::of_token(&self.workload, oldest);
        self.pause().await;
        let came = self.until_acknowledged(login(CROWD), &[200]).await;
        sleep(AFTERWARDS).await;
        let mut probes = probing.stop().await;
        // An earlier login without an acknowledgement may have been executed late: an early refusal is no fault.
        probes.retain(|probe| probe.granted || probe.sent > came.at);
        let timeline = Timeline::beginning(given).then(came.state(false)).seen(probes);
        self.timelines.lock().unwrap().push(timeline);
        came
    }

    /// Creates an API key, and removes it or resets the password.
    pub(super) async fn make_keys_and_lose_them(mut self, staff: Arc<Staff>) {
        while self.working() {
            let Some(came) = self.try_once(login(KEEPER), 200).await else { continue };
            let session = token_of(&came.reply.json());
            let Some(made) = self.try_once(new_key(&session), 201).await else { continue };
            let (given, key) = (made.state(true), made.reply.json());
            let token = token_of(&key);
            if self.random.random_bool(0.5) {
                let id = id_of(&key["api_key"]);
                // By its user, or by an admin.
                let (path, by_user) = match self.random.random_bool(0.5) {
                    true => (format!("{KEYS}/{id}"), true),
                    false => (format!("{ALL_KEYS}/{id}"), false),
                };
                let remove = |client: Client| {
                    if by_user { client.with_token(&session).delete(&path) } else { client.delete(&path) }
                };
                self.until_taken(given, &[&token], remove, &[204, 404]).await;
            } else if let Some(mailed) = self.mail_to_keeper(&staff).await {
                let body = json!({"token": mailed, "password": PASSWORD});
                let reset = |client: Client| client.post("/api/v1/auth/reset-password").json(&body);
                // An earlier attempt may have used it.
                self.until_taken(given, &[&session, &token], reset, &[204, 400]).await;
            }
        }
    }

    /// Creates an API key that ends by itself: on every instance at its time, without any message.
    pub(super) async fn make_keys_that_end(mut self) {
        while self.working() {
            let end = Utc::now() + KEY_LIFE;
            let key = json!({"name": "a program", "expires_at": end.to_rfc3339()});
            let new = |client: Client| client.post(KEYS).json(&key);
            let Some(made) = self.try_once(new, 201).await else { continue };
            let (given, key) = (made.state(true), made.reply.json());
            let token = token_of(&key);
            let probing = Probing::of_token(&self.workload, &token);
            // Between two looks at one clock there may be a pause, in which the other goes on.
            let before = Instant::now();
            let left = (end - Utc::now()).to_std().unwrap_or_default();
            let (earliest, latest) = (before + left.saturating_sub(CLOCK_GRAIN), Instant::now() + left);
            sleep(left + AFTERWARDS).await;
            let probes = probing.stop().await;
            for instance in 0..self.workload.instances() {
                let of_instance = probes.iter().filter(|probe| probe.instance == instance).copied().collect();
                let over = State { granted: false, begun: earliest, acknowledged: latest, instance };
                let timeline = Timeline::beginning(State { instance, ..given }).then(over).seen(of_instance);
                self.timelines.lock().unwrap().push(timeline);
            }
            let path = format!("{KEYS}/{}", id_of(&key["api_key"]));
            self.until_acknowledged(|client: Client| client.delete(&path), &[204, 404]).await;
        }
    }

    async fn mail_to_keeper(&mut self, staff: &Staff) -> Option<String> {
        let before = staff.mailed().len();
        let forgot = |client: Client| client.post("/api/v1/auth/forgot-password").json(&json!({"email": KEEPER}));
        let asked = self.until_acknowledged(forgot, &[202]).await.at;
        while asked.elapsed() < MAIL_PATIENCE {
            if let Some(mailed) = staff.mailed().get(before..).and_then(<[_]>::last) {
                return Some(mailed.clone());
            }
            sleep(RETRY_PAUSE).await;
        }
        None
    }

    /// Shows a token of the outside issuer, which is revoked by its id.
    pub(super) async fn show_and_revoke(mut self) {
        let key = signing_key();
        while self.working() {
            let id = format!("{:x}", self.random.random::<u64>());
            let mut claims = claims(KEEPER);
            (claims["jti"], claims["org"]) = (json!(id), json!(1));
            let token = key.token(&claims);
            let given = State { granted: true, begun: Instant::now(), acknowledged: Instant::now(), instance: 0 };
            let revoke = |client: Client| client.post("/api/v1/auth/tokens/revoke").json(&json!({"jti": id}));
            self.until_taken(given, &[&token], revoke, &[204]).await;
        }
    }

    /// Adds a user, who logs in and creates an API key, and removes the user.
    pub(super) async fn take_in_and_remove(mut self) {
        while self.working() {
            let email = format!("guest{:x}@one.example", self.random.random::<u64>());
            let guest = json!({"email": email, "role": "viewer", "password": PASSWORD});
            // An earlier attempt may have added the user.
            self.until_acknowledged(|client: Client| client.post(USERS).json(&guest), &[201, 409]).await;
            let Some(came) = self.try_once(login(&email), 200).await else { continue };
            let answer = came.reply.json();
            let session = token_of(&answer);
            let Some(made) = self.try_once(new_key(&session), 201).await else { continue };
            let key = token_of(&made.reply.json());
            let path = format!("{USERS}/{}", id_of(&answer["user"]));
            let remove = |client: Client| client.delete(&path);
            self.until_taken(made.state(true), &[&session, &key], remove, &[204, 404]).await;
        }
    }
}
