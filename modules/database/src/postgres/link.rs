//! Connections to a server: opened host by host, encrypted where they have to be, with the settings that durability and
//! bounded waiting rest on.

use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hotshelf_lifecycle::Failure;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::DbError;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::CancellationToken;

use super::place::{Connections, Place, here};
use super::url::ServerUrl;

/// To open a connection, whatever hosts there are.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// To try one host while there are others.
const HOST_TIMEOUT: Duration = Duration::from_secs(2);
/// When a peer that does not answer counts as gone. While data is not acknowledged,
const UNACKNOWLEDGED: Duration = Duration::from_secs(8);
/// and while nothing is on its way.
const IDLE: Duration = Duration::from_secs(5);
const PROBES: (Duration, u32) = (Duration::from_secs(2), 3);
/// The oldest version that is supported (`server_version_num`).
const OLDEST: i32 = 130_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Groups of writes.
    Writing,
    /// Reads of requests.
    Reading,
    /// Migrations and other work that may take long.
    LongWork,
}

/// Waits for locks are shorter than the time after which a write is not begun any more. The statement of a group that
/// takes longest looks at all products of a schema.
const WRITING: &str = "SET lock_timeout = '4s'; SET statement_timeout = '60s'; \
    SET idle_in_transaction_session_timeout = '60s'";
const READING: &str = "SET statement_timeout = '6s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET default_transaction_read_only = on";
const LONG_WORK: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0";
/// `off` and `local` acknowledge what a crash or a fail-over may lose although the replicas are synchronous.
const DURABLE: &str = "SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// Where connections are opened to.
pub(super) struct Server {
    url: ServerUrl,
    tls: Option<MakeRustlsConnect>,
}

/// An open connection.
pub(super) struct Link {
    pub(super) client: Client,
    /// The server that it leads to, at the time when it was opened.
    pub(super) place: Place,
    pub(super) notices: Arc<Notices>,
}

/// Why no connection was opened, in one line.
#[derive(Debug)]
pub(super) struct ConnectError(pub(super) String);

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Server {
    /// # Errors
    /// In one line, when the certificates of authorities cannot be read.
    pub(super) fn new(url: ServerUrl) -> Result<Self, String> {
        let tls = if url.encrypted { Some(tls(&url).map_err(|error| error.to_string())?) } else { None };
        Ok(Server { url, tls })
    }

    pub(super) fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Opens a connection to the primary. It ends when connections to its place are of no use any more.
    pub(super) async fn connect(&self, purpose: Purpose, connections: &Connections) -> Result<Link, ConnectError> {
        let hosts = self.url.hosts();
        let end = Instant::now() + CONNECT_TIMEOUT;
        let mut reasons = Vec::new();
        for (host, port) in &hosts {
            let host_end = if hosts.len() == 1 { end } else { end.min(Instant::now() + HOST_TIMEOUT) };
            let opened = timeout_at(host_end, self.connect_to(host, *port, purpose, connections)).await;
            match opened.unwrap_or_else(|_| Err("it does not answer".to_owned())) {
                Ok(link) => return Ok(link),
                Err(reason) if hosts.len() == 1 => reasons.push(reason),
                Err(reason) => reasons.push(format!("{}: {reason}", name(host, *port))),
            }
        }
        Err(ConnectError(reasons.join("; ")))
    }

    async fn connect_to(
        &self,
        host: &Host,
        port: u16,
        purpose: Purpose,
        connections: &Connections,
    ) -> Result<Link, String> {
        let mut config = tokio_postgres::Config::new();
        match host {
            Host::Tcp(name) => config.host(name),
            Host::Unix(folder) => config.host_path(folder),
        };
        let given = &self.url.config;
        config.port(port).user(given.get_user().unwrap_or_default()).dbname(self.url.database());
        config.application_name(given.get_application_name().unwrap_or("hotshelf"));
        given.get_password().map(|password| config.password(password));
        given.get_options().map(|options| config.options(options));
        config.channel_binding(given.get_channel_binding()).ssl_negotiation(given.get_ssl_negotiation());
        config.target_session_attrs(TargetSessionAttrs::Any).connect_timeout(CONNECT_TIMEOUT);
        config.tcp_user_timeout(UNACKNOWLEDGED).keepalives_idle(IDLE);
        config.keepalives_interval(PROBES.0).keepalives_retries(PROBES.1);
        let (notices, lost) = (Arc::new(Notices::default()), CancellationToken::new());
        let client = match &self.tls {
            Some(tls) => {
                let (client, connection) =
                    config.ssl_mode(SslMode::Require).connect(tls.clone()).await.map_err(said)?;
                tokio::spawn(drive(connection, Arc::clone(&notices), lost.clone()));
                client
            }
            None => {
                let (client, connection) = config.ssl_mode(SslMode::Disable).connect(NoTls).await.map_err(said)?;
                tokio::spawn(drive(connection, Arc::clone(&notices), lost.clone()));
                client
            }
        };
        let place = set_up(&client, purpose).await?;
        let of_no_use = connections.to(place);
        tokio::spawn(async move {
            // Cancelled as well when the connection has ended.
            lost.run_until_cancelled(of_no_use.cancelled()).await;
            lost.cancel();
        });
        Ok(Link { client, place, notices })
    }

    /// Asks the server to interrupt the statement that is running on that connection. Only for reads: a commit must
    /// never be interrupted.
    pub(super) async fn cancel(&self, client: &Client) {
        let token = client.cancel_token();
        let cancelled = match &self.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        };
        if let Err(error) = cancelled {
            tracing::debug!(%error, "a statement could not be interrupted");
        }
    }
}

