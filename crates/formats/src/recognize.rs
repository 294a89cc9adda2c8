//! Looks at the first bytes of a file: is it text, and which kind.

use std::io::{self, Cursor, Read};

use crate::error::UnreadableFile;
use crate::format::Format;

/// Enough for the header of any shop's export.
const HEAD: u64 = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// How much of a first line is quoted in an error.
const QUOTED: usize = 80;

/// First bytes that give a file away, and what it is.
const SIGNATURES: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook (save the sheet as CSV UTF-8)"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook (save the sheet as CSV UTF-8)"),
    (b"\x1F\x8B", "compressed by gzip (unpack it first)"),
    (b"%PDF", "a PDF document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xFF\xFE", "UTF-16 text (save it as UTF-8)"),
    (b"\xFE\xFF", "UTF-16 text (save it as UTF-8)"),
];

/// The first bytes of a file, without the byte order mark.
pub(crate) struct Head {
    bytes: Vec<u8>,
    /// The length of the byte order mark, if there was one.
    pub(crate) skipped: u64,
}

/// How to take a text file apart.
pub(crate) enum Kind {
    JsonLines,
    Csv { delimiter: u8 },
}

impl Head {
    /// The head, and the whole input without the byte order mark.
    pub(crate) fn read(mut input: impl Read + Send + 'static) -> io::Result<(Head, Box<dyn Read + Send>)> {
        let mut bytes = Vec::new();
        input.by_ref().take(HEAD).read_to_end(&mut bytes)?;
        let mut skipped = 0;
        if bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
            skipped = BYTE_ORDER_MARK.len() as u64;
        }
        let whole = Box::new(Cursor::new(bytes.clone()).chain(input));
        Ok((Head { bytes, skipped }, whole))
    }

    /// Tells text from everything else and, unless `wanted` is given, JSON lines from CSV.
    pub(crate) fn kind(&self, wanted: Option<Format>) -> Result<Kind, UnreadableFile> {
        let refused =
            |found: &str| UnreadableFile::NoProductFile { found: found.to_owned(), expected: Format::expected(wanted) };
        if let Some((_, found)) = SIGNATURES.iter().find(|(start, _)| self.bytes.starts_with(start)) {
            return Err(refused(found));
        }
        if self.bytes.contains(&0) {
            return Err(refused("binary data"));
        }
        let text = self.bytes.trim_ascii_start();
        let expects_json = wanted == Some(Format::JsonLines);
        match text.first() {
            // An export of no products at all; without the word of the caller it might be anything.
            None if expects_json => Ok(Kind::JsonLines),
            None => Err(UnreadableFile::Empty { expected: Format::expected(wanted) }),
            Some(b'<') => Err(refused("an HTML or XML page")),
            Some(b'[') => Err(refused("a JSON array (write one product per line, as `jq -c '.[]'` does)")),
            Some(b'{') if first_line(text).trim_ascii_end() == b"{" => {
                Err(refused("a JSON document over several lines (write one product per line, as `jq -c` does)"))
            }
            Some(b'{') if wanted.is_none() || expects_json => Ok(Kind::JsonLines),
            Some(b'{') => Err(refused("JSON")),
            Some(_) if str::from_utf8(first_line(text)).is_err() => Err(refused("no UTF-8 text (save it as UTF-8)")),
            Some(_) if expects_json => Err(refused(&self.by_first_line())),
            Some(_) => Ok(Kind::Csv { delimiter: delimiter(first_line(text)) }),
        }
    }

    /// The refusal of CSV whose header is none of ours.
    pub(crate) fn unknown_header(&self) -> UnreadableFile {
        UnreadableFile::NoProductFile { found: self.by_first_line(), expected: Format::expected(None) }
    }

    fn by_first_line(&self) -> String {
        let line = String::from_utf8_lossy(first_line(self.bytes.trim_ascii_start()));
        let line = line.trim_end();
        let start: String = line.chars().take(QUOTED).collect();
        let more = if start.len() < line.len() { "…" } else { "" };
        format!("text whose first line is {start:?}{more}")
    }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default()
}

/// What separates most names of the header. None of the names that matter contains a separator.
fn delimiter(header: &[u8]) -> u8 {
    let count = |delimiter: u8| header.iter().filter(|&&byte| byte == delimiter).count();
    if count(b';') > count(b',').max(count(b'\t')) {
        b';'
    } else if count(b'\t') > count(b',') {
        b'\t'
    } else {
        b','
    }
}
