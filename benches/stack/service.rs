//! The service, as the benchmark starts and questions it.

use hotshelf_testkit::{Client, Service, ServiceBuilder};

use crate::catalogue::Catalogue;
use crate::failure::Failure;

/// Built with the profile of the benchmark, which is that of releases.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_hotshelf");

/// The service on the products of that catalogue, about to be started.
pub(crate) fn on(catalogue: &Catalogue) -> ServiceBuilder {
    Service::builder(BINARY).database(&catalogue.database())
}

/// The lookups that the service has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookups {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
}

impl Lookups {
    pub(crate) async fn of(client: &Client) -> Result<Self, Failure> {
        let stats = client.get("/api/v1/cache/stats").await.expect(200).json();
        let count = |name: &str| stats["cache_stats"][name].as_u64().ok_or("the statistics have changed their shape");
        Ok(Lookups { hits: count("hits")?, misses: count("misses")? })
    }

    /// Makes sure that what was measured is what the case is about: all hits, or all misses.
    pub(crate) async fn expect_more(self, client: &Client, hits: usize, misses: usize) -> Result<(), Failure> {
        let expected = Lookups { hits: self.hits + hits as u64, misses: self.misses + misses as u64 };
        let counted = Lookups::of(client).await?;
        if counted == expected {
            return Ok(());
        }
        Err(format!(
            "this was another case than the one to be measured: {expected:?}, but the service counted {counted:?}"
        )
        .into())
    }
}
