#!/usr/bin/env bash
# What a request costs a cluster of 1, 2, 3, 4 and 6 nodes, with two holders of each partition and with every node
# holding everything: processor time of the threads that serve, on the router and on the nodes, beside the number of
# nodes asked. And how evenly the work falls on three nodes, by Zipf's law and when 60 of 100 requests name one team.
#
#     Benchmarks/scaling.sh           the table
#     Benchmarks/scaling.sh balance   three nodes, R = 2: most ÷ mean work of a node
#     Benchmarks/scaling.sh all
#
# Only ratios of processor time are read off, so it takes no machine with many cores. Each cluster has CONNECTIONS (16)
# connections for each node in a closed loop; what the router and the processors bear is shared out among the nodes, so
# of more nodes each has fewer requests at a time. With RATE=N an open loop asks N requests a second for each node instead:
# then each node has the same to do however many there are.
#
# NODES="1 2 3 4 6", REPLICAS="2 max", EVENTS=5000, WINDOWS=3, WINDOW_SECONDS=2 are settable. Times are printed, never judged.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

what=${1:-table}
[[ $what =~ ^(table|balance|all)$ ]] || fail "usage: $0 [table|balance|all]"
windows=${WINDOWS:-3}
seconds=${WINDOW_SECONDS:-2}
read -ra counts <<<"${NODES:-1 2 3 4 6}"
generator=$(Benchmarks/build.sh favorites-load 2>"$work/build.log") || fail "$(tail -n 20 "$work/build.log")"

# serving_ns ID…: nanoseconds that the loops of the processes have run. The management loop is idle; the rest of a
# process (Kafka, writer, heartbeats) has other names.
serving_ns() {
    local id
    for id in "$@"; do
        grep -l '^NIO-ELT' "/proc/$id/task/"*/comm
    done | sed 's/comm$/schedstat/' | xargs cat | awk '{ sum += $1 } END { printf "%.0f", sum }'
}

# metric NAME PORT: the sum over its labels.
metric() { curl -sf "http://127.0.0.1:$2/metrics" | awk -v name="$1" '$1 ~ "^" name "([{]|$)" { sum += $2 } END { printf "%.0f", sum }'; }

# start_nodes COUNT REPLICAS: nodes and a router, ready. Sets `node_ids`, `node_managements` and what start_router sets.
start_nodes() {
    local number
    node_ids=()
    node_managements=()
    for ((number = 1; number <= $1; number++)); do
        start_node "node-$number" "$2"
        node_ids+=("$node_id")
        node_managements+=("$node_management")
    done
    start_router "$2"
    for port in "${node_managements[@]}" "$management"; do
        wait_for 60 "the cluster" curl -sf "http://127.0.0.1:$port/health/ready"
    done
}

# They say goodbye, so the next cluster has the control topic for itself.
end_nodes() {
    local id
    for id in "$router_id" "${node_ids[@]}"; do kill "$id"; done
    for id in "$router_id" "${node_ids[@]}"; do wait "$id" 2>/dev/null || true; done
    started=("${started[0]}")
}

