use std::fmt;

use super::draft::password;
use crate::check::Check;
use crate::draft::{FieldErrors, Invalid};
use crate::fields::{Fields, MalformedInput};

/// A JSON object of texts that all have to be there, such as an address and a password.
///
/// ```
/// use hotshelf_domain::TextsDraft;
///
/// let [email, password] = TextsDraft::from_json(br#"{"email": "a@b", "password": "x"}"#, ["email", "password"])?.into_texts()?;
/// assert_eq!((email.as_str(), password.as_str()), ("a@b", "x"));
/// let invalid = TextsDraft::from_json(br#"{"emial": "a@b"}"#, ["email"])?.into_texts().unwrap_err();
/// assert_eq!(invalid.to_string(), "emial is not a known field; email is required");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TextsDraft<const N: usize> {
    names: [&'static str; N],
    texts: [Option<String>; N],
    errors: FieldErrors,
}

/// Passwords are not for logs.
impl<const N: usize> fmt::Debug for TextsDraft<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextsDraft").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<const N: usize> TextsDraft<N> {
    /// Reads the fields of these names, and no others.
    ///
    /// # Errors
    /// When `json` is no JSON object at all.
    pub fn from_json(json: &[u8], names: [&'static str; N]) -> Result<Self, MalformedInput> {
        let mut fields = Fields::parse(json)?;
        let texts = names.map(|name| fields.take(name, "must be a string"));
        Ok(TextsDraft { names, texts, errors: fields.finish() })
    }

    /// The texts, in the order of the names.
    ///
    /// # Errors
    /// [`Invalid`] with every field that is missing, unknown or of another type.
    pub fn into_texts(self) -> Result<[String; N], Invalid> {
        let mut check = Check::new(self.errors, true);
        let mut texts = Vec::with_capacity(N);
        for (name, text) in self.names.into_iter().zip(self.texts) {
            texts.extend(check.required(name, text, Ok::<String, String>));
        }
        let errors = check.finish();
        match <[String; N]>::try_from(texts) {
            Ok(texts) if errors.is_empty() => Ok(texts),
            _ => Err(Invalid(errors)),
        }
    }
}

/// The password, if it may be chosen: 8 characters to 1,024 bytes, of any kinds.
///
/// # Errors
/// [`Invalid`], under the name `password`.
pub fn new_password(text: String) -> Result<String, Invalid> {
    password(text).map_err(|message| Invalid::one("password", &message))
}
