//! The full-text index follows the rows: what a group of writes has changed is entered before the group is committed.

use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;

use super::schema::search_pending::dsl::{id, search_pending};

/// Entries whose product has changed or is gone make way first.
pub(super) const REMOVE: &str =
    "DELETE FROM product_search WHERE rowid IN (SELECT id FROM search_pending WHERE indexed)";
/// `CROSS JOIN`: the few that are pending first, whatever the planner makes of them. It knows no table's size.
pub(super) const ENTER: &str = "INSERT INTO product_search (rowid, name, description, category, scope) \
    SELECT id, name, description, category, scope FROM search_pending CROSS JOIN product_texts USING (id)";

/// Enters what the triggers have noted. Inside the transaction that changed the rows: both or neither.
pub(super) fn catch_up(conn: &mut SqliteConnection) -> QueryResult<()> {
    // Most changes are of prices and stock, which nobody searches for.
    if search_pending.select(id).first::<i64>(conn).optional()?.is_none() {
        return Ok(());
    }
    diesel::sql_query(REMOVE).execute(conn)?;
    diesel::sql_query(ENTER).execute(conn)?;
    diesel::delete(search_pending).execute(conn)?;
    Ok(())
}
