//! Which passwords may be chosen: long ones that nobody tries first (NIST SP 800-63B). No rule is about kinds of
//! characters.

use std::sync::LazyLock;

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

use super::email::Email;
use crate::invalid::Invalid;

/// In characters that can be seen, spaces between them included.
const PASSWORD_MIN: usize = 8;
const TOO_SHORT: &str = "must be at least 8 characters";
/// In bytes: a hash is made of all of them.
const PASSWORD_MAX: usize = 1_024;
/// A shorter word of the context is in many a good password.
const SHORTEST_WORD: usize = 4;

/// Passwords of eight and more characters that stand in public lists of leaked ones, folded and in the order of their
/// bytes, one in a line. Those that other rules refuse are left out.
static COMMON: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// The password in the form in which it is hashed (NFKC): keyboards write the same character in several ways.
pub fn normalized_password(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// The password, normalized, if it may be chosen.
///
/// # Errors
/// [`Invalid`], under the name `password`.
pub fn new_password(text: String) -> Result<String, Invalid> {
    checked_password(text).map_err(|message| Invalid::one("password", &message))
}

/// Checks that the password is still one without the words that everybody who attacks the account tries: its address,
/// the name of its organization, and the name of the service.
///
/// # Errors
/// As [`new_password`].
pub fn check_context(password: &str, email: &Email, organization: &str) -> Result<(), Invalid> {
    let context = format!("hotshelf {email} {organization}");
    let context = folded(&context);
    let mut words: Vec<&str> = context.split(|letter: char| !letter.is_alphanumeric()).collect();
    words.retain(|word| word.chars().count() >= SHORTEST_WORD);
    // "shopping" before "shop", which would leave "ping".
    words.sort_unstable_by_key(|word| std::cmp::Reverse(word.len()));
    let password = folded(password);
    let rest = words.iter().fold(password.clone(), |rest, word| rest.replace(word, ""));
    if rest.len() < password.len() && weakness(&rest).is_some() {
        let message = "is too easy to guess: without the e-mail address, the name of the organization and hotshelf, it \
                       must still be a good password";
        return Err(Invalid::one("password", message));
    }
    Ok(())
}

pub(super) fn checked_password(text: String) -> Result<String, String> {
    // Normalizing makes some characters longer.
    if text.len() > PASSWORD_MAX {
        return Err(format!("must be at most {PASSWORD_MAX} bytes"));
    }
    // As it was typed: normalizing and folding make several characters of one.
    let typed = ComposingNormalizerBorrowed::new_nfc().normalize(&text);
    if visible(&typed).chars().count() < PASSWORD_MIN {
        return Err(TOO_SHORT.to_owned());
    }
    let password = normalized_password(&text);
    match weakness(&folded(&password)) {
        Some(message) => Err(message),
        None => Ok(password),
    }
}

/// Without case and space around it.
fn folded(text: &str) -> String {
    normalized_password(&CaseMapper::new().fold_string(&normalized_password(text))).trim().to_owned()
}

/// The characters that can be seen, with the spaces between them.
fn visible(text: &str) -> String {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let seen = text.chars().filter(|letter| !letter.is_control() && !ignorable.contains(*letter));
    seen.collect::<String>().trim().to_owned()
}

/// Why a folded password is refused.
fn weakness(folded: &str) -> Option<String> {
    let seen = visible(folded);
    if seen.chars().count() < PASSWORD_MIN {
        return Some(TOO_SHORT.to_owned());
    }
    let letters: Vec<char> = seen.chars().collect();
    if repeats(&letters) || is_sequence(&letters) || COMMON.binary_search(&seen.as_str()).is_ok() {
        return Some("is too easy to guess: it is one of those that are tried first".to_owned());
    }
    None
}

/// `aaaaaaaa`, `abababab`, `passpass`: no more than what is repeated, which would be too short.
fn repeats(letters: &[char]) -> bool {
    (1..PASSWORD_MIN).any(|period| letters.iter().zip(&letters[period..]).all(|(one, other)| one == other))
}

/// `abcdefgh`, `98765432`.
fn is_sequence(letters: &[char]) -> bool {
    let steps =
        |by: i64| letters.windows(2).all(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0])) == by);
    steps(1) || steps(-1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_folded_and_long_enough() {
        assert!(COMMON.len() > 3_000 && COMMON.is_sorted());
        assert!(COMMON.iter().all(|word| word.chars().count() >= PASSWORD_MIN && folded(word) == **word));
    }

    #[test]
    fn passwords_that_are_tried_first_are_refused() {
        for weak in [
            "password",
            "Password",
            "PASSWORD1",
            "12345678",
            "iloveyou",
            " qwertyuiop ",
            "ｐａｓｓｗｏｒｄ",
            "aaaaaaaa",
            "abababab",
            "passpass",
            "12341234",
            "abcdefgh",
            "987654321",
            "        ",
            "\u{200b}\u{200b}\u{200b}\u{200b}abcd",
            "short",
            "\u{3164}\u{3164}\u{3164}\u{3164}\u{3164}\u{3164}\u{3164}\u{3164}",
            "pass\u{200b}word",
            "ééééééééé",
            // One character, and eighteen of them after normalization.
            "\u{fdfa}",
            "ßqßx",
        ] {
            assert!(new_password(weak.to_owned()).is_err(), "{weak:?}");
        }
        assert!(new_password("a".repeat(2_000)).is_err());
        for good in ["correct horse battery", "a password", "пароль длинный", "短い合言葉ですよね", "trailing space "]
        {
            assert_eq!(new_password(good.to_owned()).unwrap(), good);
        }
        // Decomposed and composed are the same.
        assert_eq!(new_password("cafe\u{301} au lait".to_owned()).unwrap(), "café au lait");
    }

    #[test]
    fn what_belongs_to_the_account_does_not_count() {
        let email = "victoria@corporation.example".parse().unwrap();
        let check = |password: &str| check_context(password, &email, "Blue Shelves Ltd");
        for weak in ["victoria2024", "Corporation!", "hotshelf12345678", "BlueShelves99", "victoria corporation"] {
            assert!(check(weak).is_err(), "{weak}");
        }
        for good in ["correct horse battery", "victoria likes green tea", "ltdltd-9x-quince"] {
            assert!(check(good).is_ok(), "{good}");
        }
    }
}
