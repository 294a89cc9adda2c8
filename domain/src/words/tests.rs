use super::*;

/// Whether a product with this text is found by this search.
fn finds(text: &str, search: &str) -> bool {
    let (stored, asked) = (stored([text, "", ""]), searched(search));
    let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
    !asked.is_empty() && find(&stored, &asked)
}

#[track_caller]
fn check(text: &str, found_by: &[&str], not_by: &[&str]) {
    for search in found_by {
        assert!(finds(text, search), "{text:?} by {search:?}: {:?}, {:?}", stored([text, "", ""]), searched(search));
    }
    for search in not_by {
        assert!(!finds(text, search), "{text:?} by {search:?}: {:?}, {:?}", stored([text, "", ""]), searched(search));
    }
}

#[test]
fn latin() {
    check("Crème Brûlée", &["creme", "CRÈME", "cre\u{300}me brul", "ＣＲＥＭＥ"], &["reme", "cremes"]);
    check("Große Straße", &["grosse", "GROẞE", "strasse", "straß"], &["groze"]);
    check("eﬃcient ﬁlter", &["efficient", "filter", "ef", "fi"], &["ﬂ"]);
    check("Łódź Smørrebrød æble œuvre", &["lodz", "smorrebrod", "aeble", "œuvre", "oeuvre"], &[]);
    check("İstanbul ISPARTA ılık", &["istanbul", "ISTANBUL", "ısparta", "isparta", "ilik", "ILIK"], &[]);
    check("Tiếng Việt", &["tieng viet", "TIẾNG"], &["tiengviet"]);
    check("Waschmaschine™ Wasch\u{ad}mittel", &["waschmaschine", "waschmittel"], &["mittel"]);
}

#[test]
fn greek_and_cyrillic() {
    check("Ελληνικός Καφές ΟΔΟΣ", &["ελληνικος", "ΕΛΛΗΝΙΚΌΣ", "καφεσ", "καφές", "οδος", "οδοσ", "Οδός"], &["φες"]);
    // ё is е, and й is и, for those who type neither.
    check("Ёлка зелёная, чай Йогурт", &["елка", "ЁЛКА", "зеленая", "чай", "чаи", "йогурт", "и\u{306}огурт"], &["лка"]);
    check("Їжак Ґудзик", &["їжак", "ґудзик"], &[]);
}

#[test]
fn arabic_and_hebrew() {
    check("قَهْوَة عَرَبِيّة", &["قهوة", "قهوه", "عربية", "قَهوة"], &["هوة"]);
    check("أحمر إبريق آلة", &["احمر", "ابريق", "الة", "أحمر", "آله"], &[]);
    check("كتـــاب کتابی", &["كتاب", "كتابي", "کتاب"], &[]);
    check("سماعة ١٢٣ ۴۵۶", &["123", "456", "١٢٣"], &["321"]);
    check("שָׁלוֹם מלך", &["שלום", "שלומ", "מלכ", "מֶלֶךְ"], &["לום"]);
}

#[test]
fn vowels_that_are_marks_stay() {
    check("हिन्दी किताब १२", &["हिन्दी", "हिन", "किताब", "12"], &["हन्दी", "कताब"]);
    check("தமிழ் புத்தகம்", &["தமிழ்", "புத்தகம்"], &["தமழ"]);
}

#[test]
fn chinese_japanese_and_korean() {
    check(
        "东京都无线耳机Pro",
        &["东京", "京都", "无线", "耳机", "东京都", "机", "都", "pro", "耳机pro", "线耳"],
        &["东都", "京东", "机线"],
    );
    check(
        "ワイヤレスイヤホン ｶﾞｽｺﾝﾛ コーヒー",
        &["イヤホン", "ワイヤレス", "ガス", "ｲﾔﾎﾝ", "コンロ", "コーヒー", "ｺｰﾋｰ"],
        &["カス", "コヒ"],
    );
    check("がっこう 日本語の本", &["がっこう", "か\u{3099}っこう", "日本", "の本", "本"], &["かっこう", "語本"]);
    check("무선 노트북을 한국어", &["노트북", "트북", "무선", "한국", "북", "노트북을"], &["무트", "선노"]);
    check("\u{1112}\u{1161}\u{11ab}글", &["한글", "글"], &[]);
}

