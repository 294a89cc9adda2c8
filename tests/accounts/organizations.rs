//! What operators do to organizations and to the users in them.

use hotshelf_testkit::catalogue::{PRODUCTS, create_named, path};
use hotshelf_testkit::users::{PASSWORD, USERS, add_user, api_key, log_in, mailed, register};
use hotshelf_testkit::{Client, ExternalWriter, PATIENCE, wait_until};
use serde_json::{Value, json};

use crate::fixture::{Fixture, me};
use crate::hotshelf;

const LOGIN: &str = "/api/v1/auth/login";
const SUSPENDED: &str = "the organization is suspended, ask the operator of the service";

fn organization(fixture: &Fixture) -> String {
    format!("/api/v1/organizations/{}", fixture.other_organization)
}

async fn suspend(fixture: &Fixture, suspended: bool) {
    let change = json!({"suspended": suspended});
    let changed = fixture.admin.patch(&organization(fixture)).json(&change).await.expect(200).json();
    assert_eq!(changed["organization"].get("suspended"), suspended.then_some(&json!(true)));
}

#[tokio::test]
async fn nobody_of_a_suspended_organization_is_let_in_until_it_is_resumed() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.other, "Cup").await;
    add_user(&fixture.other, "editor@two.example", "editor").await;
    let editor = log_in(&fixture, "editor@two.example").await;
    let key = api_key(&fixture.other, "admin").await;
    let callers: [&Client; 3] = [&fixture.other, &editor, &key];
    let statuses = async || {
        let mut statuses = Vec::new();
        for caller in callers {
            // The product is in memory, in front of the router.
            for target in [path(&cup), PRODUCTS.to_owned(), format!("{PRODUCTS}?ids={}", cup["id"])] {
                statuses.push(caller.get(&target).await.status);
            }
            statuses.push(caller.post(PRODUCTS).json(&json!({"name": "Pot", "price": 1})).await.status);
        }
        statuses
    };
    for _ in 0..3 {
        assert_eq!(statuses().await, [200, 200, 200, 201].repeat(3));
        suspend(&fixture, true).await;
        assert_eq!(statuses().await, [403; 12]);
        assert_eq!(fixture.other.get(PRODUCTS).await.json()["detail"], SUSPENDED);
        let login = json!({"email": "editor@two.example", "password": PASSWORD});
        fixture.post(LOGIN).json(&login).await.expect(403);
        let wrong = json!({"email": "editor@two.example", "password": "another password"});
        fixture.post(LOGIN).json(&wrong).await.expect(401);
        fixture.admin.get(PRODUCTS).await.expect(200);
        suspend(&fixture, false).await;
    }
    let built_in = fixture.admin.patch("/api/v1/organizations/1").json(&json!({"suspended": true})).await;
    built_in.expect(409);
    for bad in [json!({"suspended": "yes"}), json!({"suspended": true, "name": "x"})] {
        fixture.admin.patch(&organization(&fixture)).json(&bad).await.expect(400);
    }
}

/// Users are added while the organization is suspended and resumed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_added_during_a_suspension_is_suspended_too() {
    let fixture = Fixture::open().await;
    for round in 0..4 {
        let email = format!("guest{round}@two.example");
        let guest = json!({"email": email, "role": "viewer", "password": PASSWORD});
        let (adding, change) = (fixture.other.post(USERS).json(&guest), json!({"suspended": true}));
        let (added, suspended) = tokio::join!(adding, fixture.admin.patch(&organization(&fixture)).json(&change));
        suspended.expect(200);
        assert!([201, 403].contains(&added.status), "{added:?}");
        let login = fixture.post(LOGIN).json(&json!({"email": email, "password": PASSWORD})).await.status;
        assert_eq!(login, if added.status == 201 { 403 } else { 401 });
        suspend(&fixture, false).await;
    }
}

