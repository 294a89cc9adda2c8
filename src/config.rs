//! What an operator can set. The table in [`settings`] defines each setting once: parsing, `--help`, `check-config` and
//! the pages follow it. Environment variables win over an optional `hotshelf.toml`, which wins over the defaults.
//!
//! A [`Config`] consists of the options of the crates. Every value in it is valid: an invalid one stops the start, with
//! one line that names the variable, the value, its origin and what is expected.

mod definition;
mod effects;
mod options;
mod parse;
mod print;
mod problem;
mod settings;
mod sources;
mod visibility;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hotshelf_accounts::{AccountOptions, IssuedOptions, MailOptions};
use hotshelf_api::ApiOptions;
use hotshelf_cache::CacheOptions;
use hotshelf_database::DatabaseOptions;
use hotshelf_issuer::IssuerOptions;
use hotshelf_product::{Ttls, WarmOptions};
use hotshelf_ratelimit::RateLimitOptions;
use hotshelf_telemetry::TraceOptions;

use crate::logging::LogOptions;

pub(crate) use print::{example, help, markdown};
pub(crate) use problem::Problem;
use settings::Settings;
pub(crate) use sources::Values;

/// The whole configuration of one process.
pub(crate) struct Config {
    pub(crate) api: ApiOptions,
    pub(crate) database: DatabaseOptions,
    pub(crate) cache: CacheOptions,
    pub(crate) ttls: Ttls,
    /// Entries compared with the database each second; 0 turns the audit off.
    pub(crate) audit_rate: f64,
    pub(crate) audit_kept: Duration,
    pub(crate) accounts: AccountOptions,
    /// The outside issuer whose tokens are accepted, and the meaning of their claims.
    pub(crate) issued: Option<(IssuerOptions, IssuedOptions)>,
    pub(crate) mail: MailOptions,
    pub(crate) warm: WarmOptions,
    pub(crate) rate_limits: RateLimitOptions,
    pub(crate) log: LogOptions,
    /// Where traces go, if anywhere.
    pub(crate) traces: Option<TraceOptions>,
    /// How long a stop may take.
    pub(crate) shutdown_timeout: Duration,
    /// Whether to listen on any address although AUTH is off.
    pub(crate) allow_insecure: bool,
}

impl Config {
    /// Reads the process environment and the configuration file.
    ///
    /// Also returns the effective values with their origins, as `check-config` prints them. Fails with everything that
    /// is wrong at once, so that one start is enough to see it; no [`Problem`] contains a secret.
    pub(crate) fn load() -> Result<(Config, Values), Vec<Problem>> {
        let file = sources::find_file(std::env::var_os("HOTSHELF_CONFIG")).map_err(|problem| vec![problem])?;
        Config::from_sources(|name| std::env::var_os(name), file)
    }

    fn from_sources(
        lookup: impl Fn(&str) -> Option<OsString>,
        file: Option<PathBuf>,
    ) -> Result<(Config, Values), Vec<Problem>> {
        let mut values = Values::collect(lookup, file).map_err(|problem| vec![problem])?;
        let Some(settings) = Settings::read(&mut values) else { return Err(values.take_problems()) };
        let config = options::config(&settings, &mut values);
        let problems = values.take_problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        effects::note(&settings, &mut values);
        Ok((config, values))
    }

    /// Why the service refuses to listen, and what to do: without users, everybody who can reach an address that is not
    /// loopback could change the catalogue.
    pub(crate) fn insecure_bind_error(&self) -> Option<String> {
        let host = &self.api.host;
        (self.is_open_to_all() && !self.allow_insecure).then(|| {
            format!(
                "AUTH=off contradicts HTTP_HOST={host}: everybody who can reach it could change the catalogue. Set \
                 AUTH=on, or AUTH_OFF_ANYWAY=true if a proxy in front of the service authorizes requests"
            )
        })
    }

    /// What to say of it if the service listens all the same.
    pub(crate) fn insecure_bind_warning(&self) -> Option<String> {
        let host = &self.api.host;
        let warning = || format!("AUTH=off with HTTP_HOST={host}: everybody who can reach it can change the catalogue");
        self.is_open_to_all().then(warning)
    }

    fn is_open_to_all(&self) -> bool {
        self.api.users.is_none() && !is_loopback(&self.api.host)
    }
}

/// Whether only this machine reaches a service that listens there.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