#[test]
fn thai_lao_khmer_and_burmese() {
    check("กาแฟเย็นที่ดี", &["กาแฟ", "แฟ", "เย็น", "ที่", "ดี", "ก"], &["แก"]);
    check("ກາເຟເຢັນ", &["ກາເຟ", "ເຢັນ"], &["ຟກ"]);
    check("កាហ្វេទឹកកក", &["កាហ្វេ", "ទឹកកក"], &[]);
    check("ကော်ဖီအေး", &["ကော်ဖီ", "အေး"], &[]);
}

#[test]
fn symbols_are_found_when_they_are_all_there_is() {
    check("Cup ☕ hot 🔥 sale", &["☕", "🔥", "🔥☕", "☕ cup", "☃ cup"], &["☃", "☕☃"]);
    check("Thumb 👍🏽 cook 👩‍🍳 love ❤️", &["👍", "👍🏿", "👩‍🍳", "👩", "🍳", "❤", "❤️"], &["👎"]);
    check("Made in 🇩🇪🇫🇷", &["🇩🇪", "🇫🇷"], &["🇪🇸", "🇪🇩", "🇷🇪"]);
    check("C++ 10 € ½", &["+", "€", "c++", "10€", "1/2"], &["$", "%", "!", "-"]);
}

#[test]
fn article_numbers() {
    let parts_and_beginnings = ["AB-12.34/X", "ab", "12", "34", "x", "AB-12", "ab-12.3", "12.34", "34/x", "X AB"];
    let without_marks = ["ab12", "ab1234", "AB1234X", "1234x", "34X"];
    check("Pump AB-12.34/X", &[&parts_and_beginnings[..], &without_marks].concat(), &["b-12", "2.34", "ab-13", "34x1"]);
    // Nor does the search's punctuation matter when the product has none.
    check("Pump AB1234X", &["ab-1234-x", "AB-12.34/X", "ab1234"], &["ab-1235", "1234"]);
    check(
        "Wi-Fi USB_C chef's l'eau",
        &["wifi", "wi fi", "fi", "usbc", "usb-c", "chefs", "chef", "eau", "leau"],
        &["ifi"],
    );
    check("red,blue - green", &["blue", "green", "red"], &["bluegreen"]);
    check("№ 5 m² ① iPhone15保护壳", &["no 5", "m2", "1", "iphone15", "保护", "iphone15保护壳"], &["15"]);
}

#[test]
fn long_words_are_found_by_what_is_kept_of_them() {
    let word = "x1".repeat(200);
    check(&word, &[&word[..400], &word[..64], &word[..63]], &["1x"]);
    let compound = ["ab"; 40].join("-");
    check(&compound, &[&compound, "ababab", "ab-ab"], &[]);
    assert!(stored([&compound, "", ""]).iter().map(String::len).sum::<usize>() < 200);
}

/// Every text that has any word is found by itself, and folding twice is folding once.
#[test]
fn a_text_finds_itself() {
    use rand::rngs::SmallRng;
    use rand::{RngExt, SeedableRng};
    const PARTS: [&str; 40] = [
        "a",
        "B",
        "é",
        "e\u{301}",
        "ß",
        "İ",
        "ς",
        "Σ",
        "Й",
        "أ",
        "ة",
        "שׁ",
        "ि",
        "न्",
        "か\u{3099}",
        "ｶﾞ",
        "ー",
        "東",
        "京",
        "한",
        "ᄒ",
        "ที่",
        "្ក",
        "☕",
        "👩‍🍳",
        "🇩🇪",
        "🇩",
        "-",
        ".",
        "/",
        "'",
        " ",
        "  ",
        "(",
        "½",
        "ﷺ",
        "\u{200d}",
        "\u{fe0f}",
        "٣",
        "\u{300}",
    ];
    let mut random = SmallRng::seed_from_u64(7);
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random.random_range(1..12) {
            if random.random_range(0..4) == 0 {
                text.extend(char::from_u32(random.random_range(0..0x30000)));
            } else {
                text.push_str(PARTS[random.random_range(0..PARTS.len())]);
            }
        }
        let folded = fold::folded(&text);
        assert_eq!(fold::folded(&folded), folded, "{text:?}");
        let asked = searched(&text);
        assert!(asked.is_empty() || finds(&text, &text), "{text:?}: {:?}, {asked:?}", stored([&text, "", ""]));
        let again = searched(&asked.join(" "));
        assert_eq!(again, asked, "{text:?}");
        for word in stored([&text, "", ""]).iter().chain(&asked) {
            let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\"'()*:!{}".contains(c);
            assert!(!word.is_empty() && word.chars().all(plain), "{text:?}: {word:?}");
        }
    }
}
