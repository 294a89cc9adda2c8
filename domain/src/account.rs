//! Who may use the service: users with their roles, and what they prove themselves by.

mod area;
mod draft;
mod email;
mod records;
mod role;

pub use area::{Area, Areas};
pub use draft::{ApiKeyBounds, ApiKeyDraft, NewApiKey, RegistrationDraft, TextsDraft, UserDraft, new_password};
pub use email::Email;
pub use records::{ApiKey, ApiKeyListing, Home, NewSession, NewUser, Session, TokenHash, Used, User};
pub use role::Role;
