use std::fmt;

const WORDS_MAX: usize = 20;
const CHARS_MAX: usize = 200;

/// Words to search for. A product is found when each of them begins a word of its name, description or category; case
/// and accents make no difference.
///
/// Words are runs of letters and digits; everything else only separates them, so there is no text that means anything
/// else to the search.
///
/// ```
/// use hotshelf_domain::Search;
///
/// let search = Search::parse("  Café \"NEAR\" (usb-c)*")?;
/// assert_eq!(search.map(|search| search.to_string()).as_deref(), Some("café near usb c"));
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
    #[error("must be at most 20 words")]
    TooManyWords,
}

impl Search {
    /// The words of `text`, `None` when it is blank. A text without any letter or digit finds nothing.
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
        let words: Vec<String> =
            text.split(|c| !belongs_to_word(c)).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        if words.len() > WORDS_MAX {
            return Err(SearchError::TooManyWords);
        }
        Ok(Some(Search(words.join(" "))))
    }

    /// The words in lower case with one space between them: the same for every text that means the same search.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }

    /// Whether there is no word in it.
    pub(crate) fn finds_nothing(&self) -> bool {
        self.0.is_empty()
    }
}

/// Accents may come as characters of their own, after the letter.
fn belongs_to_word(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_mean_the_same_are_the_same() {
        let search = |text| Search::parse(text).unwrap().unwrap();
        assert_eq!(search("Blue,CUP"), search("  blue   cup* "));
        assert_eq!(search("cafe\u{301}s").words().count(), 1);
        assert!(search("\"*()").finds_nothing());
    }

    #[test]
    fn length_is_bounded() {
        assert_eq!(Search::parse(&"é".repeat(201)), Err(SearchError::TooLong));
        assert!(Search::parse(&"é".repeat(200)).is_ok());
        assert_eq!(Search::parse(&"a ".repeat(21)), Err(SearchError::TooManyWords));
        assert!(Search::parse(&"a ".repeat(20)).is_ok());
    }
}
