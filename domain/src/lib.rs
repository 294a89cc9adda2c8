//! For the catalogue itself: what products, organizations, schemas and users are, which rules they keep, and how a
//! part of the catalogue is asked for. Does no I/O, and depends on no other crate of the house.
//!
//! - [`ProductDraft`] is what somebody asks for; [`NewProduct`] and [`ProductPatch`] exist only in valid form. It is
//!   the same with [`OrganizationDraft`], [`SchemaDraft`] and [`DetailsDraft`].
//! - What a draft names that only the database knows, such as an organization, is checked where it is written.
//! - [`Price`] is exact. [`ProductId`] and [`Version`] cannot be mixed up.
//! - [`Filter`], [`Search`], [`Order`] and [`Place`] say which part of the catalogue a list is about.
//! - [`User`], [`Role`], [`Session`] and [`ApiKey`] say who may use it, in which organization, and how that is proven.
//! - [`Actor`] and [`AuditRecord`] say who did what, for the audit log.
//! - [`words`] and [`name_key()`] are how texts are searched and ordered, the same in every database.
//! - [`StoreError`] is why a store could not do what it was asked: one kind for each thing that a caller can do about
//!   it.
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
mod audit;
mod check;
mod decimal;
mod details;
mod draft;
mod error;
mod fields;
mod filter;
mod history;
mod ids;
mod invalid;
mod name_key;
mod order;
mod organization;
mod page;
mod patch;
mod place;
mod price;
mod product;
mod quota;
mod report;
mod schema;
mod search;
pub mod words;

pub use account::{
    ApiKey, ApiKeyBounds, ApiKeyDraft, ApiKeyListing, Area, Areas, Email, Home, Invitation, InvitationDraft,
    LeavingSessions, NewApiKey, NewInvitation, NewSession, NewUser, Registrant, RegistrationDraft, RevocationDraft,
    RevokedToken, Role, Session, TextsDraft, TokenHash, Used, User, UserDraft, check_context, new_password,
    normalized_password,
};
pub use audit::{
    Actor, AuditAction, AuditCredential, AuditEntry, AuditKind, AuditOrigin, AuditOutcome, AuditPlace, AuditQuery,
    AuditRecord, AuditTarget, IssuedId,
};
pub use check::does_not_exist;
pub use details::{DetailsDraft, DetailsPatch, Image, ImageDraft, NewImage, ProductDetails, not_of_the_product};
pub use draft::{NewProduct, ProductDraft};
pub use error::StoreError;
pub use fields::{AtMost, Integer, MalformedInput};
pub use filter::{Filter, ProductScope};
pub use history::{History, HistoryDigits};
pub use ids::{ApiKeyId, ImageId, InvitationId, OrganizationId, ProductId, SchemaId, SessionId, UserId};
pub use invalid::{ErrorRoom, FieldError, FieldErrors, Invalid, Thousands, shortened};
pub use name_key::name_key;
pub use order::{Order, OrderBy, UnknownOrder};
pub use organization::{NewOrganization, Organization, OrganizationChange, OrganizationDraft, OrganizationPatch};
pub use page::{PageError, PageIds, PageRequest, PageStart, ProductPage};
pub use patch::{Changes, ProductPatch};
pub use place::{BadPlace, Place, PlaceKey};
pub use price::{Price, PriceError};
pub use product::{Expect, Product, Version, VersionInHistory};
pub use quota::{OrganizationUsage, Quotas, Resource, Usage};
pub use report::{CatalogueReport, CategoryReport, OrganizationReport};
pub use schema::{FieldKind, NewSchema, Schema, SchemaDraft, SchemaField, SchemaPatch};
pub use search::{Search, SearchError};
