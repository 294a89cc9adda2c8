//! `demo.sh` as its readers run it, against the real binary: its claims hold, it names a claim that does not, and it
//! leaves the products unchanged.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use std::fmt;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use hotshelf_testkit::{Client, PATIENCE, RedisServer, Service, ServiceBuilder, wait_until};
use serde_json::{Value, json};

const PRODUCTS: &str = "/api/v1/products";
const ORGANIZATIONS: &str = "/api/v1/organizations";

const STEPS: [&str; 18] = [
    "Create",
    "Miss",
    "Hit",
    "List",
    "Update",
    "Delete",
    "Pages",
    "Statistics",
    "Organization and schema",
    "Bulk create",
    "Search",
    "Orders and pages",
    "Filters",
    "Details",
    "Ids",
    "Analytics",
    "Cached entries",
    "Bulk delete",
];

fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf"))
}

/// How a run of the demo ended.
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "demo.sh ended with {:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

impl Outcome {
    #[track_caller]
    fn assert_every_claim_holds(&self) {
        assert_eq!(self.code, Some(0), "{self}");
        assert!(self.stdout.contains("claims hold.\n") && !self.stdout.contains("FAIL"), "{self}");
        for (number, name) in (1..).zip(STEPS) {
            assert!(self.stdout.contains(&format!("\n{number}. {name}\n")), "no step {name}: {self}");
        }
        // The output is not a terminal.
        assert!(!self.stdout.contains('\x1b'), "{self}");
    }
}

/// Runs the demo with nothing in its environment but the search path and the address.
fn run_with_path(path: &str, base_url: &str) -> Outcome {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo.sh");
    let mut command = Command::new("bash");
    let output = command.arg(script).env_clear().env("PATH", path).env("BASE_URL", base_url).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn run(base_url: &str) -> Outcome {
    run_with_path(&std::env::var("PATH").unwrap(), base_url)
}

fn url_of(client: &Client) -> String {
    format!("http://{}", client.address())
}

async fn everything(client: &Client) -> Value {
    client.get(PRODUCTS).header("cache-control", "no-cache").await.expect(200).json()["products"].take()
}

/// The objects that the demo cannot delete: all organizations, and all schemas, whose ids are 1, 2, 3 and so on.
async fn what_stays(client: &Client) -> Vec<Value> {
    let mut found = vec![client.get(ORGANIZATIONS).await.expect(200).json()];
    for id in 1.. {
        let schema = client.get(&format!("/api/v1/schemas/{id}")).await;
        if schema.status == 404 {
            break;
        }
        found.push(schema.expect(200).json());
    }
    found
}

/// A service with products in it before the demo begins.
async fn start(builder: ServiceBuilder) -> Service {
    let service = builder.start().await;
    for name in ["First", "Second", "Third"] {
        service.post(PRODUCTS).json(&json!({"name": name, "price": 1})).await.expect(201);
    }
    service
}

async fn start_with_redis(backend: &str, redis: &RedisServer) -> Service {
    let service = start(hotshelf().backend(backend).redis(redis)).await;
    let up = async || service.metrics().await.value("cache_l2_up", &[]) == 1.0;
    wait_until("Redis is used", PATIENCE, up).await;
    service
}

#[tokio::test]
async fn the_claims_hold_in_memory_on_every_run() {
    let service = start(hotshelf().backend("memory")).await;
    let before = everything(&service).await;
    let run_once = async || {
        run(&url_of(&service)).assert_every_claim_holds();
        assert_eq!(everything(&service).await, before, "the demo left or deleted a product");
        what_stays(&service).await
    };
    let after_first = run_once().await;
    assert_eq!(after_first.len(), 3, "the organizations, the built-in schema and that of the demo: {after_first:?}");
    assert_eq!(run_once().await, after_first, "the second run uses the objects of the first");
}

#[tokio::test]
async fn the_demo_finds_its_schema_among_others() {
    let service = start(hotshelf().backend("memory")).await;
    let others = async |count| {
        for number in 0..count {
            let schema = json!({"name": format!("Other {number}"), "fields": [{"name": "colour", "type": "text"}]});
            service.post("/api/v1/schemas").json(&schema).await.expect(201);
        }
    };
    others(70).await;
    run(&url_of(&service)).assert_every_claim_holds();
    others(1).await;
    let before = what_stays(&service).await;
    run(&url_of(&service)).assert_every_claim_holds();
    assert_eq!(what_stays(&service).await, before);
}

#[tokio::test]
async fn products_of_an_interrupted_run_are_not_deleted() {
    let service = start(hotshelf().backend("memory")).await;
    let organization = json!({"name": "hotshelf demo.sh"});
    service.post(ORGANIZATIONS).json(&organization).await.expect(201);
    let left = json!({"name": "Left", "price": 1, "organization_id": 2});
    let id = service.post(PRODUCTS).json(&left).await.expect(201).json()["product"]["id"].take();
    let before = everything(&service).await;
    let outcome = run(&url_of(&service));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stderr.contains(&format!("{{\"ids\":[{id}]}}")), "the message says how to delete it: {outcome}");
    assert_eq!(everything(&service).await, before);
}

