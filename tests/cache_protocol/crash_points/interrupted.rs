//! What others read in the middle of a write that dies after its commit.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hotshelf_testkit::catalogue::create_named;
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use serde_json::Value;

use super::{Crash, FENCE_LIFE, IDS, Kind, LONG, SIGABRT, Survivor, UNKNOWN};
use crate::instances::state;
use hotshelf_testkit::ExternalWriter;

/// A write that dies after its commit, in the middle of which others have read lists.
struct Interrupted {
    crash: Crash,
    /// A generation that it sets.
    generation: &'static str,
    /// What is read in the middle, and what it is in Redis.
    target: &'static str,
    entry: &'static str,
    /// What the answer shows when it has happened.
    happened: fn(&Value) -> bool,
}

impl Interrupted {
    /// What others read in the middle was right when they read it, and may be served for as long as the generation
    /// lasts that the writer had set by then. Nobody was told that the write has happened.
    async fn ends_with_its_generation(self) {
        let Interrupted { crash, generation, target, entry, happened } = self;
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let database = directory.path().join("products.db");
        // Without memory, whose copies nobody could hurry up.
        let other = crash.ready(crash.service(&database, &redis).backend("redis")).await;
        let product = create_named(&other, "First").await;
        create_named(&other, "Second").await;
        let mut doomed = crash.ready(crash.service(&database, &redis).env("HOTSHELF_TEST_CRASH_AT", crash.step)).await;
        let mut outsider = ExternalWriter::on_database(&database);
        other.get(target).await;
        outsider.hold_writes_up();
        let (before, copy) = (redis.get(generation), redis.get(entry));
        assert_eq!(state(&redis, entry), 'V', "{entry}");
        let writing = tokio::spawn(crash.write(&doomed, &product).try_send());
        wait_until("the write has begun", PATIENCE, async || redis.get(generation) != before).await;
        let read = async || other.get(target).await.json();
        let kept = async || {
            read().await;
            state(&redis, entry) == 'V' && redis.get(entry) != copy
        };
        wait_until("it is cached in the middle", PATIENCE, kept).await;
        assert!(!happened(&read().await), "{target}");
        outsider.let_write();
        assert!(writing.await.unwrap().is_err(), "it was acknowledged");
        assert_eq!(doomed.exit(PATIENCE).await.signal(), Some(SIGABRT));

        let left = redis.command(&["PTTL", generation]).integer();
        assert!((1..=FENCE_LIFE).contains(&left), "the generation ends in {left} ms");
        if std::env::var_os(LONG).is_none() {
            for name in redis.keys("product:{gen}:*") {
                redis.command(&["PEXPIRE", &name, "1"]);
            }
        }
        wait_until("the generation ends", Duration::from_secs(31), async || redis.get(generation).is_none()).await;
        assert!(happened(&read().await), "{target}");
        crash.agrees_with_the_database(&other, &product, "after the end of the generation").await;
    }
}

fn dying(kind: Kind) -> Crash {
    Crash { kind, step: "after-commit", strategy: "invalidate", survivor: Survivor::Other }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn absence_that_was_read_in_the_middle_of_a_create_ends_with_its_generation() {
    let (generation, entry) = ("product:{gen}:products", "product:id:3");
    let happened = |answer: &Value| answer["product"]["id"] == 3;
    let create = Interrupted { crash: dying(Kind::Create), generation, target: UNKNOWN, entry, happened };
    create.ends_with_its_generation().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_that_were_read_in_the_middle_of_a_create_end_with_their_generation() {
    let (generation, entry) = ("product:{gen}:org:1", "product:org:1:products");
    let happened = |answer: &Value| answer["total"] == 3;
    let create = Interrupted { crash: dying(Kind::Create), generation, target: IDS, entry, happened };
    create.ends_with_its_generation().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_list_that_was_read_in_the_middle_of_an_update_ends_with_its_generation() {
    let (generation, entry) = ("product:{gen}:products:price", "product:list:0:20:min=50");
    let (target, happened) = ("/api/v1/products?min_price=50", |answer: &Value| answer["total"] == 1);
    let update = Interrupted { crash: dying(Kind::Update), generation, target, entry, happened };
    update.ends_with_its_generation().await;
}
