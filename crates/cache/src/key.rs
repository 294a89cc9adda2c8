use std::fmt;

use compact_str::CompactString;

/// The name of one entry, without the prefix that all keys of the service share.
///
/// Up to 24 bytes are kept inline, so making one for a lookup allocates nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(CompactString);

impl Key {
    /// A key of exactly this text.
    pub fn new(text: impl Into<CompactString>) -> Self {
        Key(text.into())
    }

    /// `kind` and a number, as in `id:42`. The quick way to the most common keys.
    pub fn numbered(kind: &str, number: i64) -> Self {
        let mut text = CompactString::new(kind);
        text.push_str(itoa::Buffer::new().format(number));
        Key(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
