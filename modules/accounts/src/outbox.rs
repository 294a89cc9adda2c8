//! Letters go out in the background, so that how long a request takes does not tell whether there is such a user.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use hotshelf_database::Database;
use hotshelf_domain::{Email, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::AuthError;
use crate::mailer::{Mail, Mailer};
use crate::metrics::AccessMetrics;
use crate::token::{Token, TokenKind};

/// Letters that may wait; whoever wants to send one more is told that it cannot be now.
const MOST_WAITING: usize = 256;
/// For what is waiting at the stop.
const LAST_ROUND: Duration = Duration::from_secs(5);
/// Before each further attempt at one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long a permission to choose a password is good.
const RESET_LIFE: TimeDelta = TimeDelta::hours(1);

/// Why somebody gets a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Somebody said to have forgotten the password.
    Forgotten,
    /// An admin has added the user, who has no password yet.
    Added,
}

#[derive(Clone)]
pub(crate) struct Outbox {
    queue: mpsc::Sender<(Email, Occasion)>,
}

/// For one letter. Dropped, it is free.
#[derive(Debug)]
pub(crate) struct Place(mpsc::OwnedPermit<(Email, Occasion)>);

/// What the letters are written with.
pub(crate) struct Desk {
    pub(crate) accounts: Database,
    pub(crate) mailer: Arc<dyn Mailer>,
    /// The page that takes the token, to which it is appended.
    pub(crate) reset_url: Option<String>,
    pub(crate) metrics: AccessMetrics,
    letters: mpsc::Receiver<(Email, Occasion)>,
}

impl Outbox {
    pub(crate) fn new(
        accounts: Database,
        mailer: Arc<dyn Mailer>,
        reset_url: Option<String>,
        metrics: AccessMetrics,
    ) -> (Self, Desk) {
        let (queue, letters) = mpsc::channel(MOST_WAITING);
        (Outbox { queue }, Desk { accounts, mailer, reset_url, metrics, letters })
    }

    /// A place for one letter, taken before anything is promised.
    ///
    /// # Errors
    /// [`AuthError::TooMuchMail`].
    pub(crate) fn place(&self) -> Result<Place, AuthError> {
        self.queue.clone().try_reserve_owned().map(Place).map_err(|_| AuthError::TooMuchMail)
    }
}

impl Place {
    /// Lets the user of that address, if there is one, choose a password.
    pub(crate) fn invite(self, email: Email, occasion: Occasion) {
        self.0.send((email, occasion));
    }
}

impl Desk {
    /// Until it is told to stop; what is waiting then is still sent, each with one attempt, as far as there is time.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        while let Some(letter) = stopping.run_until_cancelled(self.letters.recv()).await.flatten() {
            self.handle(letter, &stopping).await;
        }
        self.letters.close();
        let rest = async {
            while let Some(letter) = self.letters.recv().await {
                self.handle(letter, &stopping).await;
            }
        };
        if tokio::time::timeout(LAST_ROUND, rest).await.is_err() {
            tracing::warn!("the mail server is too slow for the mails that were waiting; they are dropped");
        }
    }

    async fn handle(&self, (email, occasion): (Email, Occasion), stopping: &CancellationToken) {
        match self.write(&email, occasion).await {
            Ok(Some(mail)) => self.send(mail, stopping).await,
            Ok(None) => tracing::info!("a password was asked for, for an address that nobody has"),
            Err(error) => tracing::warn!(%error, "a mail could not be written"),
        }
    }

    async fn write(&self, email: &Email, occasion: Occasion) -> Result<Option<Mail>, StoreError> {
        let Some((user, _)) = self.accounts.credentials(email.clone()).await? else { return Ok(None) };
        let token = Token::new(TokenKind::Reset);
        self.accounts.allow_reset(user.id, token.hash(), Utc::now() + RESET_LIFE).await?;
        let (subject, reason) = match occasion {
            Occasion::Forgotten => ("Choose a new password", "Somebody, hopefully you, has asked for a new password."),
            Occasion::Added => ("Choose your password", "You were added as a user."),
        };
        let how = match &self.reset_url {
            Some(url) => format!("{url}{}", token.expose()),
            None => format!("POST it with a password to /api/v1/auth/reset-password:\n\n{}", token.expose()),
        };
        let text = format!(
            "{reason} Within an hour, you can choose one, once:\n\n{how}\n\nIf it was not you, nothing has to be done.\n"
        );
        Ok(Some(Mail { to: email.clone(), subject: subject.to_owned(), text }))
    }

    async fn send(&self, mail: Mail, stopping: &CancellationToken) {
        let mut pauses = PAUSES.into_iter();
        loop {
            let Err(error) = self.mailer.send(mail.clone()).await else { return self.metrics.mail(true) };
            let again = match pauses.next() {
                Some(_) if error.is_final() => false,
                Some(pause) => stopping.run_until_cancelled(tokio::time::sleep(pause)).await.is_some(),
                None => false,
            };
            if !again {
                self.metrics.mail(false);
                return tracing::error!(%error, "a mail did not go out");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_has_its_place_before_it_is_promised() {
        let (queue, mut letters) = mpsc::channel(2);
        let outbox = Outbox { queue };
        let first = outbox.place().unwrap();
        let unused = outbox.place().unwrap();
        assert!(matches!(outbox.place(), Err(AuthError::TooMuchMail)));
        drop(unused);
        let second = outbox.place().unwrap();
        let ann: Email = "ann@shop.example".parse().unwrap();
        first.invite(ann.clone(), Occasion::Added);
        assert!(matches!(outbox.place(), Err(AuthError::TooMuchMail)), "it waits");
        assert_eq!(letters.try_recv().unwrap(), (ann, Occasion::Added));
        drop((second, outbox.place().unwrap()));
    }
}
