import os, shutil
def sub(path, pairs):
    s=open(path).read()
    for a,b in pairs:
        assert a in s, (path,a)
        s=s.replace(a,b,1)
    open(path,'w').write(s)
os.makedirs('modules/database/migrations/00000000000016_quotas',exist_ok=True)
for f in ['up.sql','down.sql']: shutil.copy('/tmp/next/m16/'+f,'modules/database/migrations/00000000000016_quotas/'+f)
D='modules/database/src/'; R='modules/api/src/'
open('domain/src/quota.rs','w').write('''//! How much an organization may have.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most of each resource that one organization may have; `None` where there is no limit. The built-in organization
/// has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Products that are not deleted.
    pub products: Option<u32>,
    /// Users, those included who have not verified their addresses.
    pub users: Option<u32>,
    /// Schemas.
    pub schemas: Option<u32>,
}

impl Quotas {
    /// These, and where they say nothing, the others.
    pub fn or(self, others: Quotas) -> Quotas {
        Quotas {
            products: self.products.or(others.products),
            users: self.users.or(others.users),
            schemas: self.schemas.or(others.schemas),
        }
    }
}

/// What a quota limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Products.
    Products,
    /// Users.
    Users,
    /// Schemas.
    Schemas,
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Resource::Products => "products",
            Resource::Users => "users",
            Resource::Schemas => "schemas",
        })
    }
}

/// How much of a resource there is, and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// How much there is.
    pub used: i64,
    /// How much there may be; `None` without a limit.
    pub limit: Option<u32>,
}

impl Usage {
    /// How much more there may be; `None` without a limit. Nothing where a limit was lowered below what there is.
    pub fn room(&self) -> Option<i64> {
        self.limit.map(|limit| (i64::from(limit) - self.used).max(0))
    }
}

/// The use of all resources by one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OrganizationUsage {
    /// Products.
    pub products: Usage,
    /// Users.
    pub users: Usage,
    /// Schemas.
    pub schemas: Usage,
}
''')
sub('domain/src/lib.rs',[('mod product;\n','mod product;\nmod quota;\n'),
('pub use report::','pub use quota::{OrganizationUsage, Quotas, Resource, Usage};\npub use report::'),
('OrganizationChange, OrganizationDraft};','OrganizationChange, OrganizationDraft, OrganizationPatch};')])
sub('domain/src/organization.rs',[
('''    /// Whether the organization is to be suspended.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_suspended(self) -> Result<bool, Invalid> {
        let OrganizationChange(mut given) = self;
        let suspended = given.take("suspended", "must be true or false");
        let mut errors = given.finish();
        let suspended = errors.required("suspended", suspended, Ok);
        errors.or(suspended)
    }
}
''','''    /// What is to be changed.
    ///
    /// # Errors
    /// [`Invalid`] with every broken rule.
    pub fn into_patch(self) -> Result<OrganizationPatch, Invalid> {
        let OrganizationChange(mut given) = self;
        let suspended = given.take("suspended", "must be true or false");
        let expectation = "must be an object with products, users and schemas, each a whole number or null";
        let quotas = given.take("quotas", expectation);
        given.finish().or(Some(OrganizationPatch { suspended, quotas }))
    }
}

/// A valid change of an organization. What it does not name stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrganizationPatch {
    /// Whether it is to be suspended.
    pub suspended: Option<bool>,
    /// Its quotas, all of them; where they have none, those of the service hold.
    pub quotas: Option<Quotas>,
}
'''),
('use crate::invalid::{FieldErrors, Invalid};\n','use crate::invalid::{FieldErrors, Invalid};\nuse crate::quota::Quotas;\n'),
])
sub('domain/src/error.rs',[('''    /// There is no such schema.
''','''    /// The organization has as much of it as it may have. Nothing was changed.
    #[error("organization {organization} has {} {resource} and may have {}", .usage.used, .usage.limit.unwrap_or_default())]
    QuotaExceeded {
        /// The organization.
        organization: OrganizationId,
        /// Of what.
        resource: Resource,
        /// How much there is, and may be.
        usage: Usage,
    },
    /// There is no such schema.
'''),('''            | StoreError::MembersChanged(_)
''','''            | StoreError::MembersChanged(_)
            | StoreError::QuotaExceeded { .. }
'''),('use crate::product::Version;\n','use crate::product::Version;\nuse crate::quota::{Resource, Usage};\n')])
# database
sub(D+'port.rs',[('''    /// Suspends or resumes it.''','''    /// What the organization may have by its own quotas.
    fn quotas(&mut self, id: OrganizationId) -> Result<Quotas, Self::Error>;

    /// Writes the quotas of an organization.
    fn set_quotas(&mut self, id: OrganizationId, quotas: Quotas) -> Result<(), Self::Error>;

    /// How much of it the organization has, at this point of the transaction.
    fn used(&mut self, id: OrganizationId, resource: Resource) -> Result<i64, Self::Error>;

    /// Suspends or resumes it.'''),
('OrganizationId, Product, ProductId, ProductPatch, Role, Schema,\n    SchemaId, Session, SessionId, StoreError,','OrganizationId, Product, ProductId, ProductPatch, Quotas,\n    Resource, Role, Schema, SchemaId, Session, SessionId, StoreError,'),
])
sub(D+'sqlite/schema.rs',[('''        ending -> BigInt,
    }
}
''','''        ending -> BigInt,
        quota_products -> Nullable<BigInt>,
        quota_users -> Nullable<BigInt>,
        quota_schemas -> Nullable<BigInt>,
    }
}

diesel::table! {
    organization_counts (organization_id) {
        organization_id -> BigInt,
        live -> BigInt,
        in_stock -> BigInt,
    }
}
''')])
s=open(D+'sqlite/organizations.rs').read()
s=s.replace('''    fn set_suspended(''','''    fn quotas(&mut self, wanted: OrganizationId) -> Result<Quotas, SqlError> {
        let quotas = organizations.find(wanted.get()).select((quota_products, quota_users, quota_schemas));
        let row: Option<(Option<i64>, Option<i64>, Option<i64>)> = quotas.first(self).optional()?;
        let (of_products, of_users, of_schemas) = row.unwrap_or_default();
        let quota = |stored: Option<i64>| stored.map(|stored| u32::try_from(stored).unwrap_or(u32::MAX));
        Ok(Quotas { products: quota(of_products), users: quota(of_users), schemas: quota(of_schemas) })
    }

    fn set_quotas(&mut self, wanted: OrganizationId, quotas: Quotas) -> Result<(), SqlError> {
        let quota = |given: Option<u32>| given.map(i64::from);
        let set = (
            quota_products.eq(quota(quotas.products)),
            quota_users.eq(quota(quotas.users)),
            quota_schemas.eq(quota(quotas.schemas)),
        );
        diesel::update(organizations.find(wanted.get())).set(set).execute(self)?;
        Ok(())
    }

    fn used(&mut self, of: OrganizationId, resource: Resource) -> Result<i64, SqlError> {
        let of = of.get();
        Ok(match resource {
            // Triggers count them.
            Resource::Products => {
                let live = organization_counts::table.find(of).select(organization_counts::live);
                live.first(self).optional()?.unwrap_or_default()
            }
            Resource::Users => users::table.filter(users::organization_id.eq(of)).count().get_result(self)?,
            Resource::Schemas => schemas::table.filter(schemas::organization_id.eq(of)).count().get_result(self)?,
        })
    }

    fn set_suspended(''',1)
