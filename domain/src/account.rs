//! Who may use the service: users with their roles, and what they prove themselves by.

mod area;
mod draft;
mod email;
mod records;
mod registration;
mod role;

pub use area::{Area, Areas};
pub use draft::{
    ApiKeyBounds, ApiKeyDraft, NewApiKey, RevocationDraft, RevokedToken, TextsDraft, UserDraft, new_password,
};
pub use email::Email;
pub use records::{
    ApiKey, ApiKeyListing, Home, Invitation, NewInvitation, NewSession, NewUser, Session, TokenHash, Used, User,
};
pub use registration::{InvitationDraft, Registrant, RegistrationDraft};
pub use role::Role;