async fn fill(client: &Client, count: usize) {
    for start in (0..count).step_by(1_000) {
        let products: Vec<Value> =
            (start..count.min(start + 1_000)).map(|n| json!({"name": format!("Cup {n}"), "price": 1})).collect();
        client.post("/api/v1/products/bulk").json(&json!({"products": products})).await.expect(201);
    }
}

fn live_products(fixture: &Fixture) -> i64 {
    let query = "SELECT count(*) FROM products WHERE deleted_at IS NULL AND organization_id = ";
    ExternalWriter::on_database_of(fixture).number(&format!("{query}{}", fixture.other_organization))
}

#[tokio::test]
async fn a_deleted_organization_is_gone_with_all_that_belonged_to_it() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.other, "Cup").await;
    fill(&fixture.other, 1_200).await;
    let key = api_key(&fixture.other, "admin").await;
    let schema = json!({"name": "Cups", "fields": []});
    let schema = fixture.other.post("/api/v1/schemas").json(&schema).await.expect(201).json();
    let kept = create_named(&fixture.admin, "Ours").await;
    for client in [&fixture.other, &key] {
        client.get(&path(&cup)).await.expect(200);
    }
    fixture.admin.delete(&organization(&fixture)).await.expect(204);
    for client in [&fixture.other, &key] {
        client.get(&path(&cup)).await.expect(401);
    }
    assert_eq!(live_products(&fixture), 0);
    fixture.admin.get(&organization(&fixture)).await.expect(404);
    fixture.admin.delete(&organization(&fixture)).await.expect(404);
    fixture.admin.patch(&organization(&fixture)).json(&json!({"suspended": true})).await.expect(404);
    fixture.admin.get(&format!("/api/v1/schemas/{}", schema["schema"]["id"])).await.expect(404);
    fixture.admin.get(&path(&kept)).await.expect(200);
    fixture.admin.delete("/api/v1/organizations/1").await.expect(409);
    // The address is free, and the id is never given again.
    let anew = register(&fixture, "admin@two.example", "Two").await;
    assert!(anew["organization_id"].as_i64() > Some(fixture.other_organization));
}

#[tokio::test]
async fn the_deletion_of_an_organization_survives_a_crash() {
    let mut fixture = Fixture::open().await;
    fill(&fixture.other, 4_000).await;
    let (admin, target) = (fixture.admin.clone(), organization(&fixture));
    let deleting = tokio::spawn(async move { drop(admin.delete(&target).try_send().await) });
    let query = format!("SELECT ending FROM organizations WHERE id = {}", fixture.other_organization);
    let begun = async || {
        let mut database = ExternalWriter::on_database_of(&fixture);
        database.number(&query) == 1 || live_products(&fixture) == 0
    };
    wait_until("the deletion has begun", PATIENCE, begun).await;
    fixture.service.restart().await;
    deleting.await.unwrap();
    fixture.with_token(fixture.other.token().unwrap()).get(PRODUCTS).await.expect(401);
    wait_until("all products are deleted", PATIENCE, async || live_products(&fixture) == 0).await;
}

#[tokio::test]
async fn an_operator_sees_all_organizations_and_frees_an_address() {
    let fixture = Fixture::open().await;
    let organizations = fixture.admin.get("/api/v1/organizations").await.expect(200).json();
    assert_eq!(organizations["organizations"].as_array().unwrap().len(), 2);
    let theirs = format!("{USERS}?organization_id={}", fixture.other_organization);
    let users = fixture.admin.get(&theirs).await.expect(200).json();
    assert_eq!(users["users"][0]["email"], "admin@two.example");
    let found = fixture.admin.get(&format!("{USERS}?email=admin@two.example")).await.expect(200).json();
    assert_eq!(found["users"], users["users"]);
    // Nobody else sees those of others.
    fixture.other.get(&format!("{USERS}?organization_id=1")).await.expect(403);
    let hidden = fixture.other.get(&format!("{USERS}?email=admin@one.example")).await.expect(200).json();
    assert_eq!(hidden["users"], json!([]));
    fixture.other.delete(&format!("{USERS}/{}", me(&fixture.admin).await["id"])).await.expect(404);
    // The only admin of another organization, but not of the built-in one.
    fixture.admin.delete(&format!("{USERS}/{}", users["users"][0]["id"])).await.expect(204);
    fixture.other.get(PRODUCTS).await.expect(401);
    add_user(&fixture.admin, "admin@two.example", "viewer").await;
    fixture.admin.delete(&format!("{USERS}/{}", me(&fixture.admin).await["id"])).await.expect(409);
}

