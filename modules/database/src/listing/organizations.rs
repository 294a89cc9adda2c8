//! The organizations.

use hotshelf_domain::{Organization, OrganizationId};

use crate::backend::ListReader;
use crate::error::SqlError;
use crate::rows::{corrupt, time_of};

/// All that have not ended, by id.
pub(crate) fn all(conn: &dyn ListReader) -> Result<Vec<Organization>, SqlError> {
    let live = "SELECT id, name, created_at, suspended_at FROM organizations WHERE ended_at IS NULL ORDER BY id";
    conn.rows(&conn.statement(live), |row| {
        let (id, created_at) = (row.integer(0)?, row.integer(2)?);
        Ok(Organization {
            id: OrganizationId::from_row(id),
            name: row.text(1)?,
            suspended: row.integer_or_null(3)?.is_some(),
            created_at: time_of(created_at)
                .ok_or_else(|| corrupt(&format!("organization {id}: created_at is no time")))?,
        })
    })
}
