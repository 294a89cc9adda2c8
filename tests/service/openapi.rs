//! `/api/v1/openapi.json`: the description and the service say the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::catalogue::{PRODUCTS, create, laptop, lookup};
use crate::hotshelf;

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn every_described_operation_is_answered() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    let mut described = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{id}", &product["id"].to_string());
            let request = match method.as_str() {
                "get" => service.get(&path),
                "post" => service.post(&path).json(&json!({})),
                "put" => service.put(&path).json(&json!({})),
                // Comes before the others of its path, which then find nothing: that is an answer, too.
                "delete" => service.delete(&path),
                other => panic!("{other} {path} is described"),
            };
            let status = request.await.status;
            assert!(status != 405 && status < 500, "{method} {path} answers {status}");
            described += 1;
        }
    }
    assert_eq!(described, 14, "a route without a description, or the other way round");
}

#[tokio::test]
async fn the_described_shapes_are_those_of_the_answers() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    let properties = |schema: &str| description["components"]["schemas"][schema]["properties"].clone();

    assert_eq!(names(&product), names(&properties("Product")));
    assert_eq!(names(&lookup(&service, &product).await.json()), names(&properties("ProductAnswer")));
    assert_eq!(names(&service.get(PRODUCTS).await.json()), names(&properties("ProductPage")));
    let problem = service.post(PRODUCTS).json(&json!({})).await.expect(400).json();
    assert_eq!(names(&problem), names(&properties("Problem")));
}
