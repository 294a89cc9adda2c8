use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_domain::TokenHash;
use hotshelf_issuer::LONGEST_TOKEN;
use sha2::{Digest, Sha256};

/// Bytes of chance in a token: 256 bits, which nobody guesses.
const RANDOM: usize = 32;
/// The same in base64url.
const LETTERS: usize = 43;

/// What a token is for. It shows in the token, so that one cannot be used as another, and so that people, and programs
/// that look for leaked secrets, recognize it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// `hss_…`: a session.
    Session,
    /// `hsk_…`: an API key.
    ApiKey,
    /// `hsr_…`: the permission to choose a new password.
    Reset,
    /// `hsv_…`: the proof of an address.
    Proof,
    /// `hsi_…`: an invitation.
    Invitation,
}

impl TokenKind {
    const ALL: [TokenKind; 5] =
        [TokenKind::Session, TokenKind::ApiKey, TokenKind::Reset, TokenKind::Proof, TokenKind::Invitation];

    fn prefix(self) -> &'static str {
        match self {
            TokenKind::Session => "hss_",
            TokenKind::ApiKey => "hsk_",
            TokenKind::Reset => "hsr_",
            TokenKind::Proof => "hsv_",
            TokenKind::Invitation => "hsi_",
        }
    }
}

/// Whoever shows it is believed. It exists in the hands of its owner alone; what is stored is its [`TokenHash`].
///
/// ```
/// use hotshelf_accounts::{Token, TokenKind};
///
/// let token = Token::new(TokenKind::Session);
/// assert_eq!(Token::recognize(token.expose()), Some((TokenKind::Session, token.hash())));
/// assert_eq!(Token::recognize("hss_guess"), None);
/// assert_eq!(format!("{token:?}"), "hss_…");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new one, from the operating system's source of chance by way of a cryptographic generator.
    pub fn new(kind: TokenKind) -> Self {
        let random: [u8; RANDOM] = rand::random();
        Token(format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(random)))
    }

    /// The text, to be handed to its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What it is recognized by.
    pub fn hash(&self) -> TokenHash {
        hash_of(&self.0)
    }

    /// What kind of token a text is and what it would be recognized by. `None` if it has the form of none: then there
    /// is nothing to look up.
    pub fn recognize(text: &str) -> Option<(TokenKind, TokenHash)> {
        let kind = TokenKind::ALL.into_iter().find(|kind| text.starts_with(kind.prefix()))?;
        let letters = &text.as_bytes()[kind.prefix().len()..];
        let sane = |letter: &u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_');
        (letters.len() == LETTERS && letters.iter().all(sane)).then(|| (kind, hash_of(text)))
    }
}

/// A token of a request, by its form and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// One that this service creates.
    Own(TokenKind, TokenHash),
    /// One in the form of an outside issuer's.
    Issued(TokenHash),
}

impl Shown {
    /// The kind of a token, by its form alone. `issued`: whether tokens of an outside issuer are accepted.
    pub(crate) fn recognize(text: &str, issued: bool) -> Option<Self> {
        if let Some((kind, token_hash)) = Token::recognize(text) {
            return Some(Shown::Own(kind, token_hash));
        }
        (issued && is_compact(text)).then(|| Shown::Issued(hash_of(text)))
    }
}

/// Whether a text has the form of a JWT: three parts of base64url separated by dots (RFC 7515, section 7.1), and at
/// most [`LONGEST_TOKEN`] bytes.
fn is_compact(text: &str) -> bool {
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'-' | b'_' | b'.');
    let dots = || text.bytes().filter(|letter| *letter == b'.').count();
    text.len() <= LONGEST_TOKEN && text.bytes().all(letters) && dots() == 2
}

/// A plain hash is enough where there are 256 bits to guess. It also makes the time of a lookup tell nothing about the
/// token.
fn hash_of(text: &str) -> TokenHash {
    Sha256::digest(text.as_bytes()).into()
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.0.get(..4).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_recognized_by_its_form() {
        let own = Token::new(TokenKind::Session);
        assert_eq!(Shown::recognize(own.expose(), true), Some(Shown::Own(TokenKind::Session, own.hash())));
        assert_eq!(Shown::recognize("e30.e30.AA", true), Some(Shown::Issued(hash_of("e30.e30.AA"))));
        assert_eq!(Shown::recognize("e30.e30.AA", false), None);
        let long = format!("e30.{}.AA", "A".repeat(LONGEST_TOKEN));
        for text in ["", "e30.e30", "e30.e30.AA.AA", "e30.e30.A=", "e30. e30.AA", "hss_guess", &long] {
            assert_eq!(Shown::recognize(text, true), None, "{text}");
        }
    }
}
