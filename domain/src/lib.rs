//! draft
mod draft;
mod fields;
mod price;
mod product;

pub use draft::{FieldError, Invalid, NewProduct, ProductDraft, ProductPatch};
pub use fields::MalformedInput;
pub use price::{Price, PriceError};
pub use product::{Product, ProductId, Version};
