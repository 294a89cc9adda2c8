//! The part of the Redis protocol that a test needs to inspect a server.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A suspended server does not answer: then the test gets an error instead of hanging.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// The answer of Redis to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisReply {
    /// Nil: there is no value.
    Nil,
    /// A status such as `OK`, or a value.
    Bytes(Vec<u8>),
    /// A number.
    Integer(i64),
    /// The command was refused, with Redis' message.
    Error(String),
    /// Several replies.
    Array(Vec<RedisReply>),
}

impl RedisReply {
    /// The text of a status or value, `None` for nil.
    ///
    /// # Panics
    /// When it is neither.
    pub fn text(self) -> Option<String> {
        match self {
            RedisReply::Nil => None,
            RedisReply::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => panic!("expected a text of Redis, got {other:?}"),
        }
    }

    /// The number.
    ///
    /// # Panics
    /// When it is none.
    pub fn integer(self) -> i64 {
        match self {
            RedisReply::Integer(number) => number,
            other => panic!("expected a number of Redis, got {other:?}"),
        }
    }

    /// The texts of an array, without nils.
    ///
    /// # Panics
    /// When it is no array of texts.
    pub fn texts(self) -> Vec<String> {
        match self {
            RedisReply::Array(replies) => replies.into_iter().filter_map(RedisReply::text).collect(),
            other => panic!("expected an array of Redis, got {other:?}"),
        }
    }
}

/// Sends one command on a connection of its own.
pub(crate) fn call(address: &str, command: &[&str]) -> io::Result<RedisReply> {
    call_with_password(address, None, command)
}

/// As [`call`], after the password was sent.
pub(crate) fn call_with_password(address: &str, password: Option<&str>, command: &[&str]) -> io::Result<RedisReply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        send(&mut stream, &["AUTH", password])?;
        read_reply(&mut answers)?;
    }
    send(&mut stream, command)?;
    read_reply(&mut answers)
}

pub(crate) fn send(stream: &mut TcpStream, command: &[&str]) -> io::Result<()> {
    let mut request = format!("*{}\r\n", command.len());
    for word in command {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(request.as_bytes())
}

fn read_reply(from: &mut impl BufRead) -> io::Result<RedisReply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::UnexpectedEof)?;
    match kind {
        "+" => Ok(RedisReply::Bytes(rest.as_bytes().to_vec())),
        "-" => Ok(RedisReply::Error(rest.to_owned())),
        ":" => Ok(RedisReply::Integer(number(rest)?)),
        "$" => read_bulk(from, number(rest)?),
        "*" => match usize::try_from(number(rest)?) {
            Ok(count) => (0..count).map(|_| read_reply(from)).collect::<io::Result<_>>().map(RedisReply::Array),
            Err(_) => Ok(RedisReply::Nil),
        },
        _ => Err(unexpected(line)),
    }
}

fn read_bulk(from: &mut impl BufRead, length: i64) -> io::Result<RedisReply> {
    let Ok(length) = usize::try_from(length) else { return Ok(RedisReply::Nil) };
    let mut bytes = vec![0; length + 2];
    from.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(RedisReply::Bytes(bytes))
}

fn number(text: &str) -> io::Result<i64> {
    text.parse().map_err(|_| unexpected(text))
}

fn unexpected(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{text:?} is no reply of Redis"))
}
