//! What a user of Redis' access list has to be allowed, in one place. The manual is compared with it, and tests run the
//! service as such a user: who sends another command adds it here.

/// By whatever opens a connection.
const CONNECTING: &[&str] = &["+client|id", "+info", "+ping", "+select"];
/// By the cache: what it sends, then what its scripts call.
const CACHE: &[&str] =
    &["+set", "+get", "+mget", "+evalsha", "+script|load", "+scan", "+unlink", "+getrange", "+del", "+pttl", "+time"];
/// By an instance that shares its database, to hear of the others' writes.
const SHARED: &[&str] = &["+client|tracking"];
/// By rate limits: what they send, then what their script calls.
const LIMITS: &[&str] = &["+eval", "+hgetall", "+hdel", "+hincrby", "+pexpire"];
/// At a master that sentinels look after.
const BEHIND_SENTINELS: &[&str] = &["+role"];
/// At the nodes of a cluster.
const IN_A_CLUSTER: &[&str] = &["+cluster|slots", "+cluster|info"];
/// At the sentinels themselves.
const AT_SENTINELS: &[&str] =
    &["+client|id", "+info", "+ping", "+sentinel|get-master-addr-by-name", "+sentinel|sentinels"];

/// The rules for a user at the servers that hold data: the keys, and all commands of the service in every
/// configuration.
pub fn data_rules(prefix: &str) -> String {
    let commands = [CONNECTING, CACHE, SHARED, LIMITS, BEHIND_SENTINELS, IN_A_CLUSTER].concat();
    format!("resetchannels ~{prefix}* {}", commands.join(" "))
}

/// The rules for a user at the sentinels.
pub fn sentinel_rules() -> String {
    AT_SENTINELS.join(" ")
}
