//! A database of its own, and short ways to say what is done to it, in JSON as clients write it.

use hotshelf_cache::Fencing;
use hotshelf_database::Database;
use hotshelf_domain::{
    Actor, DetailsDraft, DetailsPatch, Expect, FieldError, NewProduct, NewSchema, Organization, OrganizationDraft,
    Product, ProductDetails, ProductDraft, ProductId, ProductPatch, Schema, SchemaDraft, SchemaId, SchemaPatch,
    StoreError,
};

use crate::adapter::{Adapter, Storage};

pub(crate) struct World {
    pub(crate) products: Database,
    /// Where the database is, unless somebody else takes care of that.
    _storage: Option<Storage>,
}

pub(crate) fn product(json: &str) -> NewProduct {
    ProductDraft::from_json(json.as_bytes()).expect("an object").into_new().expect("a valid product")
}

pub(crate) fn patch(json: &str) -> ProductPatch {
    ProductDraft::from_json(json.as_bytes()).expect("an object").into_patch().expect("a valid change")
}

pub(crate) fn details(json: &str) -> DetailsPatch {
    DetailsDraft::from_json(json.as_bytes()).expect("an object").into_patch().expect("valid details")
}

pub(crate) fn schema(json: &str) -> NewSchema {
    SchemaDraft::from_json(json.as_bytes()).expect("an object").into_new().expect("a valid schema")
}

pub(crate) fn schema_patch(json: &str) -> SchemaPatch {
    SchemaDraft::from_json(json.as_bytes()).expect("an object").into_patch().expect("a valid change")
}

/// The sentences of what was not valid.
pub(crate) fn complaints(error: StoreError) -> Vec<String> {
    assert!(error.changed_nothing());
    let StoreError::Invalid(invalid) = error else { panic!("not invalid, but: {error}") };
    invalid.0.into_iter().map(|FieldError { field, message }| format!("{field} {message}")).collect()
}

impl World {
    pub(crate) async fn new(adapter: Adapter) -> Self {
        let storage = adapter.storage();
        let products = storage.open().await;
        World { products, _storage: Some(storage) }
    }

    pub(crate) fn on(products: Database) -> Self {
        World { products, _storage: None }
    }

    pub(crate) async fn organization(&self, name: &str) -> Organization {
        let draft = OrganizationDraft { name: Some(name.to_owned()), ..Default::default() };
        self.products
            .create_organization(draft.into_new().expect("a valid name"), Actor::default())
            .await
            .expect("created")
    }

    pub(crate) async fn schema(&self, json: &str) -> Schema {
        self.products.create_schema(schema(json)).await.expect("created")
    }

    pub(crate) async fn change_schema(&self, id: SchemaId, json: &str) -> Result<Schema, StoreError> {
        self.products.update_schema(id, schema_patch(json), Expect::Anything).await
    }

    pub(crate) async fn create(&self, json: &str) -> Result<Product, StoreError> {
        self.products.create(product(json), Fencing::Fenced).await.map(|committed| committed.value)
    }

    pub(crate) async fn update(&self, id: ProductId, json: &str) -> Result<Product, StoreError> {
        let updated = self.products.update(id, patch(json), Expect::Anything, None, Fencing::Fenced).await;
        updated.map(|committed| committed.value)
    }

    pub(crate) async fn put(&self, id: ProductId, json: &str) -> Result<ProductDetails, StoreError> {
        let put = self.products.put_details(id, details(json), Expect::Anything, None, Fencing::Fenced).await;
        put.map(|committed| committed.value)
    }

    pub(crate) async fn details(&self, id: ProductId) -> ProductDetails {
        self.products.details(id).await.expect("read").expect("it exists")
    }
}
