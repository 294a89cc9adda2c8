//! The files under `ops/` fit the service: alerts and dashboard use existing metrics, and Compose mounts existing
//! files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::hotshelf;
use hotshelf_testkit::catalogue::{create, laptop, read};

/// Metrics that exist only with users or limits, and those of Prometheus itself.
const ELSEWHERE: [&str; 4] = ["sessions_live", "auth_logins_total", "ratelimit_decisions_total", "up"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn alerts() -> Vec<Value> {
    let groups = yaml("ops/prometheus/rules.yml");
    list(&groups["groups"]).iter().flat_map(|group| list(&group["rules"]).to_vec()).collect()
}

/// The metrics in a PromQL expression: words that are not functions or operators, and not inside braces, brackets or
/// the list of a `by`.
fn metrics_of(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut rest, mut last_word) = (expression, "");
    while let Some(first) = rest.chars().next() {
        let skipped = match first {
            '{' => rest.find('}'),
            '[' => rest.find(']'),
            '(' if ["by", "on", "without", "ignoring"].contains(&last_word) => rest.find(')'),
            _ => None,
        };
        let is_of_word = |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '.';
        let word = &rest[..rest.find(|character| !is_of_word(character)).unwrap_or(rest.len())];
        if let Some(end) = skipped {
            (rest, last_word) = (&rest[end + 1..], "");
        } else if word.is_empty() {
            last_word = if first == ' ' { last_word } else { "" };
            rest = &rest[first.len_utf8()..];
        } else {
            rest = &rest[word.len()..];
            let is_number = word.starts_with(|first: char| first.is_ascii_digit());
            let is_function = rest.trim_start().starts_with('(');
            if !is_number && !is_function && !["by", "and", "or", "on", "unless"].contains(&word) && last_word != "by" {
                // `sum by (a) (…)`: the function's name is followed by `by`.
                let aggregates = ["by", "without"].iter().any(|of| rest.trim_start().starts_with(of));
                if !aggregates {
                    names.insert(word.to_owned());
                }
            }
            last_word = word;
        }
    }
    names
}

/// The expressions of the dashboard, with the title of their panel.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&text("ops/grafana/dashboards/hotshelf.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in list(&dashboard["panels"]) {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            expressions.push((panel["title"].to_string(), expression.to_owned()));
        }
    }
    assert!(expressions.len() > 30, "{} expressions", expressions.len());
    expressions
}

#[test]
fn the_names_in_an_expression_are_found() {
    let names = |expression| metrics_of(expression).into_iter().collect::<Vec<_>>();
    let ratio = r#"sum by (type) (rate(hits{tier="l1",a=~"(x)"}[5m])) / (sum(rate(misses[$__rate_interval])) > 0.8)"#;
    assert_eq!(names(ratio), ["hits", "misses"]);
    let quantile = "histogram_quantile(0.99, sum by (instance, le) (rate(seconds_bucket[5m])))\n  > 0.001 and on (instance) up == 1";
    assert_eq!(names(quantile), ["seconds_bucket", "up"]);
}

#[tokio::test]
async fn alerts_and_dashboard_use_existing_metrics() {
    let service = hotshelf().start().await;
    let product = create(&service, &laptop()).await;
    read(&service, &product).await;
    let metrics = service.metrics().await;
    let shown: BTreeSet<&str> = metrics.all().iter().map(|sample| sample.name.as_str()).collect();
    let rules = alerts();
    let rules = rules.iter().map(|rule| (rule["alert"].to_string(), rule["expr"].as_str().unwrap().to_owned()));
    for (whose, expression) in rules.chain(dashboard()) {
        let names = metrics_of(&expression);
        assert!(!names.is_empty(), "{whose}: {expression}");
        for name in names {
            let known = shown.contains(name.as_str()) || ELSEWHERE.contains(&name.as_str());
            assert!(known, "{whose} uses {name}, which /metrics does not show");
        }
    }
}

#[test]
fn each_alert_has_a_severity_and_is_in_the_manual() {
    let manual = text("docs/operations.md");
    let mut names = Vec::new();
    for rule in alerts() {
        let name = rule["alert"].as_str().unwrap().to_owned();
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{rule}");
        assert!(rule["annotations"]["summary"].is_string(), "{rule}");
        assert!(manual.contains(&format!("| `{name}` |")), "{name} is not in docs/operations.md");
        names.push(name);
    }
    for wanted in ["HitRateLow", "RedisMemoryHigh", "RedisDown", "RedisSlow", "DatabaseErrors"] {
        assert!(names.contains(&format!("Hotshelf{wanted}")), "{names:?}");
    }
}

/// promtool checks the configuration and tests the rules, if it is installed.
#[test]
fn promtool_accepts_the_configuration_and_the_rules() {
    let promtool = |arguments: &[&str]| Command::new("promtool").args(arguments).current_dir(path("")).output();
    if promtool(&["--version"]).is_err() {
        eprintln!("promtool is not installed: the rules were parsed, and not tested");
        return;
    }
    for arguments in [["check", "config", "prometheus.yml"], ["test", "rules", "rules.test.yml"]] {
        let [verb, what, file] = arguments;
        let output = promtool(&[verb, what, &format!("ops/prometheus/{file}")]).unwrap();
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
        assert!(output.status.success(), "promtool {verb} {what}: {said}");
    }
}

