//! The configuration as an operator sees it: the real binary, its environment, its file, its messages.

#![expect(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, but not in their helpers")]

mod issuer;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// One invocation in an empty working directory, with only the environment that the test sets.
struct Hotshelf {
    directory: PathBuf,
    command: Command,
}

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Hotshelf {
    fn new(arguments: &[&str]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotshelf"));
        command.args(arguments).env_clear().current_dir(&directory);
        Hotshelf { directory, command }
    }

    fn check_config() -> Self {
        Hotshelf::new(&["check-config"])
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.directory.join(name), text).unwrap();
        self
    }

    /// Runs the process to its end. A process that continues, because it accepted a bad value, fails the test.
    fn run(mut self) -> Outcome {
        let mut child =
            self.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut timed_out = false;
        while !timed_out && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(5));
            timed_out = Instant::now() > deadline;
        }
        if timed_out {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!timed_out, "the process did not end; it said {stdout}{stderr}");
        Outcome { code: output.status.code(), stdout, stderr }
    }

    /// Asserts that the start is refused with exactly these lines.
    #[track_caller]
    fn assert_refused(self, lines: &[&str]) {
        let outcome = self.run();
        let said: Vec<&str> = outcome.stderr.lines().collect();
        let expected: Vec<String> = lines.iter().map(|line| format!("hotshelf: {line}")).collect();
        assert_eq!(said, expected);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(2), ""));
    }

    /// Asserts that `check-config` succeeds, and returns its table.
    #[track_caller]
    fn table(self) -> Table {
        let outcome = self.run();
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        Table(outcome.stdout)
    }
}

impl Drop for Hotshelf {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

struct Table(String);

/// A file of this repository.
#[track_caller]
fn document(name: &str) -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

impl Table {
    /// Every variable with its value, in the order of the table.
    fn values(&self) -> Vec<(&str, &str)> {
        let names = self.0.lines().skip(1).map(|line| line.split(' ').next().unwrap());
        names.map(|name| (name, self.row(name).0)).collect()
    }

    /// Value and origin of one variable. Columns are at least two spaces apart.
    #[track_caller]
    fn row(&self, variable: &str) -> (&str, &str) {
        let rows = self.0.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim));
        for mut cells in rows {
            if cells.next() == Some(variable) {
                return (cells.next().unwrap(), cells.next().unwrap());
            }
        }
        panic!("{variable} is not in the table:\n{}", self.0);
    }
}

const HOST_PORT: &str = "expected host:port, such as localhost:6379 or [::1]:6379";
const PORT: &str = "expected a port number from 0 to 65535 (0 takes any free port)";
const LIFE: &str = "expected a duration from 1s to 30days, such as 90s, 5m or 1h30m";

#[test]
fn a_redis_address_without_a_port_stops_the_start() {
    let line = format!("REDIS_ADDR=\"nonsense\" (environment): {HOST_PORT}");
    Hotshelf::new(&[]).env("REDIS_ADDR", "nonsense").assert_refused(&[&line]);
}

#[test]
fn an_unknown_unit_of_time_stops_the_start() {
    let line = format!("CACHE_TTL=\"5 parsecs\" (environment): {LIFE}");
    Hotshelf::new(&["serve"]).env("CACHE_TTL", "5 parsecs").assert_refused(&[&line]);
}

#[test]
fn a_port_out_of_range_stops_the_start() {
    let line = format!("HTTP_PORT=\"99999\" (environment): {PORT}");
    Hotshelf::new(&[]).env("HTTP_PORT", "99999").assert_refused(&[&line]);
}

#[test]
fn every_bad_value_is_reported_at_once() {
    let bad = Hotshelf::check_config().env("HTTP_PORT", "http").env("REDIS_ADDR", "nonsense");
    bad.file("hotshelf.toml", "cache_ttl = 300").assert_refused(&[
        &format!("HTTP_PORT=\"http\" (environment): {PORT}"),
        &format!("REDIS_ADDR=\"nonsense\" (environment): {HOST_PORT}"),
        &format!("CACHE_TTL=\"300\" (cache_ttl in hotshelf.toml): {LIFE}"),
    ]);
}

