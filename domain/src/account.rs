//! Who may use the service: users with their roles, and what they prove themselves by.

mod draft;
mod email;
mod records;
mod role;

pub use draft::{ApiKeyDraft, NewApiKey, RegistrationDraft, TextsDraft, UserDraft, new_password};
pub use email::Email;
pub use records::{ApiKey, Home, NewSession, NewUser, Session, TokenHash, Used, User};
pub use role::Role;
