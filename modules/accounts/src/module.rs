use std::time::Duration;

use hotshelf_lifecycle::{Failure, Health, Module, async_trait};

use crate::auth::Auth;

#[async_trait]
impl Module for Auth {
    async fn start(&self) -> Result<(), Failure> {
        Auth::start(self);
        Ok(())
    }

    async fn stop(&self, timeout: Duration) -> Result<(), Failure> {
        if Auth::stop(self, timeout).await {
            Ok(())
        } else {
            Err("mails, or uses of sessions, were still to be written".into())
        }
    }

    async fn health(&self) -> Health {
        match self.ended_task() {
            Some(task) => Health::unhealthy(format!("task `{task}` has died; restart the service")),
            None => Health::healthy("knowing users"),
        }
    }
}
