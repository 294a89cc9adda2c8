//! How mail gets to users: by SMTP, or, where nobody has set that up, into a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotshelf_domain::Email;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::Error as SmtpError;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

/// What one conversation with a mail server may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A mail to one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) to: Email,
    /// One line.
    pub(crate) subject: String,
    /// Plain text.
    pub(crate) text: String,
}

/// Why a mail did not go out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// The address is one that mail servers do not take.
    #[error("{0} cannot be written to: {1}")]
    Address(Email, String),
    /// The server refused it or was not there.
    #[error("the mail server failed: {0}")]
    Smtp(#[from] SmtpError),
    /// The file did not take it.
    #[error("the file did not take the mail: {0}")]
    File(#[from] io::Error),
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
        /// As in `smtps://user:password@mail.example:465`, or `smtp://…?tls=required`.
        url: String,
        /// Whom the mails are from.
        from: String,
    },
    /// Into that file, for development: whoever can read it can become any user who asked for a new password.
    File(PathBuf),
}

impl MailOptions {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// When the URL is not that of a mail server, or the sender no address. The message does not repeat the URL, which
    /// may have a password.
    pub fn mailer(self) -> Result<Mailer, String> {
        match self {
            MailOptions::Smtp { url, from } => {
                let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url)
                    .map_err(|error| format!("is no address of a mail server: {error}"))?
                    .timeout(Some(TIMEOUT))
                    .build();
                let from = from.parse().map_err(|error| format!("cannot send as {from}: {error}"))?;
                Ok(Mailer(Transport::Smtp { transport: Box::new(transport), from }))
            }
            MailOptions::File(path) => {
                tracing::warn!(path = %path.display(), "mails go into a file, since SMTP_URL is not set");
                Ok(Mailer(Transport::File(path)))
            }
        }
    }
}

/// Sends mail.
pub struct Mailer(Transport);

enum Transport {
    Smtp { transport: Box<AsyncSmtpTransport<Tokio1Executor>>, from: Mailbox },
    File(PathBuf),
}

impl Mailer {
    /// Returns when the mail is handed over.
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), MailError> {
        match &self.0 {
            Transport::Smtp { transport, from } => {
                let message = message(from.clone(), mail)?;
                let sent = tokio::time::timeout(TIMEOUT, transport.send(message)).await;
                sent.map_err(|_| MailError::TooLate)??;
            }
            Transport::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || append(&path, &mail)).await.map_err(io::Error::other)??;
            }
        }
        Ok(())
    }
}

fn message(from: Mailbox, Mail { to, subject, text }: Mail) -> Result<Message, MailError> {
    let address: Address = to.as_str().parse().map_err(|error| MailError::Address(to.clone(), format!("{error}")))?;
    Message::builder()
        .from(from)
        .to(Mailbox::new(None, address))
        .header(ContentType::TEXT_PLAIN)
        .subject(subject)
        .body(text)
        .map_err(|error| MailError::Address(to, error.to_string()))
}

/// The file is readable for its owner alone.
fn append(path: &Path, Mail { to, subject, text }: &Mail) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // It may have been there, for everybody to read.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(format!("To: {to}\nSubject: {subject}\n\n{text}\n\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_mail_servers() {
        // Builds on rustls, which looks for the system's certificates.
        let mailer = |url: &str, from: &str| MailOptions::Smtp { url: url.to_owned(), from: from.to_owned() }.mailer();
        assert!(mailer("smtp://localhost:2525", "Shop <shop@shop.example>").is_ok());
        for (url, from) in [("http://localhost", "a@b.example"), ("smtp://localhost", "nobody"), ("", "a@b.example")] {
            assert!(mailer(url, from).is_err(), "{url} {from}");
        }
    }
}
