# Sourced by the benchmarks: a folder of their own, processes that end with the script, and a served offer.
#
# Everything listens on loopback at free ports. Only processes that were started here are ended, by their ids.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
favorites=${FAVORITES_BIN:-$root/.build/release/favorites}
work=$(mktemp -d)
started=()
# The instant around which the generated offer is played, and at which `serve` stands still.
now=2026-03-14T15:00:00Z

end_all() {
    local status=$?
    for id in "${started[@]}"; do kill "$id" 2>/dev/null || true; done
    for id in "${started[@]}"; do wait "$id" 2>/dev/null || true; done
    rm -rf "$work"
    exit "$status"
}
trap end_all EXIT
trap 'exit 130' INT TERM

# What is measured shares the disk and the processors with no snapshots, unless the benchmark is about them.
export FAVORITES_SNAPSHOT_INTERVAL=${FAVORITES_SNAPSHOT_INTERVAL:-0s}

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

[ -x "$favorites" ] || fail "no $favorites; run \`make release\` first, or set FAVORITES_BIN"

# Two processors: the first for the server, the second for whoever asks it.
mapfile -t processors < <(
    taskset -pc $$ | sed 's/.*: //' | tr ',' '\n' |
        awk -F- '{ for (n = $1; n <= (NF > 1 ? $2 : $1); n++) print n }')

# background NAME COMMAND…: its output goes to $work/NAME.log; `$!` is its id.
background() {
    local name=$1
    shift
    "$@" >"$work/$name.log" 2>&1 &
    started+=($!)
}

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "$what is not ready in time; logs: $(tail -n 3 "$work"/*.log 2>/dev/null)"
        sleep 0.1
    done
}

free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port && return; }
    done
    fail "no free port"
}

# start_broker PARTITIONS [OF-EACH-GLOBAL-TOPIC]: sets `brokers`.
start_broker() {
    background broker "$favorites" broker --partitions "$1" --global-partitions "${2:-$1}" --bootstrap-file "$work/bootstrap"
    wait_for 20 "the broker" test -s "$work/bootstrap"
    brokers=$(<"$work/bootstrap")
}

# publish_offer EVENTS: generates an offer into $work/offer and publishes it. `publish` fails where the broker did not
# keep all of it.
publish_offer() {
    "$favorites" generate --events "$1" --seed 1 --now $now --plain --out "$work/offer" >"$work/generate.log"
    "$favorites" publish "$work/offer" --kafka-brokers "$brokers" >"$work/publish.log" 2>&1 ||
        fail "publishing failed: $(tail -n 3 "$work/publish.log")"
}

# The broker drops what is over its limit and says so. A benchmark of half the messages is none.
check_nothing_trimmed() {
    ! grep -i 'dropped\|trimmed\|log start' "$work/broker.log" || fail "the broker did not keep all messages"
}

# start_serve COMMAND…: runs `favorites serve` behind the given words (taskset, env), holding everything, one loop.
# Sets `serve_id`, `management`, `base`.
start_serve() {
    local http
    http=$(free_port)
    management=$(free_port)
    background serve "$@" "$favorites" serve --kafka-brokers "$brokers" --data-dir "$work/serve" --loops 1 \
        --cluster-replicas max --clock-fixed $now --http-port "$http" --management-port "$management" \
        --link-port 0 --node-id serve-1
    serve_id=$!
    base=http://127.0.0.1:$http
    wait_for 60 "favorites serve" curl -sf "http://127.0.0.1:$management/health/ready"
}

# pick COUNT: of the lines on stdin COUNT, evenly spread, with commas between.
pick() {
    awk -v wanted="$1" '
        { ids[NR] = $0 }
        END { for (n = 0; n < wanted; n++) printf "%s%s", n ? "," : "", ids[int(n * NR / wanted) + 1] }'
}

# Ids of the offer's soccer events, one a line.
all_event_ids() {
    grep '"sport":"soccer"' "$work/offer/events.ndjson" | grep -o '^{"key":"[^"]*"' | cut -d '"' -f 4
}

