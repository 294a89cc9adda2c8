//! A minimal HTTP/1.1 client for measuring: requests are prepared bytes; answers are read completely, checked for their
//! status, and dropped.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Larger than any answer.
const BUFFER: usize = 16 * 1024;

/// A persistent connection with one request at a time.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
}

/// The reason why an exchange cannot be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("expected status {expected}, got: {answer}")]
    Status { expected: u16, answer: String },
    #[error("cannot read this answer, {why}: {answer}")]
    Unreadable { why: &'static str, answer: String },
}

struct Head {
    status: u16,
    /// The whole answer, head and body.
    length: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, buffer: vec![0; BUFFER].into() })
    }

    /// Sends the request and waits for the last byte of its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8], expected: u16) -> Result<(), ExchangeError> {
        self.stream.write_all(request).await?;
        let (mut filled, mut head) = (0, None);
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await?;
            filled += read;
            let received = &self.buffer[..filled];
            let unreadable = |why| ExchangeError::Unreadable { why, answer: text(received) };
            if read == 0 {
                return Err(if filled == BUFFER { unreadable("it is too long") } else { ExchangeError::Closed });
            }
            if head.is_none() {
                head = parse_head(received).map_err(unreadable)?;
            }
            match &head {
                Some(head) if filled > head.length => return Err(unreadable("there is more than one")),
                Some(head) if filled == head.length && head.status == expected => return Ok(()),
                Some(head) if filled == head.length => {
                    return Err(ExchangeError::Status { expected, answer: text(received) });
                }
                Some(_) | None => {}
            }
        }
    }
}

/// `None` while the head is not complete.
fn parse_head(received: &[u8]) -> Result<Option<Head>, &'static str> {
    let mut lines = received.split_inclusive(|&byte| byte == b'\n');
    let Some(first) = lines.next().filter(|line| line.ends_with(b"\n")) else { return Ok(None) };
    let status = first.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
    let status = status.and_then(|status| u16::try_from(status).ok()).ok_or("it has no status")?;
    let (mut head_length, mut body_length) = (first.len(), None);
    for line in lines {
        head_length += line.len();
        if line == b"\r\n" {
            let body_length = body_length.ok_or("it has no content-length")?;
            return Ok(Some(Head { status, length: head_length + body_length }));
        }
        if let Some((name, value)) = line.split_at_checked(b"content-length:".len())
            && name.eq_ignore_ascii_case(b"content-length:")
        {
            body_length = number(value.trim_ascii());
        }
    }
    Ok(None)
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}
