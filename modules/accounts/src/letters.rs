//! The mails to users: what each is about, and its text.

use hotshelf_domain::{Email, Role};

use crate::mailer::Mail;
use crate::token::Token;

/// The pages that mails lead to; the token is appended to each. Without a page, a mail names the operation of its
/// token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailLinks {
    /// Takes a new password.
    pub reset: Option<String>,
    /// Takes the password, and verifies the address.
    pub verification: Option<String>,
    /// Takes the registration of somebody who was invited.
    pub invitation: Option<String>,
}

/// A mail that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Letter {
    /// Lets the user of the first of these addresses that somebody has choose a password.
    Password(Vec<Email>, Occasion),
    /// Lets the user of that address prove it, if there is one who has not.
    Proof(Email),
    /// Lets whoever reads it register.
    Invitation {
        to: Email,
        /// The address of who invites.
        by: String,
        token: Token,
    },
    /// Tells the user of that address what has happened to the account.
    Notice(Email, Notice),
}

/// What a user is told of, in case it was somebody else. Without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    PasswordChanged,
    PasswordReset,
    /// By the name that it was given.
    KeyCreated(String),
    RoleChanged(Role),
}

/// Why somebody may choose a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// Somebody said to have forgotten it.
    Forgotten,
    /// An admin has added the user, who has none yet.
    Added,
}

impl MailLinks {
    pub(crate) fn password(&self, to: Email, occasion: Occasion, token: &Token) -> Mail {
        let (subject, reason) = match occasion {
            Occasion::Forgotten => ("Choose a new password", "Somebody, hopefully you, has asked for a new password."),
            Occasion::Added => ("Choose your password", "You were added as a user."),
        };
        let how = how(&self.reset, "POST it with a password to /api/v1/auth/reset-password", token);
        let text = format!("{reason} Within an hour, you can choose one, once:\n\n{how}");
        mail(to, subject, &text)
    }

    pub(crate) fn proof(&self, to: Email, token: &Token) -> Mail {
        let how = how(&self.verification, "POST it with your password to /api/v1/auth/verify", token);
        let text = format!(
            "Somebody, hopefully you, has registered with this address. Within a day, you can confirm that, with the \
             password that you chose:\n\n{how}"
        );
        mail(to, "Confirm your address", &text)
    }

    pub(crate) fn invitation(&self, to: Email, by: &str, token: &Token) -> Mail {
        let how = how(
            &self.invitation,
            "POST it as `invitation`, with your e-mail address and a password, to /api/v1/auth/register",
            token,
        );
        let text = format!("{by} has invited you. Within a week, you can register, once:\n\n{how}");
        mail(to, "You are invited", &text)
    }
}

pub(crate) fn notice(to: Email, notice: &Notice) -> Mail {
    let (subject, what) = match notice {
        Notice::PasswordChanged => {
            ("Your password was changed", "Your password was changed. Your other sessions have ended.".to_owned())
        }
        Notice::PasswordReset => {
            let what = "Your password was reset by a mail. All sessions, API keys and invitations of yours have ended.";
            ("Your password was reset", what.to_owned())
        }
        // The name may have lines of its own, which must not look like parts of the mail.
        Notice::KeyCreated(name) => ("A new API key", format!("A new API key was created for you: {name:?}.")),
        Notice::RoleChanged(role) => ("Your role has changed", format!("An admin has made you {role}.")),
    };
    let text = format!("{what}\n\nIf it was not you, choose a new password, and ask an admin of your organization.\n");
    Mail { to, subject: subject.to_owned(), text }
}

fn how(page: &Option<String>, operation: &str, token: &Token) -> String {
    match page {
        Some(page) => format!("{page}{}", token.expose()),
        None => format!("{operation}:\n\n{}", token.expose()),
    }
}

fn mail(to: Email, subject: &str, text: &str) -> Mail {
    let text = format!("{text}\n\nIf it was not you, nothing has to be done.\n");
    Mail { to, subject: subject.to_owned(), text }
}
