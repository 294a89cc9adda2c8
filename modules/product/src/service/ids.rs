//! All ids of an organization or a schema.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::try_unfold;
use hotshelf_cache::{EntryRef, Found, Read, Source, Value};
use hotshelf_database::Database;
use hotshelf_domain::{ProductId, ProductScope, StoreError};

use super::ProductService;
use crate::error::ProductError;
use crate::{keys, tags};

/// Larger sets are not cached but read in pieces: an entry of them would be megabytes that each change invalidates.
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
    /// Too many for one answer at once: [`product_ids_in_pieces`](ProductService::product_ids_in_pieces).
    Many,
}

impl ProductService {
    /// The ids of all products of an organization or a schema.
    ///
    /// # Errors
    /// As [`page`](ProductService::page).
    pub async fn product_ids(&self, members: ProductScope, read: Read) -> Result<ProductIds, ProductError> {
        let found = self.ids_in(self.ids_entry(members), members, read).await?;
        Ok(match found.value {
            Some(Value { payload, revision, .. }) if !payload.is_empty() => {
                ProductIds::Whole { open_json: payload, revision, source: found.source }
            }
            _ => ProductIds::Many,
        })
    }

    /// The same JSON object in pieces, each of its own moment: of a product that comes or goes meanwhile, nobody can
    /// say whether its id is among them; every other id is, once. Ends after the first error.
    pub fn product_ids_in_pieces(
        &self,
        members: ProductScope,
    ) -> impl Stream<Item = Result<Bytes, StoreError>> + Send + use<> {
        let repository = self.0.repository.clone();
        try_unfold(Some((None, IdsJson::new())), move |rest: Option<(Option<ProductId>, IdsJson)>| {
            let repository = repository.clone();
            async move {
                let Some((after, mut json)) = rest else { return Ok(None) };
                let ids = repository.ids(members, after, PIECE).await?;
                json.extend(&ids);
                Ok(Some(match ids.last().filter(|_| ids.len() == PIECE as usize) {
                    Some(last) => (json.take(), Some((Some(*last), json))),
                    None => (json.finish(), None),
                }))
            }
        })
    }

    async fn ids_in(&self, entry: EntryRef, members: ProductScope, read: Read) -> Result<Found, StoreError> {
        let repository = self.0.repository.clone();
        let load = move || load_ids(repository.clone(), members);
        self.0.cache.get_or_load(entry, Read { min_revision: None, ..read }, load).await
    }

    pub(super) fn ids_entry(&self, members: ProductScope) -> EntryRef {
        let (namespace, tag) = match members {
            ProductScope::Organization(id) => (&self.0.organization_ids, tags::of_organization(id)),
            ProductScope::Both(_, id) => (&self.0.organization_ids, tags::of_schema(id)),
            ProductScope::Schema(id) => (&self.0.schema_ids, tags::of_schema(id)),
        };
        namespace.tagged_entry(keys::ids(members), [tag])
    }

    /// Loads the ids again that a write has just invalidated. Nobody has asked for them, so it is no lookup to be
    /// counted.
    pub(super) async fn keep_ids(&self, members: ProductScope) {
        let entry = self.ids_entry(members).uncounted();
        if let Err(error) = self.ids_in(entry, members, Read::default()).await {
            tracing::debug!(%error, "product ids are not kept");
        }
    }
}

/// Nothing but a note instead of too many.
pub(super) async fn load_ids(repository: Database, members: ProductScope) -> Result<Option<Value>, StoreError> {
    let ids = repository.ids(members, None, MOST_CACHED + 1).await?;
    let payload = if ids.len() > MOST_CACHED as usize {
        Bytes::new()
    } else {
        let mut json = IdsJson::new();
        json.extend(&ids);
        json.finish()
    };
    Ok(Some(Value::unversioned(payload)))
}

/// `{"ids":[…],"total":N`, as far as it has got.
struct IdsJson {
    text: BytesMut,
    total: usize,
}

impl IdsJson {
    fn new() -> Self {
        IdsJson { text: BytesMut::from(&b"{\"ids\":["[..]), total: 0 }
    }

    fn extend(&mut self, ids: &[ProductId]) {
        let mut digits = itoa::Buffer::new();
        self.text.reserve(8 * ids.len());
        for id in ids {
            if self.total > 0 {
                self.text.extend_from_slice(b",");
            }
            self.text.extend_from_slice(digits.format(id.get()).as_bytes());
            self.total += 1;
        }
    }

    /// What there is of it, to be sent ahead.
    fn take(&mut self) -> Bytes {
        self.text.split().freeze()
    }

    fn finish(mut self) -> Bytes {
        self.text.extend_from_slice(b"],\"total\":");
        self.text.extend_from_slice(itoa::Buffer::new().format(self.total).as_bytes());
        self.text.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(pieces: &[&[i64]]) -> Vec<u8> {
        let (mut json, mut sent) = (IdsJson::new(), Vec::new());
        for ids in pieces {
            json.extend(&ids.iter().map(|id| ProductId::new(*id).unwrap()).collect::<Vec<_>>());
            sent.extend_from_slice(&json.take());
        }
        sent.extend_from_slice(&json.finish());
        sent
    }

    #[test]
    fn ids_are_one_object_in_however_many_pieces() {
        for pieces in [&[&[1, 20, 300][..]][..], &[&[1], &[20, 300]], &[&[1, 20], &[300], &[]]] {
            assert_eq!(json(pieces), b"{\"ids\":[1,20,300],\"total\":3");
        }
        assert_eq!(json(&[]), b"{\"ids\":[],\"total\":0");
    }
}
