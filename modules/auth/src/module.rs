use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hotshelf_cache::Cache;
use hotshelf_domain::{ProductRepository, StoreError};
use hotshelf_lifecycle::{Failure, Health, Module, Services, async_trait};
use hotshelf_session::{SessionOptions, Sessions};
use hotshelf_stats::Stats;

use crate::auth::Auth;
use crate::mailer::{FileMailer, Mailer, SmtpMailer};

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

/// What [`Auth`] is made with.
#[derive(Clone)]
pub struct AuthOptions {
    /// Where mail goes.
    pub mail: MailOptions,
    /// The page that takes the token for a new password, to which it is appended.
    pub reset_url: Option<String>,
    /// How long copies of API keys live: as those of sessions.
    pub lives: SessionOptions,
}

/// The life of [`Auth`], which it offers to the other modules.
pub struct AuthModule {
    options: AuthOptions,
    auth: OnceLock<Auth>,
}

impl AuthModule {
    /// Looks at nothing yet.
    pub fn new(options: AuthOptions) -> Self {
        AuthModule { options, auth: OnceLock::new() }
    }
}

#[async_trait]
impl Module for AuthModule {
    fn name(&self) -> &'static str {
        "auth"
    }

    async fn init(&self, services: &mut Services) -> Result<(), Failure> {
        let cache = services.require::<Cache<StoreError>>("cache")?;
        let accounts = services.require::<ProductRepository>("database")?.accounts();
        let sessions = services.require::<Sessions>("session")?;
        let stats = services.require::<Stats>("stats")?;
        let AuthOptions { mail, reset_url, lives } = self.options.clone();
        let mailer: Arc<dyn Mailer> = match mail {
            MailOptions::Smtp { url, from } => Arc::new(SmtpMailer::new(&url, &from)?),
            MailOptions::File(path) => {
                tracing::warn!(path = %path.display(), "mails go into a file, since SMTP_URL is not set");
                Arc::new(FileMailer::new(path))
            }
        };
        let auth = Auth::new(cache, accounts, sessions, lives, mailer, reset_url, &stats)?;
        services.provide(auth.clone())?;
        let _ = self.auth.set(auth);
        Ok(())
    }

    async fn start(&self) -> Result<(), Failure> {
        self.auth.get().ok_or("started before it was initialized")?.start();
        Ok(())
    }

    async fn stop(&self, patience: Duration) -> Result<(), Failure> {
        match self.auth.get() {
            Some(auth) if !auth.stop(patience).await => Err("mails were still waiting".into()),
            _ => Ok(()),
        }
    }

    async fn health(&self) -> Health {
        match self.auth.get().map(Auth::ended_task) {
            None => Health::unhealthy("not initialized"),
            Some(Some(task)) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            Some(None) => Health::healthy("knowing users"),
        }
    }
}
