use super::*;

fn errors_of(json: &str) -> Vec<(String, String)> {
    let draft = DetailsDraft::from_json(json.as_bytes()).expect("an object");
    let invalid = draft.into_patch().expect_err("invalid");
    invalid.0.into_iter().map(|error| (error.field, error.message)).collect()
}

fn pair(field: &str, message: &str) -> (String, String) {
    (field.to_owned(), message.to_owned())
}

#[test]
fn what_is_left_out_of_an_image_takes_its_default() {
    let json =
        r#"{"images":[{"url":"http://a.example/1.png","position":9},{"url":"HTTPS://b.example","alt":"A","id":4}]}"#;
    let patch = DetailsDraft::from_json(json.as_bytes()).expect("an object").into_patch().expect("valid");
    let image =
        |id, url: &str, alt: &str, position| NewImage { id, url: url.to_owned(), alt: alt.to_owned(), position };
    let second = image(ImageId::new(4), "HTTPS://b.example", "A", 1);
    assert_eq!(patch.images, Some(vec![image(None, "http://a.example/1.png", "", 9), second]));
    assert_eq!(patch.fields, None);
}

#[test]
fn every_wrong_part_is_named_by_its_place() {
    let json = r#"{"colour":"red","fields":{"a":null,"b":[1],"c":{},"d":1e999,"e":"\u0000","f":1},
                   "images":[{"url":"ftp://a.example"},{"alt":7},{"url":"http://a.example","position":-1,"id":0,"x":1}]}"#;
    assert_eq!(
        errors_of(json),
        [
            pair("fields.d", "must be text, a finite number, or true or false"),
            pair("images[1].alt", "must be a string"),
            pair("images[2].x", "is not a known field"),
            pair("colour", "is not a known field"),
            pair("fields.a", "must be text, a finite number, or true or false"),
            pair("fields.b", "must be text, a finite number, or true or false"),
            pair("fields.c", "must be text, a finite number, or true or false"),
            pair("fields.e", "must not contain a NUL character"),
            pair("images[0].url", "must be an absolute http or https URL"),
            pair("images[1].url", "is required"),
            pair("images[2].id", "0 is not an image of this product"),
            pair("images[2].position", "must be 0 or more"),
        ]
    );
}

#[test]
fn wrong_kinds_of_value_are_named_once() {
    assert_eq!(
        errors_of(r#"{"fields":[],"images":{}}"#),
        [pair("fields", "must be an object"), pair("images", "must be a list")]
    );
    assert_eq!(errors_of(r#"{"images":[{"url":"http://a"},7,null]}"#).len(), 2);
    let twice = r#"{"images":[{"url":"http://a","id":3},{"url":"http://b","id":3}]}"#;
    assert_eq!(errors_of(twice), [pair("images[1].id", "3 is there twice")]);
}

#[test]
fn values_nested_too_deep_are_refused_like_any_other() {
    let json = format!(r#"{{"fields":{{"a":{}{}}}}}"#, "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(errors_of(&json), [pair("fields.a", "must be text, a finite number, or true or false")]);
}

#[test]
fn sizes_are_bounded() {
    let text = |length| format!(r#"{{"fields":{{"a":"{}"}}}}"#, "é".repeat(length));
    assert!(DetailsDraft::from_json(text(10_000).as_bytes()).expect("an object").into_patch().is_ok());
    assert_eq!(errors_of(&text(10_001)), [pair("fields.a", "must be at most 10000 characters")]);

    let fields: Vec<String> = (0..101).map(|number| format!(r#""f{number}":1"#)).collect();
    assert_eq!(
        errors_of(&format!(r#"{{"fields":{{{}}}}}"#, fields.join(","))),
        [pair("fields", "must have at most 100 fields")]
    );
    let images = vec![r#"{"url":"http://a"}"#; 101];
    assert_eq!(
        errors_of(&format!(r#"{{"images":[{}]}}"#, images.join(","))),
        [pair("images", "must have at most 100 entries")]
    );
    let long = format!(r#"{{"images":[{{"url":"http://{}","alt":"{}"}}]}}"#, "a".repeat(2_042), "é".repeat(501));
    assert_eq!(errors_of(&long).len(), 2);
}

#[test]
fn only_absolute_web_addresses_are_image_urls() {
    for good in ["http://a", "https://a.example/b.png?c=d#e", "https://ä.example/ü.png", "hTTp://a"] {
        assert_eq!(checked_url(good.to_owned()), Ok(good.to_owned()));
    }
    for bad in [
        "",
        "a.png",
        "/a.png",
        "//a.example/b",
        "http:/a",
        "http://",
        "http:///a",
        "https://?a",
        "javascript://a",
        "data:image/png;base64,AA",
        "http://a\n",
        "http://a b",
        "http://a\u{0}",
    ] {
        assert!(checked_url(bad.to_owned()).is_err(), "{bad:?}");
    }
}
