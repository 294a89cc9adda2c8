//! HTTP as no client library would send it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// Sends these bytes and returns the whole answer, until the connection ends.
///
/// # Panics
/// When the service cannot be reached.
pub fn exchange(address: SocketAddr, request: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("the service listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("the connection works");
    // The service may close the connection before it has read everything.
    let _ = connection.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
