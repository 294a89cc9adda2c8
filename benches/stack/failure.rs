//! What can go wrong: anything. A benchmark has nothing better to do about it than to say so and end.

/// Something did not work; the message goes to the person who ran the benchmark.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;
