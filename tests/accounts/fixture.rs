//! A service with users in two organizations.

use std::ops::Deref;
use std::path::PathBuf;

use hotshelf_testkit::users::{USERS_ON, add_user, create_admin, log_in, register, verify};
use hotshelf_testkit::{Client, Service};
use serde_json::Value;
use tempfile::TempDir;

use crate::hotshelf;

/// One service, and a client for each kind of user.
pub(crate) struct Fixture {
    pub(crate) service: Service,
    /// The admin of organization 1, who runs the service.
    pub(crate) admin: Client,
    pub(crate) editor: Client,
    pub(crate) viewer: Client,
    /// The admin of another organization.
    pub(crate) other: Client,
    pub(crate) other_organization: i64,
    pub(crate) directory: TempDir,
}

impl Fixture {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub(crate) async fn open_with(settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let plain = hotshelf().database(&directory.path().join("products.db"));
        let plain = plain.env("MAIL_FILE", directory.path().join("mail.log").display());
        let plain = plain.backend("memory");
        let builder = USERS_ON.iter().chain(settings).fold(plain, |plain, (name, value)| plain.env(name, value));
        create_admin(&builder, "admin@one.example");
        let service = builder.start().await;
        let admin = log_in(&service, "admin@one.example").await;
        for role in ["editor", "viewer"] {
            add_user(&admin, &format!("{role}@one.example"), role).await;
        }
        let stranger = register(&service, "admin@two.example", "Two").await;
        verify(&service, &directory.path().join("mail.log"), "admin@two.example").await;
        Fixture {
            editor: log_in(&service, "editor@one.example").await,
            viewer: log_in(&service, "viewer@one.example").await,
            other: log_in(&service, "admin@two.example").await,
            other_organization: stranger["organization_id"].as_i64().unwrap(),
            admin,
            service,
            directory,
        }
    }

    /// The mails that were sent so far.
    pub(crate) fn mail(&self) -> String {
        std::fs::read_to_string(self.mails()).unwrap_or_default()
    }

    /// The file with the mails.
    pub(crate) fn mails(&self) -> PathBuf {
        self.directory.path().join("mail.log")
    }
}

impl Deref for Fixture {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// The user of the client's token.
pub(crate) async fn me(client: &Client) -> Value {
    client.get("/api/v1/auth/session").await.expect(200).json()["user"].take()
}
