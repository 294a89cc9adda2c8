//! A page as it is cached, the ids of its products and what is around them, and as it goes out, with the products.

use bytes::{Buf, BufMut, Bytes};
use hotshelf_cache::{Source, Value};
use hotshelf_domain::{PageRequest, Place, ProductId, StoreError};
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::cursor::Cursor;
use crate::render;

/// A page of a list, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A JSON object without its closing brace: `products`, and what is around them: `total`, `offset`, `limit` and
    /// `next_cursor`, or `total`, `page`, `limit` and `pages`, or `missing`.
    pub open_json: Bytes,
    /// Tells it from other states of the same page.
    pub revision: u64,
    /// A hit when nothing had to be loaded, neither the page nor any of its products.
    pub source: Source,
}

/// How a page tells where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// By `offset`, with a `next_cursor`.
    Offset,
    /// By `page`, with the number of `pages`.
    Numbered,
}

/// What is cached of a page. Products change without changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) ids: Vec<ProductId>,
    /// How many products are in the list; kept in an entry of its own where they have to be counted.
    pub(crate) total: Option<i64>,
    /// The cursor of the next page, empty on the last one.
    next: String,
}

/// Tells this layout from that of earlier releases, which begins with 0.
const LAYOUT: u8 = 2;
/// No total is so small.
const NO_TOTAL: i64 = -1;

impl Listing {
    /// Of the products with these ids, which are what `request` asks for; the next page begins at `next`, if there is
    /// one.
    pub(crate) fn new(request: &PageRequest, ids: Vec<ProductId>, total: Option<i64>, next: Option<Place>) -> Self {
        let seen = request.start.position().saturating_add(ids.len() as i64);
        let next = next.map(|place| Cursor::new(place, seen, &request.filter, request.order).to_string());
        Listing { ids, total, next: next.unwrap_or_default() }
    }

    /// As it is cached: the layout, the number of ids, the ids, the total, the cursor.
    pub(crate) fn pack(&self) -> Value {
        let mut payload = Vec::with_capacity(13 + 8 * self.ids.len() + self.next.len());
        payload.put_u8(LAYOUT);
        payload.put_u32(self.ids.len() as u32);
        self.ids.iter().for_each(|id| payload.put_i64(id.get()));
        payload.put_i64(self.total.unwrap_or(NO_TOTAL));
        payload.put_slice(self.next.as_bytes());
        Value::unversioned(payload)
    }

    /// `None` when the bytes are no listing.
    pub(crate) fn unpack(mut packed: Bytes) -> Option<Self> {
        if packed.try_get_u8().ok()? != LAYOUT {
            return None;
        }
        let count = packed.try_get_u32().ok()? as usize;
        if packed.len() / 8 < count {
            return None;
        }
        let ids = (0..count).map(|_| ProductId::new(packed.get_i64())).collect::<Option<_>>()?;
        let total = Some(packed.try_get_i64().ok()?).filter(|total| *total >= 0);
        Some(Listing { ids, total, next: String::from_utf8(packed.into()).ok()? })
    }

    /// The page with its products, in the order of the ids.
    pub(crate) fn show(
        &self,
        request: &PageRequest,
        style: Style,
        total: i64,
        products: &[Value],
        source: Source,
    ) -> Result<Page, StoreError> {
        open(products, &Around::new(request, style, total, &self.next), source)
    }
}

/// The products, and behind them the members of the object `around`.
pub(crate) fn open(products: &[Value], around: &impl Serialize, source: Source) -> Result<Page, StoreError> {
    let around = render::json(around)?;
    let size: usize = products.iter().map(|product| product.payload.len() + 1).sum();
    let mut json = Vec::with_capacity(size + around.len() + 16);
    json.put_slice(b"{\"products\":[");
    for (place, product) in products.iter().enumerate() {
        if place > 0 {
            json.put_u8(b',');
        }
        json.put_slice(&product.payload);
    }
    json.put_slice(b"],");
    // It continues the object of the products: no brace at either end.
    json.put_slice(around.get(1..around.len().saturating_sub(1)).unwrap_or_default());
    Ok(Page { revision: xxh3_64(&json), open_json: Bytes::from(json), source })
}

#[derive(Serialize)]
#[serde(untagged)]
enum Around<'a> {
    Offset { total: i64, offset: i64, limit: u32, next_cursor: Option<&'a str> },
    Numbered { total: i64, page: i64, limit: u32, pages: i64 },
}

impl<'a> Around<'a> {
    fn new(request: &PageRequest, style: Style, total: i64, next: &'a str) -> Self {
        let (position, limit) = (request.start.position(), request.limit);
        match style {
            Style::Offset => Around::Offset {
                total,
                offset: position,
                limit,
                next_cursor: Some(next).filter(|next| !next.is_empty()),
            },
            Style::Numbered => {
                let size = i64::from(limit).max(1);
                Around::Numbered {
                    total,
                    page: position / size + 1,
                    limit,
                    pages: total.saturating_add(size - 1) / size,
                }
            }
        }
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

    fn request() -> PageRequest {
        PageRequest { start: PageStart::Offset(40), limit: 3, ..PageRequest::default() }
    }

    fn listing(ids: &[i64], total: Option<i64>) -> Listing {
        let ids: Vec<_> = ids.iter().map(|id| ProductId::new(*id).unwrap()).collect();
        let next = ids.last().map(|id| Place::of_id(*id));
        Listing::new(&request(), ids, total, next)
    }

    #[test]
    fn a_listing_unpacks_as_it_was_packed() {
        for listing in [listing(&[], Some(0)), listing(&[1, 5, i64::MAX], Some(90)), listing(&[1], None)] {
            assert_eq!(Listing::unpack(listing.pack().payload), Some(listing));
        }
        for other in [&b""[..], b"{\"products\":[]}", &[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Listing::unpack(Bytes::from_static(other)), None);
        }
    }

    #[test]
    fn a_page_shows_its_products_and_what_is_around_them() {
        let value = |text: &'static str| Value::unversioned(text);
        let products = [value("{\"id\":7}"), value("{\"id\":8}")];
        let show = |listing: Listing, style, products: &[Value]| {
            let page = listing.show(&request(), style, 90, products, Source::Bypassed).unwrap();
            String::from_utf8(page.open_json.into()).unwrap()
        };
        let full = listing(&[7, 8], Some(90));
        let next = full.next.clone();
        assert_eq!(
            show(full.clone(), Style::Offset, &products),
            format!(
                "{{\"products\":[{{\"id\":7}},{{\"id\":8}}],\"total\":90,\"offset\":40,\"limit\":3,\"next_cursor\":\"{next}\""
            )
        );
        assert_eq!(
            show(listing(&[], Some(90)), Style::Offset, &[]),
            "{\"products\":[],\"total\":90,\"offset\":40,\"limit\":3,\"next_cursor\":null"
        );
        assert_eq!(
            show(full, Style::Numbered, &products),
            "{\"products\":[{\"id\":7},{\"id\":8}],\"total\":90,\"page\":14,\"limit\":3,\"pages\":30"
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
