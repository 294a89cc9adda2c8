//! The schemas of the catalogue and of problems.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use utoipa::ToSchema;

use super::rules::{
    alt, category, choices, description, exact_name, ids, image_url, name, plain, price, select, values,
};

/// A product.
#[derive(ToSchema)]
pub(crate) struct Product {
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

/// A product to create.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProduct {
    #[schema(schema_with = name)]
    name: String,
    #[schema(schema_with = description)]
    description: Option<String>,
    #[schema(schema_with = price)]
    price: f64,
    #[schema(minimum = 0, default = 0)]
    stock: Option<i64>,
    #[schema(schema_with = category)]
    category: Option<String>,
    #[schema(minimum = 1, default = 1)]
    organization_id: Option<i64>,
    #[schema(minimum = 1, default = 1)]
    schema_id: Option<i64>,
    #[schema(schema_with = values)]
    fields: Option<BTreeMap<String, Value>>,
    #[schema(max_items = 100)]
    images: Option<Vec<ImageInput>>,
}

/// The fields of a product to change. Omitted fields stay unchanged. Fields and images are changed with the details.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductChange {
    #[schema(schema_with = name)]
    name: Option<String>,
    #[schema(schema_with = description)]
    description: Option<String>,
    #[schema(schema_with = price)]
    price: Option<f64>,
    #[schema(minimum = 0)]
    stock: Option<i64>,
    #[schema(schema_with = category)]
    category: Option<String>,
    #[schema(minimum = 1)]
    organization_id: Option<i64>,
    #[schema(minimum = 1)]
    schema_id: Option<i64>,
}

/// A product, with where it came from.
#[derive(ToSchema)]
pub(crate) struct ProductAnswer {
    product: Product,
    /// Whether the response came from a cache, without reading the database.
    from_cache: bool,
    /// Duration of the lookup in milliseconds.
    duration_ms: f64,
}

/// A page of the list.
#[derive(ToSchema)]
pub(crate) struct ProductPage {
    products: Vec<Product>,
    /// Number of products in the whole list.
    total: i64,
    offset: i64,
    limit: i32,
    /// Cursor of the next page; `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    from_cache: bool,
    duration_ms: f64,
}

/// The products of a list of ids.
#[derive(ToSchema)]
pub(crate) struct ProductsById {
    /// In the order of the request.
    products: Vec<Product>,
    /// The ids of products that do not exist.
    missing: Vec<i64>,
    from_cache: bool,
    duration_ms: f64,
}

/// A page or, with `ids`, exactly these products.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum ProductList {
    Page(ProductPage),
    ById(ProductsById),
}

/// The response format of `/products`.
#[derive(ToSchema)]
pub(crate) struct Envelope {
    /// `success` or `error`.
    status: String,
    message: String,
    data: Option<EnvelopeData>,
    /// `cache` or `database`.
    source: Option<String>,
}

#[derive(ToSchema)]
struct EnvelopeData {
    id: String,
    name: String,
    price: f64,
    last_updated: DateTime<Utc>,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
pub(crate) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    request_id: String,
    /// The invalid fields of the request; at most 100.
    errors: Option<Vec<FieldError>>,
    /// Number of further errors that are not listed.
    more_errors: Option<usize>,
}

#[derive(ToSchema)]
pub(crate) struct FieldError {
    field: String,
    message: String,
}

#[derive(ToSchema)]
pub(crate) struct Organization {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// `true` if an operator has suspended it: nobody who belongs to it is let in. Otherwise missing.
    suspended: Option<bool>,
    created_at: DateTime<Utc>,
}

/// A change of an organization. What it does not name stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationChange {
    /// Whether it is to be suspended.
    suspended: Option<bool>,
    /// All quotas of its own. Where one is missing, the setting of the service holds.
    quotas: Option<Quotas>,
}

/// What an organization may have at most.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quotas {
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    products: Option<i64>,
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    users: Option<i64>,
    #[schema(minimum = 0, maximum = 4_294_967_295_i64)]
    schemas: Option<i64>,
}

/// What an organization has, and may have.
#[derive(ToSchema)]
pub(crate) struct OrganizationUsage {
    products: Usage,
    users: Usage,
    schemas: Usage,
}

