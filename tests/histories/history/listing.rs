//! Lists: which products must or may be on a page, and in which positions. A list shows the products that match its
//! filters, in its order. A write without an acknowledgement may have happened, so a product may have several
//! positions.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Field, Heard, History, Life, Seen};

/// A filter by the value of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) field: Field,
    pub(crate) test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    Is(i64),
    AtLeast(i64),
    AtMost(i64),
}

/// Ties are sorted by id, ascending; without a field, so are all products.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) by: Option<Field>,
    pub(crate) descending: bool,
}

/// A page in an answer, or a set of ids.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) ids: Vec<i64>,
    /// The products themselves, if the answer contains them.
    pub(crate) products: Vec<Seen>,
    pub(crate) total: usize,
    pub(crate) limit: usize,
    pub(crate) start: Start,
    pub(crate) filters: Vec<Filter>,
    pub(crate) order: Order,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Offset(usize),
    /// After that product; only in the order by id.
    After(i64),
}

/// The sort key of a list, ascending.
type Key = (i64, i64);

/// The positions that a product may have in a list.
pub(super) struct Places {
    pub(super) must_be_there: bool,
    may_be_there: bool,
    /// Ascending.
    keys: Vec<Key>,
}

impl Filter {
    fn admits(self, value: i64) -> bool {
        match self.test {
            Test::Is(wanted) => value == wanted,
            Test::AtLeast(least) => value >= least,
            Test::AtMost(most) => value <= most,
        }
    }
}

impl Places {
    fn of(id: i64, life: &Life, page: &Page, answered: Instant, heard: Heard<'_>) -> Self {
        let (mut must_be_there, mut may_be_there) =
            (life.must_be_there(answered, heard), life.may_be_there(answered, heard));
        for filter in &page.filters {
            let values = life.possible(filter.field, answered, heard);
            must_be_there &= values.iter().all(|value| filter.admits(*value));
            may_be_there &= values.iter().any(|value| filter.admits(*value));
        }
        let key = |value: i64| (if page.order.descending { -value } else { value }, id);
        let mut keys: Vec<_> = match page.order.by {
            Some(field) => life.possible(field, answered, heard).into_iter().map(key).collect(),
            None => vec![key(0)],
        };
        keys.sort_unstable();
        Places { must_be_there, may_be_there, keys }
    }
}

impl History {
    pub(super) fn places(&self, page: &Page, answered: Instant, heard: Heard<'_>) -> BTreeMap<i64, Places> {
        let places = |(&id, life): (&i64, &Life)| (id, Places::of(id, life, page, answered, heard));
        self.lives.iter().map(places).collect()
    }

    /// Whether some set of products between those that must be there and those that may be there has this page.
    pub(super) fn agrees_with_members(&self, page: &Page, answered: Instant, heard: Heard<'_>) -> bool {
        let mut places = self.places(page, answered, heard);
        // Products whose id is unknown may be at any position.
        let mut unknown = self.pending.iter().filter(|pending| pending.ticket.sent < answered).count();
        let (mut must, mut may) = (0, unknown);
        let mut shown = Vec::new();
        for id in &page.ids {
            match places.remove(id) {
                Some(place) if place.may_be_there => {
                    must += usize::from(place.must_be_there);
                    may += 1;
                    shown.push(place.keys);
                }
                None if page.products.is_empty() && unknown > 0 && self.may_be_new(*id) => unknown -= 1,
                _ => return false,
            }
        }
        let (Some(last), Some(first)) = (earliest(&shown), latest(&shown)) else { return false };
        let full = page.ids.len() >= page.limit;
        let (mut must_before, mut may_before) = (0, unknown);
        for (id, place) in &places {
            let before = match page.start {
                Start::Offset(0) => false,
                Start::Offset(_) => first.is_none_or(|first| place.keys.first() < Some(&first)),
                Start::After(after) => *id <= after,
            };
            let behind = full && last.is_none_or(|last| place.keys.last() > Some(&last));
            if place.must_be_there && !before && !behind {
                return false;
            }
            must_before += usize::from(place.must_be_there && !behind);
            may_before += usize::from(place.may_be_there && before);
            must += usize::from(place.must_be_there);
            may += usize::from(place.may_be_there);
        }
        let starts = match page.start {
            Start::Offset(offset) if page.ids.is_empty() => offset >= must,
            Start::Offset(offset) => (must_before..=may_before).contains(&offset),
            Start::After(after) => page.ids.first().is_none_or(|first| *first > after),
        };
        starts && (must..=may).contains(&page.total)
    }

    /// Whether a create in flight may have got this id: ids only grow.
    fn may_be_new(&self, id: i64) -> bool {
        self.pending.iter().any(|pending| pending.highest < id)
    }
}

/// The lowest key that the last of these can have if they are in order; `None` inside if there are none, and outside if
/// no order is possible.
fn earliest(shown: &[Vec<Key>]) -> Option<Option<Key>> {
    shown.iter().try_fold(None, |before, keys| keys.iter().find(|key| Some(**key) > before).map(|key| Some(*key)))
}

/// The highest key that the first of these can have.
fn latest(shown: &[Vec<Key>]) -> Option<Option<Key>> {
    shown.iter().rev().try_fold(None, |behind: Option<Key>, keys| {
        keys.iter().rev().find(|key| behind.is_none_or(|behind| **key < behind)).map(|key| Some(*key))
    })
}
