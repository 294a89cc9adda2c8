//! Feeds the CSV parser one physical line at a time, so that the line on which a record starts is known.

use std::io::{self, BufRead, BufReader, Read};

/// The most bytes that one row may have: room for descriptions with embedded images, and a bound for a stray quote.
pub(crate) const ROW_LIMIT: usize = 16 << 20;

/// A reader whose every `read` ends with a line at the latest.
///
/// The parser buffers what it is given. As it never gets more than the rest of a line, whatever it asks for after the
/// start of a record belongs to that record, and the counts here are exact. Its own count of lines is not: it places
/// a record before the blank lines and before the second byte of a CR LF that it has yet to pass over.
pub(crate) struct LineFeed {
    input: BufReader<Box<dyn Read + Send>>,
    /// Line breaks handed out so far.
    breaks: u64,
    position: u64,
    /// The line on which the current record starts, once it is known.
    start: Option<u64>,
    length: usize,
    quotes: usize,
    ended: bool,
}

impl LineFeed {
    /// `position` is the number of bytes that the caller has passed over already.
    pub(crate) fn new(input: Box<dyn Read + Send>, position: u64) -> Self {
        LineFeed {
            input: BufReader::with_capacity(64 << 10, input),
            breaks: 0,
            position,
            start: None,
            length: 0,
            quotes: 0,
            ended: false,
        }
    }

    /// What is read from now on is the next record.
    pub(crate) fn begin_record(&mut self) {
        (self.start, self.length, self.quotes) = (None, 0, 0);
    }

    /// The line on which the current record starts.
    pub(crate) fn line(&self) -> u64 {
        self.start.unwrap_or(self.breaks + 1)
    }

    /// Bytes handed out so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Whether the input ended in the middle of the current record, inside quotes as far as counting them tells.
    pub(crate) fn ended_in_quotes(&self) -> bool {
        self.ended && self.quotes % 2 == 1
    }

    pub(crate) fn record_is_endless(&self) -> bool {
        self.length > ROW_LIMIT
    }
}

impl Read for LineFeed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.record_is_endless() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let available = self.input.fill_buf()?;
        let end = available.iter().position(|&byte| byte == b'\n').map_or(available.len(), |at| at + 1);
        let count = end.min(buffer.len());
        let piece = &available[..count];
        buffer[..count].copy_from_slice(piece);
        if self.start.is_none() && piece.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            self.start = Some(self.breaks + 1);
        }
        self.ended = piece.is_empty();
        self.breaks += u64::from(piece.last() == Some(&b'\n'));
        self.quotes += piece.iter().filter(|&&byte| byte == b'"').count();
        self.length += count;
        self.position += count as u64;
        self.input.consume(count);
        Ok(count)
    }
}
