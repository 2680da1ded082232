# Sourced after lib.sh: nodes that deploy/autoscale/local-process.sh starts and stops, and the autoscaler that calls it.
#
# What the hook starts is no child of the benchmark. `end_hooked_nodes` ends it, by the script's own list of processes;
# call it where the benchmark ends, however it does.

hooked=$work/hooked
hook_script=$root/deploy/autoscale/local-process.sh
export LOCAL_PROCESS_FAVORITES=$favorites

# write_node_settings REPLICAS: of all nodes; the broker runs. The autoscaler hands no FAVORITES_… variable on.
write_node_settings() {
    mkdir -p "$hooked"
    printf 'kafka.brokers: %s\ncluster.replicas: %s\nloops: 1\nsnapshot.interval: %s\n' \
        "$brokers" "$1" "$FAVORITES_SNAPSHOT_INTERVAL" >"$hooked/settings.yaml"
}

# start_hooked NAME: a node that the autoscaler may stop later. Does not wait.
start_hooked() { "$hook_script" "$hooked" start "$1" >>"$work/hook.log"; }

# living_nodes: their names, one a line.
living_nodes() { "$hook_script" "$hooked" list | awk '$3 == "lives" { print $1 }'; }
lives_count() { [ "$(living_nodes | wc -l)" -eq "$1" ]; }

# hooked_management NAME: where a node's metrics are, host:port; nothing before it listens.
hooked_management() { grep -m 1 -o 'management=[^ ,]*' "$hooked/nodes/$1/log" | cut -d = -f 2; }

# serve_count COUNT PORT: whether so many nodes serve, by the router whose management port that is.
serve_count() {
    local serving
    serving=$(curl -sf "http://127.0.0.1:$2/health" | grep -o '"kind":"node","silent":false,"state":"serving"' | wc -l)
    [ "$serving" -eq "$1" ]
}

# start_autoscaler NAME OPTION…: decides after seconds instead of minutes. Sets `autoscaler_id`; its log is $work/NAME.log.
start_autoscaler() {
    local name=$1
    shift
    background "$name" "$favorites" autoscale --kafka-brokers "$brokers" --management-port "$(free_port)" \
        --autoscale-command "$hook_script $hooked" --autoscale-window "${WINDOW:-5s}" \
        --autoscale-scale-out-cooldown "${COOLDOWN:-5s}" --autoscale-scale-in-cooldown "${COOLDOWN:-5s}" "$@"
    autoscaler_id=$!
}

# hook_calls ACTION FILE…: how often the hook was called for it, by the autoscalers' logs.
hook_calls() {
    local action=$1
    shift
    cat "$@" | grep 'calling the hook' | grep -c "action=$action" || true
}

end_hooked_nodes() {
    local name pid state
    [ -f "$hooked/settings.yaml" ] || return 0
    "$hook_script" "$hooked" list | while read -r name pid state; do
        [ "$state" != lives ] || kill -9 "$pid" 2>/dev/null || true
    done
}
