//! Parameters that several operations take.

use chrono::{DateTime, Utc};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle};

use super::rules;

/// A page of the list of products.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// Number of products to skip; default 0
    #[param(minimum = 0)]
    offset: Option<i64>,
    /// Products per page; default 20
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the previous page, with the same filters and order; replaces `offset`
    #[param(pattern = "^[A-Za-z0-9_-]{27,}$")]
    cursor: Option<String>,
}

/// Search and order of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// Up to 12 words, in any script. Each must be the beginning of a word in the name, the description or the
    /// category. 400 if there are too many matches to answer in time
    #[param(max_length = 200)]
    search: Option<String>,
    /// id, name (Unicode root collation), price, stock, created_at, updated_at or relevance; a leading `-` means
    /// descending
    #[param(pattern = "^(-?(id|name|price|stock|created_at|updated_at|relevance))?$")]
    order: Option<String>,
}

/// Filters of the list of users.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserParameters {
    /// Other than one's own: for operators
    #[param(minimum = 1)]
    organization_id: Option<i64>,
    /// The user with this e-mail address; operators find it in any organization
    email: Option<String>,
}

/// Filters of the list of products.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterParameters {
    /// Exact category
    #[param(max_length = 100)]
    category: Option<String>,
    #[param(minimum = 1)]
    organization_id: Option<i64>,
    #[param(minimum = 1)]
    schema_id: Option<i64>,
    /// Lowest price; 0 is no bound
    #[param(minimum = 0, maximum = 1_000_000_000, multiple_of = 0.01)]
    min_price: Option<f64>,
    /// Highest price
    #[param(minimum = 0.01, maximum = 1_000_000_000, multiple_of = 0.01)]
    max_price: Option<f64>,
    in_stock: Option<bool>,
}

/// The list of certain products.
pub(crate) struct IdsParameter;

/// By hand, because the attributes cannot say that commas separate the ids.
impl IntoParams for IdsParameter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "Up to 1,000 ids, separated by commas; excludes all other parameters. The response lists \
                    `products` in this order, and the ids that are `missing`";
        let ids = ParameterBuilder::new().name("ids").parameter_in(ParameterIn::Query).description(Some(text));
        vec![ids.style(Some(ParameterStyle::Form)).explode(Some(false)).schema(Some(rules::ids())).build()]
    }
}

/// A page of API keys.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyPageParameters {
    /// `next_cursor` of the previous page
    cursor: Option<String>,
    /// Keys per page; default 20
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Filters of the audit log.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParameters {
    /// For admins of organization 1, who see the entries of all organizations if they name none
    #[param(minimum = 1)]
    organization_id: Option<i64>,
    /// What was done
    #[param(schema_with = rules::audit_action)]
    action: Option<String>,
    /// What was done as this user
    #[param(minimum = 1)]
    user_id: Option<i64>,
    /// Not older than this
    since: Option<DateTime<Utc>>,
    /// Older than this
    until: Option<DateTime<Utc>>,
    /// `next_cursor` of the previous page, with the same filters
    cursor: Option<String>,
    /// Entries per page; default 20
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// A numbered page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NumberedPageParameters {
    /// Number of the page, from 1; default 1
    #[param(minimum = 1, maximum = 1_000_000_000_000_i64)]
    page: Option<i64>,
    /// Products per page; default 20
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// Conditional reads and freshness.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct FreshnessHeaders {
    /// 304 if the product still has this tag
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// 412 unless the product still has this tag
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `no-cache` bypasses the caches and reads the database
    #[param(rename = "Cache-Control")]
    cache_control: Option<String>,
    /// Cached copies of an older version are not used
    #[param(rename = "X-Min-Version", pattern = "^[0-9]{1,19}$")]
    x_min_version: Option<String>,
}

/// What a write expects of the state that it changes. If it does not hold: 412, and nothing is changed.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct WriteConditions {
    /// The product or schema has one of these tags
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// The product or schema has none of these tags
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// The product was not changed after this time, an HTTP date. Ignored beside `If-Match`
    #[param(rename = "If-Unmodified-Since")]
    if_unmodified_since: Option<String>,
}
