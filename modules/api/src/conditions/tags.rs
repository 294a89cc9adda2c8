//! Lists of entity tags (RFC 9110, section 8.8.3), as requests name them.

use axum::http::{HeaderMap, HeaderName};

/// An item of `If-Match` or `If-None-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listed<'a> {
    /// `*`
    Any,
    /// An entity tag with its quotes, without `W/`.
    Tag(&'a [u8]),
}

/// The field is neither `*` nor a list of entity tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A whole field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Absent,
    /// `*`
    Any,
    /// Entity tags with their quotes, without `W/`.
    Tags(Vec<&'a [u8]>),
}

impl<'a> Field<'a> {
    pub(super) fn of(headers: &'a HeaderMap, name: &HeaderName) -> Result<Self, Malformed> {
        if !headers.contains_key(name) {
            return Ok(Field::Absent);
        }
        let items = listed(headers, name).collect::<Result<Vec<_>, _>>()?;
        if items == [Listed::Any] {
            return Ok(Field::Any);
        }
        let tag = |item| if let Listed::Tag(tag) = item { Ok(tag) } else { Err(Malformed) };
        items.into_iter().map(tag).collect::<Result<_, _>>().map(Field::Tags)
    }
}

/// The items of all fields of that name. Nothing of a field follows an error in it.
pub(super) fn listed<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Result<Listed<'a>, Malformed>> {
    headers.get_all(name).into_iter().flat_map(|value| Items { rest: value.as_bytes() })
}

/// The items of one field.
struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Listed<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty items are allowed.
        let begin = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let rest = &self.rest[begin..];
        let item = match rest {
            [b'*', ..] => Some((Listed::Any, 1)),
            [b'W', b'/', quoted @ ..] => tag(quoted).map(|tag| (Listed::Tag(tag), 2 + tag.len())),
            quoted => tag(quoted).map(|tag| (Listed::Tag(tag), tag.len())),
        };
        let complete = item.and_then(|(item, length)| {
            let rest = rest[length..].trim_ascii_start();
            matches!(rest, [] | [b',', ..]).then_some((item, rest))
        });
        self.rest = complete.map_or(&[], |(_, rest)| rest);
        Some(complete.map(|(item, _)| item).ok_or(Malformed))
    }
}

/// The tag at the beginning: from one quote to the next.
fn tag(text: &[u8]) -> Option<&[u8]> {
    let inner = text.strip_prefix(b"\"")?;
    let end = inner.iter().position(|byte| *byte == b'"')?;
    let plain = inner[..end].iter().all(|byte| !byte.is_ascii_whitespace() && !byte.is_ascii_control());
    plain.then(|| &text[..end + 2])
}
