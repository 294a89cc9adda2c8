use std::fmt;
use std::str::FromStr;

use fred::types::config::Server;

use crate::error::RedisError;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// A host name or an IP address, an IPv6 address without its brackets.
    pub host: String,
    /// Never 0.
    pub port: u16,
}

impl Address {
    /// Of this host and this port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Address { host: host.into(), port }
    }

    pub(crate) fn server(&self) -> Server {
        if !self.host.contains(':') {
            return Server::new(&self.host, self.port);
        }
        let mut server = Server::new(format!("[{}]", self.host), self.port);
        // A certificate names an IPv6 address without brackets.
        server.tls_server_name = Some(self.host.as_str().into());
        server
    }
}

/// `host:port`, where only the port is looked at: whether there is such a host shows when somebody connects.
impl FromStr for Address {
    type Err = RedisError;

    fn from_str(text: &str) -> Result<Self, RedisError> {
        let malformed = || RedisError::new(format!("{text:?} is no host:port"));
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(malformed)?;
        if bare.is_empty() { Err(malformed()) } else { Ok(Address::new(bare, port)) }
    }
}

/// `host:port`, an IPv6 address in brackets.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        for text in ["localhost:6379", "10.0.0.1:1", "[::1]:65535"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "localhost", ":6379", "localhost:0", "localhost:65536", "localhost:http"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
