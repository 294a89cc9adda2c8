//! The compressed beginning of a body, to which an end of a few bytes can be added without compressing anything again.
//! Each coding has blocks of plain bytes, so that both together are one ordinary stream.

use std::io;

use bytes::Bytes;

use super::coding::Coding;
use super::encoder::{Encoder, MIN_WINDOW_LOG};

/// Maximum size (bytes) of an end. A block of zstd is never larger than the window.
const MAX_END: usize = 1 << MIN_WINDOW_LOG;

/// A compressed beginning.
pub(super) struct Beginning {
    coding: Coding,
    bytes: Vec<u8>,
    /// What gzip writes at its end: the checksum and the size of the plain bytes.
    checksum: crc32fast::Hasher,
    size: u32,
}

impl Beginning {
    /// The beginning of a body, in two parts.
    pub(super) fn of(coding: Coding, parts: [&[u8]; 2]) -> io::Result<Self> {
        let size = parts.iter().map(|part| part.len()).sum();
        let mut encoder = Encoder::new(coding, Some(size))?;
        let mut checksum = crc32fast::Hasher::new();
        for part in parts {
            encoder.write(part)?;
            if coding == Coding::Gzip {
                checksum.update(part);
            }
        }
        // gzip counts modulo 2^32.
        Ok(Beginning { coding, bytes: encoder.flush()?, checksum, size: size as u32 })
    }

    /// Its size in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The whole body with this end; `None`: the end is too long.
    pub(super) fn with(&self, end: &[u8]) -> Option<Bytes> {
        let length = u16::try_from(end.len()).ok().filter(|_| end.len() <= MAX_END)?;
        Some(Bytes::from(match self.coding {
            Coding::Gzip => {
                // RFC 1951, section 3.2.4: the last block, stored. RFC 1952, section 2.3.1.
                let [low, high] = length.to_le_bytes();
                let block = [1, low, high, !low, !high];
                let mut checksum = self.checksum.clone();
                checksum.update(end);
                let checksum = checksum.finalize().to_le_bytes();
                let size = self.size.wrapping_add(u32::from(length)).to_le_bytes();
                [&self.bytes[..], &block, end, &checksum, &size].concat()
            }
            Coding::Zstd => {
                // RFC 8878, section 3.1.1.2: the last block, raw.
                let [low, middle, high, _] = (u32::from(length) << 3 | 1).to_le_bytes();
                [&self.bytes[..], &[low, middle, high], end].concat()
            }
            Coding::Brotli if end.is_empty() => [&self.bytes[..], &[EMPTY_LAST_META_BLOCK]].concat(),
            Coding::Brotli => {
                // RFC 7932, section 9.2: not the last, four nibbles of the size less one, uncompressed.
                let [low, middle, high, _] = (1 << 19 | (u32::from(length) - 1) << 3).to_le_bytes();
                [&self.bytes[..], &[low, middle, high], end, &[EMPTY_LAST_META_BLOCK]].concat()
            }
        }))
    }
}

/// ISLAST and ISLASTEMPTY.
const EMPTY_LAST_META_BLOCK: u8 = 0b11;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn plain(coding: Coding, coded: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            // Not a decoder of several members: it must be one.
            Coding::Gzip => {
                let mut decoder = flate2::bufread::GzDecoder::new(coded);
                decoder.read_to_end(&mut plain).unwrap();
                assert!(decoder.into_inner().is_empty());
            }
            Coding::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(coded).unwrap().single_frame();
                decoder.read_to_end(&mut plain).unwrap();
                assert!(decoder.finish().is_empty());
            }
            Coding::Brotli => {
                brotli::Decompressor::new(coded, 4096).read_to_end(&mut plain).unwrap();
            }
        }
        plain
    }

    #[test]
    fn a_body_is_one_ordinary_stream_with_any_end() {
        let page = "{\"id\":7,\"name\":\"Mug\"},".repeat(400);
        let noise: Vec<u8> = (0..200_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for coding in Coding::ALL {
            for payload in [page.as_bytes(), &noise, b"x", b""] {
                let beginning = Beginning::of(coding, [b"{\"head\":", payload]).unwrap();
                for end in [&b"}"[..], b"", b",\"from_cache\":true,\"duration_ms\":0.012}", &[b' '; MAX_END]] {
                    let coded = beginning.with(end).unwrap();
                    assert_eq!(plain(coding, &coded), [&b"{\"head\":"[..], payload, end].concat(), "{coding:?}");
                }
            }
            assert!(Beginning::of(coding, [b"", page.as_bytes()]).unwrap().len() * 10 < page.len(), "{coding:?}");
        }
    }

    #[test]
    fn an_end_that_is_too_long_for_a_block_is_refused() {
        for coding in Coding::ALL {
            assert!(Beginning::of(coding, [b"", b""]).unwrap().with(&[b' '; MAX_END + 1]).is_none());
        }
    }
}
