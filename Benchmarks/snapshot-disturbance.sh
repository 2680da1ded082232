#!/usr/bin/env bash
# What snapshots do to answers: p99 of an open loop at half of the saturation while a node writes its snapshots all the
# time, and while it hands them to a peer, each against the same without. All three take turns in each round. The server's
# event loop has one processor, the load generator the other; whatever else there is (the snapshot thread, the peer, the
# broker) goes where the system puts it. The peer stands for another machine: it runs after everything else, on the
# generator's processor. The largest resident memory of each case is told too. Fails only where requests failed, or where
# nothing was written or handed over.
#
# Two servers of the same offer, each with a broker of its own, take turns; the one that is not asked is stopped (SIGSTOP).
# One writes nothing while it is measured, the other one writes without a pause.
#
#     Benchmarks/snapshot-disturbance.sh        ROUNDS=5 RUN_SECONDS=5 EVENTS=200000 PARTITIONS=64 PRIORITY=1
#
# As in updates.sh the generator and the servers' loops run before all others where the system allows it (SCHED_FIFO),
# in all cases; PRIORITY=0 leaves that out.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${RUN_SECONDS:-${ROUND_SECONDS:-5}}
events=${EVENTS:-200000}
[ "${#processors[@]}" -ge 2 ] || fail "two processors are needed"
load=$(Benchmarks/build.sh favorites-load)
first=(chrt -f 10)
if [ "${PRIORITY:-1}" != 1 ] || ! "${first[@]}" true 2>"$work/chrt.log"; then first=(); fi
[ "${#first[@]}" -gt 0 ] && echo "the generator and the servers' loops run before others" || echo "no thread runs before others"

# server NAME INTERVAL: a server whose event loop has the first processor. Sets NAME's entries of `pid`, `http`,
# `management_of` and `loop`.
declare -A pid http management_of loop
server() {
    rm -rf "$work/bootstrap" "$work/offer"
    start_broker "${PARTITIONS:-64}"
    publish_offer "$events"
    check_nothing_trimmed
    http[$1]=$(free_port)
    management_of[$1]=$(free_port)
    background "$1" "$favorites" serve --kafka-brokers "$brokers" --data-dir "$work/$1" --loops 1 --cluster-replicas max \
        --clock-fixed "$now" --http-port "${http[$1]}" --management-port "${management_of[$1]}" --link-port 0 \
        --node-id "$1" --snapshot-interval "$2"
    pid[$1]=$!
    wait_for 120 "$1" curl -sf "http://127.0.0.1:${management_of[$1]}/health/ready"
    # The loop of requests is the one that has run when some were answered.
    "$load" --target "127.0.0.1:${http[$1]}" --connections 8 --seconds 1 --warm-up 0 --data "$work/offer" \
        --mix ids-10-teams-3 >"$work/$1.burst" 2>&1 || fail "the generator: $(tail -n 3 "$work/$1.burst")"
    loop[$1]=$(
        for task in /proc/"${pid[$1]}"/task/*; do
            ! grep -q '^NIO-ELT' "$task/comm" || echo "$(cut -d ' ' -f 1 "$task/schedstat") ${task##*/}"
        done | sort -n | tail -n 1 | cut -d ' ' -f 2
    )
    taskset -pc "${processors[0]}" "${loop[$1]}" >/dev/null
    [ "${#first[@]}" -eq 0 ] || chrt -f -p 10 "${loop[$1]}" >/dev/null
}

# metric NAME METRIC: the sum of its samples.
metric() {
    curl -sf "http://127.0.0.1:${management_of[$1]}/metrics" | awk -v name="$2" '
        index($1, name "{") == 1 || $1 == name { sum += $2 } END { printf "%.0f", sum }'
}

all_written() { [ "$(metric "$1" snapshot_written_total)" -ge $((${PARTITIONS:-64} + 5)) ]; }

# figure NAME KEY
figure() { sed -n "s|.*\"$2\" *: *\([0-9.]*\).*|\1|p" "$work/$1.json" | head -n 1; }

# resident NAME: in kB, as the kernel counts it.
resident() { awk '/^VmRSS/ { print $2 }' "/proc/${pid[$1]}/status"; }

server quiet 1h
wait_for 120 "the first snapshots" all_written quiet
resident quiet >"$work/base.quiet"
kill -STOP "${pid[quiet]}"
# A file that has not changed is written again after six intervals: so there is always one to be written.
server writing 5ms
resident writing >"$work/base.writing"
wait_for 120 "the first snapshots" all_written writing
kill -STOP "${pid[writing]}"

