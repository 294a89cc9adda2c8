//! Which tokens are believed, and which keys are known when.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_issuer::{Issuer, IssuerOptions, KeySource, LONGEST_TOKEN, Refused, SignatureAlgorithm, ValidToken};
use hotshelf_testkit::token_issuer::{AUDIENCE, ISSUER, SigningKey, TokenIssuer, claims, key_set, unix_seconds};
use hotshelf_testkit::{PATIENCE, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

fn options(keys: KeySource) -> IssuerOptions {
    IssuerOptions {
        issuer: ISSUER.to_owned(),
        audience: vec![AUDIENCE.to_owned(), "catalogue".to_owned()],
        keys,
        algorithms: SignatureAlgorithm::ALL.to_vec(),
        skew: Duration::from_secs(60),
        refresh: Duration::from_secs(600),
    }
}

/// An issuer whose keys are in a file.
struct Stand {
    issuer: Issuer,
    directory: TempDir,
}

impl Stand {
    fn publishing(keys: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        std::fs::write(&path, keys).unwrap();
        Stand { issuer: Issuer::new(options(KeySource::File(path))).unwrap(), directory }
    }

    fn of(keys: &[&SigningKey]) -> Self {
        Self::publishing(&key_set(keys))
    }

    async fn check(&self, token: &str) -> Result<ValidToken, Refused> {
        self.issuer.validate(token).await
    }

    async fn refuses(&self, token: &str, what: &str) {
        let checked = self.check(token).await;
        assert!(checked.is_err(), "{what}: {checked:?}");
    }
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("ann@shop.example");
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims("ann@shop.example");
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_believed() {
    let keys = [SigningKey::rsa("r", 0), SigningKey::ec("e"), SigningKey::ed("d")];
    let stand = Stand::of(&keys.each_ref());
    for key in &keys {
        let token = stand.check(&key.token(&with("jti", json!("a1")))).await.unwrap();
        assert_eq!(token.claims.text("email"), Some("ann@shop.example"));
        assert_eq!(token.id.as_deref(), Some("a1"));
        assert!(stand.issuer.publishes(token.key));
        let end = token.claims.get("exp").unwrap().as_i64().unwrap();
        assert_eq!(token.end, (end + 60) * 1_000);
    }
    assert_eq!(stand.issuer.trouble(), None);
}

#[tokio::test]
async fn times_are_checked_with_the_skew() {
    let key = SigningKey::ed("d");
    let (stand, now) = (Stand::of(&[&key]), unix_seconds());
    for good in [
        with("exp", json!(now - 30)),
        with("exp", json!(now as f64 + 600.5)),
        with("nbf", json!(now + 30)),
        with("iat", json!(now + 30)),
        without("iat"),
        with("exp", json!(99_999_999_999_i64)),
    ] {
        stand.check(&key.token(&good)).await.unwrap();
    }
    for (what, bad) in [
        ("expired", with("exp", json!(now - 120))),
        ("no end", without("exp")),
        ("an end that is no number", with("exp", json!("tomorrow"))),
        ("an end that is a text of a number", with("exp", json!((now + 600).to_string()))),
        ("no end but null", with("exp", Value::Null)),
        ("a negative end", with("exp", json!(-1))),
        ("not good yet", with("nbf", json!(now + 120))),
        ("not good before what is no number", with("nbf", json!("now"))),
        ("issued in the future", with("iat", json!(now + 120))),
        ("issued at what is no number", with("iat", json!(true))),
    ] {
        stand.refuses(&key.token(&bad), what).await;
    }
}

#[tokio::test]
async fn issuer_audience_and_id_are_checked() {
    let key = SigningKey::ec("e");
    let stand = Stand::of(&[&key]);
    for good in [
        with("aud", json!(["others", "catalogue"])),
        with("aud", json!("catalogue")),
        with("jti", json!("x".repeat(256))),
    ] {
        stand.check(&key.token(&good)).await.unwrap();
    }
    for (what, bad) in [
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("the issuer in a list", with("iss", json!([ISSUER, "https://evil.example"]))),
        ("no issuer", without("iss")),
        ("another slash", with("iss", json!(format!("{ISSUER}/")))),
        ("for others", with("aud", json!("others"))),
        ("for many others", with("aud", json!(["others", "more"]))),
        ("for nobody", with("aud", json!([]))),
        ("no audience", without("aud")),
        ("an audience that is no text", with("aud", json!(7))),
        ("an id that is no text", with("jti", json!(7))),
        ("an empty id", with("jti", json!(""))),
        ("a long id", with("jti", json!("x".repeat(257)))),
    ] {
        stand.refuses(&key.token(&bad), what).await;
    }
}

#[tokio::test]
async fn no_claim_is_there_twice() {
    let key = SigningKey::ed("d");
    let stand = Stand::of(&[&key]);
    let header = json!({"alg": "EdDSA", "kid": "d"}).to_string();
    let good = claims("ann@shop.example").to_string();
    stand.check(&key.token_of(&header, &good)).await.unwrap();
    for twice in [r#""email":"evil@shop.example","#, r#""exp":99999999999,"#, r#""role":"admin","role":"viewer","#] {
        stand.refuses(&key.token_of(&header, &good.replacen('{', &format!("{{{twice}"), 1)), twice).await;
    }
    for body in ["[]", "7", "", "{", "null", &format!("{good}x")] {
        stand.refuses(&key.token_of(&header, body), body).await;
    }
}

#[tokio::test]
async fn algorithms_are_not_confused() {
    let (rsa, ec, ed) = (SigningKey::rsa("r", 0), SigningKey::ec("e"), SigningKey::ed("d"));
    let stand = Stand::of(&[&rsa, &ec, &ed]);
    let good = claims("ann@shop.example");
    for (what, token) in [
        ("RS256 with the id of an EC key", rsa.token_with(&json!({"alg": "RS256", "kid": "e"}), &good)),
        ("ES256 signed by RSA", rsa.token_with(&json!({"alg": "ES256", "kid": "e"}), &good)),
        ("EdDSA signed by EC", ec.token_with(&json!({"alg": "EdDSA", "kid": "d"}), &good)),
        ("RS256 named, ES256 signed", ec.token_with(&json!({"alg": "RS256", "kid": "r"}), &good)),
        ("none", ec.token_with(&json!({"alg": "none", "kid": "e"}), &good)),
        ("None", ec.token_with(&json!({"alg": "None"}), &good)),
        ("PS256", rsa.token_with(&json!({"alg": "PS256", "kid": "r"}), &good)),
        ("RS512", rsa.token_with(&json!({"alg": "RS512", "kid": "r"}), &good)),
        ("no algorithm", ec.token_with(&json!({"kid": "e"}), &good)),
        ("a list of algorithms", ec.token_with(&json!({"alg": ["ES256"], "kid": "e"}), &good)),
    ] {
        stand.refuses(&token, what).await;
    }
    // Without a signature, and with the public key as the secret of an HMAC.
    let parts = |header: Value| {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(good.to_string()))
    };
    stand.refuses(&format!("{}.", parts(json!({"alg": "none"}))), "none without a signature").await;
    stand.refuses(&format!("{}.", parts(json!({"alg": "ES256", "kid": "e"}))), "an empty signature").await;
    for published in [rsa.published(), ec.published()] {
        let message = parts(json!({"alg": "HS256", "kid": published["kid"]}));
        for secret in [published.to_string(), published["n"].as_str().unwrap_or_default().to_owned()] {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
            stand.refuses(&format!("{message}.{signature}"), "HS256 with a public key").await;
        }
    }
}

#[tokio::test]
async fn only_allowed_algorithms_are_believed() {
    let (ec, ed) = (SigningKey::ec("e"), SigningKey::ed("d"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.json");
    std::fs::write(&path, key_set(&[&ec, &ed])).unwrap();
    let options = IssuerOptions { algorithms: vec![SignatureAlgorithm::Es256], ..options(KeySource::File(path)) };
    let issuer = Issuer::new(options).unwrap();
    issuer.validate(&ec.token(&claims("ann@shop.example"))).await.unwrap();
    let refused = issuer.validate(&ed.token(&claims("ann@shop.example"))).await;
    assert_eq!(refused, Err(Refused::Algorithm));
}

#[tokio::test]
async fn a_token_brings_no_key_and_nothing_that_is_not_understood() {
    let (known, own) = (SigningKey::ec("e"), SigningKey::ec("own"));
    let stand = Stand::of(&[&known]);
    let good = claims("ann@shop.example");
    for (what, extra) in [
        ("jwk", json!({"jwk": own.published()})),
        ("jku", json!({"jku": "https://evil.example/keys"})),
        ("x5u", json!({"x5u": "https://evil.example/keys"})),
        ("x5c", json!({"x5c": ["AAAA"]})),
    ] {
        let header = |id: &str| {
            let mut header = json!({"alg": "ES256", "kid": id});
            header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            header
        };
        stand.refuses(&own.token_with(&header("e"), &good), what).await;
        stand.refuses(&own.token_with(&header("own"), &good), what).await;
        stand.check(&known.token_with(&header("e"), &good)).await.unwrap();
    }
    for crit in
        [json!({"crit": ["exp"]}), json!({"crit": []}), json!({"crit": ["b64"], "b64": false}), json!({"b64": false})]
    {
        let mut header = json!({"alg": "ES256", "kid": "e"});
        header.as_object_mut().unwrap().extend(crit.as_object().unwrap().clone());
        stand.refuses(&known.token_with(&header, &good), &crit.to_string()).await;
    }
}

#[tokio::test]
async fn a_token_is_written_in_one_way_and_is_short() {
    let key = SigningKey::ed("d");
    let stand = Stand::of(&[&key]);
    let good = key.token(&claims("ann@shop.example"));
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    for (what, token) in [
        ("a byte more", format!("{good}A")),
        ("padding", format!("{header}.{body}.{signature}==")),
        ("the other alphabet", good.replace(['-', '_'], "+")),
        ("four parts", format!("{good}.AAAA")),
        ("two parts", format!("{header}.{body}")),
        ("empty parts", "..".to_owned()),
        ("a blank", good.replacen('.', ". ", 1)),
        ("another body", format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode("{}"))),
    ] {
        if token != good {
            stand.refuses(&token, what).await;
        }
    }
    let long = key.token(&with("more", json!("x".repeat(LONGEST_TOKEN))));
    assert_eq!(stand.check(&long).await, Err(Refused::TooLong));
}

#[tokio::test]
async fn unfit_keys_are_passed_over() {
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
        let stand = Stand::publishing(&json!({"keys": [published]}).to_string());
        let refused = stand.check(&key.token(&claims("ann@shop.example"))).await;
        assert_eq!(refused, Err(Refused::UnknownKey), "{what}");
        assert!(stand.issuer.trouble().unwrap().contains("no key"), "{what}");
    }
    // Others beside them do no harm, and a key may come without purpose and algorithm.
    let mut plain = ec.published();
    ["use", "alg"].iter().for_each(|name| drop(plain.as_object_mut().unwrap().remove(*name)));
    let strange = json!([{"kty": "new"}, 7, {}, {"kty": "RSA", "n": "!", "e": "AQAB"}, plain]);
    let stand = Stand::publishing(&json!({"keys": strange, "more": 1}).to_string());
    stand.check(&ec.token(&claims("ann@shop.example"))).await.unwrap();
}

#[tokio::test]
async fn a_token_without_a_key_id_needs_a_single_key() {
    let (one, other) = (SigningKey::ec("1"), SigningKey::ec("2"));
    let token = one.token_with(&json!({"alg": "ES256"}), &claims("ann@shop.example"));
    Stand::of(&[&one, &SigningKey::ed("3")]).check(&token).await.unwrap();
    assert_eq!(Stand::of(&[&one, &other]).check(&token).await, Err(Refused::UnknownKey));
    let many: Vec<_> = (0..99).map(|number| SigningKey::ec(&format!("k{number}"))).collect();
    let stand = Stand::of(&many.iter().collect::<Vec<_>>());
    stand.check(&many[98].token(&claims("ann@shop.example"))).await.unwrap();
}

/// An issuer that publishes over HTTP, and whoever reads its keys.
async fn over_http(keys: &[&SigningKey]) -> (TokenIssuer, Issuer) {
    let published = TokenIssuer::start(keys).await;
    let issuer = Issuer::new(options(published.url().parse().unwrap())).unwrap();
    (published, issuer)
}

#[tokio::test]
async fn unknown_keys_cause_one_look() {
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
    assert_eq!(published.requests(), 1, "there was a look just now");
    issuer.validate(&known.token(&claims("ann@shop.example"))).await.unwrap();
}

#[tokio::test]
async fn simultaneous_first_tokens_cause_one_look() {
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
    let stand = Stand::publishing("no key set");
    assert!(stand.issuer.trouble().unwrap().contains("not read yet"));
    stand.refuses(&key.token(&claims("ann@shop.example")), "without keys").await;
    assert!(stand.issuer.trouble().unwrap().contains("no key set"));
    assert!(stand.directory.path().exists());
}
