//! What a group of writes has still to enter before it commits: the counters of products, and the words by which products
//! are found.
//!
//! Both follow from the rows before and after each write. They are summed here and entered together at the end: a counter
//! is one row that many writes change, and to change it once for each would take several times as long.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Text};

use super::connection::Connection;
use super::inserts;
use super::sql::statement;
use crate::rows::ProductRow;
use crate::search_words::{Indexed, beginning};
use crate::statement::Dialect;

/// Bytes of a word that are entered. A lexeme has at most 2,046, and no search has words of so many.
const LONGEST: usize = 1_900;

/// Products whose words are entered by one statement.
const AT_ONCE: usize = 1_000;

/// Organization, schema, category.
type Key = (i64, i64, String);

/// How many products there are more, and how many more are in stock.
#[derive(Clone, Copy, Default, PartialEq)]
struct Delta {
    live: i64,
    in_stock: i64,
}

#[derive(Default)]
pub(super) struct Changes {
    counts: BTreeMap<Key, Delta>,
    /// The words of products by id; `None`: the product is gone.
    words: BTreeMap<i64, Option<String>>,
}

impl Changes {
    /// With its [`words`].
    pub(super) fn inserted(&mut self, row: &ProductRow, words: String) {
        self.count(row, 1);
        self.words.insert(row.id, Some(words));
    }

    pub(super) fn updated(&mut self, old: &ProductRow, new: &ProductRow) {
        self.count(old, -1);
        self.count(new, 1);
        let texts = |row: &ProductRow| {
            (row.organization_id, row.schema_id, row.name.clone(), row.description.clone(), row.category.clone())
        };
        if texts(old) != texts(new) {
            self.words.insert(new.id, Some(words(new)));
        }
    }

    pub(super) fn deleted(&mut self, row: &ProductRow) {
        self.count(row, -1);
        self.words.insert(row.id, None);
    }

    /// How many more products the organization has than its counter says.
    pub(super) fn products_of(&self, organization: i64) -> i64 {
        let of_it = self.counts.iter().filter(|((of, _, _), _)| *of == organization);
        of_it.map(|(_, delta)| delta.live).sum()
    }

    fn count(&mut self, row: &ProductRow, times: i64) {
        let delta = self.counts.entry((row.organization_id, row.schema_id, row.category.clone())).or_default();
        delta.live += times;
        delta.in_stock += times * i64::from(row.stock > 0);
    }
}

/// What the product is found by, as the text of a `tsvector`. Words are letters, digits and symbols.
pub(super) fn words(row: &ProductRow) -> String {
    let ProductRow { name, description, category, schema_id: schema, .. } = row;
    let begin = beginning(Dialect::Postgres, row.organization_id);
    let mut text = String::with_capacity(512);
    Indexed { name, description, category, schema: *schema }.each_word(|word| {
        text.push('\'');
        text.push_str(&begin);
        for character in word.char_indices().take_while(|(at, _)| *at < LONGEST).map(|(_, character)| character) {
            // Quoted, as is what escapes.
            if matches!(character, '\'' | '\\') {
                text.push(character);
            }
            text.push(character);
        }
        text.push_str("' ");
    });
    text
}

statement! {
    CountGroups {
        organizations: Array<BigInt> = Vec<i64>,
        schemas: Array<BigInt> = Vec<i64>,
        categories: Array<Text> = Vec<String>,
        live: Array<BigInt> = Vec<i64>,
        in_stock: Array<BigInt> = Vec<i64>
    };
    "INSERT INTO product_counts AS kept (organization_id, schema_id, category, live, in_stock)
        SELECT * FROM unnest(?, ?, ?, ?, ?)
        ON CONFLICT (organization_id, schema_id, category)
            DO UPDATE SET live = kept.live + excluded.live, in_stock = kept.in_stock + excluded.in_stock"
}

