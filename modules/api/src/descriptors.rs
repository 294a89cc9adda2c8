//! The limit of file descriptors, and how many of them connections may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors reserved for the database, Redis, files and probes: an eighth, and at least this many.
const RESERVED: u64 = 128;
/// More connections than this need memory, and must be configured.
const DEFAULT_MAX: usize = 16_384;
const MIN: usize = 16;

/// Raises the soft limit of descriptors to the hard limit. Returns the new limit; `None`: unlimited.
pub(crate) fn raise_limit() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the limit of descriptors");
            current
        }
    }
}

/// The bound on connections: the configured one, as far as the limit of descriptors allows.
pub(crate) fn connections(limit: Option<u64>, configured: Option<usize>) -> usize {
    let room = limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit.saturating_sub(RESERVED.max(limit / 8))).unwrap_or(usize::MAX)
    });
    configured.unwrap_or(DEFAULT_MAX).min(room.max(MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_keep_what_they_need() {
        for (limit, configured, bound) in [
            (Some(256), None, 128),
            (Some(1_024), None, 896),
            (Some(1_024), Some(10_000), 896),
            (Some(1_024), Some(100), 100),
            (Some(100), None, 16),
            (Some(1_048_576), None, 16_384),
            (Some(1_048_576), Some(100_000), 100_000),
            (None, None, 16_384),
        ] {
            assert_eq!(connections(limit, configured), bound, "{limit:?} {configured:?}");
        }
    }
}
