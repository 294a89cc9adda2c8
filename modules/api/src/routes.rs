//! The handlers, one file per resource, and the list of all operations.

pub(crate) mod analytics;
pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod bulk;
pub(crate) mod cache;
pub(crate) mod details;
pub(crate) mod envelope;
pub(crate) mod health;
pub(crate) mod invitations;
pub(crate) mod members;
pub(crate) mod organizations;
pub(crate) mod passwords;
pub(crate) mod products;
pub(crate) mod registration;
pub(crate) mod schemas;
pub(crate) mod sessions;
pub(crate) mod statistics;
pub(crate) mod tokens;
pub(crate) mod users;

use hotshelf_domain::Area;
use utoipa_axum::routes;

use crate::operations::{Access, Operations};

/// Every operation that the API describes, and who may use it.
pub(crate) fn operations() -> Operations {
    Operations::in_area(products::PRODUCT_AREA)
        .operation(products::PRODUCT_ACCESS, routes!(products::get))
        .operation(Access::Viewer, routes!(products::list))
        .operation(Access::Editor, routes!(products::create))
        .operation(Access::Editor, routes!(products::update))
        .operation(Access::Editor, routes!(products::delete))
        .operation(Access::Viewer, routes!(details::get))
        .operation(Access::Editor, routes!(details::put))
        .operation(Access::Editor, routes!(bulk::create))
        .operation(Access::Editor, routes!(bulk::delete))
        .operation(Access::Viewer, routes!(members::of_organization))
        .operation(Access::Viewer, routes!(members::of_schema))
        .operation(Access::Viewer, routes!(members::ids_of_organization))
        .operation(Access::Viewer, routes!(members::ids_of_schema))
        .operation(Access::Viewer, routes!(envelope::get))
        .operation(Access::Editor, routes!(envelope::create))
        .operation(Access::Editor, routes!(envelope::update))
        .area(Area::Organizations)
        .operation(Access::Viewer, routes!(organizations::list))
        .operation(Access::Operator, routes!(organizations::create))
        .operation(Access::Viewer, routes!(organizations::get))
        .operation(Access::OperatorSession, routes!(organizations::change))
        .operation(Access::OperatorSession, routes!(organizations::delete))
        .area(Area::Schemas)
        .operation(Access::Editor, routes!(schemas::create))
        .operation(Access::Viewer, routes!(schemas::get))
        .operation(Access::Editor, routes!(schemas::update))
        .area(Area::Cache)
        .operation(Access::Operator, routes!(cache::delete))
        .operation(Access::Operator, routes!(cache::warm))
        .area(Area::Users)
        .operation(Access::Public, routes!(registration::register))
        .operation(Access::Public, routes!(registration::verify))
        .operation(Access::Session, routes!(registration::resend))
        .operation(Access::Public, routes!(auth::login))
        .operation(Access::Ending, routes!(auth::logout))
        .operation(Access::Ending, routes!(tokens::revoke))
        .operation(Access::Session, routes!(auth::session))
        .operation(Access::Public, routes!(passwords::forgot))
        .operation(Access::Public, routes!(passwords::reset))
        .operation(Access::Session, routes!(passwords::change))
        .operation(Access::Session, routes!(sessions::list))
        .operation(Access::Session, routes!(sessions::end_all))
        .operation(Access::Session, routes!(sessions::end))
        .operation(Access::Session, routes!(api_keys::list))
        .operation(Access::Session, routes!(api_keys::create))
        .operation(Access::Session, routes!(api_keys::remove))
        .operation(Access::Admin, routes!(api_keys::list_all))
        .operation(Access::AdminSession, routes!(api_keys::remove_any))
        .operation(Access::AdminSession, routes!(invitations::create))
        .operation(Access::Admin, routes!(invitations::list))
        .operation(Access::AdminSession, routes!(invitations::revoke))
        .operation(Access::Admin, routes!(users::list))
        .operation(Access::AdminSession, routes!(users::add))
        .operation(Access::Admin, routes!(users::get))
        .operation(Access::AdminSession, routes!(users::set_role))
        .operation(Access::AdminSession, routes!(users::remove))
        .operation(Access::AdminSession, routes!(users::end_sessions))
        .area(Area::Audit)
        .operation(Access::Admin, routes!(audit::list))
        .area(Area::Statistics)
        // Of operators: it counts the products of all organizations.
        .operation(Access::Operator, routes!(analytics::catalogue))
        .operation(Access::Observer, routes!(statistics::stats))
        .operation(Access::Operator, routes!(statistics::reset))
        .operation(Access::Observer, routes!(statistics::metrics))
        .operation(Access::Report, routes!(health::health))
        .operation(Access::Public, routes!(health::live))
        .operation(Access::Public, routes!(health::ready))
}
