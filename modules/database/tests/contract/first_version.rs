//! `tests/data/first-version.db` was made by the first version of the service, before there were organizations: five
//! products, of which the third was deleted and the fourth updated.

use std::path::Path;

use hotshelf_cache::EpochStore;
use hotshelf_domain::{OrganizationId, ProductId, SchemaId, Version};

use crate::adapter::open;
use crate::world::{World, patch};

async fn first_version(directory: &Path) -> World {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/first-version.db");
    let path = directory.join("products.db");
    std::fs::copy(made, &path).expect("copied");
    World::on(open(&path).await)
}

#[tokio::test]
async fn its_products_are_all_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = first_version(directory.path()).await;
    let mut found = Vec::new();
    for id in 1..=6 {
        let product = world.products.find(ProductId::new(id).unwrap()).await.unwrap();
        if let Some(product) = &product {
            assert_eq!((product.organization_id, product.schema_id), (OrganizationId::BUILT_IN, SchemaId::BUILT_IN));
            assert_eq!(product.created_at.format("%Y-%m-%d %H:%M").to_string(), "2026-11-21 12:10");
        }
        found.push(product.map(|product| {
            (
                product.name,
                product.description,
                product.price.minor_units(),
                product.stock,
                product.category,
                product.version,
            )
        }));
    }
    let row = |name: &str, description: &str, price, stock, category: &str, version| {
        Some((name.to_owned(), description.to_owned(), price, stock, category.to_owned(), Version::new(version)))
    };
    assert_eq!(
        found,
        [
            row("Cup", "Two handles", 450, 7, "Kitchen", 1),
            row("Blauer Töpfer-Krug ☕", "", 99_999_999_999, 0, "Küche", 1),
            None,
            row("ランプ 电灯", "", 2_990, 12, "Licht", 2),
            row(r#"O'Brien "%_" <b>'; DROP TABLE products;--"#, "", 1, 0, "", 1),
            None,
        ]
    );
    assert_eq!(world.products.current().await.unwrap().1, "server-of-the-first-version");
}

#[tokio::test]
async fn its_products_go_on_living_as_any_others() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = first_version(directory.path()).await;
    let lamp = ProductId::new(4).unwrap();
    assert!(world.details(lamp).await.fields.is_empty());
    world.put(lamp, r#"{"images":[{"url":"https://a.example/lamp.png"}]}"#).await.expect("put");
    world.schema(r#"{"name":"Lamps","fields":[{"name":"watts","type":"number"}]}"#).await;
    world.update(lamp, r#"{"schema_id":2}"#).await.expect("updated");
    let details = world.put(lamp, r#"{"fields":{"watts":60}}"#).await.expect("put");
    assert_eq!((details.product.version, details.images.len()), (Version::new(5), 1));
    assert!(!patch(r#"{"stock":12}"#).changes(&details.product).stock);

    let next = world.create(r#"{"name":"New","price":1}"#).await.unwrap();
    assert_eq!(next.id.get(), 6, "ids go on where the first version was, the deleted one's included");
}
