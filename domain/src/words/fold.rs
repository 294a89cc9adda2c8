//! What makes no difference to a reader makes none here: case, accents, width, ligatures, and letters that are written
//! in more than one way. The rules are the same for every language, so some languages lose a difference that is theirs.

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use icu_normalizer::{ComposingNormalizerBorrowed, DecomposingNormalizerBorrowed};
use icu_properties::CodePointMapData;
use icu_properties::props::{GeneralCategory, Script};

/// The text in the form in which it is compared. Folding it again changes nothing.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd();
    let mut plain = String::with_capacity(text.len());
    for c in decomposed.normalize_iter(text.chars().map(|c| if is_a_sign(c) { ' ' } else { c })) {
        if !makes_no_difference(c) {
            plain.push(c);
        }
    }
    let lower = CaseMapper::new().fold_string(&plain);
    let mut alike = String::with_capacity(lower.len());
    // Folding may bring marks of its own.
    for c in decomposed.normalize_iter(lower.chars()).filter(|c| !makes_no_difference(*c)) {
        match instead(c) {
            "" => alike.push(digit(c)),
            other => alike.push_str(other),
        }
    }
    // Japanese and Korean letters become whole again: their marks are no accents.
    Cow::Owned(ComposingNormalizerBorrowed::new_nfc().normalize(&alike).into_owned())
}

/// Would become letters that stick to the word before.
fn is_a_sign(c: char) -> bool {
    matches!(c, '™' | '℠')
}

/// Characters without a look of their own, colours of skin, and marks above and below letters, as long as the letters
/// mean the same to most readers without them. The vowels of Indic scripts, of Thai and its neighbours are marks as
/// well, and so are what tells か from が: without them, words would be destroyed.
fn makes_no_difference(c: char) -> bool {
    if c.is_ascii() {
        return false;
    }
    match CodePointMapData::<GeneralCategory>::new().get(c) {
        GeneralCategory::Format => true,
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => {
            const JAPANESE: [char; 2] = ['\u{3099}', '\u{309a}'];
            let script = CodePointMapData::<Script>::new().get(c);
            let letters = [
                Script::Inherited,
                Script::Common,
                Script::Latin,
                Script::Greek,
                Script::Coptic,
                Script::Cyrillic,
                Script::Arabic,
                Script::Hebrew,
                Script::Syriac,
            ];
            letters.contains(&script) && !JAPANESE.contains(&c)
        }
        // Tatweel only makes an Arabic word longer.
        GeneralCategory::ModifierLetter => c == 'ـ',
        GeneralCategory::ModifierSymbol => ('\u{1f3fb}'..='\u{1f3ff}').contains(&c),
        _ => false,
    }
}

/// Letters that Unicode does not take apart, and that are typed without what makes them special; "" for all others.
fn instead(c: char) -> &'static str {
    match c {
        // Turkish: İ, I, ı and i are one letter, whoever asks.
        'ı' => "i",
        'ł' => "l",
        'ø' => "o",
        'đ' => "d",
        'ħ' => "h",
        'ŧ' => "t",
        'æ' => "ae",
        'œ' => "oe",
        // Ya and kaf as Persian and as Arabic write them, final ya without dots, and ta marbuta, which often loses its
        // own.
        'ى' | 'ی' => "ي",
        'ک' => "ك",
        'ة' => "ه",
        // The final forms of Hebrew letters are no other letters. The normal forms of Greek are a matter of case
        // already.
        'ך' => "כ",
        'ם' => "מ",
        'ן' => "נ",
        'ף' => "פ",
        'ץ' => "צ",
        _ => "",
    }
}

/// The digits of other scripts as those of ASCII.
fn digit(c: char) -> char {
    /// Their zeros; the nine others follow.
    const ZEROS: [char; 16] = ['٠', '۰', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '๐', '໐', '༠', '၀', '០'];
    if c.is_ascii() {
        return c;
    }
    let value = ZEROS.iter().find_map(|zero| u32::from(c).checked_sub(u32::from(*zero)).filter(|value| *value < 10));
    value.and_then(|value| char::from_digit(value, 10)).unwrap_or(c)
}
