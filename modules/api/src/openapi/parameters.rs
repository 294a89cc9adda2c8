//! Parameters that several operations take.

use utoipa::IntoParams;

/// What a list finds, and in which order.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParameters {
    /// Up to 12 words, in any script. Each must be the beginning of a word in the name, the description or the category. 400 if
    /// there are too many matches to answer in time
    search: Option<String>,
    /// id, name (Unicode root collation), price, stock, created_at, updated_at or relevance; a leading `-` means descending
    order: Option<String>,
}

/// A numbered page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NumberedPageParameters {
    /// Number of the page, from 1; default 1
    #[param(minimum = 1)]
    page: Option<i64>,
    /// Products per page; default 20
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
}

/// How fresh a product must be.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct FreshnessHeaders {
    /// 304 if the product still has this tag
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
    /// `no-cache` bypasses the caches and reads the database
    #[param(rename = "Cache-Control")]
    cache_control: Option<String>,
    /// Cached copies of an older version are not used
    #[param(rename = "X-Min-Version")]
    x_min_version: Option<u64>,
}
