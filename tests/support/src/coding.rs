//! Compressed bodies, as a strict client reads them: one stream, and nothing after it.

use std::io::Read;

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The text of a body with these headers.
///
/// # Panics
/// When its coding is unknown, or it is no such stream.
pub(crate) fn decoded(headers: &HeaderMap, body: &[u8]) -> String {
    let coding = headers.get(CONTENT_ENCODING).map(|coding| coding.to_str().expect("the name of a coding"));
    let mut text = Vec::new();
    match coding {
        // The answer to a HEAD has none.
        _ if body.is_empty() => {}
        None => text.extend_from_slice(body),
        Some("gzip") => {
            let mut decoder = flate2::bufread::GzDecoder::new(body);
            decoder.read_to_end(&mut text).expect("a body with the coding gzip");
            assert!(decoder.into_inner().is_empty(), "there is more than one stream");
        }
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body).expect("a decoder of zstd");
            let mut decoder = decoder.single_frame();
            decoder.read_to_end(&mut text).expect("a body with the coding zstd");
            assert!(decoder.finish().is_empty(), "there is more than one stream");
        }
        Some("br") => {
            brotli::Decompressor::new(body, 4096).read_to_end(&mut text).expect("a body with the coding br");
        }
        Some(other) => panic!("nobody asked for the coding {other}"),
    }
    String::from_utf8_lossy(&text).into_owned()
}
