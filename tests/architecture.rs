//! `docs/architecture.md` draws which crate uses which. The drawing is compared with what cargo knows.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Crates by their short names, each with those it uses.
type Edges = BTreeMap<String, BTreeSet<String>>;

/// The drawing: lines of the form `crate -> crate, crate`, from the top of the house to the bottom.
fn drawn() -> Vec<(String, BTreeSet<String>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(page).unwrap();
    let is_name = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
    let lines = page.lines().filter_map(|line| line.split_once("->"));
    lines
        .filter(|(from, _)| is_name(from.trim()))
        .map(|(from, to)| {
            let used = to.split(',').map(str::trim).filter(|name| !name.is_empty());
            (from.trim().to_owned(), used.map(str::to_owned).collect())
        })
        .collect()
}

/// What the crates of the workspace use of each other when they are built, tests aside.
fn real() -> Edges {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (short_name(package), uses(package))).collect()
}

fn uses(package: &Value) -> BTreeSet<String> {
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    // One with a path is a crate of this workspace; without a kind, it is neither for tests nor for the build.
    let ours = dependencies.filter(|dependency| dependency["path"].is_string() && dependency["kind"].is_null());
    ours.map(short_name).collect()
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
        assert!(upwards.is_empty(), "{from} uses {upwards:?}, which the drawing does not show below it");
    }
}
