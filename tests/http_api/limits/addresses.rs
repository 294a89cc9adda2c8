//! Which requests count for the same caller, and which headers a client cannot forge.

use hotshelf_testkit::{Client, Reply};

use super::limited;
use crate::hotshelf;
use hotshelf_testkit::catalogue::PRODUCTS;

async fn get_as(client: &Client, header: &str, value: &str) -> Reply {
    client.get(PRODUCTS).header(header, value).await
}

#[tokio::test]
async fn a_client_cannot_change_its_address_by_headers() {
    for trusted in ["", "192.0.2.0/24,2001:db8::/32"] {
        let service = limited("1/1h").env("TRUSTED_PROXIES", trusted).start().await;
        service.get(PRODUCTS).await.expect(200);
        for (header, value) in [
            ("x-forwarded-for", "203.0.113.9"),
            ("x-forwarded-for", "203.0.113.9, 192.0.2.1"),
            ("forwarded", "for=203.0.113.9"),
            ("forwarded", r#"for="[2001:db8::9]:4711";by=192.0.2.1"#),
            ("x-real-ip", "203.0.113.9"),
            ("true-client-ip", "203.0.113.9"),
        ] {
            get_as(&service, header, value).await.expect(429);
        }
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let service = limited("1/1h").env("TRUSTED_PROXIES", "127.0.0.0/8, 10.0.0.0/8").start().await;
    let clients = [
        ("x-forwarded-for", "203.0.113.9", 200),
        ("x-forwarded-for", "203.0.113.9", 429),
        ("x-forwarded-for", "198.51.100.66, 203.0.113.9, 10.0.0.7", 429),
        ("forwarded", "for=203.0.113.9;proto=https", 429),
        ("forwarded", "for=203.0.113.10:4711", 200),
        ("x-forwarded-for", "2001:db8:1:2::1", 200),
        // The same network, which belongs to one customer.
        ("x-forwarded-for", "2001:db8:1:2:ffff::9", 429),
        ("forwarded", r#"for="[2001:db8:1:3::1]:80""#, 200),
        // The proxy itself.
        ("x-forwarded-for", "unknown", 200),
        ("forwarded", "for=_hidden", 429),
        ("x-forwarded-for", "203.0.113.11, <script>", 429),
    ];
    for (header, value, status) in clients {
        assert_eq!(get_as(&service, header, value).await.status, status, "{header}: {value}");
    }
    service.get(PRODUCTS).await.expect(429);
}

#[tokio::test]
async fn a_client_cannot_forge_the_header_that_the_proxy_does_not_set() {
    let service = limited("1/1h").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let forged = |number| {
        let forged = format!("for=198.51.100.{number}");
        service.get(PRODUCTS).header("forwarded", &forged).header("x-forwarded-for", "203.0.113.9")
    };
    forged(1).await.expect(200);
    for number in 2..6 {
        forged(number).await.expect(429);
    }
}

/// Whoever forgets the setting should learn it from the log, not from clients that are locked out.
#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_named_in_the_log_and_in_the_health_report() {
    let named = "TRUSTED_PROXIES does not list it";
    for header in ["x-forwarded-for", "forwarded"] {
        let service = hotshelf().backend("memory").start().await;
        service.get(PRODUCTS).await.expect(200);
        assert!(!service.log().contains(named), "no header, no proxy");
        for _ in 0..3 {
            service.get(PRODUCTS).header(header, "for=192.0.2.1").await.expect(200);
        }
        assert_eq!(service.log().matches(named).count(), 1, "{}", service.log());
        let health = service.get("/health").await.json();
        assert_eq!(health["modules"]["api"]["status"], "healthy", "any client can send such headers");
        let message = health["modules"]["api"]["message"].as_str().unwrap();
        assert!(message.contains("requests from 127.0.0.1 have forwarding headers"), "{message}");

        let trusting = hotshelf().backend("memory").env("TRUSTED_PROXIES", "127.0.0.1").start().await;
        trusting.get(PRODUCTS).header(header, "for=192.0.2.1").await.expect(200);
        assert!(!trusting.log().contains(named));
    }
}
