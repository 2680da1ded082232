#!/usr/bin/env bash
# The situations that a live-sports service is built for, played with real processes: a broker, `favorites serve` or
# nodes and a router, live updates, and `favorites-load` in an open loop. Each prints a table of what it measured and
# fails where requests failed or answers were wrong that must not. Times are printed, never judged.
#
#     Benchmarks/scenarios.sh steady          a plain evening: mixed requests, answers checked
#     Benchmarks/scenarios.sh peak            kick-off: five times the rate for a while, with live updates
#     Benchmarks/scenarios.sh cup-final       one team in 60 of 100 requests, answers checked
#     Benchmarks/scenarios.sh revalidation    a CDN asks again for all that it has: answers are 304
#     Benchmarks/scenarios.sh node-loss       3 nodes, each partition on 2; one is killed in the middle
#     Benchmarks/scenarios.sh cold-start      load arrives while the node loads; 503 until it is ready, then answers
#     Benchmarks/scenarios.sh ingest-storm    the same load without and with a storm of updates
#     Benchmarks/scenarios.sh all
#
# RATE=4000 (requests a second), WINDOW_SECONDS=6, CONNECTIONS=64, EVENTS=20000, UPDATES=1000 and STORM_UPDATES=50000 (a
# second), DATA=DIR for another offer than the generated one, OUT=DIR keeps the JSON and plots of each window.
set -euo pipefail

scenarios=(steady peak cup-final revalidation node-loss cold-start ingest-storm)
if [ "${1:-}" = all ]; then
    for scenario in "${scenarios[@]}"; do "$0" "$scenario"; done
    exit
