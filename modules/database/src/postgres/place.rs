//! Which server a connection leads to, and on which timeline that is.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// The place of the server of this connection. Fails on a standby.
///
/// The system identifier is that of the cluster; a standby has that of its primary. The timeline is another one from the
/// moment on in which a standby is promoted or a backup is restored (PostgreSQL's documentation, "Timelines"). Both can
/// be read by every role.
macro_rules! here {
    () => {
        "(SELECT system_identifier::text FROM pg_control_system()) || '/' || \
         ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int::text"
    };
}

pub(super) use here;

/// A cluster on one of its timelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    system: i64,
    pub(super) timeline: u32,
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (system, timeline) = text.split_once('/').ok_or(())?;
        Ok(Place { system: system.parse().map_err(drop)?, timeline: timeline.parse().map_err(drop)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.system, self.timeline)
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
        let place: Place = "7391234567890123456/3".parse().unwrap();
        assert_eq!((place.timeline, place.to_string().as_str()), (3, "7391234567890123456/3"));
        assert!("".parse::<Place>().is_err() && "7/x".parse::<Place>().is_err());
    }
}
