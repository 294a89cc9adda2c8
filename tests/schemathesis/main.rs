//! The description of the API, checked by schemathesis, a property-based client: it makes requests from the
//! description, valid and invalid ones, and compares every response with it. With all of its checks but one, for all
//! operations, with `AUTH=off`; with all of them with `AUTH=on`.
//!
//! `./test.sh --long` installs it and names it in `SCHEMATHESIS`; without that, these tests do nothing.
#![expect(clippy::unwrap_used, reason = "the words of the stories panic for the test that uses them")]

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use hotshelf_testkit::users::{PASSWORD, USERS_ON, create_admin};
use hotshelf_testkit::{Service, ServiceBuilder};

/// Requests for each operation in each phase, with `HOTSHELF_LONG=1` and without.
const EXAMPLES: [&str; 2] = ["50", "5"];

const EMAIL: &str = "ann@shop.example";

fn hotshelf() -> ServiceBuilder {
    Service::builder(env!("CARGO_BIN_EXE_hotshelf")).backend("memory")
}

/// Runs it against the service, `without` some checks. Its report goes to `target/schemathesis-{name}.txt`.
fn check(name: &str, service: &Service, environment: &[(&str, &str)], without: &[&str]) {
    let Ok(schemathesis) = env::var("SCHEMATHESIS") else {
        println!("skipped: SCHEMATHESIS does not name a schemathesis to run");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let report = root.join(format!("target/schemathesis-{name}.txt"));
    let output = fs::File::create(&report).unwrap();
    let examples = if env::var_os("HOTSHELF_LONG").is_some() { EXAMPLES[0] } else { EXAMPLES[1] };
    let description = format!("http://{}/api/v1/openapi.json", service.address());
    let mut command = Command::new(schemathesis);
    command.args(["run", &description, "--checks", "all", "--no-color", "--max-examples", examples]);
    command.args(without.iter().flat_map(|check| ["--exclude-checks", check]));
    command.current_dir(root.join("tests/schemathesis")).envs(environment.iter().copied());
    command.stdout(Stdio::from(output.try_clone().unwrap())).stderr(Stdio::from(output));
    let status = command.status().unwrap();
    let said = fs::read_to_string(&report).unwrap();
    let summary = said.find("= SUMMARY =").map_or(said.as_str(), |at| &said[at..]);
    println!("AUTH={name}: {summary}");
    assert!(status.success(), "{said}");
}

#[tokio::test]
async fn the_description_holds_without_users() {
    let service = hotshelf().start().await;
    // Without users, an organization that was created can be deleted by nobody: 404.
    check("off", &service, &[], &["ensure_resource_availability"]);
}

#[tokio::test]
async fn the_description_holds_with_users() {
    let builder = USERS_ON.iter().fold(hotshelf(), |builder, (name, value)| builder.env(name, value));
    let directory = tempfile::tempdir().unwrap();
    let builder = builder.database(&directory.path().join("products.db"));
    create_admin(&builder, EMAIL);
    let service = builder.start().await;
    check("on", &service, &[("HOTSHELF_EMAIL", EMAIL), ("HOTSHELF_PASSWORD", PASSWORD)], &[]);
}
