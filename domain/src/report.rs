use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::OrganizationId;
use crate::price::Price;

/// How many products there are and what they cost, all of one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CatalogueReport {
    /// When it was made, UTC.
    pub generated_at: DateTime<Utc>,
    /// How many products there are.
    pub total: i64,
    /// By organization, in order of id; those without products are left out.
    pub organizations: Vec<OrganizationReport>,
    /// By organization and category, in that order.
    pub categories: Vec<CategoryReport>,
}

/// The products of an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrganizationReport {
    /// Whose they are.
    pub organization_id: OrganizationId,
    /// How many there are.
    pub products: i64,
    /// How many of them have pieces at hand.
    pub in_stock: i64,
    /// What the cheapest costs.
    pub min_price: Price,
    /// What the dearest costs.
    pub max_price: Price,
}

/// The products of a category in an organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryReport {
    /// Whose they are.
    pub organization_id: OrganizationId,
    /// The category, `""` for products without one.
    pub category: String,
    /// How many there are.
    pub products: i64,
    /// How many of them have pieces at hand.
    pub in_stock: i64,
    /// What the cheapest costs.
    pub min_price: Price,
    /// What the dearest costs.
    pub max_price: Price,
}
