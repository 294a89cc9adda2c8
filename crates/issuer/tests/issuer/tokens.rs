//! Which tokens are accepted: signature, algorithm, type, times, names and size.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hotshelf_issuer::{Issuer, IssuerOptions, KeySource, LONGEST_TOKEN, Refused, SignatureAlgorithm};
use hotshelf_testkit::token_issuer::{ISSUER, SigningKey, claims, key_set, unix_seconds};
use serde_json::{Value, json};

use crate::{Setup, options};

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
async fn a_token_of_each_algorithm_is_accepted() {
    let keys = [SigningKey::rsa("r", 0), SigningKey::ec("e"), SigningKey::ed("d")];
    let setup = Setup::of(&keys.each_ref());
    for key in &keys {
        let token = setup.check(&key.token(&with("jti", json!("a1")))).await.unwrap();
        assert_eq!(token.claims.text("email"), Some("ann@shop.example"));
        assert_eq!(token.id.as_deref(), Some("a1"));
        assert!(setup.issuer.publishes(token.key));
        let end = token.claims.get("exp").unwrap().as_i64().unwrap();
        assert_eq!(token.end, (end + 60) * 1_000);
    }
    assert_eq!(setup.issuer.trouble(), None);
}

#[tokio::test]
async fn times_are_checked_with_the_skew() {
    let key = SigningKey::ed("d");
    let (setup, now) = (Setup::of(&[&key]), unix_seconds());
    for good in [
        with("exp", json!(now - 30)),
        with("exp", json!(now as f64 + 600.5)),
        with("nbf", json!(now + 30)),
        with("iat", json!(now + 30)),
        without("iat"),
        with("exp", json!(99_999_999_999_i64)),
    ] {
        setup.check(&key.token(&good)).await.unwrap();
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
        setup.refuses(&key.token(&bad), what).await;
    }
}

#[tokio::test]
async fn issuer_audience_and_id_are_checked() {
    let key = SigningKey::ec("e");
    let setup = Setup::of(&[&key]);
    for good in [
        with("aud", json!(["others", "catalogue"])),
        with("aud", json!("catalogue")),
        with("jti", json!("x".repeat(256))),
    ] {
        setup.check(&key.token(&good)).await.unwrap();
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
        setup.refuses(&key.token(&bad), what).await;
    }
}

#[tokio::test]
async fn no_claim_is_there_twice() {
    let key = SigningKey::ed("d");
    let setup = Setup::of(&[&key]);
    let header = json!({"alg": "EdDSA", "kid": "d"}).to_string();
    let good = claims("ann@shop.example").to_string();
    setup.check(&key.token_of(&header, &good)).await.unwrap();
    for twice in [r#""email":"evil@shop.example","#, r#""exp":99999999999,"#, r#""role":"admin","role":"viewer","#] {
        setup.refuses(&key.token_of(&header, &good.replacen('{', &format!("{{{twice}"), 1)), twice).await;
    }
    for body in ["[]", "7", "", "{", "null", &format!("{good}x")] {
        setup.refuses(&key.token_of(&header, body), body).await;
    }
}

#[tokio::test]
async fn algorithms_are_not_confused() {
    let (rsa, ec, ed) = (SigningKey::rsa("r", 0), SigningKey::ec("e"), SigningKey::ed("d"));
    let setup = Setup::of(&[&rsa, &ec, &ed]);
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
        setup.refuses(&token, what).await;
    }
    // Without a signature, and with the public key as the secret of an HMAC.
    let parts = |header: Value| {
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(good.to_string()))
    };
    setup.refuses(&format!("{}.", parts(json!({"alg": "none"}))), "none without a signature").await;
    setup.refuses(&format!("{}.", parts(json!({"alg": "ES256", "kid": "e"}))), "an empty signature").await;
    for published in [rsa.published(), ec.published()] {
        let message = parts(json!({"alg": "HS256", "kid": published["kid"]}));
        for secret in [published.to_string(), published["n"].as_str().unwrap_or_default().to_owned()] {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
            let signature = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
            setup.refuses(&format!("{message}.{signature}"), "HS256 with a public key").await;
        }
    }
}

#[tokio::test]
async fn only_allowed_algorithms_are_accepted() {
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
    let setup = Setup::of(&[&known]);
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
        setup.refuses(&own.token_with(&header("e"), &good), what).await;
        setup.refuses(&own.token_with(&header("own"), &good), what).await;
        setup.check(&known.token_with(&header("e"), &good)).await.unwrap();
    }
    for crit in [
        json!({"crit": ["exp"]}),
        json!({"crit": []}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"b64": false}),
    ] {
        let mut header = json!({"alg": "ES256", "kid": "e"});
        header.as_object_mut().unwrap().extend(crit.as_object().unwrap().clone());
        setup.refuses(&known.token_with(&header, &good), &crit.to_string()).await;
    }
}

#[tokio::test]
async fn tokens_for_another_purpose_are_refused() {
    let key = SigningKey::ec("e");
    let setup = Setup::of(&[&key]);
    let token =
        |typ: Value| key.token_with(&json!({"alg": "ES256", "kid": "e", "typ": typ}), &claims("ann@shop.example"));
    for good in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        setup.check(&token(json!(good))).await.unwrap();
    }
    setup.check(&key.token_with(&json!({"alg": "ES256", "kid": "e"}), &claims("ann@shop.example"))).await.unwrap();
    for bad in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "JOSE",
        "",
        "application/",
        "text/jwt",
        "application/application/jwt",
    ] {
        assert_eq!(setup.check(&token(json!(bad))).await, Err(Refused::Type), "{bad}");
    }
    setup.refuses(&token(json!(7)), "a type that is no text").await;
}

#[tokio::test]
async fn a_token_is_written_in_one_way_and_is_short() {
    let key = SigningKey::ed("d");
    let setup = Setup::of(&[&key]);
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
            setup.refuses(&token, what).await;
        }
    }
    let long = key.token(&with("more", json!("x".repeat(LONGEST_TOKEN))));
    assert_eq!(setup.check(&long).await, Err(Refused::TooLong));
}
