//! Settings on outside issuers of tokens, and on the seal of what Redis holds: one wrong value makes one line.

use super::Hotshelf;

const WHOLE: [(&str, &str); 5] = [
    ("AUTH", "on"),
    ("JWT_ISSUER", "https://id.example"),
    ("JWT_JWKS", "https://id.example/keys"),
    ("JWT_AUDIENCE", "hotshelf"),
    ("JWT_ORGANIZATION_CLAIM", "org"),
];

/// With one setting of the whole changed.
fn with((name, value): (&str, &str)) -> Hotshelf {
    let kept = WHOLE.iter().filter(|(known, _)| *known != name);
    kept.fold(Hotshelf::check_config(), |started, (name, value)| started.env(name, value)).env(name, value)
}

#[test]
fn a_wrong_setting_of_an_issuer_makes_one_line() {
    with(("JWT_CREATE_USERS", "false")).table();
    let roles = "pairs such as shop-admin=admin, separated by commas";
    let place = "an https:// URL, an http:// URL on this machine, or the path of a file";
    let algorithms = "some of RS256, ES256 and EdDSA, separated by commas";
    for (name, value, why) in [
        ("JWT_JWKS", "ftp://id.example/keys", format!("expected {place}")),
        ("JWT_SKEW", "2h", "expected a duration from 0s to 1h, such as 60s".to_owned()),
        ("JWT_JWKS_REFRESH", "0s", "expected a duration from 1s to 30days, such as 90s, 5m or 1h30m".to_owned()),
        ("JWT_ALGORITHMS", "HS256", format!("expected {algorithms}")),
        ("JWT_ALGORITHMS", "RS256,none", format!("expected {algorithms}")),
        ("JWT_AUDIENCE", "a,,b", "expected names separated by commas".to_owned()),
        ("JWT_ROLES", "boss=owner", format!("expected {roles}")),
        ("JWT_ROLES", "boss", format!("expected {roles}")),
        ("JWT_CREATE_USERS", "perhaps", "expected true, false, 1 or 0".to_owned()),
    ] {
        with((name, value)).assert_refused(&[&format!("{name}={value:?} (environment): {why}")]);
    }
}

#[test]
fn an_issuer_needs_all_that_makes_its_tokens_safe() {
    let http = "http:// is allowed for this machine only: somebody in the network could replace the keys";
    let audience = "JWT_ISSUER needs a name of this service, or tokens for others would be accepted";
    for (setting, line) in [
        (("JWT_JWKS", ""), "JWT_JWKS=\"\" (default): JWT_ISSUER needs the keys of the issuer".to_owned()),
        (("JWT_AUDIENCE", ""), format!("JWT_AUDIENCE=\"\" (default): {audience}")),
        (("JWT_JWKS", "http://id.example/keys"), format!("JWT_JWKS=\"http://id.example/keys\" (environment): {http}")),
        (
            ("JWT_ROLES", "boss=admin,boss=viewer"),
            "JWT_ROLES=\"boss=admin,boss=viewer\" (environment): the role `boss` occurs twice".to_owned(),
        ),
    ] {
        with(setting).assert_refused(&[&line]);
    }
    let why = "needs JWT_ORGANIZATION_CLAIM: a new user has to belong to an organization";
    let homeless = with(("JWT_ORGANIZATION_CLAIM", "")).env("REGISTRATION", "off").env("JWT_CREATE_USERS", "true");
    homeless.assert_refused(&[&format!("JWT_CREATE_USERS=\"true\" (environment): {why}")]);
}

/// An admin's word for an address is that of everybody where everybody may become an admin.
#[test]
fn open_registration_needs_an_organization_in_the_tokens() {
    let without = || {
        let kept = WHOLE.iter().filter(|(name, _)| *name != "JWT_ORGANIZATION_CLAIM");
        kept.fold(Hotshelf::check_config(), |started, (name, value)| started.env(name, value))
    };
    let why = "JWT_ISSUER needs it, or REGISTRATION=invite or off: with open registration, a stranger can add \
        anybody's address to an organization, where the tokens of that person would be accepted";
    let line = format!("JWT_ORGANIZATION_CLAIM=\"\" (default): {why}");
    // On this machine, registration is open by default.
    without().assert_refused(&[&line]);
    without().env("HTTP_HOST", "0.0.0.0").env("REGISTRATION", "open").assert_refused(&[&line]);
    for closed in ["invite", "off"] {
        without().env("REGISTRATION", closed).table();
    }
    without().env("HTTP_HOST", "0.0.0.0").table();
    with(("REGISTRATION", "open")).table();
}

#[test]
fn the_secret_of_the_seal_is_long_and_stays_hidden() {
    let secret = "0123456789abcdef0123456789abcdef";
    let table = Hotshelf::check_config().env("REDIS_SEAL_KEY", secret).table();
    assert_eq!(table.row("REDIS_SEAL_KEY"), ("***", "environment"));
    let expected = "expected at least 32 characters, such as the output of `openssl rand -hex 32`";
    let line = format!("REDIS_SEAL_KEY=\"***\" (environment): {expected}");
    Hotshelf::check_config().env("REDIS_SEAL_KEY", &secret[1..]).assert_refused(&[&line]);
}
