//! Deletes entries by pattern, for operators.

use futures_util::future::try_join_all;
use hotshelf_redis_client::RedisError;

use super::RedisTier;
use crate::tier::DeleteError;

/// Keys per `SCAN` step and per `UNLINK`.
const BATCH: u32 = 500;

impl RedisTier {
    /// Deletes the entries whose keys match (`*`, `?`), and tells how many there were. In batches, and what the
    /// protocol itself needs stays. A fence may go: its writer then takes it for lost.
    pub(crate) async fn delete_matching(&self, pattern: &str) -> Result<u64, DeleteError> {
        let link = self.link.load_full().ok_or_else(|| DeleteError("Redis is not connected".to_owned()))?;
        let failed = |error: RedisError| DeleteError(error.to_string());
        let pattern = [escape(self.setup.names.prefix(), r"*?[]\"), escape(pattern, r"[]\")].concat();
        let (mut cursor, mut deleted) = ("0".to_owned(), 0);
        loop {
            let (next, keys) = link.scan(cursor, &pattern, BATCH).await.map_err(failed)?;
            let entries: Vec<_> = keys.into_iter().filter(|key| self.setup.names.is_entry(key)).collect();
            if !entries.is_empty() {
                let markers: Vec<_> = entries.iter().filter_map(|name| self.marker_of(name)).collect();
                deleted += link.unlink(entries).await.map_err(failed)?;
                // The memory of other processes has copies of them.
                try_join_all(markers.iter().map(|marker| link.publish_marker(marker))).await.map_err(failed)?;
            }
            if next == "0" {
                return Ok(deleted);
            }
            cursor = next;
        }
    }
}

/// Redis' patterns know more special characters than ours, and the prefix is no pattern at all.
fn escape(text: &str, special: &str) -> String {
    let escaped = |char| special.contains(char).then_some('\\').into_iter().chain([char]);
    text.chars().flat_map(escaped).collect()
}
