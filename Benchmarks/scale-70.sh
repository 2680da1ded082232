#!/usr/bin/env bash
# The cluster grows and shrinks under load: one node, a rate that rises until its loops are 70 % busy, the autoscaler's
# hook starts a second node; then the rate falls, and one goes. Prints how long each step took, and p99 and failed
# requests before, during and after. Fails where a request failed, or the hook was called more often than for these two;
# times are printed, not judged.
#
#     Benchmarks/scale-70.sh
#
# Each node may use NODE_CORES (0.2) of a core, by a control group of its own, so that two fit on a small machine beside
# the router and the generator; that needs root and the cpu controller. EVENTS=5000, WINDOW=5s (the autoscaler's),
# COOLDOWN=5s, STEP_SECONDS=3, RATE=1000 (the first), UPDATES=200 (a second, live), PARTITIONS=48 are settable.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/Benchmarks/hooked-nodes.sh"

generator=$(Benchmarks/build.sh favorites-load 2>"$work/build.log") || fail "$(tail -n 20 "$work/build.log")"
step=${STEP_SECONDS:-3}

# Each node's control group.
if [ -e /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]; then
    groups=/sys/fs/cgroup/cpu/favorites-scale-70-$$
elif grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    groups=/sys/fs/cgroup/favorites-scale-70-$$
else
    fail "no cpu controller in /sys/fs/cgroup: a node's share of a core cannot be set here"
fi
mkdir "$groups" || fail "cannot make $groups; run as root"

# First the autoscaler, which would start nodes anew; then the nodes; then what lib.sh does, with the status that the
# script had.
autoscaler_id=
finish() {
    local status=$?
    set +e
    if [ -n "$autoscaler_id" ]; then
        kill "$autoscaler_id" 2>/dev/null
        wait "$autoscaler_id" 2>/dev/null
    fi
    end_hooked_nodes
    for _ in {1..50}; do
        rmdir "$groups"/* "$groups" 2>/dev/null
        [ -d "$groups" ] || break
        sleep 0.1
    done
    (exit "$status")
    end_all
}
trap finish EXIT
if [ -e "$groups/cgroup.subtree_control" ]; then
    echo +cpu >"$groups/cgroup.subtree_control" ||
        fail "the cpu controller is not handed down to $groups; write +cpu to /sys/fs/cgroup/cgroup.subtree_control"
fi
cat >"$work/in-group" <<IN_GROUP
#!/usr/bin/env bash
# Runs a command with \$NODE_CORES of a core.
set -euo pipefail
quota=\$(awk -v cores="${NODE_CORES:-0.2}" 'BEGIN { printf "%d", cores * 5000 }')
group=$groups/\$\$
mkdir "\$group"
if [ -e "\$group/cpu.max" ]; then
    echo "\$quota 5000" >"\$group/cpu.max"
else
    echo 5000 >"\$group/cpu.cfs_period_us"
    echo "\$quota" >"\$group/cpu.cfs_quota_us"
fi
echo \$\$ >"\$group/cgroup.procs"
exec "\$@"
IN_GROUP
chmod +x "$work/in-group"
export LOCAL_PROCESS_PREFIX=$work/in-group

now_ms() { date +%s%3N; }

# field KEY FILE: a number of a window's result.
field() { sed -n "s/^  \"$1\" : \([^,]*\),\{0,1\}$/\1/p" "$2"; }

# load LABEL RATE: one window of open-loop load; counts what failed.
failed=0
requests=0
load() {
    local label=$1 rate=$2
    "$generator" --target "${base#http://}" --connections 16 --rate "$rate" --seconds "$step" --warm-up 0 \
        --data "$work/offer" --mix mixed --check none --failed-max 1000000 --json "$work/$label.json" --quiet >"$work/$label.table" 2>&1 ||
        fail "$label: $(cat "$work/$label.table")"
    failed=$((failed + $(field failed "$work/$label.json")))
    requests=$((requests + $(field requests "$work/$label.json")))
}

# row WHAT LABEL…: of one window or several in a row the worst p50 and p99, and what failed.
row() {
    local what=$1 label
    shift
    for label in "$@"; do
        echo "$(field offered_rate "$work/$label.json") $(field p50_us "$work/$label.json") $(field p99_us "$work/$label.json") \
            $(field requests "$work/$label.json") $(field failed "$work/$label.json")"
    done | awk -v what="$what" '
        { rate = $1; requests += $4; failed += $5; if ($2 > p50) p50 = $2; if ($3 > p99) p99 = $3 }
        END { printf "%-34s %8.0f %9d %7d %9.0f %9.0f\n", what, rate, requests, failed, p50, p99 }'
}

# The first node's own figure, in thousandths.
busy() { curl -sf "http://$first/metrics" | awk '$1 == "serving_cpu_ratio" { printf "%d", $2 * 1000 }'; }
seconds_between() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) / 1000 }'; }
# moment NAME COMMAND…: notes beside all else when the command first succeeds.
moment() {
    local name=$1
    shift
    (
        until "$@" 2>/dev/null; do sleep 0.2; done
        now_ms >"$work/$name.new"
        mv "$work/$name.new" "$work/$name"
    ) &
    started+=($!)
}
is_busy() { [ "$(busy)" -gt 700 ]; }

start_broker "${PARTITIONS:-48}"
publish_offer "${EVENTS:-5000}"
check_nothing_trimmed
write_node_settings max
start_hooked first
start_router max
wait_for 60 "the first node" curl -sf "http://127.0.0.1:$management/health/ready"
first=$(hooked_management first)
start_autoscaler autoscale --autoscale-nodes-min 1 --autoscale-nodes-max 2
background updates "$favorites" simulate --kafka-brokers "$brokers" --rate "${UPDATES:-200}" --now "$now" \
    --events "${EVENTS:-5000}" --seed 1

# The ramp: by a fifth each step, from a rate that is nothing.
rate=${RATE:-1000}
last=
moment crossed is_busy
moment called grep -q 'calling the hook' "$work/autoscale.log"
while true; do
    load "ramp-$rate" "$rate"
    printf '%s a second: %s thousandths busy, p99 %s us\n' "$rate" "$(busy)" "$(field p99_us "$work/ramp-$rate.json")"
    [ ! -s "$work/crossed" ] || break
    last=$rate
    rate=$((rate * 6 / 5))
    [ "$failed" -eq 0 ] && [ "$rate" -lt 500000 ] || fail "the node never was 70 % busy; its loops are now $(busy) thousandths busy, and $failed requests failed"
done
[ -n "$last" ] || fail "the first rate was above 70 % already; give a lower RATE than $rate"

# One step more, for the mean of a window to be above it too, and on at that rate until the second node serves.
during=("ramp-$rate")
rate=$((rate * 6 / 5))
moment served serve_count 2 "$management"
for number in {1..40}; do
    load "during-$number" "$rate"
    during+=("during-$number")
    [ ! -s "$work/served" ] || break
done
[ -s "$work/served" ] || fail "no second node in time: $(tail -n 5 "$work/autoscale.log" "$hooked"/nodes/*/log)"
load settling "$rate"
load after "$rate"
busy_after=$(busy)

