//! A PostgreSQL database with a synchronous standby, and a network of its own between each instance and both servers.

use std::time::Duration;

use hotshelf_testkit::{Network, PATIENCE, PostgresServer, Proxy, wait_until};

use crate::testbed::Testbed;

/// Whatever was acknowledged is on both servers.
const SYNCHRONOUS: [&str; 1] = ["synchronous_standby_names=*"];
/// A fail-over may come while a commit is in doubt.
const FAIL_OVER: Duration = Duration::from_secs(60);

pub(crate) struct Replicated {
    servers: [PostgresServer; 2],
    /// Which of them is the primary.
    primary: usize,
    database: String,
    /// Of each instance.
    networks: Vec<[Proxy; 2]>,
}

impl Replicated {
    pub(crate) async fn start(instances: usize) -> Self {
        let primary = PostgresServer::start();
        let database = primary.database();
        let standby = PostgresServer::standby_of(&primary, &SYNCHRONOUS);
        primary.run("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.run("postgres", "SELECT pg_reload_conf()");
        let servers = [primary, standby];
        let mut networks = Vec::new();
        for _ in 0..instances {
            let [one, other] = [0, 1].map(|server: usize| format!("127.0.0.1:{}", servers[server].port()));
            networks.push([Proxy::start(&one).await, Proxy::start(&other).await]);
        }
        Replicated { servers, primary: 0, database, networks }
    }

    /// The address for that instance.
    pub(crate) fn url(&self, instance: usize) -> String {
        let port = |proxy: &Proxy| proxy.address().rsplit_once(':').unwrap().1.parse().unwrap();
        let ports: Vec<u16> = self.networks[instance].iter().map(port).collect();
        self.servers[0].url_at(&self.database, &ports)
    }

    /// Kills the primary and promotes the standby. The server that was killed follows afterwards: before that, no commit
    /// is acknowledged.
    pub(crate) fn fail_over(&mut self) {
        let (old, new) = (self.primary, 1 - self.primary);
        self.servers[old].kill();
        self.servers[new].promote();
        self.servers[old].follow(&self.servers[new]);
        self.primary = new;
    }

    pub(crate) fn pause_primary(&self) {
        self.servers[self.primary].pause();
    }

    pub(crate) fn resume_primary(&self) {
        self.servers[self.primary].resume();
    }

    /// Changes the network between an instance and both servers.
    pub(crate) fn set_network(&self, instance: usize, network: Network) {
        self.networks[instance].iter().for_each(|proxy| proxy.set(network));
    }
}

impl Testbed {
    /// The replicated database, in the faults that are its own.
    pub(crate) fn replicated(&mut self) -> &mut Replicated {
        self.replicated.as_mut().expect("the testbed has a replicated database")
    }

    /// Waits until all instances write again.
    pub(crate) async fn reach_database(&self) {
        for instance in self.all() {
            let client = self.instances[instance].program.client();
            let healthy = async || {
                let reply = client.get("/health").try_send().await;
                reply.is_ok_and(|reply| reply.json()["modules"]["database"]["status"] == "healthy")
            };
            wait_until(&format!("instance {instance} uses the database"), FAIL_OVER.max(PATIENCE), healthy).await;
        }
    }
}
