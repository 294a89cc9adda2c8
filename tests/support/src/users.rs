//! Operations on users, for tests.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::Client;
use crate::service::ServiceBuilder;
use crate::wait::{PATIENCE, wait_until};

/// The password of all users.
pub const PASSWORD: &str = "correct horse battery";

/// The path of all users.
pub const USERS: &str = "/api/v1/users";

/// Settings of a service with users, with limits high enough for the logins of tests.
pub const USERS_ON: [(&str, &str); 5] = [
    ("AUTH", "on"),
    ("RATE_LIMIT_LOGIN", "1000000/1m"),
    ("RATE_LIMIT_REGISTER", "1000000/1m"),
    ("RATE_LIMIT_FORGOT_PASSWORD", "1000000/1m"),
    ("RATE_LIMIT_TOKEN", "1000000/1m"),
];

/// Creates an admin of organization 1 in the database of these settings, as an operator does before the service starts.
///
/// # Panics
/// When the command fails.
pub fn create_admin(service: &ServiceBuilder, email: &str) {
    let made = service.command(&["admin", "create", "--email", email], &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A client that sends the token of a new session.
pub async fn log_in(client: &Client, email: &str) -> Client {
    let credentials = json!({"email": email, "password": PASSWORD});
    let session = client.post("/api/v1/auth/login").json(&credentials).await.expect(200).json();
    client.with_token(session["token"].as_str().expect("a token"))
}

/// The user after a registration. The address is not verified.
pub async fn register(client: &Client, email: &str, organization: &str) -> Value {
    let registration = json!({"email": email, "password": PASSWORD, "organization": organization});
    client.post("/api/v1/auth/register").json(&registration).await.expect(201).json()["user"].take()
}

/// The last token of that kind in a mail to that address, as soon as there is one: `hsr_…` lets the reader choose a
/// password, `hsv_…` proves an address, `hsi_…` invites.
pub async fn mailed(mails: &Path, email: &str, kind: &str) -> String {
    let find = || {
        let mails = std::fs::read_to_string(mails).unwrap_or_default();
        let letters = mails.split("To: ").filter_map(|letter| letter.strip_prefix(&format!("{email}\n")));
        let words = letters.flat_map(|letter| letter.split(|byte: char| byte.is_whitespace() || byte == '='));
        words.filter(|word| word.starts_with(kind)).last().map(str::to_owned)
    };
    wait_until("the mail is there", PATIENCE, async || find().is_some()).await;
    find().expect("the mail stays")
}

/// Verifies the address of a user who has registered, on a service that writes its mails to that file.
pub async fn verify(client: &Client, mails: &Path, email: &str) {
    let proof = json!({"token": mailed(mails, email, "hsv_").await, "password": PASSWORD});
    client.post("/api/v1/auth/verify").json(&proof).await.expect(204);
}

/// The user after an admin has added it to the organization.
pub async fn add_user(admin: &Client, email: &str, role: &str) -> Value {
    let user = json!({"email": email, "role": role, "password": PASSWORD});
    admin.post(USERS).json(&user).await.expect(201).json()["user"].take()
}

/// A client that sends the token of a new API key with that role.
pub async fn api_key(client: &Client, role: &str) -> Client {
    let key = json!({"name": "a program", "role": role});
    let made = client.post("/api/v1/auth/api-keys").json(&key).await.expect(201).json();
    client.with_token(made["token"].as_str().expect("a token"))
}
