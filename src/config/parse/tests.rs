use hotshelf_redis_client::{Address, Credentials, Servers};

use super::*;

const REFUSED: Result<(), Refusal> = Err(Refusal::Malformed);

/// Asserts that `parse` refuses each text as malformed.
#[track_caller]
fn refuses<T>(parse: impl Fn(&str) -> Result<T, Refusal>, texts: &[&str]) {
    for text in texts {
        assert_eq!(parse(text).map(drop), REFUSED, "{text:?} was not refused as malformed");
    }
}

#[track_caller]
fn accepts<T>(parse: impl Fn(&str) -> Result<T, Refusal>, texts: &[&str]) {
    for text in texts {
        assert_eq!(parse(text).map(drop), Ok(()), "{text:?} was refused");
    }
}

#[test]
fn durations_and_sizes_have_units() {
    assert_eq!(ttl("1h30m"), Ok(Duration::from_secs(5400)));
    let longest = |text: &str| duration(text, SECOND..=400 * DAY);
    accepts(longest, &["1s", "30days", "400days"]);
    refuses(longest, &["", "30", "0s", "999ms", "401days", "-1day", "for ever"]);
    assert_eq!(timeout("100ms"), Ok(Duration::from_millis(100)));
    let bytes = |text| size::<u64>(text, ByteSize::kib(1)..=ByteSize::tib(1));
    assert_eq!(
        [bytes("64MiB"), bytes("64MB"), bytes("2048"), bytes("1.5 GiB")],
        [Ok(64 << 20), Ok(64_000_000), Ok(2048), Ok(3 << 29)]
    );
}

#[test]
fn a_key_prefix_is_literal_in_a_pattern() {
    accepts(key_prefix, &["product:", "p", &"x".repeat(64)]);
    refuses(key_prefix, &["", "a b", "*", "a?", "[a]", "a\\", "{a}", "kä", "a\n", &"x".repeat(65)]);
}

#[test]
fn a_database_path_is_a_file() {
    accepts(database_path, &["./products.db", "/var/lib/hotshelf/products.db", "profile:x.db"]);
    refuses(database_path, &["", ":memory:", "file:products.db?mode=memory"]);
}

#[test]
fn hosts_are_names_or_addresses() {
    assert_eq!(host("[::1]").as_deref(), Ok("::1"));
    accepts(host, &["localhost", "redis_1", "a-b.example", "a.example.", "0.0.0.0", "::", "10.0.0.255"]);
    refuses(host, &["", "a b", "-a", "a-", "a..b", "10.0.0.256", "1234", "[localhost]", "[::1", "a/b", "[127.0.0.1]"]);
}

#[test]
fn a_redis_address_has_a_host_and_a_port() {
    assert_eq!(redis_addr("[::1]:6380"), Ok(Address::new("::1", 6380)));
    accepts(redis_addr, &["localhost:6379", "10.0.0.1:1"]);
    refuses(
        redis_addr,
        &["nonsense", "", ":6379", "localhost:", "localhost:0", "localhost:65536", "::1:6379", "[::1]"],
    );
}

#[test]
fn a_redis_url_has_at_least_a_host() {
    let url = redis_url("redis://:p%3Aw%2f@[::1]:7/15").unwrap();
    assert_eq!((url.servers, url.tls), (Servers::One(Address::new("::1", 7)), false));
    assert!(url.credentials == Credentials { username: None, password: Some("p:w/".to_owned()) });
    assert_eq!(url.database, Some(15));
    accepts(redis_url, &["redis://localhost", "rediss://a.example/", "redis://user@host", "redis://[::1]"]);
    refuses(redis_url, &["localhost:6379", "redis://", "redis://:6379", "redis://user:pw@", "http://localhost"]);
    refuses(
        redis_url,
        &[
            "redis://h/x",
            "redis://h/256",
            "redis://h/0/1",
            "redis://h?db=1",
            "redis://h:0",
            "redis://%4@h",
            "redis://a,b",
        ],
    );
}

