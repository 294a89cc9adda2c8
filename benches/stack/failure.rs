//! Failures of the benchmark. Every failure ends it with a message.

/// A failure, with a message for the person who runs the benchmark.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
