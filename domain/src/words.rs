//! Words: the same for what is stored and for what is asked, whatever the database. A text is folded (`fold.rs`),
//! then split (`split.rs`); a product is found when each word of a search begins a word of its texts.
//!
//! | in a text | is found by |
//! |---|---|
//! | a word: letters and digits of a script that puts spaces between words | its beginning |
//! | a compound: words with one mark of punctuation between them, such as `AB-12.34/X` | the beginning of any part, with the marks or without: `ab-12`, `12.34`, `ab1234x`, `34x` |
//! | a run of a script without spaces (Chinese, Japanese, Korean, Thai, Lao, Khmer, Burmese …) | any part of it: each two characters of a search must stand side by side somewhere in the texts |
//! | a symbol, such as an emoji | itself, in a search that has no words |

mod fold;
mod split;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use split::Piece;

/// Longer words are cut, in a search as in a text, so that they are found all the same.
const CHARS_MAX: usize = 64;
/// Parts of a compound that are also found written as one word.
const JOINED_MAX: usize = 8;

/// What a product is found by, in order and each once. A word that another one begins with is left out: whoever asks
/// for it finds the other.
pub fn stored(texts: [&str; 3]) -> Vec<String> {
    let mut words = Vec::new();
    for text in texts {
        for piece in split::pieces(&fold::folded(text)) {
            match piece {
                Piece::Compound(parts) => words.extend((0..parts.len()).map(|from| joined(&parts[from..]))),
                Piece::Run(units) => {
                    words.extend(pairs(&units));
                    words.extend(units.last().map(|last| (*last).to_owned()));
                }
                Piece::Symbol(symbol) => words.push(symbol.to_owned()),
            }
        }
    }
    without_beginnings(words)
}

/// What a search asks for, in order and each once, but for what another one begins with; a compound as its parts with
/// `-` between them.
pub(crate) fn searched(text: &str) -> Vec<String> {
    let folded = fold::folded(text);
    let (mut words, mut symbols) = (Vec::new(), Vec::new());
    for piece in split::pieces(&folded) {
        match piece {
            Piece::Compound(parts) => {
                words.push(parts.iter().map(|part| cut(part)).collect::<Vec<_>>().join("-"));
            }
            Piece::Run(units) => match &units[..] {
                [unit] => words.push((*unit).to_owned()),
                units => words.extend(pairs(units)),
            },
            Piece::Symbol(symbol) => symbols.push(symbol.to_owned()),
        }
    }
    without_beginnings(if words.is_empty() { symbols } else { words })
}

/// Whether a word of a search is part of a run, or a symbol.
pub(crate) fn is_of_run(asked: &str) -> bool {
    asked.chars().next().is_some_and(|first| !split::begins_word(first))
}

fn without_beginnings(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    // In order, what begins with a word comes right after it.
    words.dedup_by(|next, word| {
        let begun = next.starts_with(word.as_str());
        if begun {
            std::mem::swap(next, word);
        }
        begun
    });
    words
}

/// Whether each word of a search begins one of these, as the index finds it.
pub fn find(stored: &[String], asked: &[&str]) -> bool {
    let begun = |word: &str| stored.iter().any(|own| own.starts_with(word));
    asked.iter().all(|asked| parts(asked).all(begun) || begun(&as_one(asked)))
}

/// How well a text has a word of a search; see [`Texts::fit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// Not at all.
    #[default]
    None,
    /// It begins one of its words.
    Beginning,
    /// It is one of its words.
    Whole,
}

/// A text by its words, to be held against those of a search.
pub struct Texts {
    words: Vec<String>,
    /// How many words, compounds and runs it is made of.
    pub pieces: usize,
}

impl Texts {
    /// Folds and splits it: microseconds.
    pub fn new(text: &str) -> Self {
        let folded = fold::folded(text);
        let pieces = split::pieces(&folded);
        let count = pieces.len();
        let mut words = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Compound(parts) => {
                    words.extend((0..parts.len()).map(|from| joined(&parts[from..])));
                    words.extend(parts.iter().map(|part| cut(part).into_owned()));
                }
                Piece::Run(units) => {
                    words.extend(pairs(&units));
                    words.extend(units.last().map(|last| (*last).to_owned()));
                }
                Piece::Symbol(symbol) => words.push(symbol.to_owned()),
            }
        }
        Texts { words, pieces: count }
    }

    /// How well it has the word of a search; for a compound, the least of its parts, or as one word.
    pub fn fit(&self, asked: &str) -> Fit {
        let one = |word: &str| {
            let fits = self.words.iter().filter(|own| own.starts_with(word));
            fits.map(|own| if own.len() == word.len() { Fit::Whole } else { Fit::Beginning }).max().unwrap_or_default()
        };
        let by_parts = parts(asked).map(one).min().unwrap_or_default();
        one(&as_one(asked)).max(by_parts)
    }
}

/// The parts of a word of a search.
pub fn parts(asked: &str) -> impl Iterator<Item = &str> {
    asked.split('-')
}

/// A word of a search written as one.
pub fn as_one(asked: &str) -> Cow<'_, str> {
    if asked.contains('-') { Cow::Owned(joined(&parts(asked).collect::<Vec<_>>())) } else { Cow::Borrowed(asked) }
}

fn pairs<'a>(units: &'a [&str]) -> impl Iterator<Item = String> + 'a {
    units.windows(2).map(|pair| pair.concat())
}

fn joined(parts: &[&str]) -> String {
    // Most words are no compound, and short.
    if let [word] = parts
        && word.len() <= CHARS_MAX
    {
        return (*word).to_owned();
    }
    parts.iter().take(JOINED_MAX).flat_map(|part| part.chars()).take(CHARS_MAX).collect()
}

fn cut(word: &str) -> Cow<'_, str> {
    if word.len() <= CHARS_MAX {
        return Cow::Borrowed(word);
    }
    match word.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => Cow::Borrowed(&word[..end]),
        None => Cow::Borrowed(word),
    }
}
