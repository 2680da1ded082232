#!/usr/bin/env bash
# Resident bytes of a node for each event beside the event's rendered bytes: a generated offer from the embedded broker,
# all indexes built. Resident is that of the loaded node less that of a node on topics without messages; the node says
# itself how many bytes of JSON it holds. Prints where they go. Fails above RATIO_MAX.
#
#     Benchmarks/memory.sh                        EVENTS=1000000 PARTITIONS=128
#     EVENTS=100000 Benchmarks/memory.sh          in less time; what a process has anyway weighs more then
#     RATIO_MAX=1.35 Benchmarks/memory.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# metric ID NAME [LABEL]: a value out of a node's metrics.
metric() { curl -sf "http://127.0.0.1:${ports[$1]}/metrics" | awk -v name="$2" '$1 == name { printf "%d", $2 }'; }

declare -A ports
# start_node NAME: sets `node_id`.
start_node() {
    ports[$1]=$(free_port)
    background "$1" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/$1" --cluster-replicas max \
        --link-port 0 --management-port "${ports[$1]}" --node-id "$1"
    node_id=$!
    wait_for 300 "$1" curl -sf "http://127.0.0.1:${ports[$1]}/health/ready"
}

# settled NAME: bytes resident once they no longer change from one second to the next.
settled() {
    local last=0 now
    for _ in {1..60}; do
        now=$(metric "$1" process_resident_memory_bytes)
        [ $((now > last ? now - last : last - now)) -gt 200000 ] || break
        last=$now
        sleep 1
    done
    echo "$now"
}

# The broker keeps 5 MiB a partition.
start_broker "${PARTITIONS:-128}"
start_node empty
empty=$(settled empty)
kill "$node_id"
wait "$node_id" || true

publish_offer "${EVENTS:-1000000}"
check_nothing_trimmed
start_node loaded
wait_for 300 "loading" grep -q 'loaded events' "$work/loaded.log"
loaded=$(settled loaded)
check_nothing_trimmed

events=$(curl -sf "http://127.0.0.1:${ports[loaded]}/metrics" | awk '$1 ~ /^cache_size.*"events"/ { printf "%d", $2 }')
[ "$events" -eq "${EVENTS:-1000000}" ] || fail "$events events are held, not ${EVENTS:-1000000}"
rendered=$(metric loaded store_event_json_bytes)
row='%-44s %14s %10s\n'
# shellcheck disable=SC2059
printf "$row" '' bytes 'an event'
for line in "empty process:$empty" "loaded process:$loaded" "resident: loaded less empty:$((loaded - empty))" \
    "rendered JSON of events:$rendered" "records and lists:$(metric loaded store_record_bytes)" \
    "records, lists, tables, slab pages:$(metric loaded store_live_bytes)" \
    "mapped to hold them:$(metric loaded store_reserved_bytes)"; do
    # shellcheck disable=SC2059
    printf "$row" "${line%:*}" "${line##*:}" "$(awk -v bytes="${line##*:}" -v events="$events" \
        'BEGIN { printf "%.1f", bytes / events }')"
done
ratio=$(awk -v resident=$((loaded - empty)) -v rendered="$rendered" 'BEGIN { printf "%.3f", resident / rendered }')
echo "resident bytes an event ÷ rendered bytes: $ratio"
awk -v ratio="$ratio" -v most="${RATIO_MAX:-1000}" 'BEGIN { exit ratio > most }' ||
    fail "the ratio $ratio is above $RATIO_MAX"