# Ids of the soccer teams that have a match ahead, one a line.
all_team_ids() {
    grep '"sport":"soccer"' "$work/offer/events.ndjson" | grep NOT_STARTED |
        grep -o '"participants":\[{"id":"[^"]*"' | cut -d '"' -f 6 | sort -u
}

# event_ids COUNT, team_ids COUNT: some of them, spread over the offer, with commas between.
event_ids() { all_event_ids | pick "$1"; }
team_ids() { all_team_ids | pick "$1"; }

# Reads numbers, one a line; prints median, least, most. Large ones without decimals.
spread() {
    sort -g | awk '
        function text(number) { return sprintf(number >= 1000 ? "%.0f" : "%.3g", number) }
        { value[NR] = $1 }
        END {
            median = NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2
            print text(median), text(value[1]), text(value[NR])
        }'
}

# start_node NAME REPLICAS COMMAND…: runs a node behind the given words. Sets `node_id`, `node_management`. Does not wait.
start_node() {
    local name=$1 replicas=$2
    shift 2
    node_management=$(free_port)
    background "$name" "$@" "$favorites" node --kafka-brokers "$brokers" --data-dir "$work/$name" --loops 1 \
        --cluster-replicas "$replicas" --link-port 0 --management-port "$node_management" --node-id "$name"
    node_id=$!
}

# start_router REPLICAS COMMAND…: runs a router behind the given words. Sets `router_id`, `management`, `base`. Does not
# wait.
start_router() {
    local replicas=$1 http
    shift
    http=$(free_port)
    management=$(free_port)
    background router "$@" "$favorites" router --kafka-brokers "$brokers" --data-dir "$work/router" --loops 1 \
        --cluster-replicas "$replicas" --clock-fixed $now --http-port "$http" --management-port "$management" \
        --node-id router-1
    router_id=$!
    base=http://127.0.0.1:$http
}

# cpu_us ID…: microseconds that the processes have run, together.
cpu_us() {
    local id
    for id in "$@"; do cat "/proc/$id/stat"; done |
        awk -v hertz="$(getconf CLK_TCK)" '{ sum += $14 + $15 } END { printf "%d", sum * 1000000 / hertz }'
}

# result_row MEASURE OURS PEER MEDIAN LEAST MOST BAR COMMAND: a row of RESULTS.md, where `make bench` wants one: then
# RESULT_ROWS names a file. MEDIAN, LEAST and MOST are of the ratio of the rounds, or of the figure itself where there is
# no peer. BAR: `>= 1.0`, `<= 4`, or empty. No argument holds a tab.
result_row() {
    [ -n "${RESULT_ROWS:-}" ] || return 0
    local IFS=$'\t'
    printf '%s\n' "$*" >>"$RESULT_ROWS"
}

# start_cluster COMMAND…: three nodes and a router, two holders of each partition, one loop each, every one behind the
# given words, in which %s becomes its name. Sets `node_ids`, and what start_router sets.
start_cluster() {
    local name managements=()
    node_ids=()
    for name in node-1 node-2 node-3; do
        start_node "$name" 2 "${@//%s/$name}"
        node_ids+=("$node_id")
        managements+=("$node_management")
    done
    start_router 2 "${@//%s/router}"
    for management in "${managements[@]}" "$management"; do
        wait_for 60 "the cluster" curl -sf "http://127.0.0.1:$management/health/ready"
    done
}

# The options of a node's consumer, NAME=VALUE, one a line: out of the source, so that a bare consumer has the same.
consumer_options() {
    sed -n '/let consumerDefaults/,/^    ]/p; /var fixed/,/case .producer/p' Sources/Kafka/RDKafka/RDKafkaConfiguration.swift |
        sed -n 's/^ *("\([a-z.]*\)", "\([^"]*\)"),$/\1=\2/p'
}
