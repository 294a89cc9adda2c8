use hotshelf_formats::Format;

use crate::support::{bad, good, read};

#[test]
fn products_become_products_and_variations_join_their_parents() {
    assert_eq!(
        read(include_bytes!("../data/woocommerce.csv"), Format::WooCommerce),
        [
            good(
                2,
                r#"{"name": "Mug & Saucer", "description": "Hand thrown.\n\nDishwasher safe.", "price": 12, "stock": 0,
                    "category": "Kitchen > Mugs"}"#
            ),
            good(
                3,
                r#"{"name": "Hoodie", "description": "Warm,\nsoft", "price": 45.5, "stock": 7,
                    "category": "Clothing, warm > Hoodies"}"#
            ),
            good(4, r#"{"name": "Course", "price": 150, "stock": 20, "category": "Courses"}"#),
            good(5, r#"{"name": "=Formula", "price": 4.99}"#),
            bad("line 6: price is required"),
            bad(r#"line 11: is a variation of "id:99", which is not in the file"#),
        ]
    );
}

const HEADER: &str =
    "ID,Type,SKU,Name,Published,Short description,Description,Stock,Regular price,Sale price,Categories,Images";

#[test]
fn a_variation_may_come_before_its_parent() {
    let file = format!("{HEADER},Parent\n2,variation,,,1,,,4,8,,,,id:1\n1,variable,,Cup,1,,,,,,,,\n");
    assert_eq!(read(file, Format::WooCommerce), [good(3, r#"{"name": "Cup", "price": 8, "stock": 4}"#)]);
}

#[test]
fn a_bad_variation_is_named_by_its_own_line() {
    let file = format!("{HEADER},Parent\n1,variable,,Cup,1,,,,,,,,\n2,variation,,,1,,,4,8.999,,,,id:1\n");
    assert_eq!(read(file, Format::WooCommerce), [bad("line 3: price must have at most 2 decimals")]);
}

#[test]
fn without_the_parent_column_a_variation_has_no_place() {
    let file = format!("{HEADER}\n1,simple,,Cup,1,,,,3,,,\n2,variation,,,1,,,4,8,,,\n");
    assert_eq!(
        read(file, Format::WooCommerce),
        [good(2, r#"{"name": "Cup", "price": 3}"#), bad(r#"line 3: is a variation of "", which is not in the file"#),]
    );
}

#[test]
fn line_breaks_of_the_export_are_line_breaks_and_backslashes_stay() {
    let text = r"C:\\new\nsecond\n\nthird";
    let file = format!("{HEADER}\n1,simple,,Cup,1,,{text},,3,,,\n");
    assert_eq!(
        read(file, Format::WooCommerce),
        [good(2, r#"{"name": "Cup", "description": "C:\\new\nsecond\n\nthird", "price": 3}"#)]
    );
}
