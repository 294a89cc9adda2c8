//! The first bytes of a connection: they say whether it speaks HTTP/1.1, or HTTP/2 by prior knowledge.

use std::io;

use bytes::Bytes;
use tokio::net::TcpStream;

use crate::activity::Activity;

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes of a connection that were read to recognize its protocol.
#[derive(Debug)]
pub(crate) struct Opening {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Opening {
    /// Reads until the protocol is known, or the client sends no more.
    pub(crate) async fn read(stream: &TcpStream, activity: &Activity) -> io::Result<Self> {
        let mut opening = Opening { bytes: [0; PREFACE.len()], length: 0 };
        while opening.could_be_http2() && !opening.is_http2() {
            stream.readable().await?;
            match stream.try_read(&mut opening.bytes[opening.length..]) {
                Ok(0) => break,
                Ok(read) => {
                    opening.length += read;
                    activity.has_read();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(opening)
    }

    fn received(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    fn could_be_http2(&self) -> bool {
        PREFACE.starts_with(self.received())
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.received() == PREFACE
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.received())
    }
}
