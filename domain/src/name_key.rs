use icu_collator::CollatorBorrowed;
use icu_collator::options::CollatorOptions;

/// Bytes kept of a key. They tell names apart by some hundred letters, fewer of scripts with many characters; a shorter
/// key also tells accents and case apart. Names that are the same so far are equal in the order of names, and go by id.
pub(crate) const NAME_KEY_MAX: usize = 256;

/// What orders a name among others: the bytes compare as people expect the names to, letters first, then accents, then
/// case, for all scripts, by the root collation of Unicode. The same on every database, for none of them has to know
/// how.
pub fn name_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 * name.len() + 8);
    let Ok(()) = CollatorBorrowed::new_root(CollatorOptions::default()).write_sort_key_to(name, &mut key);
    key.truncate(NAME_KEY_MAX);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_scripts_are_in_the_order_of_unicode() {
        let ordered = [
            "",
            "_under",
            "[box]",
            "☕",
            "10",
            "2",
            "a",
            "A",
            "ä",
            "Apfel",
            "äpfel",
            "Äpfel",
            "Apfelmus",
            "cafe",
            "café",
            "Café",
            "cafes",
            "ß",
            "Straße",
            "Zebra",
            "ωμέγα",
            "Ωμέγα",
            "елка",
            "ёлка",
            "Ёлка",
            "жук",
            "שלום",
            "قهوة",
            "हिन्दी",
            "กาแฟ",
            "가방",
            "커피",
            "がっこう",
            "コーヒー",
            "ランプ",
            "东京",
            "电灯",
        ];
        let mut sorted = ordered;
        sorted.sort_by_key(|name| name_key(name));
        assert_eq!(sorted, ordered);
    }

    #[test]
    fn keys_are_bounded_and_longer_names_are_equal_from_there_on() {
        let long = |end: char| format!("{}{end}", "ﷺ".repeat(254));
        assert_eq!(name_key(&long('a')).len(), NAME_KEY_MAX);
        assert_eq!(name_key(&long('a')), name_key(&long('b')));
        let letters = |end: char| format!("{}{end}", "a".repeat(200));
        assert!(name_key(&letters('a')) < name_key(&letters('b')));
        assert_eq!(name_key("Cafe\u{301}"), name_key("Café"), "the same text in another form");
    }

    /// Keys and words are stored. A new version of the libraries may make others: then this fails, and what is stored
    /// needs a migration that has it made again, as `00000000000008_words_and_name_keys` has.
    #[test]
    fn what_is_stored_is_made_as_before() {
        let texts = ["Crème AB-12.34/X", "Ωμέγα ЁЙ", "قَهْوَة שָׁלוֹם", "हिन्दी กาแฟ", "東京 ガス 한글", "ß İ ☕ 👍🏽 🇩🇪 ½"];
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for text in texts {
            let words = crate::words::stored([text, "", ""]).join(" ");
            for byte in name_key(text).iter().chain(words.as_bytes()) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        assert_eq!(hash, 13_747_495_992_476_210_334, "of FNV-1a");
    }
}
