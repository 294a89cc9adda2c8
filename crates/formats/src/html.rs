//! HTML as the text that a reader of the page would see.

use std::mem::take;

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

/// The longest description that a product may have, in characters.
const DESCRIPTION_MAX: usize = 1_000;
/// What can be between two letters, and names for the places in it. Of several between the same two, the last counts.
const GAPS: [&str; 5] = ["", " ", "\n", "\n\n", "\n\n"];
const SPACE: usize = 1;
const LINE_END: usize = 2;
/// Only a line end where a list item begins, and where an item or a cell ends. A [`BLANK_LINE`] is one there, too.
const PARAGRAPH: usize = 3;
const BLANK_LINE: usize = 4;
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// The text without tags, entities decoded, paragraphs with a blank line between them, list items after "- " or their
/// number. Runs of white space become one space, and there is no second blank line. Text without any tag keeps its
/// line breaks.
pub(crate) fn to_text(html: &str) -> String {
    rendered(html, !html.contains('<'))
}

/// As [`to_text`], for shops that take a line break for a `<br>` and two for a paragraph. One after the tag of a block
/// says nothing.
pub(crate) fn to_text_with_line_breaks(html: &str) -> String {
    rendered(html, true)
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

fn rendered(html: &str, keeps_line_breaks: bool) -> String {
    let mut emitter = DefaultEmitter::default();
    // In a script and the like, a `<` begins no tag.
    emitter.naively_switch_states(true);
    let mut page = Page { keeps_line_breaks, ..Page::default() };
    for Ok(token) in Tokenizer::new_with_emitter(html, emitter) {
        match token {
            Token::EndTag(tag) if page.hidden.as_ref() == Some(&tag.name) => page.hidden = None,
            _ if page.hidden.is_some() => (),
            Token::String(text) => page.add_text(&String::from_utf8_lossy(&text)),
            Token::StartTag(tag) => page.start(tag),
            Token::EndTag(tag) => page.end(&tag.name),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => (),
        }
    }
    page.text
}

#[derive(Default)]
struct Page {
    text: String,
    /// What comes before the next letter, one of [`GAPS`].
    gap: usize,
    /// Stands at the beginning of a list item (its dash or number) or of a cell, as long as it is without text.
    mark: Option<String>,
    /// The next number of each open list that has numbers.
    lists: Vec<Option<i64>>,
    /// The element that is open and whose content nobody sees.
    hidden: Option<HtmlString>,
    keeps_line_breaks: bool,
    is_preformatted: bool,
    is_after_block: bool,
    is_superscript: bool,
}

impl Page {
    fn add_text(&mut self, text: &str) {
        // A square metre is "m²", but the note "2a" stays as it is.
        let raised = take(&mut self.is_superscript) && text.chars().all(|letter| letter.is_ascii_digit());
        for letter in text.chars() {
            match letter {
                // Nobody sees these.
                '\0' | '\u{200B}' => (),
                '\n' if self.keeps_line_breaks || self.is_preformatted => {
                    if !take(&mut self.is_after_block) {
                        self.widen_gap(if self.gap < LINE_END { LINE_END } else { PARAGRAPH });
                    }
                }
                _ if letter.is_whitespace() => self.gap = self.gap.max(SPACE),
                _ => self.add_letter(match letter.to_digit(10) {
                    Some(digit) if raised => SUPERSCRIPTS[digit as usize],
                    _ => letter,
                }),
            }
        }
    }

    fn add_letter(&mut self, letter: char) {
        let gap = take(&mut self.gap);
        if !self.text.is_empty() {
            self.text.push_str(GAPS[gap]);
        }
        self.text.push_str(&self.mark.take().unwrap_or_default());
        self.text.push(letter);
        self.is_after_block = false;
    }

    fn start(&mut self, tag: StartTag<()>) {
        self.add_gap_around(&tag.name);
        match tag.name.as_slice() {
            b"iframe" | b"noscript" | b"script" | b"style" | b"template" | b"title" => {
                self.hidden = Some(tag.name);
            }
            b"dd" | b"td" | b"th" => _ = self.mark.get_or_insert_default(),
            b"li" => self.start_item(),
            b"ol" => {
                let start = tag.attributes.get(b"start".as_slice());
                let number = start.and_then(|start| String::from_utf8_lossy(start).trim().parse().ok());
                self.lists.push(number.or(Some(1)));
            }
            b"ul" => self.lists.push(None),
            b"pre" => self.is_preformatted = true,
            b"sup" => self.is_superscript = true,
            _ => (),
        }
    }

    fn start_item(&mut self) {
        self.follow_closely();
        // An item that begins with a list has the marks of both.
        let mark = self.mark.get_or_insert_default();
        match self.lists.last_mut() {
            Some(Some(number)) => {
                mark.push_str(&format!("{number}. "));
                *number = number.saturating_add(1);
            }
            _ => mark.push_str("- "),
        }
    }

    fn end(&mut self, name: &[u8]) {
        self.is_superscript = false;
        self.add_gap_around(name);
        match name {
            b"dd" | b"li" | b"td" | b"th" if self.mark.take().is_none() => self.follow_closely(),
            b"ol" | b"ul" => (self.mark, _) = (None, self.lists.pop()),
            b"pre" => self.is_preformatted = false,
            _ => (),
        }
    }

    fn add_gap_around(&mut self, name: &[u8]) {
        let gap = match name {
            b"blockquote" | b"dl" | b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" | b"hr" | b"p" | b"pre"
            | b"table" => PARAGRAPH,
            b"address" | b"article" | b"aside" | b"caption" | b"center" | b"dd" | b"details" | b"div" | b"dt"
            | b"fieldset" | b"figcaption" | b"figure" | b"footer" | b"form" | b"header" | b"li" | b"main" | b"nav"
            | b"ol" | b"section" | b"summary" | b"td" | b"th" | b"tr" | b"ul" => LINE_END,
            b"br" if self.gap < LINE_END => LINE_END,
            b"br" => BLANK_LINE,
            _ => return,
        };
        self.widen_gap(gap);
        self.is_after_block = true;
    }

    /// Not before the first letter of a cell or item.
    fn widen_gap(&mut self, gap: usize) {
        if self.mark.is_none() {
            self.gap = self.gap.max(gap);
        }
    }

    fn follow_closely(&mut self) {
        if self.gap == PARAGRAPH {
            self.gap = LINE_END;
        }
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
    fn lists_and_cells_stand_close_together() {
        for (html, text) in [
            ("<p>a</p><ul><li><p>b</p></li><li><p>c</p></li></ul>d", "a\n- b\n- c\nd"),
            ("a<br><br><ul><li><br>b</ul>", "a\n\n- b"),
            ("<ul><li>a<ol><li>b</ol></li><li>c</ul>", "- a\n1. b\n- c"),
            ("<ol start=' 3'><li>a</li><li><ul><li>b</ul></li><li></li><li>c</ol>", "3. a\n4. - b\n6. c"),
            ("<ol start=9223372036854775807><li>a<li>b</ol>", "9223372036854775807. a\n9223372036854775807. b"),
            ("<ol>note<li>a</ol><li>b", "note\n1. a\n- b"),
            ("<ul><li></ul>a", "a"),
            ("<ul><li><table><tr><td>a</td><td><p>b</p></td><td>c</table>d</ul>", "- a\nb\nc\n\nd"),
            ("a<dl><dt>b<dd><p>c</p></dd><dt>d<dd>e</dl>f", "a\n\nb\nc\nd\ne\n\nf"),
        ] {
            assert_eq!(to_text(html), text, "{html:?}");
        }
    }

    #[test]
    fn what_is_seen_is_what_a_browser_shows() {
        for (html, text) in [
            ("a<hr>b<p></p>c<section>d</section><section>e</section>", "a\n\nb\n\nc\nd\ne"),
            ("<pre>\na\n  b\n\nc</pre>\nd", "a\nb\n\nc\n\nd"),
            ("5 m<sup>2</sup> <sup><b>2</b></sup><sup></sup>2", "5 m² ²2"),
            ("in\u{200B}visible&#8203; <wbr>a\0", "invisible a"),
            ("<head><title>a</title><style>b</style></head><body>c", "c"),
            ("<iframe>a</iframe><noscript><img></noscript><template><p>b</p></template>c", "c"),
            ("<script>if (a</b) '</' + '<p>'</script >seen", "seen"),
            ("seen<script>never closed </p> <p>a", "seen"),
            ("<P>a<BR>b</P><Script>c</sCRIPT>", "a\nb"),
            ("a < b, c <3, </ d> <e", "a < b, c <3,"),
            ("<a title='>'\nhref=x>a</a><!-- > -->b<?c?>d", "abd"),
            ("<div>a<b>b</div>c<i>d", "ab\ncd"),
            ("&copy 1 &ampx &notit; &unknown; &lt &#65 &#x42; &#0;", "© 1 &x ¬it; &unknown; < A B \u{FFFD}"),
        ] {
            assert_eq!(to_text(html), text, "{html:?}");
        }
    }

    #[test]
    fn large_and_deep_pages_are_no_trouble() {
        for tag in ["<b>", "<div>", "<ul>", "<table><tr><td>"] {
            assert_eq!(to_text(&format!("a{}b", tag.repeat(100_000))).replace('\n', ""), "ab", "{tag}");
        }
        assert_eq!(to_text(&"<ul><li>".repeat(100_000)), "");
        for piece in ["<", "&", "<!--", "<a b=c ", "<script></", "<p>word</p>", "<ol><li>1"] {
            let html = piece.repeat(1_000_000 / piece.len());
            assert!(to_text(&html).len() <= 2 * html.len(), "{piece}");
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
            ("a\n\n<ul>\n<li>b</li>\n\n<li>c</li>\n</ul>\n\nd", "a\n- b\n- c\n\nd"),
            ("a<br>\n<i\nid=b>b</i>", "a\nb"),
        ] {
            assert_eq!(to_text_with_line_breaks(html), text, "{html:?}");
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
