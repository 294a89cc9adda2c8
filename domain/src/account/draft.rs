//! What people send about accounts, and the rules that decide whether it is good. No draft implements `Debug`:
//! passwords are not for logs.

use super::email::Email;
use super::password::checked_password;
use super::role::Role;
use crate::check::named;
use crate::fields::{Fields, MalformedInput};
use crate::invalid::Invalid;

const NAME_MAX: usize = 100;

/// Somebody whom an admin adds, or changes.
pub struct UserDraft(Fields);

impl UserDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(UserDraft)
    }

    /// The user to add: a viewer unless the draft says otherwise, and without a password if it names none.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self) -> Result<(Email, Role, Option<String>), Invalid> {
        let UserDraft(mut given) = self;
        let [email, role, password] = given.take_texts(["email", "role", "password"]);
        let mut errors = given.finish();
        let email = errors.required("email", email, |text| text.parse::<Email>());
        let role = errors.check("role", role, |text| text.parse::<Role>()).unwrap_or(Role::Viewer);
        let password = errors.check("password", password, checked_password);
        errors.or(email.map(|email| (email, role, password)))
    }

    /// The new role of a user; nothing else about a user can be changed by another.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_role(self) -> Result<Role, Invalid> {
        let UserDraft(mut given) = self;
        let [email, role, password] = given.take_texts(["email", "role", "password"]);
        let mut errors = given.finish();
        for (name, given) in [("email", email.is_some()), ("password", password.is_some())] {
            if given {
                errors.add(name, "can be changed by the user alone");
            }
        }
        let role = errors.required("role", role, |text| text.parse::<Role>());
        errors.or(role)
    }
}

/// An API key that somebody would like to have.
pub struct ApiKeyDraft(Fields);

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
        Fields::parse(json).map(ApiKeyDraft)
    }

    /// The key to make for somebody who has this role, which is the most that it can get: a viewer's key unless the
    /// draft says otherwise.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self, most: Role) -> Result<NewApiKey, Invalid> {
        let ApiKeyDraft(mut given) = self;
        let [name, role] = given.take_texts(["name", "role"]);
        let mut errors = given.finish();
        let name = errors.required("name", name, |name| named(&name, NAME_MAX));
        let role = errors.check("role", role, |text| match text.parse::<Role>()? {
            role if role > most => Err(format!("must be at most your own, {most}")),
            role => Ok(role),
        });
        errors.or(name.map(|name| NewApiKey { name, role: role.unwrap_or(Role::Viewer) }))
    }
}

/// A JSON object of texts that all have to be there, such as an address and a password.
///
/// ```
/// use hotshelf_domain::TextsDraft;
///
/// let json = br#"{"email": "a@b", "password": "x"}"#;
/// let [email, password] = TextsDraft::from_json(json, ["email", "password"])?.into_texts()?;
/// assert_eq!((email.as_str(), password.as_str()), ("a@b", "x"));
/// let invalid = TextsDraft::from_json(br#"{"emial": "a@b"}"#, ["email"])?.into_texts().unwrap_err();
/// assert_eq!(invalid.to_string(), "emial is not a known field; email is required");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TextsDraft<const N: usize> {
    names: [&'static str; N],
    given: Fields,
}

impl<const N: usize> TextsDraft<N> {
    /// Reads the fields of these names, and no others.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8], names: [&'static str; N]) -> Result<Self, MalformedInput> {
        Ok(TextsDraft { names, given: Fields::parse(json)? })
    }

    /// The texts, in the order of the names.
    ///
    /// # Errors
    /// [`Invalid`] with every field that is missing, unknown or of another type.
    pub fn into_texts(self) -> Result<[String; N], Invalid> {
        let TextsDraft { names, mut given } = self;
        let texts = given.take_texts(names);
        let mut errors = given.finish();
        let texts: Vec<String> =
            names.into_iter().zip(texts).filter_map(|(name, text)| errors.required(name, text, Ok)).collect();
        errors.or(texts.try_into().ok())
    }
}
