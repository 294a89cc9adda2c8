use std::fmt;

use crate::words;

const WORDS_MAX: usize = 12;
const PAIRS_MAX: usize = 64;
const CHARS_MAX: usize = 200;

/// Words to search for. A product is found when each of them begins a word of its name, description or category; case,
/// accents and other ways to write the same letters make no difference.
///
/// Words are letters and digits. Punctuation between two of them, as in `AB-12.34/X`, may be there or not. In scripts
/// without spaces, such as Chinese or Thai, each two characters that stand side by side are a word. Symbols count only
/// when there is nothing else. So there is no text that means anything else to the search.
///
/// ```
/// use hotshelf_domain::Search;
///
/// let search = Search::parse("  Café \"NEAR\" (usb-c)*")?;
/// assert_eq!(search.map(|search| search.to_string()).as_deref(), Some("cafe near usb-c"));
/// assert_eq!(Search::parse(" ")?, None);
/// # Ok::<(), hotshelf_domain::SearchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Search(String);

/// Why a text cannot be searched for. The message completes the sentence "search …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// Longer than anybody's words.
    #[error("must be at most 200 characters")]
    TooLong,
    /// More than anybody remembers.
    #[error("must be at most 12 different words, and at most 64 pairs of characters in scripts without spaces")]
    TooManyWords,
}

impl Search {
    /// The words of `text`, `None` when it is blank. A text without letters, digits and symbols finds nothing.
    ///
    /// # Errors
    /// [`SearchError`] when the text is too long or has too many words.
    pub fn parse(text: &str) -> Result<Option<Self>, SearchError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().count() > CHARS_MAX {
            return Err(SearchError::TooLong);
        }
        let searched = words::searched(text);
        let (runs, spaced): (Vec<_>, Vec<_>) = searched.iter().partition(|word| words::is_of_run(word));
        let spaced = spaced.into_iter().flat_map(|word| words::parts(word)).count();
        if spaced > WORDS_MAX || runs.len() > PAIRS_MAX {
            return Err(SearchError::TooManyWords);
        }
        Ok(Some(Search(searched.join(" "))))
    }

    /// The words, folded, in order and with one space between them: the same for every text that means the same search.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words, in order; a compound as its parts with `-` between them.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }

    /// Whether there is no word in it.
    pub fn finds_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(text: &str) -> Search {
        Search::parse(text).unwrap().unwrap()
    }

    #[test]
    fn texts_that_mean_the_same_are_the_same() {
        assert_eq!(search("Blue,CUP"), search("blue-cup*"));
        assert_eq!(search("cup blue"), search("  blue   cup* bl"));
        assert_eq!(search("cafe\u{301}s").words().count(), 1);
        assert!(search("\"*()").finds_nothing());
    }

    /// A key of the cache may hold it, and is read back.
    #[test]
    fn a_search_reads_back() {
        for text in ["Café usb-C", "東京都 タワー", "☕ 🇩🇪", "a-b-c", "AB-12.34/X", "Ελλάς", "हिन्दी", "ﷺ", "½ 3/4"]
        {
            assert_eq!(search(search(text).as_str()), search(text), "{text}");
        }
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(Search::parse(&"é".repeat(201)), Err(SearchError::TooLong));
        assert!(Search::parse(&"é".repeat(200)).is_ok());
        let words = |count: u8| (0..count).map(|n| char::from(b'a' + n).to_string()).collect::<Vec<_>>();
        assert!(Search::parse(&words(12).join(" ")).is_ok());
        assert_eq!(Search::parse(&words(13).join(" ")), Err(SearchError::TooManyWords));
        assert_eq!(Search::parse(&words(13).join("-")), Err(SearchError::TooManyWords));
        assert!(Search::parse(&"a ".repeat(90)).is_ok(), "the same word again is no word more");
        let han = |count: u32| (0..count).filter_map(|n| char::from_u32(0x4e00 + n)).collect::<String>();
        assert!(Search::parse(&han(65)).is_ok());
        assert_eq!(Search::parse(&han(66)), Err(SearchError::TooManyWords));
    }
}
