//! HTML as the text that a reader of the page would see.

use html2text::config;
use html2text::render::TextDecorator;

/// More columns than any description has, so that nothing is wrapped.
const NO_WRAPPING: usize = 1 << 24;
/// The longest description that a product may have, in characters.
const DESCRIPTION_MAX: usize = 1_000;
/// Elements that begin and end a line of their own.
const BLOCKS: [&str; 24] = [
    "address",
    "article",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "section",
    "table",
    "td",
    "tr",
    "ul",
];

/// The text without tags, entities decoded, paragraphs with a blank line between them, list items after "- " or their
/// number. Runs of white space become one space, and there is no second blank line. Text without any tag keeps its
/// line breaks.
pub(crate) fn to_text(html: &str) -> String {
    match (html.contains('<'), html.contains('&')) {
        (false, false) => tidy(html),
        (false, true) => tidy(&rendered(&html.replace('\n', "<br>"))),
        (true, _) => tidy(&rendered(html)),
    }
}

/// As [`to_text`], all on one line.
pub(crate) fn to_line(html: &str) -> String {
    to_text(html).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text if a description may be that long, or else its beginning up to the end of a word, and "…".
pub(crate) fn shortened(text: String) -> String {
    if text.chars().count() <= DESCRIPTION_MAX {
        return text;
    }
    let beginning: String = text.chars().take(DESCRIPTION_MAX).collect();
    let last_gap = beginning.rfind(char::is_whitespace);
    // A text without gaps is cut anywhere.
    let mut kept = match last_gap.filter(|&gap| gap > beginning.len() / 2) {
        Some(gap) => beginning[..gap].trim_end().to_owned(),
        None => beginning.chars().take(DESCRIPTION_MAX - 1).collect(),
    };
    kept.push('…');
    kept
}

/// For shops that take a line break between two texts for a `<br>`. One beside the tag of a block says nothing.
pub(crate) fn line_breaks_to_tags(html: &str) -> String {
    let mut result = String::with_capacity(html.len());
    let mut lines = html.split('\n').peekable();
    while let Some(line) = lines.next() {
        result.push_str(line);
        if let Some(next) = lines.peek() {
            result.push_str(if ends_with_block(line) || starts_with_block(next) { "\n" } else { "<br>" });
        }
    }
    result
}

fn starts_with_block(line: &str) -> bool {
    line.trim_start().strip_prefix('<').is_some_and(is_block)
}

fn ends_with_block(line: &str) -> bool {
    let line = line.trim_end();
    line.ends_with('>') && line.rfind('<').is_some_and(|start| is_block(&line[start + 1..]))
}

/// `tag` is what follows the `<`.
fn is_block(tag: &str) -> bool {
    let name = tag.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    BLOCKS.iter().any(|block| block.eq_ignore_ascii_case(name))
}

fn rendered(html: &str) -> String {
    // Raw: the cells of a table under each other. Beside each other, cells of several lines would interleave.
    let text = config::with_decorator(Undecorated)
        .raw_mode(true)
        .unicode_strikeout(false)
        .string_from_read(html.as_bytes(), NO_WRAPPING);
    // It fails when the width does not suffice, which it always does, or when there is nothing to render.
    text.unwrap_or_default()
}

fn tidy(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut blank = false;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else {
            blank = true;
            continue;
        };
        if !result.is_empty() {
            result.push_str(if blank { "\n\n" } else { "\n" });
        }
        blank = false;
        result.push_str(first);
        for word in words {
            result.push(' ');
            result.push_str(word);
        }
    }
    result
}

/// Marks list items and nothing else.
struct Undecorated;

impl TextDecorator for Undecorated {
    type Annotation = ();

    fn decorate_link_start(&mut self, _url: &str) -> (String, ()) {
        Default::default()
    }
    fn decorate_link_end(&mut self) -> String {
        String::new()
    }
    fn decorate_em_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_em_end(&self) -> String {
        String::new()
    }
    fn decorate_strong_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_strong_end(&self) -> String {
        String::new()
    }
    fn decorate_strikeout_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }
    fn decorate_code_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_code_end(&self) -> String {
        String::new()
    }
    fn decorate_preformat_first(&self) {}
    fn decorate_preformat_cont(&self) {}
    fn decorate_image(&mut self, _src: &str, _title: &str) -> (String, ()) {
        Default::default()
    }
    fn header_prefix(&self, _level: usize) -> String {
        String::new()
    }
    fn quote_prefix(&self) -> String {
        String::new()
    }
    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }
    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }
    fn make_subblock_decorator(&self) -> Self {
        Undecorated
    }
    fn decorate_superscript_start(&self) -> (String, ()) {
        Default::default()
    }
    fn decorate_superscript_end(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_page_without_its_markup() {
        for (html, text) in [
            ("<p>One <b>bold</b> &amp; <i>two</i></p>\n<p>Next<br>line</p>", "One bold & two\n\nNext\nline"),
            ("<ul><li>a</li><li>b</li></ul><ol><li>x</li><li>y</li></ol>", "- a\n- b\n1. x\n2. y"),
            ("<a href='https://example.com'>link</a> <img src=a.png> <s>old</s> <code>x</code>", "link old x"),
            ("<h2>Head</h2>text<blockquote>said</blockquote>", "Head\n\ntext\n\nsaid"),
            ("<table><tr><th>Weight</th><td>5 kg</td></tr></table>", "Weight\n5 kg"),
            ("x<sup>2a</sup> y<sub>1</sub>", "x2a y1"),
            ("<script>alert(1)</script><style>p{}</style>seen", "seen"),
            ("<p>&nbsp;</p><p>a&nbsp;b</p>", "a b"),
            ("<p>wrapped in\n  the source</p>", "wrapped in the source"),
            ("AT&T&#8217;s &euro; &lt;b&gt;\nsecond", "AT&T’s € <b>\nsecond"),
            ("5 < 6 > 4", "5 < 6 > 4"),
            ("<p>unclosed <b>x", "unclosed x"),
            ("<!-- nothing -->", ""),
            ("  plain \r\n\r\n\r\n  text ", "plain\n\ntext"),
            ("", ""),
        ] {
            assert_eq!(to_text(html), text, "{html:?}");
        }
    }

    #[test]
    fn nothing_is_wrapped() {
        let words = "word ".repeat(2_000);
        assert_eq!(to_text(&format!("<p>{words}</p>")), words.trim_end());
    }

    #[test]
    fn a_line_break_counts_unless_a_block_begins_or_ends_there() {
        for (html, text) in [
            ("<b>one</b>\ntwo", "one\ntwo"),
            ("one\n\n<em>two</em>", "one\n\ntwo"),
            ("<ul>\n <li>a</li>\n <li>b</li>\n</ul>\nafter", "- a\n- b\nafter"),
            ("<p>a</p>\n\n<P>b</P>", "a\n\nb"),
        ] {
            assert_eq!(to_text(&line_breaks_to_tags(html)), text, "{html:?}");
        }
    }

    #[test]
    fn a_long_text_ends_after_a_word() {
        let fits = "ü".repeat(1_000);
        assert_eq!(shortened(fits.clone()), fits);

        let words = shortened("four ".repeat(300));
        assert!(words.ends_with("four…") && words.chars().count() <= 1_000, "{words}");
        let to_the_limit = shortened(format!("{} b{}", "a".repeat(900), "b".repeat(200)));
        assert_eq!(to_the_limit, format!("{}…", "a".repeat(900)));

        let without_gaps = shortened("ü".repeat(1_001));
        assert_eq!(without_gaps.chars().count(), 1_000);
        assert!(without_gaps.ends_with("ü…"));
    }
}
