//! `/api/v1/products/bulk` and `/api/v1/products/bulk-delete`.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hotshelf_domain::{
    AtMost, ErrorRoom, FieldError, FieldErrors, Integer, Invalid, NewProduct, ProductDraft, ProductId, StoreError,
};
use hotshelf_product::ProductService;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use crate::actor::By;
use crate::body::JsonBody;
use crate::caller::Caller;
use crate::openapi::schemas;
use crate::params::QueryReader;
use crate::problem::Problem;

/// Products in one request.
const MOST: usize = 1_000;

/// Larger bodies (bytes) are parsed on the blocking pool: megabytes would hold up other requests.
const AT_ONCE: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Products<'a> {
    #[serde(borrow)]
    products: AtMost<&'a RawValue, MOST>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    ids: AtMost<Integer, MOST>,
}

#[derive(Serialize, ToSchema)]
struct BulkCreated {
    /// Ids of the stored products, in the order of the request.
    #[schema(value_type = Vec<i64>)]
    created: Vec<ProductId>,
    errors: Vec<BulkError>,
}

#[derive(Serialize, ToSchema)]
struct BulkError {
    /// Index of the product in the request, from 0.
    index: usize,
    /// At most 100 errors in the whole response, but at least one per invalid product.
    #[schema(value_type = Vec<schemas::FieldError>)]
    errors: FieldErrors,
    /// Number of further errors of this product that are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_errors: Option<usize>,
}

#[derive(Serialize, ToSchema)]
struct BulkDeleted {
    #[schema(value_type = Vec<i64>)]
    deleted: Vec<ProductId>,
    #[schema(value_type = Vec<i64>)]
    missing: Vec<ProductId>,
}

/// Creates up to 1,000 products in one transaction: the valid ones or, with `atomic=true`, all or none.
#[utoipa::path(
    post, path = "/api/v1/products/bulk", tag = "bulk", request_body = schemas::BulkInput,
    params(("atomic" = Option<bool>, Query, description = "Store all products or none; default false")),
    responses(
        (status = 201, body = BulkCreated),
        (status = 400, description = "the body is not a list of products; \
            or, with `atomic`, some products are invalid: `errors` lists every invalid field"),
    )
)]
pub(crate) async fn create(
    State(products): State<ProductService>,
    caller: Caller,
    query: QueryReader,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let atomic = query.only_flag("atomic")?;
    let Drafts { new, places, mut invalid, mut room } = match body.len() > AT_ONCE {
        false => Drafts::read(&body, &caller)?,
        true => {
            let read = spawn_blocking(move || Drafts::read(&body, &caller)).await;
            read.map_err(Problem::internal).flatten()?
        }
    };
    if atomic && !invalid.is_empty() {
        return Err(StoreError::InvalidMany(invalid).into());
    }
    let stored = if new.is_empty() { Vec::new() } else { products.create_many(new, atomic).await? };
    let mut created = Vec::new();
    for (index, stored) in places.into_iter().zip(stored) {
        match stored {
            Ok(id) => created.push(id),
            Err(reason) => invalid.push((index, room.fit(reason))),
        }
    }
    invalid.sort_by_key(|(index, _)| *index);
    let bad = |(index, Invalid(errors)): (usize, Invalid)| {
        let more_errors = Some(errors.more()).filter(|more| *more > 0);
        BulkError { index, errors, more_errors }
    };
    let errors = invalid.into_iter().map(bad).collect();
    Ok((StatusCode::CREATED, Json(BulkCreated { created, errors })).into_response())
}

/// Deletes up to 1,000 products.
#[utoipa::path(
    post, path = "/api/v1/products/bulk-delete", tag = "bulk", request_body = schemas::BulkDelete,
    responses(
        (status = 200, body = BulkDeleted),
        (status = 400, description = "the body is not a valid list of ids"),
        (status = 409, description = "one of the products is being updated, try again"),
    )
)]
pub(crate) async fn delete(
    State(products): State<ProductService>,
    caller: Caller,
    By(by): By,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let Ids { ids } = object(&body, "ids")?;
    let ids = bounded("ids", ids)?;
    let positive = |(index, Integer(id)): (usize, Integer)| {
        ProductId::new(id).ok_or_else(|| wrong(&format!("ids[{index}]"), "must be a positive integer"))
    };
    let mut ids = ids.into_iter().enumerate().map(positive).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    ids.retain(|id| seen.insert(*id));
    let seen = match caller.scope() {
        None => ids.clone(),
        Some(own) => products.of_organization(&ids, own).await?,
    };
    let deleted = if seen.is_empty() { Vec::new() } else { products.delete_many(seen, by).await? };
    let gone: HashSet<_> = deleted.iter().collect();
    let missing = ids.into_iter().filter(|id| !gone.contains(id)).collect();
    Ok(Json(BulkDeleted { deleted, missing }).into_response())
}

/// What was sent, as far as that can be said without the database.
struct Drafts {
    new: Vec<NewProduct>,
    /// Where each of them is in the request.
    places: Vec<usize>,
    invalid: Vec<(usize, Invalid)>,
    room: ErrorRoom,
}

impl Drafts {
    fn read(body: &[u8], caller: &Caller) -> Result<Self, Problem> {
        let Products { products } = object(body, "products")?;
        let products = bounded("products", products)?;
        let (mut new, mut places, mut invalid) = (Vec::new(), Vec::new(), Vec::new());
        let mut room = ErrorRoom::default();
        for (index, product) in products.into_iter().enumerate() {
            match read(product, caller) {
                Ok(product) => {
                    new.push(product);
                    places.push(index);
                }
                Err(reason) => invalid.push((index, room.fit(reason))),
            }
        }
        Ok(Drafts { new, places, invalid, room })
    }
}

fn read(product: &RawValue, caller: &Caller) -> Result<NewProduct, Invalid> {
    let mut draft = ProductDraft::from_json(product.get().as_bytes())
        .map_err(|_| Invalid::one("product", "must be a JSON object"))?;
    draft.organization_id =
        caller.home(draft.organization_id).map_err(|_| Invalid::one("organization_id", "must be your own"))?;
    draft.into_new()
}

/// The body, an object with a list of that name.
fn object<'a, T: Deserialize<'a>>(body: &'a [u8], list: &str) -> Result<T, Problem> {
    let expected = format!("the request body must be a JSON object with a list of {list}");
    // A list of its fields would do for serde.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::bad_request(expected));
    }
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(format!("{expected}: {error}")))
}

fn bounded<T>(field: &str, list: AtMost<T, MOST>) -> Result<Vec<T>, Problem> {
    let wrong = |message: &str| Err(wrong(field, message));
    match list {
        AtMost { more: 1.., .. } => wrong("must be at most 1,000"),
        AtMost { elements, .. } if elements.is_empty() => wrong("must not be empty"),
        AtMost { elements, .. } => Ok(elements),
    }
}

fn wrong(field: &str, message: &str) -> Problem {
    Problem::bad_parameters(FieldError::new(field, message))
}