#[test]
fn a_value_with_a_line_break_still_makes_one_line() {
    let line = format!("HTTP_PORT=\"1\\n2\" (environment): {PORT}");
    Hotshelf::check_config().env("HTTP_PORT", "1\n2").assert_refused(&[&line]);
}

#[test]
fn other_addresses_need_users_or_auth_off_anyway() {
    let line = "AUTH=off contradicts HTTP_HOST=10.0.0.1: everybody who can reach it could change the catalogue. Set AUTH=on, \
                or AUTH_OFF_ANYWAY=true if a proxy in front of the service authorizes requests";
    Hotshelf::check_config().env("HTTP_HOST", "10.0.0.1").assert_refused(&[line]);
    for (name, value) in [("AUTH", "on"), ("AUTH_OFF_ANYWAY", "true"), ("HTTP_HOST", "::1"), ("HTTP_HOST", "localhost")]
    {
        Hotshelf::check_config().env("HTTP_HOST", "10.0.0.1").env(name, value).table();
    }
    // The wrong setting and the invalid mail server have a line each.
    Hotshelf::check_config().env("AUTH", "true").env("SMTP_URL", "mail.example").assert_refused(&[
        "AUTH=\"true\" (environment): expected on or off",
        "SMTP_URL=\"***\" (environment): expected smtps://user:password@host[:port] or smtp://…, special characters in the \
         password percent-encoded",
    ]);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let file =
        "http_port = 4000\nhttp_host = \"0.0.0.0\"\nauth_off_anyway = true\nshared_db = true\ncache_l1_bytes = 2048\n";
    let table = Hotshelf::check_config().file("hotshelf.toml", file).env("HTTP_PORT", "5000").table();
    assert_eq!(table.row("HTTP_PORT"), ("5000", "environment"));
    assert_eq!(table.row("HTTP_HOST"), ("0.0.0.0", "hotshelf.toml"));
    assert_eq!(table.row("SHARED_DB"), ("true", "hotshelf.toml"));
    assert_eq!(table.row("CACHE_L1_BYTES"), ("2048", "hotshelf.toml"));
    assert_eq!(table.row("CACHE_TTL"), ("5m", "default"));
}

#[test]
fn an_empty_variable_counts_as_unset_unless_empty_is_a_value() {
    let file = "http_port = 4000\nredis_password = \"hunter2\"\ncors_origins = \"*\"\n";
    let empty = Hotshelf::check_config().env("HTTP_PORT", "").env("REDIS_PASSWORD", "").env("CORS_ORIGINS", "");
    let table = empty.env("HOTSHELF_CONFIG", "").file("hotshelf.toml", file).table();
    assert_eq!(table.row("HTTP_PORT"), ("4000", "hotshelf.toml"));
    assert_eq!(table.row("REDIS_PASSWORD"), ("(empty)", "environment"));
    assert_eq!(table.row("CORS_ORIGINS"), ("(empty)", "environment"));
}

#[test]
fn the_table_is_aligned() {
    let table = Hotshelf::check_config().table();
    let defaults = [
        ("HTTP_PORT", "3000"),
        ("REDIS_URL", "(empty)"),
        ("MAIL_FROM", "hotshelf <hotshelf@localhost>"),
        ("RATE_LIMIT", "off"),
    ];
    for (variable, value) in defaults {
        assert_eq!(table.row(variable), (value, "default"), "{variable}");
    }
    let starts: Vec<_> = table.0.lines().skip(1).map(|line| line.rfind("default")).collect();
    assert!(starts.iter().all(|start| *start == starts[0]), "the last column is ragged:\n{}", table.0);
}

#[test]
fn the_path_of_the_file_can_be_set() {
    let table = Hotshelf::check_config()
        .file("hotshelf.toml", "http_port = 1")
        .file("other.toml", "http_port = 2")
        .env("HOTSHELF_CONFIG", "other.toml")
        .table();
    assert_eq!(table.row("HTTP_PORT"), ("2", "other.toml"));
}

