//! How mail gets to users: by SMTP, or, where nobody has set that up, into a file.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hotshelf_domain::Email;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// What one conversation with a mail server may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A letter to one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// To whom.
    pub to: Email,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address is one that mail servers do not take.
    #[error("{0} cannot be written to: {1}")]
    Address(Email, String),
    /// The server refused it or was not there.
    #[error("the mail server failed: {0}")]
    Smtp(#[from] SmtpError),
    /// The file did not take it.
    #[error("the file did not take the mail: {0}")]
    File(#[from] std::io::Error),
    /// It took too long.
    #[error("the mail server took longer than {TIMEOUT:?}")]
    TooLate,
}

impl MailError {
    /// Whether another attempt would end like this one.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            MailError::Address(..) => true,
            MailError::Smtp(error) => error.is_permanent(),
            MailError::File(_) | MailError::TooLate => false,
        }
    }
}

/// Where mail goes.
#[derive(Clone)]
pub enum MailOptions {
    /// To the mail server of that URL, which may have a password in it, from that address.
    Smtp {
        /// `smtps://user:password@host:port`, for example.
        url: String,
        /// Whom the mails are from.
        from: String,
    },
    /// Into that file.
    File(PathBuf),
}

impl MailOptions {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// As [`SmtpMailer::new`].
    pub fn mailer(self) -> Result<Arc<dyn Mailer>, String> {
        match self {
            MailOptions::Smtp { url, from } => Ok(Arc::new(SmtpMailer::new(&url, &from)?)),
            MailOptions::File(path) => {
                tracing::warn!(path = %path.display(), "mails go into a file, since SMTP_URL is not set");
                Ok(Arc::new(FileMailer::new(path)))
            }
        }
    }
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Returns when the mail is handed over.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

/// To a mail server.
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl SmtpMailer {
    /// `url` as in `smtps://user:password@mail.example:465`, or `smtp://…?tls=required`. Connects to nothing yet.
    ///
    /// # Errors
    /// When it is no such URL, or `from` no address. The message does not repeat the URL, which may have a password.
    pub fn new(url: &str, from: &str) -> Result<Self, String> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| format!("is no address of a mail server: {error}"))?
            .timeout(Some(TIMEOUT))
            .build();
        let from = from.parse().map_err(|error| format!("cannot send as {from}: {error}"))?;
        Ok(SmtpMailer { transport, from })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, Mail { to, subject, text }: Mail) -> Result<(), MailError> {
        let address: Address =
            to.as_str().parse().map_err(|error| MailError::Address(to.clone(), format!("{error}")))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .header(lettre::message::header::ContentType::TEXT_PLAIN)
            .subject(subject)
            .body(text)
            .map_err(|error| MailError::Address(to, error.to_string()))?;
        match tokio::time::timeout(TIMEOUT, self.transport.send(message)).await {
            Ok(sent) => {
                sent?;
                Ok(())
            }
            Err(_) => Err(MailError::TooLate),
        }
    }
}

/// Into a file, for development: whoever can read it can become any user who asked for a new password.
pub struct FileMailer {
    path: PathBuf,
}

impl FileMailer {
    /// Appends to that file, which is made readable for its owner alone.
    pub fn new(path: PathBuf) -> Self {
        FileMailer { path }
    }
}

#[async_trait]
impl Mailer for FileMailer {
    async fn send(&self, Mail { to, subject, text }: Mail) -> Result<(), MailError> {
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut options = std::fs::OpenOptions::new();
            options.create(true).append(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(path)?;
            // It may have been there, for everybody to read.
            #[cfg(unix)]
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            file.write_all(format!("To: {to}\nSubject: {subject}\n\n{text}\n\n").as_bytes())
        });
        Ok(written.await.map_err(std::io::Error::other)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mail_servers() {
        // Builds on rustls, which looks for the system's certificates.
        assert!(SmtpMailer::new("smtp://localhost:2525", "Shop <shop@shop.example>").is_ok());
        for (url, from) in [("http://localhost", "a@b.example"), ("smtp://localhost", "nobody"), ("", "a@b.example")] {
            assert!(SmtpMailer::new(url, from).is_err(), "{url} {from}");
        }
    }
}
