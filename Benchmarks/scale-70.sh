#!/usr/bin/env bash
# The cluster grows and shrinks under load: one node, a rate that rises until its loops are 70 % busy, the autoscaler's
# hook starts a second node; then the rate falls, and one goes. Prints how long each step took, and p99 and failed
# requests before, during and after. Fails where a request failed; times are printed, not judged.
#
#     Benchmarks/scale-70.sh
#
# Each node may use NODE_CORES (0.2) of a core, by a control group of its own, so that two fit on a small machine beside
# the router and the generator; that needs root and the cpu controller. EVENTS=5000, WINDOW=5s (the autoscaler's),
# COOLDOWN=5s, STEP_SECONDS=3, UPDATES=200 (a second, live), NODES_MAX=2 are settable.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

generator=$(Benchmarks/build.sh favorites-load 2>"$work/build.log") || fail "$(tail -n 20 "$work/build.log")"
step=${STEP_SECONDS:-3}
script=$PWD/deploy/autoscale/local-process.sh
nodes=$work/nodes
mkdir -p "$nodes"

# Each node's control group. What the hook starts is no child of this script: it is ended by the script's own list.
if [ -e /sys/fs/cgroup/cpu/cpu.cfs_quota_us ]; then
    groups=/sys/fs/cgroup/cpu/favorites-scale-70-$$
elif grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    groups=/sys/fs/cgroup/favorites-scale-70-$$
else
    fail "no cpu controller in /sys/fs/cgroup: a node's share of a core cannot be set here"
fi
mkdir "$groups" || fail "cannot make $groups; run as root"
cat >"$work/in-group" <<EOF
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
EOF
chmod +x "$work/in-group"
[ ! -e "$groups/cgroup.subtree_control" ] || echo +cpu >"$groups/cgroup.subtree_control"
export LOCAL_PROCESS_FAVORITES=$favorites LOCAL_PROCESS_PREFIX=$work/in-group

end_nodes() {
    local name pid state
    "$script" "$nodes" list 2>/dev/null | while read -r name pid state; do
        [ "$state" != lives ] || kill -9 "$pid" 2>/dev/null || true
    done
    for _ in {1..50}; do
        rmdir "$groups"/* "$groups" 2>/dev/null && break
        [ -d "$groups" ] || break
        sleep 0.1
    done
}
# The nodes first; then what lib.sh does, with the status that the script had.
finish() {
    local status=$?
    set +e
    end_nodes
    (exit "$status")
    end_all
}
trap finish EXIT

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

# row WHAT LABEL…: of one window or several in a row the worst p99, and what failed.
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

serving_nodes() { curl -sf "http://127.0.0.1:$management/health" | grep -o '"kind":"node"[^}]*"state":"serving"' | wc -l; }
serve_count() { [ "$(serving_nodes)" -eq "$1" ]; }
# The first node's own figure, in thousandths.
busy() {
    curl -sf "http://127.0.0.1:$node_management/metrics" | awk '$1 == "serving_cpu_ratio" { printf "%d", $2 * 1000 }'
}
# When a line that holds TEXT was logged, in ms since 1970.
logged() {
    local line
    line=$(grep -m 1 -F -- "$1" "$work/autoscale.log") || return 1
    date -d "${line%% *}" +%s%3N
}
seconds_between() { awk -v from="$1" -v to="$2" 'BEGIN { printf "%.1f", (to - from) / 1000 }'; }

start_broker "${PARTITIONS:-48}"
publish_offer "${EVENTS:-5000}"
check_nothing_trimmed
printf 'kafka.brokers: %s\ncluster.replicas: max\nloops: 1\n' "$brokers" >"$nodes/settings.yaml"
"$script" "$nodes" start first >"$work/start.log"
start_router max
wait_for 60 "the first node" serve_count 1
node_management=$(grep -o 'management=127.0.0.1:[0-9]*' "$nodes/nodes/first/log" | head -n 1 | cut -d : -f 2)
background autoscale "$favorites" autoscale --kafka-brokers "$brokers" --management-port "$(free_port)" \
    --autoscale-command "$script $nodes" --autoscale-window "${WINDOW:-5s}" \
    --autoscale-scale-out-cooldown "${COOLDOWN:-5s}" --autoscale-scale-in-cooldown "${COOLDOWN:-5s}" \
    --autoscale-nodes-min 1 --autoscale-nodes-max "${NODES_MAX:-2}"
background updates "$favorites" simulate --kafka-brokers "$brokers" --rate "${UPDATES:-200}" --now "$now" \
    --events "${EVENTS:-5000}" --seed 1

# The ramp: by a fifth each step, from a rate that is nothing.
rate=${RATE:-1000}
crossed=
last=
while [ -z "$crossed" ]; do
    load "ramp-$rate" "$rate"
    [ "$(busy)" -le 700 ] || crossed=$(now_ms)
    if [ -z "$crossed" ]; then
        last=$rate
        rate=$((rate * 6 / 5))
    fi
    [ "$rate" -lt 500000 ] || fail "the node never was 70 % busy; its loops are now $(busy) thousandths busy"
done
[ -n "$last" ] || fail "the first rate was above 70 % already; give a lower RATE than $rate"

# On at that rate until the second node serves.
during=("ramp-$rate")
served=
(
    until serve_count 2; do sleep 0.1; done
    now_ms >"$work/served"
) &
watcher=$!
started+=("$watcher")
for number in {1..40}; do
    load "during-$number" "$rate"
    during+=("during-$number")
    [ ! -s "$work/served" ] || { served=$(<"$work/served") && break; }
done
[ -n "$served" ] || fail "no second node in time: $(tail -n 5 "$work/autoscale.log" "$nodes"/nodes/*/log)"
called=$(logged "calling the hook")
load settling "$rate"
load after "$rate"
busy_after=$(busy)

# Down to a third: one node goes.
low=$((last / 3))
shrinking=()
fell=$(now_ms)
for number in {1..60}; do
    load "low-$number" "$low"
    shrinking+=("low-$number")
    if serve_count 1; then break; fi
done
serve_count 1 || fail "no node left in time: $(tail -n 5 "$work/autoscale.log")"
gone=$(now_ms)
load again "$low"

printf '%-34s %8s %9s %7s %9s %9s\n' window rate/s requests failed 'p50 us' 'p99 us'
row "before: one node, below 70 %" "ramp-$last"
row "during: above, until two serve" "${during[@]}"
row "the second takes over" settling
row "after: two nodes" after
row "a third of it, until one is gone" "${shrinking[@]}"
row "one node again" again
echo
echo "from the first figure above 70 % to the hook's call: $(seconds_between "$crossed" "$called") s, to the second node serving: $(seconds_between "$crossed" "$served") s"
echo "of it the autoscaler's window is ${WINDOW:-5s}; from the call to serving: $(seconds_between "$called" "$served") s"
echo "the first node's loops then are $((busy_after / 10)) % busy"
echo "from the fall of the rate to one node: $(seconds_between "$fell" "$gone") s; hooks called: $(grep -c 'calling the hook' "$work/autoscale.log")"
echo "$failed of $requests requests failed"
[ "$failed" -eq 0 ] || fail "$failed requests failed"
