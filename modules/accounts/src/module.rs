use std::time::Duration;

use chrono::{TimeDelta, Utc};
use hotshelf_lifecycle::{Failure, Health, Module, async_trait};
use tokio::time::sleep;

use crate::auth::Auth;
use crate::error::AuthError;

/// Between two writes of when API keys were used.
const KEY_USES_INTERVAL: Duration = Duration::from_secs(10);
/// After a write of uses of sessions that failed.
const SESSION_USES_RETRY: Duration = Duration::from_secs(2);
/// How long an API key that has ended is still listed, so that its owner finds out why it is refused.
const ENDED_KEYS_KEPT: TimeDelta = TimeDelta::days(30);
/// Between two looks at the sessions and users that have ended by themselves.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

#[async_trait]
impl Module for Auth {
    /// Begins the work in the background. What waits at the stop is still written, and mailed.
    async fn start(&self) -> Result<(), Failure> {
        let tasks = &self.0.tasks;
        if let Some(mail_worker) = self.0.mail_worker.lock().take() {
            tasks.spawn_loop("mail", mail_worker.run(tasks.stopping()));
        }
        if let Some(issued) = &self.0.issued {
            tasks.spawn_loop("keys of the issuer", issued.issuer.clone().run(tasks.stopping()));
        }
        let (auth, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_loop("API key uses", async move {
            while stopping.run_until_cancelled(sleep(KEY_USES_INTERVAL)).await.is_some() {
                auth.write_key_uses().await;
            }
            auth.write_key_uses().await;
        });
        let (auth, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_loop("session extension", async move {
            while stopping.run_until_cancelled(auth.0.session_uses.gathered()).await.is_some() {
                while !auth.write_session_uses().await
                    && stopping.run_until_cancelled(sleep(SESSION_USES_RETRY)).await.is_some()
                {}
            }
            auth.write_session_uses().await;
        });
        let (auth, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn_loop("account housekeeping", async move {
            loop {
                auth.keep_house().await;
                if stopping.run_until_cancelled(sleep(HOUSEKEEPING)).await.is_none() {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        match self.0.tasks.stop(timeout).await {
            true => Ok(()),
            false => Err("mails, or uses of sessions, were still to be written".into()),
        }
    }

    async fn health(&self) -> Health {
        match self.0.tasks.ended_early().first() {
            Some(task) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            None => match self.0.issued.as_ref().and_then(|issued| issued.issuer.trouble()) {
                Some(trouble) => Health::degraded(trouble),
                None => Health::healthy("knowing users"),
            },
        }
    }
}

impl Auth {
    async fn write_key_uses(&self) -> bool {
        let database = &self.0.database;
        self.0.key_uses.write(|uses| database.note_api_keys(uses)).await
    }

    /// Past the protocol of the cache: a cached session that is over is not believed (see `Auth::find`).
    async fn write_session_uses(&self) -> bool {
        let (database, max_ttl) = (&self.0.database, self.0.session_uses.max_ttl());
        let used = |uses: Vec<_>| uses.into_iter().map(|(_, used)| used).collect();
        let extend = |uses| database.extend_sessions(used(uses), max_ttl);
        self.0.session_uses.uses.write(extend).await
    }

    async fn keep_house(&self) {
        let kept = async {
            while self.0.database.forget_ended().await? > 0 {}
            while self.0.database.forget_api_keys(Utc::now() - ENDED_KEYS_KEPT).await? > 0 {}
            self.end_unverified().await?;
            Ok::<_, AuthError>(self.0.database.live_sessions().await?)
        };
        match kept.await {
            Ok(live) => self.0.metrics.sessions_live.set(live),
            Err(error) => tracing::debug!(%error, "what has ended could not be forgotten; trying again"),
        }
    }
}
