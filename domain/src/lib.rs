//! For the catalogue itself: what a product is, which rules it keeps, and where it is stored for good. Knows no HTTP
//! and no cache. May depend on `stats` and `lifecycle`.
//!
//! - [`ProductDraft`] is what somebody asks for; [`NewProduct`] and [`ProductPatch`] exist only in valid form. It is the
//!   same with [`OrganizationDraft`], [`SchemaDraft`] and [`DetailsDraft`].
//! - What a draft names that only the database knows, such as an organization, is checked where it is written.
//! - [`Price`] is exact. [`ProductId`] and [`Version`] cannot be mixed up.
//! - [`Filter`], [`Search`], [`Order`] and [`Place`] say which part of the catalogue a list is about.
//! - [`User`], [`Role`], [`Session`] and [`ApiKey`] say who may use it, in which organization, and how that is proven.
//! - [`ProductRepository`] and [`AccountRepository`] are the truth: SQLite with one group-committing writer and readers in lanes.
//!
//! ```
//! use hotshelf_domain::ProductDraft;
//!
//! let draft = ProductDraft::from_json(br#"{"name": "Laptop", "price": 999.999}"#)?;
//! let invalid = draft.into_new().unwrap_err();
//! assert_eq!(invalid.to_string(), "price must have at most 2 decimals");
//! # Ok::<(), hotshelf_domain::MalformedInput>(())
//! ```

mod account;
mod check;
mod details;
mod draft;
mod error;
mod fields;
mod filter;
mod history;
mod ids;
mod invalid;
mod module;
mod name_key;
mod order;
mod organization;
mod page;
mod patch;
mod place;
mod price;
mod product;
mod report;
mod repository;
mod schema;
mod search;
mod sqlite;
mod words;

pub use account::{
    ApiKey, ApiKeyDraft, Email, Home, NewApiKey, NewSession, NewUser, RegistrationDraft, Role, Secret, Session,
    TextsDraft, User, UserDraft, new_password,
};
pub use details::{DetailsDraft, DetailsPatch, Image, ImageDraft, ProductDetails};
pub use draft::{FieldError, FieldErrors, Invalid, NewProduct, ProductDraft};
pub use error::{OpenError, StoreError};
pub use fields::{AtMost, MalformedInput};
pub use filter::{Filter, Members};
pub use history::{History, HistoryDigits};
pub use ids::{ApiKeyId, ImageId, OrganizationId, ProductId, SchemaId, SessionId, UserId};
pub use invalid::{ErrorRoom, Thousands, shortened};
pub use order::{Order, OrderBy, UnknownOrder};
pub use organization::{NewOrganization, Organization, OrganizationDraft};
pub use page::{PageError, PageIds, PageRequest, PageStart, ProductPage};
pub use patch::{Changes, ProductPatch};
pub use place::{BadPlace, Place};
pub use price::{Price, PriceError};
pub use product::{Product, Version};
pub use report::{CatalogueReport, CategoryReport, OrganizationReport};
pub use repository::{AccountRepository, DatabaseOptions, Expect, ProductRepository, Used};
pub use schema::{FieldKind, NewSchema, Schema, SchemaDraft, SchemaField, SchemaFieldDraft, SchemaPatch};
pub use search::{Search, SearchError};
