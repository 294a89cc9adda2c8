//! For the catalogue itself: what a product is, which rules it keeps, and where it is stored for good. Knows no HTTP
//! and no cache. May depend on `stats` and `lifecycle`.
//!
//! - [`ProductDraft`] is what somebody asks for; [`NewProduct`] and [`ProductPatch`] exist only in valid form.
//! - [`Price`] is exact. [`ProductId`] and [`Version`] cannot be mixed up.
//! - [`ProductRepository`] is the truth: SQLite with one group-committing writer and a pool of readers.
//!
//! ```
//! use hotshelf_domain::ProductDraft;
//!
//! let draft = ProductDraft::from_json(br#"{"name": "Laptop", "price": 999.999}"#)?;
//! let invalid = draft.into_new().unwrap_err();
//! assert_eq!(invalid.to_string(), "price must have at most 2 decimals");
//! # Ok::<(), hotshelf_domain::MalformedInput>(())
//! ```

mod draft;
mod error;
mod fields;
mod ids;
mod module;
mod page;
mod price;
mod product;
mod repository;
mod sqlite;

pub use draft::{FieldError, Invalid, NewProduct, ProductDraft, ProductPatch};
pub use error::{OpenError, StoreError};
pub use fields::MalformedInput;
pub use ids::{OrganizationId, ProductId, SchemaId};
pub use module::DatabaseModule;
pub use page::{PageIds, PageRequest, PageStart, ProductPage};
pub use price::{Price, PriceError};
pub use product::{Product, Version};
pub use repository::{Committed, Copies, DatabaseOptions, Expect, ProductRepository};
