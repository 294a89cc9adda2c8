//! How many files and connections the process may have open, and what of them is for connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is left for the database, Redis, files and probes: an eighth, and so many at least.
const OTHERS: u64 = 128;
/// More connections than this are a matter of memory, and have to be asked for.
const MOST_UNASKED: usize = 16_384;
const FEWEST: usize = 16;

/// Raises the soft limit of descriptors to the hard one; the limit from now on, `None` without any.
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

/// The bound on connections: as many as are asked for, as far as the limit of descriptors lets them.
pub(crate) fn connections(limit: Option<u64>, asked: Option<usize>) -> usize {
    let room = limit
        .map_or(usize::MAX, |limit| usize::try_from(limit.saturating_sub(OTHERS.max(limit / 8))).unwrap_or(usize::MAX));
    asked.unwrap_or(MOST_UNASKED).min(room.max(FEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_keep_what_they_need() {
        for (limit, asked, bound) in [
            (Some(256), None, 128),
            (Some(1_024), None, 896),
            (Some(1_024), Some(10_000), 896),
            (Some(1_024), Some(100), 100),
            (Some(100), None, 16),
            (Some(1_048_576), None, 16_384),
            (Some(1_048_576), Some(100_000), 100_000),
            (None, None, 16_384),
        ] {
            assert_eq!(connections(limit, asked), bound, "{limit:?} {asked:?}");
        }
    }
}
