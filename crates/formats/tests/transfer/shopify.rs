use hotshelf_formats::Format;

use crate::support::{bad, good, read};

#[test]
fn the_rows_of_a_handle_become_one_product() {
    assert_eq!(
        read(include_bytes!("../data/shopify.csv"), Format::Shopify),
        [
            good(
                2,
                r#"{"name": "Oak Stool", "description": "Solid oak.\n- 45 cm high\n- Made & oiled by hand",
                    "price": 79.5, "stock": 7, "category": "Furniture"}"#
            ),
            good(
                10,
                r#"{"name": "Linen \"Bath\" Towel", "description": "Plain text", "price": 24.5, "stock": 10,
                    "category": "Linen"}"#
            ),
            bad("line 11: price must be greater than 0"),
            bad("line 12: stock must be an integer"),
            bad("line 14: Handle is required"),
        ]
    );
}

const HEADER: &str = "Handle,Title,Body (HTML),Type,Tags,Variant Inventory Qty,Variant Price,Image Src";

#[test]
fn a_sorted_file_still_keeps_products_together() {
    let file = format!("{HEADER}\ncup,,,,,2,4,\npot,Pot,,,,1,9,\ncup,Cup,Blue,Kitchen,,5,3,\npot,,,,,1,9,\n");
    assert_eq!(
        read(file, Format::Shopify),
        [
            good(2, r#"{"name": "Cup", "description": "Blue", "price": 3, "stock": 7, "category": "Kitchen"}"#),
            good(3, r#"{"name": "Pot", "price": 9, "stock": 2}"#),
        ]
    );
}

#[test]
fn a_bad_variant_is_named_by_its_own_line() {
    let file = format!("{HEADER}\ncup,Cup,,,,2,4,\ncup,,,,,2,free,\npot,,,,,1,9,\n");
    assert_eq!(read(file, Format::Shopify), [bad("line 3: price must be a number"), bad("line 4: name is required")]);
}

#[test]
fn a_description_too_long_is_shortened_and_a_name_too_long_refused() {
    let body = format!("<p>{}</p>", "word ".repeat(400));
    let name = "n".repeat(256);
    let file = format!("{HEADER}\ncup,Cup,{body},,,2,4,\npot,{name},,,,1,9,\n");
    let shortened = format!("{}…", "word ".repeat(200).trim_end());
    assert_eq!(
        read(file, Format::Shopify),
        [
            good(2, &format!(r#"{{"name": "Cup", "description": "{shortened}", "price": 4, "stock": 2}}"#)),
            bad("line 3: name must be at most 255 characters"),
        ]
    );
}
