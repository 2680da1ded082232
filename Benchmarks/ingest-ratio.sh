#!/usr/bin/env bash
# Ingest beside its limit: a node that starts fresh reads a generated offer into its store, and a bare librdkafka consumer
# reads the same messages from the same embedded broker, with the same options, and drops them. In turn, several times.
# Prints for both, round by round: messages a second from the first message to the last (time between the global topics
# and the events does not count), and messages for each second that the application's thread, and the whole process, ran;
# then the ratios. Fails only where not all messages were read. On a machine that does other things too, run all of it
# before them: `chrt -f 5 Benchmarks/ingest-ratio.sh`.
#
#     Benchmarks/ingest-ratio.sh                      ROUNDS=5 EVENTS=600000 PARTITIONS=64
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
peer=$work/consume_drop
cc -O2 -o "$peer" Benchmarks/peers/consume_drop.c -lrdkafka || fail "no peer; install librdkafka-dev and a C compiler"
start_broker "${PARTITIONS:-64}"
publish_offer "${EVENTS:-600000}"
check_nothing_trimmed
messages=$(cat "$work"/offer/*.ndjson | wc -l)
mapfile -t options < <(consumer_options)
echo "$messages messages, $(cat "$work"/offer/*.ndjson | wc -c | numfmt --to=iec) of NDJSON," \
    "${PARTITIONS:-64} partitions, $rounds rounds; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"

# field NAME LINE: the value of NAME=… in a log line.
field() { sed -n "s|.* $1=\([0-9]*\).*|\1|p" <<<" $2"; }

# cpu_ms PID: ms that the writer's thread, the busiest, and the whole process ran.
cpu_ms() {
    cat /proc/"$1"/task/*/stat | awk -v hertz="$(getconf CLK_TCK)" '
        { sum += $14 + $15 }
        $14 + $15 > most { most = $14 + $15 }
        END { printf "%d %d", most * 1000 / hertz, sum * 1000 / hertz }'
}

# run_node ROUND: sets ms, thread_ms, process_ms.
run_node() {
    local id globals events loaded
    background "node-$1" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/node-$1" \
        --cluster-replicas max --link-port 0 --management-port "$(free_port)" --node-id "node-$1"
    id=$!
    wait_for 120 "the node" grep -q 'loaded events' "$work/node-$1.log"
    read -r thread_ms process_ms <<<"$(cpu_ms "$id")"
    kill "$id"
    wait "$id" || true
    globals=$(grep 'loaded global topics' "$work/node-$1.log")
    events=$(grep 'loaded events' "$work/node-$1.log")
    loaded=$(($(field messages "$globals") + $(field messages "$events")))
    ms=$(($(field ms "$globals") + $(field ms "$events")))
    [ "$loaded" -eq "$messages" ] || fail "the node read $loaded of $messages messages"
    rm -rf "$work/node-$1"
}

run_peer() {
    local dropped
    read -r dropped _ ms thread_ms process_ms < <("$peer" "bootstrap.servers=$brokers" "${options[@]}")
    [ "$dropped" -eq "$messages" ] || fail "the bare consumer read $dropped of $messages messages"
}

printf '%6s %10s %12s %14s %14s\n' round side 'messages/s' '/s of thread' '/s of process'
# note SIDE: what the last run took.
note() {
    local rate=$((messages * 1000 / ms))
    local thread=$((messages * 1000 / (thread_ms > 0 ? thread_ms : 1)))
    local process=$((messages * 1000 / process_ms))
    echo "$rate" >>"$work/$1.rate"
    echo "$thread" >>"$work/$1.thread"
    echo "$process" >>"$work/$1.process"
    printf '%6d %10s %12d %14d %14d\n' "$round" "$1" "$rate" "$thread" "$process"
}
for ((round = 1; round <= rounds; round++)); do
    run_peer
    note peer
    run_node "$round"
    note node
done
check_nothing_trimmed
for measure in rate thread process; do
    paste "$work/node.$measure" "$work/peer.$measure" | awk '{ print $1 / $2 }' >"$work/ratio.$measure"
    printf '%-8s node: %s   peer: %s   node/peer: %s\n' "$measure" "$(spread <"$work/node.$measure")" \
        "$(spread <"$work/peer.$measure")" "$(spread <"$work/ratio.$measure")"
done
# row MEASURE TEXT BAR: the row of RESULTS.md.
row() {
    local median least most node peer
    read -r median least most < <(spread <"$work/ratio.$1")
    read -r node _ < <(spread <"$work/node.$1")
    read -r peer _ < <(spread <"$work/peer.$1")
    result_row "ingest ÷ librdkafka consuming and dropping, messages/s$2" "$node /s" "$peer /s" "$median" "$least" "$most" \
        "$3" Benchmarks/ingest-ratio.sh
}
row rate "" ">= 0.8"
row process "; by the processes' processor time" ""
echo "(median, least, most; rate: messages a second; thread, process: for each second that they ran)"
