//! How much an organization may have.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The most of each resource that one organization may have; `None` where there is no limit. The built-in organization
/// has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Products that are not deleted.
    #[serde(deserialize_with = "number")]
    pub products: Option<u32>,
    /// Users, those included who have not verified their addresses.
    #[serde(deserialize_with = "number")]
    pub users: Option<u32>,
    /// Schemas.
    #[serde(deserialize_with = "number")]
    pub schemas: Option<u32>,
}

/// A number; what is missing is left out, never `null`.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(Some)
}

impl Quotas {
    /// These, and where they say nothing, the others.
    pub fn or(self, others: Quotas) -> Quotas {
        Quotas {
            products: self.products.or(others.products),
            users: self.users.or(others.users),
            schemas: self.schemas.or(others.schemas),
        }
    }
}

/// As the audit log has them.
impl fmt::Display for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quota = |quota: Option<u32>| quota.map_or("as the service".to_owned(), |quota| quota.to_string());
        let (products, users, schemas) = (quota(self.products), quota(self.users), quota(self.schemas));
        write!(f, "products: {products}, users: {users}, schemas: {schemas}")
    }
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Products.
    Products,
    /// Users.
    Users,
    /// Schemas.
    Schemas,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Products => "products",
            Resource::Users => "users",
            Resource::Schemas => "schemas",
        })
    }
}

/// How much of a resource there is, and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// How much there is.
    pub used: i64,
    /// How much there may be; `None` without a limit.
    pub limit: Option<u32>,
}

impl Usage {
    /// How much more there may be; `None` without a limit. Nothing where a limit was lowered below what there is.
    pub fn room(&self) -> Option<i64> {
        self.limit.map(|limit| (i64::from(limit) - self.used).max(0))
    }
}

/// The use of all resources by one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OrganizationUsage {
    /// Products.
    pub products: Usage,
    /// Users.
    pub users: Usage,
    /// Schemas.
    pub schemas: Usage,
}
