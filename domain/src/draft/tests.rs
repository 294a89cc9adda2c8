use super::*;
use crate::{Changes, Product};

fn errors_of(json: &str) -> Vec<(String, String)> {
    let draft = ProductDraft::from_json(json.as_bytes()).expect("an object");
    let invalid = draft.into_new().expect_err("invalid");
    invalid.0.into_iter().map(|error| (error.field, error.message)).collect()
}

fn pair(field: &str, message: &str) -> (String, String) {
    (field.to_owned(), message.to_owned())
}

#[test]
fn a_minimal_product_takes_the_defaults() {
    let draft = ProductDraft::from_json(br#"{"name":"  Laptop ","price":999.99}"#).expect("an object");
    let new = draft.into_new().expect("valid");
    assert_eq!((new.name.as_str(), new.price.minor_units()), ("Laptop", 99_999));
    assert_eq!((new.description.as_str(), new.stock, new.category.as_str()), ("", 0, ""));
    assert_eq!((new.organization_id, new.schema_id), (OrganizationId::BUILT_IN, SchemaId::BUILT_IN));
    assert!(new.fields.is_empty() && new.images.is_empty());
}

#[test]
fn all_errors_are_named_at_once_and_each_field_once() {
    assert_eq!(
        errors_of(r#"{"price":0,"stock":-1,"category":5,"colour":"red","organization_id":-9}"#),
        [
            pair("category", "must be a string"),
            pair("colour", "is not a known field"),
            pair("name", "is required"),
            pair("price", "must be greater than 0"),
            pair("stock", "must be 0 or more"),
            pair("organization_id", "-9 does not exist"),
        ]
    );
    assert_eq!(
        errors_of(r#"{"name":7,"price":"9.99"}"#),
        [pair("name", "must be a string"), pair("price", "must be a number")]
    );
    assert_eq!(
        errors_of(r#"{"name":null,"price":null,"stock":1.5}"#),
        [pair("name", "must be a string"), pair("price", "must be a number"), pair("stock", "must be an integer")]
    );
}

#[test]
fn lengths_count_characters() {
    let fits = "é".repeat(255);
    let draft = ProductDraft { name: Some(fits), price: Some("1".into()), ..Default::default() };
    assert!(draft.into_new().is_ok());
    let draft = ProductDraft {
        name: Some("é".repeat(256)),
        description: Some("x".repeat(1_001)),
        category: Some("x".repeat(101)),
        price: Some("1".into()),
        ..Default::default()
    };
    assert_eq!(draft.into_new().expect_err("too long").0.len(), 3);
}

#[test]
fn a_patch_requires_nothing_and_checks_the_rest() {
    let patch = ProductDraft::from_json(br#"{"stock":3}"#).expect("an object").into_patch().expect("valid");
    assert_eq!(patch, ProductPatch { stock: Some(3), ..Default::default() });
    assert!(ProductDraft::from_json(br#"{"name":" "}"#).expect("an object").into_patch().is_err());
}

#[test]
fn an_exported_product_may_carry_what_the_service_set() {
    let json = br#"{"id":4,"name":"Cup","price":3,"version":9,"created_at":"2026-01-15T10:30:00Z","updated_at":"x"}"#;
    assert!(ProductDraft::from_exported_json(json).expect("an object").into_new().is_ok());
    assert_eq!(ProductDraft::from_json(json).expect("an object").into_new().expect_err("strict").0.len(), 4);
}

#[test]
fn a_patch_says_what_it_really_changes() {
    let json = br#"{"id":1,"name":"Cup","description":"","price":9.99,"stock":3,"category":"Kitchen","organization_id":1,
                    "schema_id":1,"version":4,"created_at":"2026-01-15T10:30:00Z","updated_at":"2026-01-15T10:30:00Z"}"#;
    let current: Product = serde_json::from_slice(json).expect("a product");
    let changes = |json: &str| {
        let draft = ProductDraft::from_json(json.as_bytes()).expect("an object");
        draft.into_patch().expect("valid").changes(&current)
    };
    let none = Changes::default();
    assert_eq!(changes("{}"), none);
    assert_eq!(changes(r#"{"name":" Cup ","price":9.990,"stock":3,"category":"Kitchen","schema_id":1}"#), none);
    assert_eq!(changes(r#"{"name":"cup","description":"Two"}"#), Changes { name: true, description: true, ..none });
    assert_eq!(changes(r#"{"price":10,"category":""}"#), Changes { price: true, category: true, ..none });
    assert_eq!(changes(r#"{"stock":1}"#), Changes { stock: true, ..none });
    assert_eq!(
        changes(r#"{"stock":0,"schema_id":2}"#),
        Changes { stock: true, availability: true, schema: true, ..none }
    );
}

#[test]
fn details_come_with_a_new_product_and_not_with_a_change() {
    let json = br#"{"name":"Cup","price":3,"fields":{"colour":"red"},"images":[{"url":"https://a.example/1.png"}]}"#;
    let new = ProductDraft::from_json(json).expect("an object").into_new().expect("valid");
    assert_eq!((new.fields.len(), new.images.len(), new.images[0].position), (1, 1, 0));
    let refused = ProductDraft::from_json(json).expect("an object").into_patch().expect_err("not with a change");
    let fields: Vec<&str> = refused.0.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["fields", "images"]);
}

#[test]
fn a_field_that_occurs_twice_is_named_at_any_depth() {
    let twice = "must occur only once";
    assert_eq!(errors_of(r#"{"name":"a","price":1,"n\u0061me":"a"}"#), [pair("name", twice)]);
    assert_eq!(errors_of(r#"{"name":"a","price":1,"x":1,"x":2}"#), [pair("x", twice)]);
    assert_eq!(
        errors_of(r#"{"name":"a","price":1,"fields":{"size":1,"size":1},"images":[{"url":"http://a/b","url":""}]}"#),
        [pair("images[0].url", twice), pair("fields.size", twice)]
    );
}

#[test]
fn integers_may_be_written_as_decimals() {
    let json = br#"{"name":"a","price":1,"stock":1.0e2,"schema_id":1.0,"organization_id":10e-1}"#;
    let new = ProductDraft::from_json(json).expect("an object").into_new().expect("valid");
    assert_eq!((new.stock, new.schema_id, new.organization_id), (100, SchemaId::BUILT_IN, OrganizationId::BUILT_IN));
    let wrong = ["1.5", "1e-1", "9223372036854775808", "\"1\"", "true", "null", "[1]"];
    for wrong in wrong {
        let json = format!(r#"{{"name":"a","price":1,"stock":{wrong}}}"#);
        assert_eq!(errors_of(&json), [pair("stock", "must be an integer")], "{wrong}");
    }
}

#[test]
fn a_number_is_kept_as_it_is_or_refused() {
    let fields = |number: &str| {
        let json = format!(r#"{{"name":"a","price":1,"fields":{{"n":{number}}}}}"#);
        ProductDraft::from_json(json.as_bytes()).expect("an object").into_new().map(|new| new.fields["n"].clone())
    };
    for exact in ["0.1", "1e300", "-0.0", "9007199254740993", "18446744073709551615", "1.50", "12.0e-1"] {
        assert!(fields(exact).is_ok(), "{exact}");
    }
    for rounded in ["18446744073709551616.5", "0.1000000000000000055", "123456789012345678901234567890", "1e-400"] {
        let invalid = fields(rounded).expect_err(rounded).to_string();
        assert_eq!(invalid, "fields.n has more digits than can be kept", "{rounded}");
    }
}

#[test]
fn a_merge_patch_removes_what_has_a_default() {
    let patch = |json: &str| ProductDraft::from_merge_patch(json.as_bytes()).expect("an object").into_patch();
    let removed = patch(r#"{"description":null,"stock":null,"category":null,"price":2}"#).expect("valid");
    assert_eq!(
        (removed.description.as_deref(), removed.stock, removed.category.as_deref()),
        (Some(""), Some(0), Some(""))
    );
    assert_eq!(removed.name, None);
    for kept in ["name", "price", "organization_id", "schema_id"] {
        let invalid = patch(&format!(r#"{{"{kept}":null}}"#)).expect_err(kept).to_string();
        assert!(invalid.starts_with(&format!("{kept} must be ")), "{invalid}");
    }
}
