#!/usr/bin/env bash
# Shows what hotshelf promises, on a running service: first with single products (create, miss, hit, list, update, delete,
# pages, statistics), then with a catalogue (organization and schema, bulk, search, orders, filters, details, ids,
# analytics). Each step says what to notice and then checks it. Needs curl; jq, when there is one, makes the answers easier
# to read.
#
#   ./demo.sh                                   the service at http://localhost:3000
#   BASE_URL=http://shelf:8080 ./demo.sh        another one
#   TOKEN=hss_... ./demo.sh                     one with AUTH=on; the token is that of an admin of organization 1
#
# The database may hold products already; the products that the demo creates it deletes again. Organizations and schemas
# cannot be deleted: one of each, named for the demo, stays and is used again. It expects that nobody else changes products
# meanwhile. Exit codes: 0 every claim holds, 1 a claim fails, 2 there is no service to try.
set -euo pipefail

base=${BASE_URL:-http://localhost:3000}
base=${base%/}
identity=()
[ -z "${TOKEN:-}" ] || identity=(--header "authorization: Bearer $TOKEN")
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
        --output "$work/body" --write-out '%{http_code}' ${identity[@]+"${identity[@]}"} "$@" "$url")
}

# write METHOD URL JSON [argument of curl ...]
write() {
    local method=$1 url=$2 json=$3
    shift 3
    call "$method" "$url" --header 'content-type: application/json' --data "$json" "$@"
}

# The value of a header of the last answer.
# The id and the version in an entity tag, without the history of the database that follows them.
version_of() { printf '%s' "$1" | sed -E 's/^(W\/)?"([0-9]+-[0-9]+)-[0-9a-f]+"$/\2/'; }

header() { tr -d '\r' <"$work/head" | grep -i "^$1:" | head -n 1 | cut -d ' ' -f 2- || true; }

# The first value of that name in the last answer. Only for numbers, booleans and strings without commas: enough here,
# and the same with and without jq.
field() {
    grep -o "\"$1\":[^,}]*" "$work/body" | head -n 1 | cut -d : -f 2- | tr -d '"' || true
}

# The ids of the products on the page that came last, on one line.
ids() { grep -o '"id":[0-9]*' "$work/body" | cut -d : -f 2 | tr '\n' ' ' | sed 's/ $//' || true; }

# The numbers of the list of that name in the last answer, separated by commas.
numbers() { sed -n "s/.*\"$1\":\[\([0-9,]*\)\].*/\1/p" "$work/body"; }

# Goes through a list by its cursors, from the first page on, and leaves the ids in $seen.
follow() {
    local url=$1 cursor
    call GET "$url"
    seen="$(ids) " pages=1
    cursor=$(field next_cursor)
    while [ -n "$cursor" ] && [ "$cursor" != null ] && [ "$pages" -lt 10 ]; do
        call GET "$2&cursor=$cursor"
        seen="$seen$(ids) "
        pages=$((pages + 1))
        cursor=$(field next_cursor)
    done
    last_cursor=$cursor
}

# forget KEY: deletes what the cache holds under that key, which may have * in it. The prefix of all keys comes before it.
forget() {
    call DELETE "$base/api/v1/cache" --get --data-urlencode "pattern=$prefix$1"
    notice "with pattern=$prefix$1"
}

create() {
    write POST "$products" "$1"
    [ "$status" = 201 ] || stop "a product cannot be created: status $status, $(cat "$work/body")"
    id=$(field id)
    created+=("$id")
}