fi
if [ $# -ne 1 ] || [[ " ${scenarios[*]} " != *" ${1:-} "* ]]; then
    echo "usage: $0 SCENARIO, one of: ${scenarios[*]} all" >&2
    exit 64
fi
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rate=${RATE:-4000}
window=${WINDOW_SECONDS:-6}
connections=${CONNECTIONS:-64}
events=${EVENTS:-20000}
generator=$(Benchmarks/build.sh favorites-load 2>"$work/build.log") || fail "$(tail -n 20 "$work/build.log")"
[ ${#processors[@]} -ge 2 ] || fail "needs two processors: one for the server, one for the load generator"
serve=(taskset -c "${processors[0]}")
out=${OUT:-$work}
mkdir -p "$out"

# field KEY LABEL: a number of a window's result.
field() { sed -n "s/^  \"$1\" : \([^,]*\),\{0,1\}$/\1/p" "$out/$2.json"; }

print_header() {
    printf '%-14s %10s %10s %9s %8s %6s %10s %10s %10s %10s %6s\n' "$1" offered/s answered/s answers failed wrong \
        'p50 us' 'p99 us' 'p99.9 us' 'max us' late
}

# print_row LABEL
print_row() {
    local keys=(offered_rate rate requests failed wrong p50_us p99_us p999_us max_us late) values=() key
    for key in "${keys[@]}"; do values+=("$(field "$key" "$1" | awk '{ printf "%.0f", $1 }')"); done
    printf '%-14s %10s %10s %9s %8s %6s %10s %10s %10s %10s %6s\n' "$1" "${values[@]}"
    [ "$(field generator_saturated "$1")" = false ] ||
        echo "               the generator was late: the machine is too busy for these times to say much"
}

# load LABEL RATE OPTIONS…: one window of open-loop load.
load() {
    local label=$1 at=$2
    shift 2
    taskset -c "${processors[1]}" "$generator" --target "${base#http://}" --connections "$connections" --rate "$at" \
        --seconds "$window" --data "$offer" --json "$out/$label.json" --plot "$out/$label.svg" "$@" \
        >"$work/$label.table" || fail "$label: $(cat "$work/$label.table")"
}

checked=(--now "$now" --check-every 100)

# start_updates A_SECOND: live updates, until the script ends. Sets `updates_id`.
start_updates() {
    local options=(--events "$events" --seed 1)
    [ -z "${DATA:-}" ] || options=(--data "$DATA")
    background updates "$favorites" simulate --kafka-brokers "$brokers" --rate "$1" --now "$now" "${options[@]}"
    updates_id=$!
}

publish() {
    start_broker "${PARTITIONS:-64}"
    if [ -n "${DATA:-}" ]; then
        offer=$DATA
        "$favorites" publish "$offer" --kafka-brokers "$brokers" >"$work/publish.log" 2>&1 ||
            fail "publishing failed: $(tail -n 3 "$work/publish.log")"
    else
        offer=$work/offer
        publish_offer "$events"
    fi
    check_nothing_trimmed
}

# metric NAME PORT: the sum over its labels.
metric() { curl -sf "http://127.0.0.1:$2/metrics" | awk -v name="$1" '$1 ~ "^" name "([{]|$)" { sum += $2 } END { print sum + 0 }'; }

steady() {
    publish
    start_serve "${serve[@]}"
    load steady "$rate" --mix mixed "${checked[@]}"
    print_header steady
    print_row steady
    echo "$(field checked steady) answers were compared with the reference"
}

peak() {
    publish
    start_serve "${serve[@]}"
    start_updates "${UPDATES:-1000}"
    window=$(((window + 1) / 2))
    load before "$rate" --mix mixed --check none
    load kick-off $((5 * rate)) --mix mixed --check none
    load after "$rate" --mix mixed --check none
    print_header peak
    for label in before kick-off after; do print_row $label; done
    kill -0 "$updates_id" 2>/dev/null || fail "the updates ended: $(tail -n 3 "$work/updates.log")"
}

cup-final() {
    publish
    start_serve "${serve[@]}"
    load cup-final "$rate" --mix cup-final "${checked[@]}"
    print_header cup-final
    print_row cup-final
    echo "$(field checked cup-final) answers were compared with the reference"
}

revalidation() {
    publish
    start_serve "${serve[@]}"
    load full "$rate" --mix mixed "${checked[@]}"
    load revalidation "$rate" --mix revalidate "${checked[@]}"
    print_header revalidation
    print_row full
    print_row revalidation
    local same
    same=$(field not_modified revalidation)
    echo "$same of $(field requests revalidation) answers were 304"
    # Each distinct request is answered in full once.
    [ $((same + 1000)) -ge "$(field requests revalidation)" ] || fail "unchanged answers were sent again"
}

node-loss() {
    publish
    local node killed
    for node in node-1 node-2 node-3; do
        start_node $node 2
        [ $node != node-2 ] || killed=$node_id
    done
    start_router 2
    wait_for 60 "the cluster" curl -sf "http://127.0.0.1:$management/health/ready"
    load before "$rate" --mix mixed "${checked[@]}"
    # In the middle of the window, a second of warming up counted.
    load node-loss "$rate" --mix mixed "${checked[@]}" --failed-max 1000000 &
    local loader=$!
    sleep $((1 + window / 2))
    { kill -9 "$killed" && wait "$killed"; } 2>/dev/null || true
    wait "$loader" || exit 1
    load after "$rate" --mix mixed "${checked[@]}"
    print_header node-loss
    for label in before node-loss after; do print_row $label; done
    [ "$(field failed node-loss)" -le "${FAILED_MAX:-0}" ] ||
        fail "$(field failed node-loss) requests failed when a node was lost; FAILED_MAX is ${FAILED_MAX:-0}"
}

cold-start() {
    publish
    start_router max
    # It answers, that it cannot answer yet.
    wait_for 20 "the router" curl -s -o "$work/refusal" "$base/v1/api/app/myt/soccer?teamIds=none"
    load cold-start "$rate" --mix mixed "${checked[@]}" --failed-max 1000000 &
    local loader=$!
    sleep 2
    start_node node-1 max
    wait "$loader" || exit 1
    load warm "$rate" --mix mixed "${checked[@]}"
    print_header cold-start
    print_row cold-start
    print_row warm
    local refused failed
    refused=$(sed -n 's/^    "503" : \([0-9]*\).*/\1/p' "$out/cold-start.json")
    failed=$(field failed cold-start)
    echo "${refused:-0} requests were refused with 503 before the node was ready"
    [ "${refused:-0}" -gt 0 ] || fail "the node was ready before the load: nothing was measured"
    [ "$failed" -eq "${refused:-0}" ] || fail "$((failed - ${refused:-0})) requests failed otherwise than by 503"
}

ingest-storm() {
    publish
    start_serve "${serve[@]}"
    load quiet "$rate" --mix mixed --check none
    local before
    before=$(metric model_updates_total "$management")
    start_updates "${STORM_UPDATES:-50000}"
    load storm "$rate" --mix mixed --check none
    local applied=$(($(metric model_updates_total "$management") - before))
    print_header ingest-storm
    print_row quiet
    print_row storm
    echo "$applied updates were applied meanwhile, $((applied / (window + 1))) a second"
    [ "$applied" -gt 0 ] || fail "no update was applied: nothing was measured"
}

"$1"
