//! All ids of an organization or a schema.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use hotshelf_cache::{Found, Read, Slot, Source, Value};
use hotshelf_domain::{Members, ProductId, ProductRepository, StoreError};
use xxhash_rust::xxh3::xxh3_64;

use super::ProductService;
use crate::error::ProductError;
use crate::{collections, keys};

/// Larger sets are not cached but read in pieces: an entry of them would be megabytes that each change makes void.
const MOST_CACHED: u32 = 50_000;
/// Ids in one piece.
const PIECE: u32 = 10_000;

/// The ids of all products of an organization or a schema.
pub enum ProductIds {
    /// A JSON object without its closing brace: `ids`, in order, and `total`.
    Whole {
        /// The text.
        open_json: Bytes,
        /// Tells it from other states.
        revision: u64,
        /// Where it came from.
        source: Source,
    },
    /// Too many for one answer at once.
    Pieces,
}

impl ProductService {
    /// The ids of all products of an organization or a schema.
    ///
    /// # Errors
    /// As [`page`](ProductService::page).
    pub async fn product_ids(&self, members: Members, read: Read) -> Result<ProductIds, ProductError> {
        let found = self.ids_in(self.ids_slot(members), members, read).await?;
        Ok(match found.value {
            Some(Value { payload, revision }) if !payload.is_empty() => {
                ProductIds::Whole { open_json: payload, revision, source: found.source }
            }
            _ => ProductIds::Pieces,
        })
    }

    /// The ids in pieces, each of its own moment: of a product that comes or goes meanwhile, nobody can say whether its id
    /// is among them; every other id is, once.
    pub fn product_ids_in_pieces(
        &self,
        members: Members,
    ) -> impl Stream<Item = Result<Vec<ProductId>, StoreError>> + Send + use<> {
        let repository = self.0.repository.clone();
        try_unfold(Some(None), move |after: Option<Option<ProductId>>| {
            let repository = repository.clone();
            async move {
                let Some(after) = after else { return Ok(None) };
                let ids = repository.ids(members, after, PIECE).await?;
                let next = ids.last().copied().filter(|_| ids.len() == PIECE as usize);
                Ok(Some((ids, next.map(Some))))
            }
        })
    }

    async fn ids_in(&self, slot: Slot, members: Members, read: Read) -> Result<Found, StoreError> {
        let repository = self.0.repository.clone();
        let load = move || load_ids(repository.clone(), members);
        self.0.cache.get_or_load(slot, Read { min_revision: None, ..read }, load).await
    }

    pub(super) fn ids_slot(&self, members: Members) -> Slot {
        let (region, collection) = match members {
            Members::Organization(id) => (&self.0.organization_ids, collections::of_organization(id)),
            Members::Schema(id) => (&self.0.schema_ids, collections::of_schema(id)),
        };
        region.slot_in(keys::ids(members), [collection])
    }

    /// Loads the ids again that a write has just made void. Nobody has asked for them, so it is no lookup to be counted.
    pub(super) async fn keep_ids(&self, members: Members) {
        let slot = self.ids_slot(members).uncounted();
        if let Err(error) = self.ids_in(slot, members, Read::default()).await {
            tracing::debug!(%error, "product ids are not kept");
        }
    }
}

/// Nothing but a note instead of too many.
pub(super) async fn load_ids(repository: ProductRepository, members: Members) -> Result<Option<Value>, StoreError> {
    let ids = repository.ids(members, None, MOST_CACHED + 1).await?;
    let payload = if ids.len() > MOST_CACHED as usize { Bytes::new() } else { open_json(&ids) };
    Ok(Some(Value { revision: xxh3_64(&payload), payload }))
}

fn open_json(ids: &[ProductId]) -> Bytes {
    let (mut json, mut digits) = (BytesMut::with_capacity(8 * ids.len() + 32), itoa::Buffer::new());
    json.extend_from_slice(b"{\"ids\":[");
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            json.extend_from_slice(b",");
        }
        json.extend_from_slice(digits.format(id.get()).as_bytes());
    }
    json.extend_from_slice(b"],\"total\":");
    json.extend_from_slice(digits.format(ids.len()).as_bytes());
    json.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_json() {
        let ids = [1, 20, 300].map(|id| ProductId::new(id).unwrap());
        assert_eq!(open_json(&ids), &b"{\"ids\":[1,20,300],\"total\":3"[..]);
        assert_eq!(open_json(&[]), &b"{\"ids\":[],\"total\":0"[..]);
    }
}
