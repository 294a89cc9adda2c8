use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest address that mail can be sent to (RFC 5321, erratum 1690).
const LONGEST: usize = 254;

/// The address of a user, in lower case: one person has one account, however the address is written.
///
/// Whether it exists only a mail can tell. Looked at are the things that could do harm, or are a slip of the hand.
///
/// ```
/// use hotshelf_domain::Email;
///
/// assert_eq!(" Ann@Shop.Example ".parse::<Email>()?.as_str(), "ann@shop.example");
/// assert!("ann@shop.example\r\nBcc: all@shop.example".parse::<Email>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Of a row that a database has kept: it is taken to be an address.
    pub fn from_row(text: String) -> Self {
        Email(text)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Email {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim().to_lowercase();
        if text.len() > LONGEST {
            return Err(format!("must be at most {LONGEST} bytes"));
        }
        let plain = |part: &str| {
            let odd = |letter: char| {
                letter.is_control()
                    || letter.is_whitespace()
                    || matches!(letter, '<' | '>' | ',' | ';' | '"' | '\\' | '(' | ')')
            };
            !part.is_empty() && !part.contains(odd)
        };
        let dotted = |part: &str| part.split('.').all(|label| !label.is_empty());
        match text.split_once('@') {
            Some((person, host))
                if plain(person) && plain(host) && !host.contains('@') && dotted(person) && dotted(host) =>
            {
                Ok(Email(text))
            }
            _ => Err("must be an e-mail address, such as ann@shop.example".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in ["a@b", "ann+shop@sub.shop.example", "änn@shöp.example"] {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        let long = format!("{}@shop.example", "a".repeat(250));
        for bad in
            ["", "ann", "@shop", "ann@", "a@b@c", "a b@c", "a@b\nBcc: x@y", "<a@b>", "a@b,c@d", "a@.b", "a..b@c", &long]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }
}