#[test]
fn a_named_file_must_exist() {
    let named = Hotshelf::check_config().env("HOTSHELF_CONFIG", "nowhere.toml");
    named.assert_refused(&["HOTSHELF_CONFIG=\"nowhere.toml\" (environment): there is no such file"]);
}

#[test]
fn unknown_keys_are_named_with_their_file_and_the_nearest_known_key() {
    let all = "`hotshelf --help` lists the variables, whose names in lower case are the keys";
    Hotshelf::check_config()
        .file("hotshelf.toml", "htp_port = 1\ncolour = \"red\"\nHTTP_HOST = \"::\"")
        .assert_refused(&[
            "unknown key \"HTTP_HOST\" in hotshelf.toml: did you mean \"http_host\"?",
            &format!("unknown key \"colour\" in hotshelf.toml: {all}"),
            "unknown key \"htp_port\" in hotshelf.toml: did you mean \"http_port\"?",
        ]);
}

#[test]
fn a_file_that_is_no_toml_is_reported_without_its_text() {
    Hotshelf::check_config()
        .file("hotshelf.toml", "http_port = 1\nredis_password = hunter2\n")
        .assert_refused(&["cannot read hotshelf.toml: TOML parse error at line 2, column 18, string \
                            values must be quoted, expected literal string"]);
}

#[test]
fn a_list_where_text_is_expected_is_refused() {
    Hotshelf::check_config().file("hotshelf.toml", "cache_backend = [\"redis\"]").assert_refused(&[
        "CACHE_BACKEND=(sequence) (cache_backend in hotshelf.toml): expected tiered, redis, memory or none, in one string",
    ]);
}

#[test]
fn secrets_are_masked() {
    let table = Hotshelf::check_config()
        .env("REDIS_PASSWORD", "hunter2")
        .env("REDIS_SENTINEL_PASSWORD", "hunter2")
        .env("REDIS_URL", "redis-sentinel://app:correct-horse@a.example,b.example:1/shop/2")
        .env("DATABASE_URL", "postgres://app:hunter2@db/catalogue")
        .table();
    assert_eq!(table.row("DATABASE_URL"), ("postgres://***@db/catalogue", "environment"));
    assert_eq!(table.row("REDIS_SENTINEL_PASSWORD"), ("***", "environment"));
    assert_eq!(table.row("REDIS_PASSWORD"), ("***", "environment, overridden by REDIS_URL"));
    assert_eq!(table.row("REDIS_URL"), ("redis-sentinel://***@a.example,b.example:1/shop/2", "environment"));
    assert_eq!(table.row("REDIS_ADDR"), ("localhost:6379", "default, overridden by REDIS_URL"));
    assert!(!table.0.contains("hunter2") && !table.0.contains("horse"), "a secret shows:\n{}", table.0);
}

#[test]
fn secrets_are_masked_in_refusals_too() {
    let url = "expected redis://[user:password@]host[:port][/db], redis-sentinel://[…@]host[:port],…/service[/db] or \
               redis-cluster://[…@]host[:port],…, with rediss for TLS, special characters in the password percent-encoded";
    Hotshelf::check_config()
        .env("REDIS_URL", "redis://:hunter2")
        .env("DATABASE_URL", "postgres://app:hunter2@db/catalogue?colour=red")
        .file("hotshelf.toml", "redis_password = [\"hunter2\"]")
        .assert_refused(&[
            "REDIS_PASSWORD=(sequence) (redis_password in hotshelf.toml): expected a password, in one string",
            "DATABASE_URL=\"postgres://***\" (environment): must be of the form postgres://user:password@host[,host…]/\
             database?sslmode=…, with no other parameters than sslmode, sslrootcert, application_name, options and \
             channel_binding",
            &format!("REDIS_URL=\"redis://***\" (environment): {url}"),
        ]);
}

