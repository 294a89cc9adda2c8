//! The report on the whole catalogue: counts from the counters, prices from one pass over an index that has them in
//! groups. A million products take some tenths of a second, in which writes go on.

use std::collections::BTreeMap;

use chrono::{SubsecRound, Utc};
use hotshelf_domain::{CatalogueReport, CategoryReport, OrganizationId, OrganizationReport, Price, StoreError};

use super::indexes::OF_CATEGORY_BY_PRICE;
use crate::backend::ListReader;
use crate::error::SqlError;
use crate::statement::Statement;

const COUNTS: &str = "SELECT organization_id, category, CAST(sum(live) AS BIGINT), CAST(sum(in_stock) AS BIGINT) \
    FROM product_counts GROUP BY organization_id, category";
const PRICES: &str = "SELECT organization_id, category, min(price), max(price) FROM products";
const IN_ORDER: &str =
    " WHERE deleted_at IS NULL GROUP BY organization_id, category ORDER BY organization_id, category";

type Groups = Vec<(i64, String, i64, i64)>;

pub(crate) fn report(conn: &dyn ListReader) -> Result<CatalogueReport, SqlError> {
    conn.moment(|conn| {
        let generated_at = Utc::now().trunc_subsecs(3);
        let counts = groups(conn, &conn.statement(COUNTS))?.into_iter();
        let prices = conn.statement(PRICES).along(OF_CATEGORY_BY_PRICE).sql(IN_ORDER);
        let mut counts: BTreeMap<_, _> = counts
            .map(|(organization, category, live, in_stock)| ((organization, category), (live, in_stock)))
            .collect();
        let mut categories = Vec::with_capacity(counts.len());
        for (organization, category, min, max) in groups(conn, &prices)? {
            let key = (organization, category);
            let (products, in_stock) =
                counts.remove(&key).ok_or_else(|| corrupt("a category that nobody has counted"))?;
            categories.push(CategoryReport {
                organization_id: OrganizationId::from_row(key.0),
                category: key.1,
                products,
                in_stock,
                min_price: price(min)?,
                max_price: price(max)?,
            });
        }
        let organizations: Vec<_> =
            categories.chunk_by(|one, other| one.organization_id == other.organization_id).filter_map(sum).collect();
        let total = organizations.iter().map(|organization| organization.products).sum();
        Ok(CatalogueReport { generated_at, total, organizations, categories })
    })
}

fn groups(conn: &dyn ListReader, statement: &Statement) -> Result<Groups, SqlError> {
    conn.rows(statement, |row| Ok((row.integer(0)?, row.text(1)?, row.integer(2)?, row.integer(3)?)))
}

/// Of the categories of one organization.
fn sum(categories: &[CategoryReport]) -> Option<OrganizationReport> {
    Some(OrganizationReport {
        organization_id: categories.first()?.organization_id,
        products: categories.iter().map(|category| category.products).sum(),
        in_stock: categories.iter().map(|category| category.in_stock).sum(),
        min_price: categories.iter().map(|category| category.min_price).min()?,
        max_price: categories.iter().map(|category| category.max_price).max()?,
    })
}

/// The counters and the rows differ; always a defect.
fn corrupt(what: &str) -> SqlError {
    StoreError::failed(format!("the counters and the products differ: {what}")).into()
}

fn price(units: i64) -> Result<Price, SqlError> {
    Price::from_minor_units(units).map_err(|error| corrupt(&format!("a price {error}")))
}
