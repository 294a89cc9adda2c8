//! Where a folded text is cut.

use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Words with one mark of punctuation between each two; mostly only one word.
    Compound(Vec<&'a str>),
    /// Characters of a script without spaces, each with the marks on it. At least one.
    Run(Vec<&'a str>),
    /// Neither letter nor digit nor punctuation.
    Symbol(&'a str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Letters and digits, in words with spaces between them.
    Word,
    /// A letter of a script without spaces.
    Run,
    /// A mark on the letter before it.
    Mark,
    Symbol,
    /// Two of them are a flag.
    Flag,
    /// May hold words together.
    Joiner,
    Space,
}

/// In the order of the text.
pub(super) fn pieces(folded: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut chars = folded.char_indices().peekable();
    // The end of the last word, when only one joiner has come since.
    let mut joins = None;
    while let Some((start, c)) = chars.next() {
        let mut rest = |more: fn(Kind) -> bool| {
            while chars.next_if(|(_, next)| more(kind(*next))).is_some() {}
            chars.peek().map_or(folded.len(), |(end, _)| *end)
        };
        match kind(c) {
            Kind::Word => {
                let end = rest(|kind| matches!(kind, Kind::Word | Kind::Mark));
                match (joins, pieces.last_mut()) {
                    (Some(true), Some(Piece::Compound(parts))) => parts.push(&folded[start..end]),
                    _ => pieces.push(Piece::Compound(vec![&folded[start..end]])),
                }
                joins = Some(false);
            }
            Kind::Run | Kind::Flag => {
                let same = kind(c);
                let end = rest(|kind| kind == Kind::Mark);
                let unit = &folded[start..end];
                match pieces.last_mut() {
                    // Side by side, and both letters or both flags.
                    Some(Piece::Run(units)) if follows(units, unit) && kind_of(units) == Some(same) => units.push(unit),
                    _ => pieces.push(Piece::Run(vec![unit])),
                }
                joins = None;
            }
            Kind::Symbol => {
                pieces.push(Piece::Symbol(&folded[start..start + c.len_utf8()]));
                joins = None;
            }
            Kind::Joiner => joins = if joins == Some(false) { Some(true) } else { None },
            // A mark without a letter is nothing.
            Kind::Mark | Kind::Space => joins = None,
        }
    }
    pieces
}

/// Whether the unit comes right after the others, in the text that all of them are parts of.
fn follows(units: &[&str], unit: &str) -> bool {
    units.last().is_some_and(|last| last.as_bytes().as_ptr_range().end == unit.as_ptr())
}

fn kind_of(units: &[&str]) -> Option<Kind> {
    units.last().and_then(|unit| unit.chars().next()).map(kind)
}

/// Whether the character is a letter or a digit of a script with spaces.
pub(super) fn begins_word(c: char) -> bool {
    kind(c) == Kind::Word
}

fn kind(c: char) -> Kind {
    if c.is_ascii() {
        return match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Kind::Word,
            '$' | '<' | '=' | '>' | '^' | '`' | '|' | '~' | '+' => Kind::Symbol,
            ' ' | '\t' | '\n' | '\r' | '(' | ')' | '[' | ']' | '{' | '}' => Kind::Space,
            c if c.is_ascii_control() => Kind::Space,
            _ => Kind::Joiner,
        };
    }
    use GeneralCategory as Category;
    match CodePointMapData::<GeneralCategory>::new().get(c) {
        Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark => Kind::Mark,
        Category::MathSymbol | Category::CurrencySymbol | Category::ModifierSymbol | Category::OtherSymbol => {
            if ('\u{1f1e6}'..='\u{1f1ff}').contains(&c) {
                Kind::Flag
            } else if c == '\u{2044}' {
                // What ½ becomes: 1⁄2.
                Kind::Joiner
            } else {
                Kind::Symbol
            }
        }
        Category::DashPunctuation
        | Category::ConnectorPunctuation
        | Category::OtherPunctuation
        | Category::FinalPunctuation => Kind::Joiner,
        _ if !c.is_alphanumeric() => Kind::Space,
        // ー has no script of its own.
        _ if c == 'ー' || is_without_spaces(CodePointMapData::<Script>::new().get(c)) => Kind::Run,
        _ => Kind::Word,
    }
}

/// Korean has spaces, but puts them between more than words, and joins words to what belongs to them.
fn is_without_spaces(script: Script) -> bool {
    const THEY: [Script; 15] = [
        Script::Han,
        Script::Hiragana,
        Script::Katakana,
        Script::Bopomofo,
        Script::Hangul,
        Script::Yi,
        Script::Thai,
        Script::Lao,
        Script::Khmer,
        Script::Myanmar,
        Script::TaiLe,
        Script::NewTaiLue,
        Script::TaiTham,
        Script::TaiViet,
        Script::Javanese,
    ];
    THEY.contains(&script)
}
