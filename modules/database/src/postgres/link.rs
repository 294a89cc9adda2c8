//! Connections to a server: opened host by host, encrypted where they have to be, with the settings that durability and
//! bounded waiting rest on.

use std::fmt;
use std::fs;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
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
/// For other hosts, when the one at the known place has answered.
const GRACE: Duration = Duration::from_millis(100);
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
    /// Heartbeats.
    Watching,
    /// Migrations.
    Migrating,
}

impl Purpose {
    /// For the answer to a statement. Longer than what the server takes for one at most.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Purpose::Writing => 12,
            Purpose::Reading => 7,
            Purpose::Watching => 2,
            Purpose::Migrating => 3_600,
        })
    }

    /// A process that vanishes or stands still within a group holds up the groups of all others, for seconds at most.
    /// Waits for locks are shorter than the time after which a write is not begun any more.
    ///
    /// What is read in the order of an index has one. The planner would rather read the whole table where it believes that
    /// much of it is wanted, or that the table is as small as before an import; and compile a query whose cost it
    /// overrates, which takes longer than to run it.
    fn settings(self) -> &'static str {
        match self {
            Purpose::Writing => {
                "SET lock_timeout = '4s'; SET statement_timeout = '10s'; \
                 SET idle_in_transaction_session_timeout = '5s';"
            }
            Purpose::Reading | Purpose::Watching => {
                "SET statement_timeout = '6s'; SET idle_in_transaction_session_timeout = '60s'; \
                 SET default_transaction_read_only = on; \
                 SET enable_seqscan = off; SET random_page_cost = 1.1; SET jit = off;"
            }
            Purpose::Migrating => "SET lock_timeout = '60s'; SET statement_timeout = 0;",
        }
    }
}

/// Of all connections. `off` and `local` acknowledge what a crash or a fail-over may lose although the replicas are
/// synchronous; the other values stay as they are, whatever the configuration of the server becomes. A warning says that
/// a commit may not be on a replica.
const SETTINGS: &str = "SET client_min_messages = warning; SET default_transaction_isolation = 'read committed'; \
    SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3; \
    SET tcp_user_timeout = 8000; \
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit') \
        WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE current_setting('synchronous_commit') END, false);";

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
    /// Cancelled when it has ended.
    pub(super) ended: CancellationToken,
    pub(super) purpose: Purpose,
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
    ///
    /// All hosts are asked at once. Of several that say that they are the primary, one may be that of before: so the
    /// highest timeline is taken, and of those the `known` place.
    pub(super) async fn connect(
        &self,
        purpose: Purpose,
        known: Option<Place>,
        connections: &Connections,
    ) -> Result<Link, ConnectError> {
        let hosts = self.url.hosts();
        let asked = hosts.iter().map(async |(host, port)| {
            let opened = self.connect_to(host, *port, purpose, connections).await;
            opened.map_err(|reason| if hosts.len() == 1 { reason } else { format!("{}: {reason}", name(host, *port)) })
        });
        let mut asked: FuturesUnordered<_> = asked.collect();
        let (mut best, mut reasons): (Option<Link>, Vec<String>) = (None, Vec::new());
        let mut end = Instant::now() + CONNECT_TIMEOUT;
        while let Ok(Some(answer)) = timeout_at(end, asked.next()).await {
            match answer {
                Ok(link) => {
                    if known == Some(link.place) {
                        end = end.min(Instant::now() + GRACE);
                    }
                    let better = best.as_ref().is_none_or(|best| {
                        link.place.is_later_than(best.place)
                            || (known == Some(link.place) && !best.place.is_later_than(link.place))
                    });
                    if better {
                        best = Some(link);
                    }
                }
                Err(reason) => reasons.push(reason),
            }
        }
        if !asked.is_empty() {
            reasons.push("no answer in time".to_owned());
        }
        best.ok_or_else(|| ConnectError(reasons.join("; ")))
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
        config.channel_binding(given.get_channel_binding());
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
        let (of_no_use, ended) = (connections.to(place), lost.clone());
        tokio::spawn(async move {
            // Cancelled as well when the connection has ended.
            lost.run_until_cancelled(of_no_use.cancelled()).await;
            lost.cancel();
        });
        Ok(Link { client, place, notices, ended, purpose })
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

/// What a server says of itself.
struct About {
    /// As `server_version_num`.
    version: i32,
    standby: bool,
    encoding: String,
    read_only: bool,
}

impl About {
    async fn ask(client: &Client) -> Result<Self, String> {
        let about = "SELECT current_setting('server_version_num')::int, pg_is_in_recovery(), \
                     current_setting('server_encoding'), current_setting('transaction_read_only') = 'on'";
        let row = client.query_one(about, &[]).await.map_err(said)?;
        Ok(About { version: row.get(0), standby: row.get(1), encoding: row.get(2), read_only: row.get(3) })
    }

    /// Why it cannot be used.
    fn refusal(&self) -> Option<String> {
        let About { version, standby, encoding, read_only } = self;
        if *version < OLDEST {
            return Some(format!("it is PostgreSQL {}: version 13 or newer is needed", version / 10_000));
        }
        if *standby {
            return Some("it is a standby, which can only be read: name the primary, or all servers".to_owned());
        }
        if *read_only {
            return Some("the user or the database is read-only (default_transaction_read_only)".to_owned());
        }
        if encoding != "UTF8" {
            return Some(format!("the database has the encoding {encoding}: create one with ENCODING 'UTF8'"));
        }
        None
    }
}

/// Checks that the server can be used, and applies the settings.
async fn set_up(client: &Client, purpose: Purpose) -> Result<Place, String> {
    if let Some(refusal) = About::ask(client).await?.refusal() {
        return Err(refusal);
    }
    client.batch_execute(&format!("{SETTINGS} {}", purpose.settings())).await.map_err(said)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_that_cannot_be_used_are_refused_in_words() {
        let good = || About { version: 130_000, standby: false, encoding: "UTF8".to_owned(), read_only: false };
        assert_eq!(good().refusal(), None);
        for (about, begins) in [
            (About { version: 120_017, ..good() }, "it is PostgreSQL 12: version 13 or newer"),
            (About { standby: true, ..good() }, "it is a standby"),
            (About { read_only: true, ..good() }, "the user or the database is read-only"),
            (About { encoding: "LATIN1".to_owned(), ..good() }, "the database has the encoding LATIN1"),
        ] {
            let refusal = about.refusal().unwrap();
            assert!(refusal.starts_with(begins), "{refusal}");
        }
    }
}