#[derive(ToSchema)]
pub(crate) struct Usage {
    used: i64,
    /// `null` without a limit.
    #[schema(required)]
    limit: Option<i64>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrganizationInput {
    #[schema(schema_with = name)]
    name: String,
}

/// The fields that the details of a kind of product have.
#[derive(ToSchema)]
pub(crate) struct Schema {
    #[schema(minimum = 1)]
    id: i64,
    organization_id: i64,
    name: String,
    fields: Vec<SchemaField>,
    version: i64,
}

#[derive(ToSchema)]
struct SchemaField {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// `text`, `number`, `boolean`, `date` or `select`.
    r#type: String,
    #[schema(default = false)]
    required: Option<bool>,
    /// The choices of a `select`.
    options: Option<Vec<String>>,
}

/// A schema to create.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSchema {
    #[schema(schema_with = name)]
    name: String,
    #[schema(minimum = 1, default = 1)]
    organization_id: Option<i64>,
    #[schema(max_items = 100)]
    fields: Option<Vec<SchemaFieldInput>>,
}

/// The parts of a schema to change. Omitted parts stay unchanged; `fields` is replaced as a whole.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SchemaChange {
    #[schema(schema_with = name)]
    name: Option<String>,
    #[schema(max_items = 100)]
    fields: Option<Vec<SchemaFieldInput>>,
}

/// A field of a schema. The names of a schema's fields differ from each other.
#[derive(ToSchema)]
#[serde(untagged)]
enum SchemaFieldInput {
    Select(SelectFieldInput),
    Plain(PlainFieldInput),
}

/// A field that has one of several values.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct SelectFieldInput {
    #[schema(schema_with = exact_name)]
    name: String,
    #[schema(schema_with = select)]
    r#type: String,
    #[schema(default = false)]
    required: Option<bool>,
    #[schema(schema_with = choices)]
    options: Vec<String>,
}

/// A field of text, a number, a boolean or a date.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PlainFieldInput {
    #[schema(schema_with = exact_name)]
    name: String,
    #[schema(schema_with = plain)]
    r#type: String,
    #[schema(default = false)]
    required: Option<bool>,
    #[schema(max_items = 0)]
    options: Option<Vec<String>>,
}

/// A numbered page.
#[derive(ToSchema)]
pub(crate) struct MemberPage {
    products: Vec<Product>,
    /// Number of products in the whole list.
    total: i64,
    page: i64,
    limit: i32,
    pages: i64,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
pub(crate) struct ProductIds {
    ids: Vec<i64>,
    total: i64,
    from_cache: bool,
}

#[derive(ToSchema)]
struct Image {
    #[schema(minimum = 1)]
    id: i64,
    url: String,
    alt: String,
    #[schema(minimum = 0)]
    position: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ImageInput {
    /// The id of the image to replace; omit it to add an image.
    #[schema(minimum = 1)]
    id: Option<i64>,
    #[schema(schema_with = image_url)]
    url: String,
    #[schema(schema_with = alt)]
    alt: Option<String>,
    /// Default: the index in the list.
    #[schema(minimum = 0)]
    position: Option<i64>,
}

/// `fields` and `images` are each replaced as a whole. What is omitted stays unchanged.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DetailsInput {
    #[schema(schema_with = values)]
    fields: Option<BTreeMap<String, Value>>,
    #[schema(max_items = 100)]
    images: Option<Vec<ImageInput>>,
}

#[derive(ToSchema)]
pub(crate) struct DetailsAnswer {
    product: Product,
    fields: BTreeMap<String, Value>,
    /// Ordered by position.
    images: Vec<Image>,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
pub(crate) struct DetailsWritten {
    product: Product,
    fields: BTreeMap<String, Value>,
    images: Vec<Image>,
    message: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkInput {
    #[schema(min_items = 1, max_items = 1000)]
    products: Vec<NewProduct>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkDelete {
    #[schema(schema_with = ids)]
    ids: Vec<i64>,
}

#[derive(ToSchema)]
pub(crate) struct Analytics {
    generated_at: DateTime<Utc>,
    total: i64,
    organizations: Vec<OrganizationReport>,
    categories: Vec<CategoryReport>,
    from_cache: bool,
    duration_ms: f64,
}

#[derive(ToSchema)]
struct OrganizationReport {
    organization_id: i64,
    products: i64,
    in_stock: i64,
    min_price: f64,
    max_price: f64,
}

#[derive(ToSchema)]
struct CategoryReport {
    organization_id: i64,
    category: String,
    products: i64,
    in_stock: i64,
    min_price: f64,
    max_price: f64,
}
