//! Preconditions (RFC 9110, section 13) on every write, and on reads beside the catalogue: each is evaluated, or
//! refused with the reason. None is passed over.

use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_organization, create_schema, laptop, path, read,
};
use hotshelf_testkit::shapes::problem;
use hotshelf_testkit::{Client, Reply, Service};
use serde_json::{Value, json};

use crate::hotshelf;

/// Long before and long after the tests.
const PAST: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const FUTURE: &str = "Thu, 01 Jan 2099 00:00:00 GMT";

/// A write of something that has an entity tag.
struct Write {
    method: &'static str,
    path: String,
    body: Value,
}

impl Write {
    async fn send(&self, client: &Client, conditions: &[(&str, &str)]) -> Reply {
        let mut request = client.request(self.method, &self.path);
        for (name, value) in conditions {
            request = request.header(name, value);
        }
        request.json(&self.body).await
    }

    async fn tag(&self, client: &Client) -> String {
        client.get(&self.path).await.expect(200).header("etag").to_owned()
    }

    fn refused(&self, reply: Reply, status: u16) {
        if self.path.starts_with("/products") {
            assert_eq!(reply.expect(status).json()["status"], "error");
        } else {
            problem(reply, status);
        }
    }
}

/// A service, and a write of each kind that leaves its object in place.
async fn writes() -> (Service, Vec<Write>) {
    let service = hotshelf().backend("memory").start().await;
    let schema = create_schema(&service, 1, &json!([{"name": "size", "type": "number"}])).await;
    let mut draft = laptop();
    draft["schema_id"] = json!(schema);
    let product = create(&service, &draft).await;
    let write = |method, path: String, body| Write { method, path, body };
    let writes = vec![
        write("PUT", path(&product), json!({"stock": 7})),
        write("PATCH", path(&product), json!({"stock": 8})),
        write("PUT", format!("{}/details", path(&product)), json!({"fields": {"size": 1}})),
        write("PUT", format!("/products/{}", product["id"]), json!({"stock": 9})),
        write("PUT", format!("{SCHEMAS}/{schema}"), json!({"name": "Shirts"})),
    ];
    (service, writes)
}

#[tokio::test]
async fn the_tag_of_any_answer_can_be_sent_back() {
    let (service, writes) = writes().await;
    for write in writes {
        let tag = write.tag(&service).await;
        let reply = write.send(&service, &[("if-match", &tag)]).await.expect(200);
        // The answer to a write has the tag of the new state.
        let new = reply.header("etag").to_owned();
        assert_eq!(write.tag(&service).await, new);
        write.refused(write.send(&service, &[("if-match", &tag)]).await, 412);
        service.get(&write.path).header("if-none-match", &new).await.expect(304);
        service.get(&write.path).header("if-none-match", &tag).await.expect(200);
        // As strong tags of earlier releases and as proxies write it.
        let strong = new.strip_prefix("W/").unwrap();
        let listed = format!("\"a,b\", ,{strong}");
        write.send(&service, &[("if-match", &listed)]).await.expect(200);
    }
}

