use std::convert::Infallible;

use axum::body::Body;
use axum::http::Request;
use axum::{Router, routing};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::*;
use crate::client::TrustedProxies;
use crate::connections::ConnectionBounds;

const IDLE: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_secs(20);

/// A server whose connections are idle after half a second. `/slow` is a body that takes three seconds, `/endless` one
/// that does not end.
struct Served {
    address: SocketAddr,
    connections: Arc<Connections>,
    stopping: CancellationToken,
}

impl Served {
    async fn start() -> Self {
        let piece = async |_| {
            sleep(Duration::from_millis(300)).await;
            Ok::<_, Infallible>("piece ")
        };
        let slow = move || async move { Body::from_stream(stream::iter(0..10).then(piece)) };
        let endless = || async { Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![0; 65_536])))) };
        let router = Router::new().route("/slow", routing::get(slow)).route("/endless", routing::get(endless));
        let bounds = ConnectionBounds { max: 10, max_per_client: 10, idle: IDLE, stalled: IDLE };
        let connections = Arc::new(Connections::new(bounds, TrustedProxies::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, stopping) = (listener.local_addr().unwrap(), CancellationToken::new());
        tokio::spawn(run(listener, ApiService::new(router, None), Arc::clone(&connections), stopping.clone()));
        Served { address, connections, stopping }
    }

    async fn send(&self, text: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        connection.write_all(text.as_bytes()).await.unwrap();
        connection
    }

    async fn wait_for_nobody(&self) {
        let nobody = async {
            while self.connections.len() > 0 {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(TIMEOUT, nobody).await.unwrap();
    }
}

/// A connection of HTTP/2, whose task also tells how it ended.
async fn http2(served: &Served) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(served.address).await.unwrap();
    let mut settings = h2::client::Builder::new();
    // A stream that is not read leaves room for the others.
    let (send, connection) = settings.initial_connection_window_size(1 << 20).handshake(stream).await.unwrap();
    (send.ready().await.unwrap(), tokio::spawn(connection))
}

/// The body of the answer to `GET path`.
async fn get(send: &h2::client::SendRequest<Bytes>, path: &str) -> h2::RecvStream {
    let request = Request::get(format!("http://x{path}")).body(()).unwrap();
    let (answer, _) = send.clone().ready().await.unwrap().send_request(request, true).unwrap();
    timeout(TIMEOUT, answer).await.unwrap().unwrap().into_body()
}

/// Reads all of it, as fast as it comes.
async fn read_stream(mut body: h2::RecvStream) -> Result<usize, h2::Error> {
    let mut length = 0;
    while let Some(data) = timeout(TIMEOUT, body.data()).await.unwrap() {
        let data = data?;
        length += data.len();
        body.flow_control().release_capacity(data.len())?;
    }
    Ok(length)
}

async fn read(mut connection: TcpStream) -> String {
    let mut answer = String::new();
    timeout(TIMEOUT, connection.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

/// Closed, or reset where the service has not read all.
async fn gone(mut connection: TcpStream) {
    let end = timeout(TIMEOUT, connection.read(&mut [0])).await.unwrap();
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn a_long_download_is_not_idle() {
    let served = Served::start().await;
    let download = served.send("GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let answer = read(download).await;
    assert_eq!(answer.matches("piece").count(), 10, "{answer}");
    assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut() {
    let served = Served::start().await;
    let deaf = served.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    deaf.readable().await.unwrap();
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn what_is_not_a_whole_request_is_closed_in_time() {
    let served = Served::start().await;
    let (new, head) = (served.send("").await, served.send("GET /slow HTTP/1.1\r\nx-padding: ").await);
    assert_eq!((read(new).await, read(head).await), (String::new(), String::new()));
}

#[tokio::test]
async fn a_stop_lets_downloads_end() {
    let served = Served::start().await;
    let (download, idle) = (served.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await, served.send("GET /slow").await);
    download.readable().await.unwrap();
    served.connections.finish_within(TIMEOUT);
    served.stopping.cancel();
    gone(idle).await;
    assert!(read(download).await.ends_with("0\r\n\r\n"));
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_client_that_takes_nothing() {
    let served = Served::start().await;
    let deaf = served.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    deaf.readable().await.unwrap();
    served.connections.finish_within(10 * TIMEOUT);
    served.stopping.cancel();
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn a_stop_ends_downloads_that_take_too_long() {
    let served = Served::start().await;
    let mut download = served.send("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    download.readable().await.unwrap();
    served.connections.finish_within(Duration::from_millis(300));
    served.stopping.cancel();
    let mut buffer = vec![0; 65_536];
    let ends = async { while download.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
    timeout(TIMEOUT, ends).await.unwrap();
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn a_long_download_of_http_2_is_not_idle_and_an_idle_connection_is_told_goodbye() {
    let served = Served::start().await;
    let (send, connection) = http2(&served).await;
    assert_eq!(read_stream(get(&send, "/slow").await).await.unwrap(), 10 * "piece ".len());
    let ended = timeout(TIMEOUT, connection).await.unwrap().unwrap();
    let goodbye =
        ended.map_or_else(|error| error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR), |()| true);
    assert!(goodbye && send.ready().await.is_err());
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn a_stream_whose_client_takes_nothing_is_reset_and_the_others_go_on() {
    let served = Served::start().await;
    let (send, _connection) = http2(&served).await;
    let deaf = get(&send, "/endless").await;
    assert_eq!(read_stream(get(&send, "/slow").await).await.unwrap(), 10 * "piece ".len());
    let error = read_stream(deaf).await.unwrap_err();
    assert_eq!(error.reason(), Some(h2::Reason::CANCEL), "{error}");
}

#[tokio::test]
async fn a_client_of_http_2_that_takes_nothing_is_cut() {
    let served = Served::start().await;
    let (send, connection) = http2(&served).await;
    let _deaf = get(&send, "/endless").await;
    let _ = timeout(TIMEOUT, connection).await.unwrap();
    served.wait_for_nobody().await;
}

#[tokio::test]
async fn a_stop_lets_downloads_of_http_2_end_and_waits_for_no_deaf_client() {
    let served = Served::start().await;
    let (send, connection) = http2(&served).await;
    let (idle, idle_connection) = http2(&served).await;
    let (deaf, deaf_connection) = http2(&served).await;
    let (download, _unread) = (get(&send, "/slow").await, get(&deaf, "/endless").await);
    served.connections.finish_within(10 * TIMEOUT);
    served.stopping.cancel();
    assert_eq!(read_stream(download).await.unwrap(), 10 * "piece ".len());
    for ended in [connection, idle_connection, deaf_connection] {
        let _ = timeout(TIMEOUT, ended).await.unwrap();
    }
    assert!(idle.ready().await.is_err());
    served.wait_for_nobody().await;
}
