//! A change of a product, and what it really changes.

use crate::ids::{OrganizationId, SchemaId};
use crate::price::Price;
use crate::product::Product;

/// A valid partial change; `None` leaves the field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProductPatch {
    /// As in [`NewProduct`](crate::NewProduct), and so are the others.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Another price.
    pub price: Option<Price>,
    /// How many pieces are at hand now.
    pub stock: Option<i64>,
    /// Another category.
    pub category: Option<String>,
    /// May only be the one it has.
    pub organization_id: Option<OrganizationId>,
    /// The schema the product is to have from now on.
    pub schema_id: Option<SchemaId>,
}

/// What of a product a write makes different from before. Beside it, every write that names anything changes the
/// product's version and the time of its last change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Its name.
    pub name: bool,
    /// Its description.
    pub description: bool,
    /// Its price.
    pub price: bool,
    /// How many pieces are at hand.
    pub stock: bool,
    /// Whether any are: the stock goes to 0, or away from it. Never without `stock`.
    pub availability: bool,
    /// Its category.
    pub category: bool,
    /// Its schema, and with it the list of products it is in.
    pub schema: bool,
}

impl ProductPatch {
    /// What the patch makes different in a product that is as `current` says.
    pub fn changes(&self, current: &Product) -> Changes {
        Changes {
            name: differs(self.name.as_ref(), &current.name),
            description: differs(self.description.as_ref(), &current.description),
            price: differs(self.price.as_ref(), &current.price),
            stock: differs(self.stock.as_ref(), &current.stock),
            availability: self.stock.is_some_and(|stock| (stock > 0) != (current.stock > 0)),
            category: differs(self.category.as_ref(), &current.category),
            schema: differs(self.schema_id.as_ref(), &current.schema_id),
        }
    }

    /// Whether it names nothing at all, and so changes nothing, the version included.
    pub fn is_empty(&self) -> bool {
        *self == ProductPatch::default()
    }
}

fn differs<T: PartialEq>(new: Option<&T>, current: &T) -> bool {
    new.is_some_and(|new| new != current)
}
