#!/usr/bin/env bash
# Shows what hotshelf promises, on a running service: create, miss, hit, list, update, delete, pages, statistics. Each
# step says what to notice and then checks it. Needs curl; jq, when there is one, makes the answers easier to read.
#
#   ./demo.sh                                   the service at http://localhost:3000
#   BASE_URL=http://shelf:8080 ./demo.sh        another one
#
# The database may hold products already; what the demo creates it deletes again. It expects that nobody else changes
# products meanwhile. Exit codes: 0 every claim holds, 1 a claim fails, 2 there is no service to try.
set -euo pipefail

base=${BASE_URL:-http://localhost:3000}
base=${base%/}
products=$base/api/v1/products
work=$(mktemp -d)
failed=0
checked=0
lookups=0
created=()

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' cyan=$'\e[36m' plain=$'\e[0m'
else
    bold='' dim='' green='' red='' cyan='' plain=''
fi

# --- talking to the service ------------------------------------------------------------------------------------------

# call METHOD URL [argument of curl ...]: sets $status, and leaves the answer in $work/head and $work/body.
call() {
    local method=$1 url=$2
    shift 2
    printf '%s$ %s %s%s\n' "$cyan" "$method" "${url#"$base"}" "$plain"
    case "$method $url" in "GET $products"*) lookups=$((lookups + 1)) ;; esac
    send "$method" "$url" "$@" || stop "no answer from $url"
}

send() {
    local method=$1 url=$2
    shift 2
    # curl makes no file of an empty body, and the one of the answer before would be left.
    : >"$work/body"
    status=$(curl --silent --show-error --max-time 30 --request "$method" --dump-header "$work/head" \
        --output "$work/body" --write-out '%{http_code}' "$@" "$url")
}

# write METHOD URL JSON [argument of curl ...]
write() {
    local method=$1 url=$2 json=$3
    shift 3
    call "$method" "$url" --header 'content-type: application/json' --data "$json" "$@"
}

# The value of a header of the last answer.
header() { tr -d '\r' <"$work/head" | grep -i "^$1:" | head -n 1 | cut -d ' ' -f 2- || true; }

# The first value of that name in the last answer. Only for numbers, booleans and strings without commas: enough here,
# and the same with and without jq.
field() {
    grep -o "\"$1\":[^,}]*" "$work/body" | head -n 1 | cut -d : -f 2- | tr -d '"' || true
}

# The ids of the products on the page that came last, on one line.
ids() { grep -o '"id":[0-9]*' "$work/body" | cut -d : -f 2 | tr '\n' ' ' | sed 's/ $//' || true; }

create() {
    write POST "$products" "$1"
    [ "$status" = 201 ] || stop "a product cannot be created: status $status, $(cat "$work/body")"
    id=$(field id)
    created+=("$id")
}

# --- telling the story -----------------------------------------------------------------------------------------------

step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
notice() { printf '  %s\n' "$1"; }

show() {
    if command -v jq >/dev/null; then
        jq . <"$work/body" 2>/dev/null | sed "s/^/    $dim/; s/\$/$plain/"
    else
        printf '    %s%s%s\n' "$dim" "$(cat "$work/body")" "$plain"
    fi
}

# check CLAIM EXPECTED ACTUAL
check() {
    checked=$((checked + 1))
    if [ "$2" = "$3" ]; then
        printf '  %sok%s    %s\n' "$green" "$plain" "$1"
    else
        failed=$((failed + 1))
        printf '  %sFAIL  %s: expected %s, got %s%s\n' "$red" "$1" "$2" "${3:-nothing}" "$plain"
    fi
}

# holds CLAIM WHAT_WAS_FOUND COMMAND...: the claim holds when the command succeeds.
holds() {
    local claim=$1 found=$2
    shift 2
    if "$@"; then check "$claim" "$found" "$found"; else check "$claim" "the opposite" "$found"; fi
}

contains() { case $1 in *"$2"*) true ;; *) false ;; esac }

stop() {
    printf '%sdemo.sh: %s%s\n' "$red" "$1" "$plain" >&2
    exit "${2:-1}"
}

