//! The pages agree with the service: operations, metrics, links and file names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, laptop, read};

/// The page that also names planned folders.
const MAP: &str = "docs/architecture.md";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(page: &Path) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// The table rows of a page whose first cell is code and is `wanted`: the cells, without their backticks.
fn rows(page: &str, wanted: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let page = text(Path::new(page));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" |").map(|cell| cell.replace('`', "").trim().to_owned()).collect());
    cells.filter(|cells: &Vec<String>| wanted(&cells[0])).collect()
}

/// Compares a page with the service, and shows only the differences.
fn assert_same<V: PartialEq + Debug>(page: &str, documented: &BTreeMap<String, V>, real: &BTreeMap<String, V>) {
    let wrong: Vec<_> = documented.iter().filter(|(name, value)| real.get(*name) != Some(value)).collect();
    let missing: Vec<_> = real.iter().filter(|(name, value)| documented.get(*name) != Some(value)).collect();
    assert!(wrong.is_empty() && missing.is_empty(), "{page} says {wrong:?}; the service says {missing:?}");
}

fn comma_separated(cell: &str) -> BTreeSet<String> {
    cell.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_api_page_lists_the_described_operations() {
    let service = hotshelf().start().await;
    let description = service.get("/api/v1/openapi.json").await.expect(200).json();
    let mut described = BTreeMap::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            described.insert(format!("{} {path}", method.to_uppercase()), successes(operation));
        }
    }
    let methods = ["GET ", "POST ", "PUT ", "PATCH ", "DELETE "];
    let rows = rows("docs/api.md", |cell| methods.iter().any(|method| cell.starts_with(method)));
    // The page also names 304 where a read is conditional.
    let documented = |row: Vec<String>| {
        let statuses = comma_separated(&row[1]).into_iter().filter(|status| status.starts_with('2'));
        (row[0].clone(), statuses.collect())
    };
    let listed = rows.len();
    let documented: BTreeMap<_, BTreeSet<_>> = rows.into_iter().map(documented).collect();
    assert_eq!(listed, documented.len(), "docs/api.md lists an operation twice");
    assert_same("docs/api.md", &documented, &described);
}

fn successes(operation: &Value) -> BTreeSet<String> {
    let statuses = operation["responses"].as_object().unwrap().keys();
    statuses.filter(|status| status.starts_with('2')).cloned().collect()
}

#[tokio::test]
async fn the_metrics_page_lists_the_metrics_with_kinds_and_labels() {
    let service = hotshelf().env("RATE_LIMIT", "on").start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let shown = service.get("/metrics").await.expect(200).text().to_owned();
    let kinds = shown.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let shown: BTreeMap<_, _> = kinds.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    let rows = rows("docs/metrics.md", |cell| cell.contains('_') && !cell.contains(','));
    let rows: Vec<_> = rows.into_iter().filter(|row| row.len() == 4).collect();
    let documented: BTreeMap<_, _> = rows.iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_same("docs/metrics.md", &documented, &shown);

    let metrics = service.metrics().await;
    for row in &rows {
        let (name, labels) = (&row[0], comma_separated(&row[2]));
        let name = if row[1] == "histogram" { format!("{name}_count") } else { name.clone() };
        for sample in metrics.samples(&name, &[]) {
            assert_eq!(sample.labels.keys().cloned().collect::<BTreeSet<_>>(), labels, "{name}");
        }
    }
}

/// Every page, by its path from the root.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let path = folder.join(&name);
            if root().join(&path).is_dir() {
                if !name.starts_with('.') && name != "target" {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The prose of a page: its lines outside of code blocks.
fn prose(page: &Path) -> String {
    text(page).split("```").step_by(2).collect()
}

/// The anchors of a page, made from its headings in the way of GitHub.
fn anchors(page: &Path) -> BTreeSet<String> {
    let prose = prose(page);
    let headings = prose
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let kept = |heading: &str| {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|&letter| letter.is_alphanumeric() || letter == '-' || letter == '_').collect()
    };
    headings.map(kept).collect()
}

#[test]
fn every_link_has_a_target() {
    for page in pages() {
        let prose = prose(&page);
        let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.starts_with("https://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let named = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(root().join(&named).exists(), "{}: {target} does not exist", page.display());
            assert!(anchor.is_empty() || anchors(&named).contains(anchor), "{}: no heading {target}", page.display());
        }
    }
}

#[test]
fn every_file_that_a_page_names_exists() {
    let folders = ["benches/", "crates/", "docs/", "domain/", "modules/", "ops/", "src/", "tests/"];
    for page in pages().iter().filter(|page| *page != Path::new(MAP)) {
        for named in text(page).split('`').filter(|code| !code.contains(char::is_whitespace)) {
            let named = named.split_once("::").map_or(named, |(file, _)| file);
            let named_here = folders.iter().any(|folder| named.starts_with(folder));
            assert!(!named_here || root().join(named).exists(), "{}: {named} does not exist", page.display());
        }
    }
}

/// `tests/http_api/docs.rs::every_test_that_a_page_names_exists`
#[test]
fn every_test_that_a_page_names_exists() {
    let mut found = 0;
    for page in pages() {
        for named in text(&page).split('`').filter(|code| !code.contains(char::is_whitespace)) {
            let Some((file, name)) = named.split_once("::").filter(|(file, _)| file.ends_with(".rs")) else { continue };
            let code = text(Path::new(file));
            let test = [format!("fn {name}()"), format!("fn {name}<")].iter().any(|start| code.contains(start));
            assert!(test, "{}: {file} has no test {name}", page.display());
            found += 1;
        }
    }
    assert!(found > 0, "no page names a test");
}
