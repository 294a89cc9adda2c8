//! The users that exist before the workload begins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hotshelf_testkit::Client;
use hotshelf_testkit::users::{self, USERS, add_user};
use serde_json::Value;

/// The largest number of sessions of one user; one more ends the oldest.
pub(super) const MOST_SESSIONS: usize = 100;
/// The user with that number of sessions.
pub(super) const CROWD: &str = "crowd@one.example";
/// The user that creates API keys, removes them, and resets the password.
pub(super) const KEEPER: &str = "keeper@one.example";

pub(crate) struct Staff {
    pub(super) users: [StaffUser; 2],
    /// The tokens of the sessions of [`CROWD`] whose login was acknowledged, by the ids of the sessions.
    pub(super) crowd: Mutex<BTreeMap<i64, String>>,
    /// The admin of an organization that is suspended and resumed.
    pub(super) tenant: StaffUser,
    /// The file with the mails.
    mail: PathBuf,
}

/// What changes the rights of a user, by its path, and the token with which the instances are tried.
pub(super) struct StaffUser {
    pub(super) path: String,
    pub(super) token: String,
}

impl Staff {
    /// Adds the users by an admin, on a service that writes its mails to that file.
    pub(crate) async fn hire(admin: &Client, mail: &Path) -> Self {
        add_user(admin, KEEPER, "viewer").await;
        add_user(admin, CROWD, "viewer").await;
        let mut crowd = BTreeMap::new();
        for _ in 0..MOST_SESSIONS {
            let client = users::log_in(admin, CROWD).await;
            let session = client.get("/api/v1/auth/session").await.expect(200).json();
            crowd.insert(id_of(&session["session"]), client.token().expect("a token").to_owned());
        }
        Staff {
            users: [StaffUser::hire(admin, 1).await, StaffUser::hire(admin, 2).await],
            crowd: Mutex::new(crowd),
            tenant: StaffUser::settle(admin).await,
            mail: mail.to_owned(),
        }
    }

    /// The tokens that were mailed to [`KEEPER`] so far: no other user gets any.
    pub(super) fn mailed(&self) -> Vec<String> {
        let mails = std::fs::read_to_string(&self.mail).unwrap_or_default();
        mails.split_whitespace().filter(|word| word.starts_with("hsr_")).map(str::to_owned).collect()
    }
}

impl StaffUser {
    /// Registers, with an organization, whose path is kept.
    async fn settle(client: &Client) -> Self {
        let user = users::register(client, "tenant@two.example", "Two").await;
        let token = users::log_in(client, "tenant@two.example").await.token().expect("a token").to_owned();
        StaffUser { path: format!("/api/v1/organizations/{}", user["organization_id"]), token }
    }

    async fn hire(admin: &Client, number: usize) -> Self {
        let email = format!("clerk{number}@one.example");
        let user = add_user(admin, &email, "editor").await;
        let token = users::log_in(admin, &email).await.token().expect("a token").to_owned();
        StaffUser { path: format!("{USERS}/{}", user["id"]), token }
    }
}

/// The id in an answer.
pub(super) fn id_of(answer: &Value) -> i64 {
    answer["id"].as_i64().expect("an id")
}

pub(super) fn token_of(answer: &Value) -> String {
    answer["token"].as_str().expect("a token").to_owned()
}
