//! The parts of random requests: a grammar of valid and invalid input.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::super::TEXTS;
use hotshelf_testkit::catalogue::encoded;

pub(super) const METHODS: [&str; 7] = ["GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// Path patterns, with a placeholder for an id.
pub(super) const PATHS: [&str; 26] = [
    "/api/v1/products",
    "/api/v1/products",
    "/api/v1/products/{}",
    "/api/v1/products/{}",
    "/api/v1/products/{}/details",
    "/api/v1/products/{}/details",
    "/api/v1/products/bulk",
    "/api/v1/products/bulk-delete",
    "/api/v1/organizations",
    "/api/v1/organizations/{}",
    "/api/v1/organizations/{}/products",
    "/api/v1/organizations/{}/products",
    "/api/v1/organizations/{}/product-ids",
    "/api/v1/schemas",
    "/api/v1/schemas/{}",
    "/api/v1/schemas/{}/products",
    "/api/v1/schemas/{}/product-ids",
    "/api/v1/analytics/catalogue",
    "/api/v1/cache",
    "/api/v1/cache/stats",
    "/api/v1/cache/stats/reset",
    "/api/v1/openapi.json",
    "/products",
    "/products/{}",
    "/health",
    "/api/v1/{}",
];
/// Supported operations, which are generated more often than others.
pub(super) const SENSIBLE: [(&str, &str); 12] = [
    ("GET", "/api/v1/products"),
    ("POST", "/api/v1/products"),
    ("PUT", "/api/v1/products/{}"),
    ("PUT", "/api/v1/products/{}/details"),
    ("POST", "/api/v1/products/bulk"),
    ("POST", "/api/v1/products/bulk-delete"),
    ("POST", "/api/v1/schemas"),
    ("PUT", "/api/v1/schemas/{}"),
    ("GET", "/api/v1/organizations/{}/products"),
    ("GET", "/api/v1/organizations/{}/product-ids"),
    ("GET", "/api/v1/schemas/{}/products"),
    ("GET", "/api/v1/schemas/{}/product-ids"),
];
const PARAMETERS: [&str; 18] = [
    "offset",
    "limit",
    "cursor",
    "page",
    "search",
    "order",
    "category",
    "organization_id",
    "schema_id",
    "min_price",
    "max_price",
    "in_stock",
    "ids",
    "atomic",
    "refresh",
    "pattern",
    "colour",
    "",
];
const VALUES: [&str; 34] = [
    "",
    "0",
    "1",
    "2",
    "3",
    "4",
    "7",
    "-1",
    "100",
    "101",
    "1.5",
    "0.01",
    "1e3",
    "999999999999",
    "9223372036854775807",
    "9223372036854775808",
    "true",
    "false",
    "id",
    "-id",
    "name",
    "-name",
    "price",
    "-price",
    "stock",
    "updated_at",
    "-created_at",
    "relevance",
    "-relevance",
    "cup",
    "cup red",
    "Kitchen",
    "1,2,3,99",
    "product:*",
];
const NAMES: [&str; 17] = [
    "name",
    "description",
    "price",
    "stock",
    "category",
    "organization_id",
    "schema_id",
    "fields",
    "images",
    "id",
    "version",
    "products",
    "ids",
    "url",
    "type",
    "options",
    "required",
];
const KINDS: [&str; 6] = ["text", "number", "boolean", "date", "select", "colour"];

/// Generates random requests.
pub(super) struct Dice(SmallRng);

impl Dice {
    pub(super) fn of(seed: u64) -> Self {
        Dice(SmallRng::seed_from_u64(seed))
    }

    pub(super) fn one_in(&mut self, number: usize) -> bool {
        self.0.random_range(0..number) == 0
    }

    fn up_to(&mut self, most: usize) -> usize {
        self.0.random_range(0..=most)
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.0.random_range(0..from.len())]
    }

    fn text(&mut self) -> String {
        match self.up_to(3) {
            0 => (*self.pick(&TEXTS)).to_owned(),
            1 => (0..self.up_to(12)).map(|_| self.0.random::<char>()).collect(),
            2 => self.pick(&["x", "é", "cup ", "\0"]).repeat(self.up_to(400)),
            _ => (*self.pick(&VALUES)).to_owned(),
        }
    }

    /// An id, mostly of an existing object: there are some products, and a few organizations and schemas.
    fn id(&mut self) -> i64 {
        match self.up_to(9) {
            0 => *self.pick(&[0, -1, i64::MAX, i64::MIN, 777]),
            1..=3 => self.0.random_range(1..=60),
            _ => self.0.random_range(1..=5),
        }
    }

    pub(super) fn path(&mut self, template: &str) -> String {
        let id = match self.one_in(6) {
            true => encoded(&self.text()),
            false => self.id().to_string(),
        };
        let mut path = template.replace("{}", &id);
        let parameters = if self.one_in(2) { self.up_to(3) } else { 0 };
        for number in 0..parameters {
            let (name, value) = match self.one_in(8) {
                true => (self.text(), self.text()),
                false => ((*self.pick(&PARAMETERS)).to_owned(), self.value()),
            };
            path.push(if number == 0 { '?' } else { '&' });
            path.push_str(&format!("{}={}", encoded(&name), encoded(&value)));
        }
        path
    }

    fn value(&mut self) -> String {
        if self.one_in(5) { self.text() } else { (*self.pick(&VALUES)).to_owned() }
    }

    /// Any JSON.
    fn json(&mut self, depth: usize) -> Value {
        match self.up_to(if depth == 0 { 6 } else { 8 }) {
            0 => json!(null),
            1 => json!(self.one_in(2)),
            2 => json!(self.id()),
            3 => json!(self.0.random::<f64>() * 1e4),
            4 => json!(*self.pick(&[0.001, 1e18, 1e300, -0.0, 4.5])),
            5 | 6 => json!(self.text()),
            7 => (0..self.up_to(3)).map(|_| self.json(depth - 1)).collect(),
            _ => Value::Object((0..self.up_to(3)).map(|_| (self.name(), self.json(depth - 1))).collect()),
        }
    }

    fn name(&mut self) -> String {
        if self.one_in(6) { self.text() } else { (*self.pick(&NAMES)).to_owned() }
    }

    /// A product that is mostly valid.
    fn product(&mut self) -> Value {
        let mut product = json!({"name": format!("Cup {}", self.up_to(9)), "price": self.up_to(999) + 1});
        if self.one_in(2) {
            product["stock"] = json!(self.up_to(3));
            product["category"] = json!(self.pick(&["", "Kitchen", "Office"]));
        }
        if self.one_in(2) {
            product["organization_id"] = json!(self.0.random_range(1..=3));
            product["schema_id"] = json!(self.0.random_range(1..=4));
        }
        if self.one_in(4) {
            product["description"] = json!(self.text());
        }
        if self.one_in(4) {
            self.details(&mut product);
        }
        self.spoil(product)
    }

    fn details(&mut self, into: &mut Value) {
        if self.one_in(2) {
            into["fields"] = json!({"size": *self.pick(&["S", "M", "XL"])});
        }
        if self.one_in(2) {
            into["images"] = json!([{"url": "https://example.com/a.jpg", "position": self.up_to(3)}]);
        }
    }

    fn schema(&mut self) -> Value {
        let mut fields = Vec::new();
        for _ in 0..self.up_to(3) {
            let mut field = json!({"name": *self.pick(&["size", "colour", "weight"]), "type": *self.pick(&KINDS)});
            if self.one_in(2) {
                field["options"] = json!(["S", "M"]);
            }
            field["required"] = json!(self.one_in(3));
            fields.push(field);
        }
        let mut schema = json!({"name": "Kind", "fields": fields});
        if self.one_in(2) {
            schema["organization_id"] = json!(self.0.random_range(1..=3));
        }
        self.spoil(schema)
    }

    /// Sometimes replaces a part by another value.
    fn spoil(&mut self, mut object: Value) -> Value {
        if self.one_in(5) {
            object[self.name()] = self.json(3);
        }
        object
    }

    pub(super) fn body(&mut self, path: &str) -> Vec<u8> {
        let body = match path {
            _ if self.one_in(6) => self.json(4),
            _ if path.contains("bulk-delete") => {
                json!({"ids": (0..self.up_to(4)).map(|_| self.id()).collect::<Vec<_>>()})
            }
            _ if path.contains("bulk") => {
                json!({"products": (0..self.up_to(4)).map(|_| self.product()).collect::<Vec<_>>()})
            }
            _ if path.contains("organizations") => json!({"name": self.text()}),
            _ if path.contains("schemas") => self.schema(),
            _ if path.contains("details") => {
                let mut details = json!({});
                self.details(&mut details);
                self.spoil(details)
            }
            _ if self.one_in(3) => {
                let name = *self.pick(&NAMES[..7]);
                json!({name: self.product()[name]})
            }
            _ => self.product(),
        };
        let mut bytes = body.to_string().into_bytes();
        if self.one_in(10) && !bytes.is_empty() {
            // Cuts the text, or changes a byte.
            let place = self.up_to(bytes.len() - 1);
            match self.one_in(2) {
                true => bytes.truncate(place),
                false => bytes[place] = self.0.random(),
            }
        }
        bytes
    }

    pub(super) fn headers(&mut self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if !self.one_in(20) {
            headers.push(("content-type", "application/json".to_owned()));
        }
        if self.one_in(2) {
            let tag = format!("\"{}-{}\"", self.id(), self.up_to(3));
            let some = [
                ("if-match", tag.clone()),
                ("if-match", "*".to_owned()),
                ("if-none-match", tag),
                ("if-none-match", "*".to_owned()),
                ("if-none-match", "garbage, \"".to_owned()),
                ("cache-control", "no-cache".to_owned()),
                ("x-min-version", self.id().to_string()),
                ("x-min-version", "x".to_owned()),
                ("accept", "text/html".to_owned()),
                ("x-request-id", "'; --".to_owned()),
            ];
            headers.push(self.pick(&some).clone());
        }
        headers
    }
}
