//! The shapes of the catalogue around the products.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use super::{FieldErrorSchema, ProductInputSchema, ProductSchema};

#[derive(ToSchema)]
#[schema(as = Organization)]
struct OrganizationSchema {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    created_at: DateTime<Utc>,
}

#[derive(ToSchema)]
#[schema(as = OrganizationInput)]
pub(crate) struct OrganizationInputSchema {
    #[schema(min_length = 1, max_length = 255)]
    name: String,
}

#[derive(ToSchema)]
#[schema(as = OrganizationAnswer)]
pub(crate) struct OrganizationAnswerSchema {
    organization: OrganizationSchema,
}

#[derive(ToSchema)]
#[schema(as = Organizations)]
pub(crate) struct OrganizationsSchema {
    organizations: Vec<OrganizationSchema>,
}

/// What details a kind of product has.
#[derive(ToSchema)]
#[schema(as = Schema)]
struct SchemaSchema {
    #[schema(minimum = 1)]
    id: i64,
    organization_id: i64,
    name: String,
    fields: Vec<SchemaFieldSchema>,
    version: i64,
}

#[derive(ToSchema)]
#[schema(as = SchemaField)]
struct SchemaFieldSchema {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `text`, `number`, `boolean`, `date` or `select`.
    r#type: String,
    #[schema(default = false)]
    required: Option<bool>,
    /// Of a `select`: what there is to choose from.
    options: Option<Vec<String>>,
}

/// The fields of a schema that a client sets. To create one, `name` is required; in an update, what is left out stays.
#[derive(ToSchema)]
#[schema(as = SchemaInput)]
pub(crate) struct SchemaInputSchema {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Of a new one; 1 by default.
    organization_id: Option<i64>,
    #[schema(max_items = 100)]
    fields: Option<Vec<SchemaFieldSchema>>,
}

#[derive(ToSchema)]
#[schema(as = SchemaAnswer)]
pub(crate) struct SchemaAnswerSchema {
    schema: SchemaSchema,
}

/// A numbered page.
#[derive(ToSchema)]
#[schema(as = MemberPage)]
pub(crate) struct MemberPageSchema {
    products: Vec<ProductSchema>,
    /// Of the whole list.
    total: i64,
    page: i64,
    limit: i32,
    pages: i64,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
#[schema(as = ProductIds)]
pub(crate) struct ProductIdsSchema {
    ids: Vec<i64>,
    total: i64,
    from_cache: bool,
}

#[derive(ToSchema)]
#[schema(as = Image)]
struct ImageSchema {
    /// In a request: of the image that this one replaces; a new one when left out.
    id: Option<i64>,
    /// Absolute, `http` or `https`.
    #[schema(max_length = 2048)]
    url: String,
    #[schema(max_length = 500, default = "")]
    alt: Option<String>,
    /// Its place in the list when left out.
    #[schema(minimum = 0)]
    position: Option<i64>,
}

/// What is left out stays; what is given replaces what was there, as a whole.
#[derive(ToSchema)]
#[schema(as = DetailsInput)]
pub(crate) struct DetailsInputSchema {
    /// By the names of the schema's fields.
    fields: Option<BTreeMap<String, Value>>,
    #[schema(max_items = 100)]
    images: Option<Vec<ImageSchema>>,
}

#[derive(ToSchema)]
#[schema(as = DetailsAnswer)]
pub(crate) struct DetailsAnswerSchema {
    product: ProductSchema,
    fields: BTreeMap<String, Value>,
    /// By position.
    images: Vec<ImageSchema>,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
#[schema(as = DetailsWritten)]
pub(crate) struct DetailsWrittenSchema {
    product: ProductSchema,
    fields: BTreeMap<String, Value>,
    images: Vec<ImageSchema>,
    message: String,
}

#[derive(ToSchema)]
#[schema(as = BulkInput)]
pub(crate) struct BulkInputSchema {
    #[schema(min_items = 1, max_items = 1000)]
    products: Vec<ProductInputSchema>,
}

#[derive(ToSchema)]
#[schema(as = BulkCreated)]
pub(crate) struct BulkCreatedSchema {
    /// In the order of the request.
    created: Vec<i64>,
    errors: Vec<BulkErrorSchema>,
}

#[derive(ToSchema)]
#[schema(as = BulkError)]
struct BulkErrorSchema {
    /// The product's place in the request, from 0.
    index: usize,
    /// A hundred in the whole answer, and the first one of each product in any case.
    errors: Vec<FieldErrorSchema>,
    /// How many errors the product has beside those.
    more_errors: Option<usize>,
}

#[derive(ToSchema)]
#[schema(as = BulkDelete)]
pub(crate) struct BulkDeleteSchema {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<i64>,
}

#[derive(ToSchema)]
#[schema(as = BulkDeleted)]
pub(crate) struct BulkDeletedSchema {
    deleted: Vec<i64>,
    missing: Vec<i64>,
}

#[derive(ToSchema)]
#[schema(as = Analytics)]
pub(crate) struct AnalyticsSchema {
    generated_at: DateTime<Utc>,
    total: i64,
    organizations: Vec<OrganizationReportSchema>,
    categories: Vec<CategoryReportSchema>,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
#[schema(as = OrganizationReport)]
struct OrganizationReportSchema {
    organization_id: i64,
    products: i64,
    in_stock: i64,
    min_price: f64,
    max_price: f64,
}

#[derive(ToSchema)]
#[schema(as = CategoryReport)]
struct CategoryReportSchema {
    organization_id: i64,
    category: String,
    products: i64,
    in_stock: i64,
    min_price: f64,
    max_price: f64,
}

#[derive(ToSchema)]
#[schema(as = CacheDeleted)]
pub(crate) struct CacheDeletedSchema {
    deleted: u64,
}
