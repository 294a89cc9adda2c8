//! What the counters know about a list before a row of it is read.

use hotshelf_domain::{Filter, OrganizationId, SchemaId, StoreError};

use crate::backend::ListReader;
use crate::error::SqlError;

/// How many products of an organization are in a list; at least one.
pub(super) struct OrganizationCount {
    pub(super) organization: i64,
    pub(super) products: i64,
}

/// By organization, as far as the filter is about organization, schema, category and stock.
pub(super) fn by_organization(conn: &dyn ListReader, filter: &Filter) -> Result<Vec<OrganizationCount>, SqlError> {
    let whole = filter.schema.is_none() && filter.category.is_none();
    let mut statement = conn.statement(if whole {
        "SELECT organization_id, live, in_stock FROM organization_counts WHERE TRUE"
    } else {
        "SELECT organization_id, CAST(sum(live) AS BIGINT), CAST(sum(in_stock) AS BIGINT) FROM product_counts WHERE TRUE"
    });
    if let Some(organization) = filter.organization {
        statement = statement.and("organization_id", " = ", organization.get());
    }
    if let Some(schema) = filter.schema {
        statement = statement.and("schema_id", " = ", schema.get());
    }
    if let Some(category) = &filter.category {
        statement = statement.and("category", " = ", category.clone());
    }
    if !whole {
        statement = statement.sql(" GROUP BY organization_id");
    }
    let counts = conn.rows(&statement, |row| {
        let (organization, live, in_stock) = (row.integer(0)?, row.integer(1)?, row.integer(2)?);
        let products = match filter.in_stock {
            None => live,
            Some(true) => in_stock,
            Some(false) => live - in_stock,
        };
        Ok(OrganizationCount { organization, products })
    })?;
    Ok(counts.into_iter().filter(|count| count.products > 0).collect())
}

/// How many products are in the list; see [`by_organization`].
pub(super) fn total(conn: &dyn ListReader, filter: &Filter) -> Result<i64, SqlError> {
    Ok(by_organization(conn, filter)?.iter().map(|count| count.products).sum())
}

/// Refuses organizations and schemas that do not exist. The built-in ones do.
pub(super) fn check_exists(conn: &dyn ListReader, filter: &Filter) -> Result<(), SqlError> {
    let exists = |sql, id: i64| conn.statement(sql).bind(id).number(conn).map(|found| found > 0);
    if let Some(id) = filter.organization.filter(|id| *id != OrganizationId::BUILT_IN)
        && !exists("SELECT count(*) FROM organizations WHERE ended_at IS NULL AND id = ", id.get())?
    {
        return Err(StoreError::NoSuchOrganization(id).into());
    }
    if let Some(id) = filter.schema.filter(|id| *id != SchemaId::BUILT_IN)
        && !exists("SELECT count(*) FROM schemas WHERE id = ", id.get())?
    {
        return Err(StoreError::NoSuchSchema(id).into());
    }
    Ok(())
}
