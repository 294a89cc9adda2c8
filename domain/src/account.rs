//! Who may use the service: users with their roles, and what they prove themselves by.

mod area;
mod draft;
mod email;
mod password;
mod records;
mod registration;
mod role;

pub use area::{Area, Areas};
pub use draft::{ApiKeyBounds, ApiKeyDraft, NewApiKey, RevocationDraft, RevokedToken, TextsDraft, UserDraft};
pub use email::Email;
pub use password::{check_context, new_password, normalized_password};
pub use records::{
    ApiKey, ApiKeyListing, Home, Invitation, LeavingSessions, NewInvitation, NewSession, NewUser, Session, TokenHash,
    Used, User,
};
pub use registration::{InvitationDraft, Registrant, RegistrationDraft};
pub use role::Role;
