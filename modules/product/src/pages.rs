//! A page as it is cached, the ids of its products and what is around them, and as it goes out, with the products.

use bytes::{Buf, BufMut, Bytes};
use hotshelf_cache::{Source, Value};
use hotshelf_domain::{PageRequest, ProductId, StoreError};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::cursor::Cursor;

/// A page of the list, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A JSON object with `products`, `total`, `offset`, `limit` and `next_cursor`, without its closing brace.
    pub open_json: Bytes,
    /// Tells it from other states of the same page.
    pub revision: u64,
    /// A hit when nothing had to be loaded, neither the page nor any of its products.
    pub source: Source,
}

/// What is cached of a page. Products change without changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) ids: Vec<ProductId>,
    /// The JSON that follows the products.
    rest: Bytes,
}

#[derive(Serialize)]
struct Around {
    total: i64,
    offset: i64,
    limit: u32,
    next_cursor: Option<String>,
}

impl Listing {
    /// Of the products with these ids, which are what `request` asks for.
    pub(crate) fn new(
        request: &PageRequest,
        ids: Vec<ProductId>,
        total: i64,
        has_more: bool,
    ) -> Result<Self, StoreError> {
        let offset = request.start.position();
        let last = ids.last().filter(|_| has_more);
        let next = last.map(|last| Cursor { after: *last, position: offset.saturating_add(ids.len() as i64) });
        let next_cursor = next.map(|cursor| cursor.to_string());
        let around = Around { total, offset, limit: request.limit, next_cursor };
        let mut rest = crate::render::json(&around)?;
        // What follows the products continues their object: no brace at either end.
        rest.advance(1);
        rest.truncate(rest.len().saturating_sub(1));
        Ok(Listing { ids, rest })
    }

    /// As it is cached: the number of ids, the ids, the rest.
    pub(crate) fn pack(&self) -> Value {
        let mut payload = Vec::with_capacity(4 + 8 * self.ids.len() + self.rest.len());
        payload.put_u32(self.ids.len() as u32);
        self.ids.iter().for_each(|id| payload.put_i64(id.get()));
        payload.put_slice(&self.rest);
        Value { revision: xxh3_64(&payload), payload: Bytes::from(payload) }
    }

    /// `None` when the bytes are no listing.
    pub(crate) fn unpack(mut packed: Bytes) -> Option<Self> {
        let count = packed.try_get_u32().ok()? as usize;
        if packed.len() / 8 < count {
            return None;
        }
        let ids = (0..count).map(|_| ProductId::new(packed.get_i64())).collect::<Option<_>>()?;
        Some(Listing { ids, rest: packed })
    }

    /// The page with its products, in the order of the ids.
    pub(crate) fn show(&self, products: &[Value], source: Source) -> Page {
        let size: usize = products.iter().map(|product| product.payload.len() + 1).sum();
        let mut json = Vec::with_capacity(size + self.rest.len() + 32);
        json.put_slice(b"{\"products\":[");
        for (index, product) in products.iter().enumerate() {
            if index > 0 {
                json.put_u8(b',');
            }
            json.put_slice(&product.payload);
        }
        json.put_slice(b"],");
        json.put_slice(&self.rest);
        Page { revision: xxh3_64(&json), open_json: Bytes::from(json), source }
    }
}

/// Where something comes from that is made of two: the farther of them. Loading is farther than any cache, and a cache
/// asked because loading failed is farther than that.
pub(crate) fn farther(one: Source, other: Source) -> Source {
    match (one, other) {
        (Source::Stale { overdue: a }, Source::Stale { overdue: b }) => Source::Stale { overdue: a.max(b) },
        (stale @ Source::Stale { .. }, _) | (_, stale @ Source::Stale { .. }) => stale,
        (Source::Loaded { stored: a }, Source::Loaded { stored: b }) => Source::Loaded { stored: a && b },
        (loaded @ (Source::Loaded { .. } | Source::Bypassed), _) => loaded,
        (_, loaded @ (Source::Loaded { .. } | Source::Bypassed)) => loaded,
        (Source::L1 { ttl: a }, Source::L1 { ttl: b }) => Source::L1 { ttl: a.min(b) },
        (Source::L1 { ttl: a } | Source::L2 { ttl: a }, Source::L1 { ttl: b } | Source::L2 { ttl: b }) => {
            Source::L2 { ttl: a.min(b) }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hotshelf_domain::PageStart;

    use super::*;

    fn listing(ids: &[i64], has_more: bool) -> Listing {
        let request = PageRequest { start: PageStart::Offset(40), limit: 3 };
        let ids = ids.iter().map(|id| ProductId::new(*id).unwrap()).collect();
        Listing::new(&request, ids, 90, has_more).unwrap()
    }

    #[test]
    fn a_listing_unpacks_as_it_was_packed() {
        for listing in [listing(&[], false), listing(&[1, 5, i64::MAX], true)] {
            assert_eq!(Listing::unpack(listing.pack().payload), Some(listing));
        }
        for other in [&b""[..], b"{\"products\":[]}", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Listing::unpack(Bytes::from_static(other)), None);
        }
    }

    #[test]
    fn a_page_shows_its_products_and_what_is_around_them() {
        let value = |text: &'static str| Value { payload: Bytes::from_static(text.as_bytes()), revision: 1 };
        let page = listing(&[7, 8], true).show(&[value("{\"id\":7}"), value("{\"id\":8}")], Source::Bypassed);
        let cursor = Cursor { after: ProductId::new(8).unwrap(), position: 42 };
        let expected = format!(
            "{{\"products\":[{{\"id\":7}},{{\"id\":8}}],\"total\":90,\"offset\":40,\"limit\":3,\"next_cursor\":\"{cursor}\""
        );
        assert_eq!(page.open_json, expected.as_bytes());
        let empty = listing(&[], false).show(&[], Source::Bypassed);
        assert_eq!(
            empty.open_json,
            &b"{\"products\":[],\"total\":90,\"offset\":40,\"limit\":3,\"next_cursor\":null"[..]
        );
    }

    #[test]
    fn what_was_loaded_in_part_was_loaded() {
        let (near, far) = (Duration::from_secs(1), Duration::from_secs(9));
        let (l1, l2) = (Source::L1 { ttl: near }, Source::L2 { ttl: far });
        assert_eq!(farther(l1, Source::L1 { ttl: far }), l1);
        assert_eq!(farther(l1, l2), Source::L2 { ttl: near });
        assert_eq!(farther(l2, Source::Loaded { stored: true }), Source::Loaded { stored: true });
    }
}
