use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hotshelf_accounts::Auth;
use hotshelf_lifecycle::{Failure, Health, HealthBoard, Module, Tasks, async_trait};
use hotshelf_product::{ProductService, Warmer};
use hotshelf_ratelimit::RateLimiter;
use hotshelf_stats::Stats;
use tokio::net::TcpListener;

use crate::connections::{ConnectionBounds, Connections};
use crate::cookie::Cookies;
use crate::descriptors;
use crate::front::Front;
use crate::limits::{LimitOptions, Limits};
use crate::router::{App, front};
use crate::server;
use crate::uploads::UploadOptions;

/// The part of the time for a stop that is for answers; the rest is for the end of those that are not done by then.
const FOR_ANSWERS: f64 = 0.8;

/// Where and how to serve.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Address or host name to listen on.
    pub host: String,
    /// Port to listen on; 0 takes any that is free.
    pub port: u16,
    /// A request that takes longer is answered with 503.
    pub request_timeout: Duration,
    /// A connection without a request under way is closed after so long; so is one whose client takes nothing of its answer.
    pub idle_timeout: Duration,
    /// While so many requests are under way, further ones are answered with 503 at once.
    pub max_concurrent_requests: usize,
    /// Connections that are open at a time; `None` for what the limit of descriptors leaves, up to 16,384. While there are so many,
    /// the one that was idle longest makes room for the next.
    pub max_connections: Option<usize>,
    /// Of which so many are from one address; `None` for a quarter. Trusted proxies and this machine may have all.
    pub max_connections_per_address: Option<usize>,
    /// Bounds of the bodies that are under way.
    pub uploads: UploadOptions,
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

/// What the API serves.
pub struct ApiServices {
    /// The products.
    pub products: ProductService,
    /// The users; `None` when there are none and everybody may do everything.
    pub auth: Option<Auth>,
    /// What loads the cache ahead.
    pub warmer: Warmer,
    /// What counts the requests that are limited.
    pub limiter: RateLimiter,
    /// The statistics.
    pub stats: Stats,
    /// The health of all modules.
    pub health: HealthBoard,
}

/// The life of the HTTP server.
pub struct ApiModule {
    options: ApiOptions,
    front: Front,
    connections: Arc<Connections>,
    address: OnceLock<SocketAddr>,
    tasks: Tasks,
}

impl ApiModule {
    /// Listens to nothing yet.
    pub fn new(options: ApiOptions, services: ApiServices) -> Self {
        let ApiServices { products, auth, warmer, limiter, stats, health } = services;
        let (connections, tasks) = (Arc::new(connections(&options)), Tasks::default());
        let open = Arc::clone(&connections);
        stats.watch_gauge("http_connections", "Connections of clients that are open", &[], move || open.len() as u64);
        let state = Arc::new(App {
            products,
            auth,
            cookies: Cookies::new(options.users),
            stats,
            health,
            warmer,
            cache_prefix: options.cache_prefix.clone(),
            limits: Arc::new(Limits::new(&options.limits, &limiter)),
        });
        let front = front(state, &options, tasks.stopping());
        ApiModule { options, front, connections, address: OnceLock::new(), tasks }
    }
}

/// None yet, within bounds that the limit of descriptors allows.
fn connections(options: &ApiOptions) -> Connections {
    let limit = descriptors::raise_limit();
    let most = descriptors::connections(limit, options.max_connections);
    let most_of_client = options.max_connections_per_address.unwrap_or((most / 4).max(1));
    let of_descriptors = limit.map_or("any number of".to_owned(), |limit| limit.to_string());
    if options.max_connections.is_some_and(|asked| asked > most) {
        tracing::warn!(
            "MAX_CONNECTIONS is more than the limit of descriptors leaves: raise that (LimitNOFILE, ulimit -n)"
        );
    }
    tracing::info!("up to {most} connections, {most_of_client} from one address, with {of_descriptors} descriptors");
    let bounds = ConnectionBounds { most, most_of_client, idle: options.idle_timeout };
    Connections::new(bounds, options.limits.trusted_proxies.clone())
}

#[async_trait]
impl Module for ApiModule {
    async fn start(&self) -> Result<(), Failure> {
        let (front, connections) = (self.front.clone(), Arc::clone(&self.connections));
        let (host, port) = (self.options.host.as_str(), self.options.port);
        let listener = TcpListener::bind((host, port)).await;
        let listener = listener.map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
        let address = listener.local_addr()?;
        let _ = self.address.set(address);
        self.tasks.spawn_loop("http server", server::run(listener, front, connections, self.tasks.stopping()));
        tracing::info!(%address, "listening on http://{address}");
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        self.connections.finish_within(timeout.mul_f64(FOR_ANSWERS));
        if self.tasks.stop(timeout).await { Ok(()) } else { Err("requests were still under way".into()) }
    }

    async fn health(&self) -> Health {
        match (self.tasks.ended_early().first(), self.address.get()) {
            (Some(task), _) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            (None, Some(address)) => Health::healthy(format!("listening on {address}")),
            (None, None) => Health::unhealthy("not listening yet"),
        }
    }
}
