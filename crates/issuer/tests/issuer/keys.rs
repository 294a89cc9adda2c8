//! Which keys are used, and when they are read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_issuer::{Issuer, IssuerOptions, KeySource, Refused};
use hotshelf_testkit::token_issuer::{SigningKey, TokenIssuer, claims};
use hotshelf_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Setup, options};

#[tokio::test]
async fn unfit_keys_are_ignored() {
    let (rsa, ec) = (SigningKey::rsa("r", 0), SigningKey::ec("e"));
    let changed = |key: &SigningKey, name: &str, value: Value| {
        let mut published = key.published();
        published[name] = value;
        published
    };
    // 1,024 bits.
    let weak = changed(&rsa, "n", json!(URL_SAFE_NO_PAD.encode([0xc5; 128])));
    for (what, key, published) in [
        ("for encryption", &ec, changed(&ec, "use", json!("enc"))),
        ("of another algorithm", &ec, changed(&ec, "alg", json!("ES384"))),
        ("for signing alone", &ec, changed(&ec, "key_ops", json!(["sign"]))),
        ("of another curve", &ec, changed(&ec, "crv", json!("P-384"))),
        ("of no kind", &ec, changed(&ec, "kty", json!("oct"))),
        ("weak", &rsa, weak),
    ] {
        let setup = Setup::publishing(&json!({"keys": [published]}).to_string());
        let refused = setup.check(&key.token(&claims("ann@shop.example"))).await;
        assert_eq!(refused, Err(Refused::UnknownKey), "{what}");
        assert!(setup.issuer.trouble().unwrap().contains("no key"), "{what}");
    }
    // Others beside them do no harm, and a key may come without purpose and algorithm.
    let mut plain = ec.published();
    ["use", "alg"].iter().for_each(|name| drop(plain.as_object_mut().unwrap().remove(*name)));
    let strange = json!([{"kty": "new"}, 7, {}, {"kty": "RSA", "n": "!", "e": "AQAB"}, plain]);
    let setup = Setup::publishing(&json!({"keys": strange, "more": 1}).to_string());
    setup.check(&ec.token(&claims("ann@shop.example"))).await.unwrap();
}

#[tokio::test]
async fn a_token_without_a_key_id_needs_a_single_key() {
    let (one, other) = (SigningKey::ec("1"), SigningKey::ec("2"));
    let token = one.token_with(&json!({"alg": "ES256"}), &claims("ann@shop.example"));
    Setup::of(&[&one, &SigningKey::ed("3")]).check(&token).await.unwrap();
    assert_eq!(Setup::of(&[&one, &other]).check(&token).await, Err(Refused::UnknownKey));
    let many: Vec<_> = (0..99).map(|number| SigningKey::ec(&format!("k{number}"))).collect();
    let setup = Setup::of(&many.iter().collect::<Vec<_>>());
    setup.check(&many[98].token(&claims("ann@shop.example"))).await.unwrap();
}

/// An issuer that publishes over HTTP, and whoever reads its keys.
async fn over_http(keys: &[&SigningKey]) -> (TokenIssuer, Issuer) {
    let published = TokenIssuer::start(keys).await;
    let issuer = Issuer::new(options(published.url().parse().unwrap())).unwrap();
    (published, issuer)
}

#[tokio::test]
async fn unknown_keys_cause_one_request() {
    let (known, unknown) = (SigningKey::ec("known"), SigningKey::ec("unknown"));
    let (published, issuer) = over_http(&[&known]).await;
    issuer.validate(&known.token(&claims("ann@shop.example"))).await.unwrap();
    assert_eq!(published.requests(), 1);
    let checks = (0..200).map(|number| {
        let header = json!({"alg": "ES256", "kid": format!("unknown {number}")});
        let (issuer, token) = (issuer.clone(), unknown.token_with(&header, &claims("ann@shop.example")));
        tokio::spawn(async move { issuer.validate(&token).await })
    });
    for check in checks.collect::<Vec<_>>() {
        assert_eq!(check.await.unwrap(), Err(Refused::UnknownKey));
    }
    assert_eq!(published.requests(), 1, "they were read just now");
    issuer.validate(&known.token(&claims("ann@shop.example"))).await.unwrap();
}

#[tokio::test]
async fn simultaneous_first_tokens_cause_one_request() {
    let key = SigningKey::ed("d");
    let (published, issuer) = over_http(&[&key]).await;
    let checks = (0..50).map(|_| {
        let (issuer, token) = (issuer.clone(), key.token(&claims("ann@shop.example")));
        tokio::spawn(async move { issuer.validate(&token).await })
    });
    for check in checks.collect::<Vec<_>>() {
        check.await.unwrap().unwrap();
    }
    assert_eq!(published.requests(), 1);
}

