//! Every way in which a right ends. After the acknowledgement it is refused: on the same instance at once, on another
//! instance within its memory lease, with Redis and without, and when Redis returns with its old values.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hotshelf_testkit::users::{PASSWORD, USERS, USERS_ON, add_user, api_key, create_admin, log_in, register, verify};
use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, wait_until};
use serde_json::json;
use tempfile::TempDir;

use crate::hotshelf;

/// The time by which memory may lag, and the time of the last check on a busy machine.
const LEASE: Duration = Duration::from_millis(1_300);
const SESSIONS: &str = "/api/v1/auth/sessions";
const KEYS: &str = "/api/v1/auth/api-keys";
/// The largest number of sessions of one user.
const MOST_SESSIONS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Logout,
    OneSession,
    AllSessions,
    AllSessionsByAdmin,
    /// The hundred and first session begins.
    TooManySessions,
    PasswordChanged,
    PasswordReset,
    UserRemoved,
    RoleTaken,
    KeyRemoved,
    KeyRemovedByAdmin,
    /// A login shows the token of the session.
    LoginThatShowsIt,
    OrganizationSuspended,
    OrganizationDeleted,
}

impl End {
    const ALL: [End; 14] = [
        End::Logout,
        End::OneSession,
        End::AllSessions,
        End::AllSessionsByAdmin,
        End::TooManySessions,
        End::PasswordChanged,
        End::PasswordReset,
        End::UserRemoved,
        End::RoleTaken,
        End::KeyRemoved,
        End::KeyRemovedByAdmin,
        End::LoginThatShowsIt,
        End::OrganizationSuspended,
        End::OrganizationDeleted,
    ];

    /// Whether it happens to a whole organization.
    fn is_of_an_organization(self) -> bool {
        matches!(self, End::OrganizationSuspended | End::OrganizationDeleted)
    }
}

/// One instance, or two on one database and one Redis, and an admin on the first.
struct World {
    instances: Vec<Service>,
    admin: Client,
    redis: Option<RedisServer>,
    directory: TempDir,
}

impl World {
    /// One instance with memory alone.
    async fn alone() -> Self {
        Self::start(1, None).await
    }

    /// With Redis.
    async fn of(instances: usize) -> Self {
        Self::start(instances, Some(RedisServer::start())).await
    }

    async fn start(count: usize, redis: Option<RedisServer>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("products.db");
        let builder = hotshelf().env("MAIL_FILE", directory.path().join("mail.log").display());
        let builder = if count == 1 { builder.database(&database) } else { builder.shared_db(&database) };
        let builder = match &redis {
            Some(redis) => builder.redis(redis),
            None => builder.backend("memory"),
        };
        let builder = USERS_ON.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
        create_admin(&builder, "admin@one.example");
        let mut instances = Vec::new();
        for _ in 0..count {
            instances.push(builder.clone().start().await);
        }
        let admin = log_in(&instances[0], "admin@one.example").await;
        let world = World { instances, admin, redis, directory };
        world.uses_redis().await;
        world
    }

    async fn uses_redis(&self) {
        for instance in self.instances.iter().filter(|_| self.redis.is_some()) {
            let up = async || instance.get("/health").await.json()["modules"]["cache"]["status"] == "healthy";
            wait_until("Redis is up", PATIENCE, up).await;
        }
    }

    /// The same client on another instance.
    fn elsewhere(&self, client: &Client) -> Vec<Client> {
        let token = client.token().unwrap();
        self.instances[1..].iter().map(|instance| instance.with_token(token)).collect()
    }

    /// The admin of a new organization.
    async fn tenant(&self, email: &str) -> Client {
        register(&self.instances[0], email, "Two").await;
        verify(&self.instances[0], &self.directory.path().join("mail.log"), email).await;
        log_in(&self.instances[0], email).await
    }

    /// The token of the mail to that address.
    async fn mailed(&self, email: &str) -> String {
        let mail = || std::fs::read_to_string(self.directory.path().join("mail.log")).unwrap_or_default();
        let token = || {
            let (_, letter) =
                mail().split_once(&format!("To: {email}\n")).map(|(a, b)| (a.to_owned(), b.to_owned()))?;
            letter.split_whitespace().find(|word| word.starts_with("hsr_")).map(str::to_owned)
        };
        wait_until("the mail is there", PATIENCE, async || token().is_some()).await;
        token().unwrap()
    }

