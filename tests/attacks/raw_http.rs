//! HTTP as no client library would send it.

use std::net::SocketAddr;

use hotshelf_testkit::PATIENCE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects and sends these bytes.
pub(crate) async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    // The service may close the connection before it has read everything.
    let _ = connection.write_all(bytes).await;
    connection
}

/// Reads until the service closes the connection.
pub(crate) async fn answer(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
    // Unread bytes make the close a reset.
    assert!(read.is_ok(), "the service does not close the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The head of a request with a body, from a client whose address a trusted proxy names, and the first byte of the
/// body.
pub(crate) fn unfinished(path: &str, client: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: {client}\r\ncontent-type: application/json\r\n\
         content-length: 100\r\n\r\n{{"
    );
    head.into_bytes()
}
