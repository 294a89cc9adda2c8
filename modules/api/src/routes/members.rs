//! The products of an organization or of a schema: `/api/v1/organizations/{id}/products`, `…/product-ids`, and the
//! same of schemas.

use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use hotshelf_cache::Source;
use hotshelf_domain::{OrganizationId, ProductScope, SchemaId};
use hotshelf_product::{ProductIds, ProductService};

use crate::caller::Caller;
use crate::compression::Compression;
use crate::conditions::{freshness, page_tag};
use crate::openapi::{NumberedPageParameters, SearchParameters, schemas};
use crate::params::{IdPath, MemberPageQuery};
use crate::problem::Problem;
use crate::reply::{Spliced, cacheable, splice_origin, streamed};

/// Returns a page of the products of an organization.
#[utoipa::path(
    get, path = "/api/v1/organizations/{id}/products", tag = "organizations",
    params(NumberedPageParameters, SearchParameters),
    responses(
        (status = 200, body = schemas::MemberPage),
        (status = 304, description = "not modified"),
        (status = 400, description = "a parameter is invalid"),
        (status = 404, description = "the organization does not exist"),
    )
)]
pub(crate) async fn of_organization(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    IdPath(id): IdPath<OrganizationId>,
    query: MemberPageQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    page(&products, &compression, caller.members_of_organization(id)?, query, &headers).await
}

/// Returns a page of the products of a schema.
#[utoipa::path(
    get, path = "/api/v1/schemas/{id}/products", tag = "schemas",
    params(NumberedPageParameters, SearchParameters),
    responses(
        (status = 200, body = schemas::MemberPage),
        (status = 304, description = "not modified"),
        (status = 400, description = "a parameter is invalid"),
        (status = 404, description = "the schema does not exist"),
    )
)]
pub(crate) async fn of_schema(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    IdPath(id): IdPath<SchemaId>,
    query: MemberPageQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    page(&products, &compression, caller.members_of_schema(&products, id).await?, query, &headers).await
}

/// Returns the ids of all products of an organization, in ascending order. Long lists are streamed.
#[utoipa::path(
    get, path = "/api/v1/organizations/{id}/product-ids", tag = "organizations",
    responses(
        (status = 200, body = schemas::ProductIds),
        (status = 404, description = "the organization does not exist"),
    )
)]
pub(crate) async fn ids_of_organization(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    IdPath(id): IdPath<OrganizationId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ids(&products, &compression, caller.members_of_organization(id)?, &headers).await
}

/// Returns the ids of all products of a schema, in ascending order. Long lists are streamed.
#[utoipa::path(
    get, path = "/api/v1/schemas/{id}/product-ids", tag = "schemas",
    responses(
        (status = 200, body = schemas::ProductIds),
        (status = 404, description = "the schema does not exist"),
    )
)]
pub(crate) async fn ids_of_schema(
    State(products): State<ProductService>,
    State(compression): State<Compression>,
    caller: Caller,
    IdPath(id): IdPath<SchemaId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    ids(&products, &compression, caller.members_of_schema(&products, id).await?, &headers).await
}

async fn page(
    products: &ProductService,
    compression: &Compression,
    members: ProductScope,
    query: MemberPageQuery,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let begin = Instant::now();
    let page = products.member_page(query.of(members), freshness(headers)?).await?;
    let body = Spliced::timed("", &page.open_json, page.source, begin);
    Ok(cacheable(compression, headers, page_tag(page.revision), body))
}

async fn ids(
    products: &ProductService,
    compression: &Compression,
    members: ProductScope,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    Ok(match products.product_ids(members, freshness(headers)?).await? {
        ProductIds::Whole { open_json, revision, source } => {
            cacheable(compression, headers, page_tag(revision), Spliced::untimed(&open_json, source))
        }
        ProductIds::Many => {
            let rest = stream::once(async { Ok(splice_origin(b"", Source::Bypassed)) });
            let body = Body::from_stream(products.product_ids_in_pieces(members).chain(rest));
            streamed(body, Source::Bypassed)
        }
    })
}
