#!/usr/bin/env bash
# From `produce` to a router's answer, on an idle cluster of real processes: a probe changes one event's score, asks `mym`
# again and again until the new score is shown, and beside it, in the same probe, a bare librdkafka consumer with the
# nodes' own options takes the same message. Both sides have fetch.wait.max.ms=1, which the embedded broker makes an empty
# fetch wait in full. Prints p50, p99 and the most of both, of their difference in each probe, and p99 − p99.
#
#     Benchmarks/visibility.sh        PROBES=1000 NODES=1 EVENTS=20000 PARTITIONS=12
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

probes=${PROBES:-1000}
nodes=${NODES:-1}
probe=$work/visibility
cc -O2 -D_GNU_SOURCE -o "$probe" Benchmarks/peers/visibility.c -lrdkafka -lpthread ||
    fail "no probe; install librdkafka-dev and a C compiler"
start_broker "${PARTITIONS:-12}"
publish_offer "${EVENTS:-20000}"
check_nothing_trimmed
wait_ms=fetch.wait.max.ms=1
for ((node = 1; node <= nodes; node++)); do
    background "node-$node" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/node-$node" --loops 1 \
        --kafka-client "$wait_ms" --link-port 0 --management-port 0 --node-id "node-$node"
done
http=$(free_port)
management=$(free_port)
background router "$favorites" router --kafka-brokers "$brokers" --data-dir "$work/router" --loops 1 \
    --clock-fixed "$now" --http-port "$http" --management-port "$management" --node-id router-1
mapfile -t teams < <(team_ids 2 | tr ',' '\n')
stage=$(grep '"sport":"soccer"' "$work/offer/stages.ndjson" | head -n 1 | cut -d '"' -f 4 || true)
value='{"id":"probe","sport":"soccer","stageId":"'$stage'","scheduledStart":"'$now'","status":"IN_PROGRESS",'
value+='"participants":[{"id":"'${teams[0]}'","score":"%"},{"id":"'${teams[1]}'","score":"0"}]}'
path='/v1/api/app/mym/soccer?eventIds=probe'
wait_for 60 "the cluster" curl -sf "http://127.0.0.1:$http$path"
mapfile -t options < <(consumer_options | grep -v '^fetch.wait.max.ms=')
"$probe" "$http" "$probes" "$path" probe "$value" "bootstrap.servers=$brokers" "${options[@]}" "$wait_ms" \
    >"$work/probes" 2>"$work/probe.log" || fail "the probe ended: $(tail -n 3 "$work/probe.log")"
[ "$(wc -l <"$work/probes")" -eq "$probes" ] || fail "not every probe came to its end"

# row NAME: p50, p99 and the most of the numbers read, in ms; the p99 is kept in $work/NAME.
row() {
    sort -g | awk -v name="$1" -v kept="$work/$1" '
        { value[NR] = $1 / 1000 }
        function at(part) { place = int(NR * part + 0.999999); return value[place < 1 ? 1 : place] }
        END {
            printf "%-12s p50 %7.3f ms   p99 %7.3f ms   most %7.3f ms\n", name, at(0.5), at(0.99), value[NR]
            print at(0.99) > kept
        }'
}
echo "$probes probes, $nodes nodes; load at the end: $(cut -d ' ' -f 1 /proc/loadavg)"
cut -d ' ' -f 1 "$work/probes" | row visible
cut -d ' ' -f 2 "$work/probes" | row consumed
awk '{ print $1 - $2 }' "$work/probes" | row difference
difference=$(awk -v visible="$(<"$work/visible")" -v consumed="$(<"$work/consumed")" \
    'BEGIN { printf "%.3f", visible - consumed }')
echo "p99 visible - p99 consumed: $difference ms"
result_row "produce → visible through the router, p99 − a bare consumer's, ms; $nodes nodes" "$(<"$work/visible") ms" \
    "$(<"$work/consumed") ms" "$difference" "$difference" "$difference" "<= 1" Benchmarks/visibility.sh
