//! The order of what a search finds by how well it fits: by the texts alone, so that it is the same on every
//! database, and does not change with other products.

use hotshelf_domain::words::{self, Fit};
use hotshelf_domain::{Place, PlaceKey, ProductId, Search};

use super::List;
use super::column::compare;
use super::index_scan::Window;
use super::sorted_subset::{Subset, Texts};
use crate::error::SqlError;

/// What a word counts for in the name, the category and the description.
const WEIGHTS: [i64; 3] = [100, 50, 10];
/// Words of a name that make it a longer one, at most; less than anything that a word counts for.
const PIECES_MAX: usize = 99;

/// A window of these products, of which every one is looked at.
pub(super) fn rows(
    list: &List<'_>,
    search: &Search,
    ids: &[ProductId],
    window: Window<'_>,
) -> Result<Vec<Place>, SqlError> {
    let words: Vec<&str> = search.words().collect();
    let texts = Subset::These(ids).texts(list)?;
    let place = |texts: &Texts| Place { key: PlaceKey::Rank(rank(texts, &words)), id: texts.id };
    let mut rows: Vec<Place> = texts.iter().map(place).collect();
    rows.sort_by(|one, other| compare(one, other, window.descending));
    let behind = |row: &Place| window.after.is_none_or(|after| compare(row, after, window.descending).is_gt());
    let skipped = usize::try_from(window.offset).unwrap_or(usize::MAX);
    let limit = usize::try_from(window.limit).unwrap_or_default();
    Ok(rows.into_iter().filter(behind).skip(skipped).take(limit).collect())
}

/// Less is better.
fn rank(texts: &Texts, words: &[&str]) -> i64 {
    let fields = [&texts.name, &texts.category, &texts.description].map(|text| words::Texts::new(text));
    let best = |word: &&str| {
        let weighed = fields.iter().zip(WEIGHTS).map(|(field, weight)| match field.fit(word) {
            Fit::None => 0,
            Fit::Beginning => 2 * weight,
            Fit::Whole => 3 * weight,
        });
        weighed.max().unwrap_or_default()
    };
    let score: i64 = words.iter().map(best).sum();
    fields[0].pieces.min(PIECES_MAX) as i64 - 100 * score
}