/// The newest entry of the audit log of that action, as the client sees it.
async fn recorded(client: &Client, action: &str) -> Value {
    let page = client.get(&format!("/api/v1/audit?limit=1&action={action}")).await.expect(200).json();
    page["entries"][0].clone()
}

#[tokio::test]
async fn what_operators_do_is_recorded_in_the_organization_that_it_is_done_to() {
    let fixture = Fixture::open().await;
    let (operator, other) = (me(&fixture.admin).await, fixture.other_organization);
    create_named(&fixture.other, "Cup").await;
    let guest = add_user(&fixture.other, "guest@two.example", "viewer").await;
    for suspended in [true, true, false] {
        suspend(&fixture, suspended).await;
    }
    fixture.admin.delete(&format!("{USERS}/{}", guest["id"])).await.expect(204);
    let (target, user) = (json!(format!("organization:{other}")), json!(format!("user:{}", guest["id"])));
    for (action, target, detail) in [
        ("organization.suspended", &target, "Two"),
        ("organization.resumed", &target, "Two"),
        ("user.removed", &user, "guest@two.example, viewer"),
    ] {
        // Its admins see it, too.
        for client in [&fixture.admin, &fixture.other] {
            let entry = recorded(client, action).await;
            assert_eq!((&entry["target"], &entry["detail"]), (target, &json!(detail)), "{action}");
            assert_eq!((&entry["organization_id"], &entry["user_id"]), (&json!(other), &operator["id"]), "{action}");
        }
    }
    let suspensions = fixture.admin.get("/api/v1/audit?action=organization.suspended").await.expect(200).json();
    assert_eq!(suspensions["entries"].as_array().unwrap().len(), 1, "the second one has changed nothing");

    fixture.admin.delete(&organization(&fixture)).await.expect(204);
    let deleted = recorded(&fixture.admin, "organization.deleted").await;
    assert_eq!((&deleted["target"], &deleted["detail"]), (&target, &json!("Two, with 1 user")));
    let products = recorded(&fixture.admin, "products.deleted").await;
    assert_eq!((&products["organization_id"], &products["user_id"]), (&json!(other), &operator["id"]));
    // The session of the operator is named; the command has none.
    assert!(deleted["credential"].as_str().unwrap().starts_with("session:"), "{deleted}");
}

#[tokio::test]
async fn the_end_of_the_session_that_a_login_shows_is_recorded() {
    let fixture = Fixture::open().await;
    let session = fixture.editor.get("/api/v1/auth/session").await.expect(200).json()["session"]["id"].clone();
    log_in(&fixture.editor, "editor@one.example").await;
    fixture.editor.get(PRODUCTS).await.expect(401);
    let ended = recorded(&fixture.admin, "session.ended").await;
    assert_eq!(ended["target"], format!("session:{session}"));
    assert_eq!(ended["detail"], "the login showed it");
    // A session of another user stays.
    log_in(&fixture.viewer, "editor@one.example").await;
    fixture.viewer.get(PRODUCTS).await.expect(200);
}

