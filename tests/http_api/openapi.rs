//! `/api/v1/openapi.json`: the description agrees with the service.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::hotshelf;
use hotshelf_testkit::catalogue::{
    ORGANIZATIONS, PRODUCTS, SCHEMAS, create, create_organization, create_schema, laptop, lookup, path,
};

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn every_described_operation_is_answered() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let path = path.replace("{id}", &product["id"].to_string());
            let request = match method.as_str() {
                "get" => service.get(&path),
                "post" => service.post(&path).json(&json!({})),
                "put" => service.put(&path).json(&json!({})),
                "patch" => service.patch(&path).json(&json!({})),
                // It runs before the other methods of its path, which then get 404: that is an answer, too.
                "delete" => service.delete(&path),
                other => panic!("{other} {path} is described"),
            };
            let status = request.await.status;
            assert!(status != 405 && status < 500, "{method} {path} answers {status}");
        }
    }
}

#[tokio::test]
async fn the_described_shapes_are_those_of_the_answers() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let organization = create_organization(&service, "Shop").await;
    let schema = create_schema(&service, organization, &json!([{"name": "size", "type": "text"}])).await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    let properties = |schema: &str| description["components"]["schemas"][schema]["properties"].clone();

    assert_eq!(names(&product), names(&properties("Product")));
    assert_eq!(names(&lookup(&service, &product).await.json()), names(&properties("ProductAnswer")));
    let unknown: serde_json::Map<_, _> = (0..101).map(|number| (format!("x{number}"), json!(1))).collect();
    let problem = service.post(PRODUCTS).json(&json!(unknown)).await.expect(400).json();
    assert_eq!(names(&problem), names(&properties("Problem")));
    let updated = service.put(&path(&product)).json(&json!({"stock": 1})).await.expect(200).json();
    assert_eq!(names(&updated), names(&properties("ProductWritten")));

    let details = format!("{}/details", path(&product));
    let images = json!({"images": [{"url": "https://example.com/a.jpg"}]});
    let written = service.put(&details).json(&images).await.expect(200).json();
    assert_eq!(names(&written), names(&properties("DetailsWritten")));
    assert_eq!(names(&written["images"][0]), names(&properties("Image")));
    let reads = [
        (PRODUCTS.to_owned(), "ProductPage"),
        (details, "DetailsAnswer"),
        (ORGANIZATIONS.to_owned(), "Organizations"),
        (format!("{ORGANIZATIONS}/1"), "OrganizationAnswer"),
        (format!("{ORGANIZATIONS}/1/products"), "MemberPage"),
        (format!("{ORGANIZATIONS}/1/product-ids"), "ProductIds"),
        (format!("{SCHEMAS}/{schema}"), "SchemaAnswer"),
        (format!("{SCHEMAS}/{schema}/products"), "MemberPage"),
        (format!("{SCHEMAS}/{schema}/product-ids"), "ProductIds"),
        ("/api/v1/analytics/catalogue".to_owned(), "Analytics"),
    ];
    for (path, shape) in reads {
        assert_eq!(names(&service.get(&path).await.expect(200).json()), names(&properties(shape)), "{path}");
    }
    // `suspended` is there only where it is true.
    let mut organization = service.get(&format!("{ORGANIZATIONS}/1")).await.json();
    organization["organization"]["suspended"] = json!(true);
    assert_eq!(names(&organization["organization"]), names(&properties("Organization")));
    let schema = service.get(&format!("{SCHEMAS}/{schema}")).await.json();
    assert_eq!(names(&schema["schema"]), names(&properties("Schema")));
    assert_eq!(names(&schema["schema"]["fields"][0]), names(&properties("SchemaField")));
    let report = service.get("/api/v1/analytics/catalogue").await.json();
    assert_eq!(names(&report["organizations"][0]), names(&properties("OrganizationReport")));
    assert_eq!(names(&report["categories"][0]), names(&properties("CategoryReport")));

    let created =
        service.post(&format!("{PRODUCTS}/bulk")).json(&json!({"products": [laptop(), unknown]})).await.json();
    assert_eq!(names(&created), names(&properties("BulkCreated")));
    assert_eq!(names(&created["errors"][0]), names(&properties("BulkError")));
    let deleted = service.post(&format!("{PRODUCTS}/bulk-delete")).json(&json!({"ids": [1]})).await.json();
    assert_eq!(names(&deleted), names(&properties("BulkDeleted")));
    assert_eq!(names(&service.delete("/api/v1/cache").await.json()), names(&properties("CacheDeleted")));
}

#[tokio::test]
async fn the_described_parameters_are_accepted() {
    let service = hotshelf().start().await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    let taken = [
        (
            "/api/v1/products",
            vec![
                "category",
                "cursor",
                "ids",
                "in_stock",
                "limit",
                "max_price",
                "min_price",
                "offset",
                "order",
                "organization_id",
                "schema_id",
                "search",
            ],
        ),
        ("/api/v1/organizations/{id}/products", vec!["limit", "order", "page", "search"]),
        ("/api/v1/schemas/{id}/products", vec!["limit", "order", "page", "search"]),
        ("/api/v1/analytics/catalogue", vec!["refresh"]),
    ];
    for (path, names) in taken {
        let described = description["paths"][path]["get"]["parameters"].as_array().unwrap();
        let described = described.iter().filter(|parameter| parameter["in"] == "query");
        let described: BTreeSet<_> = described.map(|parameter| parameter["name"].as_str().unwrap()).collect();
        assert_eq!(described, names.iter().copied().collect(), "{path}");
        for name in names {
            // The value may be invalid, but the parameter is known: for an unknown one, the problem says so.
            let reply = service.get(&format!("{}?{name}=%00", path.replace("{id}", "1"))).await;
            assert!(reply.status < 500 && !reply.text().contains("is not a known parameter"), "{name}: {reply:?}");
        }
    }
}
