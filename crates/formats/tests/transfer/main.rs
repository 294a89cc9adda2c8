//! What files of each format become.

#![expect(clippy::expect_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod csv;
mod json_lines;
mod recognition;
mod round_trip;
mod shopify;
mod streaming;
mod support;
mod woocommerce;
