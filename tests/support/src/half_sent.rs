//! A request with an incomplete body.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

use crate::catalogue::{PRODUCTS, laptop};

/// A create of a product with an incomplete body: the service has begun to read it and waits for the rest.
pub struct HalfSentRequest {
    connection: TcpStream,
}

impl HalfSentRequest {
    /// Returns when the service waits for the rest of the body.
    pub fn to(address: SocketAddr) -> Self {
        let body = laptop().to_string();
        let mut connection = TcpStream::connect(address).expect("the connection works");
        connection.set_read_timeout(Some(PATIENCE)).expect("the connection works");
        let head = format!(
            "POST {PRODUCTS} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).expect("the connection works");
        // The service sends this answer when it begins to read the body.
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        connection.read_exact(&mut answer).expect("the connection works");
        assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
        connection.write_all(&body.as_bytes()[..10]).expect("the connection works");
        HalfSentRequest { connection }
    }

    /// Sends nothing more and returns everything the service answers until it closes the connection.
    pub fn answer(mut self) -> String {
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).expect("the connection works");
        answer
    }
}
