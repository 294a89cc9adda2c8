use std::fmt;
use std::str::FromStr;

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// The id, which is the order of creation.
    #[default]
    Id,
    /// The name, as the root collation of Unicode has it: letters first, then accents, then case, for all scripts.
    /// Names that are equal in the first 256 bytes of their keys, some hundred letters, are equal.
    Name,
    /// The price.
    Price,
    /// The pieces at hand.
    Stock,
    /// The time of creation.
    CreatedAt,
    /// The time of the last change.
    UpdatedAt,
    /// How well a product fits the search, best first: a word in the name counts most, then in the category, then in
    /// the description; a whole word counts more than a beginning, and of equals the shorter name comes first. When
    /// more than 1,500 products are found, this says little, and they go by id.
    Relevance,
}

/// The order of a list. Products that are equal in it go by id, ascending in either direction.
///
/// ```
/// use hotshelf_domain::{Order, OrderBy};
///
/// let order: Order = "-price".parse()?;
/// assert_eq!(order, Order { by: OrderBy::Price, descending: true });
/// assert_eq!(order.to_string(), "-price");
/// # Ok::<(), hotshelf_domain::UnknownOrder>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Order {
    /// What decides.
    pub by: OrderBy,
    /// From the greatest to the least; for relevance, from the worst to the best.
    pub descending: bool,
}

/// The text names no order. The message completes the sentence "order …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of id, name, price, stock, created_at, updated_at, relevance, with - before it to descend")]
pub struct UnknownOrder;

const NAMES: [(&str, OrderBy); 7] = [
    ("id", OrderBy::Id),
    ("name", OrderBy::Name),
    ("price", OrderBy::Price),
    ("stock", OrderBy::Stock),
    ("created_at", OrderBy::CreatedAt),
    ("updated_at", OrderBy::UpdatedAt),
    ("relevance", OrderBy::Relevance),
];

impl FromStr for Order {
    type Err = UnknownOrder;

    fn from_str(text: &str) -> Result<Self, UnknownOrder> {
        let (name, descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let (_, by) = NAMES.into_iter().find(|(known, _)| *known == name).ok_or(UnknownOrder)?;
        Ok(Order { by, descending })
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.into_iter().find(|(_, by)| *by == self.by).map_or("", |(name, _)| name);
        write!(f, "{}{name}", if self.descending { "-" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back() {
        for (name, by) in NAMES {
            for descending in [false, true] {
                let order = Order { by, descending };
                assert_eq!(order.to_string().parse(), Ok(order));
                assert_eq!(order.to_string().contains('-'), descending, "{name}");
            }
        }
        for text in ["", "-", "--price", "Price", "price ", "name,price", "deleted_at"] {
            assert_eq!(text.parse::<Order>(), Err(UnknownOrder), "{text}");
        }
    }
}
