#!/usr/bin/env bash
# Counts the allocations of a request on the read path: calls of malloc and its kin of the whole process, over REQUESTS
# requests of each kind (MIX_REQUESTS of the mix that is a row of the results), split by who called into ours, SwiftNIO's
# and the rest; what the writer's, the cluster's and librdkafka's threads call stands apart, it goes with time, not with
# requests. For `favorites serve`, and for the router and the three nodes (all together) of a cluster. The counts are the
# same on every machine, so this gates: it fails where a further id costs us an allocation, or a request costs us more
# than CALLS_MAX.
#
#     Benchmarks/allocations.sh             REQUESTS=5000 MIX_REQUESTS=100000 CALLS_MAX=4
#     REQUESTS=2000 MIX_REQUESTS=2000 Benchmarks/allocations.sh    the short form, for CI
#     STACKS=5 Benchmarks/allocations.sh    the stacks that called most, for each kind
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requests=${REQUESTS:-5000}
mix_requests=${MIX_REQUESTS:-100000}
calls_max=${CALLS_MAX:-4}
# One allocation for each of nine ids more would be 9.
noise=0.5

cc -O2 -shared -fPIC -o "$work/count_mallocs.so" Benchmarks/count_mallocs.c || fail "no C compiler"
{ nm --defined-only "$favorites" && readelf -lW "$favorites"; } >"$work/symbols"
counting=(env LD_PRELOAD="$work/count_mallocs.so" COUNT_MALLOCS="$work/%s.counts")

# One connection, so that each request is alone; `measure_all` takes more for the mix, which is long.
lanes=1

# send COUNT PATH [HEADER]: over `lanes` connections, COUNT a multiple of it. What follows `#` stays with curl and makes it
# repeat the request.
send() {
    local lane ids=()
    rm -f "$work"/codes-*
    for ((lane = 1; lane <= lanes; lane++)); do
        curl -sf -o "$work/answer-$lane" -w '%{http_code}\n' -H "${3:-Accept: */*}" "$asked$2#[1-$(($1 / lanes))]" \
            >"$work/codes-$lane" &
        ids+=($!)
    done
    for lane in "${ids[@]}"; do wait "$lane" || fail "favorites does not answer $2"; done
    cat "$work"/codes-* >"$work/codes"
    [ "$(wc -l <"$work/codes")" -eq "$1" ] || fail "not all of $1 requests were answered"
}

# keep WHEN: copies the counts of the processes under measurement.
keep() {
    local name
    for name in "${!process_of[@]}"; do cp "$work/$name.counts" "$work/$name.$1"; done
}

# callers NAME BEFORE AFTER: `ours N`, `nio N` and so on, a line each.
callers() {
    cp "/proc/${process_of[$1]}/maps" "$work/$1.maps"
    Benchmarks/allocation-callers.py "$work/$1.maps" "$favorites" "$work/symbols" "$work/$1.$2" "$work/$1.$3" "${@:4}"
}

# measure NAME PATH [HEADER]: prints a row for each group of processes; sets `ours_of` and `nio_of`, calls by group.
measure() {
    local group name ours nio rest background
    : >"$work/answer-1"
    send 800 "$2" "${3:-}"
    keep before
    send "$requests" "$2" "${3:-}"
    keep after
    for group in $groups; do
        for name in "${!process_of[@]}"; do
            [ "${name%%-*}" = "$group" ] || continue
            callers "$name" before after
        done | awk -v requests="$requests" '
            { calls[$1] += $2 }
            function each(owner) { return calls[owner] / requests }
            END { printf "%.2f %.2f %.2f %.2f\n", each("ours"), each("nio"), each("rest"), each("background") }' \
            >"$work/figures"
        read -r ours nio rest background <"$work/figures"
        ours_of[$group]=$ours nio_of[$group]=$nio
        printf '%-32s %-8s %8d %8s %8s %8s %8s %10s\n' "$1" "$group" "$(wc -c <"$work/answer-1")" "$(sort -u "$work/codes")" \
            "$ours" "$nio" "$rest" "$background"
        [ -z "${STACKS:-}" ] || for name in "${!process_of[@]}"; do
            [ "${name%%-*}" != "$group" ] || callers "$name" before after --stacks "$STACKS" | sed 1,4d
        done
        ! awk -v calls="$ours" -v most="$calls_max" 'BEGIN { exit calls <= most }' ||
            fail "$1, $group: $ours allocations of ours a request; at most $calls_max are allowed"
    done
}

# measure_all: every kind of request; those with more ids are not to cost more.
measure_all() {
    local mym=/v1/api/app/mym/soccer group tag
    local -A one ten hundred
    printf '%-32s %-8s %8s %8s %8s %8s %8s %10s\n' "$requests requests of each" process bytes status ours NIO rest background
    measure "mym, 1 event id" "$mym?eventIds=$(event_ids 1)"
    for group in $groups; do one[$group]=${ours_of[$group]}; done
    measure "mym, 10 event ids" "$mym?eventIds=$(event_ids 10)"
    for group in $groups; do ten[$group]=${ours_of[$group]}; done
    measure "mym, 100 event ids" "$mym?eventIds=$(event_ids 100)"
    for group in $groups; do hundred[$group]=${ours_of[$group]}; done
    for group in $groups; do
        no_more "${one[$group]}" "${ten[$group]}" 9 "$group: event id from 1 to 10"
        no_more "${one[$group]}" "${hundred[$group]}" 99 "$group: event id from 1 to 100"
    done
    measure "mym, 1 team id" "$mym?teamIds=$(team_ids 1)"
    for group in $groups; do one[$group]=${ours_of[$group]}; done
    measure "mym, 20 team ids" "$mym?teamIds=$(team_ids 20)"
    for group in $groups; do
        no_more "${one[$group]}" "${ours_of[$group]}" 19 "$group: team id from 1 to 20"
    done
    local both="$mym?eventIds=$(event_ids 10)&teamIds=$(team_ids 3)"
    tag=$(curl -sfI "$asked$both" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }')
    measure "mym, 10 and 3 ids, unchanged" "$both" "If-None-Match: $tag"
    measure "myt, 3 team ids" "/v1/api/app/myt/soccer?teamIds=$(team_ids 3)"
    lanes=8 requests=$mix_requests measure "mym, 10 event ids, 3 team ids" "$both"
}

# no_more FEW MANY COUNT WHAT: MANY is FEW and nothing for each of COUNT.
no_more() {
    awk -v few="$1" -v many="$2" -v noise="$noise" 'BEGIN { exit many - few > noise }' ||
        fail "$4: $(awk -v f="$1" -v m="$2" -v n="$3" 'BEGIN { print (m - f) / n }') allocations for each, not 0"
    echo "each further $4: 0 allocations"
}

# row GROUP BAR: the default mix, measured last.
row() {
    result_row "allocations of a request, $1: 10 ids + 3 teams" "${ours_of[$1]} ours" "${nio_of[$1]} SwiftNIO's" \
        "${ours_of[$1]}" "${ours_of[$1]}" "${ours_of[$1]}" "$2" "Benchmarks/allocations.sh"
}

declare -A process_of ours_of nio_of
start_broker 12
publish_offer 20000

start_serve "${counting[@]//%s/serve}"
process_of=([serve]=$serve_id) groups=serve asked=$base
measure_all
row serve "<= 0"
kill "$serve_id"
wait "$serve_id" || true

start_cluster "${counting[@]}"
process_of=([router]=$router_id [node-1]=${node_ids[0]} [node-2]=${node_ids[1]} [node-3]=${node_ids[2]})
groups="node router" asked=$base
measure_all
row node "<= 0"
row router "<= 4"
