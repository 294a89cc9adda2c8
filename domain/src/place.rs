use crate::ids::ProductId;
use crate::name_key::NAME_KEY_MAX;
use crate::order::OrderBy;

/// A place in an ordered list: what the last product seen was ordered by, and its id.
///
/// It stays a place when that product changes or goes. [`to_bytes`](Place::to_bytes) makes it part of a cursor.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// What it was ordered by.
    pub key: PlaceKey,
    /// Among those with the same key, it comes after the lower ids.
    pub id: ProductId,
}

/// What a product in a list is ordered by.
#[derive(Clone, Debug, PartialEq)]
pub enum PlaceKey {
    /// The id is all there is to it.
    Id,
    /// A price in minor units, a stock, or a time in milliseconds.
    Number(i64),
    /// That of a name ([`name_key`](crate::name_key())).
    Name(Vec<u8>),
    /// How well a product fits the search; less is better.
    Rank(i64),
}

/// The bytes are no place that was ever given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a place in a list")]
pub struct BadPlace;

const ID: u8 = 0;
const NUMBER: u8 = 1;
// 2 and 3 were names as they are written, and ranks by another measure: places in orders that are no more.
const NAME: u8 = 4;
const RANK: u8 = 5;

impl Place {
    /// The place of a product in a list that is ordered by id.
    pub fn of_id(id: ProductId) -> Self {
        Place { key: PlaceKey::Id, id }
    }

    /// At most 265 bytes, mostly 9 to 17.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, key) = match &self.key {
            PlaceKey::Id => (ID, Vec::new()),
            PlaceKey::Number(number) => (NUMBER, number.to_be_bytes().to_vec()),
            PlaceKey::Name(key) => (NAME, key.clone()),
            PlaceKey::Rank(rank) => (RANK, rank.to_be_bytes().to_vec()),
        };
        let mut bytes = vec![kind];
        bytes.extend(self.id.get().to_be_bytes());
        bytes.extend(key);
        bytes
    }

    /// The place whose bytes these are.
    ///
    /// # Errors
    /// [`BadPlace`] when they are not.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadPlace> {
        let (kind, rest) = bytes.split_first().ok_or(BadPlace)?;
        let (id, key) = rest.split_first_chunk().ok_or(BadPlace)?;
        let id = ProductId::new(i64::from_be_bytes(*id)).ok_or(BadPlace)?;
        let key = match *kind {
            ID if key.is_empty() => PlaceKey::Id,
            NUMBER => PlaceKey::Number(i64::from_be_bytes(key.try_into().map_err(|_| BadPlace)?)),
            NAME if key.len() <= NAME_KEY_MAX => PlaceKey::Name(key.to_owned()),
            RANK => PlaceKey::Rank(i64::from_be_bytes(key.try_into().map_err(|_| BadPlace)?)),
            _ => return Err(BadPlace),
        };
        Ok(Place { key, id })
    }

    /// Whether lists of that order have such places. One by relevance goes by id where too many products fit.
    pub(crate) fn fits(&self, by: OrderBy) -> bool {
        match (&self.key, by) {
            (PlaceKey::Id | PlaceKey::Rank(_), OrderBy::Relevance) => true,
            (PlaceKey::Id, by) => by == OrderBy::Id,
            (PlaceKey::Name(_), by) => by == OrderBy::Name,
            (PlaceKey::Number(_), by) => {
                matches!(by, OrderBy::Price | OrderBy::Stock | OrderBy::CreatedAt | OrderBy::UpdatedAt)
            }
            (PlaceKey::Rank(_), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Vec<Place> {
        let keys = [
            PlaceKey::Id,
            PlaceKey::Number(0),
            PlaceKey::Number(i64::MIN),
            PlaceKey::Name(Vec::new()),
            PlaceKey::Name(vec![0xfe; NAME_KEY_MAX]),
            PlaceKey::Rank(-15),
        ];
        let id = ProductId::new(i64::MAX).unwrap();
        keys.into_iter().map(|key| Place { key, id }).collect()
    }

    #[test]
    fn bytes_and_back_is_the_same_place() {
        for place in places() {
            assert_eq!(Place::from_bytes(&place.to_bytes()), Ok(place));
        }
    }

    #[test]
    fn forged_bytes_are_refused() {
        let id = 5i64.to_be_bytes();
        let forged = |kind: u8, key: &[u8]| [&[kind], &id[..], key].concat();
        for bytes in [
            vec![],
            vec![ID, 0, 0],
            [&[ID], &0i64.to_be_bytes()[..]].concat(),
            forged(ID, b"x"),
            forged(NUMBER, b"1234567"),
            forged(2, b"A name of before"),
            forged(3, &1.5f64.to_be_bytes()),
            forged(NAME, &[b'x'; NAME_KEY_MAX + 1]),
            forged(RANK, b"1234567"),
            forged(6, b""),
        ] {
            assert_eq!(Place::from_bytes(&bytes), Err(BadPlace), "{bytes:?}");
        }
    }

    #[test]
    fn a_place_fits_the_orders_that_have_it() {
        use OrderBy::*;
        let fitting = |place: &Place| {
            let all = [Id, Name, Price, Stock, CreatedAt, UpdatedAt, Relevance];
            all.into_iter().filter(|by| place.fits(*by)).collect::<Vec<_>>()
        };
        let places = places();
        assert_eq!(fitting(&places[0]), [Id, Relevance]);
        assert_eq!(fitting(&places[1]), [Price, Stock, CreatedAt, UpdatedAt]);
        assert_eq!(fitting(&places[3]), [Name]);
        assert_eq!(fitting(&places[5]), [Relevance]);
    }
}
