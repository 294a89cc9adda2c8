use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A part of the API. An API key may be restricted to some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Products with their details, lists and searches.
    Products,
    /// Schemas.
    Schemas,
    /// Organizations.
    Organizations,
    /// Users.
    Users,
    /// Operations on the cache.
    Cache,
    /// Analytics, statistics and metrics.
    Statistics,
    /// The audit log.
    Audit,
}

impl Area {
    /// All of them.
    pub const ALL: [Area; 7] =
        [Area::Products, Area::Schemas, Area::Organizations, Area::Users, Area::Cache, Area::Statistics, Area::Audit];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Products => "products",
            Area::Schemas => "schemas",
            Area::Organizations => "organizations",
            Area::Users => "users",
            Area::Cache => "cache",
            Area::Statistics => "statistics",
            Area::Audit => "audit",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Area {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Area::ALL.into_iter().find(|area| area.as_str() == text);
        known.ok_or_else(|| format!("must be one of {}", Areas::ALL))
    }
}

/// The areas that an API key may use: its scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas(u8);

impl Areas {
    /// Those that there are, and those that there will be.
    pub const ALL: Areas = Areas(u8::MAX);

    /// Whether the area is one of them.
    pub fn allow(self, area: Area) -> bool {
        self.0 & area.bit() != 0
    }

    /// For a cached entry.
    pub fn to_bits(self) -> u8 {
        self.0
    }

    /// Of a cached entry.
    pub fn from_bits(bits: u8) -> Self {
        Areas(bits)
    }

    /// As they were stored. A name that this version does not know gives no right.
    pub fn of_names(text: &str) -> Self {
        text.split(',').filter_map(|name| name.parse::<Area>().ok()).collect()
    }

    /// Those of which one knows the names.
    pub fn iter(self) -> impl Iterator<Item = Area> {
        Area::ALL.into_iter().filter(move |area| self.allow(*area))
    }
}

impl FromIterator<Area> for Areas {
    fn from_iter<I: IntoIterator<Item = Area>>(areas: I) -> Self {
        Areas(areas.into_iter().fold(0, |bits, area| bits | area.bit()))
    }
}

/// As they are stored: `products,schemas`.
impl fmt::Display for Areas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Area::as_str).collect::<Vec<_>>().join(","))
    }
}

/// A list of names; `null` for all, which grows with the API.
impl Serialize for Areas {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Areas::ALL => serializer.serialize_none(),
            some => serializer.collect_seq(some.iter().map(Area::as_str)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_read_back_and_allow_no_others() {
        let some: Areas = [Area::Products, Area::Audit].into_iter().collect();
        assert_eq!(some.to_string(), "products,audit");
        assert_eq!(Areas::of_names("products,audit,moon"), some);
        assert_eq!(Areas::from_bits(some.to_bits()), some);
        assert_eq!(serde_json::to_string(&some).unwrap(), r#"["products","audit"]"#);
        for area in Area::ALL {
            assert_eq!(some.allow(area), [Area::Products, Area::Audit].contains(&area), "{area}");
            assert!(Areas::ALL.allow(area) && area.as_str().parse() == Ok(area));
            assert_ne!([area].into_iter().collect::<Areas>(), Areas::ALL);
        }
        assert_eq!(serde_json::to_string(&Areas::ALL).unwrap(), "null");
        assert!(Areas::of_names("").iter().next().is_none());
    }
}
