use crate::ids::{OrganizationId, SchemaId};
use crate::price::Price;
use crate::search::Search;

/// Which products of the catalogue. What is `None` leaves all in; the rest holds together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Those of this organization.
    pub organization: Option<OrganizationId>,
    /// Those that follow this schema.
    pub schema: Option<SchemaId>,
    /// Those of exactly this category; `""` is that of products without one.
    pub category: Option<String>,
    /// Those that cost this or more.
    pub min_price: Option<Price>,
    /// Those that cost this or less.
    pub max_price: Option<Price>,
    /// Those with pieces at hand, or those without.
    pub in_stock: Option<bool>,
    /// Those in whose texts all the words occur.
    pub search: Option<Search>,
}

impl Filter {
    /// The products of an organization.
    pub fn of_organization(organization: OrganizationId) -> Self {
        Filter { organization: Some(organization), ..Filter::default() }
    }

    /// The products that follow a schema.
    pub fn of_schema(schema: SchemaId) -> Self {
        Filter { schema: Some(schema), ..Filter::default() }
    }

    /// Whether it asks for a price.
    pub fn has_price(&self) -> bool {
        self.min_price.is_some() || self.max_price.is_some()
    }
}

/// Whose products: for lists of ids, which can be as long as the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProductScope {
    /// Those of an organization.
    Organization(OrganizationId),
    /// Those that follow a schema.
    Schema(SchemaId),
    /// Those of an organization that follow a schema: one that every organization may use.
    Both(OrganizationId, SchemaId),
}

impl ProductScope {
    /// All of them, as a list.
    pub fn filter(self) -> Filter {
        match self {
            ProductScope::Organization(id) => Filter::of_organization(id),
            ProductScope::Schema(id) => Filter::of_schema(id),
            ProductScope::Both(organization, schema) => {
                Filter { organization: Some(organization), ..Filter::of_schema(schema) }
            }
        }
    }
}
