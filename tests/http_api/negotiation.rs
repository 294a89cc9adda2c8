//! `Accept`: the service answers in JSON, and with 406 to clients that do not accept it.

use crate::hotshelf;
use hotshelf_testkit::catalogue::{PRODUCTS, create, laptop, path};
use hotshelf_testkit::shapes::problem;

#[tokio::test]
async fn a_client_that_accepts_json_gets_json() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    let fine = [
        "*/*",
        "application/json",
        "application/*",
        "Application/JSON; charset=utf-8",
        "text/html, application/json;q=0.1",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ];
    for accept in fine {
        let reply = service.get(&path(&product)).header("accept", accept).await.expect(200);
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_client_that_does_not_accept_json_gets_406() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    for accept in
        ["text/html", "application/xml, text/*", "application/json;q=0", "image/png;q=0.5", "*/*, application/json;q=0"]
    {
        for path in [path(&product), PRODUCTS.to_owned()] {
            problem(service.get(&path).header("accept", accept).await, 406);
        }
    }
}

#[tokio::test]
async fn a_write_with_an_unacceptable_answer_changes_nothing() {
    let service = hotshelf().start().await;
    problem(service.post(PRODUCTS).header("accept", "text/html").json(&laptop()).await, 406);
    assert_eq!(service.get(PRODUCTS).await.expect(200).json()["total"], 0);
}

#[tokio::test]
async fn metrics_are_text() {
    let service = hotshelf().start().await;
    let accept = "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let reply = service.get("/metrics").header("accept", accept).await.expect(200);
    assert!(reply.header("content-type").starts_with("text/plain"), "{reply:?}");
}
