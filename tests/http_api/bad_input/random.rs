//! Random valid and invalid requests to a service with several organizations. A failure names the seed:
//! `HOTSHELF_SEED=7 cargo test --test http_api random_requests` repeats it. `HOTSHELF_LONG=1` sends more.

mod dice;

use std::collections::HashMap;
use std::env;

use hotshelf_testkit::{Client, Reply, Request};
use serde_json::{Value, json};

use crate::hotshelf;
use dice::{Dice, METHODS, PATHS, SENSIBLE};
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_organization, create_schema, encoded, numbers,
};
use hotshelf_testkit::shapes::fields;

const REQUESTS: usize = 3_000;
const MANY_REQUESTS: usize = 200_000;

/// A request, for messages.
#[derive(Debug)]
struct Shot {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Shot {
    fn at_random(dice: &mut Dice) -> Self {
        let (method, template) = match dice.one_in(3) {
            true => (*dice.pick(&METHODS), *dice.pick(&PATHS)),
            false => *dice.pick(&SENSIBLE),
        };
        let path = dice.path(template);
        let bare = method == "GET" || method == "HEAD";
        let body = if bare { Vec::new() } else { dice.body(template) };
        Shot { method, path, headers: dice.headers(), body }
    }

    fn request(&self, client: &Client) -> Request {
        let request = client.request(self.method, &self.path);
        let headers = self.headers.iter();
        headers.fold(request, |request, (name, value)| request.header(name, value)).body(self.body.clone())
    }

    /// The organization or schema of the requested list, from the path or from a parameter.
    fn asks_for(&self, owners: &str, parameter: &str) -> Option<i64> {
        if self.method != "GET" {
            return None;
        }
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let by_path = || path.strip_prefix(owners)?.strip_prefix('/')?.split('/').next();
        let parameter = format!("{}=", encoded(parameter));
        let by_query = query.split('&').find_map(|pair| pair.strip_prefix(&parameter));
        by_path().or(by_query.filter(|_| path == PRODUCTS)).and_then(|id| id.parse().ok())
    }
}

/// The known owners of products and schemas. Ownership never changes.
#[derive(Default)]
struct Owners {
    products: HashMap<i64, i64>,
    schemas: HashMap<i64, i64>,
}

impl Owners {
    /// Notes the owners in an answer, and fails if it shows an object of another organization.
    async fn check(&mut self, client: &Client, shot: &Shot, body: &Value) {
        if let Some(schema) = body.get("schema") {
            self.schemas.insert(number(&schema["id"]), number(&schema["organization_id"]));
        }
        for product in products_of(body) {
            let (id, organization) = (number(&product["id"]), number(&product["organization_id"]));
            assert_eq!(*self.products.entry(id).or_insert(organization), organization, "product {id} has moved");
            let schema = number(&product["schema_id"]);
            if schema != 1 {
                assert_eq!(
                    self.schema(client, schema).await,
                    organization,
                    "{product} has the schema of another organization"
                );
            }
            if let Some(whose) = shot.asks_for(ORGANIZATIONS, "organization_id") {
                assert_eq!(organization, whose, "{product} is not of the organization");
            }
            if let Some(whose) = shot.asks_for(SCHEMAS, "schema_id") {
                assert_eq!(schema, whose, "{product} is not of the schema");
            }
        }
        if let (Some(ids), Some(whose)) = (body.get("ids"), shot.asks_for(ORGANIZATIONS, "organization_id")) {
            for id in numbers(ids) {
                assert_eq!(self.product(client, id).await, whose, "product {id} is not of the organization");
            }
            assert_eq!(body["total"], numbers(ids).len());
        }
    }

    async fn schema(&mut self, client: &Client, id: i64) -> i64 {
        if let Some(known) = self.schemas.get(&id) {
            return *known;
        }
        let schema = client.get(&format!("{SCHEMAS}/{id}")).await.expect(200).json();
        *self.schemas.entry(id).or_insert(number(&schema["schema"]["organization_id"]))
    }

