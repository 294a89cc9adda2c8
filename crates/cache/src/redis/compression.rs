//! How large values are made smaller on their way to Redis. LZ4, because a hit has to take it apart each time: see
//! `docs/benchmarks.md` for what else was tried.

use bytes::{BufMut, Bytes};
use lz4_flex::block::{compress_into, decompress, get_maximum_output_size};

use crate::value::LARGEST;

/// Smaller values stay as they are: there is little to gain.
const WORTH_IT: usize = 1_024;
/// In front of the compressed bytes: how many they become.
const LENGTH: usize = 4;

/// `None` when the payload is small, or would not become smaller.
pub(super) fn pack(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() <= WORTH_IT {
        return None;
    }
    let length = u32::try_from(payload.len()).ok()?;
    let mut packed = Vec::with_capacity(LENGTH + get_maximum_output_size(payload.len()));
    packed.put_u32(length);
    packed.resize(packed.capacity(), 0);
    let used = compress_into(payload, &mut packed[LENGTH..]).ok()?;
    packed.truncate(LENGTH + used);
    (packed.len() < payload.len()).then_some(packed)
}

/// `None` when the bytes are nothing that [`pack`] made. Whatever length they claim, no more is allocated than a value
/// may have.
pub(super) fn unpack(packed: &[u8]) -> Option<Bytes> {
    let (length, compressed) = packed.split_first_chunk::<LENGTH>()?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > LARGEST {
        return None;
    }
    let payload = decompress(compressed, length).ok()?;
    (payload.len() == length).then(|| Bytes::from(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(length: usize) -> Vec<u8> {
        br#"{"id":7,"name":"Standing desk lamp","price":89.95},"#.iter().copied().cycle().take(length).collect()
    }

    /// As random as it gets: nothing to make smaller.
    fn noise(length: usize) -> Vec<u8> {
        use rand::RngExt;
        (0..length).map(|_| rand::rng().random()).collect()
    }

    #[test]
    fn what_is_large_comes_back_from_fewer_bytes() {
        for length in [WORTH_IT + 1, 50_000, LARGEST] {
            let payload = json(length);
            let packed = pack(&payload).unwrap();
            assert!(packed.len() < length / 2, "{length} became {}", packed.len());
            assert_eq!(unpack(&packed).unwrap(), payload);
        }
    }

    #[test]
    fn what_would_gain_nothing_stays_as_it_is() {
        assert_eq!(pack(&json(WORTH_IT)), None);
        assert_eq!(pack(&noise(20_000)), None);
        assert_eq!(pack(b""), None);
    }

    #[test]
    fn what_was_not_packed_here_is_nothing() {
        let mut packed = pack(&json(5_000)).unwrap();
        assert_eq!(unpack(&packed[..packed.len() / 2]), None, "cut off");
        for length in [0, 4_999, 5_001, LARGEST as u32 + 1, u32::MAX] {
            packed[..LENGTH].copy_from_slice(&length.to_be_bytes());
            assert_eq!(unpack(&packed), None, "claims to be {length} bytes");
        }
        assert_eq!(unpack(b""), None);
        assert_eq!(unpack(b"\0\0"), None);
        for length in 0..2_000 {
            // Whatever comes of it, it is no panic.
            let _ = unpack(&noise(length));
        }
    }
}
