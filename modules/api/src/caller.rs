//! On whose behalf a request is answered, and what may be seen of the catalogue then.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use compact_str::format_compact;
use hotshelf_accounts::{Auth, AuthMethod, Principal, SessionPrincipal};
use hotshelf_domain::{Members, NewProduct, OrganizationId, ProductDraft, ProductId, SchemaId, StoreError};
use hotshelf_product::{ProductService, owner_of};
use hotshelf_ratelimit::Subject;

use crate::problem::Problem;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Users are off: everybody sees everything.
    Anybody,
    /// A user, by a session or an API key.
    User(Principal),
}

impl Caller {
    /// The one organization whose things the caller sees; `None` for all of them.
    pub(crate) fn scope(&self) -> Option<OrganizationId> {
        match self {
            Caller::Anybody => None,
            Caller::User(principal) => Some(principal.organization()),
        }
    }

    pub(crate) fn sees(&self, organization: OrganizationId) -> bool {
        self.scope().is_none_or(|own| own == organization)
    }

    /// Whether it is a product, as it is cached, that the caller sees.
    pub(crate) fn sees_product(&self, json: &[u8]) -> bool {
        self.scope().is_none_or(|own| owner_of(json) == Some(own))
    }

    /// The organization of what the caller makes without naming one, or with this one named.
    pub(crate) fn home(&self, named: Option<i64>) -> Result<Option<i64>, Problem> {
        match (self.scope(), named) {
            (None, named) => Ok(named),
            (Some(own), None) => Ok(Some(own.get())),
            (Some(own), Some(named)) if named == own.get() => Ok(Some(named)),
            (Some(own), Some(_)) => Err(foreign(own)),
        }
    }

    /// A product that the caller may make.
    pub(crate) fn new_product(&self, mut draft: ProductDraft) -> Result<NewProduct, Problem> {
        draft.organization_id = self.home(draft.organization_id)?;
        Ok(draft.into_new()?)
    }

    /// Who it is in the eyes of a limit on requests, if anybody has been named.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Caller::Anybody => None,
            Caller::User(Principal { method: AuthMethod::ApiKey(key), .. }) => {
                Some(Subject::new(&format_compact!("key:{key}")))
            }
            Caller::User(principal) => Some(Subject::new(&format_compact!("user:{}", principal.identity.user))),
        }
    }
}

/// The caller named another organization than its own.
pub(crate) fn foreign(own: OrganizationId) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, format!("you may only use your own organization, {own}"))
}

/// What the caller may reach through the catalogue. To others, it is not there.
impl Caller {
    /// Lets nobody change what they do not see. A product never changes its organization, so a copy tells as well as
    /// the row.
    pub(crate) async fn check_owns(&self, products: &ProductService, id: ProductId) -> Result<(), Problem> {
        if self.scope().is_none() {
            return Ok(());
        }
        let found = products.get(id, hotshelf_cache::Read::default()).await?;
        match found.value {
            Some(product) if self.sees_product(&product.payload) => Ok(()),
            _ => Err(StoreError::NotFound(id).into()),
        }
    }

    /// The products of an organization, as far as the caller sees it.
    pub(crate) fn members_of_organization(&self, id: OrganizationId) -> Result<Members, Problem> {
        if self.sees(id) { Ok(Members::Organization(id)) } else { Err(StoreError::NoSuchOrganization(id).into()) }
    }

    /// The products of a schema, as far as the caller sees them: of the built-in one, those of the caller's
    /// organization.
    pub(crate) async fn members_of_schema(&self, products: &ProductService, id: SchemaId) -> Result<Members, Problem> {
        let Some(own) = self.scope() else { return Ok(Members::Schema(id)) };
        if id == SchemaId::BUILT_IN {
            return Ok(Members::Both(own, id));
        }
        match products.owner_of_schema(id).await? {
            // With the organization, whose turn it is in the database.
            Some(owner) if owner == own => Ok(Members::Both(own, id)),
            _ => Err(StoreError::NoSuchSchema(id).into()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.ok_or_else(|| Problem::internal("a request came past the authorizer"))
    }
}

/// What the routes of accounts work with. There are none when users are off.
pub(crate) struct Accounts(pub(crate) Auth);

impl<S: Send + Sync> FromRequestParts<S> for Accounts
where
    Option<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Problem> {
        let off = || Problem::new(StatusCode::NOT_FOUND, "the service has no users: it was started with AUTH=off");
        Option::<Auth>::from_ref(state).map(Accounts).ok_or_else(off)
    }
}

/// A user of the service, and whose organization's users it may manage.
pub(crate) struct Authenticated(pub(crate) Principal);

impl<S: Send + Sync> FromRequestParts<S> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Caller::from_request_parts(parts, state).await? {
            Caller::User(principal) => Ok(Authenticated(principal)),
            Caller::Anybody => Err(Problem::internal("a request of nobody came past the authorizer")),
        }
    }
}

/// A person with a session.
pub(crate) struct SessionUser(pub(crate) SessionPrincipal);

impl<S: Send + Sync> FromRequestParts<S> for SessionUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Authenticated::from_request_parts(parts, state).await?.0.method {
            AuthMethod::Session(principal) => Ok(SessionUser(principal)),
            AuthMethod::ApiKey(_) => Err(Problem::internal("an API key came past the authorizer")),
        }
    }
}
