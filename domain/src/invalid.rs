//! Why something that was given cannot be accepted: every reason at once, up to a bound that the sender cannot move.

use std::fmt;

use serde::Serialize;

/// Reasons that are named; what is wrong beyond is counted.
const LISTED_MAX: usize = 100;
/// Bytes of a name and of a message. Both may repeat what was sent, which can be megabytes.
const FIELD_MAX: usize = 200;
const MESSAGE_MAX: usize = 500;

/// One reason why a field cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The field's name as the caller wrote it, or its beginning.
    pub field: String,
    /// What is expected, as the rest of a sentence that starts with the field's name.
    pub message: String,
}

impl FieldError {
    /// About the field of that name.
    pub fn new(field: &str, message: &str) -> Self {
        FieldError { field: shortened(field, FIELD_MAX), message: shortened(message, MESSAGE_MAX) }
    }
}

/// Reasons: the first hundred, and how many more there are. In JSON, the list of those that are named.
///
/// ```
/// use hotshelf_domain::{FieldError, FieldErrors};
///
/// let errors: FieldErrors = (0..250).map(|_| FieldError::new("colour", "is not a known field")).collect();
/// assert_eq!((errors.len(), errors.more()), (100, 150));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FieldErrors {
    listed: Vec<FieldError>,
    #[serde(skip)]
    more: usize,
}

impl FieldErrors {
    /// Adds a reason.
    pub fn add(&mut self, field: &str, message: &str) {
        // Looked at before anything is copied.
        if self.listed.len() < LISTED_MAX { self.listed.push(FieldError::new(field, message)) } else { self.more += 1 }
    }

    /// Adds so many that nobody has looked at.
    pub fn add_uncounted(&mut self, number: usize) {
        self.more += number;
    }

    /// Adds the reasons why a part of the whole cannot be accepted.
    pub fn append(&mut self, part: FieldErrors) {
        self.more += part.more;
        self.extend(part);
    }

    /// Keeps so many of them as a list, and counts the others.
    pub fn keep(&mut self, most: usize) {
        self.more += self.listed.len().saturating_sub(most);
        self.listed.truncate(most);
    }

    /// How many there are beside those in the list.
    pub fn more(&self) -> usize {
        self.more
    }

    /// How many are named.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty() && self.more == 0
    }

    /// Those that are named, one after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.listed.iter()
    }
}

impl Extend<FieldError> for FieldErrors {
    fn extend<I: IntoIterator<Item = FieldError>>(&mut self, errors: I) {
        errors.into_iter().for_each(|error| self.add(&error.field, &error.message));
    }
}

impl FromIterator<FieldError> for FieldErrors {
    fn from_iter<I: IntoIterator<Item = FieldError>>(errors: I) -> Self {
        let mut all = FieldErrors::default();
        all.extend(errors);
        all
    }
}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        FieldErrors { listed: vec![error], more: 0 }
    }
}

/// Those that are named.
impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

impl<'a> IntoIterator for &'a FieldErrors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Every reason why what was given cannot be accepted; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub FieldErrors);

impl Invalid {
    /// For one reason.
    pub fn one(field: &str, message: &str) -> Self {
        Invalid(FieldError::new(field, message).into())
    }
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, FieldError { field, message }) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "; " })?;
            write!(f, "{field} {message}")?;
        }
        match self.0.more() {
            0 => Ok(()),
            more => write!(f, "; and {} more", Thousands(more)),
        }
    }
}

/// The room for the reasons of many things in one answer: a hundred in all, and the first one of each thing in any
/// case.
pub struct ErrorRoom(usize);

impl Default for ErrorRoom {
    fn default() -> Self {
        ErrorRoom(LISTED_MAX)
    }
}

impl ErrorRoom {
    /// With those reasons that there is room for; the others are counted.
    pub fn fit(&mut self, invalid: Invalid) -> Invalid {
        let Invalid(mut errors) = invalid;
        errors.keep(self.0.max(1));
        self.0 = self.0.saturating_sub(errors.len());
        Invalid(errors)
    }
}

/// A number as people read it: `1,031,900`.
pub struct Thousands(pub usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.char_indices() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// The text, or as much of its beginning as is no longer than that many bytes, with a mark that something is missing.
pub fn shortened(text: &str, max: usize) -> String {
    match text.len() <= max {
        true => text.to_owned(),
        false => {
            let end =
                text.char_indices().map(|(start, letter)| start + letter.len_utf8()).take_while(|end| *end <= max);
            format!("{}…", &text[..end.last().unwrap_or_default()])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_are_named_and_the_rest_is_counted() {
        let mut errors = FieldErrors::default();
        for number in 0..1_032_000 {
            errors.add(&format!("x{number}"), "is not a known field");
        }
        assert_eq!((errors.len(), errors.more()), (100, 1_031_900));
        assert!(errors.listed.capacity() < 1_000);
        let sentence = Invalid(errors.clone()).to_string();
        assert!(sentence.ends_with("; x99 is not a known field; and 1,031,900 more"), "{sentence}");
        let mut all = FieldErrors::from(FieldError::new("name", "is required"));
        all.append(errors);
        assert_eq!((all.len(), all.more()), (100, 1_031_901));
        all.keep(1);
        assert_eq!((all.len(), all.more()), (1, 1_032_000));
    }

    #[test]
    fn what_was_sent_is_repeated_in_part() {
        let error = FieldError::new(&"ä".repeat(1 << 20), &"x".repeat(1 << 20));
        assert_eq!(error.field, format!("{}…", "ä".repeat(100)));
        assert_eq!(error.message.len(), 500 + "…".len());
        assert_eq!(FieldError::new("name", "is required").field, "name");
    }

    #[test]
    fn many_bad_things_share_the_room_and_none_is_passed_over() {
        let bad = || Invalid((0..80).map(|_| FieldError::new("x", "is not a known field")).collect());
        let mut room = ErrorRoom::default();
        let named: Vec<_> = (0..4).map(|_| room.fit(bad()).0).map(|errors| (errors.len(), errors.more())).collect();
        assert_eq!(named, [(80, 0), (20, 60), (1, 79), (1, 79)]);
    }

    #[test]
    fn numbers_have_their_commas() {
        let texts = [0, 12, 999, 1_000, 100_000, 1_031_900].map(|number| Thousands(number).to_string());
        assert_eq!(texts, ["0", "12", "999", "1,000", "100,000", "1,031,900"]);
    }
}
