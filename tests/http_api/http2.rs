//! HTTP/2 without TLS, by prior knowledge, on the port of HTTP/1.1: the same operations with the same answers.

use std::collections::BTreeMap;

use bytes::Bytes;
use h2::Reason;
use hotshelf_testkit::catalogue::{ORGANIZATIONS, PRODUCTS, create, create_many, laptop, path};
use hotshelf_testkit::users::{PASSWORD, USERS_ON, create_admin};
use hotshelf_testkit::{Http2, PATIENCE, wait_until};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, sleep};

use crate::hotshelf;

const STREAMS: usize = 100;

#[tokio::test]
async fn reads_and_writes_work_as_over_http_1() {
    let service = hotshelf().backend("memory").start().await;
    let http2 = Http2::connect(service.address()).await;
    let created = http2.send_json("POST", PRODUCTS, &laptop()).await.expect(201);
    let product = &created.json()["product"];
    assert_eq!(created.header("location"), path(product));
    for detail in ["fwd=miss", "detail=l1", "detail=l1"] {
        let read = http2.get(&path(product)).await.expect(200);
        assert!(read.header("cache-status").contains(detail), "{read:?}");
        assert_eq!(read.json()["product"], *product);
    }
    let changed = http2.send_json("PUT", &path(product), &json!({"price": 5})).await.expect(200);
    assert_eq!(service.get(&path(product)).await.expect(200).json()["product"], changed.json()["product"]);
    assert_eq!(http2.get(&path(product)).await.expect(200).json()["product"]["price"], json!(5));
    assert_eq!(http2.send_json("PUT", &path(product), &json!({"price": -1})).await.expect(400).json()["status"], 400);
    assert!(http2.try_send(http2.head("DELETE", &path(product)), None).await.unwrap().status == 200);
    http2.get(&path(product)).await.expect(404);
    http2.get("/api/v1/nothing").await.expect(404);
    http2.send_json("DELETE", PRODUCTS, &json!({})).await.expect(405);
}

#[tokio::test]
async fn answers_have_the_headers_of_http_1() {
    let service = hotshelf().backend("memory").start().await;
    let product = create(&service, &laptop()).await;
    service.get(&path(&product)).await.expect(200);
    let http2 = Http2::connect(service.address()).await;
    let lasting = |headers: &http::HeaderMap| -> BTreeMap<String, String> {
        let differs = ["date", "x-request-id", "content-length", "cache-status"];
        let kept = headers.iter().filter(|(name, _)| !differs.contains(&name.as_str()));
        kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    };
    for path in [path(&product).as_str(), PRODUCTS, "/api/v1/nothing", "/metrics", "/health"] {
        let (one, two) = (service.get(path).await, http2.get(path).await);
        assert_eq!((one.status, lasting(&one.headers)), (two.status, lasting(&two.headers)), "{path}");
        assert_eq!(two.header("content-length"), two.body.len().to_string(), "{path}");
        assert!(two.headers.contains_key("date") && two.headers.contains_key("x-request-id"), "{path}");
    }
    let mut conditional = http2.head("GET", &path(&product));
    let tag = http2.get(&path(&product)).await.headers["etag"].clone();
    conditional.headers_mut().insert("if-none-match", tag.clone());
    let unchanged = http2.try_send(conditional, None).await.unwrap().expect(304);
    assert_eq!((&unchanged.headers["etag"], &unchanged.body[..]), (&tag, &b""[..]));
    let head = http2.try_send(http2.head("HEAD", &path(&product)), None).await.unwrap().expect(200);
    assert!(head.body.is_empty() && head.headers.contains_key("content-length"), "{head:?}");
    let mut compressed = http2.head("GET", "/api/v1/openapi.json");
    compressed.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    assert_eq!(http2.try_send(compressed, None).await.unwrap().expect(200).header("content-encoding"), "gzip");
}

