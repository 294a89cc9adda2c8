//! The schemas of the catalogue and of problems.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

/// A product.
#[derive(ToSchema)]
#[schema(as = Product)]
pub(crate) struct ProductSchema {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    #[schema(max_length = 1000)]
    description: String,
    /// Exact decimal with at most two decimals.
    #[schema(exclusive_minimum = 0, maximum = 1_000_000_000)]
    price: f64,
    #[schema(minimum = 0)]
    stock: i64,
    #[schema(max_length = 100)]
    category: String,
    organization_id: i64,
    schema_id: i64,
    /// Increases by one with each change.
    #[schema(minimum = 1)]
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// The fields of a product that a client sets. A new product needs `name` and `price`. In an update, omitted fields
/// stay unchanged.
#[derive(ToSchema)]
#[schema(as = ProductInput)]
pub(crate) struct ProductInputSchema {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    #[schema(max_length = 1000, default = "")]
    description: Option<String>,
    #[schema(exclusive_minimum = 0, maximum = 1_000_000_000)]
    price: Option<f64>,
    #[schema(minimum = 0, default = 0)]
    stock: Option<i64>,
    #[schema(max_length = 100, default = "")]
    category: Option<String>,
    #[schema(default = 1)]
    organization_id: Option<i64>,
    #[schema(default = 1)]
    schema_id: Option<i64>,
    #[serde(flatten)]
    details: DetailsInputSchema,
}

/// A product, with where it came from.
#[derive(ToSchema)]
#[schema(as = ProductAnswer)]
pub(crate) struct ProductAnswerSchema {
    product: ProductSchema,
    /// Whether the response came from a cache, without reading the database.
    from_cache: bool,
    /// Duration of the lookup in milliseconds.
    duration_ms: f64,
}

/// A page of the list.
#[derive(ToSchema)]
#[schema(as = ProductPage)]
pub(crate) struct PageSchema {
    products: Vec<ProductSchema>,
    /// Number of products in the whole list.
    total: i64,
    offset: i64,
    limit: i32,
    /// Cursor of the next page; `null` on the last page.
    next_cursor: Option<String>,
    from_cache: bool,
    duration_ms: f64,
}

/// The response format of `/products`.
#[derive(ToSchema)]
#[schema(as = Envelope)]
pub(crate) struct EnvelopeSchema {
    /// `success` or `error`.
    status: String,
    message: String,
    data: Option<EnvelopeDataSchema>,
    /// `cache` or `database`.
    source: Option<String>,
}

#[derive(ToSchema)]
#[schema(as = EnvelopeData)]
struct EnvelopeDataSchema {
    id: String,
    name: String,
    price: f64,
    last_updated: DateTime<Utc>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemSchema {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    request_id: String,
    /// The invalid fields of the request; at most 100.
    errors: Option<Vec<FieldErrorSchema>>,
    /// Number of further errors that are not listed.
    more_errors: Option<usize>,
}

#[derive(ToSchema)]
#[schema(as = FieldError)]
pub(crate) struct FieldErrorSchema {
    field: String,
    message: String,
}

#[derive(ToSchema)]
#[schema(as = Organization)]
pub(crate) struct OrganizationSchema {
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

/// The fields that the details of a kind of product have.
#[derive(ToSchema)]
#[schema(as = Schema)]
pub(crate) struct SchemaSchema {
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
    /// The choices of a `select`.
    options: Option<Vec<String>>,
}

/// The fields of a schema that a client sets. A new schema needs `name`. In an update, omitted fields stay unchanged.
#[derive(ToSchema)]
#[schema(as = SchemaInput)]
pub(crate) struct SchemaInputSchema {
    #[schema(min_length = 1, max_length = 255)]
    name: Option<String>,
    /// Of a new schema; default 1.
    organization_id: Option<i64>,
    #[schema(max_items = 100)]
    fields: Option<Vec<SchemaFieldSchema>>,
}

/// A numbered page.
#[derive(ToSchema)]
#[schema(as = MemberPage)]
pub(crate) struct MemberPageSchema {
    products: Vec<ProductSchema>,
    /// Number of products in the whole list.
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
    /// In a request: the id of the image to replace; omit it to add an image.
    id: Option<i64>,
    /// Absolute URL, `http` or `https`.
    #[schema(max_length = 2048)]
    url: String,
    #[schema(max_length = 500, default = "")]
    alt: Option<String>,
    /// Default: the index in the list.
    #[schema(minimum = 0)]
    position: Option<i64>,
}

/// `fields` and `images` are each replaced as a whole. What is omitted stays unchanged.
#[derive(ToSchema)]
#[schema(as = DetailsInput)]
pub(crate) struct DetailsInputSchema {
    /// Values by field name, as the schema defines them.
    fields: Option<BTreeMap<String, Value>>,
    #[schema(max_items = 100)]
    images: Option<Vec<ImageSchema>>,
}

#[derive(ToSchema)]
#[schema(as = DetailsAnswer)]
pub(crate) struct DetailsAnswerSchema {
    product: ProductSchema,
    fields: BTreeMap<String, Value>,
    /// Ordered by position.
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
#[schema(as = BulkDelete)]
pub(crate) struct BulkDeleteSchema {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<i64>,
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
