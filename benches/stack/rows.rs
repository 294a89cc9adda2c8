//! The database for the counterparts: a connection with the same settings as the service's, the table, and a row as a
//! product.

use std::path::Path;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use diesel::connection::SimpleConnection;
use diesel::dsl::AsSelect;
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};
use hotshelf_domain::{OrganizationId, Price, Product, ProductId, SchemaId, Version};

use crate::failure::Failure;

diesel::table! {
    products (id) {
        id -> BigInt,
        name -> Text,
        description -> Text,
        price -> BigInt,
        stock -> BigInt,
        category -> Text,
        organization_id -> BigInt,
        schema_id -> BigInt,
        version -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = products)]
pub(crate) struct ProductRow {
    id: i64,
    name: String,
    description: String,
    price: i64,
    stock: i64,
    category: String,
    organization_id: i64,
    schema_id: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl ProductRow {
    pub(crate) fn into_product(self) -> Result<Product, Failure> {
        let time = |milliseconds| DateTime::from_timestamp_millis(milliseconds).ok_or("not a time");
        Ok(Product {
            id: ProductId::new(self.id).ok_or("not an id")?,
            name: self.name,
            description: self.description,
            price: Price::from_minor_units(self.price)?,
            stock: self.stock,
            category: self.category,
            organization_id: OrganizationId::new(self.organization_id).ok_or("not an id")?,
            schema_id: SchemaId::new(self.schema_id).ok_or("not an id")?,
            version: Version::new(self.version),
            created_at: time(self.created_at)?,
            updated_at: time(self.updated_at)?,
        })
    }
}

/// As the service opens its connections. The service has switched the file to write-ahead logging before.
pub(crate) fn connect(database: &str) -> ConnectionResult<SqliteConnection> {
    let mut conn = SqliteConnection::establish(database)?;
    let settings = "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                    PRAGMA cache_size = -16384;";
    conn.batch_execute(settings).map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// The query of a miss: a live product by its id.
#[diesel::dsl::auto_type]
pub(crate) fn live_product(id: i64) -> _ {
    let row: AsSelect<ProductRow, Sqlite> = ProductRow::as_select();
    products::table.filter(products::deleted_at.is_null()).filter(products::id.eq(id)).select(row)
}

/// The same on PostgreSQL.
#[diesel::dsl::auto_type]
pub(crate) fn live_product_of_server(id: i64) -> _ {
    let row: AsSelect<ProductRow, Pg> = ProductRow::as_select();
    products::table.filter(products::deleted_at.is_null()).filter(products::id.eq(id)).select(row)
}

/// How many products are stored there.
pub(crate) fn count(database: &Path) -> Result<usize, Failure> {
    let mut conn = connect(database.to_str().ok_or("the path is no UTF-8")?)?;
    let stored: i64 = products::table.count().get_result(&mut conn)?;
    Ok(usize::try_from(stored)?)
}

/// The answer of a counterpart that cannot do its work: it ends the benchmark.
pub(crate) fn failed(failure: &Failure) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, failure.to_string()).into_response()
}
