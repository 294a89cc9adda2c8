use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hotshelf_auth::Auth;
use hotshelf_lifecycle::{Failure, Health, HealthBoard, Module, Services, Tasks, async_trait};
use hotshelf_product::ProductService;
use hotshelf_ratelimit::RateLimiter;
use hotshelf_stats::Stats;
use hotshelf_warm::Warmer;
use tokio::net::TcpListener;

use crate::cookie::Cookies;
use crate::front::Front;
use crate::limits::{LimitOptions, Limits};
use crate::router::{App, front};
use crate::server;

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any that is free.
    pub port: u16,
    /// A request that takes longer is answered with 503.
    pub request_timeout: Duration,
    /// A connection that begins no request for so long, or up to twice, is closed.
    pub idle_timeout: Duration,
    /// While so many requests are under way, further ones are answered with 503 at once.
    pub max_concurrent_requests: usize,
    /// Origins that browsers may call from; none turns CORS off, `*` allows all.
    pub cors_origins: Vec<String>,
    /// What all keys of the cache begin with: operators name them in full.
    pub cache_prefix: String,
    /// How often who may do what.
    pub limits: LimitOptions,
    /// Users are on, and whoever asks has to be one.
    pub users: Option<UserOptions>,
    /// With users on, whether the statistics and metrics are for everybody all the same.
    pub metrics_open: bool,
}

/// How users are served.
#[derive(Clone, Copy, Debug)]
pub struct UserOptions {
    /// Whether browsers send that cookie over encrypted connections only.
    pub cookie_secure: bool,
}

/// The life of the HTTP server. Offers nothing to other modules.
pub struct ApiModule {
    options: ApiOptions,
    front: OnceLock<Front>,
    address: OnceLock<SocketAddr>,
    tasks: Tasks,
}

impl ApiModule {
    /// Listens to nothing yet.
    pub fn new(options: ApiOptions) -> Self {
        ApiModule { options, front: OnceLock::new(), address: OnceLock::new(), tasks: Tasks::default() }
    }
}

#[async_trait]
impl Module for ApiModule {
    fn name(&self) -> &'static str {
        "api"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let auth = match self.options.users {
            Some(_) => Some(services.require::<Auth>("auth")?),
            None => None,
        };
        let limiter = services.require::<RateLimiter>("ratelimit")?;
        let state = Arc::new(App {
            products: services.require::<ProductService>("product")?,
            auth,
            cookies: Cookies::new(self.options.users),
            stats: services.require::<Stats>("stats")?,
            health: services.require::<HealthBoard>("container")?,
            warmer: services.require::<Warmer>("warm")?,
            cache_prefix: self.options.cache_prefix.clone(),
            limits: Arc::new(Limits::new(&self.options.limits, &limiter)),
        });
        let _ = self.front.set(front(state, &self.options));
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        let front = self.front.get().ok_or("started before it was initialized")?.clone();
        let (host, port) = (self.options.host.as_str(), self.options.port);
        let listener = TcpListener::bind((host, port)).await;
        let listener = listener.map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
        let address = listener.local_addr()?;
        let _ = self.address.set(address);
        self.tasks
            .spawn_loop("http server", server::run(listener, front, self.options.idle_timeout, self.tasks.stopping()));
        tracing::info!(%address, "listening on http://{address}");
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        if self.tasks.stop(patience).await { Ok(()) } else { Err("requests were still under way".into()) }
    }

    async fn health(&self) -> Health {
        match (self.tasks.ended_early().first(), self.address.get()) {
            (Some(task), _) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            (None, Some(address)) => Health::healthy(format!("listening on {address}")),
            (None, None) => Health::unhealthy("not listening yet"),
        }
    }
}
