//! Reads of other clients in the middle of a write whose process dies after the commit.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hotshelf_testkit::catalogue::create_named;
use hotshelf_testkit::{PATIENCE, RedisServer, wait_until};
use serde_json::Value;

use super::{Crash, FENCE_LIFE, IDS, Kind, LONG, SIGABRT, Survivor, UNKNOWN};
use crate::instances::state;
use hotshelf_testkit::ExternalWriter;

/// A write whose process dies after the commit, after other clients have read lists in the middle of it.
struct Interrupted {
    crash: Crash,
    /// A generation that the write sets.
    generation: &'static str,
    /// The path that is read in the middle, and its key in Redis.
    target: &'static str,
    entry: &'static str,
    /// The content of the answer after the write.
    happened: fn(&Value) -> bool,
}

impl Interrupted {
    /// Values that were read in the middle were right at that time, and may be served until the generation expires that
    /// the writer had set before. The write was not acknowledged.
    async fn expires_with_its_generation(self) {
        let Interrupted { crash, generation, target, entry, happened } = self;
        let (redis, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let database = directory.path().join("products.db");
        // Without memory, because a test cannot make its values expire early.
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
        assert!((1..=FENCE_LIFE).contains(&left), "the generation expires in {left} ms");
        if std::env::var_os(LONG).is_none() {
            for name in redis.keys("product:{gen}:*") {
                redis.command(&["PEXPIRE", &name, "1"]);
            }
        }
        wait_until("the generation expires", Duration::from_secs(31), async || redis.get(generation).is_none()).await;
        assert!(happened(&read().await), "{target}");
        crash.agrees_with_the_database(&other, &product, "after the end of the generation").await;
    }
}

fn dying(kind: Kind) -> Crash {
    Crash { kind, step: "after-commit", strategy: "invalidate", survivor: Survivor::Other }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_negative_entry_read_during_a_create_expires_with_its_generation() {
    let (generation, entry) = ("product:{gen}:products", "product:id:3");
    let happened = |answer: &Value| answer["product"]["id"] == 3;
    let create = Interrupted { crash: dying(Kind::Create), generation, target: UNKNOWN, entry, happened };
    create.expires_with_its_generation().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ids_read_during_a_create_expire_with_their_generation() {
    let (generation, entry) = ("product:{gen}:org:1", "product:org:1:products");
    let happened = |answer: &Value| answer["total"] == 3;
    let create = Interrupted { crash: dying(Kind::Create), generation, target: IDS, entry, happened };
    create.expires_with_its_generation().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_list_read_during_an_update_expires_with_its_generation() {
    let (generation, entry) = ("product:{gen}:products:price", "product:list:0:20:min=50");
    let (target, happened) = ("/api/v1/products?min_price=50", |answer: &Value| answer["total"] == 1);
    let update = Interrupted { crash: dying(Kind::Update), generation, target, entry, happened };
    update.expires_with_its_generation().await;
}
