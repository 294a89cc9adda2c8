//! Rate limits.

use hotshelf_api::{RouteLimit, TrustedProxies, has_route};
use hotshelf_ratelimit::{Limit, OnLoss};

use super::{Refusal, whole_number};

pub(crate) fn on_or_off(text: &str) -> Result<bool, Refusal> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Refusal::Malformed),
    }
}

/// `100/1m`. A window is counted in milliseconds: what is finer would be cut off in silence.
pub(crate) fn limit(text: &str) -> Result<Limit, Refusal> {
    let (requests, window) = text.split_once('/').ok_or(Refusal::Malformed)?;
    let requests = whole_number(requests).ok_or(Refusal::Malformed)?;
    let window = humantime::parse_duration(window).map_err(|_| Refusal::Malformed)?;
    if window.subsec_nanos() % 1_000_000 != 0 {
        return Err(Refusal::Malformed);
    }
    Limit::new(requests, window).map_err(|_| Refusal::Malformed)
}

/// `GET /api/v1/products=1000/1m, …`. A route that does not exist would be a limit that does not, either.
pub(crate) fn route_limits(text: &str) -> Result<Vec<RouteLimit>, Refusal> {
    let mut routes: Vec<RouteLimit> = Vec::new();
    if text.trim().is_empty() {
        return Ok(routes);
    }
    for item in text.split(',') {
        let (route, of_it) = item.split_once('=').ok_or(Refusal::Malformed)?;
        let (method, path) = route.trim().split_once(' ').ok_or(Refusal::Malformed)?;
        let (method, path) = (method.to_owned(), path.trim().to_owned());
        if !has_route(&method, &path) {
            return Err(Refusal::Because(format!("there is no route {method} {path} (as in /api/v1/openapi.json)")));
        }
        if routes.iter().any(|other| other.method == method && other.path == path) {
            return Err(Refusal::Because(format!("{method} {path} is there twice")));
        }
        routes.push(RouteLimit { method, path, limit: limit(of_it.trim())? });
    }
    Ok(routes)
}

pub(crate) fn on_loss(text: &str) -> Result<OnLoss, Refusal> {
    match text {
        "local" => Ok(OnLoss::Local),
        "open" => Ok(OnLoss::Open),
        "closed" => Ok(OnLoss::Closed),
        _ => Err(Refusal::Malformed),
    }
}

pub(crate) fn trusted_proxies(text: &str) -> Result<TrustedProxies, Refusal> {
    text.parse().map_err(|_| Refusal::Malformed)
}
