//! What people send about accounts, and the rules that decide whether it is good. No draft implements `Debug`:
//! passwords are not for logs.

use chrono::{DateTime, TimeDelta, Utc};

use super::area::{Area, Areas};
use super::email::Email;
use super::password::checked_password;
use super::role::Role;
use crate::check::named;
use crate::fields::{Fields, MalformedInput};
use crate::invalid::Invalid;

const NAME_MAX: usize = 100;
/// In bytes.
const TOKEN_ID_MAX: usize = 256;

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
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which parts of the API it may use.
    pub scopes: Areas,
}

/// What a key may have at most.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeyBounds {
    /// The role of its user.
    pub role: Role,
    /// How long it may be good, if that is bounded. A key without an end of its own gets this one.
    pub ttl: Option<TimeDelta>,
}

impl ApiKeyDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(ApiKeyDraft)
    }

    /// The key to make: a viewer's key unless the draft says otherwise, for all parts of the API, and without an end
    /// unless the bounds require one.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_new(self, most: ApiKeyBounds) -> Result<NewApiKey, Invalid> {
        let ApiKeyDraft(mut given) = self;
        let [name, role, end] = given.take_texts(["name", "role", "expires_at"]);
        let scopes: Option<Vec<String>> = given.take("scopes", "must be a list of strings");
        let mut errors = given.finish();
        let now = Utc::now();
        let latest = most.ttl.and_then(|ttl| to_the_millisecond(now.checked_add_signed(ttl)?));
        let end = errors.check("expires_at", end, |text| end_of(&text, now, latest));
        let scopes = errors.check("scopes", scopes, areas).unwrap_or(Areas::ALL);
        let name = errors.required("name", name, |name| named(&name, NAME_MAX));
        let role = errors.check("role", role, |text| match text.parse::<Role>()? {
            role if role > most.role => Err(format!("must be at most your own, {}", most.role)),
            role => Ok(role),
        });
        let role = role.unwrap_or(Role::Viewer);
        errors.or(name.map(|name| NewApiKey { name, role, expires_at: end.or(latest), scopes }))
    }
}

fn end_of(text: &str, now: DateTime<Utc>, latest: Option<DateTime<Utc>>) -> Result<DateTime<Utc>, String> {
    let end = DateTime::parse_from_rfc3339(text).ok().and_then(|end| to_the_millisecond(end.to_utc()));
    match end.ok_or("must be a time such as 2026-12-31T00:00:00Z")? {
        end if end <= now => Err("must be in the future".to_owned()),
        end if latest.is_some_and(|latest| end > latest) => {
            Err("must be earlier: the service bounds how long an API key is good".to_owned())
        }
        end => Ok(end),
    }
}

/// As it is stored.
fn to_the_millisecond(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(time.timestamp_millis())
}

fn areas(names: Vec<String>) -> Result<Areas, String> {
    if names.is_empty() {
        return Err("must not be empty".to_owned());
    }
    names.iter().map(|name| name.parse::<Area>()).collect()
}

/// A request to revoke a token of an outside issuer.
pub struct RevocationDraft(Fields);

/// Names a token of an outside issuer. Has no `Debug`, so that no log contains the token.
#[derive(Clone, PartialEq, Eq)]
pub enum RevokedToken {
    /// The whole token.
    Token(String),
    /// Its id (`jti`): 1 to 256 bytes.
    Id(String),
}

impl RevocationDraft {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedInput> {
        Fields::parse(json).map(RevocationDraft)
    }

    /// The token, or its id.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_revoked(self) -> Result<RevokedToken, Invalid> {
        let RevocationDraft(mut given) = self;
        let [token, id] = given.take_texts(["token", "jti"]);
        let mut errors = given.finish();
        let id = errors.check("jti", id, |id| match id.len() {
            1..=TOKEN_ID_MAX => Ok(id),
            _ => Err(format!("must have 1 to {TOKEN_ID_MAX} bytes")),
        });
        let revoked = match (token, id) {
            (Some(token), None) => Some(RevokedToken::Token(token)),
            (None, Some(id)) => Some(RevokedToken::Id(id)),
            (Some(_), Some(_)) => {
                errors.add("jti", "is not needed beside the token");
                None
            }
            (None, None) => {
                errors.add("token", "is required, or jti");
                None
            }
        };
        errors.or(revoked)
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
#[cfg(test)]
mod tests {
    use super::*;

    fn new_key(json: &str, ttl: Option<TimeDelta>) -> Result<NewApiKey, String> {
        let draft = ApiKeyDraft::from_json(json.as_bytes()).unwrap();
        draft.into_new(ApiKeyBounds { role: Role::Editor, ttl }).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn an_api_key_has_an_end_and_scopes_if_they_are_given() {
        let plain = new_key(r#"{"name": "a"}"#, None).unwrap();
        assert_eq!((plain.role, plain.expires_at, plain.scopes), (Role::Viewer, None, Areas::ALL));
        let end = r#"{"name": "a", "expires_at": "2999-12-31T01:00:00.0009+01:00", "scopes": ["cache", "cache"]}"#;
        let key = new_key(end, None).unwrap();
        assert_eq!(key.expires_at.unwrap().to_string(), "2999-12-31 00:00:00 UTC");
        assert_eq!(key.scopes, [Area::Cache].into_iter().collect());
        for (field, value, message) in [
            ("expires_at", r#""2020-01-01T00:00:00Z""#, "must be in the future"),
            ("expires_at", r#""tomorrow""#, "must be a time such as 2026-12-31T00:00:00Z"),
            ("expires_at", "4102444800", "must be a string"),
            ("scopes", "[]", "must not be empty"),
            ("scopes", r#""products""#, "must be a list of strings"),
            ("scopes", r#"["products", "moon"]"#, "must be one of products,"),
        ] {
            let refused = new_key(&format!(r#"{{"name": "a", "{field}": {value}}}"#), None).unwrap_err();
            assert!(refused.starts_with(&format!("{field} {message}")), "{refused}");
        }
    }

    #[test]
    fn a_bound_is_the_end_of_a_key_without_one() {
        let (before, ttl) = (Utc::now(), TimeDelta::hours(1));
        let end = new_key(r#"{"name": "a"}"#, Some(ttl)).unwrap().expires_at.unwrap();
        assert!(end >= before + ttl - TimeDelta::milliseconds(1) && end <= Utc::now() + ttl, "{end}");
        let late = r#"{"name": "a", "expires_at": "2999-12-31T00:00:00Z"}"#;
        assert!(new_key(late, Some(ttl)).unwrap_err().starts_with("expires_at must be earlier"));
        assert!(new_key(late, Some(TimeDelta::MAX)).is_ok(), "it never ends");
    }
}