# run CASE SERVER OPTION…: one run of the generator on its processor; its figures in $work/CASE.json.
run() {
    local name=$1 server=$2 generator
    shift 2
    "${first[@]}" taskset -c "${processors[1]}" "$load" --target "127.0.0.1:${http[$server]}" --connections 32 \
        --warm-up 2 --seconds "$seconds" --data "$work/offer" --mix ids-10-teams-3 --seed 1 --json "$work/$name.json" "$@" \
        >"$work/$name.log" 2>&1 &
    generator=$!
    while kill -0 "$generator" 2>/dev/null; do
        resident "$server" >>"$work/$name.rss"
        sleep 0.2
    done
    wait "$generator" || fail "the generator: $(tail -n 3 "$work/$name.log")"
    [ "$(figure "$name" failed)" = 0 ] || fail "$(figure "$name" failed) requests failed"
}

kill -CONT "${pid[quiet]}"
run saturation quiet
kill -STOP "${pid[quiet]}"
saturation=$(figure saturation rate)
asked=$(awk -v rate="$saturation" 'BEGIN { printf "%d", rate / 2 }')
echo "saturation $saturation requests/s; open loop at half, $asked/s; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
printf '%6s %8s %10s %10s %12s %8s %14s\n' round case 'p50 us' 'p99 us' 'late p99 us' 'MB/s' 'resident MB'
for ((round = 1; round <= rounds; round++)); do
    for case in without peer writing; do
        server=quiet
        [ $case = writing ] && server=writing
        kill -CONT "${pid[$server]}"
        before=$(metric $server snapshot_written_bytes_total)
        began=$(date +%s%N)
        if [ $case = peer ]; then
            background reader nice -n 19 taskset -c "${processors[1]}" Benchmarks/snapshot-reader.py \
                "${management_of[quiet]}" "$work/quiet/snapshots"
            reader=$!
        fi
        run $case $server --rate "$asked"
        bytes=0
        if [ $case = peer ]; then
            kill "$reader"
            wait "$reader" || fail "the reader: $(tail -n 3 "$work/reader.log")"
            bytes=$(sed -n 's/^bytes=\([0-9]*\).*/\1/p' "$work/reader.log")
        fi
        [ $case = writing ] && bytes=$(($(metric writing snapshot_written_bytes_total) - before))
        ended=$(date +%s%N)
        [ $case = without ] || [ "$bytes" -gt 0 ] || fail "nothing was written or handed over in case $case"
        rate=$(awk -v bytes="$bytes" -v ns=$((ended - began)) 'BEGIN { printf "%.1f", bytes * 1000 / ns }')
        figure $case p99_us >>"$work/$case.p99"
        echo "$rate" >>"$work/$case.rate"
        printf '%6d %8s %10s %10s %12s %8s %14d\n' "$round" $case "$(figure $case p50_us)" "$(figure $case p99_us)" \
            "$(figure $case late_p99_us)" "$rate" $(($(resident $server) / 1024))
        kill -STOP "${pid[$server]}"
    done
done
for case in writing peer; do
    paste "$work/$case.p99" "$work/without.p99" | awk '{ print $1 / $2 }' >"$work/ratio"
    echo "p99 in us, median, least, most: without $(spread <"$work/without.p99"), $case $(spread <"$work/$case.p99")"
    echo "$case / without: $(spread <"$work/ratio"), at $(spread <"$work/$case.rate") MB/s"
    read -r median least most < <(spread <"$work/ratio")
    read -r ours _ < <(spread <"$work/$case.p99")
    read -r peer _ < <(spread <"$work/without.p99")
    what="while writing snapshots"
    [ $case = peer ] && what="while handing snapshots to a peer"
    read -r speed _ < <(spread <"$work/$case.rate")
    result_row "p99 at half of saturation $what ($speed MB/s) ÷ without: 10 ids + 3 teams" "$ours µs" "$peer µs without" \
        "$median" "$least" "$most" "<= 1.5" Benchmarks/snapshot-disturbance.sh
    most=$(sort -n "$work/$case.rss" | tail -n 1)
    base=$(cat "$work/base.$([ $case = peer ] && echo quiet || echo writing)")
    ratio=$(awk -v most="$most" -v base="$base" 'BEGIN { printf "%.3f", most / base }')
    echo "largest resident memory $what / before: $ratio"
    result_row "largest resident memory $what ÷ before" "$most kB" "$base kB before" "$ratio" "$ratio" "$ratio" "<= 1.05" \
        Benchmarks/snapshot-disturbance.sh
done
kill -CONT "${pid[writing]}" "${pid[quiet]}"
