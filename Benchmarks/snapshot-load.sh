#!/usr/bin/env bash
# What writing snapshots does to answers and to memory: p99 of an open loop at half of the saturation while files are
# written without a pause, against the same while none is, and the largest resident memory of both. Two `favorites serve`
# hold the same offer, each in a cluster of its own; they take turns, and the one whose turn it is not is stopped. The
# server's loop has one processor; its writer and its snapshot thread share the other with the load generator.
#
# Where the system allows it, the generator and the servers' loops run before all others (SCHED_FIFO): the generator stands
# for clients elsewhere. PRIORITY=0 leaves that out. Fails where requests failed, or where less was written than
# MEGABYTES a second, as stored on the disk.
#
#     Benchmarks/snapshot-load.sh        ROUNDS=5 RUN_SECONDS=5 EVENTS=200000 PARTITIONS=64 MEGABYTES=50 PRIORITY=1
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${RUN_SECONDS:-5}
[ "${#processors[@]}" -ge 2 ] || fail "two processors are needed"
load=$(Benchmarks/build.sh favorites-load)
start_broker "${PARTITIONS:-64}"
publish_offer "${EVENTS:-200000}"
check_nothing_trimmed
first=(chrt -f 10)
if ! { [ "${PRIORITY:-1}" = 1 ] && "${first[@]}" true 2>"$work/chrt.log"; }; then first=(); fi

declare -A id http management
# start NAME OPTION…: a server, its loop on the first processor, what writes on the second.
start() {
    local name=$1 thread
    shift
    http[$name]=$(free_port)
    management[$name]=$(free_port)
    background "$name" "$favorites" serve --kafka-brokers "$brokers" --data-dir "$work/$name" --loops 1 \
        --cluster-replicas max --clock-fixed $now --http-port "${http[$name]}" --link-port 0 --node-id "$name" \
        --management-port "${management[$name]}" --kafka-topics-cluster "cluster-$name" "$@"
    id[$name]=$!
    wait_for 120 "$name" curl -sf "http://127.0.0.1:${management[$name]}/health/ready"
    taskset -apc "${processors[0]}" "${id[$name]}" >/dev/null
    [ "${#first[@]}" -eq 0 ] || chrt -f -a -p 10 "${id[$name]}"
    for thread in $(grep -lxE 'writer|snapshot' /proc/"${id[$name]}"/task/*/comm | cut -d / -f 5); do
        taskset -pc "${processors[1]}" "$thread" >/dev/null
        [ "${#first[@]}" -eq 0 ] || chrt -o -p 0 "$thread"
    done
}

# figure NAME KEY
figure() { sed -n "s|.*\"$2\" *: *\([0-9.]*\).*|\1|p" "$work/$1.json" | head -n 1; }
metric() { curl -sf "http://127.0.0.1:${management[$1]}/metrics" | sed -n "s|^$2 ||p"; }
resident() { sed -n 's/^VmRSS: *\([0-9]*\) kB/\1/p' /proc/"${id[$1]}"/status; }

# run NAME OPTION…: one run of the generator; its figures in $work/NAME.json, the largest resident memory in $work/NAME.rss.
run() {
    local name=$1 generator
    shift
    "${first[@]}" taskset -c "${processors[1]}" "$load" --target "127.0.0.1:${http[$name]}" --connections 32 \
        --seconds "$seconds" --data "$work/offer" --mix ids-10-teams-3 --seed 1 --json "$work/$name.json" "$@" \
        >"$work/$name.load" 2>&1 &
    generator=$!
    while kill -0 "$generator" 2>/dev/null; do
        resident "$name" >>"$work/$name.rss"
        sleep 0.2
    done
    wait "$generator" || fail "the generator: $(tail -n 3 "$work/$name.load")"
    [ "$(figure "$name" failed)" = 0 ] || fail "$(figure "$name" failed) requests failed"
}

start without --snapshot-interval 0s
kill -STOP "${id[without]}"
# A file that has not changed is written again after six intervals: so there is always one to be written.
start with --snapshot-interval 5ms
kill -STOP "${id[with]}"
kill -CONT "${id[without]}"
run without
saturation=$(figure without rate)
rm "$work/without.rss"
asked=$(awk -v rate="$saturation" 'BEGIN { printf "%d", rate / 2 }')
echo "saturation $saturation requests/s; open loop at $asked/s; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
kill -STOP "${id[without]}"
printf '%6s %10s %12s %10s %10s %10s %12s\n' round case 'written MB/s' 'p50 us' 'p99 us' 'p99.9 us' 'late p99 us'
for ((round = 1; round <= rounds; round++)); do
    for case in without with; do
        kill -CONT "${id[$case]}"
        sleep 1
        before=0
        [ $case = without ] || before=$(metric with snapshot_written_bytes_total)
        began=$(date +%s%N)
        run $case --rate "$asked"
        ended=$(date +%s%N)
        megabytes=0
        if [ $case = with ]; then
            after=$(metric with snapshot_written_bytes_total)
            megabytes=$(awk -v b="$before" -v a="$after" -v ns=$((ended - began)) 'BEGIN { print (a - b) * 1000 / ns }')
            awk -v megabytes="$megabytes" -v least="${MEGABYTES:-50}" 'BEGIN { exit megabytes < least }' ||
                fail "only $megabytes MB a second were written"
        fi
        kill -STOP "${id[$case]}"
        figure $case p99_us >>"$work/$case.p99"
        printf '%6d %10s %12.0f %10s %10s %10s %12s\n' "$round" $case "$megabytes" "$(figure $case p50_us)" \
            "$(figure $case p99_us)" "$(figure $case p999_us)" "$(figure $case late_p99_us)"
    done
done
for case in without with; do kill -CONT "${id[$case]}"; done
paste "$work/with.p99" "$work/without.p99" | awk '{ print $1 / $2 }' >"$work/ratio"
echo "p99 in us, median, least, most: without $(spread <"$work/without.p99"), with $(spread <"$work/with.p99")"
read -r median least most < <(spread <"$work/ratio")
echo "with / without: $median ($least to $most)"
read -r ours _ < <(spread <"$work/with.p99")
read -r peer _ < <(spread <"$work/without.p99")
result_row "p99 at half of saturation, snapshots written ÷ none: 10 ids + 3 teams" "$ours µs" "$peer µs without" \
    "$median" "$least" "$most" "<= 1.5" Benchmarks/snapshot-load.sh
memory=$(paste <(sort -n "$work/with.rss" | tail -n 1) <(sort -n "$work/without.rss" | tail -n 1) | awk '{ print $1 / $2 }')
echo "largest resident memory, with / without: $memory"
result_row "largest resident memory, snapshots written ÷ none" "$(sort -n "$work/with.rss" | tail -n 1) kB" \
    "$(sort -n "$work/without.rss" | tail -n 1) kB without" "$memory" "$memory" "$memory" "<= 1.05" Benchmarks/snapshot-load.sh
