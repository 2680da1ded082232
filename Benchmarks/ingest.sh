#!/usr/bin/env bash
# Ingest: a generated offer from the embedded broker into the store of a node that starts fresh, several times. Takes the
# node's own log: messages and time from the first message to the last one applied, of the global topics and of the
# events. Time between the two (joining the cluster) does not count. Prints messages a second; fails below RATE_MIN. The
# last column is messages for each second that the writer's thread really ran: what it could do with a processor of its
# own, which feels less of what else the machine is doing.
#
#     Benchmarks/ingest.sh                      RUNS=5 EVENTS=600000 PARTITIONS=64
#     RATE_MIN=200000 Benchmarks/ingest.sh      for a machine that has nothing else to do; CI must not gate on time
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

runs=${RUNS:-5}
# The broker keeps 5 MiB a partition: 64 hold this offer twice.
start_broker "${PARTITIONS:-64}"
publish_offer "${EVENTS:-600000}"
check_nothing_trimmed
messages=$(cat "$work"/offer/*.ndjson | wc -l)
echo "$messages messages, $(cat "$work"/offer/*.ndjson | wc -c | numfmt --to=iec) of NDJSON," \
    "${PARTITIONS:-64} partitions, $runs runs; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"

# field NAME LINE: the value of NAME=… in a log line.
field() { sed -n "s|.* $1=\([0-9]*\).*|\1|p" <<<" $2"; }

# The time of the busiest thread, the writer's, in ms.
writer_ms() {
    cat /proc/"$1"/task/*/stat | awk -v hertz="$(getconf CLK_TCK)" '
        $14 + $15 > most { most = $14 + $15 }
        END { printf "%d", most * 1000 / hertz }'
}

printf '%6s %12s %10s %14s %22s\n' run messages ms 'messages/s' 'messages/s of writer'
for ((run = 1; run <= runs; run++)); do
    management=$(free_port)
    background "node-$run" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/node-$run" \
        --cluster-replicas max --link-port 0 --management-port "$management" --node-id "node-$run"
    id=$!
    wait_for 120 "the node" grep -q 'loaded events' "$work/node-$run.log"
    busy_ms=$(writer_ms "$id")
    kill "$id"
    wait "$id" || true
    globals=$(grep 'loaded global topics' "$work/node-$run.log")
    events=$(grep 'loaded events' "$work/node-$run.log")
    read_messages=$(($(field messages "$globals") + $(field messages "$events")))
    ms=$(($(field ms "$globals") + $(field ms "$events")))
    [ "$read_messages" -eq "$messages" ] || fail "$read_messages of $messages messages were read"
    rate=$((read_messages * 1000 / ms))
    echo "$rate" >>"$work/rates"
    printf '%6d %12d %10d %14d %22d\n' "$run" "$read_messages" "$ms" "$rate" $((read_messages * 1000 / busy_ms))
done
check_nothing_trimmed
read -r median least most < <(spread <"$work/rates")
echo "messages a second: median $median, least $least, most $most"
[ "${median%.*}" -ge "${RATE_MIN:-0}" ] || fail "the median $median is below $RATE_MIN"
