//! Numbers that name things: one type for each kind of thing, so that no two can be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// `None` unless `id` is positive.
            pub const fn new(id: i64) -> Option<Self> {
                if id > 0 { Some($name(id)) } else { None }
            }

            /// The number itself.
            pub fn get(self) -> i64 {
                self.0
            }

            /// Of a row that a database has kept: it is taken to be positive.
            pub fn from_row(id: i64) -> Self {
                $name(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Identifies a product. Positive, given by the database, never reused, not even after a delete.
    ProductId
}

id! {
    /// Identifies an organization, to which products and schemas belong. Given by the database, never reused.
    OrganizationId
}

id! {
    /// Identifies a schema, which says what details a kind of product has. Given by the database, never reused.
    SchemaId
}

id! {
    /// Identifies an image of a product. Given by the database, never reused.
    ImageId
}

id! {
    /// Identifies a user. Given by the database, never reused.
    UserId
}

id! {
    /// Identifies a session to the person whose it is. Not its token. Given by the database, never reused.
    SessionId
}

id! {
    /// Identifies an API key to the people of its organization. Not its token. Given by the database, never reused.
    ApiKeyId
}

id! {
    /// Identifies an invitation to the admins of its organization. Not its token. Given by the database, never reused.
    InvitationId
}

impl OrganizationId {
    /// The one that exists before anybody makes more.
    pub const BUILT_IN: OrganizationId = OrganizationId(1);
}

impl SchemaId {
    /// The one that exists before anybody makes more. It has no fields, and every organization may use it.
    pub const BUILT_IN: SchemaId = SchemaId(1);
}
