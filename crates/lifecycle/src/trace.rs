/// The target of those spans that are parts of traces. Other spans are for the log alone.
///
/// Nobody is interested in them unless traces are exported; until then, making one costs about a nanosecond.
pub const TRACED: &str = "hotshelf_trace";
