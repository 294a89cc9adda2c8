//! A client of HTTP/2 without TLS, by prior knowledge, which shows what HTTP/1.1 has not: streams, resets, `GOAWAY`.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::wait::PATIENCE;

/// The head of a request.
pub type RequestHead = Request<()>;

/// One connection. Dropping it closes the connection.
pub struct Http2 {
    send: SendRequest<Bytes>,
    authority: String,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Http2Reply {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Http2 {
    /// Connects to that address.
    ///
    /// # Panics
    /// When nobody there speaks HTTP/2.
    pub async fn connect(address: SocketAddr) -> Self {
        Http2::connect_with(address, &Builder::new()).await
    }

    /// Connects with these settings.
    ///
    /// # Panics
    /// As [`connect`](Http2::connect).
    pub async fn connect_with(address: SocketAddr, settings: &Builder) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let (send, connection) = settings.handshake(stream).await.expect("HTTP/2");
        Http2 { send, authority: address.to_string(), connection: tokio::spawn(connection) }
    }

    /// The head of a request.
    ///
    /// # Panics
    /// When one of these is no such thing.
    pub fn head(&self, method: &str, path: &str) -> RequestHead {
        let uri = format!("http://{}{path}", self.authority);
        Request::builder().method(method).uri(uri).body(()).expect("a request")
    }

    /// Sends a request without a body.
    ///
    /// # Panics
    /// When it gets no whole answer.
    pub async fn get(&self, path: &str) -> Http2Reply {
        self.try_send(self.head("GET", path), None).await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Sends a request with that JSON.
    ///
    /// # Panics
    /// When it gets no whole answer.
    pub async fn send_json(&self, method: &str, path: &str, body: &Value) -> Http2Reply {
        let mut head = self.head(method, path);
        head.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let sent = self.try_send(head, Some(body.to_string().into())).await;
        sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a request and receives all of its answer.
    ///
    /// # Errors
    /// When the service resets the stream or closes the connection.
    pub async fn try_send(&self, head: RequestHead, body: Option<Bytes>) -> Result<Http2Reply, h2::Error> {
        let (answer, mut stream) = self.begin(head, body.is_none()).await?;
        if let Some(body) = body {
            // The client library keeps what the service has no room for.
            stream.send_data(body, true)?;
        }
        receive(timeout(PATIENCE, answer).await.expect("an answer in time")?).await
    }

    /// Sends the head of a request; `ended`: there is no body.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn begin(
        &self,
        head: RequestHead,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let ready = timeout(PATIENCE, self.send.clone().ready()).await.expect("room for a stream in time");
        ready?.send_request(head, ended)
    }

    /// Waits until the connection is closed.
    ///
    /// # Errors
    /// With the reason, if it was not closed in peace.
    ///
    /// # Panics
    /// When it stays open.
    pub async fn closed(self) -> Result<(), h2::Error> {
        drop(self.send);
        let ended = timeout(PATIENCE, self.connection).await.expect("the service closes the connection in time");
        ended.expect("a task that does not panic")
    }
}

/// Receives the body of an answer, and makes room for more of it all the time.
///
/// # Errors
/// When the stream is reset before its end.
pub(crate) async fn receive(answer: Response<RecvStream>) -> Result<Http2Reply, h2::Error> {
    let (head, mut body) = answer.into_parts();
    let mut received = BytesMut::new();
    while let Some(data) = timeout(PATIENCE, body.data()).await.expect("data in time") {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        received.extend_from_slice(&data);
    }
    Ok(Http2Reply { status: head.status.as_u16(), headers: head.headers, body: received.freeze() })
}

impl Http2Reply {
    /// The same reply.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The value of a header that the reply must have.
    ///
    /// # Panics
    /// When it does not have it, or not as text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }
}
