use hotshelf_formats::Format;

use crate::support::{bad, good, open, read};

#[test]
fn rows_become_products_and_bad_ones_are_named_by_their_line() {
    assert_eq!(
        read(include_bytes!("../data/plain.csv"), Format::Csv),
        [
            good(
                2,
                r#"{"name": "Tea pot", "description": "Holds 1.5 l,\nwith a \"lid\"", "price": 24.9, "stock": 12, "category": "Kitchen"}"#
            ),
            good(5, r#"{"name": "Cup", "price": 4.5}"#),
            bad("line 6: stock must be an integer; name must not be empty; price must be greater than 0"),
            bad("line 7: has 2 fields, but the header has 5"),
            good(
                8,
                r#"{"name": "Bowl", "description": "  kept  ", "price": 7, "stock": 3, "category": "Kitchen, blue"}"#
            ),
        ]
    );
}

#[test]
fn columns_come_in_any_order_and_only_name_and_price_are_needed() {
    assert_eq!(
        read("Price, NAME ,stock\n 1.10 ,Cup, 7 \n", Format::Csv),
        [good(2, r#"{"name": "Cup", "price": 1.1, "stock": 7}"#)]
    );
    assert_eq!(read("price,name\n2,Cup", Format::Csv), [good(2, r#"{"name": "Cup", "price": 2}"#)]);
}

#[test]
fn a_price_is_needed_and_texts_have_their_limits() {
    let file = format!("name,price,description\nCup,,x\nPot,1,{}\n{},1,\n", "d".repeat(1_001), "n".repeat(256));
    assert_eq!(
        read(file, Format::Csv),
        [
            bad("line 2: price is required"),
            bad("line 3: description must be at most 1000 characters"),
            bad("line 4: name must be at most 255 characters"),
        ]
    );
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let unix = "\n\nname,price,description\nA,1,\"x\ny\n\nz\"\n\n\nB,2,\nC,3,\"\n\"\nD,4,";
    let lines: Vec<u64> = read(unix, Format::Csv)
        .into_iter()
        .map(|row| row.map_or_else(|error| panic!("{error}"), |row| row.line))
        .collect();
    assert_eq!(lines, [4, 10, 11, 13]);

    let windows = unix.replace('\n', "\r\n");
    let lines: Vec<u64> = read(windows, Format::Csv)
        .into_iter()
        .map(|row| row.map_or_else(|error| panic!("{error}"), |row| row.line))
        .collect();
    assert_eq!(lines, [4, 10, 11, 13]);
}

#[test]
fn a_row_longer_than_every_buffer_keeps_its_line() {
    let long = "word \n".repeat(40_000);
    let file = format!("name,price,description\nA,1,\"{long}\"\nB,2,\n");
    assert_eq!(
        read(file, Format::Csv),
        [bad("line 2: description must be at most 1000 characters"), good(40_003, r#"{"name": "B", "price": 2}"#),]
    );
}

#[test]
fn rows_that_a_spreadsheet_left_blank_are_no_products() {
    assert_eq!(
        read("name,price,stock\nCup,1,2\n,,\n   \n , ,\nPot,3,\n", Format::Csv),
        [good(2, r#"{"name": "Cup", "price": 1, "stock": 2}"#), good(6, r#"{"name": "Pot", "price": 3}"#)]
    );
}

#[test]
fn semicolons_and_decimal_commas_come_together() {
    assert_eq!(
        read("name;price;description\r\nTasse;12,50;rot, blau\r\nTeller;3.5;\r\nTopf;1,000;\r\n", Format::Csv),
        [
            good(2, r#"{"name": "Tasse", "price": 12.5, "description": "rot, blau"}"#),
            good(3, r#"{"name": "Teller", "price": 3.5}"#),
            bad("line 4: price must be a number"),
        ]
    );
    assert_eq!(read("name,price\nCup,\"12,50\"\n", Format::Csv), [bad("line 2: price must be a number")]);
    assert_eq!(read("name\tprice\nCup\t3\n", Format::Csv), [good(2, r#"{"name": "Cup", "price": 3}"#)]);
}

#[test]
fn a_row_in_another_encoding_is_reported_and_the_rest_goes_on() {
    assert_eq!(
        read(b"name,price\nCaf\xE9,2\nCup,1\n", Format::Csv),
        [bad("line 2: is not valid UTF-8"), good(3, r#"{"name": "Cup", "price": 1}"#)]
    );
}

#[test]
fn a_quote_that_is_never_closed_is_found() {
    for end in ["", "\n"] {
        let file = format!("name,price,description\nCup,1,fine\nPot,2,\"open\nBowl,3,gone{end}");
        assert_eq!(
            read(file, Format::Csv),
            [
                good(2, r#"{"name": "Cup", "price": 1, "description": "fine"}"#),
                bad("line 3: has a quote that is opened and never closed"),
            ]
        );
    }
    let inches = read("name,price\n5\" pipe,2", Format::Csv);
    assert_eq!(inches, [good(2, r#"{"name": "5\" pipe", "price": 2}"#)], "a quote inside of a text is just that");
}

#[test]
fn columns_that_would_get_lost_are_refused() {
    let error = open("sku,name,price,weight\n1,Cup,2,3\n", None).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "the header has the unknown column sku, weight; expected CSV with the header name,description,price,stock,category"
    );
    let error = open("name,price,name\nCup,2,Pot\n", None).err().expect("refused");
    assert_eq!(error.to_string(), "the header has the column name more than once");
    assert_eq!(read("name,price,\nCup,2,\n", Format::Csv).len(), 1, "a column without a name is none");
}
