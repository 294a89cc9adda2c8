//! The testbed: instances on one database, each with a network of its own to one Redis.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, key_set};
use hotshelf_testkit::users::{self, create_admin, log_in};
use hotshelf_testkit::{Client, Network, PATIENCE, Proxy, RedisServer, Service, ServiceBuilder, wait_until};
use tempfile::TempDir;

use crate::control::{Plain, PlainOptions};
use crate::history::Source;
use crate::pooled::Pooled;
use crate::replicated::Replicated;
use crate::workload::{Workload, redis_is_up};

/// The time by which reads of another instance than the one that wrote may lag: the memory lease.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// Settings with users.
pub(crate) const USERS_ON: (&str, &str) = ("AUTH", "on");

/// Beside the database.
const MAILS: &str = "mail.log";
const KEYS: &str = "keys.json";

/// The lines of each instance's log in an explanation.
const LOG_LINES: usize = 30;

pub(crate) struct Testbed {
    pub(crate) redis: RedisServer,
    pub(crate) instances: Vec<Instance>,
    pub(crate) replicated: Option<Replicated>,
    pub(crate) pooled: Option<Pooled>,
    pub(crate) workload: Arc<Workload>,
    /// The file with the instances' mails.
    pub(crate) mail: PathBuf,
    /// The directory of the common database.
    _directory: TempDir,
}

/// One instance, and the network between it and Redis.
pub(crate) struct Instance {
    pub(crate) program: Program,
    pub(crate) network: Proxy,
}

/// The service, or the plain cache-aside for comparison.
pub(crate) enum Program {
    /// With a client that sends a token, if the service needs one.
    Hotshelf(Service, Client),
    Plain(Plain),
}

impl Testbed {
    /// Instances of the service; several of them share the database. `environment` goes to each.
    pub(crate) async fn of_hotshelf(instances: usize, environment: &[(&str, &str)]) -> Self {
        Self::of_different(instances, environment, |_, service| service).await
    }

    /// The same, each instance started as `adapted`.
    pub(crate) async fn of_different(
        instances: usize,
        environment: &[(&str, &str)],
        adapted: impl Fn(usize, ServiceBuilder) -> ServiceBuilder,
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let database = directory.path().join("products.db");
        let redis = RedisServer::start();
        let has_users = environment.contains(&USERS_ON);
        if has_users {
            create_admin(
                &hotshelf(instances, &database, environment).env("CACHE_BACKEND", "none"),
                "admin@one.example",
            );
        }
        let mut built: Vec<Instance> = Vec::new();
        for instance in 0..instances {
            let network = Proxy::start(redis.address()).await;
            let service = adapted(instance, hotshelf(instances, &database, environment));
            let service = service.env("REDIS_ADDR", network.address()).start().await;
            let client = match built.first().and_then(|first| first.program.client().token()) {
                Some(token) => service.client().with_token(token),
                None if has_users => log_in(&service, "admin@one.example").await,
                None => service.client().clone(),
            };
            built.push(Instance { program: Program::Hotshelf(service, client), network });
        }
        Self::assemble(redis, built, directory, true).await
    }

    /// Instances of the service over a PostgreSQL database with a synchronous standby.
    pub(crate) async fn of_replicated(instances: usize, environment: &[(&str, &str)]) -> Self {
        let replicated = Replicated::start(instances).await;
        let with_url = |instance, service: ServiceBuilder| service.env("DATABASE_URL", replicated.url(instance));
        let testbed = Self::of_different(instances, environment, with_url).await;
        Testbed { replicated: Some(replicated), ..testbed }
    }

    /// Instances of the service that reach a PostgreSQL database by a PgBouncer.
    pub(crate) async fn of_pooled(instances: usize, environment: &[(&str, &str)]) -> Self {
        let pooled = Pooled::start();
        let with_url = |_, service: ServiceBuilder| service.env("DATABASE_URL", pooled.url());
        let testbed = Self::of_different(instances, environment, with_url).await;
        Testbed { pooled: Some(pooled), ..testbed }
    }

    /// Instances of the plain cache-aside over one database.
    pub(crate) async fn of_plain(instances: usize, options: PlainOptions) -> Self {
        let redis = RedisServer::start();
        let truth = Arc::default();
        let mut built = Vec::new();
        for _ in 0..instances {
            let network = Proxy::start(redis.address()).await;
            let plain = Plain::start(&network.address(), Arc::clone(&truth), options);
            built.push(Instance { program: Program::Plain(plain), network });
        }
        Self::assemble(redis, built, tempfile::tempdir().unwrap(), false).await
    }