# find_schema TEXT: leaves in $schema the id of the schema whose JSON ends so, if there is one. There is no list of them, but
# none is ever deleted: their ids are 1, 2, 3 and so on, up to the first that does not exist.
find_schema() {
    local first=1
    printf '%s$ GET /api/v1/schemas/1, /2, ...%s\n' "$cyan" "$plain"
    schema='' status=200
    while [ -z "$schema" ] && [ "$status" = 200 ]; do
        curl --silent --show-error --max-time 30 --write-out '\n%{http_code}\n' \
            "$base/api/v1/schemas/[$first-$((first + 49))]" >"$work/body" || stop "no answer from $base/api/v1/schemas"
        schema=$(grep -F "$1" "$work/body" | head -n 1 | cut -d : -f 3 | cut -d , -f 1 || true)
        status=$(sed -n '$p' "$work/body")
        first=$((first + 50))
    done
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
# No key is that short, and the refusal names what all keys begin with.
send DELETE "$base/api/v1/cache?pattern=%3F" || stop "no answer from $base/api/v1/cache"
prefix=$(sed -n 's/.*"message":"must begin with \([^"]*\)".*/\1/p' "$work/body")
[ -n "$prefix" ] || stop "the prefix of the cache's keys is not told: status $status, $(cat "$work/body")"
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
if [ "$(field from_cache)" = true ]; then
    notice "This service writes through: creating the product has left a copy, and this was a hit. Without the copy:"
    forget "id:$laptop"
    call GET "$products/$laptop"
fi
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
follow "$products?offset=$total&limit=2" "$products?limit=2"
check "all five were seen, in order" "$expected" "$seen"
check "on three pages" 3 "$pages"
check "the last one has no next_cursor" null "$last_cursor"

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

step "9. Organization and schema"
notice "Products belong to an organization, and their schema says what details they have."
demo='hotshelf demo.sh'
call GET "$base/api/v1/organizations"
organization=$(grep -o "\"id\":[0-9]*,\"name\":\"$demo\"" "$work/body" | head -n 1 | cut -d : -f 2 | cut -d , -f 1 || true)
if [ -z "$organization" ]; then
    write POST "$base/api/v1/organizations" "{\"name\":\"$demo\"}"
    [ "$status" = 201 ] || stop "an organization cannot be created: status $status, $(cat "$work/body")"
    organization=$(field id)
fi
shelf=$base/api/v1/organizations/$organization
call GET "$shelf"
check "the organization is there" "$organization, $demo" "$(field id), $(field name)"
optional='"required":false,"options":[]'
fields='[{"name":"material","type":"text","required":true,"options":[]},{"name":"watts","type":"number",'$optional'},'
fields=$fields'{"name":"dimmable","type":"boolean",'$optional'},{"name":"released","type":"date",'$optional'},'
fields=$fields'{"name":"socket","type":"select","required":false,"options":["E14","E27","GU10"]}]'
find_schema "\"organization_id\":$organization,\"name\":\"Lamps\",\"fields\":$fields,\"version\":1}"
if [ -z "$schema" ]; then
    write POST "$base/api/v1/schemas" "{\"organization_id\":$organization,\"name\":\"Lamps\",\"fields\":$fields}"
    [ "$status" = 201 ] || stop "a schema cannot be created: status $status, $(cat "$work/body")"
    schema=$(field id)
fi
call GET "$base/api/v1/schemas/$schema"
show
kinds=$(grep -o '"type":"[a-z]*"' "$work/body" | cut -d '"' -f 4 | tr '\n' ' ')
check "its five fields are of the five types" "text number boolean date select " "$kinds"
call GET "$shelf/product-ids"
[ "$(field total)" = 0 ] || stop "organization $organization ($demo) has products of a run that was cut off. Delete them first:
    curl -s -X POST $products/bulk-delete -H 'content-type: application/json' -d '{\"ids\":[$(numbers ids)]}'"

# lamp NAME PRICE STOCK CATEGORY SOCKET
lamp() {
    printf '{"name":"%s","price":%s,"stock":%s,"category":"%s",' "$1" "$2" "$3" "$4"
    printf '"organization_id":%s,"schema_id":%s,' "$organization" "$schema"
    printf '"fields":{"material":"brass","watts":8.5,"dimmable":true,"released":"2026-03-01","socket":"%s"},' "$5"
    printf '"images":[{"url":"https://images.example/front.jpg","alt":"Front"},{"url":"https://images.example/back.jpg"}]}'
}

step "10. Bulk create"
notice "Many products in one request and one transaction. One that does not fit its schema is named; the others are stored."
lamps="$(lamp 'Crème table lamp' 89 4 'Table lamps' E14),$(lamp 'Brass table lamp' 120 0 'Table lamps' E27)"
lamps="$lamps,$(lamp 'Café lantern' 35.50 12 Lanterns E27),$(lamp 'Garden lantern' 49.90 3 Lanterns GU10)"
lamps="$lamps,$(lamp 'Storm lantern' 19 0 Lanterns E14)"
bad_lamp=$(lamp 'Odd lamp' 10 1 Lanterns E99)
write POST "$products/bulk" "{\"products\":[$lamps,$bad_lamp]}"
show
check "it succeeds" 201 "$status"
lamp_ids=$(numbers created)
# shellcheck disable=SC2206 # numbers, to be split
created+=(${lamp_ids//,/ })
read -r creme brass cafe garden storm more <<<"${lamp_ids//,/ }"
holds "five are stored" "ids $lamp_ids" test -n "$storm" -a -z "${more:-}"
check "the sixth is named by its place" 5 "$(field index)"
check "and by what is wrong with it" "fields.socket must be one of E14" "$(field field) $(field message)"
notice "With atomic=true, one that does not fit keeps all of them out."
write POST "$products/bulk?atomic=true" "{\"products\":[$lamps,$bad_lamp]}"
check "it is refused" 400 "$status"
call GET "$shelf/products?limit=5"
check "and nothing was stored" 5 "$(field total)"

step "11. Search"
notice "All words must occur, in name, description or category; their beginnings do, and case and accents do not matter."
call GET "$shelf/products?search=creme+lam"
check "creme lam finds the Crème table lamp" "$creme" "$(ids)"
call GET "$shelf/products?search=CAF%C3%89"
check "CAFÉ finds the Café lantern" "$cafe" "$(ids)"
call GET "$shelf/products?search=%22+OR+%28*"
check "no text is an operator" "200, 0 found" "$status, $(field total) found"
notice "Searches are cached, too, and no name of before is found."
call GET "$shelf/products?search=cafe"
call GET "$shelf/products?search=cafe"
check "the second search comes from the cache" true "$(field from_cache)"
write PUT "$products/$cafe" '{"name":"Bistro lantern"}'
call GET "$shelf/products?search=cafe"
check "after a change of name the old one finds nothing" 0 "$(field total)"
call GET "$shelf/products?search=bistro"
check "and the new one does" "$cafe" "$(ids)"

step "12. Orders and pages"
notice "Pages have numbers, or cursors, which cost the same anywhere in a list. Both go with every order."
call GET "$shelf/products?order=price&limit=2&page=1"
check "the cheapest two come first" "$storm $cafe" "$(ids)"
check "of three pages" 3 "$(field pages)"
call GET "$shelf/products?order=price&limit=2&page=3"
check "the dearest is on the last" "$brass" "$(ids)"
list="$products?organization_id=$organization&order=-price&limit=2"
follow "$list" "$list"
check "by cursor, the dearest first" "$brass $creme $garden $cafe $storm " "$seen"
call GET "$list"
call GET "$products?organization_id=$organization&order=name&limit=2&cursor=$(field next_cursor)"
check "a cursor goes with its own order only" 400 "$status"

step "13. Filters"
notice "They narrow the list down together: by category, price, stock, organization, schema and search."
list="$products?organization_id=$organization"
call GET "$list&category=Lanterns&in_stock=true"
check "lanterns that are in stock" "$cafe $garden" "$(ids)"
call GET "$list&category=Lanterns&in_stock=true&max_price=40"
check "for 40 at most" "$cafe" "$(ids)"
call GET "$products?schema_id=$schema&min_price=80&search=table&order=price"
check "table lamps from 80 on" "$creme $brass" "$(ids)"

step "14. Details"
notice "Fields and images belong to the product: changing them makes its version and its ETag grow."
call GET "$products/$garden/details"
show
tag=$(header etag)
check "its fields are there" "brass, 8.5, true" "$(field material), $(field watts), $(field dimmable)"
check "and its images, in order" "0 1 " "$(grep -o '"position":[0-9]*' "$work/body" | cut -d : -f 2 | tr '\n' ' ')"
check "it is at version 1" "1, $garden-1" "$(field version), $(version_of "$tag")"
write PUT "$products/$garden/details" '{"fields":{"material":"copper","watts":11}}'
check "the new version" "2, $garden-2" "$(field version), $(version_of "$(header etag)")"
call GET "$products/$garden/details"
check "the next read shows the new fields" "copper, 11" "$(field material), $(field watts)"
call GET "$products/$garden"
check "the product itself has the new version" 2 "$(field version)"
notice "What does not fit the schema is refused, by name, and so is a change made from an old version."
write PUT "$products/$garden/details" '{"fields":{"material":"tin","released":"soon"}}'
show
check "it is refused" 400 "$status"
check "by name" "fields.released must be a date such as 2026-01-31" "$(field field) $(field message)"
write PUT "$products/$garden/details" '{"images":[]}' --header "if-match: $tag"
check "the version of before loses" 412 "$status"
call GET "$products/$garden/details"
check "neither has changed anything" "copper, 2" "$(field material), $(field version)"
notice "Nor may the schema leave products behind."
write PUT "$base/api/v1/schemas/$schema" '{"fields":[{"name":"material","type":"number"}]}'
check "it is refused" 409 "$status"
check "and says how many" "5 products would not fit schema $schema any more" "$(field detail)"

step "15. Ids"
notice "All ids of an organization or a schema in one answer, and any products by their ids in one request."
call GET "$shelf/product-ids"
check "those of the organization" "$lamp_ids" "$(numbers ids)"
call GET "$shelf/product-ids"
check "the second read comes from the cache" true "$(field from_cache)"
call GET "$base/api/v1/schemas/$schema/product-ids"
check "those of the schema" "$lamp_ids" "$(numbers ids)"
nobody=999999999999
call GET "$products?ids=$storm,$nobody,$creme"
check "products come in the order that was asked for" "$storm $creme" "$(ids)"
check "and those that are missing are named" "$nobody" "$(numbers missing)"

step "16. Analytics"
notice "Counts and price ranges. The one answer that may be old: it is kept for a day, and made anew with refresh=true."
call GET "$base/api/v1/analytics/catalogue?refresh=true"
report="\"organization_id\":$organization,\"products\":5,\"in_stock\":3,\"min_price\":19,\"max_price\":120"
holds "the organization is in it" "5 products, 3 in stock, from 19 to 120" grep -q "$report" "$work/body"
call GET "$base/api/v1/analytics/catalogue"
check "the next read comes from the cache" true "$(field from_cache)"

step "17. Cached entries"
notice "An operator may delete them, all or by pattern. Nothing is lost: the next read loads them again."
call GET "$shelf/products?limit=5"
call GET "$shelf/products?limit=5"
check "the page is cached" true "$(field from_cache)"
forget "products:org:$organization:*"
show
holds "it is deleted" "$(field deleted) deleted" test "$(field deleted)" -gt 0
call GET "$shelf/products?limit=5"
check "the next read asks the database" false "$(field from_cache)"
check "which has all of them" 5 "$(field total)"

step "18. Bulk delete"
notice "Many products in one transaction, gone at once from every list."
write POST "$products/bulk-delete" "{\"ids\":[$lamp_ids,$nobody]}"
show
check "it names those that were deleted" "$lamp_ids" "$(numbers deleted)"
check "and those that were not there" "$nobody" "$(numbers missing)"
call GET "$shelf/products?limit=5"
check "the page is empty" 0 "$(field total)"
call GET "$shelf/product-ids"
check "so are the ids" "" "$(numbers ids)"
call GET "$products/$creme/details"
check "and the details are gone" 404 "$status"

if [ "$failed" -gt 0 ]; then
    stop "$failed of $checked claims failed"
fi
printf '\n%s%sAll %s claims hold.%s\n' "$bold" "$green" "$checked" "$plain"
printf 'Organization %s and schema %s stay, for the next time: neither can be deleted.\n' "$organization" "$schema"
