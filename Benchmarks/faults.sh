#!/usr/bin/env bash
# Nothing fails: real processes lose machines, routers and networks while requests and live updates go on. An embedded
# broker, three nodes (each partition on two), two routers, and `favorites-live`, which asks in an open loop, publishes
# updates, judges every answer, and in the end compares with the reference. A scenario fails where a request failed, an
# answer was wrong, or the fault did not end within the window. Times are printed, never judged.
#
#     Benchmarks/faults.sh                    all of them
#     Benchmarks/faults.sh NAME…              some
#     SIZE=short Benchmarks/faults.sh         some thousand requests each
#
#     kill-1 kill-2 kill-3    kill -9 of a node, which comes back later
#     stop                    SIGSTOP of a node for 30 s
#     term                    SIGTERM of a node, which comes back later
#     rolling                 every node in turn: SIGTERM, start, until it is ready
#     scale                   a fourth node joins, and leaves again
#     autoscale               the same by the autoscaler and its hook, deploy/autoscale/local-process.sh
#     router-kill             kill -9 and start of a router; a request whose connection broke is sent once more to the other
#     router-term             SIGTERM and start of a router; no request is sent twice
#     broker-stop             the broker stands still for 60 s
#     broker-kill             the broker is killed. The embedded one loses its data with its process, so it does not come
#                             back, and nothing is compared in the end
#     net-cut                 nothing passes between one node and the routers for 20 s
#     net-out, net-in         what the node sends, what it is sent is lost for 20 s
#     net-late                what is sent to one node comes 200 ms late for 20 s
#
# The last four put each node into a network namespace of its own (needs root, iproute2 and nftables; left out loudly where
# the system does not permit it). Kafka's traffic goes another way and is not touched.
#
# RATE (requests a second: 2000, short 400, where it can be), UPDATES=2000 (a second), EVENTS=20000, PARTITIONS=64, CONNECTIONS=32, NICE=0
# (of the generator), OUT=DIR keeps results and logs.
set -euo pipefail

scenarios=(kill-1 kill-2 kill-3 stop term rolling scale autoscale router-kill router-term broker-stop broker-kill
    net-cut net-out net-in net-late)
