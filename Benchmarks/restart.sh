#!/usr/bin/env bash
# Restart: time from exec to ready of a node that comes back out of its snapshots, beside one that reads Kafka from the
# start, Redis loading an RDB of the same messages under the same keys, and `lz4 -d` of those messages. They take turns in
# each round, on one machine with a warm page cache. Prints medians, least and most, ratios, and bytes on disk for each
# event. It gates on nothing but that every round serves all events.
#
# The embedded broker keeps 5 MiB of messages in each partition, so many events want many partitions: about 8,000 for one.
#
#     Benchmarks/restart.sh                     RUNS=5 EVENTS=200000 PARTITIONS=64 GLOBAL_PARTITIONS=12
#     EVENTS=1000000 PARTITIONS=128 Benchmarks/restart.sh
#
# Without redis-server or lz4 (scripts/deps.sh bench) their rows are left out. Both have what `snapshot export` prints, which
# is less than the node holds: the rendered JSON with the participants' names, and the indexes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export FAVORITES_SNAPSHOT_INTERVAL=10m

runs=${RUNS:-5}
events=${EVENTS:-200000}
start_broker "${PARTITIONS:-64}" "${GLOBAL_PARTITIONS:-12}"
publish_offer "$events"
check_nothing_trimmed

# soon WHAT COMMAND…: until the command succeeds, asked often: what is measured takes tenths of a second.
soon() {
    local deadline=$((SECONDS + 300)) what=$1
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "$what is not ready in time; log: $(tail -n 3 "$work/$what.log")"
        sleep 0.01
    done
}

# start_node NAME OPTION…: runs until it is ready, and sets `ms` to the time from exec.
start_node() {
    local name=$1
    shift
    local management began
    management=$(free_port)
    began=$(date +%s%N)
    background "$name" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/data" --node-id node \
        --cluster-replicas max --link-port 0 --management-port "$management" "$@"
    node=$!
    soon "$name" curl -sf "http://127.0.0.1:$management/health/ready"
    ms=$((($(date +%s%N) - began) / 1000000))
    loaded=$(curl -sf "http://127.0.0.1:$management/metrics" | sed -n 's/^cache_size{name="events"} //p')
    [ "$loaded" -eq "$events" ] || fail "$name holds $loaded of $events events"
}

stop_node() {
    kill "$node"
    wait "$node" || true
}

# The first one writes the snapshots when it is stopped.
start_node first
stop_node
bytes=$(cat "$work"/data/snapshots/*.snapshot | wc -c)

if command -v lz4 >/dev/null; then
    "$favorites" snapshot export "$work"/data/snapshots/events-*.snapshot | lz4 -1 -q >"$work/values.lz4"
fi

if command -v redis-server >/dev/null; then
    mkdir "$work/redis"
    redis_port=$(free_port)
    background redis-fill redis-server --port "$redis_port" --dir "$work/redis" --save '' --daemonize no
    redis=$!
    wait_for 20 "redis" redis-cli -p "$redis_port" ping
    "$favorites" snapshot export "$work"/data/snapshots/events-*.snapshot |
        sed -E 's/^\{"key":"([^"]*)","value":(.*)\}$/\1\t\2/' |
        LC_ALL=C awk -F '\t' '{ printf "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", length($1), $1, length($2), $2 }' |
        LC_ALL=C redis-cli -p "$redis_port" --pipe >"$work/redis-pipe.log"
    redis-cli -p "$redis_port" save >/dev/null
    kill "$redis"
    wait "$redis" || true
fi

for ((run = 1; run <= runs; run++)); do
    start_node "snapshot-$run"
    echo "$ms" >>"$work/snapshot"
    # Nothing has changed, so it writes nothing.
    stop_node
    start_node "log-$run" --snapshot-interval 0s
    echo "$ms" >>"$work/log"
    stop_node
    if [ -f "$work/values.lz4" ]; then
        began=$(date +%s%N)
        lz4 -d -c -q "$work/values.lz4" >/dev/null
        echo $((($(date +%s%N) - began) / 1000000)) >>"$work/lz4-ms"
    fi
    if [ -f "$work/redis/dump.rdb" ]; then
        began=$(date +%s%N)
        background "redis-$run" redis-server --port "$redis_port" --dir "$work/redis" --save '' --daemonize no
        redis=$!
        soon "redis-$run" bash -c "[ \"\$(redis-cli -p $redis_port dbsize)\" = $events ]"
        echo $((($(date +%s%N) - began) / 1000000)) >>"$work/redis-ms"
        kill -9 "$redis"
        wait "$redis" 2>/dev/null || true
    fi
done

printf '%-10s %10s %10s %10s\n' 'ms' median least most
for what in snapshot log redis-ms lz4-ms; do
    [ -f "$work/$what" ] || continue
    read -r median least most < <(spread <"$work/$what")
    printf '%-10s %10s %10s %10s\n' "${what%-ms}" "$median" "$least" "$most"
done
for peer in log redis-ms lz4-ms; do
    [ -f "$work/$peer" ] || continue
    paste "$work/snapshot" "$work/$peer" | awk '{ print $1 / $2 }' >"$work/ratio"
    read -r median least most < <(spread <"$work/ratio")
    echo "snapshot / ${peer%-ms}: $median ($least to $most)"
    [ $peer = redis-ms ] || continue
    read -r ours _ < <(spread <"$work/snapshot")
    read -r theirs _ < <(spread <"$work/redis-ms")
    result_row "restart of $events events: from snapshots ÷ Redis from an RDB" "$ours ms" "$theirs ms" "$median" "$least" \
        "$most" "<= 0.25" Benchmarks/restart.sh
done
echo "$events events, $bytes bytes of snapshots: $((bytes / events)) for each event"
