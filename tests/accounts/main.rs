//! Authentication and authorization: users, sessions, API keys, and the isolation of organizations. The real binary
//! with `AUTH=on`, over HTTP.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

mod abuse;
mod accounts;
mod api_keys;
mod audit;
mod caching;
mod ends;
mod fixture;
mod forgery;
mod instances;
mod invitations;
mod isolation;
mod organizations;
mod password_rules;
mod passwords;
mod quotas;
mod registration;
mod report;
mod sessions;
mod table;
mod tokens;

use hotshelf_testkit::{Service, ServiceBuilder};

fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}
