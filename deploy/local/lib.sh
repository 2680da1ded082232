# shellcheck shell=bash
# Sourced by up.sh and down.sh: the folder of a local cluster, and its processes, each with a file of its id.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
program=$(basename "$0")
folder=${LOCAL_DIR:-$root/favorites-data/local}

fail() {
    echo "$program: $*" >&2
    exit 1
}

# id_of NAME: the process id, where it runs. A number that the system has given to another process since is none of ours.
id_of() {
    local id started
    [ -f "$folder/run/$1" ] || return 1
    read -r id started <"$folder/run/$1"
    [ "$(start_of "$id")" = "$started" ] && echo "$id"
}

# start_of ID: when the process began, in the kernel's ticks; empty where there is none, or where it has ended.
start_of() { awk '{ sub(/.*\) /, ""); if ($1 != "Z") print $20 }' "/proc/$1/stat" 2>/dev/null || true; }

# wait_for SECONDS WHAT COMMAND…: until the command succeeds.
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || fail "$what took too long; its log: $folder/log"
        sleep 0.1
    done
}
