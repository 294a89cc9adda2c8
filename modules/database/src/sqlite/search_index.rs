//! The full-text index follows the rows: what a group of writes has changed is entered before the group is committed.

use diesel::prelude::*;
use diesel::query_builder::QueryFragment;
use diesel::query_dsl::methods::LoadQuery;
use diesel::sql_types::BigInt;
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::name_key;

use crate::search_words::{Indexed, beginning};
use crate::statement::Dialect;
use crate::tables::{product_search, products, search_pending};

/// How many products are in memory at a time.
const BATCH: i64 = 1_000;

// Unlike a piece of SQL, this lets the connection keep the prepared statement.
diesel::prefix_operator!(Signed, "+", BigInt);

/// What is entered of a product.
#[derive(Queryable, Selectable)]
#[diesel(table_name = products)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    name: String,
    description: String,
    category: String,
    organization_id: i64,
    schema_id: i64,
    name_key: Vec<u8>,
}

/// Enters what the triggers have noted. Inside the transaction that changed the rows: both or neither.
pub(crate) fn catch_up(conn: &mut SqliteConnection) -> QueryResult<()> {
    // Most changes are of prices and stock, which are not searched.
    let noted: Option<i64> = search_pending::table.select(search_pending::id).first(conn).optional()?;
    if noted.is_none() {
        return Ok(());
    }
    // Entries whose product has changed or is gone make way first.
    let indexed = search_pending::table.filter(search_pending::indexed).select(search_pending::id);
    diesel::delete(product_search::table.filter(product_search::rowid.eq_any(indexed))).execute(conn)?;
    let mut last = 0;
    loop {
        let batch = noted_after(conn, last)?;
        let Some(Entry { id, .. }) = batch.last() else { break };
        last = *id;
        for entry in batch {
            entry.enter(conn)?;
            // Only rows that were written by hand lack it.
            if entry.name_key.is_empty() {
                entry.set_name_key(conn)?;
            }
        }
    }
    diesel::delete(search_pending::table).execute(conn)?;
    Ok(())
}

/// The next products that were noted and are not deleted.
fn noted_after(conn: &mut SqliteConnection, id: i64) -> QueryResult<Vec<Entry>> {
    noted(id).load(conn)
}

fn noted(id: i64) -> impl LoadQuery<'static, SqliteConnection, Entry> + QueryFragment<Sqlite> {
    // With the sign, it cannot be looked up by the product's id. What is noted is gone at the end of each
    // transaction, so SQLite has no statistics of it, and after an ANALYZE would rather go through all products.
    let noted_id = Signed::new(search_pending::id);
    let noted = search_pending::table.inner_join(products::table.on(products::id.eq(noted_id)));
    let noted = noted.filter(search_pending::id.gt(id)).filter(products::deleted_at.is_null());
    noted.order(search_pending::id).limit(BATCH).select(Entry::as_select())
}

impl Entry {
    /// The entries of the next products, by id.
    pub(crate) fn after(conn: &mut SqliteConnection, id: i64, limit: i64) -> QueryResult<Vec<Entry>> {
        let live = products::table.filter(products::deleted_at.is_null()).filter(products::id.gt(id));
        live.order(products::id).limit(limit).select(Entry::as_select()).load(conn)
    }

    /// Makes the product found by its words. It must not be in the index already.
    pub(crate) fn enter(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let Entry { name, description, category, schema_id: schema, .. } = self;
        let begin = beginning(Dialect::Sqlite, self.organization_id);
        let mut words = String::with_capacity(512);
        Indexed { name, description, category, schema: *schema }.each_word(|word| words.extend([&begin, word, " "]));
        let entry = (product_search::rowid.eq(self.id), product_search::words.eq(words));
        diesel::insert_into(product_search::table).values(entry).execute(conn)?;
        Ok(())
    }

    pub(crate) fn set_name_key(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let key = products::name_key.eq(name_key(&self.name));
        diesel::update(products::table.find(self.id)).set(key).execute(conn)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::debug_query;

    use super::super::connect::connect;
    use super::super::identity::opened;
    use super::super::reader::Reader;
    use super::*;

    #[test]
    fn what_was_noted_leads_to_the_products_whatever_statistics_there_are() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("products.db");
        let url = path.to_str().unwrap();
        let (_identity, _first) = opened(&path);
        let mut conn = connect(url).unwrap();
        let products = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO products SELECT NULL, 'Cup', '', 100, 1, 'C', 1, 1, 1, i, i, NULL, x'01' FROM n;
            DELETE FROM search_pending; ANALYZE;";
        conn.batch_execute(products).unwrap();
        let plan = Reader::open(url).unwrap().plan(&debug_query::<Sqlite, _>(&noted(0)).to_string());
        assert!(plan[0].starts_with("SEARCH search_pending") && plan[1].starts_with("SEARCH products"), "{plan:?}");
        assert_eq!(plan.len(), 2, "nothing is sorted: {plan:?}");
    }
}
