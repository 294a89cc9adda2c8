//! The rules of values that clients send, as the document states them. The domain enforces them; a rule that two values
//! have to keep together cannot be stated here.

use hotshelf_domain::{Area, AuditAction};
use serde_json::Value;
use utoipa::openapi::schema::{AdditionalProperties, KnownFormat, SchemaFormat};
use utoipa::openapi::{Array, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, Type};

/// The white space of Unicode, within brackets of a regular expression.
const WHITE: &str = r"\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";
/// The same and control characters.
const NOT_IN_URLS: &str = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Text without a NUL character.
fn text(max: usize) -> ObjectBuilder {
    matching(max, r"^[^\u0000]*$".to_owned())
}

/// The same, with a character that is no white space, because white space around a name is removed.
fn not_blank(max: usize) -> Object {
    matching(max, format!(r"^[^\u0000]*[^\u0000{WHITE}][^\u0000]*$")).min_length(Some(1)).build()
}

fn matching(max: usize, pattern: String) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).max_length(Some(max)).pattern(Some(pattern))
}

fn words<const N: usize>(words: [&str; N]) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

fn with_default(schema: ObjectBuilder) -> Object {
    schema.default(Some(Value::from(""))).build()
}

/// Name of a product, an organization or a schema.
pub(super) fn name() -> Object {
    ObjectBuilder::from(not_blank(255)).description(Some("White space around it is removed.")).build()
}

pub(super) fn name_of_home() -> Object {
    let description = "Name of the new organization; default: the e-mail address.";
    ObjectBuilder::from(not_blank(255)).description(Some(description)).build()
}

/// Name of a field or of a choice, without white space around it.
pub(super) fn exact_name() -> Object {
    matching(100, format!(r"^[^\u0000{WHITE}]([^\u0000]*[^\u0000{WHITE}])?$")).min_length(Some(1)).build()
}

pub(super) fn description() -> Object {
    with_default(text(1_000))
}

pub(super) fn category() -> Object {
    with_default(text(100))
}

pub(super) fn alt() -> Object {
    with_default(text(500))
}

pub(super) fn image_url() -> Object {
    let pattern = format!(r"^[Hh][Tt][Tt][Pp][Ss]?://[^/?#{NOT_IN_URLS}][^{NOT_IN_URLS}]*$");
    matching(2_048, pattern).description(Some("Absolute URL, `http` or `https`.")).build()
}

pub(super) fn price() -> Object {
    let number = ObjectBuilder::new().schema_type(Type::Number).multiple_of(Some(0.01));
    let number = number.description(Some("Exact decimal with at most two decimals."));
    number.minimum(Some(0.01)).maximum(Some(1_000_000_000)).build()
}

pub(super) fn select() -> Object {
    words(["select"])
}

pub(super) fn plain() -> Object {
    words(["text", "number", "boolean", "date"])
}

pub(super) fn role() -> Object {
    words(["viewer", "editor", "admin"])
}

/// Of an API key: at most the role of its user.
pub(super) fn role_or_viewer() -> Object {
    ObjectBuilder::from(role()).default(Some(Value::from("viewer"))).build()
}

/// Parts of the API that an API key is restricted to.
pub(super) fn areas() -> Array {
    let description = "The parts of the API that the key may use; default: all.";
    let areas = ArrayBuilder::new().items(words(Area::ALL.map(Area::as_str))).min_items(Some(1));
    areas.description(Some(description)).build()
}

pub(super) fn audit_action() -> Object {
    let actions = AuditAction::ALL.iter().map(|action| action.as_str());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(actions)).build()
}

pub(super) fn name_of_key() -> Object {
    not_blank(100)
}

/// The choices of a field.
pub(super) fn choices() -> Array {
    ArrayBuilder::new().items(exact_name()).min_items(Some(1)).max_items(Some(100)).unique_items(true).build()
}

pub(super) fn id() -> ObjectBuilder {
    let number = ObjectBuilder::new().schema_type(Type::Integer);
    number.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).minimum(Some(1))
}

/// Up to 1,000 ids.
pub(super) fn ids() -> Array {
    ArrayBuilder::new().items(id()).min_items(Some(1)).max_items(Some(1_000)).build()
}

pub(super) fn values() -> Object {
    let plain = |kind| ObjectBuilder::new().schema_type(kind);
    let value = OneOfBuilder::new().item(text(10_000)).item(plain(Type::Number)).item(plain(Type::Boolean));
    let any = AdditionalProperties::RefOr(Schema::from(value.build()).into());
    let values = ObjectBuilder::new().additional_properties(Some(any)).max_properties(Some(100));
    values.description(Some("Values by field name, as the schema defines them.")).build()
}
