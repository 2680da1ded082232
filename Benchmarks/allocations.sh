#!/usr/bin/env bash
# Counts the allocations of a request on the read path: calls of malloc and its kin on the event loop's thread, over
# REQUESTS requests of each kind to a running `favorites serve`. The counts are the same on every machine, so this gates:
# it fails where a further event costs an allocation, or where a request costs more than CALLS_MAX.
#
#     Benchmarks/allocations.sh                  REQUESTS=20000 CALLS_MAX=4
#     REQUESTS=2000 Benchmarks/allocations.sh    the short form, for CI
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requests=${REQUESTS:-20000}
# What timers on the loop allocate, spread over the requests; one allocation for each of nine ids more would be 9.
noise=0.5
calls_max=${CALLS_MAX:-4}

cc -O2 -shared -fPIC -o "$work/count_mallocs.so" Benchmarks/count_mallocs.c || fail "no C compiler"
start_broker 12
publish_offer 20000
start_serve env LD_PRELOAD="$work/count_mallocs.so" COUNT_MALLOCS="$work/counts"

# The first event loop group is the one that serves.
loop=$(grep -lx 'NIO-ELT-1-#1' /proc/"$serve_id"/task/*/comm | head -n 1 | cut -d / -f 5)
[ -n "$loop" ] || fail "no event loop among the threads of favorites serve"

calls() {
    od -An -v -w16 -t u8 "$work/counts" | awk -v thread="$loop" '$1 == thread { print $2 }'
}

# send COUNT PATH [HEADER]: over one connection. What follows `#` stays with curl and makes it repeat the request.
send() {
    curl -sf -o "$work/answer" -w '%{http_code}\n' -H "${3:-Accept: */*}" "$base$2#[1-$1]" >"$work/codes" ||
        fail "favorites does not answer $2"
    [ "$(wc -l <"$work/codes")" -eq "$1" ] || fail "not all of $1 requests were answered"
}

# measure NAME PATH [HEADER]: prints a row; sets `per_request`.
measure() {
    send 500 "$2" "${3:-}"
    local before after
    before=$(calls)
    send "$requests" "$2" "${3:-}"
    after=$(calls)
    per_request=$(awk -v calls=$((after - before)) -v requests="$requests" 'BEGIN { printf "%.3f", calls / requests }')
    printf '%-32s %10d %8s %12s\n' "$1" "$(wc -c <"$work/answer")" "$(sort -u "$work/codes")" "$per_request"
    ! awk -v calls="$per_request" -v most="$calls_max" 'BEGIN { exit calls <= most }' ||
        fail "$1: $per_request allocations a request; at most $calls_max are allowed"
}

# no_more FEW MANY COUNT WHAT: MANY is FEW and nothing for each of COUNT.
no_more() {
    awk -v few="$1" -v many="$2" -v noise="$noise" 'BEGIN { exit many - few > noise }' ||
        fail "$4: $(awk -v f="$1" -v m="$2" -v n="$3" 'BEGIN { print (m - f) / n }') allocations for each, not 0"
    echo "each further $4: 0 allocations"
}

mym=/v1/api/app/mym/soccer
printf '%-32s %10s %8s %12s\n' "$requests requests of each" bytes status 'calls each'
measure "mym, 1 event id" "$mym?eventIds=$(event_ids 1)"
one=$per_request
measure "mym, 10 event ids" "$mym?eventIds=$(event_ids 10)"
ten=$per_request
measure "mym, 100 event ids" "$mym?eventIds=$(event_ids 100)"
hundred=$per_request
measure "mym, 1 team id" "$mym?teamIds=$(team_ids 1)"
one_team=$per_request
measure "mym, 20 team ids" "$mym?teamIds=$(team_ids 20)"
teams=$per_request
both="$mym?eventIds=$(event_ids 10)&teamIds=$(team_ids 3)"
measure "mym, 10 event ids, 3 team ids" "$both"
tag=$(curl -sfI "$base$both" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }')
measure "the same, unchanged" "$both" "If-None-Match: $tag"
measure "myt, 3 team ids" "/v1/api/app/myt/soccer?teamIds=$(team_ids 3)"
no_more "$one" "$ten" 9 "event id from 1 to 10"
no_more "$one" "$hundred" 99 "event id from 1 to 100"
no_more "$one_team" "$teams" 19 "team id from 1 to 20"