#[test]
fn compose_listens_on_loopback_only_and_mounts_existing_files() {
    let compose = yaml("docker-compose.yml");
    let (mut ports, mut mounts) = (0, 0);
    for (name, service) in compose["services"].as_object().unwrap() {
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap();
            assert!(
                port.starts_with("127.0.0.1:") || port.starts_with("${PUBLISH_ADDRESS:-127.0.0.1}:"),
                "{name}: {port}"
            );
            ports += 1;
        }
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let from = volume.as_str().unwrap().split(':').next().unwrap();
            let is_there =
                if from.starts_with('.') { path(from).exists() } else { compose["volumes"].get(from).is_some() };
            assert!(is_there, "{name}: {volume}");
            mounts += 1;
        }
        assert!(service["healthcheck"].is_object(), "{name} has no health check");
    }
    assert!(ports >= 3 && mounts >= 4, "{compose}");
    assert!(
        yaml("ops/prometheus/prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"][0]
            == "hotshelf:3000"
    );
}

/// Whether the tag of an image names one release: `7.4.2-alpine`, `v3.5.0`, but not `7-alpine`.
fn is_pinned(image: &str) -> bool {
    let Some((_, tag)) = image.rsplit_once(':') else { return false };
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    version.contains('.') && version.split('.').all(|part| part.parse::<u32>().is_ok())
}

#[test]
fn images_are_pinned_to_releases() {
    assert!(is_pinned("redis:7.4.2-alpine") && is_pinned("a/b:v3.5.0"));
    assert!(!is_pinned("redis:7-alpine") && !is_pinned("redis") && !is_pinned("rust:slim"));
    for (name, service) in yaml("docker-compose.yml")["services"].as_object().unwrap() {
        let image = service["image"].as_str().unwrap();
        assert!(service["build"].is_string() || is_pinned(image), "{name}: {image}");
    }
    let dockerfile = text("Dockerfile");
    let images = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")?.split(' ').next());
    let images: Vec<&str> = images.chain(dockerfile.lines().find_map(|line| line.strip_prefix("# syntax="))).collect();
    assert!(images.len() == 3 && images.iter().all(|image| is_pinned(image)), "{images:?}");
}

#[test]
fn containers_are_confined() {
    let compose = yaml("docker-compose.yml");
    for (name, service) in compose["services"].as_object().unwrap() {
        assert!(service["read_only"] == true, "{name} writes to its image");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        assert!(service["pids_limit"].is_u64() && service["mem_limit"].is_string(), "{name} may take everything");
        let in_network =
            list(service.get("networks").unwrap_or(&serde_json::json!(["default"]))).contains(&"redis".into());
        assert_eq!(in_network, ["redis", "hotshelf"].contains(&name.as_str()), "{name}");
    }
    assert_eq!(compose["networks"]["redis"]["internal"], true);
    let redis = &compose["services"]["redis"];
    assert!(redis["ports"].is_null() && list(&redis["command"]).contains(&"--requirepass".into()), "{redis}");
    assert_eq!(redis["networks"], serde_json::json!(["redis"]));
    let password = list(&redis["command"]).last().unwrap();
    assert_eq!(compose["services"]["hotshelf"]["environment"]["REDIS_PASSWORD"], *password);

    let dockerfile = text("Dockerfile");
    assert!(dockerfile.contains(r#"CMD ["/usr/local/bin/hotshelf", "health"]"#) && !dockerfile.contains("curl"));
    assert!(dockerfile.contains("\nUSER 10001:10001\n"));
}

/// What opens the service is a variable, which somebody sets, and the example lists it.
#[test]
fn compose_opens_nothing_by_itself() {
    let compose = yaml("docker-compose.yml");
    let environment = &compose["services"]["hotshelf"]["environment"];
    assert_eq!(environment["AUTH"], "${AUTH:-${PUBLISH_ADDRESS:+on}}", "published to others, it has users");
    assert_eq!(environment["METRICS_OPEN"], "${METRICS_OPEN:-false}");
    let example = text(".env.example");
    let file = text("docker-compose.yml");
    let variables = file.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap());
    for variable in variables.collect::<BTreeSet<_>>() {
        assert!(example.contains(&format!("#{variable}=")), "{variable} is not in .env.example");
    }
}

#[test]
fn secrets_and_data_are_neither_in_the_repository_nor_in_the_image() {
    for (file, names) in [
        (".gitignore", ["*.db", "*.db-wal", "*.db-shm", "*.db.lock", "/mail.log", "/hotshelf.toml", "/.env"]),
        (".dockerignore", ["*.db", "*.db-wal", "*.db-shm", "*.db.lock", "mail.log", "hotshelf.toml", ".env"]),
    ] {
        let listed = text(file);
        for name in names {
            assert!(listed.lines().any(|line| line == name), "{name} is not in {file}");
        }
    }
}