#[tokio::test]
async fn the_claims_hold_with_redis() {
    let redis = RedisServer::start();
    for backend in ["tiered", "redis"] {
        redis.restart();
        let service = start_with_redis(backend, &redis).await;
        run(&url_of(&service)).assert_every_claim_holds();
    }
}

#[tokio::test]
async fn the_claims_hold_with_write_through() {
    let service = start(hotshelf().env("CACHE_WRITE_STRATEGY", "write_through")).await;
    for _ in 0..2 {
        let outcome = run(&url_of(&service));
        outcome.assert_every_claim_holds();
        assert!(outcome.stdout.contains("This service writes through"), "{outcome}");
    }
}

#[tokio::test]
async fn the_claims_hold_with_another_prefix() {
    let service = start(hotshelf().backend("memory").env("CACHE_PREFIX", "shop&1%:")).await;
    run(&url_of(&service)).assert_every_claim_holds();
}

#[tokio::test]
async fn a_failed_claim_is_named_and_the_products_are_deleted() {
    let service = start(hotshelf().backend("none")).await;
    let before = everything(&service).await;
    let outcome = run(&url_of(&service));
    assert_eq!(outcome.code, Some(1), "{outcome}");
    assert!(outcome.stdout.contains("FAIL  it came from the cache: expected true, got false"), "{outcome}");
    assert!(outcome.stderr.contains("claims failed"), "{outcome}");
    assert!(!outcome.stdout.contains("claims hold."), "{outcome}");
    assert_eq!(everything(&service).await, before);
}

#[test]
fn without_a_service_the_demo_says_how_to_start_it() {
    // No server listens on the lowest port.
    let outcome = run("http://127.0.0.1:1");
    assert_eq!(outcome.code, Some(2), "{outcome}");
    assert!(outcome.stderr.contains("no hotshelf at http://127.0.0.1:1"), "{outcome}");
    assert!(outcome.stderr.contains("cargo run --release"), "{outcome}");
    assert_eq!(outcome.stdout, "");
}

/// A search path with curl and the standard tools, and without jq.
fn path_without_jq() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("path-without-jq");
    fs::create_dir_all(&directory).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    for tool in ["bash", "cat", "curl", "cut", "grep", "head", "mktemp", "rm", "sed", "tr"] {
        let found = std::env::split_paths(&path).map(|place| place.join(tool)).find(|file| file.is_file());
        let found = found.unwrap_or_else(|| panic!("{tool} is not installed"));
        let link = directory.join(tool);
        // An earlier run may have left it, perhaps from the image of another machine.
        let _ = fs::remove_file(&link);
        symlink(found, link).unwrap();
    }
    directory
}

#[tokio::test]
async fn the_demo_needs_only_curl() {
    let service = start(hotshelf().backend("memory")).await;
    let outcome = run_with_path(path_without_jq().to_str().unwrap(), &url_of(&service));
    outcome.assert_every_claim_holds();
    assert_eq!(outcome.stderr, "");
}