clean_up() {
    local code=$? id
    trap - EXIT
    # The expansion is spelled like this for old versions of bash, where an empty array counts as unset.
    for id in ${created[@]+"${created[@]}"}; do
        # Gone already is as good.
        send DELETE "$products/$id" 2>/dev/null || true
    done
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# --- the service -----------------------------------------------------------------------------------------------------

command -v curl >/dev/null || stop "curl is missing" 2
# A proxy for the outside is of no use for a service on this machine.
export no_proxy="${no_proxy:+$no_proxy,}localhost,127.0.0.1,::1"

if ! send GET "$base/health" 2>/dev/null || [ "$(field service)" != hotshelf ]; then
    cat >&2 <<TEXT
${red}demo.sh: there is no hotshelf at $base${plain}

Start it in another terminal, and then run this again:

    cargo run --release          # from this directory; needs no Redis
    docker compose up --build    # or with Redis, in containers

If it listens elsewhere: BASE_URL=http://host:port ./demo.sh
TEXT
    exit 2
fi
printf '%shotshelf at %s is %s%s\n' "$bold" "$base" "$(field status)" "$plain"
send GET "$base/api/v1/cache/stats" || stop "no answer from $base/api/v1/cache/stats"
hits_before=$(field hits) misses_before=$(field misses)

step "1. Create"
notice "The answer says where the product is, and its price is the one that was sent, to the cent."
call GET "$products?limit=1"
total=$(field total)
create '{"name":"Laptop","description":"High-performance laptop","price":999.99,"stock":50,"category":"Electronics"}'
laptop=$id
show
check "it was created" 201 "$status"
check "Location leads to it" "/api/v1/products/$laptop" "$(header location)"
check "the price is exact" 999.99 "$(field price)"
check "it begins at version 1" 1 "$(field version)"

step "2. Miss"
notice "The first read finds no copy: it asks the database, and the cache keeps what it brought."
call GET "$products/$laptop"
show
miss_ms=$(field duration_ms)
check "it is found" 200 "$status"
check "it came from the database" false "$(field from_cache)"
holds "Cache-Status says so" "$(header cache-status)" contains "$(header cache-status)" 'fwd=miss'

step "3. Hit"
notice "The second read is answered by the cache."
call GET "$products/$laptop"
show
tag=$(header etag)
notice "It took $(field duration_ms) ms, after $miss_ms ms the first time."
check "it came from the cache" true "$(field from_cache)"
check "it is the same product" "$laptop at 999.99" "$(field id) at $(field price)"
holds "Cache-Status names the tier" "$(header cache-status)" contains "$(header cache-status)" 'hotshelf; hit'
notice "A client that still has this version hears just that: 304, and no body."
call GET "$products/$laptop" --header "if-none-match: $tag"
check "nothing is sent twice" 304 "$status"

step "4. List"
notice "Pages are cached too, and hold what was there when they were asked for."
call GET "$products?offset=$total&limit=5"
check "the first read of the page comes from the database" false "$(field from_cache)"
check "the new product is on it" "$laptop" "$(ids)"
check "and is counted" $((total + 1)) "$(field total)"
call GET "$products?offset=$total&limit=5"
check "the second comes from the cache" true "$(field from_cache)"
check "with the same content" "$laptop" "$(ids)"

step "5. Update"
notice "Here most caches lie: the old product and the old page are both cached. No read may see them any more."
write PUT "$products/$laptop" '{"price":899.50}'
check "it was updated" 200 "$status"
check "the version has grown" 2 "$(field version)"
check "what was not named has stayed" Laptop "$(field name)"
call GET "$products/$laptop"
show
check "the next read shows the new price" 899.5 "$(field price)"
check "and the new version" 2 "$(field version)"
call GET "$products?offset=$total&limit=5"
check "so does the page" 899.5 "$(field price)"
notice "An update made from an old version loses the race, and is told so: 412."
write PUT "$products/$laptop" '{"price":1}' --header "if-match: $tag"
check "it is refused" 412 "$status"
call GET "$products/$laptop"
check "and has changed nothing" 899.5 "$(field price)"

step "6. Delete"
notice "A deleted product is gone at once, for reads, for pages and for a second delete."
call DELETE "$products/$laptop"
check "it was deleted" 200 "$status"
call GET "$products/$laptop"
show
check "it is not found" 404 "$status"
check "the answer is a problem of RFC 9457" application/problem+json "$(header content-type)"
call DELETE "$products/$laptop"
check "it cannot be deleted twice" 404 "$status"
call GET "$products?offset=$total&limit=5"
check "the page does not have it" "" "$(ids)"
check "and does not count it" "$total" "$(field total)"

step "7. Pages"
notice "Five products, two on a page: next_cursor leads through all of them, each once and in order."
expected=''
for name in Cup Plate Bowl Spoon Fork; do
    create "{\"name\":\"$name\",\"price\":4.50,\"category\":\"Kitchen\"}"
    expected="$expected$id "
done
call GET "$products?offset=$total&limit=2"
seen="$(ids) "
pages=1
cursor=$(field next_cursor)
while [ -n "$cursor" ] && [ "$cursor" != null ] && [ "$pages" -lt 10 ]; do
    call GET "$products?cursor=$cursor&limit=2"
    seen="$seen$(ids) "
    pages=$((pages + 1))
    cursor=$(field next_cursor)
done
check "all five were seen, in order" "$expected" "$seen"
check "on three pages" 3 "$pages"
check "the last one has no next_cursor" null "$cursor"

step "8. Statistics"
notice "Each lookup above counted as exactly one hit or one miss, whichever tier answered."
call GET "$base/api/v1/cache/stats"
show
hits=$(($(field hits) - hits_before)) misses=$(($(field misses) - misses_before))
check "hits and misses add up to the lookups" "$lookups" $((hits + misses))
holds "there were hits" "$hits hits" test "$hits" -gt 0
holds "and misses" "$misses misses" test "$misses" -gt 0
call GET "$base/metrics"
holds "Prometheus finds them under /metrics" "cache_hits_total" grep -q '^cache_hits_total{' "$work/body"

if [ "$failed" -gt 0 ]; then
    stop "$failed of $checked claims failed"
fi
printf '\n%s%sAll %s claims hold.%s\n' "$bold" "$green" "$checked" "$plain"
