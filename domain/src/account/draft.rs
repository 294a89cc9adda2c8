//! What people send about accounts, and the rules that decide whether it is good.

use std::fmt;

use super::email::Email;
use super::role::Role;
use crate::check::{Check, named};
use crate::draft::{FieldErrors, Invalid};
use crate::fields::{Fields, MalformedInput};
use crate::organization::{NewOrganization, OrganizationDraft};

const NAME_MAX: usize = 100;
/// In characters (NIST SP 800-63B asks for eight and for nothing about their kinds).
const PASSWORD_MIN: usize = 8;
/// In bytes: a hash is made of all of them.
const PASSWORD_MAX: usize = 1_024;

/// Somebody who wants to take part, or to log in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RegistrationDraft {
    /// Made lower case when accepted.
    pub email: Option<String>,
    /// Taken as it is.
    pub password: Option<String>,
    /// The name of the organization to make; that of the address if none is given.
    pub organization: Option<String>,
    /// What was wrong already when the draft was read.
    pub errors: FieldErrors,
}

/// Passwords are not for logs.
impl fmt::Debug for RegistrationDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationDraft").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Passwords are not for logs.
impl fmt::Debug for UserDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserDraft").field("email", &self.email).field("role", &self.role).finish_non_exhaustive()
    }
}

impl RegistrationDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        Ok(RegistrationDraft {
            email: fields.take("email", "must be a string"),
            password: fields.take("password", "must be a string"),
            organization: fields.take("organization", "must be a string"),
            errors: fields.finish(),
        })
    }

    /// The address, the password and the organization to make.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<(Email, String, NewOrganization), Invalid> {
        let mut check = Check::new(self.errors, true);
        let email = check.required("email", self.email, |text| text.parse::<Email>());
        let password = check.required("password", self.password, password);
        let name = self.organization.or_else(|| email.as_ref().map(Email::to_string));
        let organization = check.field("organization", name, |name| {
            let draft = OrganizationDraft { name: Some(name), errors: FieldErrors::default() };
            draft.into_new().map_err(|Invalid(errors)| errors.into_iter().map(|error| error.message).collect())
        });
        match (email, password, organization, check.finish()) {
            (Some(email), Some(password), Some(organization), errors) if errors.is_empty() => {
                Ok((email, password, organization))
            }
            (_, _, _, errors) => Err(Invalid(errors)),
        }
    }
}

/// A password that may be chosen.
pub(crate) fn password(text: String) -> Result<String, String> {
    if text.chars().count() < PASSWORD_MIN {
        Err(format!("must be at least {PASSWORD_MIN} characters"))
    } else if text.len() > PASSWORD_MAX {
        Err(format!("must be at most {PASSWORD_MAX} bytes"))
    } else {
        Ok(text)
    }
}

/// Somebody whom an admin adds, or changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserDraft {
    /// Made lower case when accepted.
    pub email: Option<String>,
    /// What the user may do.
    pub role: Option<String>,
    /// Taken as it is.
    pub password: Option<String>,
    /// What was wrong already when the draft was read.
    pub errors: FieldErrors,
}

impl UserDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        Ok(UserDraft {
            email: fields.take("email", "must be a string"),
            role: fields.take("role", "must be a string"),
            password: fields.take("password", "must be a string"),
            errors: fields.finish(),
        })
    }

    /// The user to add: a viewer unless the draft says otherwise, and without a password if it names none.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<(Email, Role, Option<String>), Invalid> {
        let mut check = Check::new(self.errors, true);
        let email = check.required("email", self.email, |text| text.parse::<Email>());
        let role = check.field("role", self.role, |text| text.parse::<Role>()).unwrap_or(Role::Viewer);
        let password = check.field("password", self.password, password);
        match (email, check.finish()) {
            (Some(email), errors) if errors.is_empty() => Ok((email, role, password)),
            (_, errors) => Err(Invalid(errors)),
        }
    }

    /// The new role of a user; nothing else about a user can be changed by another.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_role(self) -> Result<Role, Invalid> {
        let mut check = Check::new(self.errors, true);
        for (name, given) in [("email", self.email.is_some()), ("password", self.password.is_some())] {
            if given {
                check.error(name, "can be changed by the user alone");
            }
        }
        let role = check.required("role", self.role, |text| text.parse::<Role>());
        match (role, check.finish()) {
            (Some(role), errors) if errors.is_empty() => Ok(role),
            (_, errors) => Err(Invalid(errors)),
        }
    }
}

/// An API key that somebody would like to have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyDraft {
    /// What it is for. Trimmed when accepted.
    pub name: Option<String>,
    /// What it may do at most.
    pub role: Option<String>,
    /// What was wrong already when the draft was read.
    pub errors: FieldErrors,
}

/// A valid one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// What it is for: 1 to 100 characters.
    pub name: String,
    /// What it may do at most.
    pub role: Role,
}

impl ApiKeyDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        Ok(ApiKeyDraft {
            name: fields.take("name", "must be a string"),
            role: fields.take("role", "must be a string"),
            errors: fields.finish(),
        })
    }

    /// The key to make for somebody who has this role, which is the most that it can get: a viewer's key unless the
    /// draft says otherwise.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self, most: Role) -> Result<NewApiKey, Invalid> {
        let mut check = Check::new(self.errors, true);
        let name = check.required("name", self.name, |name| named(&name, NAME_MAX));
        let role = check.field("role", self.role, |text| match text.parse::<Role>()? {
            role if role > most => Err(format!("must be at most your own, {most}")),
            role => Ok(role),
        });
        match (name, check.finish()) {
            (Some(name), errors) if errors.is_empty() => Ok(NewApiKey { name, role: role.unwrap_or(Role::Viewer) }),
            (_, errors) => Err(Invalid(errors)),
        }
    }
}
