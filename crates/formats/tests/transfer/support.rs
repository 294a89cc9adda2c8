//! Reading a whole file in one call, and the products to expect.

use std::io::Cursor;

use hotshelf_domain::{NewProduct, ProductDraft};
use hotshelf_formats::{Format, ProductReader, Row, UnreadableFile};

/// A product, or the message about a row.
pub(crate) type Outcome = Result<Row, String>;

pub(crate) fn open(file: impl AsRef<[u8]>, format: Option<Format>) -> Result<ProductReader, UnreadableFile> {
    ProductReader::open(Cursor::new(file.as_ref().to_vec()), format)
}

/// Everything in the file, which has to be recognized as `format`.
pub(crate) fn read(file: impl AsRef<[u8]>, format: Format) -> Vec<Outcome> {
    let reader = open(file, None).expect("a product file");
    assert_eq!(reader.format(), format);
    reader.map(|row| row.map_err(|error| error.to_string())).collect()
}

/// The product of that JSON at that line.
pub(crate) fn good(line: u64, json: &str) -> Outcome {
    Ok(Row { line, product: product(json) })
}

pub(crate) fn bad(message: &str) -> Outcome {
    Err(message.to_owned())
}

pub(crate) fn product(json: &str) -> NewProduct {
    ProductDraft::from_json(json.as_bytes()).expect("an object").into_new().expect("a valid product")
}
