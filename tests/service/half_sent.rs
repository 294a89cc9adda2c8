//! A request whose body stays on its way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use hotshelf_testkit::PATIENCE;

use crate::catalogue::{PRODUCTS, laptop};

/// A request to create a product whose body is on its way: the service has begun to read it and waits for the rest.
pub(crate) struct HalfSent {
    connection: TcpStream,
}

impl HalfSent {
    pub(crate) fn to(address: SocketAddr) -> Self {
        let body = laptop().to_string();
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST {PRODUCTS} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        connection.write_all(head.as_bytes()).unwrap();
        // This answer comes when somebody reads the body, not before.
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(expected));
        connection.write_all(&body.as_bytes()[..10]).unwrap();
        HalfSent { connection }
    }

    /// Sends nothing more and returns everything the service answers until it closes the connection.
    pub(crate) fn answer(mut self) -> String {
        let mut answer = String::new();
        self.connection.read_to_string(&mut answer).unwrap();
        answer
    }
}