    async fn assemble(redis: RedisServer, instances: Vec<Instance>, directory: TempDir, is_service: bool) -> Self {
        let clients = instances.iter().map(|instance| Mutex::new(instance.program.client().clone())).collect();
        let mail = directory.path().join(MAILS);
        let workload = Workload::new(LEASE, clients, is_service);
        let testbed =
            Testbed { redis, instances, replicated: None, pooled: None, workload, mail, _directory: directory };
        for instance in 0..testbed.instances.len() {
            testbed.wait_for_redis(instance).await;
        }
        testbed.workload.set_up().await;
        testbed
    }

    /// All instances.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.instances.len()).collect()
    }

    /// The last lines of the instances' logs.
    pub(crate) fn logs(&self) -> Vec<String> {
        let of = |(index, instance): (usize, &Instance)| match &instance.program {
            Program::Hotshelf(service, _) => {
                let log = service.log();
                let lines: Vec<_> = log.lines().collect();
                let latest = &lines[lines.len().saturating_sub(LOG_LINES)..];
                format!("--- log of instance {index}\n{}", latest.join("\n"))
            }
            Program::Plain(_) => String::new(),
        };
        self.instances.iter().enumerate().map(of).collect()
    }

    /// Notes that these instances may not reach Redis from now on.
    pub(crate) fn cut_off(&self, instances: &[usize]) {
        for &instance in instances {
            self.workload.history().cut_off(instance, Instant::now(), Source::Fault);
        }
    }

    pub(crate) fn set_network(&self, instances: &[usize], network: Network) {
        for &instance in instances {
            self.instances[instance].network.set(network);
        }
    }

    /// Waits until these instances use Redis again, and notes that.
    pub(crate) async fn reach_redis(&self, instances: &[usize]) {
        for &instance in instances {
            self.wait_for_redis(instance).await;
            self.workload.history().reached(instance, Source::Fault);
        }
    }

    async fn wait_for_redis(&self, instance: usize) {
        let client = self.instances[instance].program.client();
        let up = async || redis_is_up(client).await == Some(true);
        wait_until(&format!("instance {instance} uses Redis"), PATIENCE, up).await;
    }

    /// Kills an instance at any point of its work, and starts it again.
    pub(crate) async fn kill_and_restart(&mut self, instance: usize, between: Duration) {
        let program = &mut self.instances[instance].program;
        program.kill();
        tokio::time::sleep(between).await;
        program.restart().await;
        self.workload.replace_client(instance, program.client());
    }
}

impl Program {
    pub(crate) fn client(&self) -> &Client {
        match self {
            Program::Hotshelf(_, client) => client,
            Program::Plain(plain) => plain.client(),
        }
    }

    /// Suspends or resumes the process: `STOP` and `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        match self {
            Program::Hotshelf(service, _) => service.signal(name),
            Program::Plain(_) => panic!("the plain cache-aside is no process of its own"),
        }
    }

    fn kill(&mut self) {
        match self {
            Program::Hotshelf(service, _) => service.kill(),
            Program::Plain(plain) => plain.kill(),
        }
    }

    async fn restart(&mut self) {
        match self {
            Program::Hotshelf(service, client) => {
                service.restart().await;
                *client = match client.token() {
                    Some(token) => service.client().with_token(token),
                    None => service.client().clone(),
                };
            }
            Program::Plain(plain) => plain.restart(),
        }
    }
}

/// The key that tokens of the outside issuer are signed with.
pub(crate) fn signing_key() -> SigningKey {
    SigningKey::rsa("of the histories", 0)
}

fn trusting_the_issuer(service: ServiceBuilder, database: &Path) -> ServiceBuilder {
    let keys = database.with_file_name(KEYS);
    std::fs::write(&keys, key_set(&[&signing_key()])).unwrap();
    service
        .env("JWT_ISSUER", ISSUER)
        .env("JWT_AUDIENCE", AUDIENCE)
        .env("JWT_JWKS", keys.display())
        .env("JWT_ORGANIZATION_CLAIM", "org")
}

fn hotshelf(instances: usize, database: &Path, environment: &[(&str, &str)]) -> ServiceBuilder {
    // The audit is off: it must not repair in the background what the checker has to find.
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).env("AUDIT_RATE", 0).env("WARM_INTERVAL", "1s");
    let service = service.env("MAIL_FILE", database.with_file_name(MAILS).display());
    let service = match instances {
        1 => service.database(database),
        _ => service.shared_db(database),
    };
    let service = if environment.contains(&USERS_ON) { trusting_the_issuer(service, database) } else { service };
    let settings = if environment.contains(&USERS_ON) { &users::USERS_ON[..] } else { &[] };
    settings.iter().chain(environment).fold(service, |service, (name, value)| service.env(name, value))
}
