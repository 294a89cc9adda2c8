#!/usr/bin/env bash
# Runs every test. On a fresh machine it needs Rust and a C compiler, and installs redis-server when that is missing.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '==> %s\n' "$*"; }
fail() { printf 'test.sh: %s\n' "$*" >&2; exit 1; }

install_redis() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "redis-server is missing, and installing it needs root or sudo"
        # Without a terminal nobody can type a password: fail rather than wait for one.
        as_root=(sudo --non-interactive)
        [ -t 0 ] && as_root=(sudo)
    fi
    command -v apt-get >/dev/null || fail "redis-server is missing and there is no apt-get: install Redis 7 or newer"
    say "installing redis-server"
    # On a stale mirror list the update may fail in part and the installation still work.
    "${as_root[@]}" apt-get update -qq || say "apt-get update failed, trying with what is known"
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends redis-server >/dev/null ||
        fail "redis-server cannot be installed: install Redis 7 or newer by hand"
}

command -v cargo >/dev/null || fail "cargo is missing: see https://rustup.rs"
command -v cc >/dev/null || fail "a C compiler is missing, which builds SQLite: apt-get install build-essential"
command -v redis-server >/dev/null || install_redis
say "$(redis-server --version)"

say "cargo test --workspace --locked"
cargo test --workspace --locked
say "all tests passed"