/// The keys that are published now are the ones that count, soon after they have changed.
#[tokio::test]
async fn keys_are_rotated() {
    let (old, new) = (SigningKey::ec("old"), SigningKey::rsa("new", 1));
    let published = TokenIssuer::start(&[&old]).await;
    let refresh = Duration::from_millis(100);
    let options = IssuerOptions { refresh, ..options(published.url().parse().unwrap()) };
    let issuer = Issuer::new(options).unwrap();
    let stopping = CancellationToken::new();
    let running = tokio::spawn(issuer.clone().run(stopping.clone()));
    let by_old = issuer.validate(&old.token(&claims("ann@shop.example"))).await.unwrap();
    published.publish(&[&old, &new]);
    let known = async || issuer.validate(&new.token(&claims("ann@shop.example"))).await.is_ok();
    wait_until("the new key is known", PATIENCE, known).await;
    assert!(issuer.publishes(by_old.key));
    published.publish(&[&new]);
    wait_until("the old key is not known any more", PATIENCE, async || !issuer.publishes(by_old.key)).await;
    assert_eq!(issuer.validate(&old.token(&claims("ann@shop.example"))).await, Err(Refused::UnknownKey));

    // What cannot be read replaces nothing.
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for (status, body) in [
        ("503 Service Unavailable", "{\"keys\":[]}"),
        ("302 Found", "{\"keys\":[]}"),
        ("200 OK", "<html>"),
        ("200 OK", "{\"keys\":7}"),
        ("200 OK", &large),
    ] {
        published.publish_raw(status, body.as_bytes());
        let before = published.requests();
        wait_until("it has asked again", PATIENCE, async || published.requests() > before + 1).await;
        wait_until("it says so", PATIENCE, async || issuer.trouble().is_some()).await;
        issuer.validate(&new.token(&claims("ann@shop.example"))).await.unwrap();
    }
    published.publish(&[&new]);
    wait_until("all is well again", PATIENCE, async || issuer.trouble().is_none()).await;
    // An issuer without keys takes back all of them.
    published.publish(&[]);
    let refused = async || issuer.validate(&new.token(&claims("ann@shop.example"))).await.is_err();
    wait_until("no key is known", PATIENCE, refused).await;
    assert!(issuer.trouble().unwrap().contains("no key"));
    stopping.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn keys_that_are_not_there_are_told() {
    let key = SigningKey::ec("e");
    let setup = Setup::publishing("no key set");
    assert!(setup.issuer.trouble().unwrap().contains("not read yet"));
    assert_eq!(setup.check(&key.token(&claims("ann@shop.example"))).await, Err(Refused::NoKeys));
    assert!(setup.issuer.trouble().unwrap().contains("no key set"));
    assert!(setup.directory.path().exists());
}

/// Opening a FIFO to which nobody writes would never end.
#[tokio::test]
async fn keys_are_in_a_regular_file() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("keys.json");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for path in [fifo.as_path(), directory.path()] {
        let issuer = Issuer::new(options(KeySource::File(path.to_owned()))).unwrap();
        let token = SigningKey::ec("e").token(&claims("ann@shop.example"));
        let checked = tokio::time::timeout(Duration::from_secs(3), issuer.validate(&token)).await;
        assert_eq!(checked, Ok(Err(Refused::NoKeys)), "{}", path.display());
        assert!(issuer.trouble().unwrap().contains("no regular file"));
    }
}

/// Nothing listens at the address of the issuer.
#[tokio::test]
async fn an_issuer_that_is_down_is_reported() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let issuer = Issuer::new(options(format!("http://{address}/keys").parse().unwrap())).unwrap();
    let token = SigningKey::ec("e").token(&claims("ann@shop.example"));
    assert_eq!(issuer.validate(&token).await, Err(Refused::NoKeys));
    let trouble = issuer.trouble().unwrap();
    assert!(trouble.contains("refused"), "{trouble}");
}

/// The issuer sends the head of its answer, and never the body.
#[tokio::test]
async fn an_issuer_that_is_slow_delays_no_token_of_a_known_key() {
    let (known, unknown) = (SigningKey::ec("known"), SigningKey::ec("unknown"));
    let published = TokenIssuer::start(&[&known]).await;
    let refresh = Duration::from_millis(100);
    let issuer = Issuer::new(IssuerOptions { refresh, ..options(published.url().parse().unwrap()) }).unwrap();
    let (stopping, good) = (CancellationToken::new(), known.token(&claims("ann@shop.example")));
    issuer.validate(&good).await.unwrap();
    published.withhold_the_body();
    let running = tokio::spawn(issuer.clone().run(stopping.clone()));
    let asked = published.requests();
    wait_until("the keys are requested", PATIENCE, async || published.requests() > asked).await;

    let (validated, refused) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(1), issuer.validate(&good)),
        tokio::time::timeout(Duration::from_secs(8), async {
            issuer.validate(&unknown.token(&claims("ann@shop.example"))).await
        }),
    );
    validated.unwrap().unwrap();
    assert_eq!(refused, Ok(Err(Refused::UnknownKey)), "it waits no longer than the request to the issuer takes");
    let reported = async || issuer.trouble().is_some_and(|trouble| trouble.contains("no answer within 5s"));
    wait_until("the health report says so", PATIENCE, reported).await;
    issuer.validate(&good).await.unwrap();
    stopping.cancel();
    running.await.unwrap();
}
