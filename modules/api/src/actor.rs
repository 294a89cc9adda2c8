//! Who acts, for the audit log.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use hotshelf_accounts::{AuthMethod, Principal};
use hotshelf_domain::{Actor, AuditCredential, AuditOrigin};
use hotshelf_lifecycle::current_request;

use crate::caller::Caller;
use crate::limits::RequestLimits;

/// Extracts who sends the request, from where.
pub(crate) struct By(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for By
where
    Arc<RequestLimits>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let address = Arc::<RequestLimits>::from_ref(state).address(&parts.extensions, &parts.headers);
        Ok(By(actor(parts.extensions.get(), address)))
    }
}

/// The caller, if known, at this address, in the request that is being answered.
pub(crate) fn actor(caller: Option<&Caller>, address: Option<IpAddr>) -> Actor {
    let origin = address.map(AuditOrigin::Client);
    let anybody = Actor { origin, request_id: current_request(), ..Actor::default() };
    let Some(Caller::User(Principal { identity, method, .. })) = caller else { return anybody };
    let credential = match method {
        AuthMethod::Session(session) => AuditCredential::Session(session.session),
        AuthMethod::ApiKey(key) => AuditCredential::ApiKey(*key),
        AuthMethod::Issued(token) => token.credential(),
    };
    Actor {
        user: Some(identity.user),
        email: Some(identity.address()),
        organization: Some(identity.organization),
        credential: Some(credential),
        ..anybody
    }
}
