//! `GET /health` with users: who sees more than the states.

use hotshelf_testkit::users::api_key;

use crate::fixture::Fixture;

/// Whether the report has the messages of the modules, with their addresses and errors.
async fn sees_messages(client: &hotshelf_testkit::Client) -> bool {
    let report = client.get("/health").await.expect(200).json();
    let modules = report["modules"].as_object().unwrap();
    assert!(modules.len() > 5 && modules.values().all(|module| module["status"] == "healthy"), "{report}");
    let with_message = modules.values().filter(|module| module["message"].is_string()).count();
    assert!([0, modules.len()].contains(&with_message), "{report}");
    with_message > 0
}

#[tokio::test]
async fn only_users_of_organization_1_read_the_messages() {
    let fixture = Fixture::open().await;
    assert!(!sees_messages(&fixture).await, "anonymous");
    assert!(!sees_messages(&fixture.other).await, "the admin of another organization");
    assert!(!sees_messages(&fixture.with_token("hss_nonsense")).await, "an invalid token");
    assert!(!sees_messages(&api_key(&fixture.other, "admin").await).await, "an API key of another organization");
    for client in [&fixture.admin, &fixture.viewer, &api_key(&fixture.editor, "viewer").await] {
        assert!(sees_messages(client).await);
    }
    let probe = fixture.get("/health/ready").await.expect(200).json();
    assert_eq!(probe, serde_json::json!({"status": "ready"}));
}

#[tokio::test]
async fn the_messages_are_open_with_the_metrics() {
    let fixture = Fixture::open_with(&[("METRICS_OPEN", "true")]).await;
    assert!(sees_messages(&fixture).await);
}
