//! How much an organization may have.

use std::fmt;

use serde::Serialize;

use crate::fields::Fields;

/// The most of each resource that one organization may have; `None` where there is no limit. The built-in organization
/// has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Products that are not deleted.
    pub products: Option<u32>,
    /// Users, those included who have not verified their addresses.
    pub users: Option<u32>,
    /// Schemas.
    pub schemas: Option<u32>,
}

impl Quotas {
    /// Those that the object names.
    pub(crate) fn read(given: &mut Fields) -> Self {
        let mut quota = |name| given.take_within(name, "must be a whole number from 0 to 4294967295");
        Quotas { products: quota("products"), users: quota("users"), schemas: quota("schemas") }
    }

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
