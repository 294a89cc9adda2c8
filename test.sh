#!/usr/bin/env bash
# Runs every test. On a fresh machine it needs Rust and a C compiler, and installs redis-server, PostgreSQL and a few
# tools when they are missing.
#
#   ./test.sh          what a change has to pass
#   ./test.sh --fast   while you work: format, lints, and the tests that start no server. Installs nothing
#   ./test.sh --long   the same tests with HOTSHELF_LONG=1, optimized: those of tests/histories check 200,000 reads under each
#                      fault of each topology, the simulation runs a million schedules, the model larger scenarios; and
#                      schemathesis, which pip installs into target/, makes requests from the description of the API
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '==> %s\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

install() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "missing: $*. Installing it needs root or sudo"
        # Without a terminal nobody can type a password: fail rather than wait for one.
        as_root=(sudo --non-interactive)
        [ -t 0 ] && as_root=(sudo)
    fi
    command -v apt-get >/dev/null || fail "missing: $*. There is no apt-get: install it by hand (Redis 7, PostgreSQL 13, or newer)"
    say "installing $*"
    # On a stale mirror list the update may fail in part and the installation still work.
    "${as_root[@]}" apt-get update -qq || say "apt-get update failed, trying with what is known"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        fail "$* cannot be installed: install it by hand (Redis 7, PostgreSQL 13, or newer)"
}

fast() {
    say "cargo fmt, cargo clippy"
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    say "unit tests, and all tests of domain, database, formats and lifecycle"
    cargo test --locked --workspace --lib --bins -- --skip simulation::contract
    cargo test --locked -p hotshelf-domain -p hotshelf-formats -p hotshelf-lifecycle --test '*'
    cargo test --locked -p hotshelf-database --test contract --test identity --test opening -- \
        --skip postgres:: --skip copying::
    say "the fast tests passed"
}

# The client that tests/schemathesis runs.
schemathesis() {
    local tools=target/schemathesis
    python3 -c 'import venv, ensurepip' 2>/dev/null || install python3-venv
    say "installing schemathesis into $tools"
    python3 -m venv "$tools"
    "$tools/bin/pip" install -q --disable-pip-version-check -r tests/schemathesis/requirements.txt ||
        fail "schemathesis cannot be installed by pip: see tests/schemathesis/requirements.txt"
    export SCHEMATHESIS=$PWD/$tools/bin/schemathesis
}

profile=()
case "${1:-}" in
    '') ;;
    --fast) fast; exit ;;
    --long) export HOTSHELF_LONG=1; profile=(--profile long) ;;
    *) fail "unknown option $1: there are --fast and --long" ;;
esac

command -v cargo >/dev/null || fail "cargo is missing: see https://rustup.rs"
command -v cc >/dev/null || fail "a C compiler is missing, which builds SQLite: apt-get install build-essential"
missing=()
for tool in redis-server curl jq; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
# Its programs are not on the path. The tests start servers of their own; none of Debian's has to run.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
say "$(redis-server --version)"
[ -z "${HOTSHELF_LONG:-}" ] || schemathesis

command -v promtool >/dev/null || say "promtool is not installed: the alert rules are parsed, and not tested"

say "cargo test --workspace --locked ${profile[*]:-}"
cargo test --workspace --locked "${profile[@]}"
say "the same on PostgreSQL: the protocol, fail-over of Redis, and histories of two instances"
export HOTSHELF_TEST_DATABASE=postgres
cargo test --locked "${profile[@]}" --workspace --test cache_protocol --test failover
cargo test --locked "${profile[@]}" --workspace --test histories two_instances
say "all tests passed; the table of the histories is in target/histories.txt"
