use super::draft::SchemaFieldDraft;
use super::*;

/// Of organization 1, read from the JSON of its fields.
fn schema(fields: &str) -> Schema {
    let json = format!(r#"{{"name":"Shirts","fields":{fields}}}"#);
    let new = SchemaDraft::from_json(json.as_bytes()).expect("an object").into_new().expect("valid");
    let (id, version) = (SchemaId::new(7).expect("positive"), Version::FIRST);
    Schema { id, organization_id: new.organization_id, name: new.name, fields: new.fields, version }
}

fn errors_of(json: &str) -> Vec<(String, String)> {
    let draft = SchemaDraft::from_json(json.as_bytes()).expect("an object");
    pairs(draft.into_new().expect_err("invalid"))
}

fn pairs(invalid: Invalid) -> Vec<(String, String)> {
    invalid.0.into_iter().map(|error| (error.field, error.message)).collect()
}

fn pair(field: &str, message: &str) -> (String, String) {
    (field.to_owned(), message.to_owned())
}

fn values(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).expect("an object")
}

const FIVE: &str = r#"[{"name":"material","type":"text","required":true},{"name":"weight","type":"number"},
    {"name":"organic","type":"boolean"},{"name":"since","type":"date"},
    {"name":"size","type":"select","options":["S","M"]}]"#;

#[test]
fn a_schema_reads_and_writes_its_json() {
    let json = serde_json::to_value(schema(FIVE)).expect("JSON");
    let size = serde_json::json!({"name": "size", "type": "select", "required": false, "options": ["S", "M"]});
    let text = serde_json::json!({"name": "material", "type": "text", "required": true, "options": []});
    assert_eq!((&json["fields"][0], &json["fields"][4]), (&text, &size));
    assert_eq!((&json["id"], &json["organization_id"], &json["version"]), (&7.into(), &1.into(), &1.into()));
    assert_eq!(serde_json::from_value::<Schema>(json).expect("reads back"), schema(FIVE));
}

#[test]
fn every_wrong_part_of_a_schema_is_named_at_once() {
    let json = r#"{"organization_id":0,"x":1,"fields":[{"name":"a","type":"list","options":["x"]},{"type":"text","required":1},
        {"name":" a","type":"text","options":["x"]},{"name":"b","type":"select"},{"name":"b","type":"date","unit":"m"},
        {"name":"c","type":"select","options":["x","x"]},{"name":"","type":"select","options":["x "]},
        {"name":"d","type":"select","options":[1]}]}"#;
    assert_eq!(
        errors_of(json),
        [
            pair("fields[0].type", "must be text, number, boolean, date or select"),
            pair("fields[1].required", "must be true or false"),
            pair("fields[4].unit", "is not a known field"),
            pair("fields[7].options", "must be a list of strings"),
            pair("x", "is not a known field"),
            pair("organization_id", "0 does not exist"),
            pair("name", "is required"),
            pair("fields[1].name", "is required"),
            pair("fields[2].name", "must not begin or end with white space"),
            pair("fields[2].options", "must be left out unless the type is select"),
            pair("fields[3].options", "is required"),
            pair("fields[4].name", "b is there twice"),
            pair("fields[5].options", "must differ from each other (entry 1)"),
            pair("fields[6].name", "must not be empty"),
            pair("fields[6].options", "must not begin or end with white space (entry 0)"),
        ]
    );
}

