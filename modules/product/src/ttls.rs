use std::time::Duration;

/// The TTLs of entries.
#[derive(Clone, Copy, Debug)]
pub struct Ttls {
    /// A product.
    pub product: Duration,
    /// A product with its details.
    pub details: Duration,
    /// A page of the list of all products.
    pub list: Duration,
    /// A page of the products of an organization or of a schema.
    pub pages: Duration,
    /// The ids of all products of an organization.
    pub organization_ids: Duration,
    /// The ids of all products of a schema.
    pub schema_ids: Duration,
    /// The analytics, which no write invalidates.
    pub analytics: Duration,
    /// "There is no such product."
    pub negative: Duration,
    /// How long past its TTL an entry is served while the database fails.
    pub grace: Duration,
}

impl Default for Ttls {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Ttls {
            product: 5 * MINUTE,
            details: 10 * MINUTE,
            list: 5 * MINUTE,
            pages: 5 * MINUTE,
            organization_ids: 15 * MINUTE,
            schema_ids: 20 * MINUTE,
            analytics: 24 * 60 * MINUTE,
            negative: Duration::from_secs(10),
            grace: 10 * MINUTE,
        }
    }
}
