//! Who may use the service: users with their roles, and what they prove themselves by.

mod draft;
mod email;
mod records;
mod registration;
mod role;

pub use draft::{ApiKeyDraft, NewApiKey, TextsDraft, UserDraft, new_password};
pub use email::Email;
pub use records::{ApiKey, Home, Invitation, NewInvitation, NewSession, NewUser, Session, TokenHash, Used, User};
pub use registration::{InvitationDraft, Registrant, RegistrationDraft};
pub use role::Role;
