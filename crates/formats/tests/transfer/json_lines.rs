use hotshelf_formats::Format;

use crate::support::{bad, good, read};

#[test]
fn lines_become_products_and_bad_ones_are_named_by_their_number() {
    assert_eq!(
        read(include_bytes!("../data/products.jsonl"), Format::JsonLines),
        [
            good(
                1,
                r#"{"name": "Tea pot", "description": "Holds 1.5 l", "price": 24.9, "stock": 12, "category": "Kitchen"}"#
            ),
            good(3, r#"{"name": "Cup", "price": 4.5}"#),
            bad("line 4: colour is not a known field; name must not be empty; price must be a number"),
            bad("line 6: is not a JSON object: EOF while parsing a value (column 16)"),
            bad("line 7: is not a JSON object: invalid type: integer `42`, expected a map (column 2)"),
            good(8, r#"{"name": "Bowl", "price": 7}"#),
        ]
    );
}

#[test]
fn a_line_in_another_encoding_is_reported_and_the_rest_goes_on() {
    assert_eq!(
        read(b"{\"name\":\"Cup\",\"price\":1}\r\n{\"name\":\"Caf\xE9\",\"price\":1}\r\n", Format::JsonLines),
        [good(1, r#"{"name": "Cup", "price": 1}"#), bad("line 2: is not valid UTF-8")]
    );
}

#[test]
fn a_line_longer_than_any_product_is_passed_over() {
    let file = format!(
        "{{\"name\":\"Cup\",\"price\":1}}\n{{\"name\":\"{}\"\n{{\"name\":\"Pot\",\"price\":2}}\n",
        "x".repeat(17 << 20)
    );
    assert_eq!(
        read(file, Format::JsonLines),
        [
            good(1, r#"{"name": "Cup", "price": 1}"#),
            bad("line 2: is longer than 16777216 bytes"),
            good(3, r#"{"name": "Pot", "price": 2}"#),
        ]
    );
}
