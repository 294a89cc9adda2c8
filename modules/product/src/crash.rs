//! Crash points: a write that dies at a named step, so that tests can look at what it leaves in the cache and in the
//! database.
//!
//! `HOTSHELF_TEST_CRASH_AT=after-commit` ends the process, as SIGKILL would, when its first write gets there. Only
//! builds with debug assertions know the variable; in those that are released there is nothing of this.

use std::env;
use std::process;
use std::sync::LazyLock;

/// A place on the way of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing has happened yet.
    BeforeFence,
    /// The caches are barred, the database is as it was.
    AfterFence,
    /// The database has it, the caches are still barred.
    AfterCommit,
    /// The caches are in order.
    AfterRelease,
    /// All is done; only the client does not know.
    BeforeAck,
}

/// Read once: a write pays one comparison for it.
static CRASH_AT: LazyLock<Option<Step>> =
    LazyLock::new(|| Step::named(env::var("HOTSHELF_TEST_CRASH_AT").ok()?.as_str()));

impl Step {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "before-fence" => Step::BeforeFence,
            "after-fence" => Step::AfterFence,
            "after-commit" => Step::AfterCommit,
            "after-release" => Step::AfterRelease,
            "before-ack" => Step::BeforeAck,
            _ => return None,
        })
    }

    /// Ends the process here, without any cleaning up, if this is where it is to crash.
    pub(crate) fn reached(self) {
        if cfg!(debug_assertions) && *CRASH_AT == Some(self) {
            process::abort();
        }
    }
}
