//! The address of a PostgreSQL server, as operators write it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// A parameter that is not known to the client library.
const ROOT_CERTIFICATES: &str = "sslrootcert";

/// `postgres://user:password@host[:port][,host[:port]…]/database?sslmode=…`, checked.
///
/// Of several hosts, the first that answers as the primary is used. Unless all of them are of this machine (loopback
/// addresses and the folders of sockets), connections are encrypted and the name in the certificate is verified;
/// `sslmode=disable` is refused. `sslrootcert` names a file of the authorities that count instead of those that the
/// machine trusts. Shown without the password.
#[derive(Clone, PartialEq)]
pub struct ServerUrl {
    pub(super) config: Box<Config>,
    pub(super) encrypted: bool,
    pub(super) root_certificates: Option<PathBuf>,
}

/// Why an address cannot be used. The message completes the sentence "the address …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is not of this form.
    #[error("must be of the form postgres://user:password@host[,host…]/database?sslmode=…, {0}")]
    Malformed(String),
    /// A password would travel in plain text.
    #[error(
        "has sslmode={0}, which is for servers on this machine alone (loopback addresses and sockets): use \
         sslmode=require, which verifies the certificate, with sslrootcert=FILE where it is not of a public authority"
    )]
    Unencrypted(&'static str),
}

impl ServerUrl {
    /// The same with this password.
    pub fn with_password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Whether it has a password.
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Each host with its port.
    pub(super) fn hosts(&self) -> Vec<(Host, u16)> {
        let ports = self.config.get_ports();
        let port = |index: usize| ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        self.config.get_hosts().iter().enumerate().map(|(index, host)| (host.clone(), port(index))).collect()
    }

    /// The name of the database, which is that of the user where none is given.
    pub(super) fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or_default()
    }
}

impl FromStr for ServerUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let malformed = |why: &str| InvalidUrl::Malformed(why.to_owned());
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(malformed("which begins with postgres://"));
        }
        let (address, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut known, mut root_certificates, mut verifies) = (Vec::new(), None, false);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some((ROOT_CERTIFICATES, file)) => root_certificates = Some(PathBuf::from(decoded(file)?)),
                // What `require` means here, in the words of libpq.
                Some(("sslmode", "verify-full")) => verifies = true,
                Some(("sslmode", "allow" | "verify-ca")) => {
                    return Err(malformed("where sslmode is require or disable"));
                }
                // Else it would be shown with the rest of the address.
                Some(("user" | "password", _)) => {
                    return Err(malformed("with the user and the password before the host"));
                }
                Some(("sslmode" | "application_name" | "options" | "channel_binding", _)) => known.push(parameter),
                _ => {
                    return Err(malformed(
                        "with no other parameters than sslmode, sslrootcert, application_name, options and \
                         channel_binding",
                    ));
                }
            }
        }
        // What the library says of it may repeat a part of the address, and with it the password.
        let parsed = Config::from_str(&format!("{address}?{}", known.join("&")));
        let config = parsed.map_err(|_| malformed("with a name or a value in it that is not known"))?;
        if config.get_hosts().is_empty() {
            return Err(malformed("which names a host"));
        }
        if config.get_user().is_none() {
            return Err(malformed("which names a user"));
        }
        let named = known.iter().find_map(|parameter| parameter.strip_prefix("sslmode="));
        let local = config.get_hosts().iter().all(is_local);
        let unencrypted = |mode| if local { Ok(false) } else { Err(InvalidUrl::Unencrypted(mode)) };
        let encrypted = match (named, config.get_ssl_mode()) {
            _ if verifies => true,
            (Some(_), SslMode::Disable) => unencrypted("disable")?,
            (Some(_), SslMode::Prefer) => unencrypted("prefer")?,
            (Some(_), _) => true,
            (None, _) => !local || root_certificates.is_some(),
        };
        Ok(ServerUrl { config: Box::new(config), encrypted, root_certificates })
    }
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// The hosts and the database.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.hosts().iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            match host {
                Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{port}")?,
                Host::Tcp(name) => write!(f, "{name}:{port}")?,
                Host::Unix(folder) => write!(f, "{}", folder.display())?,
            }
        }
        write!(f, "/{}", self.database())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerUrl({self})")
    }
}

/// Undoes the percent encoding.
fn decoded(text: &str) -> Result<String, InvalidUrl> {
    let malformed = || InvalidUrl::Malformed("where % is followed by two hexadecimal digits".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(malformed()) };
        bytes.push((16 * high + low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<ServerUrl, InvalidUrl> {
        text.parse()
    }

    #[test]
    fn hosts_and_the_database_are_shown_and_secrets_are_not() {
        for (text, shown) in [
            ("postgres://shop:s3cret@db.example/shop", "db.example:5432/shop"),
            ("postgresql://shop:s3cret@a,b:5433/shop?sslmode=require", "a:5432,b:5433/shop"),
            ("postgres://shop:s3cret@[::1]:6000/shop", "[::1]:6000/shop"),
            ("postgres://shop:s3cret@%2Frun%2Fpostgresql/shop", "/run/postgresql/shop"),
            ("postgres://shop@127.0.0.1", "127.0.0.1:5432/shop"),
        ] {
            let parsed = url(text).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("s3cret"));
        }
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted() {
        let encrypted = |text: &str| url(text).map(|url| url.encrypted);
        assert_eq!(encrypted("postgres://u@db.example/shop"), Ok(true));
        assert_eq!(encrypted("postgres://u@db.example/shop?sslmode=verify-full"), Ok(true));
        assert_eq!(encrypted("postgres://u@localhost/shop"), Ok(false));
        assert_eq!(encrypted("postgres://u@localhost/shop?sslmode=require"), Ok(true));
        assert_eq!(encrypted("postgres://u@127.0.0.1,[::1]/shop?sslmode=disable"), Ok(false));
        assert_eq!(encrypted("postgres://u@%2Frun/shop?sslmode=disable"), Ok(false));
        for mode in ["disable", "prefer"] {
            for host in ["db.example", "127.0.0.1,db.example"] {
                let refused = encrypted(&format!("postgres://u@{host}/shop?sslmode={mode}"));
                assert_eq!(refused, Err(InvalidUrl::Unencrypted(mode)));
            }
        }
        let own = url("postgres://u@db.example/shop?sslrootcert=%2Fetc%2Fca.pem").unwrap();
        assert_eq!(own.root_certificates, Some(PathBuf::from("/etc/ca.pem")));
    }

    #[test]
    fn what_is_malformed_is_refused_without_the_password() {
        for text in [
            "",
            "mysql://u:s3cret@h/d",
            "postgres://u:s3cret@h/d?colour=blue",
            "postgres://u:s3cret@h:port/d",
            "postgres://h/d",
            "postgres:///d?user=u",
            "postgres://u@h/d?password=s3cret",
            "postgres://u:s3cret@h/d?sslmode=allow",
            "postgres://u:s3cret@h/d?sslrootcert=%zz",
        ] {
            let error = url(text).unwrap_err();
            assert!(matches!(&error, InvalidUrl::Malformed(_)), "{text}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
