//! The permissions of the files that the service and its commands create.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hotshelf_testkit::users::{USERS_ON, create_admin};
use hotshelf_testkit::{PATIENCE, Service, wait_until};
use serde_json::json;

use crate::Shop;

/// The files of a directory with their permissions.
fn modes(directory: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let mode = |file: &fs::DirEntry| format!("{:o}", file.metadata().unwrap().permissions().mode() & 0o777);
    files.map(|file| (file.file_name().into_string().unwrap(), mode(&file))).collect()
}

/// The service under a umask that would leave its files open to everybody.
fn with_open_umask(directory: &Path) -> std::path::PathBuf {
    let wrapper = directory.join("hotshelf");
    let script = format!("#!/bin/sh\numask 0\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_hotshelf"));
    fs::write(&wrapper, script).unwrap();
    fs::set_permissions(&wrapper, Permissions::from_mode(0o700)).unwrap();
    wrapper
}

#[tokio::test]
async fn every_file_belongs_to_its_owner_alone() {
    let (tools, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let builder = Service::builder(with_open_umask(tools.path())).backend("memory");
    let builder = builder.database(&files.path().join("products.db"));
    let builder = builder.env("MAIL_FILE", files.path().join("mail.log").display());
    let builder = USERS_ON.iter().fold(builder, |builder, (name, value)| builder.env(name, value));
    create_admin(&builder, "ann@shop.example");
    for name in ["all.csv", "all.jsonl"] {
        let file = files.path().join(name);
        assert!(builder.command(&["export", file.to_str().unwrap()], "").status.success(), "{name}");
    }
    let service = builder.start().await;
    service.post("/api/v1/auth/forgot-password").json(&json!({"email": "ann@shop.example"})).await.expect(202);
    wait_until("the mail is there", PATIENCE, async || files.path().join("mail.log").exists()).await;

    let found = modes(files.path());
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected =
        ["all.csv", "all.jsonl", "mail.log", "products.db", "products.db-shm", "products.db-wal", "products.db.lock"];
    assert_eq!(names, expected);
    assert!(found.values().all(|mode| *mode == "600"), "{found:?}");
}

#[tokio::test]
async fn files_that_others_may_use_are_closed_at_the_start() {
    let shop = Shop::new();
    shop.file("none.jsonl", "").run(&["import", "none.jsonl"]).expect(0);
    for name in ["products.db", "products.db.lock"] {
        fs::set_permissions(shop.path(name), Permissions::from_mode(0o644)).unwrap();
    }
    let service = shop.service().start().await;
    let found = modes(shop.directory.path());
    assert!(
        found.iter().filter(|(name, _)| name.starts_with("products.db")).all(|(_, mode)| *mode == "600"),
        "{found:?}"
    );
    let log = service.log();
    assert!(log.contains("products.db (mode 644): now only its owner has"), "{log}");
}

#[tokio::test]
async fn a_configuration_with_a_secret_that_others_can_read_is_warned_of() {
    let shop = Shop::new();
    for (mode, text, warned) in [
        (0o644, "redis_password = \"hunter2\"", true),
        (0o644, "redis_url = \"redis://:hunter2@127.0.0.1:1\"", true),
        (0o644, "redis_url = \"redis://127.0.0.1:1\"", false),
        (0o640, "redis_password = \"hunter2\"", false),
    ] {
        let file = shop.path("hotshelf.toml");
        shop.file("hotshelf.toml", text);
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        let service = shop.service().backend("tiered").env("HOTSHELF_CONFIG", file.display()).start().await;
        let log = service.log();
        assert_eq!(log.contains("others can read"), warned, "{mode:o} {text}: {log}");
        assert!(!log.contains("hunter2"), "{log}");
    }
}
