#!/usr/bin/env bash
# What updates do to answers: p99.9 of an open loop at half of the saturation, with 100,000 updates a second going through
# decode and apply meanwhile, against the same without. The updates come from a prepared source inside the server
# (favorites-prepared), whose event loop has one processor; its writer shares the other with the load generator, in both
# cases. Both cases in turn, several rounds. Fails only where requests failed or updates did not come at nine tenths of
# their rate.
#
# Saturation is measured first, without updates, in a closed loop by a generator that never sleeps (--spin): one that does
# has the server wake it, and the server's time for that is no request's. The share of a processor that the server's loop
# took is printed with it. Where that is below 0.9, or the generator calls itself the limit, it says `generator the limit`:
# the server can do more then, and the open loop is at less than the part that was asked for.
#
# Where the system allows it, the generator and the server's loop then run before all others (SCHED_FIFO); the writer does
# not, in both cases. For the generator stands for clients elsewhere: what it waits for the processor that it shares with
# the writer, or with whatever else the machine does, is no time of the server's. The writer takes what the generator
# leaves of that processor, like all else there. It must be no real-time thread: where such threads leave the others less
# than 50 ms of a second, the kernel takes these out of the second in one piece, from the generator. For the same reason
# nothing runs before others while saturation is measured, which leaves nothing of two processors. PRIORITY=0 leaves all
# that out.
#
# The columns behind say what the instrument does: how busy the server's loop was, how late the generator itself came to
# its sends, and what a request cost it. A latency counts from the instant that was due, so all that lateness is in it. A
# run whose lateness has a p99.9 above a quarter of the p99.9 of its latencies is marked `generator late`: a good part of
# that figure is the generator's, and it says little of the server. No run is left out for that; how many were marked
# stands behind the result. p99.9 from the instant of the send stands beside it: without the generator's lateness, but also
# without what a request waited for a free connection, which is the server's doing. PART asks for another part of the
# saturation, in percent.
#
#     Benchmarks/updates.sh        ROUNDS=5 RUN_SECONDS=5 EVENTS=600000 RATE=100000 PRIORITY=1 PART=50
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${ROUNDS:-5}
seconds=${RUN_SECONDS:-${ROUND_SECONDS:-5}}
updates=${RATE:-100000}
[ "${#processors[@]}" -ge 2 ] || fail "two processors are needed"
load=$(Benchmarks/build.sh favorites-load)
build=(swift build -c release --package-path Benchmarks --scratch-path Benchmarks/.build-prepared
    --product favorites-prepared)
"${build[@]}" >"$work/build.log" 2>&1 || fail "the server does not build: $(tail -n 5 "$work/build.log")"
prepared=$("${build[@]}" --show-bin-path)/favorites-prepared

"$favorites" generate --events "${EVENTS:-600000}" --seed 1 --now "$now" --plain --out "$work/offer" \
    >"$work/generate.log"
http=$(free_port)
mkfifo "$work/orders"
# Opened for both, so that opening waits for nobody.
exec 3<>"$work/orders"
# Not by `background`: that gives a process no input.
taskset -c "${processors[0]}" "$prepared" "$work/offer" "$http" "$now" <&3 >"$work/prepared.log" 2>&1 &
server=$!
started+=("$server")
wait_for 60 "favorites-prepared" grep -q ready "$work/prepared.log"
writer=$(grep -lx writer /proc/"$server"/task/*/comm | cut -d / -f 5) || fail "no thread is named writer"
taskset -pc "${processors[1]}" "$writer" >/dev/null || fail "the writer cannot be moved"
loop=$(grep -l '^NIO-ELT' /proc/"$server"/task/*/comm | cut -d / -f 5) || fail "no thread is an event loop"
[ "$(wc -w <<<"$loop")" = 1 ] || fail "the server has not one event loop but these threads: ${loop//$'\n'/ }"

# order RATE: sets the rate of updates; prints how many there were so far.
order() {
    local lines
    lines=$(wc -l <"$work/prepared.log")
    echo "$1" >&3
    for _ in {1..100}; do
        [ "$(wc -l <"$work/prepared.log")" -eq "$lines" ] || break
        sleep 0.01
    done
    tail -n 1 "$work/prepared.log"
}

# begin NAME OPTION…: starts the generator on its processor; returns when its first second of load has passed, of two that
# are not measured. Only then does it run before others: what it reads beforehand would keep the writer waiting.
begin() {
    local name=$1
    shift
    rm -f "$work/$name.log"
    background "$name" taskset -c "${processors[1]}" "$load" --target "127.0.0.1:$http" --connections 32 --warm-up 2 \
        --seconds "$seconds" --data "$work/offer" --mix ids-10-teams-3 --seed 1 --json "$work/$name.json" "$@"
    generator=$!
    wait_for 60 "the generator" grep -q ': 1 s: ' "$work/$name.log"
    [ "$first" = 0 ] || chrt -f -a -p 10 "$generator"
    loop_before=$(cpu_us "$server/task/$loop")
    began=$(date +%s%N)
}

