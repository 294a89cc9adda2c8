use axum::http::HeaderValue;

use super::*;

const CLIENT: &str = "203.0.113.9";

/// Behind proxies in 10.0.0.0/8 and fd00::/8.
fn origin(peer: &str, headers: &[(&'static str, &str)]) -> String {
    let proxies: TrustedProxies = "10.0.0.0/8, fd00::/8".parse().unwrap();
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    proxies.origin(peer.parse().unwrap(), &map).to_string()
}

/// As a trusted proxy passes it on.
fn forwarded(value: &str) -> String {
    origin("10.0.0.1", &[("forwarded", value)])
}

fn x_forwarded_for(value: &str) -> String {
    origin("10.0.0.1", &[("x-forwarded-for", value)])
}

#[test]
fn headers_of_strangers_are_not_believed() {
    for name in ["forwarded", "x-forwarded-for"] {
        let value = if name == "forwarded" { "for=203.0.113.9" } else { CLIENT };
        assert_eq!(origin("198.51.100.7", &[(name, value)]), "198.51.100.7");
        assert_eq!(origin("2001:db8::1", &[(name, value)]), "2001:db8::1");
        assert_eq!(origin("10.0.0.1", &[(name, value)]), CLIENT);
        assert_eq!(origin("fd00::1", &[(name, value)]), CLIENT);
    }
    assert_eq!(origin("10.0.0.1", &[]), "10.0.0.1");
}

#[test]
fn the_way_is_walked_backwards_to_the_first_stranger() {
    assert_eq!(x_forwarded_for("198.51.100.66, 203.0.113.9, 10.9.9.9"), CLIENT);
    assert_eq!(forwarded("for=198.51.100.66, for=203.0.113.9;proto=https, FOR=10.9.9.9;by=10.0.0.1"), CLIENT);
    assert_eq!(x_forwarded_for("10.2.2.2, 10.9.9.9"), "10.2.2.2", "a client inside");
}

#[test]
fn several_headers_are_one_list() {
    let lines = [("x-forwarded-for", "198.51.100.66"), ("x-forwarded-for", "203.0.113.9, 10.9.9.9")];
    assert_eq!(origin("10.0.0.1", &lines), CLIENT);
    assert_eq!(x_forwarded_for(" 203.0.113.9 ,, 10.9.9.9 ,"), CLIENT);
}

#[test]
fn addresses_come_in_many_forms() {
    for text in [CLIENT, "203.0.113.9:4711", "::ffff:203.0.113.9", "[::ffff:203.0.113.9]:80"] {
        assert_eq!(x_forwarded_for(text), CLIENT, "{text}");
    }
    for text in ["2001:db8::9", "[2001:db8::9]", "[2001:db8::9]:4711", "2001:DB8:0::0:9"] {
        assert_eq!(x_forwarded_for(text), "2001:db8::9", "{text}");
    }
    for text in [r#"for="[2001:db8::9]:4711""#, r#"proto=http; For = "[2001:db8::9]""#, r#"for="[2001:db8::9]:_x""#] {
        assert_eq!(forwarded(text), "2001:db8::9", "{text}");
    }
    assert_eq!(forwarded(r#"for="203.0.113.9:80""#), CLIENT);
}

#[test]
fn what_is_no_address_ends_the_way_at_the_last_one_that_is() {
    for odd in
        ["unknown", "_hidden", "203.0.113", "203.0.113.9:port", "fe80::1%eth0", "[::1", "::1]:80", "a b", "\u{e4}"]
    {
        assert_eq!(x_forwarded_for(&format!("203.0.113.9, {odd}")), "10.0.0.1", "{odd}");
        assert_eq!(x_forwarded_for(&format!("203.0.113.9, {odd}, 10.9.9.9")), "10.9.9.9", "{odd}");
        assert_eq!(forwarded(&format!("for=203.0.113.9, for={odd}, for=10.9.9.9")), "10.9.9.9", "{odd}");
    }
    assert_eq!(forwarded("for=203.0.113.9, proto=https"), "10.0.0.1");
}

#[test]
fn a_quote_that_a_client_leaves_open_swallows_nothing() {
    assert_eq!(forwarded(r#"for="198.51.100.66, for=203.0.113.9"#), CLIENT);
    assert_eq!(forwarded(r#"for=198.51.100.66;ext=", for=203.0.113.9"#), CLIENT);
}

#[test]
fn where_two_headers_disagree_neither_is_believed() {
    let both = |one, other| origin("10.0.0.1", &[("forwarded", one), ("x-forwarded-for", other)]);
    assert_eq!(both("for=198.51.100.66", CLIENT), "10.0.0.1");
    assert_eq!(both("for=203.0.113.9", CLIENT), CLIENT);
}

#[test]
fn an_absurdly_long_way_is_not_walked_to_its_end() {
    let hops = "10.9.9.9, ".repeat(10_000);
    assert_eq!(x_forwarded_for(&format!("203.0.113.9, {hops}")), "10.9.9.9");
    assert_eq!(x_forwarded_for(&"x".repeat(100_000)), "10.0.0.1");
}

#[test]
fn proxies_are_addresses_and_networks() {
    for good in ["", " ", "10.0.0.1", "::1", "10.0.0.0/8,fd00::/8", " 10.0.0.0/8 , 192.168.0.0/16 "] {
        assert!(good.parse::<TrustedProxies>().is_ok(), "{good:?}");
    }
    for bad in ["10.0.0.0/33", "10.0.0", "localhost", "10.0.0.1,", "10.0.0.1 10.0.0.2", "*"] {
        assert!(bad.parse::<TrustedProxies>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_connection_over_a_mapped_address_is_one_of_ipv4() {
    let proxies: TrustedProxies = "10.0.0.0/8".parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(X_FORWARDED_FOR, HeaderValue::from_static(CLIENT));
    let peer = Peer::new("::ffff:10.0.0.1".parse().unwrap());
    assert_eq!(peer.client(&proxies, &headers).to_string(), CLIENT);
}
