//! Mails go out in the background, so that how long a request takes does not tell whether there is such a user.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use hotshelf_database::Database;
use hotshelf_domain::{Email, StoreError};
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::AuthError;
use crate::letters::{self, Letter, MailLinks, Notice};
use crate::mailer::{Mail, Mailer};
use crate::metrics::AccessMetrics;
use crate::notices::Notices;
use crate::token::{Token, TokenKind};

/// Mails that may wait; whoever wants to send one more is told that it cannot be now.
const MOST_WAITING: usize = 256;
/// For what is waiting at the stop.
const LAST_ROUND: Duration = Duration::from_secs(5);
/// Before each further attempt at one.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long a permission to choose a password is good.
const RESET_TTL: TimeDelta = TimeDelta::hours(1);
/// How long a proof of an address is good.
const PROOF_TTL: TimeDelta = TimeDelta::hours(24);

/// The mails that wait.
pub(crate) struct Outbox {
    queue: mpsc::Sender<Letter>,
    notices: Mutex<Notices>,
}

/// Writes and sends the mails.
pub(crate) struct MailWorker {
    database: Database,
    mailer: Mailer,
    links: MailLinks,
    metrics: AccessMetrics,
    mails: mpsc::Receiver<Letter>,
}

impl Outbox {
    pub(crate) fn new(
        database: Database,
        mailer: Mailer,
        links: MailLinks,
        metrics: AccessMetrics,
    ) -> (Self, MailWorker) {
        let (queue, mails) = mpsc::channel(MOST_WAITING);
        (Outbox { queue, notices: Mutex::default() }, MailWorker { database, mailer, links, metrics, mails })
    }

    /// Sends a mail about something that has happened, if there is room: what has happened stays so. Half of the places
    /// are for mails that somebody has asked for, and an address gets a few notices an hour, so that who makes many
    /// changes neither holds up the mails of others nor floods a mailbox.
    pub(crate) fn tell(&self, to: Email, notice: Notice) {
        if self.queue.capacity() <= MOST_WAITING / 2 {
            return tracing::warn!("too many mails are waiting: a user is not told of a change of the account");
        }
        if !self.notices.lock().admit(&to, Instant::now()) {
            return tracing::info!("a user is not told of one more change of the account");
        }
        if self.queue.try_send(Letter::Notice(to, notice)).is_err() {
            tracing::warn!("too many mails are waiting: a user is not told of a change of the account");
        }
    }

    /// A place for one mail, taken before anything is promised. Dropped, it is free.
    ///
    /// # Errors
    /// [`AuthError::TooMuchMail`].
    pub(crate) fn reserve(&self) -> Result<OwnedPermit<Letter>, AuthError> {
        self.queue.clone().try_reserve_owned().map_err(|_| AuthError::TooMuchMail)
    }
}

impl MailWorker {
    /// Until it is told to stop; what is waiting then is still sent, each with one attempt, as far as there is time.
    pub(crate) async fn run(mut self, stopping: CancellationToken) {
        while let Some(mail) = stopping.run_until_cancelled(self.mails.recv()).await.flatten() {
            self.handle(mail, &stopping).await;
        }
        self.mails.close();
        let rest = async {
            while let Some(mail) = self.mails.recv().await {
                self.handle(mail, &stopping).await;
            }
        };
        if tokio::time::timeout(LAST_ROUND, rest).await.is_err() {
            tracing::warn!("the mail server is too slow for the mails that were waiting; they are dropped");
        }
    }

    async fn handle(&self, letter: Letter, stopping: &CancellationToken) {
        match self.write(letter).await {
            Ok(Some(mail)) => self.send(mail, stopping).await,
            Ok(None) => tracing::info!("a mail was asked for, for an address that nobody has"),
            Err(error) => tracing::warn!(%error, "a mail could not be written"),
        }
    }

    /// `None` when nobody is to get it.
    async fn write(&self, letter: Letter) -> Result<Option<Mail>, StoreError> {
        Ok(match letter {
            Letter::Password(spellings, occasion) => {
                for email in spellings {
                    let Some((user, _)) = self.database.credentials(email).await? else { continue };
                    let token = Token::new(TokenKind::Reset);
                    self.database.allow_reset(user.id, token.hash(), Utc::now() + RESET_TTL).await?;
                    return Ok(Some(self.links.password(user.email, occasion, &token)));
                }
                None
            }
            Letter::Proof(to) => {
                let holder = self.database.credentials(to.clone()).await?;
                let Some((user, _)) = holder.filter(|(user, _)| !user.verified) else { return Ok(None) };
                let token = Token::new(TokenKind::Proof);
                self.database.allow_proof(user.id, token.hash(), Utc::now() + PROOF_TTL).await?;
                Some(self.links.proof(to, &token))
            }
            Letter::Notice(to, notice) => Some(letters::notice(to, &notice)),
            Letter::Invitation { to, by, token } => Some(self.links.invitation(to, &by, &token)),
        })
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
        let (queue, mut mails) = mpsc::channel(2);
        let outbox = Outbox { queue, notices: Mutex::default() };
        let first = outbox.reserve().unwrap();
        let unused = outbox.reserve().unwrap();
        assert!(matches!(outbox.reserve(), Err(AuthError::TooMuchMail)));
        drop(unused);
        let second = outbox.reserve().unwrap();
        let ann: Email = "ann@shop.example".parse().unwrap();
        first.send(Letter::Proof(ann.clone()));
        assert!(matches!(outbox.reserve(), Err(AuthError::TooMuchMail)), "it waits");
        assert_eq!(mails.try_recv().unwrap(), Letter::Proof(ann));
        drop((second, outbox.reserve().unwrap()));
    }

    #[test]
    fn notices_leave_half_of_the_places_to_others() {
        let (queue, _mails) = mpsc::channel(MOST_WAITING);
        let outbox = Outbox { queue, notices: Mutex::default() };
        for user in 0..MOST_WAITING {
            outbox.tell(format!("user{user}@shop.example").parse().unwrap(), Notice::PasswordChanged);
        }
        assert_eq!(outbox.queue.capacity(), MOST_WAITING / 2);
    }
}
