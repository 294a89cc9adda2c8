//! JSON lines: a line is a product.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read};

use hotshelf_domain::{MalformedInput, ProductDraft};

use crate::error::{RowError, RowFault};
use crate::line_feed::ROW_LIMIT;
use crate::reader::{Parsed, Unchecked};

/// The rows of a JSON lines file.
pub(crate) struct JsonLines {
    input: BufReader<Box<dyn Read + Send>>,
    line: u64,
    position: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl JsonLines {
    /// `position` is the number of bytes that the caller has passed over already.
    pub(crate) fn new(input: Box<dyn Read + Send>, position: u64) -> Self {
        let input = BufReader::with_capacity(64 << 10, input);
        JsonLines { input, line: 0, position, buffer: Vec::new(), ended: false }
    }

    /// Reads the next line into the buffer, of an overlong one only as much as the limit. `None` at the end.
    fn read_line(&mut self) -> io::Result<Option<()>> {
        self.line += 1;
        self.buffer.clear();
        let count = (&mut self.input).take(ROW_LIMIT as u64 + 1).read_until(b'\n', &mut self.buffer)?;
        self.position += count as u64;
        if self.is_overlong() {
            self.position += self.input.skip_until(b'\n')? as u64;
        }
        Ok((count > 0).then_some(()))
    }

    fn is_overlong(&self) -> bool {
        self.buffer.len() > ROW_LIMIT && self.buffer.last() != Some(&b'\n')
    }

    fn row(&self) -> Result<Unchecked, RowError> {
        if self.is_overlong() {
            return Err(RowError::new(self.line, RowFault::TooLong));
        }
        let malformed = |error| RowError::new(self.line, RowFault::NotAnObject(reason(&error)));
        let text = str::from_utf8(&self.buffer).map_err(|_| RowError::new(self.line, RowFault::NotUtf8))?;
        let draft = ProductDraft::from_exported_json(text.trim_ascii().as_bytes()).map_err(malformed)?;
        Ok(Unchecked::new(self.line, draft))
    }
}

/// The parser's words with the column. Its own line number would be a second, misleading one.
fn reason(error: &MalformedInput) -> String {
    let Some(cause) = error.source().and_then(|source| source.downcast_ref::<serde_json::Error>()) else {
        return error.to_string();
    };
    let text = cause.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    format!("{words} (column {})", cause.column())
}

impl Iterator for JsonLines {
    type Item = Parsed;

    fn next(&mut self) -> Option<Parsed> {
        while !self.ended {
            let result = match self.read_line() {
                Ok(None) => return None,
                Ok(Some(())) if self.buffer.trim_ascii().is_empty() => continue,
                Ok(Some(())) => self.row(),
                Err(error) => Err(RowError::new(self.line, error)),
            };
            self.ended = result.as_ref().is_err_and(RowError::ends_reading);
            return Some(Parsed { position: self.position, result });
        }
        None
    }
}