#[test]
fn a_sentinel_url_names_the_sentinels_and_the_master() {
    let url = redis_url("rediss-sentinel://app:pw@a.example,b.example:1,[::1]/the%20shop/3").unwrap();
    let sentinels = vec![Address::new("a.example", 26379), Address::new("b.example", 1), Address::new("::1", 26379)];
    let credentials = Credentials::default();
    assert_eq!(url.servers, Servers::Sentinel { sentinels, service: "the shop".to_owned(), credentials });
    assert_eq!((url.tls, url.credentials.username.as_deref(), url.database), (true, Some("app"), Some(3)));
    accepts(redis_url, &["redis-sentinel://a/shop", "redis-sentinel://a,b,c/shop/"]);
    refuses(redis_url, &["redis-sentinel:///shop", "redis-sentinel://a,/shop", "redis-sentinel://a/shop/x"]);
    refuses(redis_url, &["redis-sentinel://a/shop/1/2", "redis-sentinels://a/shop", "redis-://a", "http-cluster://a"]);
    for text in ["redis-sentinel://a", "redis-sentinel://a/", "redis-sentinel://a//1"] {
        let Err(Refusal::Because(reason)) = redis_url(text) else { panic!("{text} was not refused with a reason") };
        assert!(reason.starts_with("name the master"), "{reason}");
    }
}

#[test]
fn a_cluster_url_names_some_nodes() {
    let url = redis_url("redis-cluster://:pw@a.example,10.0.0.2:7000").unwrap();
    let nodes = vec![Address::new("a.example", 6379), Address::new("10.0.0.2", 7000)];
    assert_eq!((url.servers, url.tls, url.database), (Servers::Cluster(nodes), false, None));
    accepts(redis_url, &["redis-cluster://a", "rediss-cluster://a,b/"]);
    refuses(redis_url, &["redis-cluster://", "redis-cluster://a b", "redis-cluster://a,,b"]);
    assert!(matches!(redis_url("redis-cluster://a/1"), Err(Refusal::Because(_))));
}

#[test]
fn origins_are_what_a_browser_sends() {
    let listed = vec!["https://shop.example".to_owned(), "http://localhost:5173".to_owned()];
    assert_eq!(cors_origins("https://Shop.example, http://localhost:5173"), Ok(listed));
    assert_eq!((cors_origins(""), cors_origins("*")), (Ok(Vec::new()), Ok(vec!["*".to_owned()])));
    refuses(
        cors_origins,
        &["shop.example", "https://shop.example/", "https://a.example,*", "https://a.example,", "null"],
    );
    refuses(cors_origins, &["https://", "ftp://a.example", "https://a.example:0", "https://*.example"]);
    refuses(cors_origins, &["https://bücher.example", "https://a.example?", "https://u@a.example", "https://[::1"]);
    for (written, sent) in [
        ("HTTPS://A.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://[0:0::1]:80", "http://[::1]"),
    ] {
        assert_eq!(cors_origins(written), Ok(vec![sent.to_owned()]));
    }
}

#[test]
fn hosts_are_names_without_ports() {
    let listed = vec!["shop.example".to_owned(), "::1".to_owned()];
    assert_eq!(allowed_hosts(" Shop.example,[::1]"), Ok(listed));
    assert_eq!((allowed_hosts(""), allowed_hosts("*")), (Ok(Vec::new()), Ok(vec!["*".to_owned()])));
    refuses(allowed_hosts, &["shop.example:80", "https://shop.example", "a,*", "a,", "a b", "*.example"]);
}