# Loads for one window and prints: requests, router's ns, then each node's ns and queries.
window() {
    local before=() after=() arrivals=() index requests
    [ -z "${RATE:-}" ] || arrivals=(--rate $((RATE * ${#node_ids[@]})))
    requests=$(metric http_server_requests_seconds_count "$management")
    before=("$(serving_ns "$router_id")")
    for index in "${!node_ids[@]}"; do
        before+=("$(serving_ns "${node_ids[$index]}")" "$(metric link_queries_total "${node_managements[$index]}")")
    done
    "$generator" --target "${base#http://}" --connections $((${CONNECTIONS:-16} * ${#node_ids[@]})) --seconds "$seconds" \
        "${arrivals[@]}" --warm-up 0 --data "$work/offer" --mix "$1" --check none --quiet >"$work/load.table" 2>&1 ||
        fail "$(cat "$work/load.table")"
    after=("$(serving_ns "$router_id")")
    for index in "${!node_ids[@]}"; do
        after+=("$(serving_ns "${node_ids[$index]}")" "$(metric link_queries_total "${node_managements[$index]}")")
    done
    requests=$(($(metric http_server_requests_seconds_count "$management") - requests))
    printf '%d' "$requests"
    for index in "${!before[@]}"; do printf ' %d' $((after[index] - before[index])); done
    echo
}

# The first window warms up and is dropped.
measure() {
    local round
    window "$1" >/dev/null
    for ((round = 0; round < windows; round++)); do window "$1"; done
}

start_broker "${PARTITIONS:-48}"
publish_offer "${EVENTS:-5000}"
check_nothing_trimmed

# median COLUMN FILE, range COLUMN FILE: of a file of rows.
median() { awk -v column="$1" '{ print $column }' "$2" | spread | cut -d ' ' -f 1; }
range() { awk -v column="$1" '{ print $column }' "$2" | spread | cut -d ' ' -f 2,3 | tr ' ' -; }

table() {
    local replicas count one=$work/one
    printf '%-5s %5s %9s %9s %9s %9s %9s %12s\n' R nodes requests asks router nodes 'a node' 'nodes, range'
    for replicas in ${REPLICAS:-2 max}; do
        for count in "${counts[@]}"; do
            start_nodes "$count" "$replicas"
            # Requests, asks a request, µs a request of the router and of all nodes.
            measure mixed | awk '{
                work = asks = 0
                for (field = 3; field < NF; field += 2) { work += $field; asks += $(field + 1) }
                print $1, asks / $1, $2 / $1 / 1000, work / $1 / 1000
            }' >"$one"
            end_nodes
            awk -v replicas="$replicas" -v nodes="$count" -v requests="$(median 1 "$one")" -v asks="$(median 2 "$one")" \
                -v router="$(median 3 "$one")" -v work="$(median 4 "$one")" -v range="$(range 4 "$one")" -v rows="$work/rows" '
                BEGIN {
                    printf "%-5s %5d %9d %9.2f %9.1f %9.1f %9.2f %12s\n", replicas, nodes, requests, asks, router, work, work / nodes, range
                    print replicas, nodes, asks, router, work >>rows
                }'
        done
    done
    echo
    echo "µs of processor time a request. Asks: nodes asked a request. A node: nodes' work ÷ their number."
    # Work = a + b × asks by least squares; capacity is what the nodes could answer if each had a core.
    awk '
        { n++; x[n] = $3; y[n] = $5; replicas[n] = $1; nodes[n] = $2; router[n] = $4
          sx += $3; sy += $5; sxx += $3 * $3; sxy += $3 * $5; sr += $4; sxr += $3 * $4
          if ($2 == 1) base[$1] = $5 }
        END {
            spread = n * sxx - sx * sx
            # Where all have as many asks there is no slope.
            b = spread > 0.001 ? (n * sxy - sx * sy) / spread : 0; a = (sy - b * sx) / n
            d = spread > 0.001 ? (n * sxr - sx * sr) / spread : 0; c = (sr - d * sx) / n
            printf "the law: nodes %.1f + %.1f × asks, router %.1f + %.1f × asks\n\n", a, b, c, d
            printf "%-5s %5s %9s %9s %9s %12s %9s\n", "R", "nodes", "measured", "the law", "off", "capacity", "÷ linear"
            for (i = 1; i <= n; i++) {
                law = a + b * x[i]
                printf "%-5s %5d %9.1f %9.1f %8.0f%% %12.2f %9.2f\n", replicas[i], nodes[i], y[i], law, \
                    100 * (y[i] - law) / law, nodes[i] * base[replicas[i]] / y[i], base[replicas[i]] / y[i]
            }
        }' "$work/rows"
    echo "capacity: of the nodes, in nodes of a cluster of one; by processor time a request."
}

balance() {
    local mix one=$work/one
    start_nodes 3 2
    printf '%-12s %9s %9s %9s %9s %10s %14s\n' mix requests node-1 node-2 node-3 max/mean 'of windows'
    for mix in mixed cup-final; do
        # Requests, µs a request of each node, most ÷ mean.
        measure "$mix" | awk '{
            most = $3 > $5 ? $3 : $5
            if ($7 > most) most = $7
            print $1, $3 / $1 / 1000, $5 / $1 / 1000, $7 / $1 / 1000, most / (($3 + $5 + $7) / 3)
        }' >"$one"
        awk -v mix="$mix" -v range="$(range 5 "$one")" '
            { requests += $1; for (node = 1; node <= 3; node++) work[node] += $1 * $(node + 1) }
            END {
                for (node = 1; node <= 3; node++) { sum += work[node]; if (work[node] > most) most = work[node] }
                printf "%-12s %9d %9.2f %9.2f %9.2f %10.2f %14s\n", mix, requests, work[1] / requests, \
                    work[2] / requests, work[3] / requests, most / (sum / 3), range
            }' "$one"
    done
    end_nodes
    echo "µs of processor time a request, by node."
}

case $what in
table) table ;;
balance) balance ;;
all)
    table
    echo
    balance
    ;;
esac
