//! Compression of bytes, in one piece or in several.

use std::io::{self, Write};

use super::coding::Coding;

/// The levels cost up to 0.2 ms for a page of 20 products; the next ones save little and cost much more.
const ZSTD_LEVEL: i32 = 3;
const BROTLI_QUALITY: u32 = 5;
const GZIP_LEVEL: u32 = 6;
/// Windows of decoders: enough for the body, and no more than each decoder must have (RFC 8878, RFC 7932).
pub(super) const MIN_WINDOW_LOG: u32 = 10;
const MAX_WINDOW_LOG: u32 = 21;
/// Of a stream, whose encoder stays in memory for as long as the client takes (some hundred KiB).
const STREAM_WINDOW_LOG: u32 = 17;
/// The buffer of the Brotli encoder.
const BUFFER: usize = 4 << 10;

pub(super) enum Encoder {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
}

impl Encoder {
    /// For about so many bytes; `None`: nobody knows how many.
    pub(super) fn new(coding: Coding, size: Option<usize>) -> io::Result<Self> {
        let bits = size.map_or(STREAM_WINDOW_LOG, |size| usize::BITS - size.leading_zeros());
        let window_log = bits.clamp(MIN_WINDOW_LOG, MAX_WINDOW_LOG);
        Ok(match coding {
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(window_log)?;
                Encoder::Zstd(encoder)
            }
            Coding::Brotli => {
                Encoder::Brotli(Box::new(brotli::CompressorWriter::new(Vec::new(), BUFFER, BROTLI_QUALITY, window_log)))
            }
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Encoder::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
            }
        })
    }

    /// Takes bytes in.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
            Encoder::Brotli(encoder) => encoder.write_all(bytes),
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
        }
    }

    /// Everything that was written, compressed, up to a whole byte. More may follow.
    pub(super) fn flush(&mut self) -> io::Result<Vec<u8>> {
        Ok(std::mem::take(match self {
            Encoder::Zstd(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Encoder::Brotli(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
            Encoder::Gzip(encoder) => {
                encoder.flush()?;
                encoder.get_mut()
            }
        }))
    }

    /// The rest.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Zstd(encoder) => encoder.finish(),
            Encoder::Brotli(encoder) => Ok(encoder.into_inner()),
            Encoder::Gzip(encoder) => encoder.finish(),
        }
    }
}

/// All of a body.
pub(super) fn compress(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = Encoder::new(coding, Some(body.len()))?;
    encoder.write(body)?;
    encoder.finish()
}
