//! The full-text index follows the rows: what a group of writes has changed is entered before the group is committed.
//!
//! The index knows nothing of texts. It is given words (`crate::words`), each behind the organization it belongs to, and the
//! schema and the category of the product in the same form.

use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Text};
use diesel::sqlite::SqliteConnection;

use super::schema::search_pending::dsl::{id, search_pending};
use super::statement::Statement;
use crate::ids::SchemaId;
use crate::name_key::name_key;
use crate::words;

/// Entries whose product has changed or is gone make way first.
const REMOVE: &str = "DELETE FROM product_search WHERE rowid IN (SELECT id FROM search_pending WHERE indexed)";
/// `CROSS JOIN`: the few that are pending first, whatever the planner makes of them. It knows no table's size.
const PENDING: &str = "SELECT id, name, description, category, organization_id, schema_id, name_key \
    FROM search_pending CROSS JOIN products USING (id) WHERE deleted_at IS NULL AND id > ";
/// Products that are in memory at a time.
const BATCH: i64 = 1_000;

/// What is entered of a product.
pub(super) struct Entry {
    pub(super) id: i64,
    pub(super) name: String,
    description: String,
    category: String,
    organization: i64,
    schema: i64,
    name_key: Vec<u8>,
}

/// Enters what the triggers have noted. Inside the transaction that changed the rows: both or neither.
pub(super) fn catch_up(conn: &mut SqliteConnection) -> QueryResult<()> {
    // Most changes are of prices and stock, which nobody searches for.
    if search_pending.select(id).first::<i64>(conn).optional()?.is_none() {
        return Ok(());
    }
    diesel::sql_query(REMOVE).execute(conn)?;
    let mut last = 0;
    loop {
        let batch = entries(conn, PENDING, last, BATCH)?;
        let Some(end) = batch.last() else { break };
        last = end.id;
        for entry in &batch {
            entry.enter(conn)?;
            // Only of rows that somebody wrote by hand: those of the service come with it.
            if entry.name_key.is_empty() {
                entry.set_name_key(conn)?;
            }
        }
    }
    diesel::delete(search_pending).execute(conn)?;
    Ok(())
}

/// In order of id.
pub(super) fn entries(
    conn: &mut SqliteConnection,
    select: &'static str,
    after: i64,
    limit: i64,
) -> QueryResult<Vec<Entry>> {
    type Columns = (BigInt, Text, Text, Text, BigInt, BigInt, Binary);
    type Row = (i64, String, String, String, i64, i64, Vec<u8>);
    let rows: Vec<Row> =
        Statement::new(select).integer(after).sql(" ORDER BY id LIMIT ").integer(limit).rows::<Columns, _>(conn)?;
    let entry = |row: Row| Entry {
        id: row.0,
        name: row.1,
        description: row.2,
        category: row.3,
        organization: row.4,
        schema: row.5,
        name_key: row.6,
    };
    Ok(rows.into_iter().map(entry).collect())
}

impl Entry {
    /// Makes the product found by its words. It must not be in the index already.
    pub(super) fn enter(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let begin = beginning(self.organization);
        let mut words = String::with_capacity(512);
        for word in words::stored([&self.name, &self.description, &self.category]) {
            // Writing to a string does not fail.
            let _ = write!(words, "{begin}{word} ");
        }
        let _ = write!(words, "{begin}{} {begin}{}", schema_word(self.schema), category_word(&self.category));
        let insert = Statement::new("INSERT INTO product_search (rowid, words) VALUES (").integer(self.id);
        insert.sql(", ").text(&words).sql(")").execute(conn)
    }

    pub(super) fn set_name_key(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let update = Statement::new("UPDATE products SET name_key = ").bytes(&name_key(&self.name));
        update.sql(" WHERE id = ").integer(self.id).execute(conn)
    }
}

/// What finds the products of an organization that have all these words, as far as the index knows.
pub(super) fn query<'a>(
    organization: i64,
    words: impl Iterator<Item = &'a str>,
    schema: Option<SchemaId>,
    category: Option<&str>,
) -> String {
    let begin = beginning(organization);
    let mut terms: Vec<String> = words.map(|word| found_by(&begin, word)).collect();
    // These are whole words. None that is searched for begins like them.
    terms.extend(schema.map(|schema| format!("\"{begin}{}\"", schema_word(schema.get()))));
    terms.extend(category.map(|category| format!("\"{begin}{}\"", category_word(category))));
    terms.join(" AND ")
}

/// What finds the products of an organization with a word that begins so.
pub(super) fn begins(organization: i64, word: &str) -> String {
    format!("\"{}{word}\"*", beginning(organization))
}

/// Quoted, and made of letters, digits and symbols only: no text is an operator.
fn found_by(begin: &str, word: &str) -> String {
    let one = |word: &str| format!("\"{begin}{word}\"*");
    if !word.contains('-') {
        return one(word);
    }
    let parts: Vec<String> = words::parts(word).map(one).collect();
    format!("(({}) OR {})", parts.join(" AND "), one(&words::as_one(word)))
}

/// As many characters for every organization: the index has lists for beginnings of certain lengths.
fn beginning(organization: i64) -> String {
    format!("{organization:016x}")
}

fn schema_word(schema: i64) -> String {
    format!("!s{schema}")
}

fn category_word(category: &str) -> String {
    category.bytes().fold("!c".to_owned(), |mut word, byte| {
        let _ = write!(word, "{byte:02x}");
        word
    })
}
