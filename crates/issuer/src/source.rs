//! Reads the keys from a file, or by one request to the issuer. Time and size of the answer are bounded. Redirects are
//! not followed: the service connects only to the address that the operator has configured.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::rt::{Read as HyperRead, Write as HyperWrite};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use hotshelf_lifecycle::Failure;

/// The most bytes of a key set.
const LONGEST: usize = 1 << 20;
/// For reading the file; or for connecting, the TLS handshake, the request and the whole answer together.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// In a file, which another program keeps up to date.
    File(PathBuf),
    /// At this address: `https`, or `http` on a loopback address.
    Url(Uri),
}

/// Why a text is no source of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySource {
    /// It is neither a URL nor a path.
    #[error("it is neither an https:// URL nor the path of a file")]
    Malformed,
    /// It is an `http` address of another machine.
    #[error("http:// is allowed for this machine only: somebody in the network could replace the keys")]
    Unprotected,
}

impl FromStr for KeySource {
    type Err = InvalidKeySource;

    fn from_str(text: &str) -> Result<Self, InvalidKeySource> {
        if !text.contains("://") {
            return if text.is_empty() { Err(InvalidKeySource::Malformed) } else { Ok(KeySource::File(text.into())) };
        }
        let url: Uri = text.parse().map_err(|_| InvalidKeySource::Malformed)?;
        let authority = url.authority().ok_or(InvalidKeySource::Malformed)?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(InvalidKeySource::Malformed);
        }
        match url.scheme_str() {
            Some("https") => Ok(KeySource::Url(url)),
            Some("http") if is_this_machine(host(&url)) => Ok(KeySource::Url(url)),
            Some("http") => Err(InvalidKeySource::Unprotected),
            _ => Err(InvalidKeySource::Malformed),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::File(path) => write!(f, "{}", path.display()),
            KeySource::Url(url) => write!(f, "{url}"),
        }
    }
}

/// The host without the brackets of an IPv6 address.
fn host(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads the bytes that are published at a source.
pub(crate) struct Reader {
    source: KeySource,
    /// For `https`.
    tls: Option<TlsConnector>,
}

impl Reader {
    /// # Errors
    /// When the source is an `https` address and this machine has no certificates of authorities.
    pub(crate) fn new(source: KeySource) -> Result<Self, Failure> {
        let encrypted = matches!(&source, KeySource::Url(url) if url.scheme_str() == Some("https"));
        let tls = if encrypted { Some(tls_connector()?) } else { None };
        Ok(Reader { source, tls })
    }

    pub(crate) async fn read(&self) -> Result<Bytes, Failure> {
        match &self.source {
            KeySource::File(path) => {
                let path = path.clone();
                match timeout(TIMEOUT, tokio::task::spawn_blocking(move || read_file(&path))).await {
                    Ok(read) => read?,
                    Err(_) => Err(format!("the file was not read within {TIMEOUT:?}").into()),
                }
            }
            KeySource::Url(url) => match timeout(TIMEOUT, self.request(url)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {TIMEOUT:?}").into()),
            },
        }
    }

    async fn request(&self, url: &Uri) -> Result<Bytes, Failure> {
        let host = host(url);
        let port = url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await?;
        match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned())?;
                ask(url, TokioIo::new(tls.connect(name, stream).await?)).await
            }
            None => ask(url, TokioIo::new(stream)).await,
        }
    }
}

async fn ask(url: &Uri, stream: impl HyperRead + HyperWrite + Unpin + Send + 'static) -> Result<Bytes, Failure> {
    let (mut sender, connection) = http1::handshake(stream).await?;
    // The task ends with this function, so an answer that nobody waits for is not read.
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .header(ACCEPT, "application/jwk-set+json, application/json")
        .header(USER_AGENT, "hotshelf")
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(format!("the answer is {}", answer.status()).into());
    }
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    Ok(body.map_err(|error| format!("the answer is cut off, or over 1 MiB: {error}"))?.to_bytes())
}

fn read_file(path: &PathBuf) -> Result<Bytes, Failure> {
    // Opening a FIFO waits until somebody writes to it.
    if !fs::metadata(path)?.is_file() {
        return Err("it is no regular file".into());
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LONGEST {
        return Err("the file is over 1 MiB".into());
    }
    Ok(bytes.into())
}

/// TLS with the certificate authorities that this machine trusts.
fn tls_connector() -> Result<TlsConnector, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(
            "this machine has no certificates of authorities (install ca-certificates, or set SSL_CERT_FILE)".into()
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_a_file_or_an_authenticated_connection() {
        for url in ["https://id.example/keys", "https://id.example:8443/", "http://127.0.0.1:8080/k", "http://[::1]/k"]
        {
            assert!(matches!(url.parse(), Ok(KeySource::Url(_))), "{url}");
        }
        assert!(matches!("http://localhost/jwks".parse(), Ok(KeySource::Url(_))));
        assert_eq!("/etc/keys.json".parse(), Ok(KeySource::File("/etc/keys.json".into())));
        assert_eq!("http://id.example/k".parse::<KeySource>(), Err(InvalidKeySource::Unprotected));
        assert_eq!("http://127.0.0.1.evil.example/k".parse::<KeySource>(), Err(InvalidKeySource::Unprotected));
        for malformed in ["", "ftp://id.example/k", "https://", "https://user:secret@id.example/k", "https:///k"] {
            assert_eq!(malformed.parse::<KeySource>(), Err(InvalidKeySource::Malformed), "{malformed}");
        }
    }
}
