//! Every command that a Redis executes, from `MONITOR`.

use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpStream;

use crate::redis::RedisServer;
use crate::resp;

/// The command by which this monitor knows that it has received all earlier ones.
const UP_TO_HERE: &str = "hotshelf-testkit: up to here";

/// Records the commands that a server executes, from the start of the monitor on.
pub struct Monitor<'a> {
    redis: &'a RedisServer,
    lines: BufReader<TcpStream>,
}

impl<'a> Monitor<'a> {
    pub(crate) fn of(redis: &'a RedisServer) -> Self {
        let mut stream = TcpStream::connect(redis.address()).expect("Redis can be reached");
        stream.set_read_timeout(Some(resp::TIMEOUT)).expect("a timeout");
        resp::send(&mut stream, &["MONITOR"]).expect("Redis takes commands");
        let mut monitor = Monitor { redis, lines: BufReader::new(stream) };
        let answer = monitor.next_line();
        assert_eq!(answer.as_deref(), Some("+OK"), "Redis cannot be monitored");
        monitor
    }

    /// The commands that were executed since the last call, or since the start, and contain `text`; each as Redis
    /// writes it, such as `1700000000.1 [0 127.0.0.1:5000] "GET" "product:id:1"`. Commands inside of scripts come from
    /// `lua` in place of an address.
    ///
    /// # Panics
    /// When the server is gone.
    pub fn commands_with(&mut self, text: &str) -> Vec<String> {
        self.redis.command(&["ECHO", UP_TO_HERE]);
        let mut commands = Vec::new();
        loop {
            let line = self.next_line().expect("Redis goes on telling");
            if line.contains(UP_TO_HERE) {
                return commands;
            }
            if line.contains(text) {
                commands.push(line);
            }
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("Redis does not tell its commands: {error}"),
        }
    }
}
