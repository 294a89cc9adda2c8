//! Rate limits.

use hotshelf_api::{RouteLimit, has_route};
use hotshelf_ratelimit::Limit;

use super::{Parsed, Refusal, number, refuse};

/// `100/1m`. A window is counted in milliseconds: a fraction of one would be cut off silently.
pub(crate) fn limit(text: &str) -> Parsed<Limit> {
    let (requests, window) = text.split_once('/').ok_or(Refusal::Malformed)?;
    let requests = number(requests, 1..=Limit::MOST_REQUESTS)?;
    let window = humantime::parse_duration(window).map_err(|_| Refusal::Malformed)?;
    if window.subsec_nanos() % 1_000_000 != 0 {
        return Err(Refusal::Malformed);
    }
    Limit::new(requests, window).map_err(|_| Refusal::Malformed)
}

/// `GET /api/v1/products=1000/1m, …`. A limit of a route that does not exist would limit nothing.
pub(crate) fn route_limits(text: &str) -> Parsed<Vec<RouteLimit>> {
    let mut routes: Vec<RouteLimit> = Vec::new();
    if text.trim().is_empty() {
        return Ok(routes);
    }
    for item in text.split(',') {
        let (route, limit_of_it) = item.split_once('=').ok_or(Refusal::Malformed)?;
        let (method, path) = route.trim().split_once(' ').ok_or(Refusal::Malformed)?;
        let (method, path) = (method.to_owned(), path.trim().to_owned());
        if !has_route(&method, &path) {
            return refuse(format!("there is no route {method} {path} (as in /api/v1/openapi.json)"));
        }
        if routes.iter().any(|other| other.method == method && other.path == path) {
            return refuse(format!("{method} {path} is listed twice"));
        }
        routes.push(RouteLimit { method, path, limit: limit(limit_of_it.trim())? });
    }
    Ok(routes)
}
