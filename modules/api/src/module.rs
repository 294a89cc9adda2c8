use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::FromRef;
use hotshelf_lifecycle::{Failure, Health, Module, Tasks, async_trait};
use hotshelf_stats::MetricsError;
use tokio::net::TcpListener;

use crate::connections::{ConnectionBounds, Connections};
use crate::descriptors;
use crate::fast_path::ApiService;
use crate::limits::RequestLimits;
use crate::options::ApiOptions;
use crate::router::service;
use crate::server;
use crate::state::{ApiServices, ApiState};
use crate::unknown_proxy::UnknownProxy;

/// The part of the stop timeout in which requests may finish. The rest is for closing the connections that are left.
const FOR_ANSWERS: f64 = 0.8;

/// A stream of HTTP/2 to which nothing happens is reset so long after each wait of a request has timed out.
const AFTER_ALL_WAITS: Duration = Duration::from_secs(1);

/// The life cycle of the HTTP server.
pub struct ApiModule {
    options: ApiOptions,
    service: ApiService,
    connections: Arc<Connections>,
    unknown_proxy: Arc<UnknownProxy>,
    address: OnceLock<SocketAddr>,
    tasks: Tasks,
}

impl ApiModule {
    /// Builds the service. It listens after `start`.
    ///
    /// # Errors
    /// When the metrics of another HTTP server are registered.
    pub fn new(options: ApiOptions, services: ApiServices) -> Result<Self, MetricsError> {
        let (connections, tasks) = (Arc::new(connections(&options)), Tasks::default());
        let open = Arc::clone(&connections);
        let help = "Connections of clients that are open";
        services.registry.watch_gauge("http_connections", help, &[], move || open.len() as u64);
        let state = ApiState::new(&options, services)?;
        let unknown_proxy = Arc::clone(&Arc::<RequestLimits>::from_ref(&state).unknown_proxy);
        let service = service(state, &options, tasks.stopping())?;
        Ok(ApiModule { options, service, connections, unknown_proxy, address: OnceLock::new(), tasks })
    }
}

/// An empty set of connections, with bounds within the limit of descriptors.
fn connections(options: &ApiOptions) -> Connections {
    let limit = descriptors::raise_limit();
    let max = descriptors::connections(limit, options.max_connections);
    let max_per_client = options.max_connections_per_address.unwrap_or((max / 4).max(1));
    let of_descriptors = limit.map_or("any number of".to_owned(), |limit| limit.to_string());
    if options.max_connections.is_some_and(|configured| configured > max) {
        tracing::warn!(
            "MAX_CONNECTIONS is more than the limit of descriptors leaves: raise that (LimitNOFILE, ulimit -n)"
        );
    }
    tracing::info!("up to {max} connections, {max_per_client} from one address, with {of_descriptors} descriptors");
    let waits = [options.idle_timeout, options.request_timeout, options.uploads.timeout];
    let stalled = waits.into_iter().max().unwrap_or_default() + AFTER_ALL_WAITS;
    let bounds = ConnectionBounds { max, max_per_client, idle: options.idle_timeout, stalled };
    Connections::new(bounds, options.limits.trusted_proxies.clone())
}

#[async_trait]
impl Module for ApiModule {
    async fn start(&self) -> Result<(), Failure> {
        let (service, connections) = (self.service.clone(), Arc::clone(&self.connections));
        let (host, port) = (self.options.host.as_str(), self.options.port);
        let listener = TcpListener::bind((host, port)).await;
        let listener = listener.map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
        let address = listener.local_addr()?;
        let _ = self.address.set(address);
        self.tasks.spawn_loop("http server", server::run(listener, service, connections, self.tasks.stopping()));
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
            (None, Some(address)) => {
                // Not degraded: any client can send such headers.
                let proxy = self.unknown_proxy.message(Instant::now());
                let proxy = proxy.map(|proxy| format!("; {proxy}")).unwrap_or_default();
                Health::healthy(format!("listening on {address}{proxy}"))
            }
            (None, None) => Health::unhealthy("not listening yet"),
        }
    }
}
