//! What the counters know about a list before a row of it is read.

use hotshelf_domain::{Filter, OrganizationId, SchemaId, StoreError};

use crate::sqlite::error::SqlError;
use crate::sqlite::reader::Reader;
use crate::sqlite::statement::Statement;

/// How many products of an organization are in a list; at least one.
pub(super) struct Share {
    pub(super) organization: i64,
    pub(super) products: i64,
}

/// By organization, as far as the filter is about organization, schema, category and stock.
pub(super) fn shares(conn: &Reader, filter: &Filter) -> Result<Vec<Share>, SqlError> {
    let whole = filter.schema.is_none() && filter.category.is_none();
    let mut statement = if whole {
        Statement::new("SELECT organization_id, live, in_stock FROM organization_counts WHERE TRUE")
    } else {
        Statement::new("SELECT organization_id, sum(live), sum(in_stock) FROM product_counts WHERE TRUE")
    };
    if let Some(organization) = filter.organization {
        statement = statement.sql(" AND organization_id = ").integer(organization.get());
    }
    if let Some(schema) = filter.schema {
        statement = statement.sql(" AND schema_id = ").integer(schema.get());
    }
    if let Some(category) = &filter.category {
        statement = statement.sql(" AND category = ").text(category);
    }
    if !whole {
        statement = statement.sql(" GROUP BY organization_id");
    }
    let counts: Vec<(i64, i64, i64)> = statement.load(conn)?;
    let shares = counts.into_iter().map(|(organization, live, in_stock)| {
        let products = match filter.in_stock {
            None => live,
            Some(true) => in_stock,
            Some(false) => live - in_stock,
        };
        Share { organization, products }
    });
    Ok(shares.filter(|share| share.products > 0).collect())
}

/// How many products are in the list; see [`shares`].
pub(super) fn total(conn: &Reader, filter: &Filter) -> Result<i64, SqlError> {
    Ok(shares(conn, filter)?.iter().map(|share| share.products).sum())
}

/// How many products there are in the organization, or in all of them.
pub(super) fn whole_total(conn: &Reader, organization: Option<OrganizationId>) -> Result<i64, SqlError> {
    total(conn, &Filter { organization, ..Filter::default() })
}

/// Refuses organizations and schemas that do not exist. The built-in ones do.
pub(super) fn check_exists(conn: &Reader, filter: &Filter) -> Result<(), SqlError> {
    let exists = |sql, id| Statement::new(sql).integer(id).number(conn).map(|found| found > 0);
    if let Some(id) = filter.organization.filter(|id| *id != OrganizationId::BUILT_IN)
        && !exists("SELECT count(*) FROM organizations WHERE id = ", id.get())?
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
