//! A Redis of a version before 7, made of a newer one.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::redis::RedisServer;

/// Of the version after it, as much is overwritten as the old version is long, so that an answer keeps its length.
const VERSION: &[u8] = b"redis_version:";
const OLD: &[u8] = b"6.2";

/// Forwards everything to a real server, but refuses `SET` with both `NX` and `GET`, as version 6.2 does, and reports
/// that version. Dropping it ends its connections.
pub struct OldRedis {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl OldRedis {
    /// Starts in front of this server.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn before(server: &RedisServer) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free loopback port");
        let address = listener.local_addr().expect("a listener has an address");
        let target = server.address().to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, target.clone()));
            }
        });
        OldRedis { address, accepting }
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for OldRedis {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut client: TcpStream, target: String) -> io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    tokio::try_join!(ask(from_client, to_server), answer(from_server, to_client)).map(drop)
}

/// Forwards commands. One that must be refused is sent with `XX` beside `NX`, which every version refuses with the same
/// message, so that the answers stay in order.
async fn ask(from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut from = BufReader::new(from);
    loop {
        let Some(mut words) = read_command(&mut from).await? else { return to.shutdown().await };
        let has =
            |words: &[Vec<u8>], option: &str| words.iter().any(|word| word.eq_ignore_ascii_case(option.as_bytes()));
        // The key and the value may be any text.
        if words[0].eq_ignore_ascii_case(b"SET") && has(&words[3..], "NX") && has(&words[3..], "GET") {
            words.push(b"XX".to_vec());
        }
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend(word);
            command.extend(b"\r\n");
        }
        to.write_all(&command).await?;
    }
}

/// An array of texts, or a line of words, which some clients send at the beginning; `None` at the end of the stream.
async fn read_command(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut line = String::new();
    if from.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let Some(count) = line.strip_prefix('*') else {
        return Ok(Some(line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect()));
    };
    let mut words = Vec::new();
    for _ in 0..number(count)? {
        let mut length = String::new();
        from.read_line(&mut length).await?;
        let length = number(length.trim_start_matches('$'))?;
        let mut word = vec![0; length + 2];
        from.read_exact(&mut word).await?;
        word.truncate(length);
        words.push(word);
    }
    Ok(Some(words))
}

fn number(text: &str) -> io::Result<usize> {
    text.trim_end().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, text.to_owned()))
}

/// Forwards answers, with another version in them.
async fn answer(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let bytes = &mut buffer[..length];
        let named = bytes.windows(VERSION.len()).position(|window| window == VERSION);
        if let Some(at) = named.map(|at| at + VERSION.len())
            && at + OLD.len() <= length
        {
            bytes[at..at + OLD.len()].copy_from_slice(OLD);
        }
        to.write_all(bytes).await?;
    }
}
