use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_domain::{Filter, Order, PageStart, Place};
use xxhash_rust::xxh3::xxh3_64;

use crate::keys;

/// Where the next page of a list begins, as an opaque text for clients to hand back.
///
/// It names the place of the last product seen, so the next page costs the same anywhere in the list, and products that
/// come or go meanwhile make no other product appear twice or never. It goes with one list: the same filters and order.
///
/// ```
/// use hotshelf_product::Cursor;
///
/// assert!("not a cursor".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Cursor {
    place: Place,
    position: i64,
    /// Tells its list from others.
    list: u32,
}

/// Why a page cannot begin at a cursor. The message completes the sentence "cursor …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCursor {
    /// The text is no cursor that this service gave out.
    #[error("must be a next_cursor of an earlier answer")]
    Unknown,
    /// It came with a list of other filters or another order.
    #[error("must be used with the filters and the order of the answer it came with")]
    OfAnotherList,
}

impl Cursor {
    /// After so many products of the list, of which the last one was at `place`.
    pub(crate) fn new(place: Place, position: i64, filter: &Filter, order: Order) -> Self {
        Cursor { place, position, list: fingerprint(filter, order) }
    }

    /// The start of the page it points to.
    ///
    /// # Errors
    /// [`BadCursor::OfAnotherList`].
    pub fn start(self, filter: &Filter, order: Order) -> Result<PageStart, BadCursor> {
        if self.list != fingerprint(filter, order) {
            return Err(BadCursor::OfAnotherList);
        }
        Ok(PageStart::After { place: self.place, position: self.position })
    }
}

fn fingerprint(filter: &Filter, order: Order) -> u32 {
    xxh3_64(keys::list(filter, order).as_bytes()) as u32
}

/// A place as a part of a key.
pub(crate) fn place_text(place: &Place) -> String {
    URL_SAFE_NO_PAD.encode(place.to_bytes())
}

pub(crate) fn place_from_text(text: &str) -> Option<Place> {
    Place::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.list.to_be_bytes()[..], &self.position.to_be_bytes(), &self.place.to_bytes()].concat();
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor::Unknown)?;
        let (list, rest) = bytes.split_first_chunk().ok_or(BadCursor::Unknown)?;
        let (position, place) = rest.split_first_chunk().ok_or(BadCursor::Unknown)?;
        let position = Some(i64::from_be_bytes(*position)).filter(|position| *position >= 0);
        Ok(Cursor {
            place: Place::from_bytes(place).map_err(|_| BadCursor::Unknown)?,
            position: position.ok_or(BadCursor::Unknown)?,
            list: u32::from_be_bytes(*list),
        })
    }
}

#[cfg(test)]
mod tests {
    use hotshelf_domain::ProductId;

    use super::*;

    fn cursor(id: i64, position: i64) -> Cursor {
        let place = Place::of_id(ProductId::new(id).expect("positive"));
        Cursor::new(place, position, &Filter::default(), Order::default())
    }

    #[test]
    fn text_and_back_is_the_same_cursor() {
        for (id, position) in [(1, 0), (i64::MAX, i64::MAX), (42, 20)] {
            let cursor = cursor(id, position);
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn forged_texts_are_refused() {
        let negative = URL_SAFE_NO_PAD.encode([0xff; 21]);
        for text in ["", "a", "AAAAAAAAAAAAAAAAAAAAAA", "%%%", negative.as_str()] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor::Unknown), "{text}");
        }
    }

    #[test]
    fn a_cursor_goes_with_its_list() {
        let (all, some) = (Filter::default(), Filter { in_stock: Some(true), ..Filter::default() });
        let by_price = "price".parse().expect("an order");
        assert!(cursor(1, 20).start(&all, Order::default()).is_ok());
        assert_eq!(cursor(1, 20).start(&some, Order::default()), Err(BadCursor::OfAnotherList));
        assert_eq!(cursor(1, 20).start(&all, by_price), Err(BadCursor::OfAnotherList));
    }
}