    /// Uses every token on every instance, so that each memory and Redis have its entries.
    async fn know(&self, people: &[Person]) {
        for client in people.iter().flat_map(|person| [&person.own, &person.other, &person.key]) {
            for client in [client.clone()].into_iter().chain(self.elsewhere(client)) {
                for _ in 0..2 {
                    assert!(may_write(&client).await);
                }
            }
        }
    }
}

/// An editor with two sessions and an API key.
struct Person {
    email: String,
    /// Of the user, or of the organization where it is the one that ends.
    path: String,
    own: Client,
    other: Client,
    key: Client,
}

/// An editor gets 400 for the empty body, a viewer 403, and a client without a valid token 401.
async fn may_write(client: &Client) -> bool {
    match client.post("/api/v1/products/bulk").json(&json!({})).await.status {
        400 => true,
        401 | 403 => false,
        status => panic!("{status}"),
    }
}

impl Person {
    async fn for_the(end: End, world: &World) -> Self {
        let email = format!("{end:?}@one.example").to_lowercase();
        let admin = match end.is_of_an_organization() {
            true => world.tenant(&format!("{end:?}@two.example").to_lowercase()).await,
            false => world.admin.clone(),
        };
        let user = add_user(&admin, &email, "editor").await;
        let own = log_in(&world.instances[0], &email).await;
        let other = log_in(&world.instances[0], &email).await;
        let key = api_key(&own, "editor").await;
        if end == End::TooManySessions {
            for _ in 2..MOST_SESSIONS {
                log_in(&world.instances[0], &email).await;
            }
        }
        let path = match end.is_of_an_organization() {
            true => format!("/api/v1/organizations/{}", user["organization_id"]),
            false => format!("{USERS}/{}", user["id"]),
        };
        Person { path, email, own, other, key }
    }

    /// Causes the end. Returns the tokens that end with it, and those that stay valid.
    async fn meets(&self, end: End, world: &World) -> (Vec<&Client>, Vec<&Client>) {
        let Person { email, path, own, other, key } = self;
        let change = json!({"current_password": PASSWORD, "password": "a new password"});
        match end {
            End::Logout => {
                other.post("/api/v1/auth/logout").await.expect(204);
                (vec![other], vec![own, key])
            }
            End::OneSession => {
                let session = other.get("/api/v1/auth/session").await.expect(200).json();
                own.delete(&format!("{SESSIONS}/{}", session["session"]["id"])).await.expect(204);
                (vec![other], vec![own, key])
            }
            End::AllSessions => {
                own.delete(SESSIONS).await.expect(204);
                (vec![own, other], vec![key])
            }
            End::AllSessionsByAdmin => {
                world.admin.delete(&format!("{path}/sessions")).await.expect(204);
                (vec![own, other], vec![key])
            }
            End::TooManySessions => {
                log_in(&world.instances[0], email).await;
                (vec![own], vec![other, key])
            }
            End::PasswordChanged => {
                own.post("/api/v1/auth/change-password").json(&change).await.expect(204);
                (vec![other], vec![own, key])
            }
            End::PasswordReset => {
                world.admin.post("/api/v1/auth/forgot-password").json(&json!({"email": email})).await.expect(202);
                let reset = json!({"token": world.mailed(email).await, "password": "a new password"});
                world.admin.post("/api/v1/auth/reset-password").json(&reset).await.expect(204);
                (vec![own, other, key], vec![])
            }
            End::UserRemoved => {
                world.admin.delete(path).await.expect(204);
                (vec![own, other, key], vec![])
            }
            End::RoleTaken => {
                world.admin.patch(path).json(&json!({"role": "viewer"})).await.expect(200);
                (vec![own, other, key], vec![])
            }
            End::KeyRemoved => {
                let keys = own.get(KEYS).await.expect(200).json();
                own.delete(&format!("{KEYS}/{}", keys["api_keys"][0]["id"])).await.expect(204);
                (vec![key], vec![own, other])
            }
            End::KeyRemovedByAdmin => {
                let keys = own.get(KEYS).await.expect(200).json();
                world.admin.delete(&format!("/api/v1/api-keys/{}", keys["api_keys"][0]["id"])).await.expect(204);
                (vec![key], vec![own, other])
            }
            End::LoginThatShowsIt => {
                log_in(other, email).await;
                (vec![other], vec![own, key])
            }
            End::OrganizationSuspended => {
                world.admin.patch(path).json(&json!({"suspended": true})).await.expect(200);
                (vec![own, other, key], vec![])
            }
            End::OrganizationDeleted => {
                // 202 if its products are still to be deleted.
                let status = world.admin.delete(path).await.status;
                assert!([202, 204].contains(&status), "{status}");
                (vec![own, other, key], vec![])
            }
        }
    }
}