#[tokio::test]
async fn the_commands_do_what_operators_do() {
    let mut fixture = Fixture::open().await;
    create_named(&fixture.other, "Cup").await;
    add_user(&fixture.admin, "gone@one.example", "viewer").await;
    let other = fixture.other_organization.to_string();
    fixture.service.terminate().await;
    let commands =
        hotshelf().database(&fixture.directory.path().join("products.db")).backend("memory").env("AUTH", "on");
    let run = |arguments: &[&str]| {
        let done = commands.command(&[&["admin"], arguments].concat(), "");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    run(&["suspend", &other]);
    assert!(run(&["organizations"]).contains("\"Two\" (suspended)"));
    run(&["resume", &other]);
    assert_eq!(run(&["organizations"]), format!("1\t\"Built-in organization\"\n{other}\t\"Two\"\n"));
    run(&["delete-organization", &other]);
    run(&["remove-user", "--email", "gone@one.example"]);
    for wrong in
        [&["suspend", "1"][..], &["suspend", "99"], &["remove-user", "--email", "gone@one.example"], &["suspend", "x"]]
    {
        assert!(!commands.command(&[&["admin"], wrong].concat(), "").status.success(), "{wrong:?}");
    }
    fixture.service.restart().await;
    fixture.with_token(fixture.other.token().unwrap()).get(PRODUCTS).await.expect(401);
    let login = json!({"email": "gone@one.example", "password": PASSWORD});
    fixture.post(LOGIN).json(&login).await.expect(401);
    assert_eq!(live_products(&fixture), 0);
    let admin = log_in(&fixture.service, "admin@one.example").await;
    for action in ["organization.suspended", "organization.resumed", "organization.deleted", "products.deleted"] {
        let entry = recorded(&admin, action).await;
        assert_eq!((&entry["origin"], entry["organization_id"].to_string()), (&json!("command line"), other.clone()));
    }
    assert_eq!(recorded(&admin, "user.removed").await["origin"], "command line");
}

#[tokio::test]
async fn users_are_told_of_changes_of_their_accounts() {
    let fixture = Fixture::open().await;
    let user = me(&fixture.editor).await;
    let subjects = || -> Vec<String> {
        let mail = fixture.mail();
        let letters = mail.split("To: editor@one.example\nSubject: ").skip(1);
        letters.map(|letter| letter.lines().next().unwrap().to_owned()).collect()
    };
    let key = api_key(&fixture.editor, "viewer").await;
    fixture.admin.patch(&format!("{USERS}/{}", user["id"])).json(&json!({"role": "viewer"})).await.expect(200);
    let change = json!({"current_password": PASSWORD, "password": "chosen by the editor"});
    fixture.editor.post("/api/v1/auth/change-password").json(&change).await.expect(204);
    fixture.post("/api/v1/auth/forgot-password").json(&json!({"email": user["email"]})).await.expect(202);
    let token = mailed(&fixture.mails(), "editor@one.example", "hsr_").await;
    let reset = json!({"token": token, "password": "chosen by a mail"});
    fixture.post("/api/v1/auth/reset-password").json(&reset).await.expect(204);
    let expected = [
        "A new API key",
        "Your role has changed",
        "Your password was changed",
        "Choose a new password",
        "Your password was reset",
    ];
    wait_until("all mails are there", PATIENCE, async || subjects() == expected).await;
    for secret in [key.token().unwrap(), "chosen by"] {
        assert!(!fixture.mail().contains(secret), "{secret}");
    }
}

/// Its only admin was removed by an operator, and the last user never chose a password.
#[tokio::test]
async fn an_organization_does_not_end_because_another_adds_its_last_user() {
    let fixture = Fixture::open().await;
    let cup = create_named(&fixture.other, "Cup").await;
    let bob = json!({"email": "bob@two.example"});
    fixture.other.post(USERS).json(&bob).await.expect(201);
    let ann = me(&fixture.other).await["id"].clone();
    fixture.admin.delete(&format!("{USERS}/{ann}")).await.expect(204);
    let added = fixture.admin.post(USERS).json(&bob).await.expect(201).json();
    assert_eq!(added["user"]["organization_id"], 1);
    fixture.admin.get(&organization(&fixture)).await.expect(200);
    assert_eq!(live_products(&fixture), 1, "{cup}");
}