s=s.replace('use super::schema::organizations::dsl::{created_at, ended_at, ending, id, name, organizations, suspended_at};\nuse super::schema::{products, schemas};','use super::schema::organizations::dsl::{\n    created_at, ended_at, ending, id, name, organizations, quota_products, quota_schemas, quota_users, suspended_at,\n};\nuse super::schema::{organization_counts, products, schemas, users};')
s=s.replace('use hotshelf_domain::{NewOrganization, Organization, OrganizationId, ProductId, SchemaId};','use hotshelf_domain::{NewOrganization, Organization, OrganizationId, ProductId, Quotas, Resource, SchemaId};')
open(D+'sqlite/organizations.rs','w').write(s)
open(D+'usecases/quotas.rs','w').write('''//! What organizations may have, and whether there is room for more. Checked inside the write's transaction: nobody else
//! adds anything before its commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use hotshelf_domain::{OrganizationId, OrganizationUsage, Quotas, Resource, StoreError, Usage};

use crate::port::OrganizationTx;

/// How much of it the organization has, and may have: by its own quotas, or else by those of the service.
pub(crate) fn usage<T: OrganizationTx>(
    tx: &mut T,
    id: OrganizationId,
    of_service: Quotas,
) -> Result<OrganizationUsage, T::Error> {
    let quotas = in_force(tx, id, of_service)?;
    Ok(OrganizationUsage {
        products: Usage { used: tx.used(id, Resource::Products)?, limit: quotas.products },
        users: Usage { used: tx.used(id, Resource::Users)?, limit: quotas.users },
        schemas: Usage { used: tx.used(id, Resource::Schemas)?, limit: quotas.schemas },
    })
}

pub(crate) fn set<T: OrganizationTx>(tx: &mut T, id: OrganizationId, quotas: Quotas) -> Result<(), T::Error> {
    if !tx.has_organization(id)? {
        return Err(StoreError::NoSuchOrganization(id).into());
    }
    tx.set_quotas(id, quotas)
}

/// Checks that there is room for one more.
pub(super) fn check_room<T: OrganizationTx>(
    tx: &mut T,
    id: OrganizationId,
    resource: Resource,
    of_service: Quotas,
) -> Result<(), T::Error> {
    let usage = usage_of(tx, id, resource, of_service)?;
    if usage.room() == Some(0) {
        return Err(StoreError::QuotaExceeded { organization: id, resource, usage }.into());
    }
    Ok(())
}

/// The room for products in each organization, while products are checked before the first is inserted.
pub(super) struct ProductRoom {
    of_service: Quotas,
    of: HashMap<OrganizationId, Usage>,
}

impl ProductRoom {
    pub(super) fn new(of_service: Quotas) -> Self {
        ProductRoom { of_service, of: HashMap::new() }
    }

    /// Takes a place for one more, if there is one. The built-in organization costs no query.
    pub(super) fn take<T: OrganizationTx>(
        &mut self,
        tx: &mut T,
        id: OrganizationId,
    ) -> Result<Result<(), StoreError>, T::Error> {
        if id == OrganizationId::BUILT_IN {
            return Ok(Ok(()));
        }
        let usage = match self.of.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(usage_of(tx, id, Resource::Products, self.of_service)?),
        };
        if usage.room() == Some(0) {
            let (resource, usage) = (Resource::Products, *usage);
            return Ok(Err(StoreError::QuotaExceeded { organization: id, resource, usage }));
        }
        usage.used += 1;
        Ok(Ok(()))
    }
}

/// Counts nothing where there is no limit.
fn usage_of<T: OrganizationTx>(
    tx: &mut T,
    id: OrganizationId,
    resource: Resource,
    of_service: Quotas,
) -> Result<Usage, T::Error> {
    let quotas = in_force(tx, id, of_service)?;
    let limit = match resource {
        Resource::Products => quotas.products,
        Resource::Users => quotas.users,
        Resource::Schemas => quotas.schemas,
    };
    let used = if limit.is_some() { tx.used(id, resource)? } else { 0 };
    Ok(Usage { used, limit })
}

fn in_force<T: OrganizationTx>(tx: &mut T, id: OrganizationId, of_service: Quotas) -> Result<Quotas, T::Error> {
    if id == OrganizationId::BUILT_IN { Ok(Quotas::default()) } else { Ok(tx.quotas(id)?.or(of_service)) }
}
''')
sub(D+'usecases.rs',[('pub(crate) mod products;\n','pub(crate) mod products;\npub(crate) mod quotas;\n')])
sub(D+'usecases/products.rs',[('''pub(crate) fn create<T: WriteTx>(tx: &mut T, new: &NewProduct) -> Result<Product, T::Error> {
    References::default().check(tx, new)?.map_err(StoreError::from)?;
    insert(tx, new)''','''pub(crate) fn create<T: WriteTx>(tx: &mut T, new: &NewProduct, quotas: Quotas) -> Result<Product, T::Error> {
    References::default().check(tx, new)?.map_err(StoreError::from)?;
    ProductRoom::new(quotas).take(tx, new.organization_id)??;
    insert(tx, new)'''),
('use hotshelf_domain::{Expect, NewProduct, Product, ProductId, ProductPatch, StoreError, Version};\n\n','use hotshelf_domain::{Expect, NewProduct, Product, ProductId, ProductPatch, Quotas, StoreError, Version};\n\nuse super::quotas::ProductRoom;\n'),
])
sub(D+'usecases/bulk.rs',[('''    all_or_nothing: bool,
) ->''','''    all_or_nothing: bool,
    quotas: Quotas,
) ->'''),
('''    let checked = new.iter().map(|new| Ok(references.check(tx, new)?.map_err(|invalid| room.fit(invalid))));
''','''    let mut places = ProductRoom::new(quotas);
    let checked = new.iter().map(|new| {
        let checked = match references.check(tx, new)? {
            Ok(()) => {
                let placed = places.take(tx, new.organization_id)?;
                placed.map_err(|full| Invalid::one("organization_id", &full.to_string()))
            }
            Err(invalid) => Err(invalid),
        };
        Ok(checked.map_err(|invalid| room.fit(invalid)))
    });
'''),
('use hotshelf_domain::{ErrorRoom, Invalid, NewProduct, ProductId, StoreError};','use hotshelf_domain::{ErrorRoom, Invalid, NewProduct, ProductId, Quotas, StoreError};'),
('use super::products::insert;\n','use super::products::insert;\nuse super::quotas::ProductRoom;\n'),
])
sub(D+'usecases/schemas.rs',[('pub(crate) fn create<T: WriteTx>(tx: &mut T, new: &NewSchema) ->','pub(crate) fn create<T: WriteTx>(tx: &mut T, new: &NewSchema, quotas: Quotas) ->'),
('    tx.insert_schema(new)','    check_room(tx, organization, Resource::Schemas, quotas)?;\n    tx.insert_schema(new)'),
('use hotshelf_domain::{Expect, Invalid, NewSchema, Schema, SchemaId, SchemaPatch, StoreError, does_not_exist};\n\n','use hotshelf_domain::{\n    Expect, Invalid, NewSchema, Quotas, Resource, Schema, SchemaId, SchemaPatch, StoreError, does_not_exist,\n};\n\nuse super::quotas::check_room;\n')])
sub(D+'usecases/registration.rs',[('''    instead_of: Option<UserId>,
) ->''','''    instead_of: Option<UserId>,
    quotas: Quotas,
) ->'''),('''    tx.insert_user(&NewUser''','''    check_room(tx, organization, Resource::Users, quotas)?;
    tx.insert_user(&NewUser'''),('use super::organizations::end_deserted;\n','use super::organizations::end_deserted;\nuse super::quotas::check_room;\n'),
('NewInvitation, NewUser, OrganizationId, Role, StoreError,','NewInvitation, NewUser, OrganizationId, Quotas, Resource, Role, StoreError,')])
sub(D+'database.rs',[('''    identity: Arc<Identity>,
    /// The connection that was''','''    identity: Arc<Identity>,
    /// Of organizations that have none of their own.
    quotas: OnceLock<Quotas>,
    /// The connection that was'''),('''            identity,
            first,
        })))
    }
''','''            identity,
            quotas: OnceLock::new(),
            first,
        })))
    }

    /// Limits what each organization may have that has no quotas of its own. Once, before the first write.
    pub fn limit(&self, quotas: Quotas) {
        let _ = self.0.quotas.set(quotas);
    }

    fn quotas(&self) -> Quotas {
        self.0.quotas.get().copied().unwrap_or_default()
    }
'''),('use std::sync::Arc;\n','use std::sync::{Arc, OnceLock};\n'),('use hotshelf_domain::StoreError;\n','use hotshelf_domain::{Quotas, StoreError};\n')])
sub(D+'database/products.rs',[('self.commit(1, fencing, move |conn| products::create(conn, &new)).await','let quotas = self.quotas();\n        self.commit(1, fencing, move |conn| products::create(conn, &new, quotas)).await'),
('self.commit(new.len(), fencing, move |conn| bulk::create(conn, &new, all_or_nothing)).await','let quotas = self.quotas();\n        self.commit(new.len(), fencing, move |conn| bulk::create(conn, &new, all_or_nothing, quotas)).await'),
('''    /// one, or its fields do not fit the schema.
''','''    /// one, or its fields do not fit the schema; [`StoreError::QuotaExceeded`].
'''),
])
sub(D+'database/registration.rs',[('self.commit(1, fencing, move |conn| registration::add_user(conn, &new, instead_of)).await','let quotas = self.quotas();\n        self.commit(1, fencing, move |conn| registration::add_user(conn, &new, instead_of, quotas)).await'),
('''    /// [`StoreError::NoSuchOrganization`]; [`StoreError::NotInvited`].
''','''    /// [`StoreError::NoSuchOrganization`]; [`StoreError::NotInvited`]; [`StoreError::QuotaExceeded`].
''')])
sub(D+'database/catalogue.rs',[('self.0.writer.submit(1, move |conn| schemas::create(conn, &new)).await','let quotas = self.quotas();\n        self.0.writer.submit(1, move |conn| schemas::create(conn, &new, quotas)).await'),
('''    /// [`StoreError::Invalid`] when its organization does not exist.
''','''    /// [`StoreError::Invalid`] when its organization does not exist; [`StoreError::QuotaExceeded`].
'''),
('''    /// The users of an organization, by id.
    pub async fn members''','''    /// What an organization has, and may have, all of one moment.
    pub async fn usage(&self, id: OrganizationId) -> Result<OrganizationUsage, StoreError> {
        let of_service = self.quotas();
        let usage = move |conn: &mut SqliteConnection| {
            conn.transaction::<_, SqlError, _>(|conn| quotas::usage(conn, id, of_service))
        };
        self.0.readers.keyed.read(usage).await
    }

    /// Gives an organization quotas of its own; where they say nothing, those of the service hold. What it has already
    /// stays.
    ///
    /// # Errors
    /// [`StoreError::NoSuchOrganization`].
    pub async fn set_quotas(&self, id: OrganizationId, quotas: Quotas) -> Result<(), StoreError> {
        self.0.writer.submit(1, move |conn| quotas::set(conn, id, quotas)).await
    }

    /// The users of an organization, by id.
    pub async fn members'''),
('OrganizationId, ProductId, Schema, SchemaId, SchemaPatch,\n    StoreError, UserId,','OrganizationId, OrganizationUsage, ProductId, Quotas, Schema,\n    SchemaId, SchemaPatch, StoreError, UserId,'),
('use crate::usecases::{organizations as usecases, schemas};','use crate::sqlite::error::SqlError;\nuse crate::usecases::{organizations as usecases, quotas, schemas};'),
('use diesel::sqlite::SqliteConnection;','use diesel::Connection;\nuse diesel::sqlite::SqliteConnection;'),
])
# api
s=open(R+'routes/organizations.rs').read()
s=s.replace('''/// Suspends or resumes an organization. After the response, no instance lets a user of a suspended organization in, by
/// any session or API key. The products stay.
''','''/// Changes an organization: suspends or resumes it, and sets its quotas. After the response, no instance lets a user of a
/// suspended organization in, by any session or API key. The products stay.
''')
s=s.replace('''pub(crate) async fn suspend(
    Accounts(auth): Accounts,
''','''pub(crate) async fn update(
    State(repository): State<Database>,
    Accounts(auth): Accounts,
''')
s=s.replace('''    let suspended = OrganizationChange::from_json(&body)?.into_suspended()?;
    Ok(Json(OrganizationAnswer { organization: auth.suspend(id, suspended).await? }))
''','''    let OrganizationPatch { suspended, quotas } = OrganizationChange::from_json(&body)?.into_patch()?;
    if let Some(quotas) = quotas {
        repository.set_quotas(id, quotas).await?;
    }
    if let Some(suspended) = suspended {
        auth.suspend(id, suspended).await?;
    }
    let organization = repository.organization(id).await?.ok_or(StoreError::NoSuchOrganization(id))?;
    Ok(Json(OrganizationAnswer { organization, usage: Some(repository.usage(id).await?) }))
''')
s=s.replace('''    organization: Organization,
}

#[derive(Serialize, ToSchema)]
struct Organizations''','''    organization: Organization,
    /// What it has, and may have; for its admins and for operators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::OrganizationUsage>)]
    usage: Option<OrganizationUsage>,
}

#[derive(Serialize, ToSchema)]
struct Organizations''')
s=s.replace('Json(OrganizationAnswer { organization })))' ,'Json(OrganizationAnswer { organization, usage: None })))').replace('Json(OrganizationAnswer { organization })))','')
s=s.replace('location, Json(OrganizationAnswer { organization })','location, Json(OrganizationAnswer { organization, usage: None })')
s=s.replace('''.ok_or(StoreError::NoSuchOrganization(id))?;
    Ok(Json(OrganizationAnswer { organization }))''','''.ok_or(StoreError::NoSuchOrganization(id))?;
    let usage = if caller.is_admin() { Some(repository.usage(id).await?) } else { None };
    Ok(Json(OrganizationAnswer { organization, usage }))''')
