//! An HTTP client with short calls for tests.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::coding;
use crate::metrics::Metrics;

/// Longer than the service may need for any answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Sends requests to one service. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    http: reqwest::Client,
    token: Option<String>,
}

impl Client {
    /// A client of the service at `address`.
    pub fn new(address: SocketAddr) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().expect("an HTTP client");
        Client { address, http, token: None }
    }

    /// The same client, which sends this token with each request.
    pub fn with_token(&self, token: &str) -> Self {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client, which sends none.
    pub fn without_token(&self) -> Self {
        Client { token: None, ..self.clone() }
    }

    /// The token that it sends.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request with any method.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let method = Method::from_bytes(method.as_bytes()).expect("a method of HTTP");
        let what = format!("{method} {path}");
        let request = self.http.request(method, format!("http://{}{path}", self.address));
        let builder = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        Request { builder, what }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    /// `PUT path`.
    pub fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    /// `PATCH path`.
    pub fn patch(&self, path: &str) -> Request {
        self.request("PATCH", path)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// The present metrics of `/metrics`.
    ///
    /// # Panics
    /// When it does not answer 200, or with something that is not Prometheus' text format.
    pub async fn metrics(&self) -> Metrics {
        Metrics::parse(self.get("/metrics").await.expect(200).text())
    }
}

/// A request that is sent when it is awaited. It panics without an HTTP answer.
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    builder: reqwest::RequestBuilder,
    what: String,
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.builder = self.builder.header(name, value);
        self
    }

    /// Sends `value` as `application/json`.
    pub fn json(mut self, value: &Value) -> Self {
        self.builder = self.builder.json(value);
        self
    }

    /// Sends these bytes, with no content type.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.builder = self.builder.body(body.into());
        self
    }

    /// Sends it, for tests in which there may be no answer.
    ///
    /// # Errors
    /// When the connection fails, or no answer arrives within 30 s.
    pub async fn try_send(self) -> Result<Reply, reqwest::Error> {
        let response = self.builder.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?.to_vec();
        let body = coding::decoded(&headers, &bytes);
        Ok(Reply { request: self.what, status, headers, bytes, body })
    }
}

impl IntoFuture for Request {
    type Output = Reply;
    type IntoFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let what = self.what.clone();
            self.try_send().await.unwrap_or_else(|error| panic!("{what} got no answer: {error:?}"))
        })
    }
}

/// The answer of the service.
#[derive(Clone)]
pub struct Reply {
    request: String,
    /// The status code.
    pub status: u16,
    /// The headers, with names in lower case.
    pub headers: HeaderMap,
    bytes: Vec<u8>,
    body: String,
}

impl Reply {
    /// The same reply.
    ///
    /// # Panics
    /// When the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The body as it was sent, with its coding.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The body as text, decoded if it has a coding.
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The value of a header that the reply must have.
    ///
    /// # Panics
    /// When it does not have it, or not as text.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.find_header(name).unwrap_or_else(|| panic!("no header {name} in {self:?}"))
    }

    /// The value of a header, if the reply has it.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} answered {}", self.request, self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value:?}")?;
        }
        write!(f, "\n{}", self.body)
    }
}