statement! {
    /// Or the categories that anybody ever tried would be kept for ever.
    ForgetEmptyGroups {
        organizations: Array<BigInt> = Vec<i64>,
        schemas: Array<BigInt> = Vec<i64>,
        categories: Array<Text> = Vec<String>
    };
    "DELETE FROM product_counts kept USING unnest(?, ?, ?) AS n (organization, schema, category)
        WHERE organization_id = n.organization AND schema_id = n.schema AND kept.category = n.category AND live = 0"
}

statement! {
    CountOrganizations {
        organizations: Array<BigInt> = Vec<i64>,
        live: Array<BigInt> = Vec<i64>,
        in_stock: Array<BigInt> = Vec<i64>
    };
    "INSERT INTO organization_counts AS kept (organization_id, live, in_stock)
        SELECT * FROM unnest(?, ?, ?)
        ON CONFLICT (organization_id)
            DO UPDATE SET live = kept.live + excluded.live, in_stock = kept.in_stock + excluded.in_stock"
}

statement! {
    EnterWords { ids: Array<BigInt> = Vec<i64>, words: Array<Text> = Vec<String> };
    "INSERT INTO product_search (rowid, words)
        SELECT n.id, n.words::tsvector FROM unnest(?, ?) AS n (id, words)
        ON CONFLICT (rowid) DO UPDATE SET words = excluded.words"
}

statement! {
    ForgetWords { ids: Array<BigInt> = Vec<i64> };
    "DELETE FROM product_search WHERE rowid = ANY(?)"
}

/// Enters what the transaction has changed.
pub(super) fn enter(conn: &mut Connection) -> QueryResult<()> {
    inserts::flush(conn)?;
    let Changes { counts, words } = std::mem::take(&mut conn.changes);
    enter_counts(conn, counts)?;
    enter_words(conn, words)
}

fn enter_counts(conn: &mut Connection, counts: BTreeMap<Key, Delta>) -> QueryResult<()> {
    let mut of_organizations: BTreeMap<i64, Delta> = BTreeMap::new();
    let (mut organizations, mut schemas, mut categories) = (Vec::new(), Vec::new(), Vec::new());
    let (mut live, mut in_stock) = (Vec::new(), Vec::new());
    for ((organization, schema, category), delta) in counts {
        if delta == Delta::default() {
            continue;
        }
        let sum = of_organizations.entry(organization).or_default();
        (sum.live, sum.in_stock) = (sum.live + delta.live, sum.in_stock + delta.in_stock);
        organizations.push(organization);
        schemas.push(schema);
        categories.push(category);
        live.push(delta.live);
        in_stock.push(delta.in_stock);
    }
    if live.is_empty() {
        return Ok(());
    }
    let emptied = live.iter().any(|live| *live < 0).then(|| ForgetEmptyGroups {
        organizations: organizations.clone(),
        schemas: schemas.clone(),
        categories: categories.clone(),
    });
    CountGroups { organizations, schemas, categories, live, in_stock }.execute(conn)?;
    if let Some(emptied) = emptied {
        emptied.execute(conn)?;
    }
    let (organizations, sums): (Vec<i64>, Vec<Delta>) = of_organizations.into_iter().unzip();
    let (live, in_stock) = sums.iter().map(|sum| (sum.live, sum.in_stock)).unzip();
    CountOrganizations { organizations, live, in_stock }.execute(conn)?;
    Ok(())
}

fn enter_words(conn: &mut Connection, words: BTreeMap<i64, Option<String>>) -> QueryResult<()> {
    let (mut ids, mut texts, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for (id, words) in words {
        match words {
            Some(words) => {
                ids.push(id);
                texts.push(words);
            }
            None => gone.push(id),
        }
    }
    for (ids, texts) in ids.chunks(AT_ONCE).zip(texts.chunks(AT_ONCE)) {
        EnterWords { ids: ids.to_vec(), words: texts.to_vec() }.execute(conn)?;
    }
    if !gone.is_empty() {
        ForgetWords { ids: gone }.execute(conn)?;
    }
    Ok(())
}