#[test]
fn a_shared_database_cannot_have_memory_as_its_only_tier() {
    Hotshelf::new(&[]).env("SHARED_DB", "1").file("hotshelf.toml", "cache_backend = \"memory\"").assert_refused(&[
        "SHARED_DB=\"1\" (environment): contradicts CACHE_BACKEND=memory: a memory-only cache cannot hear the other \
         instances' writes",
    ]);
}

#[test]
fn the_help_lists_the_variables() {
    let outcome = Hotshelf::new(&["--help"]).run();
    assert_eq!(outcome.code, Some(0));
    for variable in ["HTTP_PORT", "REDIS_URL", "CACHE_WRITE_STRATEGY", "HOTSHELF_CONFIG"] {
        assert!(outcome.stdout.contains(variable), "{variable} is not in the help:\n{}", outcome.stdout);
    }
}

#[test]
fn the_example_file_has_every_setting_with_its_default() {
    // A comment has a space after its #, a setting has none.
    let uncommented = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|first: char| first.is_ascii_lowercase()) => setting.to_owned(),
        _ => line.to_owned(),
    };
    let example: Vec<String> = document("hotshelf.example.toml").lines().map(uncommented).collect();
    let defaults = Hotshelf::check_config().table();
    let named = Hotshelf::check_config().env("HOTSHELF_CONFIG", "example.toml");
    let table = named.file("example.toml", &example.join("\n")).table();
    assert_eq!(table.values(), defaults.values());
    for (variable, _) in defaults.values() {
        assert_eq!(table.row(variable).1, "example.toml", "{variable} is not in the example");
    }
}

#[test]
fn the_page_and_the_example_are_what_the_binary_prints() {
    for (arguments, name) in
        [(&["config", "--markdown"][..], "docs/configuration.md"), (&["config"], "hotshelf.example.toml")]
    {
        // A bad setting does not prevent the output.
        let printed = Hotshelf::new(arguments).env("HTTP_PORT", "http").run();
        assert_eq!(printed.code, Some(0), "{}", printed.stderr);
        let command = arguments.join(" ");
        assert!(printed.stdout == document(name), "{name} is out of date: cargo run -- {command} > {name}");
    }
}

#[test]
fn the_page_links_to_headings_that_exist() {
    let page = document("docs/configuration.md");
    let links: Vec<&str> = page.split("[More](").skip(1).map(|rest| rest.split_once(')').unwrap().0).collect();
    assert!(!links.is_empty());
    for link in links {
        let (name, anchor) = link.split_once('#').unwrap();
        let linked = document(&format!("docs/{name}"));
        let headings = linked.lines().filter_map(|line| line.strip_prefix('#'));
        let mut anchors = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"));
        assert!(anchors.any(|known| known == anchor), "{link} leads nowhere");
    }
}

#[test]
fn a_wrong_command_line_and_a_wrong_configuration_exit_with_2() {
    assert_eq!(Hotshelf::new(&["sell"]).run().code, Some(2));
}

#[test]
fn a_setting_without_effect_is_reported() {
    let table = Hotshelf::check_config().env("CACHE_BACKEND", "memory").env("REDIS_DB", "3").table();
    assert_eq!(table.row("REDIS_DB"), ("3", "environment, no effect with CACHE_BACKEND=memory"));
    assert_eq!(table.row("REDIS_ADDR"), ("localhost:6379", "default"));
    // The service cannot listen there, so it ends.
    let started =
        Hotshelf::new(&[]).env("HTTP_HOST", "localhost").env("HTTP_PORT", "1").env("DB_PATH", "/nowhere/products.db");
    let outcome = started.env("RATE_LIMIT_ROUTES", "POST /api/v1/products=10/1m").run();
    let told = "WARN hotshelf: RATE_LIMIT_ROUTES has no effect without RATE_LIMIT=on";
    assert_eq!(outcome.stderr.lines().filter(|line| line.ends_with(told)).count(), 1, "{}", outcome.stderr);
}