#[test]
fn a_password_of_a_mail_server_never_travels_in_clear() {
    accepts(
        smtp_url,
        &[
            "smtps://u:p@mail.example",
            "smtp://u:p@mail.example?tls=required",
            "smtp://u:p@mail.example:587/hello.example?tls=required",
            "smtp://mail.example",
            "smtp://mail.example?tls=opportunistic",
            "smtp://u:p@localhost:2525",
            "smtp://u:p@127.0.0.1",
            "smtp://u:p@[::1]:25",
        ],
    );
    for clear in [
        "smtp://u:p@mail.example",
        "smtp://u@mail.example",
        "smtp://u:p@localhost.evil.example",
        "smtp://u:p@localhost@evil.example",
        "smtp://u:p@127.0.0.1.evil.example",
        "smtp://u:p@localhost.",
        "smtp://u:tls=required@mail.example",
        "smtp://u:p@mail.example/tls=required",
        "smtp://u:p@mail.example?tls=opportunistic",
        "smtp://u:p@mail.example#?tls=required",
    ] {
        assert!(matches!(smtp_url(clear), Err(Refusal::Because(_))), "{clear}");
    }
    refuses(
        smtp_url,
        &[
            "",
            "smtp://",
            "smtps://:465",
            "http://mail.example",
            "mail.example",
            "smtp://u:p@mail.example?x=1&tls=required",
            "smtp://u:p@mail.example?tls=opportunistic&tls=required",
            "smtp://u:p@mail.example?tls=REQUIRED",
            "smtp://mail.example ",
            "smtp://mail.example/\u{a0}",
        ],
    );
}

#[test]
fn links_and_collectors_name_their_host() {
    accepts(link, &["https://shop.example/reset?token=", "http://localhost:8080/#/reset/", "https://shop.example"]);
    refuses(link, &["https://", "javascript:alert(1)", "//shop.example", "https://shop.example/a b"]);
    refuses(link, &["https://shop.example@evil.example/?token=", "ftp://shop.example", "https://shop.example:port/"]);
    accepts(collector, &["http://localhost:4318", "http://otel-collector:4318/base", "http://[::1]:4318"]);
    refuses(collector, &["http://", "localhost:4318", "grpc://localhost", "http://u:p@localhost", "http://a b"]);
    assert!(matches!(collector("https://localhost:4318"), Err(Refusal::Because(_))));
}

#[test]
fn limits_are_requests_per_window() {
    let minute = limit("100/1m").unwrap();
    assert_eq!((minute.requests(), minute.window()), (100, Duration::from_secs(60)));
    accepts(limit, &["1/1s", "1000000000/1day", "3/1h", "7/1500ms"]);
    refuses(
        limit,
        &["", "100", "100/", "/1m", "0/1m", "-1/1m", "1000000001/1m", "5/999ms", "5/25h", "5/1500001us", "5/1m/2"],
    );
    assert_eq!((on_or_off("on"), on_or_off("off")), (Ok(true), Ok(false)));
    refuses(on_or_off, &["", "true", "ON"]);
}

#[test]
fn limits_of_routes_name_existing_ones_once() {
    let routes = route_limits("GET /api/v1/products/{id}=1000/1m, POST /api/v1/products/bulk=10/1m").unwrap();
    assert_eq!((routes[0].method.as_str(), routes[0].path.as_str()), ("GET", "/api/v1/products/{id}"));
    assert_eq!((routes.len(), routes[1].limit), (2, limit("10/1m").unwrap()));
    assert_eq!(route_limits(""), Ok(Vec::new()));
    refuses(
        route_limits,
        &["GET", "GET /api/v1/products", "/api/v1/products=1/1m", "GET /api/v1/products=1", "x=1/1m,"],
    );
    for (text, reason) in [
        ("GET /api/v1/prodcts=1/1m", "there is no route GET /api/v1/prodcts (as in /api/v1/openapi.json)"),
        ("get /api/v1/products=1/1m", "there is no route get /api/v1/products (as in /api/v1/openapi.json)"),
        ("GET /products/{id}=1/1m,GET /products/{id}=2/1m", "GET /products/{id} is listed twice"),
    ] {
        assert_eq!(route_limits(text), Err(Refusal::Because(reason.to_owned())));
    }
}

#[test]
fn log_filters_are_checked() {
    accepts(log_filter, &["info", "warn,hotshelf=debug"]);
    refuses(log_filter, &["", "hotshelf=loud", "a=b=c"]);
}
