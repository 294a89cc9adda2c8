//! What can be wrong with a configuration, each told in one line that contains no secret.

use std::path::PathBuf;

use super::settings::ALL;

/// One reason not to start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// `value` is quoted and masked already.
    #[error("{name}={value} ({origin}): {reason}")]
    BadValue { name: String, value: String, origin: String, reason: String },
    #[error("{name} (environment): the value is not valid UTF-8")]
    NotUtf8 { name: String },
    #[error("unknown key {key:?} in {}: {hint}", file.display())]
    UnknownKey { key: String, file: PathBuf, hint: String },
    #[error("HOTSHELF_CONFIG={path:?} (environment): there is no such file")]
    NoSuchFile { path: PathBuf },
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
}

impl Problem {
    pub(crate) fn unknown_key(key: String, file: PathBuf) -> Self {
        let hint = match nearest_key(&key) {
            Some(known) => format!("did you mean {known:?}?"),
            None => "`hotshelf --help` lists the variables, whose names in lower case are the keys".to_owned(),
        };
        Problem::UnknownKey { key, file, hint }
    }
}

/// The known key that `key` is most likely a misspelling of.
fn nearest_key(key: &str) -> Option<&'static str> {
    let wanted = key.to_ascii_lowercase().replace('-', "_");
    let candidates = ALL.iter().map(|definition| (strsim::levenshtein(&wanted, definition.key), definition.key));
    candidates.filter(|(distance, known)| *distance <= known.len() / 4).min().map(|(_, known)| known)
}