s=s.replace('use hotshelf_domain::{Organization, OrganizationChange, OrganizationDraft, OrganizationId, StoreError};','use hotshelf_domain::{\n    Organization, OrganizationChange, OrganizationDraft, OrganizationId, OrganizationPatch, OrganizationUsage, StoreError,\n};')
open(R+'routes/organizations.rs','w').write(s)
sub(R+'routes.rs',[('routes!(organizations::suspend)','routes!(organizations::update)')])
sub(R+'caller.rs',[('''    pub(crate) fn sees(&self, organization''','''    /// Whether the caller may know what an organization has: an admin, or anybody with `AUTH=off`.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Caller::Anybody => true,
            Caller::User(principal) => principal.role == Role::Admin,
        }
    }

    pub(crate) fn sees(&self, organization''')])
sub(R+'problem.rs',[('''            | StoreError::OrganizationBuiltIn(_)
''','''            | StoreError::OrganizationBuiltIn(_)
            | StoreError::QuotaExceeded { .. }
''')])
sub(R+'openapi/catalogue.rs',[('''/// Whether an organization is to be suspended.
#[derive(ToSchema)]
pub(crate) struct OrganizationChange {
    suspended: bool,
}
''','''/// A change of an organization. What it does not name stays.
#[derive(ToSchema)]
pub(crate) struct OrganizationChange {
    /// Whether it is to be suspended.
    suspended: Option<bool>,
    /// All quotas of its own. Where one is missing or `null`, the setting of the service holds.
    quotas: Option<Quotas>,
}

/// What an organization may have at most.
#[derive(ToSchema)]
pub(crate) struct Quotas {
    products: Option<u32>,
    users: Option<u32>,
    schemas: Option<u32>,
}

/// What an organization has, and may have.
#[derive(ToSchema)]
pub(crate) struct OrganizationUsage {
    products: Usage,
    users: Usage,
    schemas: Usage,
}

#[derive(ToSchema)]
pub(crate) struct Usage {
    used: i64,
    /// `null` without a limit.
    limit: Option<u32>,
}
''')])
# settings
sub('src/config/settings.rs',[('''    "Warming" {''','''    "Quotas" {
        /// Products that an organization may have. Empty: any number. Organization 1 has no quotas; operators can give
        /// another one its own.
        quota_products: Option<u32> = "", |text| optional(text, |text| number(text, 0..=u32::MAX)),
            "a whole number from 0 to 4294967295", see: "operations.md#quotas";

        /// Users that an organization may have. Empty: any number.
        quota_users: Option<u32> = "", |text| optional(text, |text| number(text, 0..=u32::MAX)),
            "a whole number from 0 to 4294967295", see: "operations.md#quotas";

        /// Schemas that an organization may have. Empty: any number.
        quota_schemas: Option<u32> = "", |text| optional(text, |text| number(text, 0..=u32::MAX)),
            "a whole number from 0 to 4294967295", see: "operations.md#quotas";
    }
    "Warming" {''')])
