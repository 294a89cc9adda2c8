//! The users who are there before the work begins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hotshelf_testkit::Client;
use hotshelf_testkit::users::{self, USERS, add_user};
use serde_json::Value;

/// Sessions of one user, of which the oldest leaves for one more.
pub(super) const MOST_SESSIONS: usize = 100;
/// Who has as many.
pub(super) const CROWD: &str = "crowd@one.example";
/// Who makes API keys, removes them, and forgets the password.
pub(super) const KEEPER: &str = "keeper@one.example";

pub(crate) struct Staff {
    pub(super) users: [StaffUser; 2],
    /// The tokens of the sessions of [`CROWD`] whose login was acknowledged, by the ids of the sessions.
    pub(super) crowd: Mutex<BTreeMap<i64, String>>,
    /// Where the mails go.
    mail: PathBuf,
}

/// Whom the roles are taken from and given to, and with which token the instances are tried.
pub(super) struct StaffUser {
    pub(super) path: String,
    pub(super) token: String,
}

impl Staff {
    /// Hired by an admin, of a service whose mails go to that file.
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
            mail: mail.to_owned(),
        }
    }

    /// The tokens that were mailed to [`KEEPER`] so far: nobody else gets any.
    pub(super) fn mailed(&self) -> Vec<String> {
        let mails = std::fs::read_to_string(&self.mail).unwrap_or_default();
        mails.split_whitespace().filter(|word| word.starts_with("hsr_")).map(str::to_owned).collect()
    }
}

impl StaffUser {
    async fn hire(admin: &Client, number: usize) -> Self {
        let email = format!("clerk{number}@one.example");
        let user = add_user(admin, &email, "editor").await;
        let token = users::log_in(admin, &email).await.token().expect("a token").to_owned();
        StaffUser { path: format!("{USERS}/{}", user["id"]), token }
    }
}

/// Of what the service has answered.
pub(super) fn id_of(answer: &Value) -> i64 {
    answer["id"].as_i64().expect("an id")
}

pub(super) fn token_of(answer: &Value) -> String {
    answer["token"].as_str().expect("a token").to_owned()
}