fn name(host: &Host, port: u16) -> String {
    match host {
        Host::Tcp(name) => format!("{name}:{port}"),
        Host::Unix(folder) => folder.display().to_string(),
    }
}

/// Checks that the server can be used, and applies the settings.
async fn set_up(client: &Client, purpose: Purpose) -> Result<Place, String> {
    let about = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
                 current_setting('server_encoding'), current_setting('transaction_read_only') = 'on'";
    let row = client.query_one(about, &[]).await.map_err(said)?;
    let (version, standby, encoding): (i32, bool, String) = (row.get(0), row.get(1), row.get(2));
    if version < OLDEST {
        return Err(format!("it is PostgreSQL {}: version 13 or newer is needed", version / 10_000));
    }
    if standby {
        return Err("it is a standby, which can only be read: name the primary, or all servers".to_owned());
    }
    if row.get(3) {
        return Err("the user or the database is read-only (default_transaction_read_only)".to_owned());
    }
    if encoding != "UTF8" {
        return Err(format!("the database has the encoding {encoding}: create one with ENCODING 'UTF8'"));
    }
    let settings = match purpose {
        Purpose::Writing => WRITING,
        Purpose::Reading => READING,
        Purpose::LongWork => LONG_WORK,
    };
    client.batch_execute("SET default_transaction_isolation = 'read committed'").await.map_err(said)?;
    client.batch_execute(settings).await.map_err(said)?;
    if purpose != Purpose::Reading {
        client.batch_execute(DURABLE).await.map_err(said)?;
    }
    let here = client.query_one(concat!("SELECT ", here!()), &[]).await.map_err(said)?;
    here.get::<_, String>(0).parse().map_err(|()| "it does not tell which server it is".to_owned())
}

/// In one line, with what the server says where it says something.
pub(super) fn said(error: tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => said_by_server(said),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

fn said_by_server(error: &DbError) -> String {
    match error.detail() {
        Some(detail) => format!("{} ({detail})", error.message()),
        None => error.message().to_owned(),
    }
}

fn tls(url: &ServerUrl) -> Result<MakeRustlsConnect, Failure> {
    let mut roots = RootCertStore::empty();
    match &url.root_certificates {
        Some(file) => {
            let unusable = |cause: &dyn fmt::Display| format!("sslrootcert {}: {cause}", file.display());
            let text = fs::read(file).map_err(|error: io::Error| unusable(&error))?;
            let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
            roots.add_parsable_certificates(certificates.map_err(|error| unusable(&error))?);
            if roots.is_empty() {
                return Err(unusable(&"it has no certificate in the PEM format").into());
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("this machine has no certificates of authorities (install ca-certificates, or add \
                            sslrootcert=FILE)"
                    .into());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// What the server has said beside its answers.
#[derive(Default)]
pub(super) struct Notices {
    warned: AtomicBool,
}

impl Notices {
    /// Whether there was a warning since the last call.
    pub(super) fn take_warning(&self) -> bool {
        self.warned.swap(false, Ordering::AcqRel)
    }

    fn note(&self, notice: &DbError) {
        // The severity is translated, the other field is not.
        let severity = notice.parsed_severity().map_or(notice.severity().to_owned(), |parsed| parsed.to_string());
        if severity == "WARNING" {
            tracing::warn!(said = notice.message(), "PostgreSQL warns");
            self.warned.store(true, Ordering::Release);
        }
    }
}

/// Moves bytes until the connection ends, or is given up. A warning is noted before the answer that it belongs to is
/// handed over.
async fn drive<S: TlsStream + Unpin>(
    mut connection: Connection<Socket, S>,
    notices: Arc<Notices>,
    lost: CancellationToken,
) {
    let messages = async {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notice(notice))) => notices.note(&notice),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // The server says so when it shuts down.
                    tracing::debug!(%error, "a connection to PostgreSQL has ended");
                    return;
                }
                None => return,
            }
        }
    };
    lost.run_until_cancelled(messages).await;
    lost.cancel();
}
