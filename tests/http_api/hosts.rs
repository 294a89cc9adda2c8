//! The host and the form of the target of a request (RFC 9112, section 3.2), and the hosts that the service answers
//! for.

use std::net::SocketAddr;

use hotshelf_testkit::catalogue::{create, laptop, path};
use hotshelf_testkit::shapes::problem;
use hotshelf_testkit::{Service, exchange};

use crate::hotshelf;

/// The status and the whole answer to a request with these lines behind the first.
fn answer(address: SocketAddr, first: &str, lines: &str) -> (u16, String) {
    let answer = exchange(address, &format!("{first}\r\n{lines}connection: close\r\n\r\n"));
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no status in {answer:?}")), answer)
}

/// A service with a product in memory, and its path.
async fn with_a_product() -> (Service, String) {
    let service = hotshelf().backend("memory").start().await;
    let path = path(&create(&service, &laptop()).await);
    service.get(&path).await.expect(200);
    (service, path)
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let (service, path) = with_a_product().await;
    let status = |first: &str, lines: &str| answer(service.address(), first, lines).0;
    for path in [path.as_str(), "/api/v1/products", "/health/live", "/nowhere"] {
        let first = format!("GET {path} HTTP/1.1");
        let refused = [
            "",
            "host: localhost\r\nhost: localhost\r\n",
            "host: localhost\r\nhost: other.example\r\n",
            "host:\r\n",
            "host: a b\r\n",
            "host: user@localhost\r\n",
            "host: localhost:http\r\n",
            "host: localhost:99999\r\n",
            "host: localhost/path\r\n",
            "host: [::1\r\n",
        ];
        for lines in refused {
            let (status, answer) = answer(service.address(), &first, lines);
            assert_eq!(status, 400, "{path} {lines:?}");
            assert!(answer.contains("application/problem+json") && answer.contains("Host"), "{answer}");
        }
        let expected = if path == "/nowhere" { 404 } else { 200 };
        assert_eq!(status(&first, "host: localhost\r\n"), expected);
        // HTTP/1.0 has no such field.
        assert_eq!(status(&format!("GET {path} HTTP/1.0"), ""), expected);
    }
}

#[tokio::test]
async fn the_host_of_an_absolute_target_counts() {
    let (service, path) = with_a_product().await;
    let status = |target: &str, host: &str| {
        answer(service.address(), &format!("GET {target} HTTP/1.1"), &format!("host: {host}\r\n")).0
    };
    assert_eq!(status(&format!("http://localhost{path}"), "localhost"), 200);
    assert_eq!(status(&format!("http://LocalHost:1234{path}"), "other.example"), 200);
    assert_eq!(status(&format!("http://other.example{path}"), "localhost"), 421);
    assert_eq!(status(&format!("http://user:password@localhost{path}"), "localhost"), 400);
    assert_eq!(status(&format!("ftp://localhost{path}"), "localhost"), 400);
}

#[tokio::test]
async fn other_forms_of_targets_are_refused() {
    let (service, _) = with_a_product().await;
    let connect = answer(service.address(), "CONNECT other.example:443 HTTP/1.1", "host: other.example:443\r\n");
    assert!((400..500).contains(&connect.0), "{connect:?}");
    let asterisk = answer(service.address(), "GET * HTTP/1.1", "host: localhost\r\n");
    assert_eq!(asterisk.0, 404, "{asterisk:?}");
    let (status, whole) = answer(service.address(), "OPTIONS * HTTP/1.1", "host: localhost\r\n");
    assert_eq!(status, 204);
    assert!(whole.contains("allow: GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"), "{whole}");
}

#[tokio::test]
async fn without_users_a_service_on_loopback_answers_for_loopback_only() {
    let (service, path) = with_a_product().await;
    // Twice: the second product comes from memory.
    for path in [path.as_str(), path.as_str(), "/api/v1/products", "/health", "/metrics", "/nowhere"] {
        for own in ["localhost", "LOCALHOST:80", "localhost.", "127.0.0.1:3000", "[::1]", "[::1]:3000"] {
            let status = service.get(path).header("host", own).await.status;
            assert!(matches!(status, 200 | 404), "{own}{path}: {status}");
        }
        for other in ["rebind.evil.example", "rebind.evil.example:3000", "localhost.evil.example", "10.0.0.1"] {
            let problem = problem(service.get(path).header("host", other).await, 421);
            assert!(problem["detail"].as_str().unwrap().contains("HTTP_ALLOWED_HOSTS"));
        }
    }
    problem(service.delete(&path).header("host", "rebind.evil.example").await, 421);
    service.get(&path).await.expect(200);
    for probe in ["/health/live", "/health/ready"] {
        service.get(probe).header("host", "10.0.0.1:3000").await.expect(200);
    }
}

#[tokio::test]
async fn each_request_of_a_connection_is_checked() {
    let (service, path) = with_a_product().await;
    let good = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let bad = format!("GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n");
    let twice = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answers = exchange(service.address(), &[good.as_str(), &good, &bad, &good, &twice].concat());
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "421", "200", "400"]);
}

#[tokio::test]
async fn more_hosts_can_be_allowed() {
    let service = hotshelf().env("HTTP_ALLOWED_HOSTS", "Shop.example, fd00::1").start().await;
    for own in ["shop.example", "SHOP.example.:8080", "[fd00:0::1]:3000", "localhost", "127.0.0.1"] {
        service.get("/api/v1/products").header("host", own).await.expect(200);
    }
    problem(service.get("/api/v1/products").header("host", "www.shop.example").await, 421);
    let any = hotshelf().env("HTTP_ALLOWED_HOSTS", "*").start().await;
    any.get("/api/v1/products").header("host", "www.shop.example").await.expect(200);
    let with_users = hotshelf().env("AUTH", "on").start().await;
    with_users.get("/health").header("host", "www.shop.example").await.expect(200);
}
