//! Floods of HTTP/2: what one connection can ask for in a few bytes.

use bytes::Bytes;
use hotshelf_testkit::{Http2, PATIENCE, Service, wait_until};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::hotshelf;
use crate::other_clients::memory;

const PRODUCTS: &str = "/api/v1/products";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The fields of `POST /api/v1/products` (RFC 7541).
fn post() -> Vec<u8> {
    let literal = |index: u8, text: &str| [&[index, u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat();
    let kind = [&[0x0f, 0x10, 16][..], b"application/json"].concat();
    [vec![0x83, 0x86], literal(0x04, PRODUCTS), literal(0x01, "localhost"), kind].concat()
}

/// Connects, and sends the beginning of a connection and these frames.
async fn send(service: &Service, frames: &[Vec<u8>]) -> TcpStream {
    let mut stream = TcpStream::connect(service.address()).await.unwrap();
    let begin = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat();
    stream.write_all(&begin).await.unwrap();
    // The service may close the connection before it has read everything.
    let _ = stream.write_all(&frames.concat()).await;
    stream
}

/// The frames that the service sends, as kind, stream and the last number of the payload, until `enough` or the end.
async fn receive(stream: &mut TcpStream, enough: impl Fn(&[(u8, u32, u32)]) -> bool) -> Vec<(u8, u32, u32)> {
    let mut frames = Vec::new();
    let reading = async {
        let mut head = [0; 9];
        while !enough(&frames) && stream.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if stream.read_exact(&mut payload).await.is_err() {
                break;
            }
            // An error code is the last number of RST_STREAM, and the second of GOAWAY, before its text.
            let begin = if head[3] == GO_AWAY { 4 } else { 0 };
            let code = payload.get(begin..begin + 4).map_or(0, |code| u32::from_be_bytes(code.try_into().unwrap()));
            frames.push((head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), code));
        }
    };
    let ended = timeout(PATIENCE, reading).await.is_ok();
    assert!(ended, "the service neither answers nor closes the connection");
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_close_the_connection() {
    let service = hotshelf().start().await;
    let cancelled = |n: u32| {
        let stream = 2 * n + 1;
        [frame(HEADERS, END_HEADERS, stream, &post()), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
    };
    let flood: Vec<_> = (0..20_000).map(cancelled).collect();
    let mut attack = send(&service, &flood).await;
    let frames = receive(&mut attack, |_| false).await;
    let reason = frames.iter().find(|frame| frame.0 == GO_AWAY).map(|frame| frame.2);
    // A reset of the connection may have overtaken the reason.
    assert!(reason.is_none_or(|reason| reason == ENHANCE_YOUR_CALM), "{frames:?}");
    Http2::connect(service.address()).await.get(PRODUCTS).await.expect(200);
    assert!(service.metrics().await.value("http_requests_under_way", &[]) <= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_without_an_end_close_the_connection_and_take_little_memory() {
    let service = hotshelf().start().await;
    let (before, _) = memory(&service);
    for _ in 0..20 {
        let mut flood = vec![frame(HEADERS, 0, 1, &post())];
        // A literal field without indexing, again and again.
        let field = [&[0, 1][..], b"a", &[100], &[b'b'; 100]].concat();
        flood.extend((0..500).map(|_| frame(CONTINUATION, 0, 1, &field.repeat(150))));
        let mut attack = send(&service, &flood).await;
        receive(&mut attack, |_| false).await;
    }
    let (_, most) = memory(&service);
    println!("headers without an end: {before} MiB before, {most} MiB at most");
    assert!(most < before + 32, "{before} MiB became {most} MiB");
    Http2::connect(service.address()).await.get(PRODUCTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_beyond_the_bound_are_refused() {
    let service = hotshelf().start().await;
    let open: Vec<_> = (0..150).map(|n| frame(HEADERS, END_HEADERS, 2 * n + 1, &post())).collect();
    let mut attack = send(&service, &open).await;
    let refused = |frames: &[(u8, u32, u32)]| {
        frames.iter().filter(|frame| (frame.0, frame.2) == (RST_STREAM, REFUSED_STREAM)).count()
    };
    let frames = receive(&mut attack, |frames| refused(frames) >= 50).await;
    assert_eq!(refused(&frames), 50, "{frames:?}");
    assert!(frames.iter().filter(|frame| frame.0 == RST_STREAM).all(|frame| frame.1 > 200), "{frames:?}");
    service.get(PRODUCTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_whose_answers_nobody_reads_take_little_memory() {
    let service = hotshelf().start().await;
    let (before, _) = memory(&service);
    let pings = vec![frame(PING, 0, 0, &[0; 8]).repeat(500_000)];
    let flood = timeout(std::time::Duration::from_secs(3), send(&service, &pings)).await;
    let (_, most) = memory(&service);
    println!("unread pings: {before} MiB before, {most} MiB at most, all sent: {}", flood.is_ok());
    assert!(most < before + 32, "{before} MiB became {most} MiB");
    service.get(PRODUCTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let service = hotshelf().start().await;
    let http2 = Http2::connect(service.address()).await;
    let mut head = http2.head("GET", PRODUCTS);
    head.headers_mut().insert("x-padding", "a".repeat(40 << 10).parse().unwrap());
    match http2.try_send(head, None).await {
        Ok(refused) => drop(refused.expect(431)),
        Err(error) => assert!(error.is_reset() || error.is_library(), "{error:?}"),
    }
    http2.get(PRODUCTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_body_is_refused_and_the_other_streams_go_on() {
    let service = hotshelf().env("UPLOAD_TIMEOUT", "300ms").start().await;
    let http2 = Http2::connect(service.address()).await;
    let mut head = http2.head("POST", PRODUCTS);
    head.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let (answer, mut body) = http2.begin(head, false).await.unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    http2.send_json("POST", PRODUCTS, &json!({"name": "Cup", "price": 1})).await.expect(201);
    assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().status(), 408);
    http2.get(PRODUCTS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_read_nothing_hold_a_bounded_number_of_answers() {
    let service = hotshelf().env("MAX_CONNECTIONS", 64).start().await;
    let product = |n: usize| json!({"name": format!("Cup {n}"), "price": 1, "description": "long ".repeat(190)});
    let products: Vec<_> = (0..100).map(product).collect();
    service.post(&format!("{PRODUCTS}/bulk")).json(&json!({"products": products})).await.expect(201);
    let page = format!("{PRODUCTS}?limit=100");
    let size = u32::try_from(service.get(&page).await.expect(200).bytes().len()).unwrap();
    // No room for a single byte of an answer, for one, for one of its last piece, and for all but the last.
    for window in [0, 1, size - size % (16 << 10) + 1, size - 200] {
        hold_answers(&service, &page, window).await;
    }
}

/// Asks for more answers than there are places, with so much room (bytes) for each, and reads none.
async fn hold_answers(service: &Service, page: &str, window: u32) {
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(window).initial_connection_window_size(64 << 20);
    let (mut connections, mut unread) = (Vec::new(), Vec::new());
    let (mut answered, mut refused) = (0, 0);
    for _ in 0..2 {
        let http2 = Http2::connect_with(service.address(), &builder).await;
        for _ in 0..60 {
            let (answer, _) = http2.begin(http2.head("GET", page), true).await.unwrap();
            let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
            match answer.status().as_u16() {
                200 => answered += 1,
                503 => refused += 1,
                other => panic!("{other}"),
            }
            unread.push(answer);
        }
        connections.push(http2);
    }
    assert_eq!((answered, refused), (64, 56), "with a window of {window} bytes");
    let other = Http2::connect(service.address()).await;
    other.get("/health/live").await.expect(200);
    other.get(PRODUCTS).await.expect(503);
    service.get(PRODUCTS).await.expect(200);
    drop((connections, unread));
    wait_until("the places are free", PATIENCE, async || other.get(PRODUCTS).await.status == 200).await;
}
