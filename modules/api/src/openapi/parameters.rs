//! Parameters that several operations take.

use utoipa::IntoParams;

/// What a list finds, and in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// up to 12 words that all begin a word of the name, the description or the category, in any script; 400 if it would find too much to be answered in time
    search: Option<String>,
    /// id, name (by Unicode's root collation), price, stock, created_at, updated_at, relevance; with - before it to descend
    order: Option<String>,
}

/// A numbered page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NumberedPageParameters {
    /// 1 by default
    #[param(minimum = 1)]
    page: Option<i64>,
    /// products on the page, 20 by default
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// How fresh a product must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct FreshnessHeaders {
    /// 304 when the product still has this tag
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// `no-cache` reads the database
    #[param(rename = "Cache-Control")]
    cache_control: Option<String>,
    /// passes over copies of an older version
    #[param(rename = "X-Min-Version")]
    x_min_version: Option<u64>,
}
