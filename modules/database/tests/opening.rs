//! What a database file needs to be opened.

#![expect(clippy::expect_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use std::time::Duration;

use hotshelf_cache::Fencing;
use hotshelf_database::{Database, DatabaseOptions, Location, OpenError};
use hotshelf_domain::ProductDraft;
use hotshelf_stats::Registry;
use tempfile::TempDir;

async fn open(directory: &TempDir, shared: bool) -> Result<Database, OpenError> {
    let options = DatabaseOptions::from(Location::File { path: directory.path().join("products.db"), shared });
    Database::open(options, &Registry::new().expect("a registry")).await
}

fn draft(name: &str) -> ProductDraft {
    ProductDraft { name: Some(name.to_owned()), price: Some("9.99".to_owned()), ..Default::default() }
}

#[tokio::test]
async fn a_second_opener_is_refused_unless_both_share() {
    let directory = tempfile::tempdir().expect("a directory");
    let alone = open(&directory, false).await.expect("the first");
    let refused = open(&directory, false).await.err().expect("the second is refused");
    assert!(refused.to_string().contains("is in use by another process"), "{refused}");
    assert!(open(&directory, true).await.is_err(), "one that shares does not join one that does not");
    alone.close(Duration::from_secs(5)).await.expect("closed");
    drop(alone);

    let first = open(&directory, true).await.expect("shares");
    let second = open(&directory, true).await.expect("shares too");
    assert!(open(&directory, false).await.is_err(), "nobody is alone now");
    let cup = first.create(draft("Cup").into_new().unwrap(), Fencing::Fenced).await.unwrap().value;
    assert_eq!(second.find(cup.id).await.unwrap(), Some(cup));
}

#[tokio::test]
async fn what_is_no_database_is_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("products.db"), "this is no database, not at all ".repeat(100)).unwrap();
    let error = open(&directory, false).await.err().expect("refused");
    assert!(error.to_string().starts_with("cannot open"), "{error}");

    let options = DatabaseOptions::at("/nonexistent/products.db");
    let error = Database::open(options, &Registry::new().unwrap()).await.err().expect("refused");
    assert!(error.to_string().contains("/nonexistent/products.db.lock"), "{error}");
}
