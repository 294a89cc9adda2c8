//! `hotshelf health`.

use std::net::TcpListener;

use hotshelf_testkit::ExternalWriter;

use crate::Shop;

/// The arguments of a health check of that port.
fn check(shop: &Shop, port: u16, arguments: &[&str]) -> crate::Outcome {
    let host = shop.service().env("HTTP_HOST", "0.0.0.0").env("HTTP_PORT", port);
    host.command(&[&["health"], arguments].concat(), "").into()
}

#[tokio::test]
async fn a_service_that_is_ready_is_healthy() {
    let shop = Shop::new();
    let service = shop.service().env("HTTP_HOST", "0.0.0.0").env("AUTH_OFF_ANYWAY", true).start().await;
    let port = service.address().port();
    assert_eq!(check(&shop, port, &[]).expect(0).out, "ready\n");
    assert_eq!(check(&shop, port, &["--live"]).expect(0).out, "alive\n");

    let mut outsider = ExternalWriter::on_database_of(&service);
    outsider.run("ALTER TABLE organization_counts RENAME TO mislaid");
    let outcome = check(&shop, port, &[]).expect(1);
    let expected = format!("hotshelf: 127.0.0.1:{port}: it is not ready, /health/ready answers 503\n");
    assert_eq!((outcome.out.as_str(), outcome.err), ("", expected));
    check(&shop, port, &["--live"]).expect(0);
}

#[test]
fn without_a_service_it_fails_in_one_line() {
    let shop = Shop::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let outcome = check(&shop, nobody, &[]).expect(1);
    assert!(outcome.err.contains("refused") && outcome.err.lines().count() == 1, "{outcome:#?}");
    assert!(!shop.path("products.db").exists(), "a check creates no database");
}