# Down to a third: one node goes, and its process ends.
low=$((last / 3))
shrinking=()
fell=$(now_ms)
moment gone lives_count 1
for number in {1..60}; do
    load "low-$number" "$low"
    shrinking+=("low-$number")
    [ ! -s "$work/gone" ] || break
done
[ -s "$work/gone" ] || fail "no node left in time: $(tail -n 5 "$work/autoscale.log")"
load again "$low"

crossed=$(<"$work/crossed") called=$(<"$work/called") served=$(<"$work/served") gone=$(<"$work/gone")
printf '%-34s %8s %9s %7s %9s %9s\n' window rate/s requests failed 'p50 us' 'p99 us'
row "before: one node, below 70 %" "ramp-$last"
row "during: above, until two serve" "${during[@]}"
row "the second takes over" settling
row "after: two nodes" after
row "a third of it, until one is gone" "${shrinking[@]}"
row "one node again" again
echo
echo "p50 and p99: of windows of $step s, the worst of each row"
echo "from the first figure above 70 % to the hook's call: $(seconds_between "$crossed" "$called") s, to the second node serving: $(seconds_between "$crossed" "$served") s"
echo "of it the autoscaler's window is ${WINDOW:-5s}; from the call to serving: $(seconds_between "$called" "$served") s"
echo "the first node's loop then is $((busy_after / 10)) % busy"
echo "from the fall of the rate until one node's process has ended: $(seconds_between "$fell" "$gone") s"
echo "$failed of $requests requests failed"
[ "$failed" -eq 0 ] || fail "$failed requests failed"
for action in scale-out scale-in; do
    calls=$(hook_calls "$action" "$work/autoscale.log")
    [ "$calls" -eq 1 ] || fail "the hook was called $calls times for a $action: $(grep autoscale: "$work/autoscale.log")"
done
