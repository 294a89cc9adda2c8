//! An issuer of tokens (JWTs) and its keys: it publishes what a test tells it to, and signs whatever a test asks for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Private keys, for tests alone: making one takes seconds.
const RSA: [&[u8]; 2] = [include_bytes!("../rsa/rsa_one.pk8"), include_bytes!("../rsa/rsa_two.pk8")];

/// A key that tokens are signed with, and its id.
pub struct SigningKey {
    id: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl SigningKey {
    /// The first or the second RSA key.
    ///
    /// # Panics
    /// For any other number.
    pub fn rsa(id: &str, number: usize) -> Self {
        let pair = RsaKeyPair::from_pkcs8(RSA[number]).expect("a good key");
        SigningKey { id: id.to_owned(), pair: Pair::Rsa(Box::new(pair)) }
    }

    /// A new key on P-256.
    ///
    /// # Panics
    /// When there is no chance to be had.
    pub fn ec(id: &str) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a new key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("a good key");
        SigningKey { id: id.to_owned(), pair: Pair::Ec(pair) }
    }

    /// A new Ed25519 key.
    ///
    /// # Panics
    /// When there is no chance to be had.
    pub fn ed(id: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a new key");
        SigningKey { id: id.to_owned(), pair: Pair::Ed(Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a good key")) }
    }

    /// The algorithm of its signatures.
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
            Pair::Ed(_) => "EdDSA",
        }
    }

    /// The public key as an issuer publishes it.
    pub fn published(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..])})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())}),
        };
        key["kid"] = json!(self.id);
        key["use"] = json!("sig");
        key["alg"] = json!(self.algorithm());
        key
    }

    /// A token that says this.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token with this header, whatever it says.
    pub fn token_with(&self, header: &Value, claims: &Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }

    /// A token of these texts.
    ///
    /// # Panics
    /// When there is no chance to be had.
    pub fn token_of(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
                signed.expect("a signature");
                signature
            }
            Pair::Ec(pair) => {
                pair.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec()
            }
            Pair::Ed(pair) => pair.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// Publishes keys over HTTP, on a port of this machine.
pub struct TokenIssuer {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// The status line and the body.
    answer: Mutex<(String, Vec<u8>)>,
    requests: AtomicU64,
}

impl State {
    fn answer(&self) -> MutexGuard<'_, (String, Vec<u8>)> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that tokens carry, unless a test says otherwise.
pub const ISSUER: &str = "https://id.example";
/// Whom tokens are for, unless a test says otherwise.
pub const AUDIENCE: &str = "hotshelf";

impl TokenIssuer {
    /// Publishes these keys.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&serving)));
            }
        });
        let issuer = TokenIssuer { address, state };
        issuer.publish(keys);
        issuer
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Publishes these keys instead of those before.
    pub fn publish(&self, keys: &[&SigningKey]) {
        self.publish_raw("200 OK", key_set(keys).as_bytes());
    }

    /// Answers with this from now on: a status, such as `503 Service Unavailable`, and a body.
    pub fn publish_raw(&self, status: &str, body: &[u8]) {
        *self.state.answer() = (status.to_owned(), body.to_vec());
    }

    /// How often it was asked for its keys.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

/// The key set of these keys.
pub fn key_set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>()}).to_string()
}

/// Claims of a token for the user of that address: good from now on, for ten minutes.
pub fn claims(email: &str) -> Value {
    let now = unix_seconds();
    json!({"iss": ISSUER, "aud": AUDIENCE, "exp": now + 600, "iat": now, "email": email, "email_verified": true})
}

/// The time in tokens.
///
/// # Panics
/// When the clock is before 1970.
pub fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(now.as_secs()).expect("a clock of this age")
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    let (status, body) = state.answer().clone();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nlocation: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        "/elsewhere"
    );
    // Whoever asks may have gone.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
}
