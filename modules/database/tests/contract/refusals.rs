use hotshelf_domain::{
    Filter, Order, OrderBy, OrganizationId, PageError, PageRequest, PageStart, ProductScope, SchemaId, StoreError,
};

use crate::adapter::Adapter;
use crate::shop::{Shop, named, searched};

pub(crate) async fn lists_of_nobody_are_refused(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    let organization = OrganizationId::new(7).unwrap();
    let schema = SchemaId::new(8).unwrap();
    for filter in [Filter::of_organization(organization), Filter::of_schema(schema)] {
        let request = PageRequest { filter: filter.clone(), limit: 5, ..PageRequest::default() };
        let errors = [
            shop.products.page_ids(request.clone()).await.err(),
            shop.products.page(request).await.err(),
            shop.products.count(filter.clone()).await.err(),
        ];
        for error in errors.map(|error| error.expect("refused")) {
            match (&filter.schema, &error) {
                (None, StoreError::NoSuchOrganization(id)) => assert_eq!(*id, organization),
                (Some(_), StoreError::NoSuchSchema(id)) => assert_eq!(*id, schema),
                other => panic!("{other:?}"),
            }
            assert!(error.changed_nothing());
        }
    }
    assert!(shop.products.ids(ProductScope::Schema(schema), None, 5).await.is_err());
    let built_in = Filter { schema: Some(SchemaId::BUILT_IN), ..Filter::of_organization(OrganizationId::BUILT_IN) };
    assert_eq!(shop.products.count(built_in).await.unwrap(), 0);
}

pub(crate) async fn pages_that_cannot_be_are_refused(adapter: Adapter) {
    let shop = Shop::new(adapter).await;
    shop.create(vec![named("Cup"), named("Plate")]).await;
    let by = |by| Order { by, descending: false };
    let request = |order| PageRequest { order, limit: 1, ..PageRequest::default() };
    let refused = async |request| match shop.products.page_ids(request).await {
        Err(StoreError::NoSuchPage(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(request(by(OrderBy::Relevance))).await, PageError::RelevanceWithoutSearch);

    let place = shop.products.page_ids(request(by(OrderBy::Name))).await.unwrap().next.expect("a place");
    let start = PageStart::After { place, position: 1 };
    for other in [OrderBy::Id, OrderBy::Price, OrderBy::UpdatedAt, OrderBy::Relevance] {
        let filter = Filter { search: searched("cup"), ..Filter::default() };
        let request = PageRequest { filter, start: start.clone(), ..request(by(other)) };
        assert_eq!(refused(request).await, PageError::PlaceOfAnotherOrder, "{other:?}");
    }
}
