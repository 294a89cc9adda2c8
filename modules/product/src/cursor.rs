use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_domain::{PageStart, ProductId};

/// Where the next page of a list begins, as an opaque text for clients to hand back.
///
/// It names the last product seen, so the next page costs the same anywhere in the list, and products that come or go
/// meanwhile make no other product appear twice or never.
///
/// ```
/// use hotshelf_product::Cursor;
///
/// assert!("not a cursor".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) after: ProductId,
    pub(crate) position: i64,
}

/// The text is no cursor that this service gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a next_cursor of an earlier answer")]
pub struct BadCursor;

impl Cursor {
    /// The start of the page it points to.
    pub fn start(self) -> PageStart {
        PageStart::After { id: self.after, position: self.position }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.after.get().to_be_bytes());
        bytes[8..].copy_from_slice(&self.position.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes: [u8; 16] =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(BadCursor)?;
        let number = |at: usize| i64::from_be_bytes(std::array::from_fn(|i| bytes[at + i]));
        let after = ProductId::new(number(0)).ok_or(BadCursor)?;
        let position = Some(number(8)).filter(|position| *position >= 0).ok_or(BadCursor)?;
        Ok(Cursor { after, position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back_is_the_same_cursor() {
        for (id, position) in [(1, 0), (i64::MAX, i64::MAX), (42, 20)] {
            let cursor = Cursor { after: ProductId::new(id).expect("positive"), position };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn forged_texts_are_refused() {
        let negative = URL_SAFE_NO_PAD.encode([0xff; 16]);
        for text in ["", "a", "AAAAAAAAAAAAAAAAAAAAAA", "%%%", negative.as_str()] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
