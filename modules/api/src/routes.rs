//! The handlers, one file per resource, and the list of all operations.

pub(crate) mod analytics;
pub(crate) mod api_keys;
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
pub(crate) mod users;

use utoipa_axum::routes;

use crate::operations::{Access, Operations};

/// Every operation that the API describes, and who may use it.
pub(crate) fn operations() -> Operations {
    Operations::default()
        .operation(products::PRODUCT_ACCESS, routes!(products::get))
        .operation(Access::Viewer, routes!(products::list))
        .operation(Access::Editor, routes!(products::create))
        .operation(Access::Editor, routes!(products::update))
        .operation(Access::Editor, routes!(products::delete))
        .operation(Access::Viewer, routes!(details::get))
        .operation(Access::Editor, routes!(details::put))
        .operation(Access::Editor, routes!(bulk::create))
        .operation(Access::Editor, routes!(bulk::delete))
        .operation(Access::Viewer, routes!(organizations::list))
        .operation(Access::Operator, routes!(organizations::create))
        .operation(Access::Viewer, routes!(organizations::get))
        .operation(Access::OperatorSession, routes!(organizations::suspend))
        .operation(Access::OperatorSession, routes!(organizations::delete))
        .operation(Access::Editor, routes!(schemas::create))
        .operation(Access::Viewer, routes!(schemas::get))
        .operation(Access::Editor, routes!(schemas::update))
        .operation(Access::Viewer, routes!(members::of_organization))
        .operation(Access::Viewer, routes!(members::of_schema))
        .operation(Access::Viewer, routes!(members::ids_of_organization))
        .operation(Access::Viewer, routes!(members::ids_of_schema))
        // Of operators: it counts the products of all organizations.
        .operation(Access::Operator, routes!(analytics::catalogue))
        .operation(Access::Operator, routes!(cache::delete))
        .operation(Access::Operator, routes!(cache::warm))
        .operation(Access::Viewer, routes!(envelope::get))
        .operation(Access::Editor, routes!(envelope::create))
        .operation(Access::Editor, routes!(envelope::update))
        .operation(Access::Public, routes!(registration::register))
        .operation(Access::Public, routes!(registration::verify))
        .operation(Access::Session, routes!(registration::resend))
        .operation(Access::Public, routes!(auth::login))
        .operation(Access::Session, routes!(auth::logout))
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
        .operation(Access::AdminSession, routes!(invitations::create))
        .operation(Access::Admin, routes!(invitations::list))
        .operation(Access::AdminSession, routes!(invitations::revoke))
        .operation(Access::Admin, routes!(users::list))
        .operation(Access::AdminSession, routes!(users::add))
        .operation(Access::Admin, routes!(users::get))
        .operation(Access::AdminSession, routes!(users::set_role))
        .operation(Access::AdminSession, routes!(users::remove))
        .operation(Access::AdminSession, routes!(users::end_sessions))
        .operation(Access::Observer, routes!(statistics::stats))
        .operation(Access::Operator, routes!(statistics::reset))
        .operation(Access::Observer, routes!(statistics::metrics))
        .operation(Access::Report, routes!(health::health))
        .operation(Access::Public, routes!(health::live))
        .operation(Access::Public, routes!(health::ready))
}
