#!/usr/bin/env bash
# Resident bytes of a node for each event beside the event's rendered bytes: a generated offer from the embedded broker,
# all indexes built. Resident is that of the loaded node less that of a node on topics without messages; the node says
# itself how many bytes of JSON it holds. Prints where they go, and how long the node took to load them from Kafka.
#
#     Benchmarks/memory.sh                        EVENTS=1000000 PARTITIONS=128
#     EVENTS=200000 Benchmarks/memory.sh          in less time; what a process has anyway weighs more then
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# metric PORT NAME: a value out of a node's metrics.
metric() { curl -sf "http://127.0.0.1:$1/metrics" | awk -v name="$2" '$1 == name { printf "%.0f", $2 }'; }

# settled PORT: bytes resident once they no longer change from one second to the next.
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

# anonymous ID: kilobytes of huge pages, of the process's malloc heaps, of everything else without a file.
anonymous() {
    awk '
        /^[0-9a-f]+-[0-9a-f]+ / { heap = $6 == "[heap]" }
        /^Anonymous:/ { if (heap) heaps += $2; else others += $2 }
        /^AnonHugePages:/ { huge += $2 }
        END { printf "anonymous: %d KiB in [heap], %d KiB elsewhere; %d KiB of both in huge pages\n", heaps, others, huge }
    ' "/proc/$1/smaps"
}

# The broker keeps 5 MiB a partition.
start_broker "${PARTITIONS:-128}"
start_node empty max
wait_for 60 "the empty node" curl -sf "http://127.0.0.1:$node_management/health/ready"
empty=$(settled "$node_management")
kill "$node_id"
wait "$node_id" || true

publish_offer "${EVENTS:-1000000}"
check_nothing_trimmed
began=$(date +%s%N)
start_node loaded max
wait_for 300 "the loaded node" grep -q 'loaded events' "$work/loaded.log"
echo "from start to loaded: $((($(date +%s%N) - began) / 1000000)) ms"
loaded=$(settled "$node_management")
check_nothing_trimmed

events=$(curl -sf "http://127.0.0.1:$node_management/metrics" | awk '$1 ~ /^cache_size.*"events"/ { printf "%.0f", $2 }')
[ "$events" -eq "${EVENTS:-1000000}" ] || fail "$events events are held, not ${EVENTS:-1000000}"
rendered=$(metric "$node_management" store_event_json_bytes)
each() { awk -v bytes="$1" -v events="$events" 'BEGIN { printf "%.1f", bytes / events }'; }
line() { printf '%-44s %14s %10s\n' "$1" "$2" "$(each "$2")"; }
printf '%-44s %14s %10s\n' '' bytes 'an event'
line "empty process" "$empty"
line "loaded process" "$loaded"
line "resident: loaded less empty" $((loaded - empty))
line "rendered JSON of events" "$rendered"
line "records and lists" "$(metric "$node_management" store_record_bytes)"
line "records, lists, tables, slab pages" "$(metric "$node_management" store_live_bytes)"
line "mapped to hold them" "$(metric "$node_management" store_reserved_bytes)"
anonymous "$node_id"
ratio=$(awk -v resident=$((loaded - empty)) -v rendered="$rendered" 'BEGIN { printf "%.3f", resident / rendered }')
echo "resident bytes an event ÷ rendered bytes: $ratio"
result_row "resident bytes an event ÷ rendered bytes, $events events" "$(each $((loaded - empty))) B" \
    "$(each "$rendered") B" "$ratio" "$ratio" "$ratio" "<= 1.35" "Benchmarks/memory.sh"
