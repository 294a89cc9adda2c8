//! What can be wrong with a configuration, each told in one line that contains no secret.

use std::fmt;
use std::path::PathBuf;

use super::layers::Origin;

/// One reason not to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// `value` is quoted and masked already.
    #[error("{name}={value} ({origin}): {reason}")]
    BadValue { name: &'static str, value: String, origin: String, reason: String },
    #[error("{name} (environment): the value is not valid UTF-8")]
    NotUtf8 { name: &'static str },
    #[error("unknown key {key:?} in {}: {hint}", file.display())]
    UnknownKey { key: String, file: PathBuf, hint: Hint },
    #[error("HOTSHELF_CONFIG={path:?} (environment): there is no such file")]
    NoSuchFile { path: PathBuf },
    #[error("cannot read {origin}: {reason}")]
    Unreadable { origin: Origin, reason: String },
}

/// What to do about an unknown key.
#[derive(Debug)]
pub(crate) struct Hint {
    pub(crate) nearest: Option<String>,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.nearest {
            Some(key) => write!(f, "did you mean {key:?}?"),
            None => f.write_str("`hotshelf --help` lists the variables, whose names in lower case are the keys"),
        }
    }
}
