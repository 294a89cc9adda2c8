//! What is wrong with Redis, in words for health reports and logs. fred passes on how Rust prints an error for
//! programmers; what an operator needs of that is picked out here.

use fred::error::{Error, ErrorKind};

/// Why a command or a connection failed: one clause, without a capital and without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RedisError(String);

impl RedisError {
    /// With this clause.
    pub fn new(clause: impl Into<String>) -> Self {
        RedisError(clause.into())
    }

    /// The same, with what to do about it if that is to allow the user more.
    pub fn with_advice(self) -> Self {
        match self.is_refused() {
            true => RedisError(format!(
                "{self}; give its user the rights that docs/operations.md lists, ACL LOG names what it lacks"
            )),
            false => self,
        }
    }

    /// Whether a server says that the user may not do this: the command or the key, in a script or outside of one.
    pub fn is_refused(&self) -> bool {
        let RedisError(words) = self;
        words.starts_with("NOPERM")
            || words.contains("ACL failure in script")
            || words.contains("executing the script can't")
    }
}

impl From<Error> for RedisError {
    fn from(error: Error) -> Self {
        let details = error.details();
        let sentence = match error.kind() {
            ErrorKind::Auth if details.starts_with("NOAUTH") => "it asks for a password, and none is set".to_owned(),
            ErrorKind::Auth if details.starts_with("WRONGPASS") => {
                "it refuses the user name or the password".to_owned()
            }
            ErrorKind::IO | ErrorKind::Tls => of_connection(details),
            // Behind what went wrong in a script stands where, which says nothing to who has not written it.
            _ => details.split(" script: ").next().unwrap_or(details).trim_end_matches('.').to_owned(),
        };
        RedisError(sentence)
    }
}

/// Takes apart the `Debug` output of an `std::io::Error` or of what reads certificates.
fn of_connection(details: &str) -> String {
    if details.contains("UnknownIssuer") {
        return "no trusted authority has signed its certificate (SSL_CERT_FILE can name another one)".to_owned();
    }
    if details.contains("NotValidForName") {
        return "its certificate is for another host".to_owned();
    }
    let Some(message) = quoted_after("message: ", details).or_else(|| quoted_after("error: ", details)) else {
        return details.trim_end_matches('.').to_owned();
    };
    let mut letters = message.chars();
    let message: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
    match quoted_after("path: ", details) {
        Some(path) => format!("{message}: {path}"),
        None => message,
    }
}

fn quoted_after<'a>(name: &str, details: &'a str) -> Option<&'a str> {
    let (_, value) = details.split_once(name)?;
    value.strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn sentence(error: impl Into<Error>) -> String {
        RedisError::from(error.into()).to_string()
    }

    #[test]
    fn what_the_system_says_is_repeated_without_its_wrapping() {
        assert_eq!(sentence(io::Error::from_raw_os_error(111)), "connection refused");
        let lookup = "failed to lookup address information: Name or service not known";
        assert_eq!(sentence(io::Error::other(lookup)), lookup);
    }

    #[test]
    fn what_redis_says_is_repeated() {
        let error = Error::new(ErrorKind::Unknown, "ERR DB index is out of range");
        assert_eq!(sentence(error), "ERR DB index is out of range");
        assert_eq!(sentence(Error::new(ErrorKind::Timeout, "Request timed out.")), "Request timed out");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let details = r#"Error { context: "failed to read PEM from file", kind: Io { inner: Os { code: 2, kind: NotFound, message: "No such file or directory" }, path: "/etc/ca.pem" } }"#;
        assert_eq!(sentence(Error::new(ErrorKind::Tls, details)), "no such file or directory: /etc/ca.pem");
    }
}
