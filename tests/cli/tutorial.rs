//! The README and `docs/tutorial.md` as their readers follow them: each command prints the output on the page. Needs
//! `jq`.

use std::fs;
use std::path::Path;
use std::process::Command;

use hotshelf_testkit::{PATIENCE, Service, wait_until};
use tempfile::TempDir;

/// A command, and the lines that the page shows after it.
struct Step {
    command: String,
    shown: Vec<String>,
}

/// The steps on the running service, without those that start it, Redis and the demo.
fn steps(page: &str) -> Vec<Step> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let blocks = page.split("```").filter_map(|block| block.strip_prefix("console\n"));
    let elsewhere = ["$ cargo", "$ DB_PATH=", "$ redis-server", "$ ./demo.sh", "$ docker"];
    let blocks = blocks.filter(|block| !elsewhere.iter().any(|start| block.starts_with(start)));
    blocks.flat_map(steps_of).collect()
}

fn steps_of(block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push(Step { command: command.to_owned(), shown: Vec::new() }),
            (None, Some(step)) if goes_on(&step.command) => step.command += &format!("\n{line}"),
            (None, Some(step)) => step.shown.push(line.to_owned()),
            (None, None) => panic!("a block begins without a command: {block}"),
        }
    }
    steps
}

fn goes_on(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}

/// A line without the parts that differ from run to run: times, request ids, entity tags.
fn comparable(line: &str) -> String {
    let varies = ["content-length", "x-request-id", "request_id", "_at\"", "ttl=", "duration_ms"];
    let varies = line.starts_with("etag") || varies.iter().any(|word| line.contains(word));
    let kept = |letter: &char| !varies || !(letter.is_ascii_hexdigit() || "-:.TZ".contains(*letter));
    line.chars().filter(kept).collect()
}

fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.starts_with("date: "));
    lines.map(comparable).collect()
}

/// Runs the steps of a page, of which there must be at least this many, on a service of its own.
async fn follow(page: &str, at_least: usize) {
    assert!(Command::new("jq").arg("--version").output().is_ok(), "jq is not installed");
    let service = Service::builder(env!("CARGO_BIN_EXE_hotshelf")).start().await;
    // A reader is slower than the first attempt to connect.
    let tried = async || service.get("/health").await.text().contains("Redis is down");
    wait_until("the service has tried to reach Redis", PATIENCE, tried).await;
    let printed = TempDir::new().unwrap();
    let steps = steps(page);
    assert!(steps.len() >= at_least, "{page} has {} steps", steps.len());
    // One shell for all, since later steps use the variables of earlier ones.
    let mut script = String::new();
    for (number, step) in steps.iter().enumerate() {
        let command = step.command.replace("localhost:3000", &service.address().to_string());
        script += &format!("{{ {command}\n}} > {}/{number}\n", printed.path().display());
    }
    let status = Command::new("bash").arg("-c").arg(script).status().unwrap();
    assert!(status.success(), "{status}");
    for (number, step) in steps.iter().enumerate() {
        let printed = fs::read_to_string(printed.path().join(number.to_string())).unwrap();
        assert_eq!(lines(&printed), lines(&step.shown.join("\n")), "{page}: {}\nprints {printed}", step.command);
    }
}

#[tokio::test]
async fn the_tutorial_shows_the_output_of_its_commands() {
    follow("docs/tutorial.md", 25).await;
}

#[tokio::test]
async fn the_readme_shows_the_output_of_its_commands() {
    follow("README.md", 5).await;
}