if [ $# -ne 1 ]; then
    [ $# -gt 0 ] || set -- "${scenarios[@]}"
    failed=()
    for scenario in "$@"; do "$0" "$scenario" || failed+=("$scenario"); done
    [ ${#failed[@]} -eq 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
    exit
fi
scenario=$1
if [[ " ${scenarios[*]} " != *" $scenario "* ]]; then
    echo "usage: $0 [SCENARIO…], out of: ${scenarios[*]}" >&2
    exit 64
fi
[ -z "${OUT:-}" ] || out=$(mkdir -p "$OUT" && cd "$OUT" && pwd)
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$root/Benchmarks/hooked-nodes.sh"

case "${SIZE:-full}" in
full) rate=${RATE:-2000} least=200000 before=20 away=30 long=60 window=${WINDOW_SECONDS:-110} ;;
short)
    # The autoscaler looks at a load for a while, and there has to be one.
    if [ "$scenario" = autoscale ]; then rate=2000 window=45; else rate=400 window=24; fi
    rate=${RATE:-$rate} least=1000 before=3 away=6 long=10 window=${WINDOW_SECONDS:-$window}
    ;;
*) fail "SIZE is '$SIZE'; full and short are possible" ;;
esac
out=${out:-$work}

# --- The end of it all ------------------------------------------------------------------------------------------------

spaces=()
end_faults() {
    local status=$? id space log
    # Whoever stands still cannot end.
    for id in "${started[@]}"; do kill -CONT "$id" 2>/dev/null || true; done
    for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done
    # The rest goes on whatever comes of it.
    end_hooked_nodes || true
    for id in "${started[@]}"; do wait "$id" 2>/dev/null || true; done
    for space in "${spaces[@]}"; do ip netns del "$space" 2>/dev/null || true; done
    if [ "$out" != "$work" ]; then
        mkdir -p "$out/$scenario"
        cp "$work"/*.log "$work"/*.log.* "$work"/*.metrics "$out/$scenario/" 2>/dev/null || true
        for log in "$hooked"/nodes/*/log; do
            [ ! -e "$log" ] || cp "$log" "$out/$scenario/$(basename "$(dirname "$log")").log"
        done
    fi
    rm -rf "$work"
    exit "$status"
}
trap end_faults EXIT

# --- Processes --------------------------------------------------------------------------------------------------------

declare -A pid management_of http_of words_of host_of
nodes=(node-1 node-2 node-3)
routers=(router-1 router-2)

# launch NAME COMMAND…: in the background; an earlier life's log is kept.
launch() {
    local name=$1
    shift
    [ ! -e "$work/$name.log" ] || cat "$work/$name.log" >>"$work/$name.log.old"
    background "$name" "$@"
    pid[$name]=$!
}

# node NAME: starts it, or starts it again. Does not wait.
node() {
    local name=$1
    : "${management_of[$name]:=$(free_port)}" "${host_of[$name]:=127.0.0.1}"
    local words=()
    read -ra words <<<"${words_of[$name]:-}"
    launch "$name" ${words[@]+"${words[@]}"} "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/$name" \
        --loops 1 --cluster-replicas 2 --management-port "${management_of[$name]}" --node-id "$name" \
        ${node_options[$name]:---link-port 0 --host ${host_of[$name]}}
}
declare -A node_options

router() {
    local name=$1
    : "${management_of[$name]:=$(free_port)}" "${http_of[$name]:=$(free_port)}" "${host_of[$name]:=127.0.0.1}"
    launch "$name" "$favorites" router --kafka-brokers "$brokers" --data-dir "$work/$name" --loops 1 \
        --cluster-replicas 2 --clock-fixed "$now" --http-port "${http_of[$name]}" \
        --management-port "${management_of[$name]}" --node-id "$name"
}

ready() {
    local name
    for name in "$@"; do
        wait_for 60 "$name" curl -sf "http://${host_of[$name]}:${management_of[$name]}/health/ready"
    done
}

# ended NAME: waits for its end; it has its drain time and a little.
ended() {
    local deadline=$((SECONDS + 45))
    while kill -0 "${pid[$1]}" 2>/dev/null; do
        [ $SECONDS -lt $deadline ] || fail "$1 does not end"
        sleep 0.05
    done
    wait "${pid[$1]}" || fail "$1 ended with $?: $(tail -n 3 "$work/$1.log")"
}

killed() { { kill -9 "${pid[$1]}" && wait "${pid[$1]}"; } 2>/dev/null || true; }

# --- Load -------------------------------------------------------------------------------------------------------------

publish() {
    start_broker "${PARTITIONS:-64}"
    publish_offer "${EVENTS:-20000}"
    check_nothing_trimmed
}

cluster() {
    local name
    for name in "${nodes[@]}"; do node "$name"; done
    for name in "${routers[@]}"; do router "$name"; done
    ready "${nodes[@]}" "${routers[@]}"
}

# begin OPTION…: the load; returns when the undisturbed part of the window is over. Sets `live_id`.
begin() {
    local name targets=()
    for name in "${routers[@]}"; do targets+=(--target "127.0.0.1:${http_of[$name]}"); done
    [ "$compares" = no ] || set -- "$@" --nodes "$work/nodes"
    background live nice -n "${NICE:-0}" "$live" "${targets[@]}" --kafka-brokers "$brokers" --data "$work/offer" \
        --now "$now" --rate "$rate" --seconds "$window" --updates "${UPDATES:-2000}" \
        --connections "${CONNECTIONS:-32}" --json "$work/live.json" "$@"
    live_id=$!
    wait_for 60 "the load" grep -q 'the window begins' "$work/live.log"
    sleep "$before"
}

mark() { kill -USR1 "$live_id"; }

# finish: waits for the end of the load, which must not have come before. Prints the scenario's row.
finish() {
    local name status=0
    kill -0 "$live_id" 2>/dev/null || fail "the window of $window s ended before the scenario: $(tail -n 20 "$work/live.log")"
    for name in "${nodes[@]}"; do echo "${host_of[$name]}:${management_of[$name]}"; done >"$work/nodes.new"
    mv "$work/nodes.new" "$work/nodes"
    wait "$live_id" || status=$?
    for name in "${routers[@]}"; do
        curl -sf "http://127.0.0.1:${management_of[$name]}/metrics" >"$work/$name.metrics" || true
    done
    cp "$work/live.json" "$out/$scenario.json" 2>/dev/null || true
    [ -s "$work/live.json" ] || fail "the load ended with $status: $(tail -n 20 "$work/live.log")"
    python3 - "$work/live.json" "$scenario" <<'PY'
import json, sys
result = json.load(open(sys.argv[1]))
load, parts = result["load"], result["stretches"]
before = next((part for part in parts if part["name"] == "before"), None)
print(f"{sys.argv[2]}: {load['requests'] + load['failed']} requests, {load['failed']} failed, {result['wrong']} wrong, "
      f"{load['repeats']} repeated; {result['compared']} compared in the end; {result['updates']} updates; "
      f"p99.9 of all {load['p999_us'] / 1000:.1f} ms{', GENERATOR LATE' if load['generator_saturated'] else ''}")
for part in parts[1:]:
    ratio = part["p999_us"] / before["p999_us"] if before and before["p999_us"] else 0
    print(f"    {part['name']:9} {part['from']:6.1f} to {part['to']:6.1f} s: p50 {part['p50_us'] / 1000:7.2f}  "
          f"p99 {part['p99_us'] / 1000:7.2f}  p99.9 {part['p999_us'] / 1000:7.2f}  max {part['max_us'] / 1000:7.1f} ms  "
          f"p99.9 x {ratio:5.1f}  failed {part['failed']}")
for reason, count in sorted(result["reasons"].items(), key=lambda item: -item[1])[:12]:
    print(f"    {count} x {reason[:220]}")
PY
    awk '/^(router_asks|router_failed_open|monotonic_violations)[a-z_]*_total/ { sum[$1] += $2 }
        END { printf "    routers, since their start:"; for (name in sum) printf " %s %d", name, sum[name]; print "" }' \
        "$work"/router-*.metrics
    [ "$status" -eq 0 ] || fail "$scenario: something failed or was wrong; favorites-live ended with $status"
    python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(r["judged"] < int(sys.argv[2]))' \
        "$work/live.json" "$least" || fail "$scenario: fewer than $least requests; make RATE or WINDOW_SECONDS greater"
}

# --- Scenarios --------------------------------------------------------------------------------------------------------

kill_node() {
    begin
    mark
    killed "$1"
    sleep "$away"
    mark
    node "$1"
    ready "$1"
    finish
}

stop() {
    begin
    mark
    kill -STOP "${pid[node-2]}"
    sleep "$away"
    mark
    kill -CONT "${pid[node-2]}"
    finish
}

term() {
    begin
    mark
    kill -TERM "${pid[node-2]}"
    ended node-2
    mark
    node node-2
    ready node-2
    finish
}

rolling() {
    local name
    begin
    for name in "${nodes[@]}"; do
        mark
        kill -TERM "${pid[$name]}"
        ended "$name"
        node "$name"
        ready "$name" "${routers[@]}"
    done
    finish
}

scale() {
    begin
    mark
    node node-4
    ready node-4
    sleep "$away"
    mark
    kill -TERM "${pid[node-4]}"
    ended node-4
    finish
}

# Where the nodes are that the hook has not ended.
find_hooked() {
    local name
    mapfile -t nodes < <(living_nodes)
    for name in "${nodes[@]}"; do
        management_of[$name]=$(hooked_management "$name" | cut -d : -f 2)
        host_of[$name]=127.0.0.1
    done
}

hooked_cluster() {
    local name
    write_node_settings 2
    for name in "${nodes[@]}"; do start_hooked "$name"; done
    for name in "${routers[@]}"; do router "$name"; done
    wait_for 60 "the nodes" serve_count 3 "${management_of[router-1]}"
    find_hooked
    ready "${nodes[@]}" "${routers[@]}"
}

# autoscaled NAME COUNT OPTION…: an autoscaler with these options leads to so many nodes, by one call of the hook.
autoscaled() {
    local name=$1 count=$2 calls
    shift 2
    mark
    start_autoscaler "$name" --autoscale-nodes-min 3 --autoscale-nodes-max 4 "$@"
    wait_for 60 "$count nodes" lives_count "$count"
    wait_for 60 "$count nodes" serve_count "$count" "${management_of[router-1]}"
    kill "$autoscaler_id"
    wait "$autoscaler_id" || fail "$name ended with $?: $(tail -n 3 "$work/$name.log")"
    calls=$(grep -c 'calling the hook' "$work/$name.log") || true
    [ "$calls" -eq 1 ] || fail "$name: $calls calls of the hook instead of one: $(grep autoscale: "$work/$name.log")"
    echo "    $name: $(grep -m 1 -o 'reason=.*' "$work/$name.log")"
}

# A loop that is 2 % busy is called full, so the rate fills none; then the default bounds hold, by which it idles.
autoscale() {
    begin
    autoscaled scale-out 4 --autoscale-scale-out-above 2 --autoscale-scale-in-below 1
    sleep "$away"
    autoscaled scale-in 3
    find_hooked
    finish
}

router_kill() {
    begin --retry-elsewhere
    mark
    killed router-1
    sleep 2
    mark
    router router-1
    ready router-1
    finish
}

router_term() {
    begin
    mark
    kill -TERM "${pid[router-1]}"
    ended router-1
    mark
    router router-1
    ready router-1
    finish
}

broker_stop() {
    begin
    mark
    kill -STOP "$broker_id"
    sleep "$long"
    mark
    kill -CONT "$broker_id"
    finish
}

broker_kill() {
    begin
    mark
    { kill -9 "$broker_id" && wait "$broker_id"; } 2>/dev/null || true
    finish
}

# --- Networks ---------------------------------------------------------------------------------------------------------

may_have_networks() {
    [ "$(id -u)" -eq 0 ] && command -v ip nft >/dev/null || return 1
    ip netns add "favorites-$$" 2>/dev/null || return 1
    ip netns exec "favorites-$$" nft list ruleset >/dev/null 2>&1
    local status=$?
    ip netns del "favorites-$$"
    return $status
}

# Each node's namespace, joined to ours by a pair of interfaces. Kafka comes in by a Unix socket: it is not what is cut.
networks() {
    local number name space port
    background kafka-out "$root/Benchmarks/forward.py" "unix:$work/kafka" "tcp:$brokers"
    wait_for 10 "the forwarder" grep -q ready "$work/kafka-out.log"
    port=${brokers##*:}
    for number in 1 2 3; do
        name=node-$number space=favorites-$$-$number
        ip netns add "$space"
        spaces+=("$space")
        ip link add "fv$(($$ % 100000))-$number" type veth peer name wire netns "$space"
        ip addr add "10.213.$number.1/30" dev "fv$(($$ % 100000))-$number"
        ip link set "fv$(($$ % 100000))-$number" up
        ip -n "$space" addr add "10.213.$number.2/30" dev wire
        ip -n "$space" link set wire up
        ip -n "$space" link set lo up
        background "kafka-$number" ip netns exec "$space" "$root/Benchmarks/forward.py" "tcp:127.0.0.1:$port" "unix:$work/kafka"
        wait_for 10 "the forwarder" grep -q ready "$work/kafka-$number.log"
        words_of[$name]="ip netns exec $space"
        host_of[$name]=10.213.$number.2
    done
}

# rule OUT|IN…: what node-2 sends, is sent, is lost from now on; without arguments all passes again.
rule() {
    local way hook field
    ip netns exec "favorites-$$-2" nft flush ruleset
    [ $# -gt 0 ] || return 0
    ip netns exec "favorites-$$-2" nft add table inet fault
    for way in "$@"; do
        [ "$way" = OUT ] && hook=output field=oifname || { hook=input field=iifname; }
        ip netns exec "favorites-$$-2" nft add chain inet fault $hook "{ type filter hook $hook priority 0; }"
        ip netns exec "favorites-$$-2" nft add rule inet fault $hook $field wire drop
    done
}

net() {
    begin
    mark
    rule "$@"
    sleep "$((away * 2 / 3))"
    mark
    rule
    finish
}

# A forwarder stands where node-2 says that it is; the node itself listens behind it.
late() {
    local link=7070 space=favorites-$$-2
    management_of[node-2]=$(free_port)
    background late ip netns exec "$space" "$root/Benchmarks/forward.py" --delay-ms 200 \
        "tcp:10.213.2.2:$link" "tcp:127.0.0.1:$link"
    late_id=$!
    background health-2 ip netns exec "$space" "$root/Benchmarks/forward.py" \
        "tcp:10.213.2.2:${management_of[node-2]}" "tcp:127.0.0.1:${management_of[node-2]}"
    node_options[node-2]="--link-port $link --host 127.0.0.1 --advertised-host 10.213.2.2"
}

net_late() {
    begin
    mark
    kill -USR1 "$late_id"
    sleep "$((away * 2 / 3))"
    mark
    kill -USR1 "$late_id"
    finish
}

# --- The one that was asked for ---------------------------------------------------------------------------------------

if [[ $scenario = net-* ]] && ! may_have_networks; then
    echo "$scenario: LEFT OUT: no network namespaces here (needs root, iproute2, nftables, and a system that permits it)" >&2
    exit 0
fi
build=(swift build -c release --package-path Benchmarks --scratch-path Benchmarks/.build-prepared --product favorites-live)
if [ -n "${LIVE_BIN:-}" ]; then
    live=$LIVE_BIN
else
    "${build[@]}" >"$work/build.log" 2>&1 || fail "favorites-live does not build: $(tail -n 5 "$work/build.log")"
    live=$("${build[@]}" --show-bin-path)/favorites-live
fi
compares=yes
[ "$scenario" != broker-kill ] || compares=no

publish
broker_id=${started[0]}
[[ $scenario != net-* ]] || networks
[ "$scenario" != net-late ] || late
if [ "$scenario" = autoscale ]; then hooked_cluster; else cluster; fi
case $scenario in
kill-*) kill_node "node-${scenario#kill-}" ;;
net-cut) net OUT IN ;;
net-out) net OUT ;;
net-in) net IN ;;
*) "${scenario//-/_}" ;;
esac
check_nothing_trimmed
