//! `/api/v1/schemas`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use hotshelf_database::Database;
use hotshelf_domain::{History, Schema, SchemaDraft, SchemaId, StoreError};
use hotshelf_product::ProductService;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::JsonBody;
use crate::caller::Caller;
use crate::conditions::expectation;
use crate::openapi::{WriteConditions, schemas};
use crate::params::IdPath;
use crate::problem::Problem;
use crate::reply::tagged;

#[derive(Serialize, ToSchema)]
struct SchemaAnswer {
    #[schema(value_type = schemas::Schema)]
    schema: Schema,
}

/// Creates a schema.
#[utoipa::path(
    post, path = "/api/v1/schemas", tag = "schemas", request_body = schemas::NewSchema,
    responses((status = 201, body = SchemaAnswer, headers(("Location" = String))))
)]
pub(crate) async fn create(
    State(repository): State<Database>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    let mut draft = SchemaDraft::from_json(&body)?;
    draft.organization_id = caller.home(draft.organization_id)?;
    let history = repository.history();
    let schema = repository.create_schema(draft.into_new()?).await?;
    let location = [(header::LOCATION, format!("/api/v1/schemas/{}", schema.id))];
    Ok((StatusCode::CREATED, location, answer(schema, history)))
}

/// Returns a schema.
#[utoipa::path(
    get, path = "/api/v1/schemas/{id}", tag = "schemas",
    responses(
        (status = 200, body = SchemaAnswer),
        (status = 404, description = "the schema does not exist"),
    )
)]
pub(crate) async fn get(
    State(repository): State<Database>,
    caller: Caller,
    IdPath(id): IdPath<SchemaId>,
) -> Result<impl IntoResponse, Problem> {
    let found = repository.schema(id).await?;
    let schema = found
        .filter(|found| id == SchemaId::BUILT_IN || caller.sees(found.organization_id))
        .ok_or(StoreError::NoSuchSchema(id))?;
    Ok(answer(schema, repository.history()))
}

/// Updates a schema. `fields` is replaced as a whole. The update is refused if existing products would no longer match.
#[utoipa::path(
    put, path = "/api/v1/schemas/{id}", tag = "schemas", request_body = schemas::SchemaChange,
    params(WriteConditions),
    responses(
        (status = 200, body = SchemaAnswer),
        (status = 404, description = "the schema does not exist"),
        (status = 409, description = "existing products would no longer match the schema, or the schema is built in"),
        (status = 412, description = "the schema has changed"),
    )
)]
pub(crate) async fn update(
    State(products): State<ProductService>,
    State(repository): State<Database>,
    caller: Caller,
    IdPath(id): IdPath<SchemaId>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.members_of_schema(&products, id).await?;
    let patch = SchemaDraft::from_json(&body)?.into_patch()?;
    let history = repository.history();
    let schema = repository.update_schema(id, patch, expectation(&headers, id.get())?).await?;
    Ok(answer(schema, history))
}

/// The answer that is a schema, with its ETag.
fn answer(schema: Schema, history: History) -> impl IntoResponse {
    (tagged(schema.id.get(), schema.version, history), Json(SchemaAnswer { schema }))
}
