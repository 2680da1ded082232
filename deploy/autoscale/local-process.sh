#!/usr/bin/env bash
# Starts and stops nodes on this machine: the hook of `favorites autoscale` for the demo, tests and single machines.
#
#     local-process.sh FOLDER scale-out|scale-in     called by the autoscaler: autoscale.command "…/local-process.sh FOLDER"
#     local-process.sh FOLDER start NAME             a node by hand, so that the autoscaler may stop it later
#     local-process.sh FOLDER stop NAME
#     local-process.sh FOLDER list                   name, process, whether it lives
#
# FOLDER/settings.yaml holds the nodes' settings (kafka.brokers, cluster.replicas, …). Each node has FOLDER/nodes/NAME
# with its data, log and pid. What was done under a key stands in FOLDER/keys: a call of the same key does nothing more.
#
# LOCAL_PROCESS_FAVORITES=/path/of/favorites (else the one on the PATH), LOCAL_PROCESS_PREFIX="taskset -c 1": words before
# it. It does not wait: a new node loads, and one that is stopped (SIGTERM) drains first; the autoscaler watches both.
set -euo pipefail

fail() {
    echo "local-process: $1" >&2
    exit "${2:-64}"
}

[ $# -ge 2 ] || fail "usage: $0 FOLDER scale-out|scale-in|start NAME|stop NAME|list"
folder=$1 action=$2
[ -f "$folder/settings.yaml" ] || fail "no $folder/settings.yaml; write the nodes' settings there"
folder=$(cd "$folder" && pwd)
favorites=${LOCAL_PROCESS_FAVORITES:-favorites}
command -v "$favorites" >/dev/null || fail "no $favorites; set LOCAL_PROCESS_FAVORITES" 69
mkdir -p "$folder/nodes" "$folder/keys"

# One call at a time: two autoscalers may call in the same moment.
exec 9>"$folder/lock"
flock -w 10 9 || fail "another call holds $folder/lock" 71

is_name() { [[ $1 =~ ^[A-Za-z0-9._:-]{1,64}$ ]]; }

# The process of a node, where it lives; another one that was given its number later does not count.
process_of() {
    local pid
    pid=$(cat "$folder/nodes/$1/pid" 2>/dev/null) || return 1
    tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$folder/nodes/$1/data" || return 1
    echo "$pid"
}

start() {
    local name=$1 home=$folder/nodes/$1 pid
    is_name "$name" || fail "'$name' is no node's name"
    if pid=$(process_of "$name"); then
        echo "$name runs already, process $pid"
        return
    fi
    mkdir -p "$home"
    rm -f "$home/stopped"
    (
        # The files of whoever called this, the lock among them, are not the node's.
        for file in "/proc/$BASHPID/fd/"*; do
            [ "${file##*/}" -le 2 ] || eval "exec ${file##*/}>&-"
        done
        # shellcheck disable=SC2086 # the prefix is words
        exec setsid ${LOCAL_PROCESS_PREFIX:-} "$favorites" node --config "$folder/settings.yaml" --node-id "$name" \
            --data-dir "$home/data" --link-port 0 --management-port 0
    ) >>"$home/log" 2>&1 </dev/null &
    echo $! >"$home/pid"
    echo "$name started, process $!"
}

stop() {
    local name=$1 pid
    is_name "$name" || fail "'$name' is no node's name"
    [ -d "$folder/nodes/$name" ] || fail "$name was not started by this script in $folder" 69
    touch "$folder/nodes/$name/stopped"
    if pid=$(process_of "$name"); then
        kill -TERM "$pid"
        echo "$name drains, process $pid"
    else
        echo "$name does not run"
    fi
}

case $action in
scale-out)
    key=${AUTOSCALE_KEY:?is set by the autoscaler}
    is_name "$key" || fail "'$key' is no key"
    name=auto-${AUTOSCALE_GENERATION:-$key}
    # Known and stopped since: this call is an old one, come late. Known and not alive: it ended before it was heard, so
    # the same node is started again.
    if [ -e "$folder/keys/$key" ] && [ -e "$folder/nodes/$name/stopped" ]; then
        echo "done before: $name was started, and stopped since"
        exit 0
    fi
    echo "$name" >"$folder/keys/$key"
    start "$name"
    ;;
scale-in)
    key=${AUTOSCALE_KEY:?is set by the autoscaler}
    is_name "$key" || fail "'$key' is no key"
    if [ -e "$folder/keys/$key" ]; then
        echo "done before: $(<"$folder/keys/$key") was stopped"
        exit 0
    fi
    stop "${AUTOSCALE_NODE:?is set by the autoscaler}"
    echo "$AUTOSCALE_NODE" >"$folder/keys/$key"
    ;;
start) start "${3:?give the name of a node}" ;;
stop) stop "${3:?give the name of a node}" ;;
list)
    for home in "$folder"/nodes/*/; do
        [ -d "$home" ] || continue
        name=$(basename "$home")
        if pid=$(process_of "$name"); then echo "$name $pid lives"; else echo "$name - ended"; fi
    done
    ;;
*) fail "unknown action '$action'; it is scale-out, scale-in, start, stop or list" ;;
esac
