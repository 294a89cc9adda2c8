//! `docs/architecture.md` lists which crate uses which, and which crates use certain external libraries. These tests
//! compare the lists with `cargo metadata`.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates by their short names, each with the crates that it uses.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// The lines of the page with this arrow, split at it.
fn lines_with(arrow: &str) -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).unwrap();
    let lines = page.lines().filter_map(|line| line.split_once(arrow));
    lines.map(|(left, right)| (left.trim().to_owned(), right.to_owned())).collect()
}

fn names(list: &str) -> BTreeSet<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Lines of the form `crate -> crate, crate`, from top to bottom.
fn drawn() -> Vec<(String, BTreeSet<String>)> {
    lines_with("->").into_iter().map(|(user, used)| (user, names(&used))).collect()
}

/// Lines of the form `library, library <- crate, crate`: each library with the crates that use it.
fn borders() -> Edges {
    let mut borders = Edges::new();
    for (libraries, users) in lines_with("<-") {
        borders.extend(names(&libraries).into_iter().map(|library| (library, names(&users))));
    }
    borders
}

/// The metadata of the workspace.
fn packages() -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array_mut().map(std::mem::take).unwrap()
}

/// The dependencies between the crates of the workspace, without those of tests.
fn real() -> Edges {
    packages().iter().map(|package| (short_name(package), uses(package, true))).collect()
}

/// The dependencies of a crate, without those of tests: crates of this workspace, or external ones.
fn uses(package: &Value, ours: bool) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter().filter(|used| used["kind"] != "dev");
    // A dependency with a path is a crate of this workspace.
    dependencies.filter(|used| used["path"].is_string() == ours).map(short_name).collect()
}

fn short_name(of: &Value) -> String {
    let name = of["name"].as_str().unwrap();
    name.strip_prefix("hotshelf-").unwrap_or(name).to_owned()
}

#[test]
fn the_crates_use_each_other_as_drawn() {
    let drawn: Edges = drawn().into_iter().collect();
    assert_eq!(real(), drawn, "left: the Cargo.toml files; right: docs/architecture.md");
}

#[test]
fn every_arrow_points_downwards() {
    let drawn = drawn();
    for (index, (from, used)) in drawn.iter().enumerate() {
        let below: BTreeSet<&String> = drawn[index + 1..].iter().map(|(name, _)| name).collect();
        let upwards: Vec<&String> = used.iter().filter(|name| !below.contains(name)).collect();
        assert!(upwards.is_empty(), "{from} uses {upwards:?}, which the page does not list below it");
    }
}

#[test]
fn libraries_stay_behind_their_borders() {
    let borders = borders();
    assert!(borders.contains_key("diesel"), "no lines of the form `library <- crate`: {borders:?}");
    let mut real: Edges = borders.keys().map(|library| (library.clone(), BTreeSet::new())).collect();
    for package in packages() {
        for library in uses(&package, false) {
            if let Some(users) = real.get_mut(&library) {
                users.insert(short_name(&package));
            }
        }
    }
    assert_eq!(real, borders, "left: the Cargo.toml files; right: docs/architecture.md");
}

/// The libraries that `deny.toml` bans but for some crates, with those of this workspace.
fn bans() -> Edges {
    let rules = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let rules: toml::Table = rules.parse().unwrap();
    let mut bans = Edges::new();
    for ban in rules["bans"]["deny"].as_array().unwrap() {
        let Some(users) = ban.get("wrappers") else { continue };
        let users = users.as_array().unwrap().iter().map(|user| user.as_str().unwrap());
        let ours = users.filter(|user| user.starts_with("hotshelf")).map(|user| user.trim_start_matches("hotshelf-"));
        bans.insert(ban["crate"].as_str().unwrap().to_owned(), ours.map(str::to_owned).collect());
    }
    bans
}

/// There, `cargo deny` also holds what other libraries bring along.
#[test]
fn the_rules_for_libraries_have_the_same_borders() {
    let mut borders = borders();
    // Tests use the harness.
    borders.values_mut().for_each(|users| _ = users.remove("testkit"));
    assert_eq!(bans(), borders, "left: deny.toml; right: docs/architecture.md");
}