#[test]
fn the_size_of_a_schema_is_bounded() {
    let fields = |count: usize| {
        let fields: Vec<String> = (0..count).map(|number| format!(r#"{{"name":"f{number}","type":"text"}}"#)).collect();
        format!(r#"{{"name":"Many","fields":[{}]}}"#, fields.join(","))
    };
    assert!(SchemaDraft::from_json(fields(100).as_bytes()).expect("an object").into_new().is_ok());
    assert_eq!(errors_of(&fields(101)), [pair("fields", "must have at most 100 entries")]);

    let options = |options: Vec<String>| {
        let field = SchemaFieldDraft {
            name: Some("é".repeat(100)),
            kind: Some(FieldKind::Select),
            required: None,
            options: Some(options),
        };
        SchemaDraft { name: Some("A".to_owned()), fields: Some(vec![field]), ..Default::default() }.into_new()
    };
    assert!(options((0..100).map(|number| number.to_string()).collect()).is_ok());
    assert!(options((0..101).map(|number| number.to_string()).collect()).is_err());
    assert!(options(vec!["é".repeat(101)]).is_err());
}

#[test]
fn a_change_cannot_name_an_organization() {
    let draft = SchemaDraft::from_json(br#"{"organization_id":1,"name":" New "}"#).expect("an object");
    assert_eq!(pairs(draft.into_patch().expect_err("refused")), [pair("organization_id", "cannot be changed")]);
    let draft = SchemaDraft::from_json(br#"{"name":" New "}"#).expect("an object");
    let patch = draft.into_patch().expect("valid");
    assert_eq!(patch, SchemaPatch { name: Some("New".to_owned()), fields: None });
}

#[test]
fn details_that_fit_are_accepted() {
    let schema = schema(FIVE);
    for json in [
        r#"{"material":"wool"}"#,
        r#"{"material":"","weight":-0.5,"organic":false,"since":"2024-02-29","size":"M"}"#,
        r#"{"material":"日本","weight":12345678901234567890}"#,
    ] {
        assert_eq!(schema.check(&values(json)), Ok(()), "{json}");
    }
}

#[test]
fn every_detail_that_does_not_fit_is_named() {
    let json = r#"{"colour":"red","weight":"1","organic":"true","since":"2023-02-29","size":"s"}"#;
    assert_eq!(
        pairs(schema(FIVE).check(&values(json)).expect_err("nothing fits")),
        [
            pair("fields.colour", "is not a field of schema 7"),
            pair("fields.material", "is required"),
            pair("fields.weight", "must be a number"),
            pair("fields.organic", "must be true or false"),
            pair("fields.since", "must be a date such as 2026-01-31"),
            pair("fields.size", "must be one of S, M"),
        ]
    );
    assert_eq!(pairs(schema(FIVE).check(&values(r#"{"material":5}"#)).expect_err("no text")).len(), 1);
}

#[test]
fn dates_are_written_one_way() {
    for good in ["2026-01-31", "0001-01-01", "9999-12-31"] {
        assert!(is_date(good), "{good}");
    }
    for bad in
        ["2026-1-31", "2026-13-01", "2026-00-10", "31.01.2026", "+2026-1-1", "2026-01-311", " 2026-01-3", "２026-0-1"]
    {
        assert!(!is_date(bad), "{bad}");
    }
}

#[test]
fn a_change_that_only_allows_more_needs_no_look_at_products() {
    let before = schema(r#"[{"name":"a","type":"text","required":true},{"name":"b","type":"select","options":["x"]}]"#);
    for wider in [
        r#"[{"name":"a","type":"text","required":true},{"name":"b","type":"select","options":["x"]}]"#,
        r#"[{"name":"b","type":"select","options":["y","x"]},{"name":"a","type":"text"},{"name":"c","type":"date"}]"#,
    ] {
        assert!(schema(wider).accepts_all_of(&before), "{wider}");
    }
    for narrower in [
        r#"[{"name":"a","type":"text","required":true}]"#,
        r#"[{"name":"a","type":"number","required":true},{"name":"b","type":"select","options":["x"]}]"#,
        r#"[{"name":"a","type":"text"},{"name":"b","type":"select","options":["y"]}]"#,
        r#"[{"name":"a","type":"text"},{"name":"b","type":"select","options":["x"],"required":true}]"#,
        r#"[{"name":"a","type":"text"},{"name":"b","type":"select","options":["x"]},
            {"name":"c","type":"text","required":true}]"#,
    ] {
        assert!(!schema(narrower).accepts_all_of(&before), "{narrower}");
    }
}
