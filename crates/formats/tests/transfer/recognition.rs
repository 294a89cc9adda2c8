use std::io::{self, Read};
use std::path::Path;

use hotshelf_formats::{ExportFormat, Format, ProductReader, UnreadableFile};

use crate::support::{good, open, read};

fn refusal(file: &[u8], format: Option<Format>) -> String {
    match open(file, format) {
        Ok(reader) => panic!("taken for {}", reader.format()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_header_tells_the_format() {
    for (header, format) in [
        ("name,price", Format::Csv),
        ("category;price;name", Format::Csv),
        ("{\"name\"", Format::JsonLines),
        (" \n\t\n{}", Format::JsonLines),
        ("Handle,Title,Body (HTML),Variant Price", Format::Shopify),
        ("ID,Type,SKU,Name,Published,Regular price", Format::WooCommerce),
    ] {
        assert_eq!(open(header, None).expect(header).format(), format);
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_file() {
    let cup = [good(2, r#"{"name": "Cup", "price": 1}"#)];
    assert_eq!(read("\u{feff}name,price\nCup,1\n", Format::Csv), cup);
    assert_eq!(read("\u{feff}\"name\",price\nCup,1\n", Format::Csv), cup);
    assert_eq!(read("\u{feff}\n{\"name\":\"Cup\",\"price\":1}\n", Format::JsonLines), cup);
}

#[test]
fn what_is_no_product_file_is_named() {
    for (file, found) in [
        (&b""[..], "the file is empty; expected CSV with the header"),
        (b"\xEF\xBB\xBF \r\n\t\n", "the file is empty; expected CSV with the header"),
        (
            b"PK\x03\x04\x14\x00\x06\x00",
            "the file is a ZIP archive or an Excel workbook (save the sheet as CSV UTF-8);",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "the file is binary data;"),
        (b"\xFF\xFEn\0a\0m\0e\0", "the file is UTF-16 text (save it as UTF-8);"),
        (b"\n<!DOCTYPE html><html></html>", "the file is an HTML or XML page;"),
        (b"[{\"name\": \"Cup\", \"price\": 1}]", "the file is a JSON array"),
        (b"{\n  \"name\": \"Cup\",\n  \"price\": 1\n}", "the file is a JSON document over several lines"),
        (b"name,pr\xE9cio\nCup,1\n", "the file is no UTF-8 text (save it as UTF-8);"),
        (b"id,title\n1,Cup\n", "the file is text whose first line is \"id,title\"; expected CSV with"),
        (b"Just a letter.", "the file is text whose first line is \"Just a letter.\"; expected"),
    ] {
        let message = refusal(file, None);
        assert!(message.starts_with(found), "{message}");
        for expected in ["name,description,price,stock,category", "JSON lines", "Shopify", "WooCommerce"] {
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[test]
fn a_long_first_line_is_quoted_in_part() {
    let message = refusal("x".repeat(5_000).as_bytes(), None);
    assert!(message.contains(&format!("\"{}\"…", "x".repeat(80))), "{message}");
    assert!(message.len() < 500, "{message}");
}

#[test]
fn a_forced_format_is_held_against_the_file() {
    assert_eq!(
        refusal(b"name,price\nCup,1\n", Some(Format::Shopify)),
        "the header has no column Handle, Title, Variant Price; expected a product export of Shopify (CSV with the \
         columns Handle, Title, Variant Price)"
    );
    assert_eq!(
        refusal(b"name,price\nCup,1\n", Some(Format::JsonLines)),
        "the file is text whose first line is \"name,price\"; expected JSON lines (one product object per line)"
    );
    assert_eq!(
        refusal(b"{\"name\":\"Cup\"}", Some(Format::Csv)),
        "the file is JSON; expected CSV with the header name,description,price,stock,category"
    );
    let both = "Handle,Title,Variant Price,Type,Name,Regular price\ncup,Cup,1,simple,Cup,2\n";
    for format in [Format::Shopify, Format::WooCommerce] {
        assert_eq!(open(both, Some(format)).expect("either").format(), format);
    }
}

#[test]
fn an_export_of_nothing_is_empty_only_to_those_who_do_not_know_what_it_is() {
    assert_eq!(open("", Some(Format::JsonLines)).expect("no lines").count(), 0);
    assert_eq!(open("name,description,price,stock,category\n", None).expect("no rows").count(), 0);
    assert!(matches!(open("", Some(Format::Csv)), Err(UnreadableFile::Empty { .. })));
}

#[test]
fn an_input_that_breaks_off_is_not_taken_for_the_end() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    assert!(matches!(ProductReader::open(Broken, None), Err(UnreadableFile::Read(_))));

    for (start, row) in [("name,price\n", "Cup,1\n"), ("", "{\"name\":\"Cup\",\"price\":1}\n")] {
        let file = io::Cursor::new(format!("{start}{}", row.repeat(20_000))).chain(Broken);
        let rows: Vec<_> = ProductReader::open(file, None).expect("a good start").collect();
        assert_eq!(rows.len(), 20_001);
        let error = rows.into_iter().next_back().and_then(Result::err).expect("an error at the end");
        assert!(error.ends_reading());
        assert!(error.to_string().contains("the disk is gone"), "{error}");
    }
}

#[test]
fn formats_have_names_and_endings() {
    for format in [Format::Csv, Format::JsonLines, Format::Shopify, Format::WooCommerce] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let error = "xml".parse::<Format>().expect_err("no format");
    assert_eq!(error.to_string(), "\"xml\" is not a known format; expected csv, jsonl, shopify or woocommerce");
    assert!("shopify".parse::<ExportFormat>().is_err());

    for (path, format) in [
        ("out.csv", Some(ExportFormat::Csv)),
        ("a.b/OUT.CSV", Some(ExportFormat::Csv)),
        ("out.jsonl", Some(ExportFormat::JsonLines)),
        ("out.ndjson", Some(ExportFormat::JsonLines)),
        ("out.json", None),
        ("out", None),
        ("-", None),
    ] {
        assert_eq!(ExportFormat::of_path(Path::new(path)), format, "{path}");
    }
}
