//! Large files are not held in memory, and what was read of them can be watched.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hotshelf_formats::ProductReader;

use crate::support::open;

/// A file without an end that counts what is taken from it.
struct Endless {
    row: &'static [u8],
    taken: Arc<AtomicU64>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.taken.load(Ordering::Relaxed) as usize % self.row.len();
        let count = (self.row.len() - at).min(buffer.len());
        buffer[..count].copy_from_slice(&self.row[at..at + count]);
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn rows_come_out_before_the_file_has_ended() {
    for (header, row) in [
        ("name,price\n", &b"Cup,1.25\n"[..]),
        ("", b"{\"name\":\"Cup\",\"price\":1.25}\n"),
        ("name,price,description\n", b"Cup,1.25,\"two\nlines\"\n"),
    ] {
        let taken = Arc::new(AtomicU64::new(0));
        let file = header.as_bytes().chain(Endless { row, taken: taken.clone() });
        let mut reader = ProductReader::open(file, None).expect("a product file");
        for number in 1..=50_000 {
            reader.next().expect("endless").expect("a product");
            assert_eq!(reader.bytes_read(), (header.len() + number * row.len()) as u64);
        }
        let ahead = header.len() as u64 + taken.load(Ordering::Relaxed) - reader.bytes_read();
        assert!(ahead <= 128 << 10, "{ahead} bytes read ahead");
    }
}

#[test]
fn a_quote_without_an_end_does_not_fill_the_memory() {
    let taken = Arc::new(AtomicU64::new(0));
    let file = (&b"name,price\nCup,1\n\"Pot,2\n"[..]).chain(Endless { row: b"Bowl,3\n", taken: taken.clone() });
    let mut rows = ProductReader::open(file, None).expect("a product file");
    assert!(rows.next().is_some_and(|row| row.is_ok()));
    let error = rows.next().and_then(Result::err).expect("too much");
    assert!(error.ends_reading());
    assert_eq!(
        error.to_string(),
        "line 3: is longer than 16777216 bytes (is a quote never closed?); the rest of the file was not read"
    );
    assert!(rows.next().is_none());
    assert!(taken.load(Ordering::Relaxed) < 17 << 20);
}

#[test]
fn the_position_grows_up_to_the_end_of_the_file() {
    let shopify = "Handle,Title,Variant Price\ncup,Cup,1\ncup,,2\npot,Pot,3\n";
    for (file, positions) in [
        ("\u{feff}name,price\nCup,1\n\nPot,2", vec![20, 26]),
        ("\u{feff}{\"name\":1}\n\n{}\n", vec![14, 18]),
        (shopify, vec![37, 54]),
    ] {
        let mut reader = open(file, None).expect("a product file");
        let mut seen = Vec::new();
        while reader.next().is_some() {
            seen.push(reader.bytes_read());
        }
        assert_eq!(seen, positions, "{file:?}");
    }
}
