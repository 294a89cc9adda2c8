use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, Script};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Serialize};

/// The longest address that mail can be sent to (RFC 5321, erratum 1690).
const LONGEST: usize = 254;

/// The address of a user, in lower case and in one form of Unicode (NFKC): one person has one account, however the
/// address is written.
///
/// Whether it exists only a mail can tell. Looked at are the things that could do harm, or are a slip of the hand:
/// characters that nobody sees, and letters that look like those of another script.
///
/// ```
/// use hotshelf_domain::Email;
///
/// assert_eq!(" Ann@Shop.Example ".parse::<Email>()?.as_str(), "ann@shop.example");
/// assert_eq!("ａｎｎ@shop.example".parse::<Email>()?.as_str(), "ann@shop.example");
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

    /// The addresses by which somebody may be known who writes the address like this: as it is written, for an account
    /// may be older than the rules, and as it would be stored today.
    pub fn spellings(text: &str) -> Vec<Email> {
        let as_written = text.trim().to_lowercase();
        let as_written =
            (as_written.len() <= LONGEST && is_address(&as_written, separates)).then_some(Email(as_written));
        let mut spellings = Vec::from_iter(as_written);
        if let Ok(email) = text.parse::<Email>()
            && !spellings.contains(&email)
        {
            spellings.push(email);
        }
        spellings
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
        // Bounded before it is normalized, which may make it longer.
        if text.len() > 4 * LONGEST {
            return Err(too_long());
        }
        let nfkc = ComposingNormalizerBorrowed::new_nfkc();
        let text = nfkc.normalize(&nfkc.normalize(text.trim()).to_lowercase()).into_owned();
        if text.len() > LONGEST {
            return Err(too_long());
        }
        if !is_address(&text, |letter| separates(letter) || is_unseen(letter)) {
            return Err("must be an e-mail address, such as ann@shop.example".to_owned());
        }
        if text.split(['@', '.']).any(mixes_scripts) {
            return Err("must not mix letters of scripts that look alike, such as Latin and Cyrillic".to_owned());
        }
        Ok(Email(text))
    }
}

fn is_address(text: &str, is_odd: impl Fn(char) -> bool) -> bool {
    let labelled = |part: &str| part.split('.').all(|label| !label.is_empty());
    let parts = text.split_once('@').filter(|(_, host)| !host.contains('@'));
    parts.is_some_and(|(person, host)| labelled(person) && labelled(host)) && !text.chars().any(is_odd)
}

fn too_long() -> String {
    format!("must be at most {LONGEST} bytes")
}

/// What separates addresses and their parts in a mail.
fn separates(letter: char) -> bool {
    letter.is_control() || letter.is_whitespace() || matches!(letter, '<' | '>' | ',' | ';' | '"' | '\\' | '(' | ')')
}

fn is_unseen(letter: char) -> bool {
    /// A letter of Braille without dots.
    const BLANK: char = '\u{2800}';
    !letter.is_ascii()
        && (letter == BLANK
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
            || CodePointSetData::new::<BidiControl>().contains(letter))
}

/// Whether the letters come from more scripts than any language is written in. The level is "highly restrictive" of
/// UTS 39: one script, or Latin together with those of Chinese, Japanese or Korean.
fn mixes_scripts(part: &str) -> bool {
    const TOGETHER: [&[Script]; 3] = [
        &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
        &[Script::Latin, Script::Han, Script::Bopomofo],
        &[Script::Latin, Script::Han, Script::Hangul],
    ];
    if part.is_ascii() {
        return false;
    }
    let script = CodePointMapData::<Script>::new();
    let scripts: BTreeSet<Script> = part.chars().map(|letter| script.get(letter)).collect();
    let own: Vec<Script> =
        scripts.into_iter().filter(|script| ![Script::Common, Script::Inherited].contains(script)).collect();
    own.len() > 1 && !TOGETHER.iter().any(|together| own.iter().all(|script| together.contains(script)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        for good in
            ["a@b", "ann+shop@sub.shop.example", "änn@shöp.example", "анна@shop.example", "花子abc@例え.example"]
        {
            assert!(good.parse::<Email>().is_ok(), "{good}");
        }
        let long = format!("{}@shop.example", "a".repeat(250));
        for bad in
            ["", "ann", "@shop", "ann@", "a@b@c", "a b@c", "a@b\nBcc: x@y", "<a@b>", "a@b,c@d", "a@.b", "a..b@c", &long]
        {
            assert!(bad.parse::<Email>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_looks_alike_is_the_same_or_refused() {
        for same in ["ａnn@shop.example", "ANN@SHOP.EXAMPLE", "ann＠shop．example", "ann@ｓhop.example"] {
            assert_eq!(same.parse::<Email>().unwrap().as_str(), "ann@shop.example", "{same}");
        }
        assert_eq!("a\u{308}nn@b".parse::<Email>(), "änn@b".parse::<Email>());
        let hidden = [
            "\u{200b}",
            "\u{202e}",
            "\u{2066}",
            "\u{ad}",
            "\u{feff}",
            "\u{200d}",
            "\u{3164}",
            "\u{2800}",
            "\u{e0041}",
            "\u{180e}",
        ];
        for hidden in hidden {
            for address in [format!("an{hidden}n@shop.example"), format!("ann@sh{hidden}op.example")] {
                assert!(address.parse::<Email>().is_err(), "{address:?}");
            }
        }
        // A Cyrillic а, a Greek ο.
        for mixed in ["аnn@shop.example", "ann@shοp.example"] {
            assert!(mixed.parse::<Email>().unwrap_err().contains("scripts"), "{mixed}");
        }
    }

    #[test]
    fn older_accounts_are_known_as_they_are_written() {
        let spellings = |text: &str| -> Vec<String> { Email::spellings(text).iter().map(Email::to_string).collect() };
        assert_eq!(spellings(" Ann@shop.example"), ["ann@shop.example"]);
        assert_eq!(spellings("ａnn@shop.example"), ["ａnn@shop.example", "ann@shop.example"]);
        assert_eq!(spellings("an\u{200b}n@shop.example"), ["an\u{200b}n@shop.example"]);
        assert_eq!(spellings("nonsense"), [""; 0]);
    }
}