#[tokio::test]
async fn many_streams_share_a_connection() {
    let service = hotshelf().backend("memory").start().await;
    let cups: Vec<_> = (1..=50).map(|n| json!({"name": format!("Cup {n}"), "price": n})).collect();
    let ids = create_many(&service, &cups).await;
    let http2 = Http2::connect(service.address()).await;
    // From here on, the client knows how many streams it may open.
    http2.get(PRODUCTS).await.expect(200);
    let reads = ids.iter().cycle().take(3 * STREAMS).map(|id| {
        let (http2, id) = (&http2, *id);
        async move { assert_eq!(http2.get(&format!("{PRODUCTS}/{id}")).await.expect(200).json()["product"]["id"], id) }
    });
    futures_util::future::join_all(reads).await;
    assert!(service.metrics().await.value("http_connections", &[]) < 5.0);
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions() {
    let service = hotshelf().backend("memory").start().await;
    let http2 = Http2::connect(service.address()).await;
    let product = |n: usize| json!({"name": format!("Cup {n}"), "price": 1, "description": "long ".repeat(190)});
    let products: Vec<Value> = (0..1_000).map(product).collect();
    let body = json!({"products": products});
    assert!(body.to_string().len() > 900 << 10);
    let created = http2.send_json("POST", &format!("{PRODUCTS}/bulk"), &body).await.expect(201);
    assert_eq!(created.json()["created"].as_array().unwrap().len(), 1_000);
    let page = http2.get(&format!("{PRODUCTS}?limit=100")).await.expect(200);
    assert!(page.body.len() > 64 << 10);
    assert_eq!(page.json()["products"].as_array().unwrap().len(), 100);
    assert_eq!(http2.get(&format!("{ORGANIZATIONS}/1/product-ids")).await.expect(200).json()["total"], 1_000);
    let too_large = json!({"name": "x".repeat(9 << 20)});
    http2.send_json("POST", PRODUCTS, &too_large).await.expect(413);
    http2.get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn a_body_may_have_trailers_and_must_have_its_length() {
    let service = hotshelf().backend("memory").start().await;
    let http2 = Http2::connect(service.address()).await;
    let post = || {
        let mut head = http2.head("POST", PRODUCTS);
        head.headers_mut().insert("content-type", "application/json".parse().unwrap());
        head
    };
    let (answer, mut body) = http2.begin(post(), false).await.unwrap();
    body.send_data(Bytes::from(laptop().to_string()), false).unwrap();
    body.send_trailers([(http::HeaderName::from_static("x-checksum"), "1".parse().unwrap())].into_iter().collect())
        .unwrap();
    assert_eq!(answer.await.unwrap().status(), 201);
    for length in ["1", "100000"] {
        let mut head = post();
        head.headers_mut().insert("content-length", length.parse().unwrap());
        // Malformed (RFC 9113, section 8.1.1).
        match http2.try_send(head, Some(laptop().to_string().into())).await {
            Ok(refused) => drop(refused.expect(400)),
            Err(error) => assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{error}"),
        }
    }
    assert_eq!(http2.get(PRODUCTS).await.expect(200).json()["total"], 1);
}

#[tokio::test]
async fn the_authority_is_the_host() {
    let service = hotshelf().backend("memory").start().await;
    let http2 = Http2::connect(service.address()).await;
    let asked = |host: Option<String>| {
        let mut head = http2.head("GET", PRODUCTS);
        host.into_iter().for_each(|host| drop(head.headers_mut().insert("host", host.parse().unwrap())));
        http2.try_send(head, None)
    };
    let foreign = http::Request::get(format!("http://other.example{PRODUCTS}")).body(()).unwrap();
    http2.try_send(foreign, None).await.unwrap().expect(421);
    asked(None).await.unwrap().expect(200);
    asked(Some(service.address().to_string())).await.unwrap().expect(200);
    // RFC 9113, section 8.3.1: malformed.
    asked(Some("other.example".to_owned())).await.unwrap().expect(400);
}

#[tokio::test]
async fn cookies_may_come_in_pieces() {
    let directory = tempfile::tempdir().unwrap();
    let builder =
        USERS_ON.into_iter().fold(hotshelf().backend("memory"), |builder, (name, value)| builder.env(name, value));
    let builder = builder.database(&directory.path().join("products.db"));
    create_admin(&builder, "ann@shop.example");
    let service = builder.start().await;
    let http2 = Http2::connect(service.address()).await;
    let credentials = json!({"email": "ann@shop.example", "password": PASSWORD});
    let login = http2.send_json("POST", "/api/v1/auth/login", &credentials).await.expect(200);
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    http2.get(PRODUCTS).await.expect(401);
    let mut head = http2.head("GET", PRODUCTS);
    // RFC 9113, section 8.2.3.
    for piece in ["theme=dark", &cookie, "a=b"] {
        head.headers_mut().append("cookie", piece.parse().unwrap());
    }
    http2.try_send(head, None).await.unwrap().expect(200);
}

#[tokio::test]
async fn both_protocols_are_recognized_however_slowly_they_begin() {
    let service = hotshelf().backend("memory").start().await;
    for head in [
        "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        "PRI / HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(service.address()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in head.as_bytes() {
            // The service may already have refused it.
            let _ = stream.write_all(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        let mut begin = [0; 9];
        stream.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 ");
    }
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    for piece in [&b"PRI * HT"[..], b"TP/2.0\r\n\r\nSM\r\n", b"\r\n\0\0\0\x04\0\0\0\0\0"] {
        stream.write_all(piece).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "SETTINGS");
}

#[tokio::test]
async fn an_upgrade_to_http_2_is_passed_over() {
    let service = hotshelf().backend("memory").start().await;
    let request = service.get(PRODUCTS).header("connection", "upgrade, http2-settings").header("upgrade", "h2c");
    // RFC 9113, section 3.1: the upgrade is deprecated.
    request.header("http2-settings", "AAMAAABkAAQAAP__").await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_answers_what_has_begun_and_says_goodbye() {
    let mut service = hotshelf().backend("memory").start().await;
    let (idle, busy) = (Http2::connect(service.address()).await, Http2::connect(service.address()).await);
    idle.get(PRODUCTS).await.expect(200);
    let mut head = busy.head("POST", PRODUCTS);
    head.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let (answer, mut body) = busy.begin(head, false).await.unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    wait_until("the body is being received", PATIENCE, async || {
        service.metrics().await.value("http_uploads_under_way", &[]) == 1.0
    })
    .await;
    service.signal("TERM");
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 503);
    drop((answer, body));
    for (name, connection) in [("idle", idle), ("busy", busy)] {
        match connection.closed().await {
            Ok(()) => {}
            Err(error) => assert!(error.is_go_away() && error.reason() == Some(Reason::NO_ERROR), "{name}: {error:?}"),
        }
    }
    assert!(service.exit(PATIENCE).await.success());
}
