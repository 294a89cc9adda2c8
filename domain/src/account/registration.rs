//! How people come in by themselves: what somebody who registers sends, and an admin who invites.

use super::email::Email;
use super::password::checked_password;
use super::role::Role;
use crate::fields::{Fields, MalformedInput};
use crate::invalid::{FieldErrors, Invalid};
use crate::organization::{NewOrganization, OrganizationDraft};

/// Somebody who wants to take part.
pub struct RegistrationDraft(Fields);

/// Somebody who may, as far as the draft goes. No `Debug`: passwords are not for logs.
pub struct Registrant {
    /// The name to log in by.
    pub email: Email,
    /// Not hashed yet.
    pub password: String,
    /// The organization to make, if one is made.
    pub organization: NewOrganization,
    /// The token of the invitation.
    pub invitation: Option<String>,
}

impl RegistrationDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(RegistrationDraft)
    }

    /// The registrant. The organization is called like the address if it has no name.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_registrant(self) -> Result<Registrant, Invalid> {
        let RegistrationDraft(mut given) = self;
        let [email, password, organization, invitation] =
            given.take_texts(["email", "password", "organization", "invitation"]);
        let mut errors = given.finish();
        let email = errors.required("email", email, |text| text.parse::<Email>());
        let password = errors.required("password", password, checked_password);
        let name = organization.or_else(|| email.as_ref().map(Email::to_string));
        let organization = errors.check("organization", name, |name| {
            let draft = OrganizationDraft { name: Some(name), errors: FieldErrors::default() };
            draft.into_new().map_err(|Invalid(errors)| errors.into_iter().map(|error| error.message).collect())
        });
        let (Some(email), Some(password), Some(organization)) = (email, password, organization) else {
            return Err(Invalid(errors));
        };
        errors.or(Some(Registrant { email, password, organization, invitation }))
    }
}

/// Somebody whom an admin invites.
pub struct InvitationDraft(Fields);

impl InvitationDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(InvitationDraft)
    }

    /// The address, the role and whether a new organization is made. Whoever founds one is its admin; otherwise a
    /// viewer unless the draft says more.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<(Email, Role, bool), Invalid> {
        let InvitationDraft(mut given) = self;
        let [email, role] = given.take_texts(["email", "role"]);
        let founds = given.take("new_organization", "must be true or false").unwrap_or(false);
        let mut errors = given.finish();
        let email = errors.required("email", email, |text| text.parse::<Email>());
        let role = errors.check("role", role, |text| match text.parse::<Role>()? {
            role if founds && role != Role::Admin => Err("must be admin in a new organization".to_owned()),
            role => Ok(role),
        });
        let least = if founds { Role::Admin } else { Role::Viewer };
        errors.or(email.map(|email| (email, role.unwrap_or(least), founds)))
    }
}
