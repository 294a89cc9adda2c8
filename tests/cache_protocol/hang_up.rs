//! A client that disconnects before it gets its answer.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

/// A request without a reader of its answer. Dropping it closes the connection.
pub(crate) struct Unanswered(TcpStream);

impl Unanswered {
    pub(crate) fn get(address: SocketAddr, path: &str) -> Self {
        Self::send(address, &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n"))
    }

    pub(crate) fn put(address: SocketAddr, path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let head = format!("PUT {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n");
        Self::send(address, &format!("{head}content-length: {}\r\n\r\n{body}", body.len()))
    }

    fn send(address: SocketAddr, request: &str) -> Self {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.write_all(request.as_bytes()).unwrap();
        Unanswered(connection)
    }

    pub(crate) fn hang_up(self) {
        self.0.shutdown(Shutdown::Both).unwrap();
    }
}
