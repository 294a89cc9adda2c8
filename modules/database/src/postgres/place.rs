//! Which server a connection leads to, and on which timeline that is.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The place of the database of this connection. Fails on a standby.
///
/// The system identifier is that of the cluster; a standby has that of its primary. The timeline is another one from the
/// moment on in which a standby is promoted or a backup is restored (PostgreSQL's documentation, "Timelines"). The
/// numbers of the database and of a table tell it from its copies in the same cluster. Every role can read them.
macro_rules! here {
    () => {
        "(SELECT system_identifier::text FROM pg_control_system()) || '/' || \
         ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text || '/' || \
         (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' || \
         coalesce(to_regclass('database_history')::oid::text, '0')"
    };
}

pub(super) use here;

/// A database of a cluster, on one of its timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    system: i64,
    pub(super) timeline: u32,
    database: u32,
    table: u32,
}

impl Place {
    /// Whether it is a later timeline of the same cluster.
    pub(super) fn is_later_than(self, other: Place) -> bool {
        self.system == other.system && self.timeline > other.timeline
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.split('/').collect();
        let [system, timeline, database, table] = parts[..] else { return Err(()) };
        Ok(Place {
            system: system.parse().map_err(drop)?,
            timeline: timeline.parse().map_err(drop)?,
            database: database.parse().map_err(drop)?,
            table: table.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { system, timeline, database, table } = self;
        write!(f, "{system}/{timeline}/{database}/{table}")
    }
}

/// Ends connections by where they lead to.
#[derive(Default)]
pub(super) struct Connections(Mutex<HashMap<Place, CancellationToken>>);

impl Connections {
    /// Cancelled when connections to that place are of no use any more.
    pub(super) fn to(&self, place: Place) -> CancellationToken {
        self.0.lock().entry(place).or_default().clone()
    }

    /// Ends those that lead elsewhere: whoever waits for an answer hears of it.
    pub(super) fn keep_only(&self, place: Place) {
        self.0.lock().retain(|of, connections| {
            if *of != place {
                connections.cancel();
            }
            *of == place
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back() {
        let text = "7391234567890123456/3/16384/16390";
        let place: Place = text.parse().unwrap();
        assert_eq!((place.timeline, place.to_string().as_str()), (3, text));
        assert!("".parse::<Place>().is_err() && "7/x/1/1".parse::<Place>().is_err());
    }

    #[test]
    fn a_later_timeline_is_one_of_the_same_cluster() {
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("7/3/1/1").is_later_than(place("7/2/1/1")));
        assert!(!place("7/2/1/1").is_later_than(place("7/2/1/1")) && !place("8/3/1/1").is_later_than(place("7/2/1/1")));
    }
}
