//! The product: what the whole service is about.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::ids::{OrganizationId, ProductId, SchemaId};
use crate::price::Price;

/// Counts the committed changes of one product or schema: 1 when created, one more with each change, a delete included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(i64);

impl Version {
    /// The version of a product that was just created.
    pub const FIRST: Version = Version(1);

    /// The version of that number.
    pub fn new(version: i64) -> Self {
        Version(version)
    }

    /// The number itself.
    pub fn get(self) -> i64 {
        self.0
    }

    /// That of one change more.
    #[must_use]
    pub fn next(self) -> Self {
        Version(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A version, and the history of the database that gave it: another history gives the same number to another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionInHistory {
    /// The history.
    pub history: History,
    /// The version.
    pub version: Version,
}

/// What a write requires of the product, or the schema, it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// That it exists.
    Anything,
    /// That it is at one of these versions.
    OneOf(Vec<VersionInHistory>),
    /// That it is at none of these versions.
    NoneOf(Vec<VersionInHistory>),
    /// That it was not changed after this second. Holds for what keeps no time of its last change.
    UnmodifiedSince(DateTime<Utc>),
    /// That both hold.
    Both(Box<Expect>, Box<Expect>),
}

impl Expect {
    /// Whether the write may be about what is at this version, and was changed at this time if it keeps that.
    pub fn holds(&self, current: VersionInHistory, changed: Option<DateTime<Utc>>) -> bool {
        match self {
            Expect::Anything => true,
            Expect::OneOf(versions) => versions.contains(&current),
            Expect::NoneOf(versions) => !versions.contains(&current),
            Expect::UnmodifiedSince(second) => changed.is_none_or(|at| at.timestamp() <= second.timestamp()),
            Expect::Both(first, second) => first.holds(current, changed) && second.holds(current, changed),
        }
    }
}

/// A product as it is stored and as it reads in JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Identifies it for ever.
    pub id: ProductId,
    /// 1 to 255 characters, without white space around them.
    pub name: String,
    /// At most 1,000 characters.
    pub description: String,
    /// Exact, in minor units.
    pub price: Price,
    /// Pieces at hand, never negative.
    pub stock: i64,
    /// At most 100 characters.
    pub category: String,
    /// The organization it belongs to; 1 is built in.
    pub organization_id: OrganizationId,
    /// The schema its details follow; 1 is built in.
    pub schema_id: SchemaId,
    /// Grows by one with each committed change.
    pub version: Version,
    /// When it was created, UTC, to the millisecond.
    pub created_at: DateTime<Utc>,
    /// When it was changed last, UTC, to the millisecond.
    pub updated_at: DateTime<Utc>,
}