sub('src/config.rs',[('''    pub(crate) cache: CacheOptions,
''','''    /// Of organizations that have none of their own.
    pub(crate) quotas: Quotas,
    pub(crate) cache: CacheOptions,
'''),('use hotshelf_cache::CacheOptions;\nuse hotshelf_database::DatabaseOptions;\n','use hotshelf_cache::CacheOptions;\nuse hotshelf_database::DatabaseOptions;\nuse hotshelf_domain::Quotas;\n')])
sub('src/config/options.rs',[('''        ttls: ttls(s),
''','''        quotas: Quotas { products: s.quota_products, users: s.quota_users, schemas: s.quota_schemas },
        ttls: ttls(s),
'''),('use hotshelf_database::DatabaseOptions;\n','use hotshelf_database::DatabaseOptions;\nuse hotshelf_domain::Quotas;\n')])
sub('src/wiring.rs',[('''    let repository = Database::clone(&repository);
''','''    let repository = Database::clone(&repository);
    repository.limit(config.quotas);
''')])
# tests
sub('tests/accounts/main.rs',[('mod raw_http;\n','mod quotas;\nmod raw_http;\n')])
open('tests/accounts/quotas.rs','w').write('''//! What an organization may have at most.

use hotshelf_testkit::catalogue::{PRODUCTS, path};
use hotshelf_testkit::users::{PASSWORD, USERS};
use hotshelf_testkit::{Client, Reply};
use serde_json::{Value, json};

use crate::fixture::Fixture;

const QUOTAS: [(&str, &str); 3] = [("QUOTA_PRODUCTS", "5"), ("QUOTA_USERS", "2"), ("QUOTA_SCHEMAS", "1")];

async fn usage(client: &Client, organization: i64) -> Value {
    client.get(&format!("/api/v1/organizations/{organization}")).await.expect(200).json()["usage"].take()
}

async fn create(client: &Client) -> Reply {
    client.post(PRODUCTS).json(&json!({"name": "Cup", "price": 1})).await
}

#[tokio::test]
async fn an_organization_has_no_more_than_its_quotas() {
    let fixture = Fixture::open_with(&QUOTAS).await;
    let (other, id) = (&fixture.other, fixture.other_organization);
    let first = create(other).await.expect(201).json()["product"].take();
    let bulk = json!({"products": vec![json!({"name": "Pot", "price": 1}); 6]});
    // All or none: none.
    let atomic = other.post("/api/v1/products/bulk?atomic=true").json(&bulk).await;
    assert_eq!(atomic.status, 400, "{atomic:?}");
    let made = other.post("/api/v1/products/bulk").json(&bulk).await.expect(201).json();
    assert_eq!((made["created"].as_array().unwrap().len(), made["errors"].as_array().unwrap().len()), (4, 2));
    let full = format!("organization {id} has 5 products and may have 5");
    assert_eq!(made["errors"][0]["errors"][0]["message"], full);
    assert_eq!(create(other).await.expect(409).json()["detail"], full);
    // A change needs no room, and a deleted product makes some.
    other.put(&path(&first)).json(&json!({"price": 2})).await.expect(200);
    other.delete(&path(&first)).await.expect(200);
    create(other).await.expect(201);
    create(other).await.expect(409);

    let schema = json!({"name": "Cups", "fields": []});
    other.post("/api/v1/schemas").json(&schema).await.expect(201);
    other.post("/api/v1/schemas").json(&schema).await.expect(409);
    let user = |name: &str| json!({"email": format!("{name}@two.example"), "password": PASSWORD});
    other.post(USERS).json(&user("second")).await.expect(201);
    other.post(USERS).json(&user("third")).await.expect(409);
    let of = |used: i64, limit: i64| json!({"used": used, "limit": limit});
    assert_eq!(usage(other, id).await, json!({"products": of(5, 5), "users": of(2, 2), "schemas": of(1, 1)}));
    // Organization 1 has none, and only admins see what there is.
    for _ in 0..6 {
        create(&fixture.admin).await.expect(201);
    }
    assert_eq!(usage(&fixture.admin, 1).await["products"], json!({"used": 6, "limit": null}));
    assert_eq!(usage(&fixture.viewer, 1).await, Value::Null);
}

#[tokio::test]
async fn an_operator_gives_an_organization_quotas_of_its_own() {
    let fixture = Fixture::open_with(&QUOTAS).await;
    let (other, id) = (&fixture.other, fixture.other_organization);
    let target = format!("/api/v1/organizations/{id}");
    let change = async |quotas: Value| {
        fixture.admin.patch(&target).json(&json!({"quotas": quotas})).await.expect(200).json()["usage"].take()
    };
    assert_eq!(change(json!({"products": 1})).await["products"], json!({"used": 0, "limit": 1}));
    create(other).await.expect(201);
    create(other).await.expect(409);
    assert_eq!(change(json!({"products": 7, "users": null})).await["users"]["limit"], 2);
    create(other).await.expect(201);
    assert_eq!(change(json!({})).await["products"], json!({"used": 2, "limit": 5}));
    // A quota below what there is ends nothing.
    change(json!({"products": 0})).await;
    assert_eq!(other.get(PRODUCTS).await.expect(200).json()["total"], 2);
    create(other).await.expect(409);
    for bad in [json!({"products": -1}), json!({"products": "many"}), json!({"bytes": 1}), json!(5)] {
        fixture.admin.patch(&target).json(&json!({"quotas": bad})).await.expect(400);
    }
    fixture.other.patch(&target).json(&json!({"quotas": {}})).await.expect(403);
    fixture.admin.patch("/api/v1/organizations/99").json(&json!({"quotas": {}})).await.expect(404);
}

/// Many at the same time share commits, and are counted one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_exact_when_many_write_at_the_same_time() {
    let fixture = Fixture::open_with(&[("QUOTA_PRODUCTS", "20")]).await;
    let creates: Vec<_> = (0..40)
        .map(|_| {
            let client = fixture.other.clone();
            tokio::spawn(async move { create(&client).await.status })
        })
        .collect();
    let mut created = 0;
    for create in creates {
        let status = create.await.unwrap();
        assert!([201, 409].contains(&status), "{status}");
        created += usize::from(status == 201);
    }
    assert_eq!(created, 20);
    assert_eq!(usage(&fixture.other, fixture.other_organization).await["products"], json!({"used": 20, "limit": 20}));
}
''')
s=open('tests/accounts/organizations.rs').read()
s=s.replace('for bad in [json!({}), json!({"suspended": "yes"})','for bad in [json!({"suspended": "yes"})')
open('tests/accounts/organizations.rs','w').write(s)
# docs
sub('docs/operations.md',[('''### Mail, passwords and sessions
''','''### Quotas

`QUOTA_PRODUCTS`, `QUOTA_USERS` and `QUOTA_SCHEMAS` limit what each organization may have, with `AUTH=off` too.
Organization 1 has no quotas. `PATCH /api/v1/organizations/{id}` with `{"quotas": {"products": 50000}}` gives one
organization quotas of its own; where they say nothing, the settings hold. A write that would exceed a quota is refused
with 409 and names the quota, its limit and its use; in a bulk request or an import, the products beyond it are
refused. A quota below what there is ends nothing. The admins of an organization see use and limits with
`GET /api/v1/organizations/{id}`.

### Mail, passwords and sessions
''')])
sub('docs/security.md',[('''## Roles
''','''**Quotas** limit the products, users and schemas of each organization but the first
([operations](operations.md#quotas)). They are counted in the transaction of the write, so they are exact.

## Roles
''')])
sub('docs/api.md',[('''`{"suspended":true}` suspends an organization, `false` resumes it. With `AUTH=on` only, as the next |''','''`{suspended?, quotas?}`: suspends an organization or resumes it, and gives it [quotas](operations.md#quotas) of its own. With `AUTH=on` only, as the next |'''),
('''| `GET /api/v1/organizations/{id}` | 200 | viewer | returns one organization |''','''| `GET /api/v1/organizations/{id}` | 200 | viewer | returns one organization, to admins with `usage`: what it has, and may have |''')])
sub('docs/glossary.md',[('''| release | the step''','''| quota | the most that one organization may have of a resource: products, users, schemas |
| release | the step''')])