#[tokio::test]
async fn no_strong_tag_names_two_answers() {
    let (service, writes) = writes().await;
    let others = [PRODUCTS, "/api/v1/organizations/1/products", "/api/v1/organizations/1/product-ids"];
    let analytics = ["/api/v1/analytics/catalogue", "/api/v1/products?ids=1"];
    let paths = writes.iter().map(|write| write.path.as_str()).chain(others).chain(analytics);
    for path in paths {
        for _ in 0..2 {
            let reply = service.get(path).await.expect(200);
            assert!(reply.header("etag").starts_with("W/\""), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn if_none_match_holds_back_a_write() {
    let (service, writes) = writes().await;
    for write in writes {
        let tag = write.tag(&service).await;
        for condition in ["*", &tag, &format!("\"x\", {tag}"), tag.trim_start_matches("W/")] {
            write.refused(write.send(&service, &[("if-none-match", condition)]).await, 412);
        }
        assert_eq!(write.tag(&service).await, tag);
        write.send(&service, &[("if-none-match", "\"other\"")]).await.expect(200);
        // Both have to hold.
        let tag = write.tag(&service).await;
        write.refused(write.send(&service, &[("if-match", &tag), ("if-none-match", &tag)]).await, 412);
        write.refused(write.send(&service, &[("if-match", "*"), ("if-none-match", "*")]).await, 412);
        write.send(&service, &[("if-match", &tag), ("if-none-match", "\"other\"")]).await.expect(200);
    }
}

#[tokio::test]
async fn a_product_that_was_changed_since_is_not_written() {
    let (service, writes) = writes().await;
    for write in writes {
        // Schemas keep no time of their last change, so that the condition is ignored.
        let dated = !write.path.starts_with(SCHEMAS);
        for date in [PAST, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            let reply = write.send(&service, &[("if-unmodified-since", date)]).await;
            if dated { write.refused(reply, 412) } else { drop(reply.expect(200)) }
        }
        write.send(&service, &[("if-unmodified-since", FUTURE)]).await.expect(200);
        let tag = write.tag(&service).await;
        // `If-Match` is more exact.
        write.send(&service, &[("if-unmodified-since", PAST), ("if-match", &tag)]).await.expect(200);
        // Neither a date nor a condition of writes.
        write.send(&service, &[("if-unmodified-since", "yesterday")]).await.expect(200);
        write.send(&service, &[("if-modified-since", FUTURE)]).await.expect(200);
    }
}

#[tokio::test]
async fn a_malformed_condition_is_refused() {
    let (service, writes) = writes().await;
    for write in writes {
        let tag = write.tag(&service).await;
        for name in ["if-match", "if-none-match"] {
            for value in ["7", "\"open", "* , \"x\"", "\"a\" \"b\"", "'x'"] {
                write.refused(write.send(&service, &[(name, value)]).await, 400);
            }
        }
        write.refused(write.send(&service, &[("if-match", "")]).await, 412);
        assert_eq!(write.tag(&service).await, tag);
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_whatever_the_condition() {
    let (service, _) = writes().await;
    for (method, path) in
        [("PUT", "/api/v1/products/99"), ("DELETE", "/api/v1/products/99"), ("PUT", "/api/v1/schemas/99")]
    {
        for condition in [("if-match", "\"x\""), ("if-match", "*"), ("if-none-match", "*")] {
            let request = service.request(method, path).header(condition.0, condition.1);
            problem(request.json(&json!({"name": "x"})).await, 404);
        }
    }
}

#[tokio::test]
async fn a_delete_is_conditional() {
    let (service, _) = writes().await;
    let product = read(&service, &json!({"id": 1})).await;
    let tag = service.get(&path(&product)).await.expect(200).header("etag").to_owned();
    for condition in [("if-none-match", "*"), ("if-none-match", &tag), ("if-unmodified-since", PAST)] {
        problem(service.delete(&path(&product)).header(condition.0, condition.1).await, 412);
    }
    service.delete(&path(&product)).header("if-match", &tag).await.expect(200);
}

#[tokio::test]
async fn writes_of_what_has_no_tag_refuse_what_they_cannot_check() {
    let service = hotshelf().backend("memory").start().await;
    create_organization(&service, "Shop").await;
    let product = json!({"products": [laptop()]});
    // Whether the path can be read: what it shows is there.
    let writes = [
        ("POST", PRODUCTS, laptop(), true),
        ("POST", ORGANIZATIONS, json!({"name": "New"}), true),
        ("POST", SCHEMAS, json!({"name": "New", "fields": []}), false),
        ("POST", "/products", laptop(), false),
        ("POST", "/api/v1/products/bulk", product, false),
        ("POST", "/api/v1/products/bulk-delete", json!({"ids": [99]}), false),
        ("POST", "/api/v1/cache/stats/reset", Value::Null, false),
        ("POST", "/api/v1/cache/warm", Value::Null, false),
        ("DELETE", "/api/v1/cache", Value::Null, false),
    ];
    for (method, path, body, readable) in writes {
        let send =
            async |name: &str, value: &str| service.request(method, path).header(name, value).json(&body).await.status;
        let done = |status: u16| (200..300).contains(&status);
        assert_eq!(send("if-match", "\"x\"").await, 412, "{method} {path}");
        assert_eq!(send("if-match", "x").await, 400, "{method} {path}");
        assert_eq!(send("if-match", "*").await == 412, !readable, "{method} {path}");
        assert_eq!(send("if-none-match", "*").await == 412, readable, "{method} {path}");
        assert_eq!(send("if-none-match", "\"x\"").await == 412, readable, "{method} {path}");
        // There is no time of a change.
        assert!(done(send("if-unmodified-since", PAST).await), "{method} {path}");
    }
}

#[tokio::test]
async fn every_read_is_conditional() {
    let (service, writes) = writes().await;
    let untagged = ["/api/v1/organizations", "/api/v1/organizations/1", "/health/live", "/api/v1/cache/stats"];
    let tagged = writes.iter().map(|write| write.path.as_str()).chain([PRODUCTS]);
    for path in tagged.chain(untagged) {
        let get = async |name: &str, value: &str| service.get(path).header(name, value).await;
        let reply = get("if-match", "\"other\"").await.expect(412);
        assert!(reply.text().contains("If-Match"), "{reply:?}");
        assert_eq!(get("if-match", "*").await.status, 200, "{path}");
        let reply = get("if-none-match", "*").await.expect(304);
        assert_eq!(
            (reply.text(), reply.find_header("content-type"), reply.find_header("content-length")),
            ("", None, None)
        );
        assert_eq!(get("if-none-match", "\"other\"").await.status, 200, "{path}");
        assert_eq!(get("if-none-match", "malformed").await.status, 200, "{path}");
        // No answer has a `Last-Modified`.
        assert_eq!(get("if-modified-since", FUTURE).await.expect(200).find_header("last-modified"), None);
        assert_eq!(get("if-unmodified-since", PAST).await.status, 200, "{path}");
        if let Some(tag) = service.get(path).await.find_header("etag") {
            let head = service.request("HEAD", path).header("if-none-match", tag).await.expect(304);
            assert_eq!(head.header("etag"), tag);
            assert_eq!(get("if-match", tag).await.status, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn ranges_are_ignored() {
    let (service, writes) = writes().await;
    for write in writes {
        let tag = write.tag(&service).await;
        let request = service.get(&write.path).header("range", "bytes=0-3").header("if-range", &tag);
        let reply = request.await.expect(200);
        assert_eq!(reply.find_header("content-range"), None);
        reply.json();
    }
}