# loop_share: of a processor, what the server's loop took since `begin`.
loop_share() {
    awk -v us=$(($(cpu_us "$server/task/$loop") - loop_before)) -v ns=$(($(date +%s%N) - began)) \
        'BEGIN { printf "%.2f", us * 1000 / ns }'
}

# finish NAME: waits for its end; its figures are in $work/NAME.json then.
finish() {
    wait "$generator" || fail "the generator: $(tail -n 3 "$work/$1.log")"
    [ "$(figure "$1" failed)" = 0 ] || fail "$(figure "$1" failed) requests failed"
}

# figure NAME KEY
figure() { sed -n "s|.*\"$2\" *: *\([0-9.]*\).*|\1|p" "$work/$1.json" | head -n 1; }

# is_limit NAME: the generator calls itself the limit.
is_limit() { grep -q '"generator_saturated" *: *true' "$work/$1.json"; }

# above A B: as decimal numbers.
above() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a > b) }'; }

order 0 >/dev/null
first=0
begin saturation --spin
# All of that is load: a second of the warm-up is left beside the window.
sleep "$seconds"
share=$(loop_share)
finish saturation
saturation=$(printf %.0f "$(figure saturation rate)")
note=
if is_limit saturation || above 0.9 "$share"; then note="; generator the limit at saturation"; fi
part=${PART:-50}
asked=$(awk -v rate="$saturation" -v part="$part" 'BEGIN { printf "%d", rate * part / 100 }')
echo "saturation $saturation requests/s, the server's loop busy $share," \
    "the generator $(printf %.2f "$(figure saturation client_cpu_share)")$note"
first=${PRIORITY:-1}
if [ "$first" = 1 ] && chrt -f 10 true 2>"$work/chrt.log"; then
    chrt -f -a -p 10 "$server"
    chrt -o -p 0 "$writer"
    echo "the generator and the server's loop run before all others, the writer among these"
else
    first=0
    echo "no thread runs before others"
fi
echo "open loop at $part %, $asked/s; load at the start: $(cut -d ' ' -f 1 /proc/loadavg)"
row='%6s %10s %12s %10s %10s %10s %14s %10s %12s %14s %12s  %s\n'
# shellcheck disable=SC2059
printf "$row" round case 'updates/s' 'p50 us' 'p99 us' 'p99.9 us' 'from send' 'loop busy' 'late p99 us' 'late p99.9 us' \
    'us/request' ''
late_runs=0
for ((round = 1; round <= rounds; round++)); do
    for case in without with; do
        [ $case = with ] && rate=$updates || rate=0
        begin $case --rate "$asked"
        before=$(order "$rate")
        ordered=$(date +%s%N)
        finish $case
        ended=$(date +%s%N)
        share=$(loop_share)
        applied=$((($(order 0) - before) * 1000 / ((ended - ordered) / 1000000)))
        [ "$applied" -ge $((rate * 9 / 10)) ] || fail "only $applied updates a second came"
        figure $case p999_us >>"$work/$case.p999"
        figure $case service_p999_us >>"$work/$case.service"
        late=$(figure $case late_p999_us)
        mark=
        if is_limit $case || above "$late" "$(awk -v us="$(figure $case p999_us)" 'BEGIN { print us / 4 }')"; then
            mark="generator late"
            late_runs=$((late_runs + 1))
        fi
        # shellcheck disable=SC2059
        printf "$row" "$round" $case "$applied" "$(figure $case p50_us)" "$(figure $case p99_us)" \
            "$(figure $case p999_us)" "$(figure $case service_p999_us)" "$share" "$(figure $case late_p99_us)" "$late" \
            "$(printf %.1f "$(figure $case client_cpu_us_per_request)")" "$mark"
    done
done
paste "$work/with.p999" "$work/without.p999" | awk '{ print $1 / $2 }' >"$work/ratio"
echo "p99.9 in us, median, least, most: without $(spread <"$work/without.p999"), with $(spread <"$work/with.p999")"
echo "with / without: $(spread <"$work/ratio")"
echo "the same from the send: without $(spread <"$work/without.service"), with $(spread <"$work/with.service")," \
    "with / without $(paste "$work/with.service" "$work/without.service" | awk '{ print $1 / $2 }' | spread)"
if [ "$late_runs" -gt 0 ]; then note="$note; generator late in $late_runs of $((2 * rounds)) runs"; fi
[ -z "$note" ] || echo "what limits that$note"
read -r median least most < <(spread <"$work/ratio")
read -r ours _ < <(spread <"$work/with.p999")
read -r peer _ < <(spread <"$work/without.p999")
result_row "p99.9 at $part % of saturation, $updates updates/s ÷ none: 10 ids + 3 teams$note" "$ours µs" "$peer µs without" \
    "$median" "$least" "$most" "<= 2" Benchmarks/updates.sh