    /// A product that was created in bulk may be unknown here.
    async fn product(&mut self, client: &Client, id: i64) -> i64 {
        if let Some(known) = self.products.get(&id) {
            return *known;
        }
        let product = client.get(&format!("{PRODUCTS}/{id}")).await.expect(200).json();
        *self.products.entry(id).or_insert(number(&product["product"]["organization_id"]))
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("no number: {value}"))
}

fn products_of(body: &Value) -> Vec<&Value> {
    let page = body.get("products").and_then(Value::as_array).into_iter().flatten();
    page.chain(body.get("product")).collect()
}

/// Checks that the answer has one of the documented forms.
fn check_form(shot: &Shot, reply: &Reply) {
    assert!(reply.status < 500, "the service failed");
    assert!(!reply.header("x-request-id").is_empty());
    if shot.method == "HEAD" || reply.status == 304 {
        assert_eq!(reply.text(), "");
        return;
    }
    if reply.status < 400 {
        assert!(matches!(reply.status, 200 | 201), "{}", reply.status);
        return;
    }
    let body = reply.json();
    let path = shot.path.split('?').next().unwrap_or_default();
    if path == "/products" || path.starts_with("/products/") {
        assert_eq!((reply.header("content-type"), &body["status"]), ("application/json", &json!("error")));
        assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()));
        return;
    }
    assert_eq!(reply.header("content-type"), "application/problem+json");
    let expected: &[&str] = match body.get("errors") {
        Some(_) => &["detail", "errors", "request_id", "status", "title", "type"],
        None => &["detail", "request_id", "status", "title", "type"],
    };
    assert_eq!(fields(&body), expected);
    assert_eq!(body["status"], reply.status);
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
}

/// Two organizations beside the built-in one, with schemas and products.
async fn furnish(client: &Client) {
    for name in ["A", "B"] {
        let organization = create_organization(client, name).await;
        let size = json!([{"name": "size", "type": "select", "options": ["S", "M"]}]);
        let schema = create_schema(client, organization, &size).await;
        for number in 1..=4 {
            let product = json!({"name": format!("{name} cup {number}"), "price": number, "category": "Kitchen",
                "organization_id": organization, "schema_id": schema, "fields": {"size": "S"}});
            create(client, &product).await;
        }
    }
}

/// Prints how to repeat a run that fails.
struct Repeat {
    seed: u64,
    last: String,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("HOTSHELF_SEED={} repeats it. The last request was {}", self.seed, self.last);
        }
    }
}

#[tokio::test]
async fn random_requests_never_fail_or_show_data_of_others() {
    let seed = env::var("HOTSHELF_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let long = env::var_os("HOTSHELF_LONG").is_some_and(|long| long == "1");
    let mut dice = Dice::of(seed);
    let service = hotshelf().backend("memory").start().await;
    furnish(&service).await;
    let mut repeat = Repeat { seed, last: String::new() };
    let (mut owners, mut statuses) = (Owners::default(), HashMap::<u16, usize>::new());
    for number in 0..if long { MANY_REQUESTS } else { REQUESTS } {
        let shot = Shot::at_random(&mut dice);
        repeat.last = format!(
            "number {number}: {} {} {:?} {}",
            shot.method,
            shot.path,
            shot.headers,
            String::from_utf8_lossy(&shot.body)
        );
        let reply = shot.request(&service).await;
        repeat.last.push_str(&format!("\n{reply:?}"));
        check_form(&shot, &reply);
        if matches!(reply.status, 200 | 201) && shot.method != "HEAD" && shot.path.starts_with("/api/v1/") {
            owners.check(&service, &shot, &reply.json()).await;
        }
        *statuses.entry(reply.status).or_default() += 1;
    }
    // If all requests failed in the same way, the test would prove nothing.
    for status in [200, 201, 304, 400, 404, 405, 406, 415] {
        assert!(statuses.contains_key(&status), "no request was answered {status}: {statuses:?}");
    }
}
