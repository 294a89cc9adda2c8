use hotshelf_redis_client::RedisOptions;

/// How limits are counted.
#[derive(Clone, Debug)]
pub struct RateLimitOptions {
    /// Where all instances count together; without it, this one counts alone.
    pub redis: Option<RedisOptions>,
    /// In front of every key.
    pub prefix: String,
    /// What to do while Redis is away.
    pub on_loss: OnLoss,
}

/// What a limit does while Redis is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLoss {
    /// Each instance counts for itself: all together let through the limit times their number at most.
    Local,
    /// Nobody counts, everything is let through.
    Open,
    /// Nothing is let through.
    Closed,
}
