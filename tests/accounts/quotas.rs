//! What an organization may have at most.

use hotshelf_testkit::catalogue::{PRODUCTS, path};
use hotshelf_testkit::users::{PASSWORD, USERS, mailed};
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
    assert_eq!(change(json!({"products": 7.0})).await["users"]["limit"], 2);
    create(other).await.expect(201);
    assert_eq!(change(json!({})).await["products"], json!({"used": 2, "limit": 5}));
    // A quota below what there is ends nothing.
    change(json!({"products": 0})).await;
    assert_eq!(other.get(PRODUCTS).await.expect(200).json()["total"], 2);
    create(other).await.expect(409);
    let changes = fixture.other.get("/api/v1/audit?action=organization.quotas_changed").await.expect(200).json();
    assert_eq!(changes["entries"].as_array().unwrap().len(), 4, "{changes}");
    assert_eq!(changes["entries"][0]["detail"], "products: 0, users: as the service, schemas: as the service");
    for bad in [
        json!({"products": -1}),
        json!({"products": null}),
        json!({"products": 1.5}),
        json!({"products": 4294967296_i64}),
        json!({"products": "many"}),
        json!({"bytes": 1}),
        json!(5),
    ] {
        fixture.admin.patch(&target).json(&json!({"quotas": bad})).await.expect(400);
    }
    fixture.other.patch(&target).json(&json!({"quotas": {}})).await.expect(403);
    fixture.admin.patch("/api/v1/organizations/1").json(&json!({"quotas": {"products": 5}})).await.expect(409);
    fixture.admin.patch("/api/v1/organizations/99").json(&json!({"quotas": {}})).await.expect(404);
}

/// An invitation of before the organization was full is refused, and can be used later.
#[tokio::test]
async fn whoever_is_invited_needs_room_as_well() {
    let fixture = Fixture::open_with(&QUOTAS).await;
    let guest = json!({"email": "guest@two.example", "role": "viewer"});
    fixture.other.post("/api/v1/invitations").json(&guest).await.expect(201);
    let token = mailed(&fixture.mails(), "guest@two.example", "hsi_").await;
    let second = json!({"email": "second@two.example", "password": PASSWORD});
    let second = fixture.other.post(USERS).json(&second).await.expect(201).json()["user"]["id"].clone();
    let registration = json!({"email": "guest@two.example", "password": PASSWORD, "organization": "Two",
        "invitation": token});
    fixture.post("/api/v1/auth/register").json(&registration).await.expect(409);
    fixture.other.delete(&format!("{USERS}/{second}")).await.expect(204);
    fixture.post("/api/v1/auth/register").json(&registration).await.expect(201);
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