/// On the same instance it ends at once; on the other within the lease, and then for good.
async fn is_over(end: End, ended: &Client, world: &World) {
    assert!(!may_write(ended).await, "{end:?}");
    for there in world.elsewhere(ended) {
        let heard = async || !may_write(&there).await;
        wait_until(&format!("the other instance refuses it after {end:?}"), LEASE, heard).await;
        assert!(!may_write(&there).await, "{end:?}");
    }
    assert!(!may_write(ended).await, "{end:?}");
}

async fn goes_on(end: End, kept: &Client, world: &World) {
    for client in [kept.clone()].into_iter().chain(world.elsewhere(kept)) {
        assert!(may_write(&client).await, "{end:?}");
    }
}

async fn every_end_holds(world: &World) {
    let mut people = Vec::new();
    for end in End::ALL {
        people.push(Person::for_the(end, world).await);
    }
    world.know(&people).await;
    for (end, person) in End::ALL.into_iter().zip(&people) {
        let (ended, kept) = person.meets(end, world).await;
        for ended in ended {
            is_over(end, ended, world).await;
        }
        for kept in kept {
            goes_on(end, kept, world).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_holds_in_memory_alone() {
    every_end_holds(&World::alone().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_holds_on_two_instances() {
    every_end_holds(&World::of(2).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_holds_without_redis_and_after_its_return() {
    for instances in [1, 2] {
        let world = World::of(instances).await;
        let redis = world.redis.as_ref().unwrap();
        let mut people = Vec::new();
        for end in End::ALL {
            people.push(Person::for_the(end, &world).await);
        }
        world.know(&people).await;
        redis.save_snapshot();
        redis.stop();
        let mut outcomes = Vec::new();
        for (end, person) in End::ALL.into_iter().zip(&people) {
            let (ended, kept) = person.meets(end, &world).await;
            for ended in &ended {
                is_over(end, ended, &world).await;
            }
            outcomes.push((end, ended, kept));
        }
        redis.restart_from_snapshot();
        world.uses_redis().await;
        for (end, ended, kept) in outcomes {
            for ended in ended {
                is_over(end, ended, &world).await;
            }
            for kept in kept {
                goes_on(end, kept, &world).await;
            }
        }
    }
}

/// Cached or not, on each instance: it needs no message to know the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_key_ends_at_its_time_on_every_instance() {
    let world = World::of(2).await;
    let end = Utc::now() + TimeDelta::seconds(2);
    let key = json!({"name": "a program", "role": "editor", "expires_at": end.to_rfc3339()});
    let key = world.admin.post(KEYS).json(&key).await.expect(201).json();
    let end: DateTime<Utc> = key["api_key"]["expires_at"].as_str().unwrap().parse().unwrap();
    let instances = world.instances.iter().map(|instance| instance.with_token(key["token"].as_str().unwrap()));
    for client in instances.map(|client| tokio::spawn(until_refused(client, end))).collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let noted = async || world.admin.get("/api/v1/audit?action=api_key.expired").await.expect(200).json();
    wait_until("the attempt is noted", PATIENCE, async || noted().await["entries"][0].is_object()).await;
    assert_eq!(noted().await["entries"][0]["credential"], format!("api_key:{}", key["api_key"]["id"]));
    let listed = world.admin.get(KEYS).await.expect(200).json();
    assert_eq!(listed["api_keys"][0]["id"], key["api_key"]["id"], "its owner still sees it");
}

async fn until_refused(client: Client, end: DateTime<Utc>) {
    let mut used = 0;
    loop {
        let sent = Utc::now();
        let accepted = may_write(&client).await;
        assert!(!accepted || sent < end, "it was accepted after its end");
        assert!(accepted || Utc::now() >= end, "it was refused before its end");
        match accepted {
            true => used += 1,
            false => break,
        }
    }
    assert!(used > 0);
    assert!(!may_write(&client).await);
}
