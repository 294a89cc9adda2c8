//! The caller of a request, and what the caller may see of the catalogue.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::StatusCode;
use axum::http::request::Parts;
use compact_str::format_compact;
use hotshelf_accounts::{Auth, AuthMethod, Principal, SessionPrincipal};
use hotshelf_cache::{Read, Value};
use hotshelf_domain::{NewProduct, OrganizationId, ProductDraft, ProductId, ProductScope, Role, SchemaId, StoreError};
use hotshelf_product::{ProductService, owner_of};
use hotshelf_ratelimit::Subject;

use crate::problem::Problem;

/// The caller of a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// `AUTH=off`: the caller is unknown and sees everything.
    Anybody,
    /// An authenticated user, by a session, an API key or a token of an outside issuer.
    User(Principal),
}

impl Caller {
    /// The only organization whose data the caller sees; `None`: all organizations.
    pub(crate) fn scope(&self) -> Option<OrganizationId> {
        match self {
            Caller::Anybody => None,
            Caller::User(principal) => Some(principal.organization()),
        }
    }

    /// Whether the caller may know what an organization has: an admin, or anybody with `AUTH=off`.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Caller::Anybody => true,
            Caller::User(principal) => principal.role == Role::Admin,
        }
    }

    /// Whether the caller is an operator, with `AUTH=on`.
    pub(crate) fn is_operator(&self) -> bool {
        match self {
            Caller::Anybody => false,
            Caller::User(principal) => {
                principal.organization() == OrganizationId::BUILT_IN && principal.role == Role::Admin
            }
        }
    }

    pub(crate) fn sees(&self, organization: OrganizationId) -> bool {
        self.scope().is_none_or(|own| own == organization)
    }

    /// Whether the caller sees this cached product.
    pub(crate) fn sees_product(&self, product: &Value) -> bool {
        self.scope().is_none_or(|own| owner_of(product) == Some(own))
    }

    /// The organization of an object that the caller creates, given the one that the request names. 403 for a foreign
    /// organization.
    pub(crate) fn home(&self, named: Option<i64>) -> Result<Option<i64>, Problem> {
        match (self.scope(), named) {
            (None, named) => Ok(named),
            (Some(own), None) => Ok(Some(own.get())),
            (Some(own), Some(named)) if named == own.get() => Ok(Some(named)),
            (Some(own), Some(_)) => Err(foreign(own)),
        }
    }

    /// The product that the caller creates, in the caller's organization.
    pub(crate) fn new_product(&self, mut draft: ProductDraft) -> Result<NewProduct, Problem> {
        draft.organization_id = self.home(draft.organization_id)?;
        Ok(draft.into_new()?)
    }

    /// The subject that rate limits count: the user, whatever the session or the API key, so that more keys give no
    /// more requests. `None` if the caller is unknown.
    pub(crate) fn subject(&self) -> Option<Subject> {
        match self {
            Caller::Anybody => None,
            Caller::User(principal) => Some(Subject::new(&format_compact!("user:{}", principal.identity.user))),
        }
    }
}

/// The request names another organization than the caller's own.
pub(crate) fn foreign(own: OrganizationId) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, format!("you may only use your own organization, {own}"))
}

/// Access to the catalogue. What the caller may not see answers 404, as if it did not exist, and after as much work.
impl Caller {
    /// Refuses to change a product that the caller does not see. A product never changes its organization, so a cached
    /// copy is good enough.
    pub(crate) async fn check_owns(&self, products: &ProductService, id: ProductId) -> Result<(), Problem> {
        let Some(own) = self.scope() else { return Ok(()) };
        match products.get_within(id, Some(own), Read::default()).await?.value {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound(id).into()),
        }
    }

    /// The products of an organization, if the caller sees it.
    pub(crate) fn members_of_organization(&self, id: OrganizationId) -> Result<ProductScope, Problem> {
        if self.sees(id) { Ok(ProductScope::Organization(id)) } else { Err(StoreError::NoSuchOrganization(id).into()) }
    }

    /// The products of a schema that the caller sees. Of the built-in schema, these are the products of the caller's
    /// organization.
    pub(crate) async fn members_of_schema(
        &self,
        products: &ProductService,
        id: SchemaId,
    ) -> Result<ProductScope, Problem> {
        let Some(own) = self.scope() else { return Ok(ProductScope::Schema(id)) };
        if id == SchemaId::BUILT_IN {
            return Ok(ProductScope::Both(own, id));
        }
        match products.has_schema(own, id).await? {
            // With the organization, because the database admits reads per organization.
            true => Ok(ProductScope::Both(own, id)),
            false => Err(StoreError::NoSuchSchema(id).into()),
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

/// The accounts service. With `AUTH=off`, every request for it answers 404.
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

/// A caller whom an operation for admins has let in, with the accounts service.
pub(crate) struct Admin {
    pub(crate) auth: Auth,
    pub(crate) organization: OrganizationId,
}

impl<S: Send + Sync> FromRequestParts<S> for Admin
where
    Option<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Accounts(auth) = Accounts::from_request_parts(parts, state).await?;
        Ok(Admin { auth, organization: principal(parts)?.organization() })
    }
}

/// A caller that was authenticated by a session, with the accounts service.
pub(crate) struct SessionUser {
    pub(crate) auth: Auth,
    pub(crate) principal: SessionPrincipal,
}

impl<S: Send + Sync> FromRequestParts<S> for SessionUser
where
    Option<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Accounts(auth) = Accounts::from_request_parts(parts, state).await?;
        match &principal(parts)?.method {
            AuthMethod::Session(principal) => Ok(SessionUser { auth, principal: principal.clone() }),
            AuthMethod::ApiKey(_) | AuthMethod::Issued(_) => {
                Err(Problem::internal("something else than a session came past the authorizer"))
            }
        }
    }
}

/// A user, however authenticated, with the accounts service.
pub(crate) struct AnyUser {
    pub(crate) auth: Auth,
    pub(crate) principal: Principal,
}

impl<S: Send + Sync> FromRequestParts<S> for AnyUser
where
    Option<Auth>: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Accounts(auth) = Accounts::from_request_parts(parts, state).await?;
        Ok(AnyUser { auth, principal: principal(parts)?.clone() })
    }
}

fn principal(parts: &Parts) -> Result<&Principal, Problem> {
    match parts.extensions.get() {
        Some(Caller::User(principal)) => Ok(principal),
        Some(Caller::Anybody) | None => Err(Problem::internal("a request without a user came past the authorizer")),
    }
}
