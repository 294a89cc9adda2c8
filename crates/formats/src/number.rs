//! Numbers as spreadsheets and shops write them.

use std::borrow::Cow;

/// `12,50` as `12.50`. Only one comma with one or two digits after it can be nothing but a decimal comma; any other
/// text comes back as it is, to be refused as a price.
pub(crate) fn with_decimal_point(price: &str) -> Cow<'_, str> {
    match price.split_once(',') {
        Some((whole, decimals))
            if matches!(decimals.len(), 1 | 2)
                && decimals.bytes().all(|byte| byte.is_ascii_digit())
                && !whole.contains('.') =>
        {
            Cow::Owned(format!("{whole}.{decimals}"))
        }
        _ => Cow::Borrowed(price),
    }
}
