//! Tests of the proxy of the testkit.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy.toml allows them in test functions, but not in their helpers"
)]

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use hotshelf_testkit::{Network, PATIENCE, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for everything that is not delayed.
const AT_ONCE: Duration = Duration::from_millis(300);

/// A client, its server, and the proxy between them.
struct Line {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
}

impl Line {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(&listener.local_addr().unwrap().to_string()).await;
        let accepted: JoinHandle<_> = tokio::spawn(async move { listener.accept().await.unwrap().0 });
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        Line { proxy, client, server: accepted.await.unwrap() }
    }
}

async fn says(from: &mut TcpStream, to: &mut TcpStream, word: &[u8; 4]) {
    from.write_all(word).await.unwrap();
    hears(to, word).await;
}

async fn hears(to: &mut TcpStream, word: &[u8; 4]) {
    let mut heard = [0; 4];
    timeout(PATIENCE, to.read_exact(&mut heard)).await.expect("it arrives").unwrap();
    assert_eq!(&heard, word);
}

async fn hears_nothing(to: &mut TcpStream) {
    let heard = timeout(AT_ONCE, to.read(&mut [0; 4])).await;
    assert!(heard.is_err(), "arrived although it should not: {heard:?}");
}

#[tokio::test]
async fn a_whole_network_carries_both_ways_and_the_end() {
    let Line { proxy: _proxy, mut client, mut server } = Line::open().await;
    says(&mut client, &mut server, b"ping").await;
    says(&mut server, &mut client, b"pong").await;
    drop(client);
    assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_silent_network_delivers_when_it_is_whole_again() {
    let Line { proxy, mut client, mut server } = Line::open().await;
    proxy.set(Network::Silent);
    client.write_all(b"ping").await.unwrap();
    hears_nothing(&mut server).await;
    drop(client);
    proxy.set(Network::Whole);
    hears(&mut server, b"ping").await;
    assert_eq!(server.read(&mut [0; 4]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_mute_network_carries_requests_and_holds_answers() {
    let Line { proxy, mut client, mut server } = Line::open().await;
    proxy.set(Network::Mute);
    says(&mut client, &mut server, b"ping").await;
    server.write_all(b"pong").await.unwrap();
    hears_nothing(&mut client).await;
    proxy.set(Network::Whole);
    hears(&mut client, b"pong").await;
}

#[tokio::test]
async fn a_slow_network_delays_each_way() {
    let Line { proxy, mut client, mut server } = Line::open().await;
    let delay = Duration::from_millis(50);
    proxy.set(Network::Slow(delay));
    let started = Instant::now();
    says(&mut client, &mut server, b"ping").await;
    says(&mut server, &mut client, b"pong").await;
    assert!(started.elapsed() >= 2 * delay, "there and back in {:?}", started.elapsed());
}

#[tokio::test]
async fn a_half_closed_network_ends_the_answers_and_carries_requests() {
    let Line { proxy, mut client, mut server } = Line::open().await;
    proxy.set(Network::HalfClosed);
    assert_eq!(timeout(PATIENCE, client.read(&mut [0; 4])).await.unwrap().unwrap(), 0);
    says(&mut client, &mut server, b"ping").await;
}

#[tokio::test]
async fn a_network_that_resets_does_so_to_both_sides() {
    let Line { proxy, mut client, mut server } = Line::open().await;
    proxy.set(Network::Reset);
    for side in [&mut client, &mut server] {
        let read = timeout(PATIENCE, side.read(&mut [0; 4])).await.expect("it ends");
        assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
