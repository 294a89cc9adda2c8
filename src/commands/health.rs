//! `hotshelf health`: asks the service on this machine whether it is ready, for health checks of containers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use clap::Args;

use crate::config::Config;
use crate::failure::Failure;

/// Longer than the service waits for its own parts.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum length (bytes) of a status line.
const STATUS_LINE_MAX: u64 = 256;

#[derive(Debug, Args)]
pub(crate) struct HealthCheck {
    /// Ask only whether the process responds, not whether it is ready to serve requests
    #[arg(long)]
    pub(crate) live: bool,
}

impl HealthCheck {
    /// What to print if all is well.
    pub(crate) fn run(&self, config: &Config) -> Result<&'static str, Failure> {
        let (path, good) = if self.live { ("/health/live", "alive\n") } else { ("/health/ready", "ready\n") };
        let (host, port) = (reachable(&config.api.host), config.api.port);
        let address = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let failed = |cause: String| Failure::Health { address: address.clone(), cause };
        match status(&host, port, &address, path) {
            Ok(200) => Ok(good),
            Ok(status) => Err(failed(format!("it is not {}, {path} answers {status}", good.trim_end()))),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// The host at which this machine reaches a service that listens there: any address means loopback.
fn reachable(host: &str) -> String {
    match host.parse() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => Ipv6Addr::LOCALHOST.to_string(),
        _ => host.to_owned(),
    }
}

/// The status of the answer.
fn status(host: &str, port: u16, address: &str, path: &str) -> io::Result<u16> {
    let mut stream = connect(host, port)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(io::Read::take(stream, STATUS_LINE_MAX)).read_line(&mut line)?;
    let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::other("what listens there does not speak HTTP"))
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::other("the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_address_is_reached_by_loopback() {
        for (host, expected) in
            [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("127.0.0.2", "127.0.0.2"), ("shop.example", "shop.example")]
        {
            assert_eq!(reachable(host), expected);
        }
    }
}
